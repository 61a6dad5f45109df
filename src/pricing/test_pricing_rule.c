#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "price_check.h"
#include "pricing_rule.h"
#include "rng.h"

static struct pricing_rule rule_of(enum pricing_kind kind, const char *json)
{
    struct pricing_rule rule;
    struct pricing_rule_faults faults = {.count = 0};
    if (pricing_rule_read(kind, span_text(json, 300), &rule, &faults) != RES_OK) {
        fail_msg("%s: %s %s", json, faults.items[0].field, faults.items[0].constraint);
    }
    return rule;
}

static const struct pricing_moment monday_noon = {.weekday = 0, .minute = 720};

static int64_t decide(const struct pricing_rule *rules, size_t count,
                      const struct pricing_item *item, struct pricing_moment moment,
                      size_t *ret_rule)
{
    const struct pricing_rule *list[8];
    struct pricing_decision d = {.price_minor = -1};
    for (size_t i = 0; i < count; i++) {
        list[i] = &rules[i];
    }
    if (!pricing_rule_decide(list, count, item, &moment, &d)) {
        return item->price_minor;
    }
    if (ret_rule != NULL) {
        *ret_rule = d.rule;
    }
    return d.price_minor;
}

static void reads_every_kind(void **state)
{
    (void)state;
    struct pricing_rule r = rule_of(PRICING_MATCH, "{}");
    assert_int_equal(r.max_age_hours, 24);
    assert_int_equal(r.percent_hundredths, 0);
    r = rule_of(PRICING_MATCH,
                "{\"adjustPercent\": -1.25, \"minMarginPercent\": 5, \"maxAgeHours\": 48}");
    assert_int_equal(r.percent_hundredths, -125);
    assert_int_equal(r.margin_hundredths, 500);
    assert_int_equal(r.max_age_hours, 48);
    r = rule_of(PRICING_PERCENT, "{\"percent\": -10, \"of\": \"mrp\"}");
    assert_int_equal(r.percent_hundredths, -1000);
    assert_int_equal(r.of, PRICING_OF_MRP);
    r = rule_of(PRICING_MIN_MARGIN, "{\"marginPercent\": 15.5}");
    assert_int_equal(r.margin_hundredths, 1550);
    r = rule_of(PRICING_SCHEDULE, "{\"days\": [\"mon\", \"sun\"], \"from\": \"18:30\", "
                                  "\"to\": \"21:00\", \"percent\": -20}");
    assert_int_equal(r.days, 0x41);
    assert_int_equal(r.from_min, 18 * 60 + 30);
    assert_int_equal(r.to_min, 21 * 60);
}

