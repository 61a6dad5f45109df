#include "telemetry_fixture.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t telemetry_fixture_seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    uint64_t seed = 0;
    if (text != NULL) {
        seed = strtoull(text, NULL, 10);
    } else if (getentropy(&seed, sizeof seed) != 0) {
        seed = 1;
    }
    (void)printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

void telemetry_fixture_init(struct telemetry_fixture *x)
{
    *x = (struct telemetry_fixture){.directory = "/tmp/endcap-telemetry-XXXXXX"};
    char *made = mkdtemp(x->directory);
    assert(made != NULL);
}

static void remove_files(const char *directory)
{
    DIR *d = opendir(directory);
    assert(d != NULL);
    for (struct dirent *item = readdir(d); item != NULL; item = readdir(d)) {
        if (item->d_name[0] != '.') {
            (void)unlinkat(dirfd(d), item->d_name, 0);
        }
    }
    (void)closedir(d);
}

void telemetry_fixture_deinit(struct telemetry_fixture *x)
{
    remove_files(x->directory);
    (void)rmdir(x->directory);
    free(x->events);
    *x = (struct telemetry_fixture){0};
}

struct telemetry *telemetry_fixture_open(struct telemetry_fixture *x, const char *writer)
{
    struct telemetry *t = NULL;
    struct err why = {""};
    /* syncing is SQLite's affair and costs the tests minutes; kill -9 does not need it */
    const struct telemetry_settings settings = {x->directory, writer, TELEMETRY_SYNC_OFF};
    enum res r = telemetry_open(&settings, &t, &why);
    if (r != RES_OK) {
        (void)fprintf(stderr, "telemetry_open: %s: %s\n", res_name(r), why.text);
    }
    assert(r == RES_OK);
    return t;
}

void telemetry_fixture_event_of(struct telemetry_fixture_event *e, unsigned device, int64_t epoch,
                                int64_t counter, int64_t time_ms)
{
    struct rng rng;
    rng_init(&rng, device * UINT64_C(1000003) + (uint64_t)epoch * 7919 + (uint64_t)counter);
    *e = (struct telemetry_fixture_event){.epoch = epoch,
                                          .counter = counter,
                                          .time_ms = time_ms,
                                          .received_ms = time_ms + 40,
                                          .type = (uint8_t)rng_below(&rng, 7)};
    (void)snprintf(e->device, sizeof e->device, "CART-%04u", device);
    (void)snprintf(e->store, sizeof e->store, "STORE-%u", device % 3);
    if (rng_below(&rng, 4) != 0) {
        int size = snprintf(e->session, sizeof e->session, "%s.%lld.%lld", e->device,
                            (long long)epoch, (long long)(counter - counter % 20 + 1));
        assert(size > 0 && (size_t)size < sizeof e->session);
    }
    int length = snprintf((char *)e->body, sizeof e->body,
                          "{\"v\":1,\"type\":\"scan\",\"cartId\":\"%s\",\"epoch\":%lld,"
                          "\"counter\":%lld,\"time\":%lld,\"sessionId\":\"%s\","
                          "\"gtin\":\"890%010llu\",\"sku\":\"SKU-%llu\",\"price\":%llu}",
                          e->device, (long long)epoch, (long long)counter, (long long)time_ms,
                          e->session, (unsigned long long)rng_below(&rng, 10000000000),
                          (unsigned long long)rng_below(&rng, 2000),
                          (unsigned long long)rng_below(&rng, 100000));
    assert(length > 0);
    e->body_size = (size_t)length;
    for (size_t i = 0; i < sizeof e->signature; i++) {
        e->signature[i] = (uint8_t)rng_next(&rng);
    }
    e->is_signed = rng_below(&rng, 8) != 0;
}

