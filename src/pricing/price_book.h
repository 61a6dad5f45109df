/* price_book.h: changes prices: checks, writes the new version and its history, raises the store's
 * catalogue version, and has the labels follow, in the caller's transaction (design section 7).
 *
 * A fall is charged at once and shown after the carts were told; a rise is shown first, and until
 * every label shows it (or price_flip_step gives up waiting) item.charge_minor keeps the lower
 * price.
 */
#ifndef PRICE_BOOK_H
#define PRICE_BOOK_H

#include "delivery_refresh.h"
#include "price_check.h"

#define PRICE_BOOK_BATCH_MAX 1000

struct price_change {
    const char *item_id;    /* uuid, or "" to be found by product_id in store_id */
    struct span product_id; /* SKU */
    int64_t price_minor;
    struct span currency; /* empty: not said, which is fine */
    int64_t row_number;   /* of the bulk job, 0: none */
    bool is_flash_sale;   /* then regular_minor is what it was before */
    int64_t regular_minor;
};
enum price_outcome { PRICE_CHANGED, PRICE_SAME, PRICE_REFUSED, PRICE_UNKNOWN_ITEM };
struct price_result {
    enum price_outcome outcome;
    unsigned faults; /* enum price_fault bits, when refused */
    struct price_limits limits;
    int64_t price_id;
    int64_t version;
    int64_t previous_minor;
    int64_t charged_minor; /* what cart and till charge now: lower while a rise reaches the shelf */
    int64_t labels;        /* deliveries under way */
    char item_id[37];
};
struct price_order {
    const char *store_id;
    const char *reason;     /* as table price allows */
    const char *changed_by; /* account id or automation */
    const char *job_id;     /* NULL: none */
    bool again;          /* what the labels of an item that has the price already failed to show is
                            delivered anew */
    bool all_or_nothing; /* one refused change refuses all: nothing is written */
};

/* ret_results[count]. Within a transaction; locks the items in the order of their ids, then the
 * store's catalogue version, then what delivery_refresh.h says. RES_INVALID: all_or_nothing and
 * something was refused (the results say what), or an item stands twice in the batch; nothing was
 * written. RES_NOT_FOUND: no such store. RES_CONFLICT: the store's catalogue is the till system's
 * and `reason` is not pos_sync or import. Errors as pg_conn_run. count <= PRICE_BOOK_BATCH_MAX. A
 * price that is the item's already (and the same sale) is PRICE_SAME and writes nothing but, with
 * `again`, deliveries. Items of a region's catalogue belong to no store: PRICE_UNKNOWN_ITEM. */
MUST_CHECK enum res price_book_change(struct pg_conn *c, const struct price_order *order,
                                      const struct price_change *changes, size_t count,
                                      struct price_result *ret_results, struct err *why);
/* What price_book_change would say of each, with the limits; locks and writes nothing, and judges
 * prices of a till system's store too. RES_NOT_FOUND: no such store. */
MUST_CHECK enum res price_book_look(struct pg_conn *c, const char *store_id,
                                    const struct price_change *changes, size_t count,
                                    struct price_result *ret_results, bool *ret_till_is_master,
                                    struct err *why);

#endif
