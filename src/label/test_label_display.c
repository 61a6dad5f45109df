/* What a label shows, confirms and refuses; what is on the tag; what outlives a power cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "label_ndef.h"
#include "test_label.h"

#define CASES 120

static void assert_shows(const struct test_label *w, const struct shelf_display *d)
{
    struct label_view v = test_label_look(w);
    assert_true(v.shows);
    assert_int_equal(v.version, d->version);
    assert_int_equal(v.price_minor, d->price_minor);
    assert_memory_equal(v.digest, d->digest, SHELF_DIGEST_BYTES);
    assert_memory_equal(w->panel.digest, d->digest, SHELF_DIGEST_BYTES);
}

static void shows_its_own_screen_until_it_is_told_something(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(1);
    test_label_ready(w);
    assert_int_equal(w->panel.refreshes, 1);
    assert_int_equal(w->panel.version, 0);
    assert_false(test_label_look(w).shows);
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, NULL, NULL), 0);
    assert_true(test_label_boot(w)); /* e-ink keeps it: not drawn again */
    test_label_run(w, 100);
    assert_int_equal(w->panel.refreshes, 1);
    test_label_free(w);
}

/* Feature: smartshelf-india, Property 8: Price Update Acknowledgment */
static void acknowledges_each_update_with_what_it_shows(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 8: Price Update Acknowledgment (%d cases), seed "
           "%llu\n",
           CASES, (unsigned long long)test_label_seed());
    struct test_label *w = test_label_new(test_label_seed());
    test_label_ready(w);
    for (int i = 1; i <= CASES; i++) {
        struct test_label_ack ack;
        test_label_price(w, i);
        test_label_send_display(w);
        test_label_run(w, 1 + (int64_t)rng_below(&w->rng, 2000));
        assert_shows(w, &w->display.display);
        assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, &ack), 1);
        assert_int_equal(ack.version, i);
        assert_true(ack.counter > 0 && ack.refreshed);
        assert_memory_equal(ack.digest, w->display.display.digest, SHELF_DIGEST_BYTES);
    }
    assert_int_equal(test_label_missing(w), 0);
    test_label_free(w);
}

/* Feature: smartshelf-india, Property 67: E-Ink Update Optimization */
static void refreshes_for_another_digest_only(void **state)
{
    (void)state;
    printf(
        "Feature: smartshelf-india, Property 67: E-Ink Update Optimization (%d cases), seed %llu\n",
        CASES, (unsigned long long)test_label_seed());
    struct test_label *w = test_label_new(test_label_seed());
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 10);
    for (int i = 2; i <= CASES + 1; i++) {
        struct test_label_ack ack;
        bool same = rng_below(&w->rng, 2) == 0;
        unsigned before = w->panel.refreshes;
        int64_t price = w->display.display.price_minor;
        const struct shelf_display *d = &w->display.display;
        uint64_t most = (uint64_t)(d->regular_minor > 0 ? d->regular_minor - 1 : d->mrp_minor);
        test_label_price_is(w, i, same ? price : 1 + (int64_t)rng_below(&w->rng, most));
        same = same || w->display.display.price_minor == price;
        test_label_send_display(w);
        test_label_run(w, 10);
        assert_int_equal(w->panel.refreshes, same ? before : before + 1);
        assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, &ack), 1);
        assert_int_equal(ack.refreshed, !same);
        assert_shows(w, &w->display.display);
    }
    test_label_free(w);
}

static void acknowledges_a_repeated_update_again_without_a_refresh(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(2);
    test_label_ready(w);
    test_label_price(w, 1);
    for (int i = 0; i < 4; i++) {
        test_label_send_display(w);
        test_label_run(w, 1000);
    }
    struct test_label_ack ack;
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, &ack), 4);
    assert_int_equal(ack.counter, 0); /* sent once: nobody wears the flash out with it */
    assert_memory_equal(ack.digest, w->display.display.digest, SHELF_DIGEST_BYTES);
    assert_int_equal(w->panel.refreshes, 2);
    test_label_free(w);
}

