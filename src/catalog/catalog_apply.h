/* catalog_apply.h: the rows of a catalogue file, checked one by one and waiting in a temporary
 * table, become the store's items. For catalog_import.c only.
 */
#ifndef CATALOG_APPLY_H
#define CATALOG_APPLY_H

#include "catalog_import.h"

struct catalog_apply {
    struct pg_conn *c;
    const struct catalog_import_settings *settings;
    struct catalog_import_summary summary;
    char currency[4]; /* the store's */
    struct err *why;
};

/* Waits for another import of the same store, and makes the table `catalog_stage`. */
MUST_CHECK enum res catalog_apply_begin(struct catalog_apply *a);
/* Counts a row as refused and tells why; `line` is the row's. */
void catalog_apply_refuse(struct catalog_apply *a, const struct catalog_refusals *refusals,
                          size_t line);
/* Every row is in the table. Errors as catalog_import_within. */
MUST_CHECK enum res catalog_apply_run(struct catalog_apply *a);

#endif
