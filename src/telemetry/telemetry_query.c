/* Answers of the SQLite driver: ordered pages over all days, and one device's stream.
 *
 * Both walk candidate blocks in the order of what they may hold at the least, keep copies of what
 * was found, and stop reading as soon as no block left could change the answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry_store.h"

/* A copy of an event; its bytes follow it. */
struct copy {
    struct telemetry_event event;
    telemetry_position position;
    size_t index; /* within its block: who was appended first */
};

struct candidate {
    int64_t least; /* time or counter: no event of the block is before it */
    int64_t day;
    int64_t block;
};

struct candidates {
    struct candidate *items;
    size_t count;
    size_t room;
};

struct copies {
    struct copy **items;
    size_t count;
    size_t room;
};

static enum res no_memory(struct err *why)
{
    err_set(why, "Not enough memory to read telemetry");
    return RES_NO_MEMORY;
}

static enum res add_candidate(struct candidates *c, int64_t least, int64_t day, int64_t block)
{
    if (c->count > 0) {
        struct candidate *last = &c->items[c->count - 1];
        if (last->day == day && last->block == block) { /* another epoch of the same block */
            last->least = least < last->least ? least : last->least;
            return RES_OK;
        }
    }
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 256 : c->room * 2;
        struct candidate *items = realloc(c->items, room * sizeof *items);
        if (items == NULL) {
            return RES_NO_MEMORY;
        }
        c->items = items;
        c->room = room;
    }
    c->items[c->count++] = (struct candidate){least, day, block};
    return RES_OK;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    if (left->least != right->least) {
        return left->least < right->least ? -1 : 1;
    }
    if (left->day != right->day) {
        return left->day < right->day ? -1 : 1;
    }
    return (left->block > right->block) - (left->block < right->block);
}

static struct span copy_bytes(uint8_t **to, struct span from)
{
    struct span made = {*to, from.size};
    if (from.size > 0) {
        memcpy(*to, from.data, from.size);
        *to += from.size;
    }
    return made;
}

static struct copy *copy_new(const struct telemetry_event *e, telemetry_position position,
                             size_t index)
{
    size_t bytes = e->device_id.size + e->store_id.size + e->session_id.size + e->body.size +
                   e->signature.size;
    struct copy *made = malloc(sizeof *made + bytes);
    if (made != NULL) {
        uint8_t *at = (uint8_t *)(made + 1);
        *made = (struct copy){*e, position, index};
        made->event.device_id = copy_bytes(&at, e->device_id);
        made->event.store_id = copy_bytes(&at, e->store_id);
        made->event.session_id = copy_bytes(&at, e->session_id);
        made->event.body = copy_bytes(&at, e->body);
        made->event.signature = copy_bytes(&at, e->signature);
    }
    return made;
}

static void copies_free(struct copies *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->items[i]);
    }
    free(c->items);
}

/* Was a appended before b? Positions of different writers of a day are its block numbers. */
static bool is_earlier(const struct copy *a, telemetry_position position, size_t index)
{
    return a->position != position ? a->position < position : a->index < index;
}

/* ---- pages ---- */

/* What pages are ordered by. */
struct sort_key {
    int64_t time_ms;
    struct span device_id;
    int64_t epoch;
    int64_t counter;
};

static struct sort_key sort_key_of(const struct telemetry_event *e)
{
    return (struct sort_key){e->device_time_ms, e->device_id, e->epoch, e->counter};
}

static int compare_sort_keys(const struct sort_key *a, const struct sort_key *b)
{
    if (a->time_ms != b->time_ms) {
        return a->time_ms < b->time_ms ? -1 : 1;
    }
    int order = span_compare(a->device_id, b->device_id);
    if (order != 0) {
        return order;
    }
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    return (a->counter > b->counter) - (a->counter < b->counter);
}

