#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flash_sim.h"
#include "flash_state.h"

static uint64_t seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    return text == NULL ? 20261121 : strtoull(text, NULL, 10);
}

/* State n: its size and bytes follow from n. */
static struct span make(uint32_t n, uint32_t size_max, uint8_t *bytes)
{
    struct rng rng;
    rng_init(&rng, n);
    uint32_t size = 4 + (uint32_t)rng_below(&rng, size_max - 4);
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)rng_next(&rng);
    }
    memcpy(bytes, &n, 4);
    return span_of(bytes, size);
}

/* The state that loads is exactly one of those from `low` to `high`, 0 meaning none. */
static uint32_t load_between(const struct flash_state *s, uint32_t size_max, uint32_t low,
                             uint32_t high)
{
    uint8_t seen[FLASH_STATE_BYTES_MAX];
    uint8_t wanted[FLASH_STATE_BYTES_MAX];
    uint32_t size;
    uint32_t n;
    enum res r = flash_state_load(s, seen, sizeof seen, &size);
    if (r == RES_NOT_FOUND) {
        assert_int_equal(low, 0);
        return 0;
    }
    assert_int_equal(r, RES_OK);
    memcpy(&n, seen, 4);
    assert_in_range(n, low, high);
    struct span full = make(n, size_max, wanted);
    assert_int_equal(size, full.size);
    assert_memory_equal(seen, full.data, size);
    return n;
}

static uint64_t run(uint32_t sectors, uint32_t unit, uint64_t cut, enum flash_sim_tear tear,
                    uint64_t again)
{
    struct flash_sim *sim = flash_sim_new(1024, sectors, unit, seed() + cut);
    struct flash_state s;
    uint8_t bytes[FLASH_STATE_BYTES_MAX];
    uint32_t saved = 0; /* the state that must be there; the one after it may be */
    uint32_t size_max = flash_state_bytes_max(&sim->flash);
    flash_sim_cut_after(sim, cut, tear);
    enum res r = flash_state_open(&s, &sim->flash);
    for (uint32_t n = 1; n <= 36; n++) {
        if (sim->off) {
            flash_sim_power_cycle(sim);
            flash_sim_cut_after(sim, again, tear);
            again = 0;
            r = flash_state_open(&s, &sim->flash);
            if (sim->off) {
                n--;
                continue;
            }
            assert_int_equal(r, RES_OK);
            saved = load_between(&s, size_max, saved, n - 1);
        }
        assert_int_equal(r, RES_OK);
        if (n % 5 == 0) {
            flash_sim_power_cycle(sim);
            r = flash_state_open(&s, &sim->flash);
            if (sim->off) {
                continue;
            }
            assert_int_equal(r, RES_OK);
            saved = load_between(&s, size_max, saved, n - 1);
        }
        if (flash_state_save(&s, make(n, size_max, bytes)) == RES_OK) {
            saved = n;
            (void)load_between(&s, size_max, saved, saved);
        } else {
            assert_true(sim->off);
        }
    }
    flash_sim_cut_after(sim, 0, tear);
    flash_sim_power_cycle(sim);
    assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
    (void)load_between(&s, size_max, saved, 36);
    assert_null(sim->violation);
    uint64_t operations = sim->operations;
    flash_sim_free(sim);
    return operations;
}

static void a_save_is_all_or_nothing_at_a_cut_of_any_operation(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed());
    for (uint32_t sectors = 3; sectors <= 5; sectors++) {
        uint32_t unit = sectors == 3 ? 8 : sectors == 4 ? 32 : 1;
        uint64_t operations = run(sectors, unit, 0, FLASH_SIM_NOTHING, 0);
        for (uint64_t cut = 1; cut <= operations; cut++) {
            for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
                (void)run(sectors, unit, cut, (enum flash_sim_tear)tear, cut % 5);
            }
        }
    }
}

