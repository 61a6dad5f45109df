#include "label_core.h"

#include <assert.h>
#include <string.h>

/* On flash an event is compact; JSON is made when it is sent. A byte for its kind, then numbers of
 * seven bits a byte, lowest first, and texts behind their length. */
#define KIND_ACK      0xa1
#define KIND_STATUS   0x51
#define RECORD_BYTES  256
#define SEND_AGAIN_MS 200 /* the network's buffer is full */
#define READ_AGAIN_MS 5000

/* How many unreleased events may be there before one of this class. The last place is for the
 * report that something was dropped. */
static const uint32_t count_max[FLASH_QUEUE_CLASSES] = {
    [FLASH_QUEUE_HEALTH] = 60,
    [FLASH_QUEUE_FAULT] = 75,
    [FLASH_QUEUE_SCAN] = 90,
    [FLASH_QUEUE_SESSION] = LABEL_EVENTS_MAX - 1,
};

_Static_assert(1 + 8 * 10 + SHELF_DIGEST_BYTES + SHELF_UPDATE_ID_BYTES + SHELF_PRODUCT_BYTES_MAX +
                       SHELF_REASON_BYTES_MAX + 3 <=
                   RECORD_BYTES,
               "an ack fits");

/* --- records --- */

static void put_number(struct sink *s, int64_t value)
{
    uint64_t rest = (uint64_t)value;
    while (rest >= 0x80) {
        sink_byte(s, (uint8_t)(rest | 0x80));
        rest >>= 7;
    }
    sink_byte(s, (uint8_t)rest);
}

static void put_text(struct sink *s, struct span text)
{
    sink_byte(s, (uint8_t)text.size);
    sink_bytes(s, text);
}

struct cursor {
    struct span rest;
    bool bad;
};

static uint8_t take_byte(struct cursor *c)
{
    if (c->rest.size == 0) {
        c->bad = true;
        return 0;
    }
    uint8_t byte = c->rest.data[0];
    c->rest = span_of(c->rest.data + 1, c->rest.size - 1);
    return byte;
}

static int64_t take_number(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(c);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return (int64_t)value;
        }
    }
    c->bad = true;
    return 0;
}

static struct span take_bytes(struct cursor *c, size_t size)
{
    if (c->rest.size < size) {
        c->bad = true;
        size = 0;
    }
    struct span bytes = span_of(c->rest.data, size);
    c->rest = span_of(c->rest.data + size, c->rest.size - size);
    return bytes;
}

static void take_digest(struct cursor *c, uint8_t digest[SHELF_DIGEST_BYTES])
{
    struct span bytes = take_bytes(c, SHELF_DIGEST_BYTES);
    if (bytes.size == SHELF_DIGEST_BYTES) {
        memcpy(digest, bytes.data, SHELF_DIGEST_BYTES);
    }
}

static void write_ack(struct sink *s, const struct shelf_ack *ack)
{
    sink_byte(s, KIND_ACK);
    sink_byte(s, (uint8_t)ack->kind);
    sink_byte(s, (uint8_t)ack->status);
    sink_byte(s, ack->refreshed);
    put_number(s, ack->version);
    put_number(s, ack->price_minor);
    put_number(s, ack->time_ms);
    sink_bytes(s, span_of(ack->digest, sizeof ack->digest));
    put_text(s, ack->update_id);
    put_text(s, ack->product_id);
    put_text(s, ack->why);
}

static void read_ack(struct cursor *c, struct shelf_ack *ack)
{
    ack->kind = (enum shelf_ack_kind)take_byte(c);
    ack->status = (enum shelf_ack_status)take_byte(c);
    ack->refreshed = take_byte(c) != 0;
    ack->version = take_number(c);
    ack->price_minor = take_number(c);
    ack->time_ms = take_number(c);
    take_digest(c, ack->digest);
    ack->update_id = take_bytes(c, take_byte(c));
    ack->product_id = take_bytes(c, take_byte(c));
    ack->why = take_bytes(c, take_byte(c));
    c->bad = c->bad || ack->kind > SHELF_ACK_FLASH || ack->status > SHELF_REFUSED;
}

