#include "wire_rule.h"

#include "wire_field.h"

static bool has_text(struct span text)
{
    return text.size > 0;
}

static bool has(int64_t number)
{
    return number != WIRE_ABSENT;
}

static enum wire_refusal bad(struct wire_detail *why, const char *field)
{
    return wire_field_refuse(why, WIRE_BAD_COMBINATION, field, 0);
}

/* A session belongs to this cart and began before this event. */
static enum wire_refusal session_rule(const struct wire_event *event, struct span session_id,
                                      struct wire_detail *why)
{
    struct span cart_id;
    int64_t epoch;
    int64_t counter;
    if (!has_text(session_id)) {
        return WIRE_FINE;
    }
    if (wire_session_id_read(session_id, &cart_id, &epoch, &counter) != RES_OK ||
        !span_equal(cart_id, event->cart_id) || epoch > event->epoch ||
        (epoch == event->epoch && counter >= event->counter)) {
        return bad(why, "sessionId");
    }
    return WIRE_FINE;
}

static enum wire_refusal scan_rule(const struct wire_event *event, struct wire_detail *why)
{
    const struct wire_scan *m = &event->scan;
    if (m->quantity == 0) {
        return wire_field_refuse(why, WIRE_OUT_OF_RANGE, "quantity", 0);
    }
    if (has_text(m->currency) != has(m->price)) {
        return bad(why, "currency");
    }
    if (has(m->price_source) != has(m->price)) {
        return bad(why, "priceSource");
    }
    if (has(m->resolves) && m->resolves >= event->counter) {
        return bad(why, "resolves");
    }
    bool compared = m->weight == WIRE_WEIGHT_OK || m->weight == WIRE_WEIGHT_MISMATCH;
    if (compared && (!has(m->weight_expected_g) || !has(m->weight_delta_g))) {
        return bad(why, "weight");
    }
    return session_rule(event, m->session_id, why);
}

static enum wire_refusal session_start_rule(const struct wire_event *event, struct wire_detail *why)
{
    const struct wire_session_start *m = &event->session_start;
    if (has(m->reason) != (m->transition == WIRE_HOLD)) {
        return bad(why, "reason");
    }
    if (m->transition != WIRE_START) {
        return session_rule(event, m->session_id, why);
    }
    struct span cart_id;
    int64_t epoch;
    int64_t counter;
    if (wire_session_id_read(m->session_id, &cart_id, &epoch, &counter) != RES_OK ||
        !span_equal(cart_id, event->cart_id) || epoch != event->epoch ||
        counter != event->counter) {
        return bad(why, "sessionId");
    }
    return WIRE_FINE;
}

static bool is_zero_digest(struct span digest)
{
    for (size_t i = 0; i < digest.size; i++) {
        if (digest.data[i] != '0') {
            return false;
        }
    }
    return true;
}

static enum wire_refusal session_end_rule(const struct wire_event *event, struct wire_detail *why)
{
    const struct wire_session_end *m = &event->session_end;
    if (m->scan_count == 0) {
        if (m->first_scan != 0 || m->last_scan != 0) {
            return bad(why, m->first_scan != 0 ? "firstScan" : "lastScan");
        }
        if (m->item_count != 0 || m->total != 0) {
            return bad(why, m->item_count != 0 ? "itemCount" : "total");
        }
        if (!is_zero_digest(m->digest)) {
            return bad(why, "digest");
        }
    } else {
        if (m->first_scan == 0 || m->first_scan > m->last_scan) {
            return bad(why, "firstScan");
        }
        if (m->last_scan >= event->counter) {
            return bad(why, "lastScan");
        }
        if (m->scan_count > m->last_scan - m->first_scan + 1) {
            return bad(why, "scanCount");
        }
    }
    if (m->unpriced > m->item_count) {
        return bad(why, "unpriced");
    }
    if (has(m->payment_amount) != has_text(m->payment_token)) {
        return bad(why, "paymentAmount");
    }
    if (has(m->payment_status) != has_text(m->payment_token)) {
        return bad(why, "paymentStatus");
    }
    return session_rule(event, m->session_id, why);
}

static enum wire_refusal health_rule(const struct wire_health *m, struct wire_detail *why)
{
    if (has(m->x_cm) != has(m->y_cm)) {
        return bad(why, has(m->x_cm) ? "yCm" : "xCm");
    }
    if (has(m->command_number) != has(m->command_outcome)) {
        return bad(why, has(m->command_number) ? "commandOutcome" : "commandNumber");
    }
    return WIRE_FINE;
}

