/* label_group.h: many labels told anew at once, after what their content or configuration follows
 * from has changed. In the caller's transaction.
 */
#ifndef LABEL_GROUP_H
#define LABEL_GROUP_H

#include "delivery_refresh.h"
#include "pg_conn.h"

/* The labels a query answers in its first column (at most a store's). */
struct label_group {
    const char **ids;
    size_t count;
    char *texts; /* private */
};

/* Errors as pg_conn_run; RES_NO_MEMORY. */
MUST_CHECK enum res label_group_find(struct pg_conn *c, const char *sql,
                                     const struct pg_params *params, struct label_group *ret,
                                     struct err *why);
void label_group_free(struct label_group *g);
/* Content first, then configuration: items before shadows (delivery_refresh.h). *ret_changed:
 * labels that get either. */
MUST_CHECK enum res label_group_tell(struct pg_conn *c, const struct label_group *g,
                                     const struct delivery_cause *cause, int64_t *ret_changed,
                                     struct err *why);

#endif
