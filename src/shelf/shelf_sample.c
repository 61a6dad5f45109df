#include "shelf_sample.h"

#include <assert.h>
#include <string.h>

#include "shelf_table.h"

struct maker {
    struct rng *rng;
    struct arena *arena;
};

static size_t between(struct maker *m, size_t least, size_t most)
{
    return least + (size_t)rng_below(m->rng, most - least + 1);
}

static struct span from_set(struct maker *m, struct span head, const char *set, size_t size)
{
    uint8_t *text = arena_take(m->arena, head.size + size);
    assert(text != NULL);
    if (head.size > 0) {
        memcpy(text, head.data, head.size);
    }
    for (size_t i = 0; i < size; i++) {
        text[head.size + i] = (uint8_t)set[rng_below(m->rng, strlen(set))];
    }
    return span_of(text, head.size + size);
}

#define DIGITS "0123456789"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"

static struct span make_uuid(struct maker *m)
{
    struct span uuid = from_set(m, SPAN_NONE, DIGITS "abcdef", SHELF_UPDATE_ID_BYTES);
    uint8_t *text = m->arena->block + (uuid.data - m->arena->block);
    text[8] = text[13] = text[18] = text[23] = '-';
    return uuid;
}

/* Names with everything in them that JSON has to escape, and six scripts. */
static struct span make_name(struct maker *m, size_t bytes_max)
{
    static const char *const pieces[] = {"a", "Z", " ", "\"", "\\", "/", "é", "दू", "ध",
                                         "ल", "த", "మి", "দু",  "ळ",  "₹", "😀", "%", "<"};
    size_t size = between(m, 1, bytes_max);
    uint8_t *text = arena_take(m->arena, size);
    struct sink s;
    assert(text != NULL);
    sink_init(&s, text, size);
    for (;;) {
        const char *piece = pieces[rng_below(m->rng, sizeof pieces / sizeof pieces[0])];
        if (s.size + strlen(piece) > size) {
            break;
        }
        sink_text(&s, piece);
    }
    return s.size > 0 ? sink_span(&s) : SPAN_LIT("x");
}

static struct span make_text(struct maker *m, const struct shelf_field *f)
{
    size_t most = (size_t)f->max;
    switch ((enum shelf_kind)f->kind) {
    case SHELF_KIND_ID:
        return from_set(m, SPAN_LIT("ESP32-"), UPPER DIGITS, between(m, 3, 12));
    case SHELF_KIND_UUID:
        return make_uuid(m);
    case SHELF_KIND_SKU:
        return from_set(m, SPAN_NONE, UPPER LOWER DIGITS "._/-", between(m, 1, most));
    case SHELF_KIND_NAME:
        return make_name(m, most);
    case SHELF_KIND_URL:
        return from_set(m, SPAN_LIT("https://"), LOWER DIGITS "/?=.~%-", between(m, 1, most - 8));
    case SHELF_KIND_BASE64:
        return from_set(m, SPAN_NONE, UPPER LOWER DIGITS "+/", 4 * between(m, 1, 60));
    case SHELF_KIND_VERSION:
        return from_set(m, SPAN_NONE, LOWER DIGITS ".+_-", between(m, 1, most));
    case SHELF_KIND_WORDS:
        return from_set(m, SPAN_NONE, LOWER DIGITS " ._-'", between(m, 1, most));
    case SHELF_KIND_INT:
    case SHELF_KIND_MONEY:
    case SHELF_KIND_TIME:
    case SHELF_KIND_BOOL:
    case SHELF_KIND_ENUM:
    case SHELF_KIND_DIGEST:
    case SHELF_KIND_CURRENCY:
    case SHELF_KIND_OBJECT:
        break;
    }
    assert(false); /* a kind of span */
    return SPAN_NONE;
}

static void put_number(const struct shelf_field *f, char *at, int64_t value)
{
    uint8_t tiny = (uint8_t)value;
    int32_t small = (int32_t)value;
    const void *from = f->size == 1   ? (const void *)&tiny
                       : f->size == 4 ? (const void *)&small
                                      : (const void *)&value;
    memcpy(at, from, f->size);
}

static int64_t make_number(struct maker *m, const struct shelf_field *f)
{
    uint64_t room = (uint64_t)(f->max - f->min) + 1;
    switch (rng_below(m->rng, 4)) {
    case 0:
        return f->min;
    case 1:
        return f->max;
    default:
        return f->min + (int64_t)rng_below(m->rng, room);
    }
}