static enum wire_refusal fault_rule(const struct wire_event *event, struct wire_detail *why)
{
    const struct wire_fault *m = &event->fault;
    const struct {
        const char *field;
        int64_t value;
    } gaps[] = {{"gapFrom", m->gap_from},
                {"gapTo", m->gap_to},
                {"gapHealth", m->gap_health},
                {"gapFault", m->gap_fault},
                {"gapScan", m->gap_scan}};
    bool any = false;
    for (size_t i = 0; i < sizeof gaps / sizeof gaps[0]; i++) {
        if (has(gaps[i].value) != (m->code == WIRE_FAULT_GAP)) {
            return bad(why, gaps[i].field);
        }
        any = any || gaps[i].value > 0;
    }
    if (m->code == WIRE_FAULT_GAP) {
        if (!any) {
            return bad(why, "gapFrom");
        }
        if ((m->gap_from == 0) != (m->gap_to == 0) || m->gap_from > m->gap_to ||
            m->gap_to >= event->counter) {
            return bad(why, "gapTo");
        }
    }
    return session_rule(event, m->session_id, why);
}

enum wire_refusal wire_rule_event(const struct wire_event *event, struct wire_detail *why)
{
    switch (event->type) {
    case WIRE_SCAN:
        return scan_rule(event, why);
    case WIRE_SESSION_START:
        return session_start_rule(event, why);
    case WIRE_SESSION_END:
        return session_end_rule(event, why);
    case WIRE_IDENTIFY:
        return session_rule(event, event->identify.session_id, why);
    case WIRE_HEALTH:
        return health_rule(&event->health, why);
    case WIRE_FAULT:
        return fault_rule(event, why);
    case WIRE_BOOT:
        return session_rule(event, event->boot.session_id, why);
    case WIRE_COMMAND:
    case WIRE_COMMIT_ACK:
    case WIRE_PRODUCT:
    case WIRE_PAYMENT:
    case WIRE_CATALOGUE:
    case WIRE_PRICES:
        break;
    }
    return wire_field_refuse(why, WIRE_UNKNOWN_TYPE, "type", 0);
}

static enum wire_refusal command_rule(const struct wire_downlink *message, struct wire_detail *why)
{
    const struct wire_command *m = &message->command;
    if (m->expires_ms <= message->time_ms) {
        return bad(why, "expires");
    }
    if (has(m->version) != (m->kind == WIRE_CMD_CATALOGUE)) {
        return bad(why, "version");
    }
    if (!has_text(m->session_id)) {
        return WIRE_FINE;
    }
    struct span cart_id;
    int64_t epoch;
    int64_t counter;
    bool of_session = m->kind == WIRE_CMD_PAUSE || m->kind == WIRE_CMD_CANCEL ||
                      m->kind == WIRE_CMD_RESTART || m->kind == WIRE_CMD_CUSTOMER_OVERRIDE;
    if (!of_session || wire_session_id_read(m->session_id, &cart_id, &epoch, &counter) != RES_OK ||
        !span_equal(cart_id, message->cart_id)) {
        return bad(why, "sessionId");
    }
    return WIRE_FINE;
}

static enum wire_refusal product_rule(const struct wire_product *m, struct wire_detail *why)
{
    const struct {
        const char *field;
        bool present;
    } parts[] = {{"sku", has_text(m->sku)},     {"name", has_text(m->name)},
                 {"price", has(m->price)},      {"currency", has_text(m->currency)},
                 {"weightG", has(m->weight_g)}, {"perKg", has(m->per_kg)}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].present != (m->found == 1)) {
            return bad(why, parts[i].field);
        }
    }
    return WIRE_FINE;
}

static enum wire_refusal catalogue_rule(const struct wire_catalogue *m, struct wire_detail *why)
{
    if (m->chunk >= m->chunks) {
        return bad(why, "chunk");
    }
    for (size_t i = 1; i < m->item_count; i++) {
        if (span_compare(m->items[i - 1].gtin, m->items[i].gtin) >= 0) {
            return bad(why, "gtin");
        }
    }
    return WIRE_FINE;
}

static enum wire_refusal prices_rule(const struct wire_prices *m, struct wire_detail *why)
{
    if (m->base > m->version) {
        return bad(why, "base");
    }
    for (size_t i = 1; i < m->item_count; i++) {
        if (span_compare(m->items[i - 1].gtin, m->items[i].gtin) >= 0) {
            return bad(why, "gtin");
        }
    }
    return WIRE_FINE;
}

enum wire_refusal wire_rule_downlink(const struct wire_downlink *message, struct wire_detail *why)
{
    switch (message->type) {
    case WIRE_COMMAND:
        return command_rule(message, why);
    case WIRE_COMMIT_ACK:
        return WIRE_FINE;
    case WIRE_PRODUCT:
        return product_rule(&message->product, why);
    case WIRE_PAYMENT:
        return has_text(message->payment.reason) == (message->payment.outcome == WIRE_REFUSED)
                   ? WIRE_FINE
                   : bad(why, "reason");
    case WIRE_CATALOGUE:
        return catalogue_rule(&message->catalogue, why);
    case WIRE_PRICES:
        return prices_rule(&message->prices, why);
    case WIRE_SCAN:
    case WIRE_SESSION_START:
    case WIRE_SESSION_END:
    case WIRE_IDENTIFY:
    case WIRE_HEALTH:
    case WIRE_FAULT:
    case WIRE_BOOT:
        break;
    }
    return wire_field_refuse(why, WIRE_UNKNOWN_TYPE, "type", 0);
}