struct telemetry_event telemetry_fixture_view(const struct telemetry_fixture_event *e)
{
    return (struct telemetry_event){
        .device_id = span_text(e->device, sizeof e->device),
        .store_id = span_text(e->store, sizeof e->store),
        .session_id = span_text(e->session, sizeof e->session),
        .type = e->type,
        .epoch = e->epoch,
        .counter = e->counter,
        .device_time_ms = e->time_ms,
        .received_ms = e->received_ms,
        .body = span_of(e->body, e->body_size),
        .signature = e->is_signed ? span_of(e->signature, sizeof e->signature) : SPAN_NONE,
    };
}

void telemetry_fixture_append(struct telemetry_fixture *x, struct telemetry *t,
                              const struct telemetry_fixture_event *events, size_t count,
                              int64_t now_ms)
{
    struct telemetry_event *views = calloc(count, sizeof *views);
    assert(views != NULL);
    for (size_t i = 0; i < count; i++) {
        views[i] = telemetry_fixture_view(&events[i]);
    }
    telemetry_position position = 0;
    struct err why = {""};
    enum res r = telemetry_append(t, views, count, now_ms, &position, &why);
    if (r != RES_OK) {
        (void)fprintf(stderr, "telemetry_append: %s: %s\n", res_name(r), why.text);
    }
    assert(r == RES_OK);
    free(views);
    while (x->count + count > x->room) {
        x->room = x->room == 0 ? 1024 : x->room * 2;
        x->events = realloc(x->events, x->room * sizeof *x->events);
        assert(x->events != NULL);
    }
    for (size_t i = 0; i < count; i++) {
        x->events[x->count] = events[i];
        x->events[x->count].position = position;
        x->events[x->count].order = x->count;
        x->count++;
    }
}

/* ---- the model ---- */

static const struct telemetry_fixture_event *model_events;

static int compare_in_page(const void *a, const void *b)
{
    const struct telemetry_fixture_event *l = &model_events[*(const size_t *)a];
    const struct telemetry_fixture_event *r = &model_events[*(const size_t *)b];
    if (l->time_ms != r->time_ms) {
        return l->time_ms < r->time_ms ? -1 : 1;
    }
    int order = strcmp(l->device, r->device);
    if (order != 0) {
        return order;
    }
    if (l->epoch != r->epoch) {
        return l->epoch < r->epoch ? -1 : 1;
    }
    if (l->counter != r->counter) {
        return l->counter < r->counter ? -1 : 1;
    }
    return l->order < r->order ? -1 : l->order > r->order;
}

static bool is_same(const struct telemetry_fixture_event *a,
                    const struct telemetry_fixture_event *b)
{
    return a->counter == b->counter && a->epoch == b->epoch && a->time_ms == b->time_ms &&
           strcmp(a->device, b->device) == 0;
}

static size_t sort_and_dedup(const struct telemetry_fixture *x, size_t *found, size_t count)
{
    size_t kept = 0;
    model_events = x->events;
    if (count > 0) {
        qsort(found, count, sizeof *found, compare_in_page);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !is_same(&x->events[found[kept - 1]], &x->events[found[i]])) {
            found[kept++] = found[i];
        }
    }
    return kept;
}

size_t telemetry_fixture_query(const struct telemetry_fixture *x, const struct telemetry_filter *f,
                               size_t **ret)
{
    size_t *found = calloc(x->count + 1, sizeof *found);
    size_t count = 0;
    assert(found != NULL);
    for (size_t i = 0; i < x->count; i++) {
        struct telemetry_event e = telemetry_fixture_view(&x->events[i]);
        if ((f->device_id.size == 0 || span_equal(f->device_id, e.device_id)) &&
            (f->session_id.size == 0 || span_equal(f->session_id, e.session_id)) &&
            (f->store_id.size == 0 || span_equal(f->store_id, e.store_id)) &&
            (f->type_mask == 0 || (f->type_mask & UINT64_C(1) << e.type) != 0) &&
            e.device_time_ms >= f->from_ms && (f->to_ms == 0 || e.device_time_ms < f->to_ms)) {
            found[count++] = i;
        }
    }
    *ret = found;
    return sort_and_dedup(x, found, count);
}

