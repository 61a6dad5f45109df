#include "reconcile.h"

#include <assert.h>
#include <string.h>

#include "money.h"

const char *reconcile_reason_name(enum reconcile_reason reason)
{
    static const char *const names[] = {
        [RECONCILE_ITEM_COUNT] = "item_count",
        [RECONCILE_SCAN_COUNT] = "scan_count",
        [RECONCILE_UNPRICED] = "unpriced",
        [RECONCILE_TOTAL] = "total",
        [RECONCILE_DIGEST] = "digest",
        [RECONCILE_CURRENCY] = "currency",
        [RECONCILE_MISSING_SCANS] = "missing_scans",
        [RECONCILE_PAYMENT_MISSING] = "payment_missing",
        [RECONCILE_PAYMENT_AMOUNT] = "payment_amount",
        [RECONCILE_PAYMENT_REFUSED] = "payment_refused",
        [RECONCILE_PAYMENT_ORPHAN] = "payment_orphan",
    };
    assert((unsigned)reason < RECONCILE_REASONS);
    return names[reason];
}

void reconcile_init(struct reconcile *r)
{
    memset(r, 0, sizeof *r);
}

static void add_money(struct reconcile *r, int64_t price, int64_t quantity)
{
    int64_t amount;
    int64_t sum;
    if (money_times(price, quantity, &amount) != RES_OK ||
        money_plus(r->total_minor, amount, &sum) != RES_OK) {
        r->overflow = true;
        return;
    }
    r->total_minor = sum;
}

static void note_currency(struct reconcile *r, struct span currency)
{
    bool first = r->currency[0] == '\0';
    if (currency.size != 3 || (!first && memcmp(r->currency, currency.data, 3) != 0)) {
        r->currencies_mixed = true;
    } else if (first) {
        memcpy(r->currency, currency.data, 3);
    }
}

static size_t find_open(const struct reconcile *r, int64_t line)
{
    size_t i = 0;
    while (i < r->open_count && r->open[i].line != line) {
        i++;
    }
    return i;
}

/* A scan without a price: its quantity waits for the line's price. */
static void wait_for_price(struct reconcile *r, const struct wire_scan *scan)
{
    size_t i = find_open(r, scan->line);
    if (i == r->open_count) {
        if (i == RECONCILE_UNPRICED_LINES_MAX || scan->line > INT32_MAX) {
            r->overflow = true;
            return;
        }
        r->open[i].line = (int32_t)scan->line;
        r->open[i].quantity = 0;
        r->open_count++;
    }
    r->open[i].quantity += (int32_t)scan->quantity;
    r->unpriced += scan->quantity;
}

/* The line has its price now: all that waited is worth it. */
static void resolve(struct reconcile *r, const struct wire_scan *scan)
{
    size_t i = find_open(r, scan->line);
    if (i == r->open_count) {
        return;
    }
    add_money(r, scan->price, r->open[i].quantity);
    r->unpriced -= r->open[i].quantity;
    r->open_count--;
    r->open[i] = r->open[r->open_count];
}

enum res reconcile_scan(struct reconcile *r, const struct wire_scan *scan, int64_t counter,
                        const uint8_t body_digest[WIRE_DIGEST_BYTES], reconcile_sha256 sha256)
{
    uint8_t chained[WIRE_DIGEST_BYTES];
    enum res res = sha256(span_of(r->digest, sizeof r->digest),
                          span_of(body_digest, WIRE_DIGEST_BYTES), chained);
    if (res != RES_OK) {
        return res;
    }
    memcpy(r->digest, chained, sizeof r->digest);
    if (r->first_scan == 0) {
        r->first_scan = counter;
    }
    r->last_scan = counter;
    r->scan_count++;
    bool priced = scan->price != WIRE_ABSENT;
    if (priced) {
        note_currency(r, scan->currency);
        resolve(r, scan);
    }
    if (scan->resolves != WIRE_ABSENT) {
        return RES_OK;
    }
    r->item_count += scan->quantity;
    if (priced) {
        add_money(r, scan->price, scan->quantity);
    } else {
        wait_for_price(r, scan);
    }
    return RES_OK;
}

static unsigned when(bool differs, enum reconcile_reason reason)
{
    return differs ? 1U << reason : 0;
}

static bool digest_differs(const struct reconcile *r, struct span hex)
{
    uint8_t text[WIRE_DIGEST_BYTES * 2];
    struct sink s;
    sink_init(&s, text, sizeof text);
    sink_hex(&s, span_of(r->digest, sizeof r->digest));
    return !span_equal(sink_span(&s), hex);
}

static unsigned compare_payment(const struct reconcile *r, const struct wire_session_end *end)
{
    bool complete = end->outcome == WIRE_COMPLETE;
    if (end->payment_token.size == 0) {
        return when(complete && r->total_minor > 0, RECONCILE_PAYMENT_MISSING);
    }
    bool approved = end->payment_status == WIRE_APPROVED;
    return when(!complete && approved, RECONCILE_PAYMENT_ORPHAN) |
           when(complete && !approved, RECONCILE_PAYMENT_REFUSED) |
           when(complete && end->payment_amount != r->total_minor, RECONCILE_PAYMENT_AMOUNT);
}

unsigned reconcile_compare(const struct reconcile *r, const struct wire_session_end *end)
{
    bool currency_differs =
        r->currencies_mixed || (r->currency[0] != '\0' && end->currency.size > 0 &&
                                !span_equal(span_of(r->currency, 3), end->currency));
    return when(end->item_count != r->item_count, RECONCILE_ITEM_COUNT) |
           when(end->scan_count != r->scan_count, RECONCILE_SCAN_COUNT) |
           when(end->unpriced != r->unpriced, RECONCILE_UNPRICED) |
           when(r->overflow || end->total != r->total_minor, RECONCILE_TOTAL) |
           when(digest_differs(r, end->digest), RECONCILE_DIGEST) |
           when(currency_differs, RECONCILE_CURRENCY) |
           when(end->scan_count > r->scan_count || end->first_scan != r->first_scan ||
                    end->last_scan != r->last_scan,
                RECONCILE_MISSING_SCANS) |
           compare_payment(r, end);
}
