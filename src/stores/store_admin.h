/* store_admin.h: partners and stores, as the operator makes and lists them. */
#ifndef STORE_ADMIN_H
#define STORE_ADMIN_H

#include "pg_conn.h"

/* All needed but language, master and partner_name, which is used when the partner does not exist
 * yet (NULL: its id). */
struct store_admin_new {
    const char *store_id;   /* [A-Z0-9-]{3,24} */
    const char *partner_id; /* [A-Z0-9-]{2,24} */
    const char *partner_name;
    const char *name;
    const char *region;   /* "IN-MH": ISO 3166-1 or -2 */
    const char *timezone; /* "Asia/Kolkata" */
    const char *currency; /* "INR" */
    const char *language; /* "en", "hi", ...: of displays; NULL: its region's (P62) */
    const char *master;   /* "pos" or "platform": who decides prices; NULL: pos */
};

/* RES_CONFLICT: there is one; RES_INVALID: a value breaks its rule. Words name the value. */
MUST_CHECK enum res store_admin_create(struct pg_conn *c, const struct store_admin_new *store,
                                       struct err *why);

struct store_admin_row {
    struct span store_id;
    struct span partner_id;
    struct span name;
    struct span region;
    struct span timezone;
    struct span currency;
    int64_t carts;
    int64_t items;
    int64_t catalogue_version; /* 0: none */
};
/* Every store the connection sees, by id; spans are valid during the call. */
MUST_CHECK enum res store_admin_list(struct pg_conn *c,
                                     void (*visit)(void *user, const struct store_admin_row *row),
                                     void *user, struct err *why);

#endif