static void keeps_the_least_time_between_two_refreshes(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(3);
    struct shelf_config config = test_label_config();
    config.refresh_interval_s = 60;
    test_label_configure(w, 1, &config);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 121000);
    assert_shows(w, &w->display.display);
    unsigned before = w->panel.refreshes;
    char skipped[SHELF_UPDATE_ID_BYTES + 1];
    test_label_price(w, 2);
    test_label_send_display(w);
    test_label_run(w, 1000);
    assert_int_equal(w->panel.refreshes, before + 1);
    test_label_price(w, 3);
    memcpy(skipped, w->display.update_id, sizeof skipped);
    test_label_send_display(w);
    test_label_run(w, 20000);
    test_label_price(w, 4);
    test_label_send_display(w);
    test_label_run(w, 20000);
    assert_int_equal(w->panel.refreshes, before + 1);
    assert_true(test_label_look(w).pending);
    test_label_run(w, 20000);
    assert_int_equal(w->panel.refreshes, before + 2);
    assert_shows(w, &w->display.display);
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, NULL), 1);
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, skipped, NULL), 0);
    test_label_free(w);
}

static void draws_again_when_the_panel_did_not_answer(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(4);
    test_label_ready(w);
    w->panel.broken = true;
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 20000);
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, NULL, NULL), 0);
    assert_false(test_label_look(w).shows);
    w->panel.broken = false;
    test_label_run(w, LABEL_PANEL_RETRY_MS);
    assert_shows(w, &w->display.display);
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, NULL), 1);
    test_label_free(w);
}

static void draws_again_on_a_panel_that_was_changed(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(13);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 10);
    unsigned refreshes = w->panel.refreshes;
    w->settings.panel_blank = true;
    w->down = true;
    assert_true(test_label_boot(w));
    test_label_run(w, 10);
    assert_int_equal(w->panel.refreshes, refreshes + 1);
    assert_shows(w, &w->display.display);
    test_label_free(w);
}

/* --- refusals --- */

static void assert_refused(struct test_label *w, const char *why)
{
    struct test_label_ack ack;
    uint8_t digest[SHELF_DIGEST_BYTES];
    unsigned refreshes = w->panel.refreshes;
    unsigned before = test_label_acks(w, SHELF_REFUSED, NULL, NULL);
    struct label_view was = test_label_look(w);
    memcpy(digest, was.digest, sizeof digest);
    test_label_run(w, LABEL_REFUSED_MS);
    struct label_view is = test_label_look(w);
    assert_int_equal(test_label_acks(w, SHELF_REFUSED, NULL, &ack), before + 1);
    assert_string_equal(ack.why, why);
    assert_int_equal(w->panel.refreshes, refreshes);
    assert_int_equal(is.version, was.version);
    assert_memory_equal(is.digest, digest, sizeof digest);
}

static void encode_display(const struct shelf_display *d, struct sink *s, uint8_t *bytes)
{
    sink_init(s, bytes, SHELF_DOWN_BYTES_MAX);
    shelf_display_encode(d, s);
    assert_false(s->overflow);
}

static void refuses_what_the_platform_did_not_sign(void **state)
{
    (void)state;
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct test_label *w = test_label_new(5);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 10);
    test_label_price(w, 2);
    w->has_display = false; /* not by way of the shadow */
    encode_display(&w->display.display, &s, bytes);
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", sink_span(&s), false);
    assert_refused(w, "not signed by the platform");
    /* Signed, then changed by one digit. */
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", sink_span(&s), true);
    w->downs[0].payload[w->downs[0].size / 2] ^= 1;
    assert_refused(w, "not signed by the platform");
    /* Signed for another topic. */
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/config/update", sink_span(&s), true);
    snprintf(w->downs[0].topic, sizeof w->downs[0].topic,
             "smartshelf/" TEST_LABEL_ID "/price/update");
    assert_refused(w, "not signed by the platform");
    /* A signature that is none. */
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", sink_span(&s), true);
    w->downs[0].signature[10] = '+';
    assert_refused(w, "not signed by the platform");
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", sink_span(&s), true);
    test_label_run(w, 10);
    assert_shows(w, &w->display.display);
    test_label_free(w);
}

static void refuses_what_is_for_another_label(void **state)
{
    (void)state;
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct test_label *w = test_label_new(6);
    test_label_ready(w);
    test_label_price(w, 1);
    struct shelf_display d = w->display.display;
    encode_display(&d, &s, bytes);
    test_label_send(w, "smartshelf/ESP32-OTHER1/price/update", sink_span(&s), true);
    assert_refused(w, "for another label");
    d.device_id = SPAN_LIT("ESP32-OTHER1");
    encode_display(&d, &s, bytes);
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", sink_span(&s), true);
    assert_refused(w, "for another label");
    test_label_free(w);
}

