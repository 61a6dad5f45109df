/* pricing_run.h: a store's rules applied to its items: planned the same way whether it is done or
 * only shown. Items on flash sale are left alone, stores whose prices come from the till system
 * have no rules.
 */
#ifndef PRICING_RUN_H
#define PRICING_RUN_H

#include "price_book.h"

#define PRICING_RUN_RULES_MAX 200 /* of one store */

enum pricing_run_outcome { PRICING_RUN_PLANNED, PRICING_RUN_CHANGED, PRICING_RUN_REFUSED };
struct pricing_run_change {
    char item_id[37];
    char product_id[33];
    char rule_id[37]; /* "": no rule any more, back to the base */
    char rule_title[121];
    int64_t price_minor;
    int64_t previous_minor;
    enum pricing_run_outcome outcome;
    unsigned faults; /* refused: enum price_fault bits */
    struct price_limits limits;
};
struct pricing_run {
    size_t looked_at; /* items that rules cover, or had priced */
    size_t count;
    struct pricing_run_change *changes;
    size_t refused;
};

/* Not within a transaction: the changes of each rule are transactions of their own, in batches. A
 * refused price changes nothing and raises one alert a rule, which the rule's next run without a
 * refusal resolves. RES_NOT_FOUND: no such store; RES_CONFLICT: its prices are the till system's.
 * Errors as pg_conn_run. */
MUST_CHECK enum res pricing_run_store(struct pg_conn *c, const char *store_id, bool dry_run,
                                      struct pricing_run *ret, struct err *why);
void pricing_run_deinit(struct pricing_run *run);

/* One store whose rules have not run in this minute; nothing when there is none. */
MUST_CHECK enum res pricing_run_due(struct pg_conn *c, struct err *why);

#endif
