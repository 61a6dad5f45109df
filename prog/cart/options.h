/* options.h: the command line of endcap-cart. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "option_text.h"

struct options {
    const char *cart_id;
    const char *store_id;
    char host[OPTION_TEXT_HOST_BYTES];
    uint16_t port;
    const char *ca_file;
    const char *certificate_file;
    const char *key_file;
    const char *platform_key_file;
    const char *state_dir;
    const char *trips_file;
    const char *journal_file;
    const char *currency;
    int64_t pace_ms;
    int64_t trips_max;
    bool loop;
    bool show;
    bool relaxed_flash;
    uint64_t seed;
    double decline;
    double mismatch;
    double identify;
    double replay;
    double reorder;
    double drop;
    int64_t cut_ms;
    int64_t terminal_ms;
    int64_t drain_ms;
    int64_t flash_sectors;
};

/* RES_OK; RES_NOT_FOUND: --help was asked for and has been printed; RES_INVALID: `why`. */
MUST_CHECK enum res options_read(struct options *o, int argc, char **argv, struct err *why);

#endif
