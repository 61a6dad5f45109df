/* label_options.h: the command line of endcap-label. */
#ifndef LABEL_OPTIONS_H
#define LABEL_OPTIONS_H

#include <stdbool.h>

#include "option_text.h"

struct label_options {
    const char *label_id;
    const char *store_id; /* NULL: not said */
    char host[OPTION_TEXT_HOST_BYTES];
    uint16_t port;
    const char *ca_file;
    const char *certificate_file;
    const char *key_file;
    const char *platform_key_file;
    const char *state_dir;
    const char *png_file;     /* NULL: none */
    const char *journal_file; /* NULL: none */
    bool terminal;
    bool relaxed_flash;
    int64_t battery_pct;
    int64_t drain_pct; /* an hour */
    int64_t cut_ms;
    int64_t seconds; /* 0: until it is told to end */
    uint64_t seed;
    double loss;
    double replay;
};

/* RES_OK; RES_NOT_FOUND: --help was asked for and has been printed; RES_INVALID: `why`. */
MUST_CHECK enum res label_options_read(struct label_options *o, int argc, char **argv,
                                       struct err *why);

#endif