#define CURSOR_VERSION 1
#define CURSOR_RAW_MAX (1 + 3 * 8 + TELEMETRY_ID_BYTES_MAX + 2)
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Fletcher's sum: a cursor that was cut or mistyped is refused; it guards nothing else. */
static uint16_t sum_of(const uint8_t *bytes, size_t size)
{
    uint32_t a = 1;
    uint32_t b = 0;
    for (size_t i = 0; i < size; i++) {
        a = (a + bytes[i]) % 255;
        b = (b + a) % 255;
    }
    return (uint16_t)(b << 8 | a);
}

static void cursor_write(const struct sort_key *key, char text[TELEMETRY_CURSOR_BYTES])
{
    static_assert((CURSOR_RAW_MAX + 2) / 3 * 4 < TELEMETRY_CURSOR_BYTES, "a cursor fits");
    uint8_t raw[CURSOR_RAW_MAX + 3] = {0};
    struct sealed_buffer b = {raw, 0, CURSOR_RAW_MAX};
    sealed_put_u8(&b, CURSOR_VERSION);
    sealed_put_fixed(&b, (uint64_t)key->time_ms);
    sealed_put_fixed(&b, (uint64_t)key->epoch);
    sealed_put_fixed(&b, (uint64_t)key->counter);
    sealed_put(&b, key->device_id);
    uint16_t sum = sum_of(raw, b.size);
    sealed_put_u8(&b, (uint8_t)(sum >> 8));
    sealed_put_u8(&b, (uint8_t)sum);
    size_t length = 0;
    for (size_t i = 0; i < b.size; i += 3) {
        uint32_t group = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        for (unsigned k = 0; k < 4 && (i * 8 + k * 6) < b.size * 8; k++) {
            text[length++] = digits[group >> (18 - 6 * k) & 63];
        }
    }
    text[length] = '\0';
}

static enum res cursor_read(const char *text, uint8_t raw[CURSOR_RAW_MAX + 3], struct sort_key *ret)
{
    size_t bits = 0;
    memset(raw, 0, CURSOR_RAW_MAX + 3);
    for (; *text != '\0'; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL || bits + 6 > CURSOR_RAW_MAX * 8 + 7) {
            return RES_INVALID;
        }
        unsigned value = (unsigned)(digit - digits);
        for (unsigned k = 0; k < 6; k++, bits++) {
            raw[bits / 8] = (uint8_t)(raw[bits / 8] | (value >> (5 - k) & 1) << (7 - bits % 8));
        }
    }
    size_t size = bits / 8;
    if (size < 1 + 3 * 8 + 1 + 2 || size > CURSOR_RAW_MAX || raw[0] != CURSOR_VERSION) {
        return RES_INVALID;
    }
    uint16_t sum = sum_of(raw, size - 2);
    if (raw[size - 2] != sum >> 8 || raw[size - 1] != (sum & 0xff)) {
        return RES_INVALID;
    }
    struct sealed_reader in = sealed_reader_of(span_of(raw + 1, size - 3));
    ret->time_ms = (int64_t)sealed_get_fixed(&in);
    ret->epoch = (int64_t)sealed_get_fixed(&in);
    ret->counter = (int64_t)sealed_get_fixed(&in);
    ret->device_id = span_of(in.at, (size_t)(in.end - in.at));
    return RES_OK;
}

struct query {
    struct telemetry *t;
    const struct telemetry_filter *filter;
    const struct sort_key *after; /* NULL: from the start */
    size_t wanted;                /* one more than the page: is there a next one? */
    int64_t day;                  /* being looked into */
    struct candidates candidates;
    struct copies found; /* sorted, each sort key once, at most `wanted` */
    struct err *why;
};

static enum res note_page_candidate(void *user, const struct block_index_entry *e)
{
    struct query *q = user;
    const struct telemetry_filter *f = q->filter;
    if (e->time_max < f->from_ms || (f->to_ms != 0 && e->time_min >= f->to_ms) ||
        (f->type_mask != 0 && (f->type_mask & e->type_mask) == 0) ||
        (q->after != NULL && e->time_max < q->after->time_ms)) {
        return RES_OK;
    }
    return add_candidate(&q->candidates, e->time_min, q->day, e->block);
}

