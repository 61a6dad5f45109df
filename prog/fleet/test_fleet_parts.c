/* The fleet's loop, histogram and flash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fleet_histogram.h"
#include "fleet_loop.h"
#include "fleet_memory.h"
#include "rng.h"

#define TIMERS 1000

/* --- timers --- */

static struct fleet_loop loop;
static struct fleet_loop_timer timers[TIMERS];
static unsigned rung[TIMERS];
static int64_t last_due_ms;

static void ring(struct fleet_loop_timer *timer)
{
    rung[timer - timers]++;
    assert_true(timer->due_ms >= last_due_ms);
    assert_true(timer->due_ms <= loop.now_ms);
    last_due_ms = timer->due_ms;
}

static void rings_timers_in_order_whatever_is_moved(void **state)
{
    (void)state;
    struct rng rng;
    struct err why;
    unsigned expected[TIMERS];
    rng_init(&rng, 11);
    assert_int_equal(fleet_loop_open(&loop, TIMERS, &why), RES_OK);
    memset(timers, 0, sizeof timers);
    for (int i = 0; i < TIMERS; i++) {
        timers[i].due = ring;
        expected[i] = 0;
    }
    const int64_t begin_ms = loop.now_ms;
    for (int i = 0; i < 20 * TIMERS; i++) {
        size_t which = rng_below(&rng, TIMERS);
        bool never = rng_below(&rng, 4) == 0;
        fleet_loop_set(&loop, &timers[which],
                       never ? FLEET_LOOP_NEVER : begin_ms + (int64_t)rng_below(&rng, 60));
        expected[which] = !never;
    }
    while (loop.now_ms < begin_ms + 61) {
        fleet_loop_turn(&loop, 5);
    }
    fleet_loop_turn(&loop, 0);
    assert_memory_equal(rung, expected, sizeof rung);
    assert_int_equal(loop.timer_count, 0);
    fleet_loop_close(&loop);
}

/* --- sources --- */

static struct fleet_loop_source pair[2];
static int ends[2][2];
static unsigned calls;

/* Whoever is first closes the other, whose event is in the same batch. */
static void close_other(struct fleet_loop_source *source, uint32_t events)
{
    struct fleet_loop_source *other = source == &pair[0] ? &pair[1] : &pair[0];
    assert_int_equal(events, EPOLLIN);
    calls++;
    fleet_loop_forget(&loop, other);
    fleet_loop_forget(&loop, source);
}

static void calls_nobody_who_was_forgotten(void **state)
{
    (void)state;
    struct err why;
    assert_int_equal(fleet_loop_open(&loop, 1, &why), RES_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(ends[i]), 0);
        pair[i].ready = close_other;
        assert_int_equal(fleet_loop_watch(&loop, &pair[i], ends[i][0], EPOLLIN), RES_OK);
        assert_int_equal(write(ends[i][1], "x", 1), 1);
    }
    fleet_loop_turn(&loop, 1000);
    assert_int_equal(calls, 1);
    for (int i = 0; i < 2; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    fleet_loop_close(&loop);
}

/* --- histogram --- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void tells_percentiles_to_a_sixteenth(void **state)
{
    (void)state;
    static int64_t values[5000];
    static struct fleet_histogram h;
    struct rng rng;
    rng_init(&rng, 3);
    assert_int_equal(fleet_histogram_at(&h, 500), 0);
    for (size_t i = 0; i < 5000; i++) {
        values[i] = (int64_t)(rng_next(&rng) >> (20 + rng_below(&rng, 40)));
        fleet_histogram_add(&h, values[i]);
    }
    qsort(values, 5000, sizeof *values, compare);
    const unsigned marks[] = {1, 100, 500, 900, 990, 1000};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        int64_t exact = values[(5000 * marks[i] + 999) / 1000 - 1];
        int64_t told = fleet_histogram_at(&h, marks[i]);
        assert_true(told >= exact);
        assert_true(told <= exact + exact / 16 + 1);
    }
    assert_int_equal(fleet_histogram_at(&h, 1000), values[4999]);
    fleet_histogram_add(&h, -5);
    fleet_histogram_add(&h, INT64_MAX);
    assert_int_equal(fleet_histogram_at(&h, 1000), INT64_MAX);
}

/* --- flash --- */

