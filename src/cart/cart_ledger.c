#include "cart_ledger.h"

#include <string.h>

#include "money.h"

void cart_ledger_init(struct cart_ledger *l, int64_t epoch)
{
    memset(l, 0, sizeof *l);
    l->version = CART_LEDGER_VERSION;
    l->epoch = epoch;
}

static void copy_text(char *text, size_t size, struct span from)
{
    memset(text, 0, size);
    if (from.size > 0 && from.size < size) {
        memcpy(text, from.data, from.size);
    }
}

void cart_ledger_line(struct cart_line *line, const struct wire_event *event)
{
    const struct wire_scan *scan = &event->scan;
    bool first_read = scan->resolves == WIRE_ABSENT && scan->quantity > 0;
    if (line->through >= event->counter) {
        return;
    }
    if (first_read) {
        memset(line, 0, sizeof *line);
        line->scan = event->counter;
        line->price = scan->price;
        line->first = (int16_t)scan->quantity;
        line->quantity = line->first;
        line->price_source = (int16_t)(scan->price == WIRE_ABSENT ? 0 : scan->price_source);
        if (scan->weight_expected_g != WIRE_ABSENT) {
            line->expected_g = (int32_t)(scan->weight_expected_g / scan->quantity);
        }
        line->measure_g = scan->measure_g == WIRE_ABSENT ? 0 : (int32_t)scan->measure_g;
        copy_text(line->gtin, sizeof line->gtin, scan->gtin);
        copy_text(line->sku, sizeof line->sku, scan->sku);
    } else if (scan->resolves != WIRE_ABSENT && scan->price == WIRE_ABSENT) {
        /* The price was asked for again: nothing is known yet. */
    } else if (scan->resolves != WIRE_ABSENT) {
        line->price = scan->price;
        line->price_source = (int16_t)scan->price_source;
        line->priced = line->quantity;
        copy_text(line->sku, sizeof line->sku, scan->sku);
        if (scan->weight_expected_g != WIRE_ABSENT) {
            line->expected_g = (int32_t)(scan->weight_expected_g / scan->quantity);
        }
    } else {
        line->quantity = (int16_t)(line->quantity + scan->quantity);
    }
    line->through = event->counter;
}

bool cart_ledger_is_void(const struct cart_ledger *l, int64_t counter)
{
    for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
        if (l->voids[i].from != 0 && l->voids[i].from <= counter && counter <= l->voids[i].to) {
            return true;
        }
    }
    return false;
}

static struct cart_void *free_void(struct cart_ledger *l)
{
    for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
        if (l->voids[i].from == 0) {
            return &l->voids[i];
        }
    }
    return NULL;
}

bool cart_ledger_has_void_room(const struct cart_ledger *l)
{
    for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
        if (l->voids[i].from == 0) {
            return true;
        }
    }
    return false;
}

enum res cart_ledger_add_void(struct cart_ledger *l, int64_t from, int64_t to)
{
    while (from <= to && cart_ledger_is_void(l, from)) {
        from++;
    }
    while (from <= to && cart_ledger_is_void(l, to)) {
        to--;
    }
    if (from > to) {
        return RES_OK;
    }
    /* What lies between may be told twice; the platform does not mind. */
    struct cart_void *v = free_void(l);
    if (v == NULL) {
        return RES_FULL;
    }
    *v = (struct cart_void){from, to, 0};
    return RES_OK;
}

void cart_ledger_drop_voids(struct cart_ledger *l, int64_t through)
{
    for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
        if (l->voids[i].to <= through) {
            l->voids[i] = (struct cart_void){0, 0, 0};
        }
    }
}

enum res cart_ledger_can_add(const struct cart_ledger *l, int64_t price, int64_t quantity)
{
    int64_t amount;
    int64_t total;
    enum res r = money_times(price, quantity, &amount);
    return r == RES_OK ? money_plus(l->trip.total_minor, amount, &total) : r;
}

/* d' = SHA-256(d || SHA-256(body)), wire.h */
static enum res fold_digest(struct cart_trip *trip, const struct secure_element *secure,
                            struct span body)
{
    uint8_t of_body[WIRE_DIGEST_BYTES];
    uint8_t chained[WIRE_DIGEST_BYTES];
    enum res r = secure->digest(secure->context, body, SPAN_NONE, of_body);
    if (r == RES_OK) {
        r = secure->digest(secure->context, span_of(trip->digest, sizeof trip->digest),
                           span_of(of_body, sizeof of_body), chained);
    }
    if (r == RES_OK) {
        memcpy(trip->digest, chained, sizeof trip->digest);
    }
    return r;
}