static void fill(struct maker *m, const struct shelf_fields *fields, char *body)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        bool there = f->required || rng_below(m->rng, 2) == 0;
        char *at = body + f->offset;
        if (f->kind <= SHELF_KIND_ENUM) {
            put_number(f, at, there ? make_number(m, f) : f->absent >= 0 ? f->absent : 0);
        } else if (!there) {
            continue;
        } else if (f->kind == SHELF_KIND_OBJECT) {
            if (f->flag_offset > 0) {
                body[f->flag_offset] = 1;
            }
            fill(m, f->object, at);
        } else if (f->kind == SHELF_KIND_DIGEST) {
            for (size_t k = 0; k < f->size; k++) {
                at[k] = (char)(1 + rng_below(m->rng, 255));
            }
        } else if (f->kind == SHELF_KIND_CURRENCY) {
            memcpy(at, from_set(m, SPAN_NONE, UPPER, 3).data, 3);
        } else {
            struct span text = make_text(m, f);
            memcpy(at, &text, sizeof text);
        }
    }
}

/* --- the rules that one field cannot say --- */

static void mend_display(struct maker *m, struct shelf_display *d)
{
    struct shelf_field name = {.kind = SHELF_KIND_NAME, .max = SHELF_NAME_BYTES_MAX};
    d->is_flash_sale = d->template == SHELF_SALE;
    d->name_en = make_text(m, &name);
    d->name = d->name_en;
    if (d->language != SHELF_EN && rng_below(m->rng, 3) > 0) {
        d->name = make_text(m, &name);
    }
    if (d->template == SHELF_UNASSIGNED) {
        d->product_id = SPAN_NONE;
        d->price_minor = 0;
        d->name = SPAN_NONE;
        d->name_en = SPAN_NONE;
    } else if (d->product_id.size == 0) {
        d->product_id = SPAN_LIT("PROD-1");
    }
    if (d->template <= SHELF_SALE && d->price_minor == 0) {
        d->price_minor = 1;
    }
    if (d->mrp_minor > 0 && d->price_minor > d->mrp_minor) {
        d->mrp_minor = d->price_minor;
    }
}

static void mend_event(int64_t *epoch, int64_t *counter)
{
    if (*epoch == 0 || *counter == 0) {
        *epoch = 0;
        *counter = 0;
    }
}

static void mend_ack(struct maker *m, struct shelf_ack *a)
{
    static const enum shelf_ack_status done[] = {SHELF_DISPLAYED, SHELF_APPLIED, SHELF_STARTED};
    mend_event(&a->epoch, &a->counter);
    if (a->status == SHELF_REFUSED) {
        a->why = a->why.size > 0 ? a->why : SPAN_LIT("signature");
        return;
    }
    a->why = SPAN_NONE;
    a->status = done[a->kind];
    if (a->kind == SHELF_ACK_FLASH && rng_below(m->rng, 2) == 0) {
        a->status = SHELF_STOPPED;
    }
    a->update_id = a->update_id.size > 0 ? a->update_id : make_uuid(m);
    a->version = a->version > 0 ? a->version : 1;
    a->digest[0] = 1;
}

static void mend(struct maker *m, struct shelf_sample *s)
{
    switch (s->topic) {
    case SHELF_PRICE_UPDATE:
        mend_display(m, &s->display);
        break;
    case SHELF_FLASH_COMMAND:
        if (s->flash.pattern == SHELF_STOP) {
            s->flash.duration_s = 0;
        } else if (s->flash.duration_s == 0) {
            s->flash.duration_s = 30;
        }
        break;
    case SHELF_GET_ACCEPTED:
    case SHELF_DELTA:
        if (s->state.has_display) {
            s->state.display.device_id = s->state.device_id;
            mend_display(m, &s->state.display);
        }
        if (s->state.has_config) {
            s->state.config.device_id = s->state.device_id;
        }
        break;
    case SHELF_STATUS:
        mend_event(&s->status.epoch, &s->status.counter);
        if (s->status.reason != SHELF_SLEEP) {
            s->status.sleep_s = 0;
        } else if (s->status.sleep_s == 0) {
            s->status.sleep_s = 60;
        }
        if (s->status.gap_to < s->status.gap_from) {
            s->status.gap_to = s->status.gap_from;
        }
        break;
    case SHELF_ACK:
        mend_ack(m, &s->ack);
        break;
    case SHELF_CONFIG_UPDATE:
    case SHELF_GET:
    case SHELF_REPORT:
    case SHELF_TOPICS:
        break;
    }
}