static void write_status(struct sink *s, const struct shelf_status *st)
{
    sink_byte(s, KIND_STATUS);
    sink_byte(s, (uint8_t)st->reason);
    sink_byte(s, (uint8_t)st->battery_pct);
    sink_byte(s, (uint8_t)-st->signal_dbm);
    sink_byte(s, (uint8_t)st->language);
    put_number(s, st->last_update_ms);
    put_number(s, st->sleep_s);
    put_number(s, st->queued);
    put_number(s, st->dropped);
    put_number(s, st->refreshes);
    put_number(s, st->config_version);
    put_number(s, st->gap_from);
    put_number(s, st->gap_to);
    put_number(s, st->time_ms);
    put_number(s, st->shows ? st->display_version : 0);
    if (st->shows) {
        sink_bytes(s, span_of(st->display_digest, sizeof st->display_digest));
        put_number(s, st->price_minor);
        put_text(s, st->product_id);
    }
}

static void read_status(struct cursor *c, struct shelf_status *st)
{
    st->reason = (enum shelf_reason)take_byte(c);
    st->battery_pct = take_byte(c);
    st->signal_dbm = -take_byte(c);
    st->language = (enum shelf_language)take_byte(c);
    st->last_update_ms = take_number(c);
    st->sleep_s = take_number(c);
    st->queued = take_number(c);
    st->dropped = take_number(c);
    st->refreshes = take_number(c);
    st->config_version = take_number(c);
    st->gap_from = take_number(c);
    st->gap_to = take_number(c);
    st->time_ms = take_number(c);
    st->display_version = take_number(c);
    st->shows = st->display_version > 0;
    if (st->shows) {
        take_digest(c, st->display_digest);
        st->price_minor = take_number(c);
        st->product_id = take_bytes(c, take_byte(c));
    }
    c->bad = c->bad || st->reason >= SHELF_REASONS || st->language >= SHELF_LANGUAGES;
}

/* --- making --- */

static void drop(struct label *l)
{
    bool first = l->memory.dropped == l->told_drops;
    l->memory.dropped++;
    l->counts.dropped++;
    label_note(l, LABEL_NOTE_DROPPED, "");
    if (first && label_save(l) != RES_OK) {
        l->unsaved = true;
    }
}

static bool append(struct label *l, enum flash_queue_class class, uint32_t most,
                   const struct sink *record)
{
    struct flash_queue *q = &l->store.queue;
    assert(!record->overflow);
    enum res r = RES_FULL;
    /* A place on flash that failed burns its counter: once more with the next one. */
    for (int i = 0; i < 2 && flash_queue_count(q) < most && r != RES_OK; i++) {
        r = flash_queue_append(q, class, flash_queue_next_counter(q), sink_span(record));
    }
    return r == RES_OK;
}

void label_event_ack(struct label *l, enum flash_queue_class class, struct shelf_ack *ack)
{
    uint8_t bytes[RECORD_BYTES];
    struct sink record;
    ack->time_ms = label_time_ms(l);
    sink_init(&record, bytes, sizeof bytes);
    write_ack(&record, ack);
    if (!append(l, class, count_max[class], &record)) {
        drop(l);
    }
}

static void fill_status(const struct label *l, enum shelf_reason reason, struct shelf_status *st)
{
    const struct label_screen *screen = &l->screen;
    *st = (struct shelf_status){
        .device_id = label_id(l),
        .reason = reason,
        .battery_pct = l->battery_pct,
        .signal_dbm = l->signal_dbm,
        .tft = l->settings->tft,
        .firmware = span_text(l->settings->firmware, SHELF_FIRMWARE_BYTES_MAX),
        .last_update_ms = screen->shown_ms,
        .queued = flash_queue_count(&l->store.queue),
        .dropped = l->memory.dropped,
        .refreshes = screen->refreshes,
        .shows = screen->known && screen->version > 0,
        .display_version = screen->version,
        .price_minor = screen->price_minor,
        .product_id = span_text(screen->product_id, sizeof screen->product_id),
        .language = (enum shelf_language)l->memory.config.language,
        .config_version = l->memory.config.version,
        .time_ms = label_time_ms(l),
    };
    memcpy(st->display_digest, screen->digest, sizeof st->display_digest);
}

