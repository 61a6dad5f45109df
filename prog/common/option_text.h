/* option_text.h: values of a virtual device's command line. All RES_INVALID with words that begin
 * with the option's name. */
#ifndef OPTION_TEXT_H
#define OPTION_TEXT_H

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

#endif