static void is_erased_at_first_and_programs_once(void **state)
{
    (void)state;
    static uint8_t bytes[4096];
    struct fleet_memory_chip chip;
    uint8_t page[32];
    uint8_t back[32];
    memset(bytes, 0, sizeof bytes);
    fleet_memory_chip_init(&chip, bytes, 1024, 4);
    const struct flash *f = &chip.flash;
    assert_int_equal(f->read(f->context, 1000, back, 32), RES_OK);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(back[i], 0xff);
        page[i] = (uint8_t)i;
    }
    assert_int_equal(f->program(f->context, 1024, page, 32), RES_OK);
    assert_int_equal(f->program(f->context, 1024, page, 32), RES_INVALID);
    assert_int_equal(f->program(f->context, 1030, page, 16), RES_INVALID);
    assert_int_equal(f->program(f->context, 4096, page, 16), RES_INVALID);
    assert_int_equal(f->read(f->context, 4090, back, 16), RES_INVALID);
    assert_int_equal(f->read(f->context, 1024, back, 32), RES_OK);
    assert_memory_equal(page, back, 32);
    assert_int_equal(f->erase(f->context, 4), RES_INVALID);
    assert_int_equal(f->erase(f->context, 1), RES_OK);
    assert_int_equal(f->program(f->context, 1024, page, 32), RES_OK);
    chip.cut_after = 2;
    assert_int_equal(f->program(f->context, 2048, page, 16), RES_OK);
    assert_int_equal(f->program(f->context, 2064, page, 32), RES_IO); /* torn */
    assert_true(chip.dead);
    assert_int_equal(f->read(f->context, 0, back, 16), RES_IO);
    chip.dead = false;
    assert_int_equal(f->read(f->context, 2064, back, 32), RES_OK);
    assert_memory_equal(back, page, 16);
    assert_int_equal(back[16], 0xff);
}

static void finds_its_state_again_and_only_its_own(void **state)
{
    (void)state;
    char path[] = "/tmp/endcap-fleet-test-XXXXXX";
    struct fleet_memory m;
    struct fleet_memory other;
    struct fleet_memory_cell *cell = NULL;
    uint8_t *flash = NULL;
    struct err why = {""};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(fleet_memory_open(&m, path, 2, 4096, &why), RES_OK);
    assert_int_equal(fleet_memory_part(&m, 1, "ESP32-000002", &cell, &flash, &why), RES_OK);
    cell->epoch = 7;
    flash[5] = 1;
    assert_int_equal(fleet_memory_open(&other, path, 2, 4096, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "another fleet"));
    fleet_memory_close(&other);
    fleet_memory_close(&m);
    assert_int_equal(fleet_memory_open(&m, path, 2, 4096, &why), RES_OK);
    assert_int_equal(fleet_memory_part(&m, 1, "ESP32-000002", &cell, &flash, &why), RES_OK);
    assert_int_equal(cell->epoch, 7);
    assert_int_equal(flash[5], 1);
    assert_int_equal(fleet_memory_part(&m, 1, "ESP32-000003", &cell, &flash, &why), RES_CONFLICT);
    fleet_memory_close(&m);
    assert_int_equal(fleet_memory_open(&m, path, 3, 4096, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "another set"));
    fleet_memory_close(&m);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_timers_in_order_whatever_is_moved),
        cmocka_unit_test(calls_nobody_who_was_forgotten),
        cmocka_unit_test(tells_percentiles_to_a_sixteenth),
        cmocka_unit_test(is_erased_at_first_and_programs_once),
        cmocka_unit_test(finds_its_state_again_and_only_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
