/* pos_step.h: the drop folder of a till system: DIRECTORY/{storeId}/NAME.csv is taken in and moved
 * to done/ or refused/ beside it, with NAME.csv.report.csv: what became of each, and of every bad
 * row the line, the field and why.
 *
 * NAME.full.csv is a whole catalogue, any other a part. Write under another ending and rename: a
 * file is taken as soon as it is there and nobody has written to it for two seconds. Files of a
 * store are taken in the order of their names.
 *
 * A step of the worker: any number of workers may run it (a file is locked while it is taken), and
 * a crash at any moment costs nothing: what was taken and not moved yet is `repeated` and moved.
 */
#ifndef POS_STEP_H
#define POS_STEP_H

#include "pg_conn.h"

#define POS_STEP_EVERY_MS   1000
#define POS_STEP_FILES_MAX  4                  /* in one step */
#define POS_STEP_BYTES_MAX  (64 * 1024 * 1024) /* of a file; a larger one is refused */
#define POS_STEP_SETTLED_MS 2000

/* `directory`: DATA/pos; that it or a store's folder is not there is fine. `c`: as endcap_worker.
 * Errors as pos_sync_run, or RES_IO with the path; the file stays where it is then. */
MUST_CHECK enum res pos_step(const char *directory, struct pg_conn *c, int64_t now_ms,
                             struct err *why);

#endif
