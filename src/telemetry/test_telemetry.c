/* The suite of the telemetry port: it uses nothing but telemetry.h, so each driver runs it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "telemetry_fixture.h"
#include "timestamp.h"

/* 2026-11-21T12:00:00Z; and a day far enough back to be dropped */
#define NOON_MS INT64_C(1795262400000)
#define OLD_MS  (INT64_C(19000) * TIMESTAMP_DAY_MS)
#define ALL     INT64_MAX

static const struct telemetry_filter everything = {.from_ms = 0};

static void assert_query(struct telemetry_fixture *x, struct telemetry *t,
                         const struct telemetry_filter *filter, size_t limit)
{
    bool wrong = true;
    struct err why = {""};
    enum res r = telemetry_fixture_check_query(x, t, filter, limit, &wrong, &why);
    if (r != RES_OK) {
        print_error("%s: %s\n", res_name(r), why.text);
    }
    assert_int_equal(r, RES_OK);
    assert_false(wrong);
}

static void assert_stream(struct telemetry_fixture *x, struct telemetry *t, const char *device,
                          int64_t epoch, int64_t from, int64_t to)
{
    bool wrong = true;
    struct err why = {""};
    assert_int_equal(telemetry_fixture_check_stream(x, t, device, epoch, from, to, &wrong, &why),
                     RES_OK);
    assert_false(wrong);
}

static void assert_tail(struct telemetry_fixture *x, struct telemetry *t, const char *writer,
                        telemetry_position after)
{
    size_t *wanted = calloc(x->count + 1, sizeof *wanted);
    struct telemetry_fixture_check check = {.x = x, .wanted = wanted};
    for (size_t i = 0; i < x->count; i++) {
        if (x->events[i].position > after) {
            wanted[check.count++] = i;
        }
    }
    assert_int_equal(telemetry_tail(t, writer, after, telemetry_fixture_visit, &check, NULL),
                     RES_OK);
    assert_false(check.wrong);
    assert_int_equal(check.seen, check.count);
    free(wanted);
}

/* `count` events in batches of `batch`, of `devices` carts in turn. */
static void fill(struct telemetry_fixture *x, struct telemetry *t, size_t count, size_t batch,
                 unsigned devices, int64_t start_ms)
{
    struct telemetry_fixture_event *events = calloc(batch, sizeof *events);
    assert_non_null(events);
    for (size_t at = 0; at < count; at += batch) {
        for (size_t i = 0; i < batch; i++) {
            size_t n = at + i;
            telemetry_fixture_event_of(&events[i], (unsigned)(n % devices), 1,
                                       (int64_t)(n / devices) + 1, start_ms + (int64_t)n * 10);
        }
        telemetry_fixture_append(x, t, events, batch, start_ms + (int64_t)at * 10);
    }
    free(events);
}

