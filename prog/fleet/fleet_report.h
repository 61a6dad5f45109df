/* fleet_report.h: what the fleet tells, as JSON: figures of all, and each device as it is. */
#ifndef FLEET_REPORT_H
#define FLEET_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "fleet_world.h"

/* One object; `--help` lists its members. */
void fleet_report_stats(const struct fleet_world *w, FILE *out);
/* Percentiles and counts begin anew; what is connected stays. */
void fleet_report_reset(struct fleet_world *w);
/* One object. */
void fleet_report_device(const struct fleet_world *w, const struct fleet_device *d, FILE *out);
/* One line for people. */
void fleet_report_line(const struct fleet_world *w, FILE *out);

/* What a device is waited for to be; every member that is given must hold. */
struct fleet_report_wish {
    const char *state; /* NULL: any */
    int connected;     /* -1: any, as the next two */
    int synced;
    int drawn;
    int pending;
    const char *digest; /* hexadecimal, of what the panel shows */
    const char *product;
    const char *language;
    int64_t price_minor; /* -1: any, as what follows */
    int64_t version_least;
    int64_t config_least;
    int64_t refreshes_least;
    int64_t queued_most;
};
/* Points into `from`. RES_INVALID: words say what is wrong. */
MUST_CHECK enum res fleet_report_wish_read(const json_t *from, struct fleet_report_wish *ret,
                                           struct err *why);
bool fleet_report_wish_holds(const struct fleet_world *w, const struct fleet_device *d,
                             const struct fleet_report_wish *wish);

#endif
