/* catalog_text.h: translations that were missing and are there now. */
#ifndef CATALOG_TEXT_H
#define CATALOG_TEXT_H

#include "pg_conn.h"

/* Of every item of the store that has since got its name, or was deleted: forgets the gap and
 * resolves its alert (P64). In the caller's transaction. Errors as pg_conn_run. */
MUST_CHECK enum res catalog_text_filled(struct pg_conn *c, const char *store_id, struct err *why);

#endif