static struct block_index_key best_key(const struct telemetry_filter *f)
{
    if (f->session_id.size > 0) {
        return block_index_key(BLOCK_INDEX_SESSION, f->session_id);
    }
    if (f->device_id.size > 0) {
        return block_index_key(BLOCK_INDEX_DEVICE, f->device_id);
    }
    if (f->store_id.size > 0) {
        return block_index_key(BLOCK_INDEX_STORE, f->store_id);
    }
    return block_index_key(BLOCK_INDEX_ALL, SPAN_NONE);
}

/* Snapshot of a day, and whether it can hold anything of these times at all. */
static enum res collect_day(struct query *q, int64_t day)
{
    struct telemetry_store_day *d = NULL;
    enum res r = telemetry_store_begin(q->t, day, false, &d, q->why);
    if (r != RES_OK) {
        return r;
    }
    if (d->head.time_max >= q->filter->from_ms &&
        (q->filter->to_ms == 0 || d->head.time_min < q->filter->to_ms)) {
        struct block_index_key key = best_key(q->filter);
        q->day = day;
        r = telemetry_store_find(q->t, d, &key, note_page_candidate, q, q->why);
        if (r == RES_NO_MEMORY) {
            r = no_memory(q->why);
        }
    }
    telemetry_store_done(d);
    return r;
}

static bool is_wanted(const struct query *q, const struct telemetry_event *e)
{
    const struct telemetry_filter *f = q->filter;
    if (e->device_time_ms < f->from_ms || (f->to_ms != 0 && e->device_time_ms >= f->to_ms) ||
        (f->type_mask != 0 && (f->type_mask >> e->type & 1) == 0) ||
        (f->device_id.size > 0 && !span_equal(f->device_id, e->device_id)) ||
        (f->session_id.size > 0 && !span_equal(f->session_id, e->session_id)) ||
        (f->store_id.size > 0 && !span_equal(f->store_id, e->store_id))) {
        return false;
    }
    if (q->after == NULL) {
        return true;
    }
    struct sort_key key = sort_key_of(e);
    return compare_sort_keys(&key, q->after) > 0;
}