static enum res fold_scan(struct cart_trip *trip, const struct secure_element *secure,
                          const struct wire_event *event, struct span body,
                          const struct cart_line *line)
{
    const struct wire_scan *scan = &event->scan;
    enum res r = fold_digest(trip, secure, body);
    if (r != RES_OK) {
        return r;
    }
    bool resolves = scan->resolves != WIRE_ABSENT;
    int64_t priced = resolves ? line->priced : scan->quantity;
    if (scan->price != WIRE_ABSENT) {
        /* Scans that break the limit are refused before they become events. */
        trip->total_minor += scan->price * priced;
        copy_text(trip->currency, sizeof trip->currency, scan->currency);
    }
    if (resolves && scan->price != WIRE_ABSENT) {
        trip->unpriced -= priced;
    } else if (!resolves) {
        trip->item_count += scan->quantity;
        if (scan->price == WIRE_ABSENT) {
            trip->unpriced += scan->quantity;
        }
    }
    if (scan->line > trip->lines) {
        trip->lines = scan->line;
    }
    if (trip->first_scan == 0) {
        trip->first_scan = event->counter;
    }
    trip->last_scan = event->counter;
    trip->scan_count++;
    return RES_OK;
}

static void fold_transition(struct cart_trip *trip, const struct wire_event *event)
{
    switch ((enum wire_transition)event->session_start.transition) {
    case WIRE_START:
        memset(trip, 0, sizeof *trip);
        trip->start = event->counter;
        break;
    case WIRE_HOLD:
        trip->paused = 1;
        trip->hold_due = 0;
        trip->hold_reason = (uint8_t)event->session_start.reason;
        break;
    case WIRE_RESUME:
        trip->paused = 0;
        trip->hold_due = 0;
        break;
    }
}

static void fold_fault(struct cart_ledger *l, const struct wire_fault *fault, int64_t counter)
{
    if (fault->code == WIRE_FAULT_PAYMENT_FAILED && l->trip.start != 0) {
        l->trip.paying = 0;
        l->trip.hold_due = 1;
        l->trip.pay_tries++;
    }
    if (fault->code == WIRE_FAULT_GAP) {
        for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
            if (l->voids[i].from != 0 && l->voids[i].from == fault->gap_from) {
                l->voids[i].told = counter;
            }
        }
        const int64_t reported[] = {
            [FLASH_QUEUE_HEALTH] = fault->gap_health,
            [FLASH_QUEUE_FAULT] = fault->gap_fault,
            [FLASH_QUEUE_SCAN] = fault->gap_scan,
        };
        for (size_t i = 0; i < FLASH_QUEUE_SESSION; i++) {
            if (reported[i] != WIRE_ABSENT) {
                int64_t left = l->refused[i] - reported[i];
                l->refused[i] = left > 0 ? left : 0;
            }
        }
    }
}

enum res cart_ledger_apply(struct cart_ledger *l, const struct secure_element *secure,
                           const struct wire_event *event, struct span body,
                           const struct cart_line *line)
{
    if (event->counter <= l->through) {
        return RES_OK;
    }
    switch (event->type) {
    case WIRE_SCAN:
        /* Without a trip its start was lost with the snapshot: nothing to continue. */
        if (l->trip.start != 0) {
            enum res r = fold_scan(&l->trip, secure, event, body, line);
            if (r != RES_OK) {
                return r;
            }
        }
        break;
    case WIRE_SESSION_START:
        fold_transition(&l->trip, event);
        break;
    case WIRE_SESSION_END:
        l->payment_end = event->session_end.payment_token.size > 0 ? event->counter : 0;
        memset(&l->trip, 0, sizeof l->trip);
        break;
    case WIRE_IDENTIFY:
        l->trip.identified = 1;
        break;
    case WIRE_HEALTH:
        if (event->health.command_number != WIRE_ABSENT) {
            l->command_number = event->health.command_number;
            l->command_outcome = (uint32_t)event->health.command_outcome;
        }
        break;
    case WIRE_FAULT:
        fold_fault(l, &event->fault, event->counter);
        break;
    case WIRE_BOOT:
    case WIRE_COMMAND:
    case WIRE_COMMIT_ACK:
    case WIRE_PRODUCT:
    case WIRE_PAYMENT:
    case WIRE_CATALOGUE:
    case WIRE_PRICES:
        break;
    }
    l->through = event->counter;
    l->time_ms = event->time_ms;
    return RES_OK;
}
