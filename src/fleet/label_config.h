/* label_config.h: a label's parameters as people give them, in a CSV or in JSON, judged and turned
 * into a patch of its configuration (S-078, P56, P58, P69). Pure but for jansson's heap.
 *
 * | column | of it | shelf.h |
 * |---|---|---|
 * | refreshIntervalSeconds | 0..3600 | least time between two refreshes |
 * | ledBrightness | 1..100 | per cent |
 * | idleTimeoutSeconds | 0..86400 | 0: never sleeps |
 * | syncIntervalPeakSeconds | 5..86400 | comes by so often in peak hours |
 * | syncIntervalOffPeakSeconds | 5..86400 | and outside them |
 * | peakFrom, peakTo | HH:MM | of the store's day; peakTo before peakFrom: over midnight |
 * | language | en hi ta te bn mr | the label's own |
 */
#ifndef LABEL_CONFIG_H
#define LABEL_CONFIG_H

#include "fleet_refusal.h"

#define LABEL_CONFIG_PARAMETERS 8

/* "deviceId", then the parameters; ends with NULL. */
extern const char *const label_config_columns[LABEL_CONFIG_PARAMETERS + 2];

struct label_config {
    json_t *patch;    /* of desired.config, by its own names (delivery_configure) */
    char language[3]; /* "": not given */
};

/* Of a row, whose members are texts or integers; deviceId is passed over. At least one parameter
 * must be there. What is wrong is added as of `number` (fleet_refusal_add). The caller decrefs
 * ret->patch in any case. */
void label_config_read(const json_t *row, size_t number, struct label_config *ret,
                       struct fleet_refusal *wrong);

#endif
