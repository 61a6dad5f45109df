/* Feature: endcap-label, Property: a label survives any power cut: random prices, commands and
 * networks, the power cut at random flash operations, in the midst of starting too. What the panel
 * shows is what the label says, an update that was confirmed stays, no counter is used twice, and
 * in the end the newest price is shown and every event has arrived or is told as lost.
 */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_label.h"

#define CASES  400
#define INPUTS 40

static unsigned cuts;

static void boot_until_it_runs(struct test_label *w)
{
    do {
        cuts += w->flash->off;
        flash_sim_power_on(w->flash);
        if (rng_below(&w->rng, 3) == 0) {
            flash_sim_cut_after(w->flash, 1 + rng_below(&w->rng, 8),
                                (enum flash_sim_tear)rng_below(&w->rng, FLASH_SIM_TEARS));
        }
    } while (!test_label_boot(w));
}

/* Never an older picture than one that was confirmed, and never another than the label says. */
static void assert_truthful(const struct test_label *w)
{
    struct label_view v = test_label_look(w);
    struct test_label_ack ack = {0};
    if (v.shows) {
        assert(memcmp(v.digest, w->panel.digest, sizeof v.digest) == 0);
        assert(v.version >= w->panel.version);
    }
    if (test_label_acks(w, SHELF_DISPLAYED, NULL, &ack) > 0 && v.shows) {
        assert(v.version >= ack.version);
    }
}

static void random_input(struct test_label *w, int64_t *version)
{
    struct shelf_config config = test_label_config();
    struct shelf_flash flash;
    switch (rng_below(&w->rng, 8)) {
    case 0:
        config.led_brightness_pct = 1 + (int32_t)rng_below(&w->rng, 100);
        test_label_configure(w, ++*version, &config);
        test_label_send_config(w);
        break;
    case 1:
        flash = test_label_flash(w, ++*version, SHELF_BLINK, 2);
        test_label_send_flash(w, &flash);
        break;
    case 2:
        w->loss_per_mille = (unsigned)rng_below(&w->rng, 300);
        w->repeat_per_mille = (unsigned)rng_below(&w->rng, 300);
        break;
    case 3:
        if (rng_below(&w->rng, 2) == 0) {
            test_label_link_cut(w);
        } else {
            test_label_link_mend(w);
        }
        break;
    default:
        test_label_price(w, ++*version);
        test_label_send_display(w);
        break;
    }
}

static void one_case(uint64_t seed)
{
    struct test_label *w = test_label_new(seed);
    int64_t version = 0;
    boot_until_it_runs(w);
    for (int i = 0; i < INPUTS; i++) {
        if (rng_below(&w->rng, 3) == 0) {
            flash_sim_cut_after(w->flash, 1 + rng_below(&w->rng, 14),
                                (enum flash_sim_tear)rng_below(&w->rng, FLASH_SIM_TEARS));
        }
        random_input(w, &version);
        test_label_run(w, 20 + (int64_t)rng_below(&w->rng, 3000));
        if (w->flash->off) {
            boot_until_it_runs(w);
        }
        assert_truthful(w);
    }
    flash_sim_power_on(w->flash);
    w->loss_per_mille = 0;
    w->repeat_per_mille = 0;
    test_label_link_mend(w);
    test_label_run(w, 2400000);
    struct label_view v = test_label_look(w);
    assert(v.synced && test_label_missing(w) == 0);
    if (w->has_display) {
        assert(v.version == w->display.display.version);
        assert(memcmp(w->panel.digest, w->display.display.digest, SHELF_DIGEST_BYTES) == 0);
    }
    if (w->has_config) {
        assert(v.config_version == w->config.version);
    }
    test_label_free(w);
}

static void tells_the_truth_over_any_power_cut(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < CASES; i++) {
        print_message("seed %llu\n", (unsigned long long)(test_label_seed() + i));
        one_case(test_label_seed() + i);
    }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 2 * CASES);
}

/* One update from its arrival to its confirmation, cut at each operation in turn, with each tear.
 */
static void is_right_wherever_an_update_is_cut(void **state)
{
    (void)state;
    for (unsigned tear = 0; tear < FLASH_SIM_TEARS; tear++) {
        bool cut = true;
        for (uint64_t at = 1; cut; at++) {
            struct test_label *w = test_label_new(test_label_seed() + at);
            test_label_ready(w);
            test_label_price(w, 1);
            test_label_send_display(w);
            test_label_run(w, 1000);
            flash_sim_cut_after(w->flash, at, (enum flash_sim_tear)tear);
            test_label_price(w, 2);
            test_label_send_display(w);
            test_label_run(w, 1000);
            cut = w->flash->off;
            flash_sim_power_on(w->flash);
            w->down = true;
            assert_true(test_label_boot(w));
            test_label_run(w, 10); /* without a network: one of the two, whole */
            struct label_view v = test_label_look(w);
            assert_true(v.shows && v.version >= 1 && v.version <= 2);
            assert_memory_equal(v.digest, w->panel.digest, sizeof v.digest);
            assert_true(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, NULL) == 0 ||
                        v.version == 2);
            w->down = false;
            test_label_run(w, 400000);
            assert_int_equal(test_label_look(w).version, 2);
            assert_int_equal(test_label_missing(w), 0);
            test_label_free(w);
        }
    }
}

int main(void)
{
    printf("Feature: endcap-label, Property: a label survives any power cut; %d cases from seed "
           "%llu\n",
           CASES, (unsigned long long)test_label_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_right_wherever_an_update_is_cut),
        cmocka_unit_test(tells_the_truth_over_any_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
