#include "wire_sample.h"

#include <assert.h>
#include <string.h>

#include "gtin.h"
#include "json.h"
#include "timestamp.h"
#include "wire_catalog.h"

/* Where values come from: a generator, or NULL for the longest one. */
struct source {
    struct rng *rng;
    struct arena *texts;
};

static uint64_t below(const struct source *src, uint64_t bound)
{
    return src->rng != NULL ? rng_below(src->rng, bound) : bound - 1;
}

static int64_t number_in(const struct source *src, int64_t min, int64_t max)
{
    if (src->rng == NULL) {
        return min < 0 && -min >= max ? min : max; /* the sign is a byte */
    }
    uint64_t pick = rng_below(src->rng, 8);
    if (pick < 2) {
        return pick == 0 ? min : max;
    }
    return min + (int64_t)rng_below(src->rng, (uint64_t)(max - min) + 1);
}

static const char upper_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static struct span text_from(const struct source *src, const char *set, size_t size)
{
    uint8_t *text = arena_take(src->texts, size);
    assert(text != NULL);
    size_t choices = strlen(set);
    for (size_t i = 0; i < size; i++) {
        /* Letters only where the longest is wanted: a run of digits may be refused. */
        text[i] = (uint8_t)set[src->rng != NULL ? below(src, choices) : 0];
    }
    return span_of(text, size);
}

static struct span cart_id_from(const struct source *src)
{
    struct span tail = text_from(src, upper_digits, (size_t)number_in(src, 4, 12));
    uint8_t *text = arena_take(src->texts, 5 + tail.size);
    assert(text != NULL);
    memcpy(text, "CART-", 5);
    memcpy(text + 5, tail.data, tail.size);
    return span_of(text, 5 + tail.size);
}

static struct span gtin_from(const struct source *src, bool padded)
{
    static const uint8_t sizes[] = {8, 12, 13, 14};
    size_t size = padded ? 14 : sizes[below(src, sizeof sizes)];
    uint8_t *text = arena_take(src->texts, size);
    assert(text != NULL);
    for (size_t i = 0; i + 1 < size; i++) {
        text[i] = (uint8_t)('0' + below(src, 10));
    }
    text[size - 1] = (uint8_t)gtin_check_digit(span_of(text, size - 1));
    return span_of(text, size);
}

static struct span name_from(const struct source *src, size_t size_max)
{
    static const char *const pieces[] = {"Amul ", "दूध ", "பால் ", "Maggi ", "500 g ", "€",
                                         "𝒳",     "పాలు", "দুধ ",  "-",      "(",      "/"};
    uint8_t *text = arena_take(src->texts, size_max);
    assert(text != NULL);
    struct sink s;
    sink_init(&s, text, size_max);
    do {
        const char *piece = pieces[below(src, sizeof pieces / sizeof pieces[0])];
        if (strlen(piece) > s.size_max - s.size) {
            sink_text(&s, "x");
        } else {
            sink_text(&s, piece);
        }
    } while (s.size < size_max && (src->rng == NULL || below(src, 6) != 0));
    return sink_span(&s);
}

static struct span session_id_from(const struct source *src, struct span cart_id, int64_t epoch,
                                   int64_t counter)
{
    uint8_t *text = arena_take(src->texts, WIRE_SESSION_ID_BYTES);
    assert(text != NULL);
    struct sink s;
    sink_init(&s, text, WIRE_SESSION_ID_BYTES);
    wire_session_id_write(&s, cart_id, epoch, counter);
    assert(!s.overflow);
    return sink_span(&s);
}