static bool append_status(struct label *l, enum flash_queue_class class, uint32_t most,
                          const struct shelf_status *st)
{
    uint8_t bytes[RECORD_BYTES];
    struct sink record;
    sink_init(&record, bytes, sizeof bytes);
    write_status(&record, st);
    if (!append(l, class, most, &record)) {
        return false;
    }
    l->told_drops = st->dropped;
    return true;
}

void label_event_status(struct label *l, enum shelf_reason reason, int64_t sleep_s)
{
    struct shelf_status st;
    fill_status(l, reason, &st);
    st.sleep_s = sleep_s;
    if (!append_status(l, FLASH_QUEUE_HEALTH, count_max[FLASH_QUEUE_HEALTH], &st)) {
        drop(l);
    }
}

static bool has_room(const struct label *l, uint32_t most)
{
    const struct flash_queue *q = &l->store.queue;
    return flash_queue_count(q) < most &&
           flash_queue_has_room(q, FLASH_QUEUE_SESSION, RECORD_BYTES);
}

/* A gap record: a status that says which counters will never come. */
static void report_gap(struct label *l, int64_t from, int64_t to)
{
    struct shelf_status st;
    fill_status(l, SHELF_CHANGED, &st);
    st.gap_from = from;
    st.gap_to = to;
    if (append_status(l, FLASH_QUEUE_SESSION, LABEL_EVENTS_MAX, &st)) {
        return;
    }
    if (from == 0) {
        return; /* told later */
    }
    drop(l); /* the flash finds the gap again after a restart */
}

void label_event_tick(struct label *l)
{
    struct flash_queue *q = &l->store.queue;
    int64_t from;
    int64_t to;
    /* A drop is told at once, into the place kept for it; what is dropped while that report waits,
     * when there is room again. */
    bool waits = l->drops_counter >= flash_queue_first_counter(q);
    if (l->memory.dropped > l->told_drops &&
        has_room(l, waits ? count_max[FLASH_QUEUE_HEALTH] : LABEL_EVENTS_MAX)) {
        l->drops_counter = flash_queue_next_counter(q);
        report_gap(l, 0, 0);
        l->unsaved = label_save(l) != RES_OK;
    }
    while (has_room(l, LABEL_EVENTS_MAX) && flash_queue_damage(q, &from, &to) == RES_OK) {
        report_gap(l, from, to);
    }
}

/* --- sending --- */

enum res label_event_publish(struct label *l, enum shelf_topic topic, const struct sink *payload)
{
    char name[SHELF_TOPIC_BYTES];
    const struct network *n = l->ports.network;
    assert(!payload->overflow);
    shelf_topic_write(label_id(l), topic, name);
    enum res r = n->publish(n->context, span_text(name, sizeof name), sink_span(payload));
    if (r == RES_OK) {
        l->counts.published++;
    }
    return r;
}

void label_event_ack_once(struct label *l, struct shelf_ack *ack)
{
    uint8_t bytes[SHELF_UP_BYTES_MAX];
    struct sink payload;
    if (l->link != LABEL_ONLINE) {
        return;
    }
    ack->device_id = label_id(l);
    ack->time_ms = label_time_ms(l);
    sink_init(&payload, bytes, sizeof bytes);
    shelf_ack_encode(ack, &payload);
    if (label_event_publish(l, SHELF_ACK, &payload) != RES_OK) {
        return; /* the platform asks again */
    }
}

/* What is on flash at this counter, as JSON. A record that this firmware does not know is replaced
 * by a plain status, so that the counters stay without a hole. */
