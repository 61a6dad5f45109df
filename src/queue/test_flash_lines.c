#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flash_lines.h"
#include "flash_sim.h"

#define NUMBERS 12

static uint64_t seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    return text == NULL ? 20261121 : strtoull(text, NULL, 10);
}

/* What is known: for each number the value put last, 0 for none; and what a cut left open. */
struct model {
    uint32_t value[NUMBERS + 1];
    uint16_t open_number; /* may hold open_value instead */
    uint32_t open_value;
    bool open_clear; /* may all be gone */
};

static void make(uint32_t value, uint8_t record[FLASH_LINES_RECORD_BYTES])
{
    struct rng rng;
    rng_init(&rng, value);
    for (unsigned i = 0; i < FLASH_LINES_RECORD_BYTES; i++) {
        record[i] = (uint8_t)rng_next(&rng);
    }
    memcpy(record, &value, 4);
}

static uint32_t read_value(const struct flash_lines *l, uint16_t number)
{
    uint8_t seen[FLASH_LINES_RECORD_BYTES];
    uint8_t wanted[FLASH_LINES_RECORD_BYTES];
    uint32_t value;
    enum res r = flash_lines_read(l, number, seen);
    if (r == RES_NOT_FOUND) {
        return 0;
    }
    assert_int_equal(r, RES_OK);
    memcpy(&value, seen, 4);
    make(value, wanted);
    assert_memory_equal(seen, wanted, sizeof wanted);
    return value;
}

/* Reads all, and settles what the cut left open. */
static void check(const struct flash_lines *l, struct model *m)
{
    uint32_t seen[NUMBERS + 1] = {0};
    bool none = true;
    for (uint16_t n = 1; n <= NUMBERS; n++) {
        seen[n] = read_value(l, n);
        none = none && seen[n] == 0;
    }
    if (!(m->open_clear && none)) {
        for (uint16_t n = 1; n <= NUMBERS; n++) {
            if (n != m->open_number || seen[n] != m->open_value) {
                assert_int_equal(seen[n], m->value[n]);
            }
        }
    }
    memcpy(m->value, seen, sizeof seen);
    m->open_number = 0;
    m->open_clear = false;
}

static uint64_t run(uint32_t sectors, uint32_t unit, uint64_t cut, enum flash_sim_tear tear,
                    uint64_t again)
{
    struct flash_sim *sim = flash_sim_new(1024, sectors, unit, seed() + cut);
    struct flash_lines l;
    struct model m = {0};
    struct rng rng;
    rng_init(&rng, seed() + sectors);
    flash_sim_cut_after(sim, cut, tear);
    enum res r = flash_lines_open(&l, &sim->flash);
    for (uint32_t step = 1; step <= 80; step++) {
        if (sim->off) {
            flash_sim_power_cycle(sim);
            flash_sim_cut_after(sim, again, tear);
            again = 0;
            r = flash_lines_open(&l, &sim->flash);
            if (sim->off) {
                continue;
            }
            check(&l, &m);
        }
        assert_int_equal(r, RES_OK);
        uint64_t dice = rng_below(&rng, 100);
        uint16_t number = (uint16_t)(1 + rng_below(&rng, NUMBERS));
        uint8_t record[FLASH_LINES_RECORD_BYTES];
        make(step, record);
        if (dice >= 8 && dice < 12) {
            flash_sim_power_cycle(sim);
        }
        r = dice < 8    ? flash_lines_clear(&l)
            : dice < 12 ? flash_lines_open(&l, &sim->flash)
                        : flash_lines_put(&l, number, record);
        if (sim->off) {
            m.open_clear = dice < 8;
            m.open_number = dice < 12 ? 0 : number;
            m.open_value = step;
            continue;
        }
        if (r == RES_OK && dice < 8) {
            memset(m.value, 0, sizeof m.value);
        } else if (r == RES_OK && dice >= 12) {
            m.value[number] = step;
        } else if (dice >= 12) {
            assert_int_equal(r, RES_FULL);
            r = flash_lines_clear(&l);
            m.open_clear = sim->off;
            if (!sim->off) {
                memset(m.value, 0, sizeof m.value);
            }
        }
        if (!sim->off && step % 8 == 0) {
            check(&l, &m);
        }
    }
    flash_sim_cut_after(sim, 0, tear);
    flash_sim_power_cycle(sim);
    assert_int_equal(flash_lines_open(&l, &sim->flash), RES_OK);
    check(&l, &m);
    assert_null(sim->violation);
    uint64_t operations = sim->operations;
    flash_sim_free(sim);
    return operations;
}

