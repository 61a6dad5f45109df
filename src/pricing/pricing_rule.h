/* pricing_rule.h: automatic prices (S-045): what a rule's parameters may be, and which price the
 * rules of a store give an item at a moment. Pure core: no I/O, no clock, no allocation.
 *
 * | kind | parameters | price |
 * |---|---|---|
 * | match | adjustPercent (0), minMarginPercent (0), maxAgeHours (24) | the lowest fresh
 * competitor's price that is in stock, moved by adjustPercent, never below cost with its margin nor
 * outside the category's bounds | | percent | percent, of (base) | base, mrp or cost, moved by
 * percent | | schedule | days, from, to, percent, of (base) | the same, in a window of the store's
 * local week; to before from: over midnight | | min_margin | marginPercent | no price of its own: a
 * floor under every other, cost / (1 - margin) |
 *
 * Among match, percent and schedule the highest priority that gives a price wins, the older one
 * where they are equal; then the highest floor, then the MRP, which nothing exceeds. Where no rule
 * gives a price any more, an item that a rule had priced returns to its base: the last price that
 * people or the till system gave it. Percentages have two places; results are rounded to the
 * nearest minor unit, halves up, floors always up.
 */
#ifndef PRICING_RULE_H
#define PRICING_RULE_H

#include "span.h"

#define PRICING_RULE_COMPETITORS_MAX 16
#define PRICING_RULE_FAULTS_MAX      12
#define PRICING_RULE_DAY_MINUTES     1440

enum pricing_kind {
    PRICING_MATCH,
    PRICING_PERCENT,
    PRICING_MIN_MARGIN,
    PRICING_SCHEDULE,
    PRICING_KINDS
};
enum pricing_of { PRICING_OF_BASE, PRICING_OF_MRP, PRICING_OF_COST, PRICING_OFS };

/* Percentages in hundredths: 1250 is 12.5 %. */
struct pricing_rule {
    enum pricing_kind kind;
    int64_t percent_hundredths; /* match: adjustPercent */
    int64_t margin_hundredths;  /* match, min_margin */
    int64_t max_age_hours;      /* match */
    enum pricing_of of;         /* percent, schedule */
    unsigned days;              /* schedule: bit 0 is Monday */
    int64_t from_min;           /* of the day */
    int64_t to_min;
};

struct pricing_rule_fault {
    char field[32];
    char value[40];
    char constraint[80];
};
struct pricing_rule_faults {
    size_t count;
    struct pricing_rule_fault items[PRICING_RULE_FAULTS_MAX];
};

/* "match", "percent", ...; RES_NOT_FOUND for another. */
MUST_CHECK enum res pricing_rule_kind_read(struct span name, enum pricing_kind *ret);
/* The parameters' JSON object. RES_INVALID: every fault is listed. */
MUST_CHECK enum res pricing_rule_read(enum pricing_kind kind, struct span json,
                                      struct pricing_rule *ret,
                                      struct pricing_rule_faults *ret_faults);

struct pricing_item {
    int64_t price_minor;
    int64_t base_minor;
    int64_t mrp_minor; /* this and the next three 0: none */
    int64_t cost_minor;
    int64_t min_minor;
    int64_t max_minor;
    bool by_rule; /* its price now is a rule's */
    size_t competitor_count;
    struct {
        int64_t price_minor; /* in stock there */
        int64_t age_hours;
    } competitors[PRICING_RULE_COMPETITORS_MAX];
};
struct pricing_moment {
    unsigned weekday; /* 0: Monday, in the store */
    int64_t minute;   /* 0..1439, in the store */
};

#define PRICING_RULE_NONE SIZE_MAX
struct pricing_decision {
    int64_t price_minor; /* may still break a limit that price_check knows */
    size_t rule;         /* whose; PRICING_RULE_NONE: back to the base */
};
/* rules[count]: those that cover the item, the highest priority first. False: the price is right
 * as it is. */
bool pricing_rule_decide(const struct pricing_rule *const *rules, size_t count,
                         const struct pricing_item *item, const struct pricing_moment *moment,
                         struct pricing_decision *ret);

#endif