void shelf_sample_random(struct rng *r, enum shelf_topic topic, struct arena *a,
                         struct shelf_sample *ret)
{
    struct maker m = {r, a};
    *ret = (struct shelf_sample){.topic = topic};
    if (topic == SHELF_PRICE_UPDATE) {
        struct shelf_display_body body = {0};
        fill(&m, shelf_table_message(topic)->fields, (char *)&body);
        ret->display = body.display;
    } else if (topic == SHELF_GET_ACCEPTED || topic == SHELF_DELTA) {
        struct shelf_state_body body = {0};
        fill(&m, shelf_table_message(topic)->fields, (char *)&body);
        ret->state = body.state;
        ret->state.display = body.display.display;
    } else {
        fill(&m, shelf_table_message(topic)->fields, (char *)&ret->display);
    }
    mend(&m, ret);
}

void shelf_sample_encode(const struct shelf_sample *m, struct sink *s)
{
    switch (m->topic) {
    case SHELF_PRICE_UPDATE:
        shelf_display_encode(&m->display, s);
        break;
    case SHELF_FLASH_COMMAND:
        shelf_flash_encode(&m->flash, s);
        break;
    case SHELF_CONFIG_UPDATE:
        shelf_config_encode(&m->config, s);
        break;
    case SHELF_GET_ACCEPTED:
    case SHELF_DELTA:
        shelf_state_encode(&m->state, s);
        break;
    case SHELF_STATUS:
        shelf_status_encode(&m->status, s);
        break;
    case SHELF_ACK:
        shelf_ack_encode(&m->ack, s);
        break;
    case SHELF_GET:
        shelf_get_encode(&m->get, s);
        break;
    case SHELF_REPORT:
    case SHELF_TOPICS:
        shelf_report_encode(&m->report, s);
        break;
    }
}

enum res shelf_sample_decode(enum shelf_topic topic, struct span payload, struct arena *a,
                             struct shelf_sample *ret, struct shelf_detail *detail)
{
    ret->topic = topic;
    switch (topic) {
    case SHELF_PRICE_UPDATE:
        return shelf_display_decode(payload, a, &ret->display, detail);
    case SHELF_FLASH_COMMAND:
        return shelf_flash_decode(payload, a, &ret->flash, detail);
    case SHELF_CONFIG_UPDATE:
        return shelf_config_decode(payload, a, &ret->config, detail);
    case SHELF_GET_ACCEPTED:
    case SHELF_DELTA:
        return shelf_state_decode(payload, a, &ret->state, detail);
    case SHELF_STATUS:
        return shelf_status_decode(payload, a, &ret->status, detail);
    case SHELF_ACK:
        return shelf_ack_decode(payload, a, &ret->ack, detail);
    case SHELF_GET:
        return shelf_get_decode(payload, a, &ret->get, detail);
    case SHELF_REPORT:
    case SHELF_TOPICS:
        break;
    }
    return shelf_report_decode(payload, a, &ret->report, detail);
}

/* --- comparing --- */

static bool same(const struct shelf_fields *fields, const char *a, const char *b)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        if (f->kind == SHELF_KIND_OBJECT) {
            if (f->flag_offset > 0 && a[f->flag_offset] != b[f->flag_offset]) {
                return false;
            }
            if ((f->flag_offset == 0 || a[f->flag_offset] != 0) &&
                !same(f->object, a + f->offset, b + f->offset)) {
                return false;
            }
        } else if (f->kind < SHELF_KIND_OBJECT) {
            if (memcmp(a + f->offset, b + f->offset, f->size) != 0) {
                return false;
            }
        } else {
            struct span x;
            struct span y;
            memcpy(&x, a + f->offset, sizeof x);
            memcpy(&y, b + f->offset, sizeof y);
            if (!span_equal(x, y)) {
                return false;
            }
        }
    }
    return true;
}

static struct shelf_display_body display_body(const struct shelf_display *d)
{
    /* The texts of a decoded display are its two names. */
    return (struct shelf_display_body){.display = *d, .texts.names = {d->name, d->name_en}};
}

bool shelf_sample_equal(const struct shelf_sample *a, const struct shelf_sample *b)
{
    const struct shelf_fields *fields = shelf_table_message(a->topic)->fields;
    if (a->topic != b->topic) {
        return false;
    }
    if (a->topic == SHELF_PRICE_UPDATE) {
        struct shelf_display_body x = display_body(&a->display);
        struct shelf_display_body y = display_body(&b->display);
        return same(fields, (const char *)&x, (const char *)&y);
    }
    if (a->topic == SHELF_GET_ACCEPTED || a->topic == SHELF_DELTA) {
        struct shelf_state_body x = {a->state, display_body(&a->state.display)};
        struct shelf_state_body y = {b->state, display_body(&b->state.display)};
        return same(fields, (const char *)&x, (const char *)&y);
    }
    return same(fields, (const char *)&a->display, (const char *)&b->display);
}