static enum shelf_topic encode(const struct label *l, int64_t counter, struct span record,
                               struct sink *payload)
{
    struct cursor c = {.rest = record};
    uint8_t kind = take_byte(&c);
    int64_t epoch = flash_queue_epoch(&l->store.queue);
    if (kind == KIND_ACK) {
        struct shelf_ack ack = {.device_id = label_id(l), .epoch = epoch, .counter = counter};
        read_ack(&c, &ack);
        if (!c.bad) {
            shelf_ack_encode(&ack, payload);
            return SHELF_ACK;
        }
    }
    struct shelf_status st;
    fill_status(l, SHELF_CHANGED, &st);
    if (kind == KIND_STATUS) {
        struct shelf_status kept = {
            .device_id = st.device_id, .tft = st.tft, .firmware = st.firmware};
        read_status(&c, &kept);
        st = c.bad ? st : kept;
    }
    st.epoch = epoch;
    st.counter = counter;
    shelf_status_encode(&st, payload);
    return SHELF_STATUS;
}

/* Sent events want to be released some time: soon when they are many. Spread, so that a store's
 * labels do not ask at once after one bulk of prices. */
static void plan_release(struct label *l)
{
    int64_t waiting = l->next_send - flash_queue_first_counter(&l->store.queue);
    if (l->release_ms == INT64_MAX) {
        l->release_ms = l->now_ms + LABEL_RELEASE_LATE_MS + label_random(l) % LABEL_RELEASE_LATE_MS;
    }
    int64_t soon_ms = l->release_ms;
    if (l->stuck > 0) {
        soon_ms = l->answered_ms + ((int64_t)LABEL_RELEASE_STUCK_MS << l->stuck);
    } else if (waiting >= LABEL_RELEASE_AT_ONCE) {
        soon_ms = l->now_ms;
    } else if (waiting >= LABEL_RELEASE_SOON) {
        soon_ms = l->answered_ms + LABEL_RELEASE_SOON_MS;
    }
    l->release_ms = soon_ms < l->release_ms ? soon_ms : l->release_ms;
}

void label_event_send(struct label *l)
{
    uint8_t record[FLASH_QUEUE_RECORD_BYTES_MAX];
    uint8_t bytes[SHELF_UP_BYTES_MAX];
    struct flash_queue *q = &l->store.queue;
    while (l->link == LABEL_ONLINE && l->synced && l->next_send < flash_queue_next_counter(q)) {
        int64_t counter = l->next_send;
        uint32_t size;
        struct sink payload;
        enum res r = flash_queue_read(q, &counter, record, sizeof record, &size);
        if (r == RES_NOT_FOUND) {
            l->next_send = flash_queue_next_counter(q); /* the rest is damaged, and reported so */
            return;
        }
        if (r != RES_OK) {
            label_due(l, l->now_ms + READ_AGAIN_MS);
            return;
        }
        sink_init(&payload, bytes, sizeof bytes);
        enum shelf_topic topic = encode(l, counter, span_of(record, size), &payload);
        if (label_event_publish(l, topic, &payload) != RES_OK) {
            label_due(l, l->now_ms + SEND_AGAIN_MS);
            return;
        }
        l->next_send = counter + 1;
        plan_release(l);
    }
}

bool label_event_all_sent(const struct label *l)
{
    return l->next_send >= flash_queue_next_counter(&l->store.queue);
}

void label_event_released(struct label *l, int64_t epoch, int64_t through)
{
    struct flash_queue *q = &l->store.queue;
    int64_t before = flash_queue_first_counter(q);
    if (epoch == flash_queue_epoch(q) && through < flash_queue_next_counter(q) &&
        flash_queue_release(q, through) != RES_OK) {
        label_due(l, l->now_ms + READ_AGAIN_MS); /* it is noted; the room is counted later */
    }
    int64_t first = flash_queue_first_counter(q);
    if (l->next_send < first) {
        l->next_send = first;
    }
    if (first > l->asked_through || first > before) {
        l->stuck = 0; /* all that was sent before the question has arrived, or it goes on */
    } else {
        /* Twice the same: the first of them is lost, and all behind it waits. */
        l->next_send = l->stuck > 0 ? first : l->next_send;
        l->stuck += l->stuck < 4 ? 1 : 0;
    }
    l->answered_ms = l->now_ms;
    l->release_ms = INT64_MAX;
    if (l->next_send > first) {
        plan_release(l);
    }
}