static void refuses_what_is_older_or_says_another_digest(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(7);
    test_label_ready(w);
    test_label_price(w, 10);
    test_label_send_display(w);
    test_label_run(w, 10);
    test_label_price(w, 9);
    test_label_send_display(w);
    assert_refused(w, "older");
    test_label_price(w, 10); /* the same version, another content */
    test_label_send_display(w);
    assert_refused(w, "version used twice");
    test_label_price(w, 11);
    w->display.display.digest[3] ^= 0x10;
    test_label_send_display(w);
    assert_refused(w, "digest mismatch");
    struct test_label_ack ack;
    assert_int_equal(test_label_acks(w, SHELF_REFUSED, w->display.update_id, &ack), 1);
    assert_true(ack.counter > 0); /* it ends a delivery: kept until the platform has it */
    test_label_free(w);
}

static void refuses_what_cannot_be_read(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(8);
    test_label_ready(w);
    test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", SPAN_LIT("{\"deviceId\":7}"),
                    true);
    test_label_run(w, 100);
    struct test_label_ack ack;
    assert_int_equal(test_label_acks(w, SHELF_REFUSED, NULL, &ack), 1);
    assert_non_null(strstr(ack.why, "deviceId"));
    test_label_free(w);
}

static void tells_of_refusals_now_and_then_only(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(9);
    test_label_ready(w);
    int64_t counter = test_label_look(w).last_counter;
    for (int i = 0; i < 1000; i++) {
        test_label_send(w, "smartshelf/" TEST_LABEL_ID "/price/update", SPAN_LIT("{}"), false);
        test_label_run(w, 10);
    }
    assert_int_equal(test_label_look(w).counts.refused, 1000);
    assert_int_equal(test_label_acks(w, SHELF_REFUSED, NULL, NULL), 1);
    assert_int_equal(test_label_look(w).last_counter, counter); /* and flash is not touched */
    test_label_free(w);
}

/* --- the tag --- */

/* Reads one short URI record as a phone does. */
static void read_uri(struct span message, char *uri, size_t size)
{
    static const char *const prefixes[] = {"", "http://www.", "https://www.", "http://",
                                           "https://"};
    const uint8_t *m = message.data;
    assert_true(message.size >= 5);
    assert_int_equal(m[0], 0xd1); /* begin, end, short, well known */
    assert_int_equal(m[1], 1);
    assert_int_equal(m[2], message.size - 4);
    assert_int_equal(m[3], 'U');
    assert_true(m[4] < 5);
    snprintf(uri, size, "%s%.*s", prefixes[m[4]], (int)(message.size - 5), (const char *)m + 5);
}

/* Feature: smartshelf-india, Property 31: NFC Product Identifier Transmission */
static void carries_the_products_page_on_its_tag(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 31: NFC Product Identifier Transmission (%d "
           "cases), seed %llu\n",
           CASES, (unsigned long long)test_label_seed());
    static const char *const prefixes[] = {"http://www.", "https://www.", "http://", "https://"};
    struct test_label *w = test_label_new(test_label_seed() + 31);
    test_label_ready(w);
    assert_int_equal(w->nfc.size, 3); /* empty before */
    for (int i = 1; i <= CASES; i++) {
        char uri[SHELF_URL_BYTES_MAX + 20];
        test_label_price(w, 2 * i);
        snprintf(w->display.url, sizeof w->display.url, "%s%c.example/%s",
                 prefixes[rng_below(&w->rng, 4)], (char)('a' + rng_below(&w->rng, 26)),
                 w->display.product_id);
        w->display.display.url = span_text(w->display.url, sizeof w->display.url);
        test_label_price_is(w, 2 * i + 1, 777);
        test_label_send_display(w);
        test_label_run(w, 10);
        assert_shows(w, &w->display.display);
        read_uri(span_of(w->nfc.message, w->nfc.size), uri, sizeof uri);
        assert_string_equal(uri, w->display.url);
        assert_non_null(strstr(uri, w->display.product_id));
    }
    test_label_free(w);
}