static void puts_and_clears_are_all_or_nothing_at_a_cut_of_any_operation(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed());
    for (uint32_t sectors = 3; sectors <= 5; sectors++) {
        uint32_t unit = sectors == 3 ? 32 : sectors == 4 ? 8 : 1;
        uint64_t operations = run(sectors, unit, 0, FLASH_SIM_NOTHING, 0);
        for (uint64_t cut = 1; cut <= operations; cut++) {
            for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
                (void)run(sectors, unit, cut, (enum flash_sim_tear)tear, cut % 4);
            }
        }
    }
}

static void mends_any_flipped_bit(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 4, 8, 1);
    struct flash_lines l;
    struct model m = {0};
    uint8_t record[FLASH_LINES_RECORD_BYTES];
    assert_int_equal(flash_lines_open(&l, &sim->flash), RES_OK);
    for (uint32_t i = 1; i <= 30; i++) {
        uint16_t number = (uint16_t)(1 + i % NUMBERS);
        if (i == 15) {
            assert_int_equal(flash_lines_clear(&l), RES_OK);
            memset(&m, 0, sizeof m);
        }
        make(i, record);
        assert_int_equal(flash_lines_put(&l, number, record), RES_OK);
        m.value[number] = i;
    }
    struct flash_lines running = l;
    uint8_t *before = malloc(4096);
    assert_non_null(before);
    memcpy(before, sim->bytes, 4096);
    for (uint64_t bit = 0; bit < flash_sim_bits(sim); bit += 7) {
        flash_sim_flip(sim, bit);
        check(&l, &m); /* while it runs */
        memset(sim->programmed, 0, 4096 / 8);
        assert_int_equal(flash_lines_open(&l, &sim->flash), RES_OK);
        check(&l, &m); /* and after a restart */
        memcpy(sim->bytes, before, 4096);
        memset(sim->programmed, 0, 4096 / 8);
        l = running;
    }
    free(before);
    flash_sim_free(sim);
}

static void holds_what_it_says_and_then_is_full(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 4, 8, 1);
    struct flash_lines l;
    uint8_t record[FLASH_LINES_RECORD_BYTES] = {1};
    assert_int_equal(flash_lines_open(&l, &sim->flash), RES_OK);
    assert_int_equal(flash_lines_puts_max(&l), 16);
    for (unsigned round = 0; round < 20; round++) {
        unsigned puts = 0;
        enum res r;
        while ((r = flash_lines_put(&l, (uint16_t)(puts + 1), record)) == RES_OK) {
            puts++;
        }
        assert_int_equal(r, RES_FULL);
        assert_true(puts >= flash_lines_puts_max(&l));
        assert_int_equal(flash_lines_read(&l, (uint16_t)puts, record), RES_OK);
        assert_int_equal(flash_lines_read(&l, (uint16_t)(puts + 1), record), RES_NOT_FOUND);
        assert_int_equal(flash_lines_clear(&l), RES_OK);
        assert_int_equal(flash_lines_read(&l, 1, record), RES_NOT_FOUND);
    }
    assert_int_equal(flash_lines_put(&l, 0, record), RES_INVALID);
    assert_null(sim->violation);
    flash_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_and_clears_are_all_or_nothing_at_a_cut_of_any_operation),
        cmocka_unit_test(mends_any_flipped_bit),
        cmocka_unit_test(holds_what_it_says_and_then_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