/* What was read once is never taken back, whatever the cells do later. */
static void never_goes_back_over_many_cuts(void **state)
{
    (void)state;
    for (uint64_t world = 0; world < 250; world++) {
        struct flash_sim *sim = flash_sim_new(1024, 3 + world % 2, 8, seed() + world);
        struct flash_state s;
        uint8_t bytes[FLASH_STATE_BYTES_MAX];
        uint32_t saved = 0;
        uint32_t n = 1;
        uint32_t size_max = world % 3 == 0 ? 490 : 60;
        for (unsigned step = 0; step < 60; step++) {
            if (sim->off || step % 4 == 0) {
                flash_sim_power_cycle(sim);
                enum res r = flash_state_open(&s, &sim->flash);
                if (sim->off) {
                    continue;
                }
                assert_int_equal(r, RES_OK);
                saved = load_between(&s, size_max, saved, n - 1);
            }
            if (sim->cut_at <= sim->operations) {
                flash_sim_cut_after(sim, 1 + rng_below(&sim->rng, 7),
                                    world % 5 == 0 ? FLASH_SIM_BITS : FLASH_SIM_UNSTABLE);
            }
            enum res r = flash_state_save(&s, make(n, size_max, bytes));
            saved = r == RES_OK ? n : saved;
            assert_true(r == RES_OK || sim->off);
            n++;
        }
        assert_null(sim->violation);
        flash_sim_free(sim);
    }
}

static void gives_the_right_state_with_any_bit_flipped(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 3, 8, 1);
    struct flash_state s;
    uint8_t bytes[FLASH_STATE_BYTES_MAX];
    assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
    for (uint32_t n = 1; n <= 10; n++) {
        assert_int_equal(flash_state_save(&s, make(n, 300, bytes)), RES_OK);
    }
    uint8_t *before = malloc(3072);
    assert_non_null(before);
    memcpy(before, sim->bytes, 3072);
    for (uint64_t bit = 0; bit < flash_sim_bits(sim); bit += 23) {
        flash_sim_flip(sim, bit);
        (void)load_between(&s, 300, 10, 10); /* while it runs */
        memset(sim->programmed, 0, 3072 / 8);
        assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
        (void)load_between(&s, 300, 10, 10); /* and after a restart */
        memcpy(sim->bytes, before, 3072);
        memset(sim->programmed, 0, 3072 / 8);
        assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
    }
    free(before);
    flash_sim_free(sim);
}

static void says_that_both_copies_are_gone(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 3, 8, 1);
    struct flash_state s;
    uint8_t seen[100];
    uint32_t size;
    assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
    assert_int_equal(flash_state_load(&s, seen, sizeof seen, &size), RES_NOT_FOUND);
    assert_int_equal(flash_state_save(&s, SPAN_LIT("a state")), RES_OK);
    assert_int_equal(flash_state_load(&s, seen, 6, &size), RES_LIMIT);
    assert_int_equal(flash_state_load(&s, seen, 7, &size), RES_OK);
    sim->bytes[s.copies[0] + 13] ^= 1;
    sim->bytes[s.copies[1] + 14] ^= 1;
    assert_int_equal(flash_state_load(&s, seen, sizeof seen, &size), RES_CORRUPT);
    assert_int_equal(flash_state_save(&s, SPAN_NONE), RES_INVALID);
    assert_int_equal(flash_state_save(&s, span_of(sim->bytes, 501)), RES_LIMIT);
    flash_sim_free(sim);
}

static void opens_over_any_content(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 100; n++) {
        struct flash_sim *sim = flash_sim_new(1024, 3, 4, seed() + n);
        struct flash_state s;
        uint8_t seen[FLASH_STATE_BYTES_MAX];
        uint32_t size;
        for (uint32_t i = 0; i < 3072; i++) {
            sim->bytes[i] = (uint8_t)rng_next(&sim->rng);
        }
        assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
        assert_int_equal(flash_state_load(&s, seen, sizeof seen, &size), RES_NOT_FOUND);
        assert_int_equal(flash_state_save(&s, SPAN_LIT("a state")), RES_OK);
        assert_int_equal(flash_state_open(&s, &sim->flash), RES_OK);
        assert_int_equal(flash_state_load(&s, seen, sizeof seen, &size), RES_OK);
        assert_int_equal(size, 7);
        flash_sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_save_is_all_or_nothing_at_a_cut_of_any_operation),
        cmocka_unit_test(never_goes_back_over_many_cuts),
        cmocka_unit_test(gives_the_right_state_with_any_bit_flipped),
        cmocka_unit_test(says_that_both_copies_are_gone),
        cmocka_unit_test(opens_over_any_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
