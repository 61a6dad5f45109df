/* pos_sync.h: what a store's till system says about its catalogue, taken in (C-093, C-187, C-188).
 *
 * An upload is taken whole or not at all: one bad row refuses it, every bad row is listed, nothing
 * changes but the record of it (table pos_sync) and an alert, which the next good one resolves. The
 * same content as the last good one changes nothing: `repeated`. What became of each upload stays.
 *
 * A row says what is new of a product that is there: a price, a stock, a name in one language; of
 * one that is not, at least its name and price.
 *
 * In a store whose catalogue master is `pos`, prices come with it, go through the price book, and
 * fulfil what price requests asked for; where the master is `platform` only texts and stock are
 * taken of items that are there, never a price (design section 7).
 */
#ifndef POS_SYNC_H
#define POS_SYNC_H

#include <jansson.h>

#include "catalog_import.h"

#define POS_SYNC_REFUSALS_MAX 1000 /* listed; all are counted */
#define POS_SYNC_UUID_BYTES   36

enum pos_sync_channel { POS_SYNC_REST, POS_SYNC_DROP };
enum pos_sync_state { POS_SYNC_DONE, POS_SYNC_REFUSED, POS_SYNC_REPEATED };

struct pos_sync_order {
    const char *store_id;
    enum pos_sync_channel channel;
    bool full;              /* items it lacks are marked deleted */
    int64_t source_version; /* the till's own, rising; 0: it has none */
    struct span content;    /* as it came */
    struct span csv;        /* as catalog_row.h has it; with content in JSON, made by pos_json.h */
    bool is_json;           /* then refusals name the item, from 1, instead of the line */
};
struct pos_sync_result {
    char sync_id[POS_SYNC_UUID_BYTES + 1];
    enum pos_sync_state state;
    struct catalog_import_summary summary; /* zero when repeated or not readable at all */
    json_t *refusals; /* list of {line, field, value, constraint}; the caller's */
};

/* "done", "refused", "repeated" */
const char *pos_sync_state_name(enum pos_sync_state state);

/* One transaction of its own on a connection that sees the store. RES_OK also when it was refused.
 * RES_NOT_FOUND: no such store; RES_CONFLICT: source_version is below the last one taken;
 * RES_AGAIN: another writer was in the way, try again; else as pg_conn_run. On failure nothing was
 * changed. */
MUST_CHECK enum res pos_sync_run(struct pg_conn *c, const struct pos_sync_order *order,
                                 struct pos_sync_result *ret, struct err *why);
void pos_sync_result_deinit(struct pos_sync_result *r);

#endif
