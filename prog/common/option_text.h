/* option_text.h: a virtual device's command line and its values. All RES_INVALID with words that
 * begin with the option's name. */
#ifndef OPTION_TEXT_H
#define OPTION_TEXT_H

#include <getopt.h>
#include <stdint.h>

#include "err.h"

#define OPTION_TEXT_HOST_BYTES 256

MUST_CHECK enum res option_text_int(const char *name, const char *text, int64_t least, int64_t most,
                                    int64_t *ret, struct err *why);
/* From 0 to 1. */
MUST_CHECK enum res option_text_share(const char *name, const char *text, double *ret,
                                      struct err *why);
/* HOST:PORT */
MUST_CHECK enum res option_text_broker(const char *text, char ret_host[OPTION_TEXT_HOST_BYTES],
                                       uint16_t *ret_port, struct err *why);
MUST_CHECK enum res option_text_store(const char *text, struct err *why);

struct option_text_line {
    const char *program;        /* "endcap-cart", for the words */
    const struct option *known; /* as getopt_long takes it, each with a value of its own */
    int help;                   /* the value of --help */
    /* Takes one option; `text` is NULL where it has no value. */
    enum res (*take)(void *options, int opt, const char *name, const char *text, struct err *why);
    void *options;
};
/* The whole line, until `take` refuses one. RES_NOT_FOUND, without words: --help was asked for. */
MUST_CHECK enum res option_text_read(const struct option_text_line *line, int argc, char **argv,
                                     struct err *why);

#endif