static void names_every_fault_of_the_parameters(void **state)
{
    (void)state;
    static const struct {
        enum pricing_kind kind;
        const char *json;
        size_t faults;
        const char *first;
    } cases[] = {
        {PRICING_PERCENT, "", 2, "parameters"},
        {PRICING_PERCENT, "[]", 2, "parameters"},
        {PRICING_PERCENT, "{\"percent\": 5, \"percent\": 6}", 1, "parameters"},
        {PRICING_PERCENT, "{}", 1, "percent"},
        {PRICING_PERCENT, "{\"percent\": 0}", 1, "percent"},
        {PRICING_PERCENT, "{\"percent\": \"5\"}", 1, "percent"},
        {PRICING_PERCENT, "{\"percent\": 1.234}", 1, "percent"},
        {PRICING_PERCENT, "{\"percent\": -91}", 1, "percent"},
        {PRICING_PERCENT, "{\"percent\": 5, \"of\": \"moon\", \"x\": {\"y\": [1]}}", 2, "of"},
        {PRICING_PERCENT, "{\"percent\": [1, [2]], \"of\": {}}", 2, "percent"},
        {PRICING_MATCH, "{\"maxAgeHours\": 1.5, \"adjustPercent\": 51, \"minMarginPercent\": 96}",
         3, "maxAgeHours"},
        {PRICING_MIN_MARGIN, "{\"marginPercent\": -1}", 1, "marginPercent"},
        {PRICING_SCHEDULE, "{}", 4, "percent"},
        {PRICING_SCHEDULE, "{\"days\": [], \"from\": \"24:00\", \"to\": \"9:00\", \"percent\": -5}",
         3, "days"},
        {PRICING_SCHEDULE,
         "{\"days\": [\"mon\", \"mon\"], \"from\": \"10:00\", \"to\": \"11:00\", \"percent\": 5}",
         1, "days"},
        {PRICING_SCHEDULE, "{\"days\": \"mon\", \"from\": 10, \"to\": \"11:60\", \"percent\": 5}",
         3, "days"},
        {PRICING_SCHEDULE,
         "{\"days\": [\"mon\"], \"from\": \"10:00\", \"to\": \"10:00\", \"percent\": 5}", 1, "to"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pricing_rule rule;
        struct pricing_rule_faults faults = {.count = 0};
        assert_int_equal(
            pricing_rule_read(cases[i].kind, span_text(cases[i].json, 300), &rule, &faults),
            RES_INVALID);
        if (faults.count != cases[i].faults || strcmp(faults.items[0].field, cases[i].first) != 0) {
            fail_msg("%s: %zu faults, %s", cases[i].json, faults.count, faults.items[0].field);
        }
    }
}

static void moves_by_a_percentage_of_what_it_says(void **state)
{
    (void)state;
    const struct pricing_item item = {
        .price_minor = 5850, .base_minor = 6500, .mrp_minor = 7000, .cost_minor = 4000};
    struct pricing_rule r = rule_of(PRICING_PERCENT, "{\"percent\": -10}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 5850); /* of the base: it rests */
    r = rule_of(PRICING_PERCENT, "{\"percent\": -10, \"of\": \"mrp\"}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 6300);
    r = rule_of(PRICING_PERCENT, "{\"percent\": 12.5, \"of\": \"cost\"}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 4500);
    r = rule_of(PRICING_PERCENT, "{\"percent\": 100}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 7000); /* never above the MRP */
}

static void rounds_halves_up_and_floors_always_up(void **state)
{
    (void)state;
    struct pricing_item item = {.price_minor = 1, .base_minor = 1050};
    struct pricing_rule r = rule_of(PRICING_PERCENT, "{\"percent\": -33.33}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 700); /* 700.035 */
    item.base_minor = 5;
    r = rule_of(PRICING_PERCENT, "{\"percent\": -50}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 3); /* 2.5 */
    item = (struct pricing_item){.price_minor = 1, .base_minor = 1, .cost_minor = 1000};
    r = rule_of(PRICING_MIN_MARGIN, "{\"marginPercent\": 30}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 1429); /* 1428.57 */
}

static void matches_the_lowest_fresh_competitor_within_limits(void **state)
{
    (void)state;
    struct pricing_item item = {.price_minor = 6500,
                                .base_minor = 6500,
                                .cost_minor = 4000,
                                .min_minor = 4500,
                                .max_minor = 6400,
                                .competitor_count = 3,
                                .competitors = {{6200, 2}, {6000, 23}, {5000, 24}}};
    struct pricing_rule r = rule_of(PRICING_MATCH, "{}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 6000); /* 50.00 is too old */
    r = rule_of(PRICING_MATCH, "{\"adjustPercent\": -1}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 5940);
    item.competitors[0].price_minor = 4200;
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 4500); /* the bound */
    r = rule_of(PRICING_MATCH, "{\"minMarginPercent\": 20}");
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 5000); /* cost and margin */
    item.competitors[0].price_minor = 9000;
    item.competitors[1].price_minor = 9900;
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 6400); /* the upper bound */
    item.competitor_count = 0;
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 6500);
}

static void a_schedule_holds_in_its_window_and_lets_go(void **state)
{
    (void)state;
    struct pricing_item item = {.price_minor = 6500, .base_minor = 6500};
    struct pricing_rule r = rule_of(PRICING_SCHEDULE, "{\"days\": [\"sun\"], \"from\": \"22:00\", "
                                                      "\"to\": \"02:00\", \"percent\": -20}");
    static const struct {
        struct pricing_moment moment;
        bool inside;
    } cases[] = {{{6, 22 * 60}, true},    {{6, 22 * 60 - 1}, false}, {{0, 0}, true},
                 {{0, 2 * 60 - 1}, true}, {{0, 2 * 60}, false},      {{6, 60}, false},
                 {{0, 22 * 60}, false},   {{1, 60}, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(decide(&r, 1, &item, cases[i].moment, NULL),
                         cases[i].inside ? 5200 : 6500);
    }
    item.price_minor = 5200;
    item.by_rule = true;
    size_t rule = 0;
    assert_int_equal(decide(&r, 1, &item, monday_noon, &rule), 6500);
    assert_true(rule == PRICING_RULE_NONE);
    item.by_rule = false; /* people gave it this price */
    assert_int_equal(decide(&r, 1, &item, monday_noon, NULL), 5200);
}

static void the_first_that_gives_a_price_wins_and_floors_hold(void **state)
{
    (void)state;
    struct pricing_item item = {
        .price_minor = 6500, .base_minor = 6500, .mrp_minor = 6600, .cost_minor = 5000};
    size_t rule = 99;
    const struct pricing_rule rules[] = {
        rule_of(PRICING_MATCH, "{}"), /* no competitor: gives none */
        rule_of(PRICING_PERCENT, "{\"percent\": -30}"),
        rule_of(PRICING_PERCENT, "{\"percent\": -5}"),
        rule_of(PRICING_MIN_MARGIN, "{\"marginPercent\": 5}"),
        rule_of(PRICING_MIN_MARGIN, "{\"marginPercent\": 10}")};
    assert_int_equal(decide(rules, 3, &item, monday_noon, &rule), 4550);
    assert_int_equal(rule, 1);
    assert_int_equal(decide(rules, 5, &item, monday_noon, &rule), 5556);
    assert_int_equal(rule, 4);
    item.cost_minor = 6400; /* 71.12 with its margin: the MRP goes before */
    assert_int_equal(decide(rules, 5, &item, monday_noon, &rule), 6600);
}

static int64_t some_price(struct rng *rng, bool may_be_none)
{
    return may_be_none && rng_below(rng, 4) == 0 ? 0 : 1 + (int64_t)rng_below(rng, PRICE_MINOR_MAX);
}

/* Whatever the rules and figures: never above the MRP, a match never below cost or bounds where the
 * MRP leaves room, and the same figures give the same price again once it is set. */
static void holds_its_promises_for_any_figures(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    struct rng rng;
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 45;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (int i = 0; i < 5000; i++) {
        struct pricing_item item = {.base_minor = some_price(&rng, false),
                                    .mrp_minor = some_price(&rng, true),
                                    .cost_minor = some_price(&rng, true),
                                    .by_rule = rng_below(&rng, 2) == 0,
                                    .competitor_count = rng_below(&rng, 4)};
        if (rng_below(&rng, 2) == 0) {
            item.min_minor = some_price(&rng, false);
            item.max_minor = item.min_minor + (int64_t)rng_below(&rng, 1000000);
        }
        item.price_minor = item.by_rule ? some_price(&rng, false) : item.base_minor;
        for (size_t k = 0; k < item.competitor_count; k++) {
            item.competitors[k].price_minor = some_price(&rng, false);
            item.competitors[k].age_hours = (int64_t)rng_below(&rng, 48);
        }
        struct pricing_rule rules[3];
        const struct pricing_rule *list[3];
        size_t count = 1 + rng_below(&rng, 3);
        for (size_t k = 0; k < count; k++) {
            rules[k] =
                (struct pricing_rule){.kind = (enum pricing_kind)rng_below(&rng, PRICING_KINDS),
                                      .percent_hundredths = (int64_t)rng_below(&rng, 14000) - 9000,
                                      .margin_hundredths = (int64_t)rng_below(&rng, 9501),
                                      .max_age_hours = 24,
                                      .of = (enum pricing_of)rng_below(&rng, PRICING_OFS),
                                      .days = (unsigned)rng_below(&rng, 127) + 1,
                                      .from_min = 600,
                                      .to_min = (int64_t)rng_below(&rng, 600)};
            list[k] = &rules[k];
        }
        const struct pricing_moment moment = {(unsigned)rng_below(&rng, 7),
                                              (int64_t)rng_below(&rng, 1440)};
        struct pricing_decision d;
        if (!pricing_rule_decide(list, count, &item, &moment, &d)) {
            continue;
        }
        assert_true(item.mrp_minor == 0 || d.price_minor <= item.mrp_minor);
        bool mrp_decides = d.price_minor == item.mrp_minor;
        if (d.rule != PRICING_RULE_NONE && rules[d.rule].kind == PRICING_MATCH && !mrp_decides) {
            assert_true(d.price_minor >= item.cost_minor);
            assert_true(d.price_minor >= item.min_minor);
        }
        if (d.rule != PRICING_RULE_NONE) {
            struct pricing_item after = item;
            struct pricing_decision again;
            after.price_minor = d.price_minor;
            after.by_rule = true;
            assert_false(pricing_rule_decide(list, count, &after, &moment, &again));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(names_every_fault_of_the_parameters),
        cmocka_unit_test(moves_by_a_percentage_of_what_it_says),
        cmocka_unit_test(rounds_halves_up_and_floors_always_up),
        cmocka_unit_test(matches_the_lowest_fresh_competitor_within_limits),
        cmocka_unit_test(a_schedule_holds_in_its_window_and_lets_go),
        cmocka_unit_test(the_first_that_gives_a_price_wins_and_floors_hold),
        cmocka_unit_test(holds_its_promises_for_any_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