static enum res keep(struct query *q, const struct telemetry_event *e, telemetry_position position,
                     size_t index)
{
    struct copies *c = &q->found;
    struct sort_key key = sort_key_of(e);
    size_t low = 0;
    size_t high = c->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct sort_key there = sort_key_of(&c->items[middle]->event);
        int order = compare_sort_keys(&there, &key);
        if (order == 0) {
            if (is_earlier(c->items[middle], position, index)) {
                return RES_OK;
            }
            struct copy *first = copy_new(e, position, index);
            if (first == NULL) {
                return RES_NO_MEMORY;
            }
            free(c->items[middle]);
            c->items[middle] = first;
            return RES_OK;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    if (low == q->wanted) {
        return RES_OK;
    }
    struct copy *made = copy_new(e, position, index);
    if (made == NULL) {
        return RES_NO_MEMORY;
    }
    if (c->count == q->wanted) {
        free(c->items[--c->count]);
    }
    memmove(&c->items[low + 1], &c->items[low], (c->count - low) * sizeof *c->items);
    c->items[low] = made;
    c->count++;
    return RES_OK;
}

static enum res read_candidate(struct query *q, const struct candidate *c)
{
    struct telemetry_store_day *d = NULL;
    struct block_codec_block block = {.count = 0};
    int64_t number = 0;
    enum res r = telemetry_store_begin(q->t, c->day, false, &d, q->why);
    if (r != RES_OK) {
        return r;
    }
    r = telemetry_store_block(q->t, d, c->block, &number, &block, q->why);
    for (size_t i = 0; i < block.count && r == RES_OK; i++) {
        if (is_wanted(q, &block.events[i])) {
            r = keep(q, &block.events[i],
                     telemetry_store_position(c->day, number + block.offsets[i]), i);
            if (r != RES_OK) {
                r = no_memory(q->why);
            }
        }
    }
    telemetry_store_done(d);
    return r;
}

static enum res run_query(struct query *q)
{
    int64_t *days = NULL;
    size_t count = 0;
    enum res r = telemetry_store_days(q->t, &days, &count, q->why);
    for (size_t i = 0; i < count && r == RES_OK; i++) {
        r = collect_day(q, days[i]);
    }
    free(days);
    if (r != RES_OK) {
        return r;
    }
    if (q->candidates.count > 0) {
        qsort(q->candidates.items, q->candidates.count, sizeof *q->candidates.items,
              compare_candidates);
    }
    for (size_t i = 0; i < q->candidates.count && r == RES_OK; i++) {
        const struct candidate *c = &q->candidates.items[i];
        if (q->found.count == q->wanted &&
            c->least > q->found.items[q->wanted - 1]->event.device_time_ms) {
            break;
        }
        r = read_candidate(q, c);
    }
    return r;
}

enum res telemetry_query(struct telemetry *t, const struct telemetry_filter *filter,
                         const char *cursor, size_t limit, telemetry_visit visit, void *user,
                         struct telemetry_page *ret_page, struct err *why)
{
    uint8_t raw[CURSOR_RAW_MAX + 3];
    struct sort_key after;
    bool first = cursor == NULL || cursor[0] == '\0';
    if (limit == 0 || limit > TELEMETRY_PAGE_EVENTS_MAX ||
        filter->device_id.size > TELEMETRY_ID_BYTES_MAX ||
        filter->session_id.size > TELEMETRY_ID_BYTES_MAX ||
        filter->store_id.size > TELEMETRY_ID_BYTES_MAX) {
        err_set(why, "A page of telemetry has 1 to %d events, and an id at most %d bytes",
                TELEMETRY_PAGE_EVENTS_MAX, TELEMETRY_ID_BYTES_MAX);
        return RES_INVALID;
    }
    if (!first && cursor_read(cursor, raw, &after) != RES_OK) {
        err_set(why, "The cursor is not one that this store gave; start again without a cursor");
        return RES_INVALID;
    }
    struct query q = {
        .t = t, .filter = filter, .after = first ? NULL : &after, .wanted = limit + 1, .why = why};
    enum res r = RES_OK;
    q.found.items = calloc(limit + 2, sizeof(struct copy *));
    if (q.found.items == NULL) {
        return no_memory(why);
    }
    r = run_query(&q);
    struct telemetry_page page = {.next_cursor = ""};
    for (; page.count < limit && page.count < q.found.count && r == RES_OK; page.count++) {
        const struct copy *c = q.found.items[page.count];
        r = visit(user, &c->event, c->position);
    }
    if (r == RES_OK) {
        if (q.found.count > limit) {
            struct sort_key last = sort_key_of(&q.found.items[limit - 1]->event);
            cursor_write(&last, page.next_cursor);
        }
        *ret_page = page;
    }
    free(q.candidates.items);
    copies_free(&q.found);
    return r;
}

/* ---- one stream ---- */

struct stream {
    struct telemetry *t;
    struct span device_id;
    int64_t epoch;
    int64_t from;
    int64_t to;
    int64_t day;
    struct candidates candidates;
    struct copies waiting; /* read, not yet given out */
    telemetry_visit visit;
    void *user;
    struct err *why;
};

static enum res note_stream_candidate(void *user, const struct block_index_entry *e)
{
    struct stream *s = user;
    if (e->epoch != s->epoch || e->counter_max < s->from || e->counter_min > s->to) {
        return RES_OK;
    }
    return add_candidate(&s->candidates, e->counter_min, s->day, e->block);
}

static enum res read_stream_block(struct stream *s, const struct candidate *c)
{
    struct telemetry_store_day *d = NULL;
    struct block_codec_block block = {.count = 0};
    int64_t number = 0;
    enum res r = telemetry_store_begin(s->t, c->day, false, &d, s->why);
    if (r != RES_OK) {
        return r;
    }
    r = telemetry_store_block(s->t, d, c->block, &number, &block, s->why);
    for (size_t i = 0; i < block.count && r == RES_OK; i++) {
        const struct telemetry_event *e = &block.events[i];
        if (e->epoch != s->epoch || e->counter < s->from || e->counter > s->to ||
            !span_equal(e->device_id, s->device_id)) {
            continue;
        }
        struct copies *w = &s->waiting;
        if (w->count == w->room) {
            size_t room = w->room == 0 ? 256 : w->room * 2;
            struct copy **items = realloc(w->items, room * sizeof *items);
            if (items == NULL) {
                r = no_memory(s->why);
                break;
            }
            w->items = items;
            w->room = room;
        }
        w->items[w->count] =
            copy_new(e, telemetry_store_position(c->day, number + block.offsets[i]), i);
        if (w->items[w->count] == NULL) {
            r = no_memory(s->why);
            break;
        }
        w->count++;
    }
    telemetry_store_done(d);
    return r;
}

static int compare_waiting(const void *a, const void *b)
{
    const struct copy *left = *(struct copy *const *)a;
    const struct copy *right = *(struct copy *const *)b;
    if (left->event.counter != right->event.counter) {
        return left->event.counter < right->event.counter ? -1 : 1;
    }
    return is_earlier(left, right->position, right->index) ? -1 : 1;
}

/* Gives out what is below `below` (all: everything); no block to come holds any of it. */
static enum res give_out(struct stream *s, int64_t below, bool all)
{
    struct copies *w = &s->waiting;
    enum res r = RES_OK;
    size_t done = 0;
    if (w->count > 0) {
        qsort(w->items, w->count, sizeof(struct copy *), compare_waiting);
    }
    while (done < w->count && r == RES_OK && (all || w->items[done]->event.counter < below)) {
        const struct copy *c = w->items[done];
        if (done == 0 || w->items[done - 1]->event.counter != c->event.counter) {
            r = s->visit(s->user, &c->event, c->position);
        }
        done++;
    }
    for (size_t i = 0; i < done; i++) {
        free(w->items[i]);
    }
    if (done > 0) {
        memmove(w->items, w->items + done, (w->count - done) * sizeof(struct copy *));
        w->count -= done;
    }
    return r;
}

static enum res collect_stream(struct stream *s)
{
    int64_t *days = NULL;
    size_t count = 0;
    enum res r = telemetry_store_days(s->t, &days, &count, s->why);
    struct block_index_key key = block_index_key(BLOCK_INDEX_DEVICE, s->device_id);
    for (size_t i = 0; i < count && r == RES_OK; i++) {
        struct telemetry_store_day *d = NULL;
        r = telemetry_store_begin(s->t, days[i], false, &d, s->why);
        if (r == RES_OK) {
            s->day = days[i];
            r = telemetry_store_find(s->t, d, &key, note_stream_candidate, s, s->why);
            telemetry_store_done(d);
        }
    }
    free(days);
    return r;
}

enum res telemetry_read_stream(struct telemetry *t, struct span device_id, int64_t epoch,
                               int64_t from, int64_t to, telemetry_visit visit, void *user,
                               struct err *why)
{
    if (device_id.size == 0 || device_id.size > TELEMETRY_ID_BYTES_MAX) {
        err_set(why, "A device's id has 1 to %d bytes", TELEMETRY_ID_BYTES_MAX);
        return RES_INVALID;
    }
    struct stream s = {.t = t,
                       .device_id = device_id,
                       .epoch = epoch,
                       .from = from,
                       .to = to,
                       .visit = visit,
                       .user = user,
                       .why = why};
    enum res r = collect_stream(&s);
    if (r == RES_OK && s.candidates.count > 0) {
        qsort(s.candidates.items, s.candidates.count, sizeof *s.candidates.items,
              compare_candidates);
    }
    for (size_t i = 0; i < s.candidates.count && r == RES_OK; i++) {
        r = read_stream_block(&s, &s.candidates.items[i]);
        bool last = i + 1 == s.candidates.count;
        if (r == RES_OK) {
            r = give_out(&s, last ? 0 : s.candidates.items[i + 1].least, last);
        }
    }
    free(s.candidates.items);
    copies_free(&s.waiting);
    return r;
}