static void writes_the_tag_for_another_page_only(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(10);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 10);
    unsigned writes = w->nfc.writes;
    test_label_price_is(w, 2, 4200);
    test_label_send_display(w);
    test_label_run(w, 10);
    assert_int_equal(w->nfc.writes, writes);
    assert_true(test_label_boot(w));
    test_label_run(w, 1000);
    assert_int_equal(w->nfc.writes, writes);
    w->nfc.broken = true;
    test_label_price(w, 3);
    test_label_send_display(w);
    test_label_run(w, 10);
    assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, NULL), 1);
    w->nfc.broken = false;
    test_label_run(w, LABEL_PANEL_RETRY_MS);
    assert_int_equal(w->nfc.writes, writes + 1);
    test_label_free(w);
}

/* --- the cache, and what outlives the power --- */

/* Feature: smartshelf-india, Property 41: Display Persistence During Offline */
static void shows_the_same_without_a_connection_and_after_a_restart(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 41: Display Persistence During Offline (%d cases), "
           "seed %llu\n",
           CASES, (unsigned long long)test_label_seed());
    struct test_label *w = test_label_new(test_label_seed() + 41);
    test_label_ready(w);
    for (int i = 1; i <= CASES; i++) {
        test_label_price(w, i);
        test_label_send_display(w);
        test_label_run(w, 10);
        unsigned refreshes = w->panel.refreshes;
        test_label_link_cut(w);
        test_label_run(w, (int64_t)rng_below(&w->rng, 3600000));
        if (rng_below(&w->rng, 2) == 0) {
            assert_true(test_label_boot(w));
            test_label_run(w, (int64_t)rng_below(&w->rng, 600000));
        }
        assert_shows(w, &w->display.display);
        assert_int_equal(w->panel.refreshes, refreshes);
        test_label_link_mend(w);
        test_label_run(w, 300000);
        assert_true(test_label_look(w).synced);
    }
    test_label_free(w);
}

static void keeps_the_last_ten_updates(void **state)
{
    (void)state;
    uint8_t texts[LABEL_CACHE_TEXTS_BYTES];
    struct shelf_display d;
    struct test_label *w = test_label_new(11);
    int64_t prices[25];
    test_label_ready(w);
    for (int i = 1; i < 25; i++) {
        test_label_price(w, i);
        prices[i] = w->display.display.price_minor;
        test_label_send_display(w);
        test_label_run(w, 10);
    }
    assert_true(test_label_boot(w));
    for (uint32_t back = 0; back < LABEL_CACHE_UPDATES; back++) {
        assert_int_equal(label_cache_read(&w->label.store.cache, back, texts, &d), RES_OK);
        assert_int_equal(d.version, 24 - back);
        assert_int_equal(d.price_minor, prices[24 - back]);
    }
    test_label_free(w);
}

static void mends_a_flipped_bit_of_what_it_keeps(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(12);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 10);
    uint64_t bits = flash_sim_bits(w->flash);
    for (int i = 0; i < 1000; i++) {
        uint64_t bit = rng_below(&w->rng, bits);
        flash_sim_flip(w->flash, bit);
        unsigned refreshes = w->panel.refreshes;
        w->down = true;
        assert_true(test_label_boot(w));
        test_label_run(w, 10);
        assert_shows(w, &w->display.display);
        assert_true(w->panel.refreshes <= refreshes + 1);
        flash_sim_flip(w->flash, bit);
    }
    test_label_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_its_own_screen_until_it_is_told_something),
        cmocka_unit_test(acknowledges_each_update_with_what_it_shows),
        cmocka_unit_test(refreshes_for_another_digest_only),
        cmocka_unit_test(acknowledges_a_repeated_update_again_without_a_refresh),
        cmocka_unit_test(keeps_the_least_time_between_two_refreshes),
        cmocka_unit_test(draws_again_when_the_panel_did_not_answer),
        cmocka_unit_test(draws_again_on_a_panel_that_was_changed),
        cmocka_unit_test(refuses_what_the_platform_did_not_sign),
        cmocka_unit_test(refuses_what_is_for_another_label),
        cmocka_unit_test(refuses_what_is_older_or_says_another_digest),
        cmocka_unit_test(refuses_what_cannot_be_read),
        cmocka_unit_test(tells_of_refusals_now_and_then_only),
        cmocka_unit_test(carries_the_products_page_on_its_tag),
        cmocka_unit_test(writes_the_tag_for_another_page_only),
        cmocka_unit_test(shows_the_same_without_a_connection_and_after_a_restart),
        cmocka_unit_test(keeps_the_last_ten_updates),
        cmocka_unit_test(mends_a_flipped_bit_of_what_it_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