static struct span text_of_kind(const struct source *src, const struct wire_field *f)
{
    size_t size = (size_t)number_in(src, f->min, f->max);
    switch (f->kind) {
    case WIRE_KIND_CART_ID:
        return cart_id_from(src);
    case WIRE_KIND_STORE_ID:
        return text_from(src, "ABCDEFGHIJKLM0123456789", size);
    case WIRE_KIND_SESSION_ID:
        return SPAN_NONE; /* follows from the header */
    case WIRE_KIND_GTIN:
        return gtin_from(src, false);
    case WIRE_KIND_GTIN14:
        return gtin_from(src, true);
    case WIRE_KIND_CURRENCY:
        return text_from(src, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", size);
    case WIRE_KIND_TOKEN:
        return text_from(src, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", size);
    case WIRE_KIND_DIGEST:
        return text_from(src, "abcdef0123456789", size);
    case WIRE_KIND_WORDS:
        return text_from(src, "abcdefghijklmnopqrstuvwxyz ,.;:'()!#%&/=?+*~{}[]<>|@$^`_-", size);
    case WIRE_KIND_NAME:
        return name_from(src, size);
    case WIRE_KIND_SKU:
    case WIRE_KIND_VERSION:
        return text_from(src, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-", size);
    case WIRE_KIND_SLOT:
        return text_from(src, "AB", size);
    case WIRE_KIND_CODE:
        return text_from(src, "abcdefghijklmnopqrstuvwxyz", size);
    case WIRE_KIND_INT:
    case WIRE_KIND_MONEY:
    case WIRE_KIND_TIME:
    case WIRE_KIND_BOOL:
    case WIRE_KIND_ENUM:
    case WIRE_KIND_ITEMS:
    case WIRE_KIND_PRICES:
        break;
    }
    return SPAN_NONE;
}

static int64_t longest_name(const struct wire_field *f)
{
    int64_t longest = 0;
    for (int64_t i = 0; f->names[i] != NULL; i++) {
        if (strlen(f->names[i]) > strlen(f->names[longest])) {
            longest = i;
        }
    }
    return longest;
}

static void fill_fields(const struct source *src, struct wire_fields fields, void *object)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        void *place = (char *)object + f->offset;
        bool present = f->required || src->rng == NULL || below(src, 2) == 0;
        if (wire_catalog_kind_is_list(f->kind)) {
            continue;
        }
        if (wire_catalog_kind_is_number(f->kind)) {
            int64_t value = WIRE_ABSENT;
            if (present && f->kind == WIRE_KIND_ENUM && src->rng == NULL) {
                value = longest_name(f);
            } else if (present) {
                value = number_in(src, f->min, f->max);
            }
            memcpy(place, &value, sizeof value);
        } else {
            struct span text = present ? text_of_kind(src, f) : SPAN_NONE;
            memcpy(place, &text, sizeof text);
        }
    }
}

static bool coin(const struct source *src)
{
    return src->rng == NULL || below(src, 2) == 0;
}

/* A session of this cart that began before the event. */
static struct span earlier_session(const struct source *src, const struct wire_event *e)
{
    bool same = e->counter > 1 && coin(src);
    int64_t epoch = same || e->epoch == 1 ? e->epoch : number_in(src, 1, e->epoch - 1);
    int64_t counter =
        epoch == e->epoch ? number_in(src, 1, e->counter - 1) : number_in(src, 1, JSON_INT_MAX);
    return session_id_from(src, e->cart_id, epoch, counter);
}

static void obey_scan(const struct source *src, struct wire_event *e)
{
    struct wire_scan *m = &e->scan;
    m->session_id = earlier_session(src, e);
    m->quantity = m->quantity == 0 ? 1 : m->quantity;
    if (m->price == WIRE_ABSENT) {
        m->currency = SPAN_NONE;
        m->price_source = WIRE_ABSENT;
    } else {
        m->currency = SPAN_LIT("INR");
        m->price_source = m->price_source == WIRE_ABSENT ? 0 : m->price_source;
    }
    m->resolves = m->resolves == WIRE_ABSENT ? WIRE_ABSENT : number_in(src, 1, e->counter - 1);
    if (m->weight_expected_g == WIRE_ABSENT || m->weight_delta_g == WIRE_ABSENT) {
        m->weight = WIRE_WEIGHT_UNKNOWN;
    }
}

static void obey_session_end(const struct source *src, struct wire_event *e)
{
    struct wire_session_end *m = &e->session_end;
    m->session_id = earlier_session(src, e);
    if (!coin(src) || e->counter < 3) {
        m->item_count = m->scan_count = m->unpriced = m->first_scan = m->last_scan = m->total = 0;
        m->digest = SPAN_LIT("0000000000000000000000000000000000000000000000000000000000000000");
    } else {
        m->last_scan = number_in(src, 2, e->counter - 1);
        m->first_scan = number_in(src, m->last_scan > 5000 ? m->last_scan - 5000 : 1, m->last_scan);
        int64_t most = m->last_scan - m->first_scan + 1;
        m->scan_count = m->scan_count < 1 ? 1 : m->scan_count > most ? most : m->scan_count;
        m->unpriced = number_in(src, 0, m->item_count);
    }
    if (m->payment_token.size == 0) {
        m->payment_amount = WIRE_ABSENT;
        m->payment_status = WIRE_ABSENT;
    } else {
        m->payment_amount = number_in(src, 0, 1000000000);
        m->payment_status = WIRE_DECLINED;
    }
}

static void obey_fault(const struct source *src, struct wire_event *e)
{
    struct wire_fault *m = &e->fault;
    if (src->rng == NULL) {
        m->code = WIRE_FAULT_GAP;
    }
    if (m->session_id.data != NULL || coin(src)) {
        m->session_id = earlier_session(src, e);
    }
    if (m->code != WIRE_FAULT_GAP) {
        m->gap_from = m->gap_to = m->gap_health = m->gap_fault = m->gap_scan = WIRE_ABSENT;
        return;
    }
    bool range = coin(src);
    m->gap_to = range ? number_in(src, 1, e->counter - 1) : 0;
    m->gap_from = range ? number_in(src, 1, m->gap_to) : 0;
    m->gap_health = number_in(src, 1, 1000000);
    m->gap_fault = number_in(src, 0, 1000000);
    m->gap_scan = number_in(src, 0, 1000000);
}

static void obey_event(const struct source *src, struct wire_event *e)
{
    switch (e->type) {
    case WIRE_SCAN:
        obey_scan(src, e);
        break;
    case WIRE_SESSION_START:
        if (src->rng == NULL) {
            e->session_start.transition = WIRE_HOLD;
        }
        if (e->session_start.transition == WIRE_START) {
            e->session_start.session_id = session_id_from(src, e->cart_id, e->epoch, e->counter);
        } else {
            e->session_start.session_id = earlier_session(src, e);
        }
        e->session_start.reason =
            e->session_start.transition == WIRE_HOLD ? WIRE_HOLD_CUSTOMER : WIRE_ABSENT;
        break;
    case WIRE_SESSION_END:
        obey_session_end(src, e);
        break;
    case WIRE_IDENTIFY:
        e->identify.session_id = earlier_session(src, e);
        break;
    case WIRE_HEALTH:
        e->health.y_cm = e->health.x_cm;
        e->health.command_outcome =
            e->health.command_number == WIRE_ABSENT ? WIRE_ABSENT : WIRE_CMD_IGNORED;
        break;
    case WIRE_FAULT:
        obey_fault(src, e);
        break;
    case WIRE_BOOT:
        e->boot.session_id = coin(src) ? earlier_session(src, e) : SPAN_NONE;
        break;
    case WIRE_COMMAND:
    case WIRE_COMMIT_ACK:
    case WIRE_PRODUCT:
    case WIRE_PAYMENT:
    case WIRE_CATALOGUE:
    case WIRE_PRICES:
        assert(false); /* a type of event */
    }
}

static void make_event(const struct source *src, enum wire_type type, struct wire_event *ret)
{
    const struct wire_message *message = wire_catalog_message(type);
    wire_event_init(ret, type);
    fill_fields(src, message->header, ret);
    fill_fields(src, message->body, &ret->scan);
    if (ret->counter < 2) {
        ret->counter = 2; /* so that something may have happened before it */
    }
    obey_event(src, ret);
}

/* Rises with i. */
static struct span rising_gtin(const struct source *src, size_t i)
{
    uint8_t *gtin = arena_take(src->texts, 14);
    assert(gtin != NULL);
    struct sink s;
    sink_init(&s, gtin, 14);
    sink_u64_padded(&s, i, 5);
    sink_u64_padded(&s, below(src, 100000000), 8);
    sink_byte(&s, (uint8_t)gtin_check_digit(span_of(gtin, 13)));
    return sink_span(&s);
}

static void fill_prices(const struct source *src, struct wire_prices *m)
{
    m->item_count = src->rng == NULL ? WIRE_PRICES_ITEMS_MAX : below(src, 20);
    for (size_t i = 0; i < m->item_count; i++) {
        fill_fields(src, wire_catalog_item_fields(WIRE_KIND_PRICES), &m->items[i]);
        m->items[i].gtin = rising_gtin(src, i);
    }
}

static void fill_items(const struct source *src, struct wire_catalogue *m)
{
    m->item_count = src->rng == NULL ? 50 : below(src, 20);
    for (size_t i = 0; i < m->item_count; i++) {
        fill_fields(src, wire_catalog_item_fields(WIRE_KIND_ITEMS), &m->items[i]);
        m->items[i].gtin = rising_gtin(src, i);
    }
}

static void obey_product(const struct source *src, struct wire_product *m)
{
    m->found = src->rng == NULL ? 1 : m->found;
    if (m->found == 0) {
        m->sku = m->name = m->currency = SPAN_NONE;
        m->price = m->weight_g = m->per_kg = WIRE_ABSENT;
        return;
    }
    m->sku = m->sku.size == 0 ? SPAN_LIT("SKU-1") : m->sku;
    m->name = m->name.size == 0 ? SPAN_LIT("चावल 5 kg") : m->name;
    m->currency = SPAN_LIT("INR");
    m->price = m->price == WIRE_ABSENT ? 1250 : m->price;
    m->weight_g = m->weight_g == WIRE_ABSENT ? 0 : m->weight_g;
    m->per_kg = src->rng == NULL || m->per_kg == WIRE_ABSENT ? 0 : m->per_kg;
}

static void make_downlink(const struct source *src, enum wire_type type, struct wire_downlink *ret)
{
    const struct wire_message *message = wire_catalog_message(type);
    wire_downlink_init(ret, type);
    fill_fields(src, message->header, ret);
    fill_fields(src, message->body, &ret->command);
    if (type == WIRE_COMMAND) {
        struct wire_command *m = &ret->command;
        ret->time_ms = number_in(src, 0, TIMESTAMP_MS_MAX - 1);
        m->expires_ms = number_in(src, ret->time_ms + 1, TIMESTAMP_MS_MAX);
        m->version = m->kind == WIRE_CMD_CATALOGUE ? 7 : WIRE_ABSENT;
        bool of_session = m->kind == WIRE_CMD_PAUSE || m->kind == WIRE_CMD_CANCEL ||
                          m->kind == WIRE_CMD_RESTART || m->kind == WIRE_CMD_CUSTOMER_OVERRIDE;
        m->session_id = of_session && coin(src)
                            ? session_id_from(src, ret->cart_id, WIRE_EPOCH_MAX, JSON_INT_MAX)
                            : SPAN_NONE;
    } else if (type == WIRE_PRODUCT) {
        obey_product(src, &ret->product);
    } else if (type == WIRE_PAYMENT) {
        ret->payment.outcome = src->rng == NULL ? WIRE_REFUSED : ret->payment.outcome;
        ret->payment.reason =
            ret->payment.outcome == WIRE_REFUSED ? SPAN_LIT("token_reused") : SPAN_NONE;
    } else if (type == WIRE_CATALOGUE) {
        ret->catalogue.chunk = number_in(src, 0, ret->catalogue.chunks - 1);
        fill_items(src, &ret->catalogue);
    } else if (type == WIRE_PRICES) {
        ret->prices.base = number_in(src, 1, ret->prices.version);
        fill_prices(src, &ret->prices);
    }
}

void wire_sample_event(struct rng *rng, struct arena *texts, enum wire_type type,
                       struct wire_event *ret)
{
    const struct source src = {rng, texts};
    make_event(&src, type, ret);
}

void wire_sample_downlink(struct rng *rng, struct arena *texts, enum wire_type type,
                          struct wire_downlink *ret)
{
    const struct source src = {rng, texts};
    make_downlink(&src, type, ret);
}

void wire_sample_longest_event(struct arena *texts, enum wire_type type, struct wire_event *ret)
{
    const struct source src = {NULL, texts};
    make_event(&src, type, ret);
}

void wire_sample_longest_downlink(struct arena *texts, enum wire_type type,
                                  struct wire_downlink *ret)
{
    const struct source src = {NULL, texts};
    make_downlink(&src, type, ret);
}
