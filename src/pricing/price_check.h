/* price_check.h: may this price be? The one judge for every path: REST, bulk, CSV, till system,
 * rule (S-090). Pure core: no I/O, no clock, no allocation.
 *
 * A price is a positive decimal with at most two places, from 0.01 to 999999.99, in the store's
 * currency, within the bounds of its category, and never above the item's or batch's MRP. Every
 * broken rule is reported, not only the first.
 */
#ifndef PRICE_CHECK_H
#define PRICE_CHECK_H

#include "span.h"

#define PRICE_MINOR_MAX   INT64_C(99999999) /* 999999.99 */
#define PRICE_FAULT_KINDS 8                 /* bits of enum price_fault */
#define PRICE_RULE_BYTES  96                /* of price_check_rule's words, at most */

enum price_fault {
    PRICE_NOT_A_NUMBER = 1 << 0,
    PRICE_NOT_POSITIVE = 1 << 1,
    PRICE_DECIMALS = 1 << 2, /* more than two places */
    PRICE_RANGE = 1 << 3,    /* beyond 999999.99 */
    PRICE_CURRENCY = 1 << 4, /* not the store's */
    PRICE_ABOVE_MRP = 1 << 5,
    PRICE_BELOW_BOUND = 1 << 6, /* of its category */
    PRICE_ABOVE_BOUND = 1 << 7,
};

struct price_limits {
    char currency[4];  /* the store's */
    int64_t mrp_minor; /* the least of item's and live batches'; 0: none */
    int64_t min_minor; /* of the category; 0: none */
    int64_t max_minor; /* 0: none */
};

/* The number as written, JSON or CSV. Sets *ret_minor when it is a price at all (no NUMBER,
 * POSITIVE, DECIMALS or RANGE fault). 0: no fault. */
unsigned price_check_read(struct span text, int64_t *ret_minor);
/* `currency` empty: not said, which is fine. 0: no fault. */
unsigned price_check(int64_t price_minor, struct span currency, const struct price_limits *limits);
/* The code of the error envelope ("INVALID_PRICE", "PRICE_ABOVE_MRP", ...), and the rule in words
 * with the limit in it. `fault`: one bit. */
const char *price_check_code(enum price_fault fault);
const char *price_check_field(enum price_fault fault); /* "price" or "currency" */
void price_check_rule(enum price_fault fault, const struct price_limits *limits, struct sink *s);
/* All of them in one sentence: "must be positive; must be at most 70.00, ...". */
void price_check_words(unsigned faults, const struct price_limits *limits, struct sink *s);

#endif