static void gives_back_what_was_appended_in_order_of_device_time(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    fill(&x, t, 300, 30, 7, NOON_MS);
    assert_query(&x, t, &everything, 1000);
    assert_query(&x, t, &everything, 7);
    struct telemetry_filter f = {.device_id = SPAN_LIT("CART-0003")};
    assert_query(&x, t, &f, 10);
    f = (struct telemetry_filter){.store_id = SPAN_LIT("STORE-1"), .type_mask = 5};
    assert_query(&x, t, &f, 10);
    f = (struct telemetry_filter){.session_id = SPAN_LIT("CART-0002.1.1")};
    assert_query(&x, t, &f, 100);
    f = (struct telemetry_filter){.from_ms = NOON_MS + 500, .to_ms = NOON_MS + 700};
    assert_query(&x, t, &f, 3);
    assert_stream(&x, t, "CART-0003", 1, 0, ALL);
    assert_stream(&x, t, "CART-0003", 1, 5, 9);
    assert_stream(&x, t, "CART-0003", 2, 0, ALL);
    assert_stream(&x, t, "CART-9999", 1, 0, ALL);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void gives_each_identity_once_and_the_first_body(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    struct telemetry_fixture_event e[3];
    telemetry_fixture_event_of(&e[0], 1, 1, 1, NOON_MS);
    telemetry_fixture_event_of(&e[1], 1, 1, 2, NOON_MS + 1);
    e[2] = e[0];
    telemetry_fixture_append(&x, t, e, 3, NOON_MS);
    e[0].body[10] = '#';
    telemetry_fixture_append(&x, t, e, 2, NOON_MS);
    telemetry_fixture_append(&x, t, e, 2, NOON_MS + TIMESTAMP_DAY_MS);
    assert_query(&x, t, &everything, 10);
    assert_query(&x, t, &everything, 1);
    assert_stream(&x, t, "CART-0001", 1, 1, 2);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void keeps_everything_over_a_restart_and_numbers_on(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    telemetry_position last = 0;
    for (int i = 0; i < 5; i++) {
        struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
        fill(&x, t, 60, 20, 5, NOON_MS + i * 1000);
        assert_true(x.events[x.count - 1].position > last);
        last = x.events[x.count - 1].position;
        assert_tail(&x, t, "ingest-1", 0);
        telemetry_close(t);
    }
    struct telemetry *t = telemetry_fixture_open(&x, NULL);
    assert_query(&x, t, &everything, 50);
    assert_tail(&x, t, "ingest-1", x.events[100].position);
    assert_tail(&x, t, "ingest-1", last);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void answers_the_same_from_many_blocks_as_from_few(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    fill(&x, t, 7000, 10, 11, NOON_MS); /* 700 blocks: merged ones in index segments, and a rest */
    struct telemetry *reader = telemetry_fixture_open(&x, NULL);
    struct telemetry_filter f = {.device_id = SPAN_LIT("CART-0005")};
    assert_query(&x, reader, &f, 100);
    assert_stream(&x, reader, "CART-0005", 1, 100, 200);
    assert_query(&x, reader, &everything, 1000);
    assert_tail(&x, reader, "ingest-1", x.events[1505].position);
    fill(&x, t, 1000, 10, 11, NOON_MS + 100000); /* the reader sees what came since */
    assert_query(&x, reader, &f, 100);
    assert_tail(&x, reader, "ingest-1", 0);
    telemetry_close(reader);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void rolls_to_a_new_day_at_midnight_and_never_back(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    int64_t midnight = NOON_MS + TIMESTAMP_DAY_MS / 2;
    telemetry_position last = 0;
    const int64_t clock[] = {
        midnight - 1, midnight, midnight - 5, midnight + 5, midnight - TIMESTAMP_DAY_MS,
        midnight + 10};
    for (size_t i = 0; i < sizeof clock / sizeof clock[0]; i++) {
        struct telemetry_fixture_event e;
        telemetry_fixture_event_of(&e, 1, 1, (int64_t)i + 1, clock[i]);
        telemetry_fixture_append(&x, t, &e, 1, clock[i]);
        assert_true(x.events[i].position > last);
        last = x.events[i].position;
    }
    assert_query(&x, t, &everything, 2);
    assert_tail(&x, t, "ingest-1", 0);
    assert_tail(&x, t, "ingest-1", x.events[0].position);
    assert_stream(&x, t, "CART-0001", 1, 0, ALL);
    struct telemetry_totals totals;
    assert_int_equal(telemetry_totals(t, &totals, NULL), RES_OK);
    assert_int_equal(totals.events, 6);
    assert_int_equal(totals.blocks, 6);
    assert_true(totals.stored_bytes > 0);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void two_writers_share_a_day_and_each_has_its_own_tail(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    struct telemetry_fixture mine; /* what ingest-2 appended */
    telemetry_fixture_init(&x);
    telemetry_fixture_init(&mine);
    struct telemetry *one = telemetry_fixture_open(&x, "ingest-1");
    struct telemetry *two = telemetry_fixture_open(&x, "ingest-2");
    for (unsigned i = 0; i < 150; i++) {
        struct telemetry_fixture_event e[2];
        telemetry_fixture_event_of(&e[0], 1, 1, i + 1, NOON_MS + i);
        telemetry_fixture_event_of(&e[1], 2, 1, i + 1, NOON_MS + i);
        telemetry_fixture_append(&x, one, &e[0], 1, NOON_MS + i);
        telemetry_fixture_append(&mine, two, &e[1], 1, NOON_MS + i);
    }
    assert_tail(&x, two, "ingest-1", 0);
    assert_tail(&mine, one, "ingest-2", 0);
    assert_tail(&mine, two, "ingest-2", mine.events[120].position);
    struct telemetry_filter f = {.device_id = SPAN_LIT("CART-0002")};
    assert_query(&mine, one, &f, 40);
    telemetry_close(one);
    telemetry_close(two);
    telemetry_fixture_deinit(&mine);
    telemetry_fixture_deinit(&x);
}

static void archives_verifies_and_drops_a_day(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    struct err why = {""};
    char path[128];
    int64_t events = 0;
    int64_t day = OLD_MS / TIMESTAMP_DAY_MS;
    (void)snprintf(path, sizeof path, "%s/day.archive", x.directory);
    fill(&x, t, 500, 50, 9, OLD_MS);
    assert_int_equal(telemetry_drop_day(t, day, false, &why), RES_CONFLICT); /* still appended to */
    struct telemetry_fixture_event next;
    telemetry_fixture_event_of(&next, 1, 1, 5000, OLD_MS + TIMESTAMP_DAY_MS);
    telemetry_fixture_append(&x, t, &next, 1, OLD_MS + TIMESTAMP_DAY_MS);

    assert_int_equal(telemetry_drop_day(t, day, false, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "archive"));
    assert_int_equal(telemetry_archive_day(t, day - 1, path, &events, &why), RES_NOT_FOUND);
    assert_int_equal(telemetry_archive_day(t, day, path, &events, &why), RES_OK);
    assert_int_equal(events, 500);

    size_t wanted[500];
    for (size_t i = 0; i < 500; i++) {
        wanted[i] = i;
    }
    struct telemetry_fixture_check check = {.x = &x, .wanted = wanted, .count = 500};
    events = 0;
    assert_int_equal(telemetry_archive_verify(path, &events, telemetry_fixture_visit, &check, &why),
                     RES_OK);
    assert_int_equal(events, 500);
    assert_int_equal(check.seen, 500);
    assert_false(check.wrong);

    struct telemetry *reader = telemetry_fixture_open(&x, NULL);
    assert_int_equal(telemetry_drop_day(reader, day, false, &why), RES_DENIED);
    assert_query(&x, reader, &everything, 100);
    assert_int_equal(telemetry_drop_day(t, day, false, &why), RES_OK);
    x.events[0] = x.events[500];
    x.count = 1;
    assert_query(&x, t, &everything, 100);
    assert_query(&x, reader, &everything, 100);
    assert_int_equal(telemetry_drop_day(t, day, false, &why), RES_NOT_FOUND);
    telemetry_close(reader);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void drops_nothing_whose_archive_is_gone_damaged_or_outgrown(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    struct err why = {""};
    char path[128];
    int64_t events = 0;
    int64_t day = OLD_MS / TIMESTAMP_DAY_MS;
    (void)snprintf(path, sizeof path, "%s/day.archive", x.directory);
    fill(&x, t, 100, 50, 9, OLD_MS);
    struct telemetry_fixture_event next;
    telemetry_fixture_event_of(&next, 1, 1, 5000, OLD_MS + TIMESTAMP_DAY_MS);
    telemetry_fixture_append(&x, t, &next, 1, OLD_MS + TIMESTAMP_DAY_MS);
    assert_int_equal(telemetry_archive_day(t, day, path, &events, &why), RES_OK);

    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 700, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, 700, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 4, file), EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(telemetry_archive_verify(path, &events, NULL, NULL, &why), RES_CORRUPT);
    assert_non_null(strstr(why.text, path));
    assert_int_equal(telemetry_drop_day(t, day, false, &why), RES_CONFLICT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(telemetry_archive_verify(path, &events, NULL, NULL, &why), RES_NOT_FOUND);
    assert_int_equal(telemetry_drop_day(t, day, false, &why), RES_CONFLICT);
    assert_int_equal(telemetry_drop_day(t, day, true, &why), RES_OK);
    x.events[0] = x.events[100];
    x.count = 1;
    assert_query(&x, t, &everything, 100);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static void refuses_what_breaks_a_limit_and_a_foreign_cursor(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    struct telemetry_fixture_event e;
    telemetry_position position = 0;
    telemetry_fixture_event_of(&e, 1, 1, 1, NOON_MS);
    struct telemetry_event v = telemetry_fixture_view(&e);
    assert_int_equal(telemetry_append(t, &v, 0, NOON_MS, &position, NULL), RES_INVALID);
    v.signature.size = 63;
    assert_int_equal(telemetry_append(t, &v, 1, NOON_MS, &position, NULL), RES_INVALID);
    v = telemetry_fixture_view(&e);
    v.type = 64;
    assert_int_equal(telemetry_append(t, &v, 1, NOON_MS, &position, NULL), RES_INVALID);
    v = telemetry_fixture_view(&e);
    v.device_id.size = 0;
    assert_int_equal(telemetry_append(t, &v, 1, NOON_MS, &position, NULL), RES_INVALID);
    v = telemetry_fixture_view(&e);
    assert_int_equal(telemetry_append(t, &v, 1, -1, &position, NULL), RES_INVALID);
    assert_int_equal(position, 0);
    fill(&x, t, 20, 10, 3, NOON_MS);
    struct telemetry_page page = {.next_cursor = ""};
    struct telemetry_fixture_check check = {.x = &x};
    assert_int_equal(
        telemetry_query(t, &everything, "", 0, telemetry_fixture_visit, &check, &page, NULL),
        RES_INVALID);
    assert_int_equal(
        telemetry_query(t, &everything, "", 5, telemetry_fixture_visit, &check, &page, NULL),
        RES_OK);
    size_t length = strlen(page.next_cursor);
    assert_true(length > 0);
    const char *const foreign[] = {"x", "!!!!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(telemetry_query(t, &everything, foreign[i], 5, telemetry_fixture_visit,
                                         &check, &page, NULL),
                         RES_INVALID);
    }
    for (size_t i = 0; i < length; i++) {
        char cursor[TELEMETRY_CURSOR_BYTES];
        (void)snprintf(cursor, sizeof cursor, "%s", page.next_cursor);
        cursor[i] = cursor[i] == 'Z' ? 'Y' : 'Z';
        enum res r = telemetry_query(t, &everything, cursor, 5, telemetry_fixture_visit, &check,
                                     &page, NULL);
        assert_true(r == RES_INVALID || i + 1 == length); /* spare bits of the last digit */
    }
    struct telemetry *reader = telemetry_fixture_open(&x, NULL);
    v = telemetry_fixture_view(&e);
    assert_int_equal(telemetry_append(reader, &v, 1, NOON_MS, &position, NULL), RES_DENIED);
    telemetry_close(reader);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

static enum res stop_at_third(void *user, const struct telemetry_event *event,
                              telemetry_position position)
{
    (void)event;
    (void)position;
    int *seen = user;
    return ++*seen == 3 ? RES_AGAIN : RES_OK;
}

static void stops_when_the_visitor_says_so(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    struct telemetry_page page;
    fill(&x, t, 50, 5, 2, NOON_MS);
    int seen = 0;
    assert_int_equal(telemetry_tail(t, "ingest-1", 0, stop_at_third, &seen, NULL), RES_AGAIN);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_int_equal(telemetry_query(t, &everything, "", 10, stop_at_third, &seen, &page, NULL),
                     RES_AGAIN);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_int_equal(
        telemetry_read_stream(t, SPAN_LIT("CART-0001"), 1, 0, ALL, stop_at_third, &seen, NULL),
        RES_AGAIN);
    assert_int_equal(seen, 3);
    assert_query(&x, t, &everything, 10);
    telemetry_close(t);
    telemetry_fixture_deinit(&x);
}

/* ---- against the model ---- */

static void random_batch(struct telemetry_fixture *x, struct telemetry *t, struct rng *rng,
                         int64_t now_ms)
{
    struct telemetry_fixture_event events[40];
    size_t count = 1 + rng_below(rng, 40);
    for (size_t i = 0; i < count; i++) {
        if (x->count > 0 && rng_below(rng, 8) == 0) {
            events[i] = x->events[rng_below(rng, x->count)]; /* the same again */
            continue;
        }
        int64_t counter = 1 + (int64_t)rng_below(rng, 200);
        unsigned device = (unsigned)rng_below(rng, 6);
        int64_t epoch = 1 + (int64_t)rng_below(rng, 2);
        /* device clocks are off by up to two days, and many events share a millisecond */
        int64_t time_ms = NOON_MS + (int64_t)(device * 7 + (unsigned)epoch) * 1000 +
                          (counter % 50) * (rng_below(rng, 2) != 0 ? 1 : 60000) -
                          (device == 3 ? 2 * TIMESTAMP_DAY_MS : 0);
        telemetry_fixture_event_of(&events[i], device, epoch, counter, time_ms);
    }
    telemetry_fixture_append(x, t, events, count, now_ms);
}

static struct telemetry_filter random_filter(struct rng *rng, char device[16], char session[32],
                                             char store[16])
{
    struct telemetry_filter f = {.from_ms = 0};
    unsigned cart = (unsigned)rng_below(rng, 7);
    (void)snprintf(device, 16, "CART-%04u", cart);
    (void)snprintf(session, 32, "%s.1.%u", device, (unsigned)rng_below(rng, 10) * 20 + 1);
    (void)snprintf(store, 16, "STORE-%u", (unsigned)rng_below(rng, 4));
    if (rng_below(rng, 3) == 0) {
        f.device_id = span_text(device, 16);
    }
    if (rng_below(rng, 4) == 0) {
        f.session_id = span_text(session, 32);
    }
    if (rng_below(rng, 4) == 0) {
        f.store_id = span_text(store, 16);
    }
    if (rng_below(rng, 3) == 0) {
        f.type_mask = rng_below(rng, 128);
    }
    if (rng_below(rng, 3) == 0) {
        f.from_ms = NOON_MS + (int64_t)rng_below(rng, 100000);
    }
    if (rng_below(rng, 3) == 0) {
        f.to_ms = NOON_MS + (int64_t)rng_below(rng, 200000);
    }
    return f;
}

static void random_questions(struct telemetry_fixture *x, struct telemetry *t, struct rng *rng)
{
    char device[16];
    char session[32];
    char store[16];
    for (int i = 0; i < 6; i++) {
        struct telemetry_filter f = random_filter(rng, device, session, store);
        assert_query(x, t, &f, x->count / 30 + 1 + rng_below(rng, 60));
        int64_t from = (int64_t)rng_below(rng, 200);
        assert_stream(x, t, device, 1 + (int64_t)rng_below(rng, 2), from,
                      from + (int64_t)rng_below(rng, 100));
    }
}

/* A hundred and twenty random histories: appends with repeats, three days, restarts, a reader. */
static void agrees_with_a_model_in_memory(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, telemetry_fixture_seed());
    for (int round = 0; round < 120; round++) {
        struct telemetry_fixture x;
        telemetry_fixture_init(&x);
        struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
        struct telemetry *reader = telemetry_fixture_open(&x, NULL);
        int64_t now_ms = NOON_MS;
        /* some histories are long enough for index segments */
        size_t batches = round % 10 == 0 ? 200 : 1 + rng_below(&rng, 12);
        for (size_t i = 0; i < batches; i++) {
            random_batch(&x, t, &rng, now_ms);
            now_ms += (int64_t)rng_below(&rng, 12) == 0 ? TIMESTAMP_DAY_MS / 3 : 1000;
            if (rng_below(&rng, 20) == 0) {
                telemetry_close(t);
                t = telemetry_fixture_open(&x, "ingest-1");
            }
        }
        random_questions(&x, t, &rng);
        random_questions(&x, reader, &rng);
        assert_tail(&x, reader, "ingest-1", x.events[rng_below(&rng, x.count)].position);
        telemetry_close(reader);
        telemetry_close(t);
        telemetry_fixture_deinit(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_appended_in_order_of_device_time),
        cmocka_unit_test(gives_each_identity_once_and_the_first_body),
        cmocka_unit_test(keeps_everything_over_a_restart_and_numbers_on),
        cmocka_unit_test(answers_the_same_from_many_blocks_as_from_few),
        cmocka_unit_test(rolls_to_a_new_day_at_midnight_and_never_back),
        cmocka_unit_test(two_writers_share_a_day_and_each_has_its_own_tail),
        cmocka_unit_test(archives_verifies_and_drops_a_day),
        cmocka_unit_test(drops_nothing_whose_archive_is_gone_damaged_or_outgrown),
        cmocka_unit_test(refuses_what_breaks_a_limit_and_a_foreign_cursor),
        cmocka_unit_test(stops_when_the_visitor_says_so),
        cmocka_unit_test(agrees_with_a_model_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
