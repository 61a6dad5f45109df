/* What a batch says about one label, folded into one change; and what the broker says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "label_fold.h"

static struct label_device device = {.id = "ESP32-AB12CD", .id_size = 12};
static struct label_fold fold;

static int fresh(void **state)
{
    (void)state;
    label_stream_init(&device.stream, 1, 0);
    label_fold_init(&fold, &device);
    return 0;
}

static struct shelf_status status_of(int64_t counter, int32_t battery_pct)
{
    return (struct shelf_status){.epoch = 1,
                                 .counter = counter,
                                 .reason = SHELF_INTERVAL,
                                 .battery_pct = battery_pct,
                                 .firmware = SPAN_LIT("1.0.0")};
}

static struct shelf_ack ack_of(int64_t counter, int64_t version)
{
    return (struct shelf_ack){.epoch = 1,
                              .counter = counter,
                              .kind = SHELF_ACK_DISPLAY,
                              .status = SHELF_DISPLAYED,
                              .version = version,
                              .price_minor = 100 * version};
}

static void the_newest_status_counts_in_whatever_order(void **state)
{
    (void)state;
    struct shelf_status newer = status_of(5, 50);
    struct shelf_status older = status_of(4, 90);
    struct shelf_status live = status_of(0, 20); /* no event: as new as it looks */
    label_fold_status(&fold, &newer, 1000);
    label_fold_status(&fold, &older, 2000);
    assert_int_equal(fold.status->battery_pct, 50);
    label_fold_status(&fold, &live, 3000);
    assert_int_equal(fold.status->battery_pct, 20);
}

static void the_newest_picture_counts_from_ack_or_status(void **state)
{
    (void)state;
    struct shelf_ack newer = ack_of(7, 3);
    struct shelf_ack older = ack_of(6, 2);
    newer.refreshed = true;
    newer.time_ms = 500;
    label_fold_ack(&fold, &newer, 1000);
    label_fold_ack(&fold, &older, 2000);
    assert_int_equal(fold.shown.version, 3);
    assert_int_equal(fold.shown.refreshed_ms, 500);
    struct shelf_status blank = status_of(8, 50); /* shows nothing */
    label_fold_status(&fold, &blank, 3000);
    assert_true(fold.shown.said);
    assert_int_equal(fold.shown.version, 0);
    struct shelf_ack refused = ack_of(9, 4);
    refused.status = SHELF_REFUSED;
    label_fold_ack(&fold, &refused, 4000);
    assert_int_equal(fold.shown.version, 0);
}

static void a_labels_clock_is_believed_in_the_past_only(void **state)
{
    (void)state;
    struct shelf_ack ahead = ack_of(1, 1);
    ahead.refreshed = true;
    ahead.time_ms = 99999;
    label_fold_ack(&fold, &ahead, 1000);
    assert_int_equal(fold.shown.refreshed_ms, 1000);
}

static void presence_goes_by_the_brokers_time(void **state)
{
    (void)state;
    const struct label_presence up = {.online = true, .at_ms = 200, .serial = SPAN_LIT("0A")};
    const struct label_presence down = {.online = false, .at_ms = 100};
    const struct label_presence later = {.online = false, .at_ms = 300};
    label_fold_presence(&fold, &up);
    label_fold_presence(&fold, &down);
    assert_int_equal(fold.link, LABEL_LINK_UP);
    assert_true(span_equal(fold.serial, SPAN_LIT("0A")));
    label_fold_presence(&fold, &later);
    assert_int_equal(fold.link, LABEL_LINK_DOWN);
    label_fold_seen(&fold, 1000);
    assert_int_equal(fold.link, LABEL_LINK_UP);
}

static void announced_sleep_ends_with_the_next_word(void **state)
{
    (void)state;
    struct shelf_status sleep = status_of(1, 50);
    sleep.reason = SHELF_SLEEP;
    sleep.sleep_s = 60;
    label_fold_seen(&fold, 1000);
    label_fold_status(&fold, &sleep, 1000);
    assert_int_equal(fold.link, LABEL_LINK_DOWN);
    assert_int_equal(fold.asleep_until_ms, 61000);
    label_fold_seen(&fold, 2000);
    assert_int_equal(fold.asleep_until_ms, 0);
}

static void reports_of_a_batch_are_one(void **state)
{
    (void)state;
    const struct shelf_report place = {.aisle = SPAN_LIT("A1"), .shelf = SPAN_LIT("2")};
    const struct shelf_report renewal = {.certificate_number = 2, .csr = SPAN_LIT("QQ==")};
    label_fold_report(&fold, &place);
    label_fold_report(&fold, &renewal);
    assert_true(span_equal(fold.report.aisle, SPAN_LIT("A1")));
    assert_int_equal(fold.report.certificate_number, 2);
    assert_true(span_equal(fold.report.csr, SPAN_LIT("QQ==")));
}

static enum res decode(const char *text, struct label_presence *ret)
{
    return label_presence_decode(span_of(text, strlen(text)), ret);
}

static void reads_what_the_broker_says_and_nothing_else(void **state)
{
    (void)state;
    struct label_presence p;
    assert_int_equal(decode("{\"online\":true,\"at\":12,\"serial\":\"0A1B\"}", &p), RES_OK);
    assert_true(p.online && p.at_ms == 12 && span_equal(p.serial, SPAN_LIT("0A1B")));
    assert_int_equal(decode("{\"online\":false,\"at\":12,\"new\":[1]}", &p), RES_OK);
    assert_false(p.online);
    assert_int_equal(decode("{\"started\":1,\"counted\":2}", &p), RES_OK);
    assert_int_equal(p.counted_ms, 2);
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{\"online\":1}",
                                        "{\"at\":\"12\"}",
                                        "{\"at\":-1}",
                                        "{\"online\":true,\"serial\":\"0a\"}",
                                        "{\"online\":true,\"serial\":5}",
                                        "{\"online\":true}x",
                                        "{\"online\":true,\"online\":false}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(decode(wrong[i], &p), RES_INVALID);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_status_counts_in_whatever_order),
        TEST(the_newest_picture_counts_from_ack_or_status),
        TEST(a_labels_clock_is_believed_in_the_past_only),
        TEST(presence_goes_by_the_brokers_time),
        TEST(announced_sleep_ends_with_the_next_word),
        TEST(reports_of_a_batch_are_one),
        TEST(reads_what_the_broker_says_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
