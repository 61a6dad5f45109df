/* Fuzz target for uploads of prices and for the parameters of pricing rules: libFuzzer's entry, no
 * main of its own. The first byte chooses the form.
 *
 * Beyond memory safety it holds these to be true: an upload that has no fault has rows, each with a
 * product id of allowed bytes and a price text; a price that is read is in range and written back
 * reads as the same; every fault says which field and why; a rule that is read never asks for more
 * than the MRP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money.h"
#include "price_check.h"
#include "pricing_rule.h"
#include "pricing_upload.h"

#define ROWS   32
#define FAULTS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth, const char *what)
{
    if (!truth) {
        (void)fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void check_price(struct span text)
{
    int64_t minor = 0;
    int64_t again = 0;
    char written[32];
    struct sink s;
    if (price_check_read(text, &minor) != 0) {
        return;
    }
    hold(minor >= 1 && minor <= PRICE_MINOR_MAX, "a price is in range");
    sink_init(&s, written, sizeof written);
    money_write(&s, minor);
    hold(price_check_read(sink_span(&s), &again) == 0 && again == minor, "a price is kept");
}

static void check_upload(const struct pricing_upload *u)
{
    hold(u->row_count <= ROWS && u->fault_count <= FAULTS, "within the arrays");
    hold(u->fault_count > 0 || u->row_count > 0, "rows or a fault");
    for (size_t i = 0; i < u->fault_count; i++) {
        hold(u->faults[i].field != NULL && u->faults[i].constraint != NULL,
             "a fault says which field and why");
    }
    for (size_t i = 0; i < u->row_count; i++) {
        check_price(u->rows[i].price);
        if (u->fault_count == 0) {
            hold(u->rows[i].product_id.size >= 1 && u->rows[i].product_id.size <= 32 &&
                     u->rows[i].price.size > 0,
                 "a row without a fault is whole");
        }
    }
}

static void check_rule(struct span json)
{
    const struct pricing_item item = {
        .price_minor = 6500, .base_minor = 6500, .mrp_minor = 7000, .cost_minor = 4000};
    for (int kind = 0; kind < PRICING_KINDS; kind++) {
        struct pricing_rule rule;
        struct pricing_rule_faults faults = {.count = 0};
        const struct pricing_rule *list[] = {&rule};
        if (pricing_rule_read((enum pricing_kind)kind, json, &rule, &faults) != RES_OK) {
            hold(faults.count > 0 && faults.items[0].constraint[0] != '\0', "a refusal says why");
            continue;
        }
        for (int64_t minute = 0; minute < PRICING_RULE_DAY_MINUTES; minute += 97) {
            const struct pricing_moment moment = {(unsigned)(minute % 7), minute};
            struct pricing_decision d;
            if (pricing_rule_decide(list, 1, &item, &moment, &d)) {
                hold(d.price_minor <= item.mrp_minor && d.price_minor >= 0, "at most the MRP");
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pricing_upload_row rows[ROWS];
    struct pricing_upload_fault faults[FAULTS];
    struct pricing_upload u = {
        .rows = rows, .row_room = ROWS, .faults = faults, .fault_room = FAULTS};
    if (size == 0) {
        return 0;
    }
    struct span body = span_of(data + 1, size - 1);
    if (data[0] % 3 == 0) {
        pricing_upload_json(body, &u);
        check_upload(&u);
    } else if (data[0] % 3 == 1) {
        char *text = malloc(size);
        hold(text != NULL, "memory");
        pricing_upload_csv(body, text, &u);
        check_upload(&u);
        free(text);
    } else {
        check_rule(body);
    }
    return 0;
}