static int compare_in_stream(const void *a, const void *b)
{
    const struct telemetry_fixture_event *l = &model_events[*(const size_t *)a];
    const struct telemetry_fixture_event *r = &model_events[*(const size_t *)b];
    if (l->counter != r->counter) {
        return l->counter < r->counter ? -1 : 1;
    }
    return l->order < r->order ? -1 : l->order > r->order;
}

size_t telemetry_fixture_stream(const struct telemetry_fixture *x, const char *device,
                                int64_t epoch, int64_t from, int64_t to, size_t **ret)
{
    size_t *found = calloc(x->count + 1, sizeof *found);
    size_t count = 0;
    assert(found != NULL);
    for (size_t i = 0; i < x->count; i++) {
        const struct telemetry_fixture_event *e = &x->events[i];
        if (strcmp(e->device, device) == 0 && e->epoch == epoch && e->counter >= from &&
            e->counter <= to) {
            found[count++] = i;
        }
    }
    model_events = x->events;
    if (count > 0) {
        qsort(found, count, sizeof *found, compare_in_stream);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || x->events[found[kept - 1]].counter != x->events[found[i]].counter) {
            found[kept++] = found[i];
        }
    }
    *ret = found;
    return kept;
}

enum res telemetry_fixture_visit(void *check, const struct telemetry_event *event,
                                 telemetry_position position)
{
    struct telemetry_fixture_check *c = check;
    if (c->seen >= c->count) {
        c->wrong = true;
        c->seen++;
        return RES_OK;
    }
    const struct telemetry_fixture_event *want = &c->x->events[c->wanted[c->seen++]];
    struct telemetry_event e = telemetry_fixture_view(want);
    if (!span_equal(e.device_id, event->device_id) || !span_equal(e.store_id, event->store_id) ||
        !span_equal(e.session_id, event->session_id) || e.type != event->type ||
        e.epoch != event->epoch || e.counter != event->counter ||
        e.device_time_ms != event->device_time_ms || e.received_ms != event->received_ms ||
        !span_equal(e.body, event->body) || !span_equal(e.signature, event->signature) ||
        want->position != position) {
        c->wrong = true;
    }
    return RES_OK;
}

enum res telemetry_fixture_check_query(struct telemetry_fixture *x, struct telemetry *t,
                                       const struct telemetry_filter *filter, size_t limit,
                                       bool *ret_wrong, struct err *why)
{
    size_t *wanted = NULL;
    struct telemetry_fixture_check check = {.x = x};
    struct telemetry_page page = {.next_cursor = ""};
    enum res r = RES_OK;
    check.count = telemetry_fixture_query(x, filter, &wanted);
    check.wanted = wanted;
    do {
        char cursor[TELEMETRY_CURSOR_BYTES];
        (void)snprintf(cursor, sizeof cursor, "%s", page.next_cursor);
        size_t before = check.seen;
        r = telemetry_query(t, filter, cursor, limit, telemetry_fixture_visit, &check, &page, why);
        if (r == RES_OK && (page.count != check.seen - before ||
                            (page.next_cursor[0] != '\0' && page.count != limit))) {
            check.wrong = true;
        }
    } while (r == RES_OK && page.next_cursor[0] != '\0' && !check.wrong);
    if (r == RES_OK) {
        *ret_wrong = check.wrong || check.seen != check.count;
    }
    free(wanted);
    return r;
}

enum res telemetry_fixture_check_stream(struct telemetry_fixture *x, struct telemetry *t,
                                        const char *device, int64_t epoch, int64_t from, int64_t to,
                                        bool *ret_wrong, struct err *why)
{
    size_t *wanted = NULL;
    struct telemetry_fixture_check check = {.x = x};
    check.count = telemetry_fixture_stream(x, device, epoch, from, to, &wanted);
    check.wanted = wanted;
    enum res r = telemetry_read_stream(t, span_text(device, TELEMETRY_ID_BYTES_MAX), epoch, from,
                                       to, telemetry_fixture_visit, &check, why);
    if (r == RES_OK) {
        *ret_wrong = check.wrong || check.seen != check.count;
    }
    free(wanted);
    return r;
}
