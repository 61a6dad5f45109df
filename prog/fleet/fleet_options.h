/* fleet_options.h: the command line of endcap-fleet. */
#ifndef FLEET_OPTIONS_H
#define FLEET_OPTIONS_H

#include "fleet_world.h"
#include "option_text.h"

struct fleet_options {
    struct fleet_world_settings world;
    char host[OPTION_TEXT_HOST_BYTES];
    const char *control_path;
    const char *script_file;
    const char *report_file;
    int64_t seconds; /* 0: until told */
    bool json;
    bool quiet;
};

/* RES_NOT_FOUND: --help was printed; RES_INVALID: words say what is wrong. Texts point into argv.
 */
MUST_CHECK enum res fleet_options_read(struct fleet_options *ret, int argc, char **argv,
                                       struct err *why);

#endif
