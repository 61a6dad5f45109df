/* What platform and label say to each other, both ways, and refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shelf.h"
#include "shelf_sample.h"
#include "shelf_table.h"

#define ROUNDS 400
#define FLIPS  6

static _Alignas(16) uint8_t rooms[3][SHELF_SAMPLE_BYTES];
static uint8_t text[2 * SHELF_DOWN_BYTES_MAX];
static uint8_t text_again[2 * SHELF_DOWN_BYTES_MAX];

static struct rng seeded(void)
{
    const char *words = getenv("ENDCAP_SEED");
    uint64_t seed = words != NULL ? strtoull(words, NULL, 10) : 20261121;
    struct rng r;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&r, seed);
    return r;
}

static struct span encode(const struct shelf_sample *m, uint8_t *to, size_t room)
{
    struct sink s;
    sink_init(&s, to, room);
    shelf_sample_encode(m, &s);
    assert_false(s.overflow);
    return sink_span(&s);
}

static struct span random_message(struct rng *r, enum shelf_topic t, struct shelf_sample *ret)
{
    struct arena a;
    arena_init(&a, rooms[0], sizeof rooms[0]);
    shelf_sample_random(r, t, &a, ret);
    return encode(ret, text, sizeof text);
}

static enum res decode(enum shelf_topic t, struct span payload, struct shelf_sample *ret,
                       struct shelf_detail *detail)
{
    struct arena a;
    arena_init(&a, rooms[1], sizeof rooms[1]);
    *detail = (struct shelf_detail){"", ""};
    return shelf_sample_decode(t, payload, &a, ret, detail);
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (int round = 0; round < ROUNDS; round++) {
        for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
            struct shelf_sample sent;
            struct shelf_sample got;
            struct shelf_detail detail;
            struct span payload = random_message(&r, t, &sent);
            if (decode(t, payload, &got, &detail) != RES_OK) {
                fail_msg("round %d: %s %s in %.*s", round, detail.field, detail.rule,
                         (int)payload.size, (const char *)payload.data);
            }
            if (!shelf_sample_equal(&sent, &got)) {
                fail_msg("round %d: not the same: %.*s", round, (int)payload.size,
                         (const char *)payload.data);
            }
            struct span again = encode(&got, text_again, sizeof text_again);
            assert_true(span_equal(payload, again));
        }
    }
}

static void every_flipped_bit_is_refused_by_name_or_another_valid_message(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (int round = 0; round < FLIPS; round++) {
        for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
            struct shelf_sample sent;
            struct shelf_sample got;
            struct shelf_detail detail;
            struct span payload = random_message(&r, t, &sent);
            for (size_t bit = 0; bit < payload.size * 8; bit++) {
                text[bit / 8] ^= (uint8_t)(1u << bit % 8);
                enum res res = decode(t, payload, &got, &detail);
                text[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_true(res == RES_OK || (res == RES_INVALID && detail.field[0] != '\0'));
                if (res == RES_OK) {
                    (void)encode(&got, text_again, sizeof text_again);
                }
            }
        }
    }
}

static void every_message_cut_short_is_refused(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        struct shelf_sample sent;
        struct shelf_sample got;
        struct shelf_detail detail;
        struct span payload = random_message(&r, t, &sent);
        for (size_t size = 0; size < payload.size; size++) {
            assert_int_equal(decode(t, span_of(payload.data, size), &got, &detail), RES_INVALID);
            assert_true(detail.field[0] != 0);
        }
    }
}

/* A random message with every optional member in it. */
static struct span full_message(struct rng *r, enum shelf_topic t, struct shelf_sample *ret)
{
    struct span longest = SPAN_NONE;
    for (int i = 0; i < 200; i++) {
        struct shelf_sample one;
        uint64_t before = r->state;
        struct span payload = random_message(r, t, &one);
        if (payload.size > longest.size) {
            longest = payload;
            uint64_t after = r->state;
            r->state = before;
            (void)random_message(r, t, ret);
            memcpy(text_again, text, payload.size);
            r->state = after;
        }
    }
    memcpy(text, text_again, longest.size);
    return span_of(text, longest.size);
}

struct edit {
    const char *from; /* text to be replaced, the first that is there */
    const char *to;
    const char *field; /* that must be named */
};

static void edited_is_refused(enum shelf_topic t, const char *json, const struct edit *edit)
{
    char edited[SHELF_DOWN_BYTES_MAX];
    struct shelf_sample got;
    struct shelf_detail detail;
    const char *at = strstr(json, edit->from);
    if (at == NULL) {
        fail_msg("%s is not in %s", edit->from, json);
        return;
    }
    int size = snprintf(edited, sizeof edited, "%.*s%s%s", (int)(at - json), json, edit->to,
                        at + strlen(edit->from));
    enum res r = decode(t, span_of(edited, (size_t)size), &got, &detail);
    if (r != RES_INVALID || strcmp(detail.field, edit->field) != 0) {
        fail_msg("%s -> %s: %s, %s %s; wanted %s", edit->from, edit->to, res_name(r), detail.field,
                 detail.rule, edit->field);
    }
}

#define DISPLAY                                                                                    \
    "{\"deviceId\": \"ESP32-AB12CD\", \"updateId\": \"0f8fad5b-d9cb-469f-a165-70867728950e\","     \
    " \"version\": 3, \"template\": \"sale\", \"language\": \"hi\", \"productId\": \"PROD-1\","    \
    " \"displayText\": {\"hi\": \"दूध\", \"en\": \"Milk\"}, \"price\": 65.00,"               \
    " \"regularPrice\": 68, \"mrp\": 70.5, \"currency\": \"INR\", \"unit\": \"kg\","               \
    " \"isFlashSale\": true, \"url\": \"https://endcap.local/p/1\","                               \
    " \"timestamp\": \"2026-11-21T10:00:00.000Z\", \"digest\":"                                    \
    " \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"

static void refuses_a_display_by_the_field_that_is_wrong(void **state)
{
    (void)state;
    static const struct edit edits[] = {
        {"ESP32-AB12CD", "ESP32-AB", "deviceId"},
        {"ESP32-AB12CD", "ESP32-ab12cd", "deviceId"},
        {"0f8fad5b-", "0F8FAD5B-", "updateId"},
        {"\"version\": 3", "\"version\": 0", "version"},
        {"\"version\": 3", "\"version\": 3.0", "version"},
        {"\"version\": 3", "\"version\": 9007199254740992", "version"},
        {"\"version\": 3", "\"version\": \"3\"", "version"},
        {"\"sale\"", "\"Sale\"", "template"},
        {"\"hi\"", "\"fr\"", "language"},
        {"PROD-1", "PROD 1", "productId"},
        {"\"PROD-1\"", "\"\"", "productId"},
        {"\"PROD-1\"", "null", "productId"},
        {"दूध", "\\u0007", "displayText.hi"},
        {"\"Milk\"", "7", "displayText.en"},
        {", \"en\": \"Milk\"", "", "displayText.en"},
        {"{\"hi\": \"दूध\", \"en\": \"Milk\"}", "\"Milk\"", "displayText"},
        {"65.00", "65.001", "price"},
        {"65.00", "-65.00", "price"},
        {"65.00", "0", "price"},
        {"65.00", "6.5e1", "price"},
        {"65.00", "1000000", "price"},
        {"65.00", "70.51", "price"}, /* above the MRP */
        {" \"price\": 65.00,", "", "price"},
        {"\"regularPrice\": 68", "\"regularPrice\": 0", "regularPrice"},
        {"70.5", "70.555", "mrp"},
        {"INR", "inr", "currency"},
        {"INR", "RUPEE", "currency"},
        {"\"kg\"", "\"lb\"", "unit"},
        {"true", "1", "isFlashSale"},
        {"true", "false", "isFlashSale"},
        {"https:", "ftp:", "url"},
        {"p/1", "p/ 1", "url"},
        {"10:00:00.000Z", "10:00:00Z", "timestamp"},
        {"2026-11-21T", "2026-02-30T", "timestamp"},
        {"0123456789abcdef\"", "0123456789abcdeF\"", "digest"},
        {"0123456789abcdef\"", "0123456789abcde\"", "digest"},
        {"\"isFlashSale\"", "\"flashSale\"", "isFlashSale"},
        {"\"mrp\"", "\"price\"", "payload"}, /* twice */
        {"\"mrp\"", "mrp", "payload"},
        {"}", "", "payload"},
    };
    struct shelf_sample got;
    struct shelf_detail detail;
    assert_int_equal(decode(SHELF_PRICE_UPDATE, SPAN_LIT(DISPLAY), &got, &detail), RES_OK);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        edited_is_refused(SHELF_PRICE_UPDATE, DISPLAY, &edits[i]);
    }
}

#define STATUS                                                                                     \
    "{\"deviceId\": \"ESP32-AB12CD\", \"epoch\": 2, \"counter\": 17, \"reason\": \"sleep\","       \
    " \"batteryLevel\": 85, \"signalStrength\": -61, \"displayType\": \"eink\","                   \
    " \"firmwareVersion\": \"1.2.3\", \"lastUpdate\": \"2026-11-21T10:00:00.000Z\","               \
    " \"sleepSeconds\": 300, \"shown\": {\"version\": 3, \"digest\":"                              \
    " \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", \"price\": 65},"       \
    " \"gap\": {\"from\": 3, \"to\": 5}}"
#define ACK                                                                                        \
    "{\"deviceId\": \"ESP32-AB12CD\", \"epoch\": 2, \"counter\": 17, \"kind\": \"display\","       \
    " \"status\": \"displayed\", \"updateId\": \"0f8fad5b-d9cb-469f-a165-70867728950e\","          \
    " \"version\": 3, \"digest\":"                                                                 \
    " \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"
#define FLASH                                                                                      \
    "{\"deviceId\": \"ESP32-AB12CD\", \"updateId\": \"0f8fad5b-d9cb-469f-a165-70867728950e\","     \
    " \"version\": 1, \"flashPattern\": \"pulse\", \"duration\": 30,"                              \
    " \"expires\": \"2026-11-21T10:01:00.000Z\", \"timestamp\": \"2026-11-21T10:00:00.000Z\"}"
#define STATE                                                                                      \
    "{\"deviceId\": \"ESP32-AB12CD\", \"version\": 9, \"timestamp\":"                              \
    " \"2026-11-21T10:00:00.000Z\", \"display\": " DISPLAY ", \"certificate\": {\"number\": 2,"    \
    " \"der\": \"AAECAw==\"}, \"events\": {\"epoch\": 2, \"through\": 40}}"

static void refuses_every_other_message_by_the_field_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        enum shelf_topic topic;
        const char *json;
        struct edit edit;
    } cases[] = {
        {SHELF_STATUS, STATUS, {"\"batteryLevel\": 85", "\"batteryLevel\": 101", "batteryLevel"}},
        {SHELF_STATUS, STATUS, {"-61", "1", "signalStrength"}},
        {SHELF_STATUS, STATUS, {"eink", "lcd", "displayType"}},
        {SHELF_STATUS, STATUS, {"1.2.3", "1 2 3", "firmwareVersion"}},
        {SHELF_STATUS, STATUS, {"\"epoch\": 2, ", "", "epoch"}},
        {SHELF_STATUS, STATUS, {"\"counter\": 17, ", "", "counter"}},
        {SHELF_STATUS, STATUS, {"\"sleep\"", "\"wake\"", "sleepSeconds"}},
        {SHELF_STATUS, STATUS, {" \"sleepSeconds\": 300,", "", "sleepSeconds"}},
        {SHELF_STATUS, STATUS, {"\"shown\": {\"version\": 3, ", "\"shown\": {", "shown.version"}},
        {SHELF_STATUS, STATUS, {"\"price\": 65", "\"price\": 65.123", "shown.price"}},
        {SHELF_STATUS, STATUS, {"\"to\": 5", "\"to\": 2", "gap.to"}},
        {SHELF_STATUS, STATUS, {"\"from\": 3, ", "", "gap.from"}},
        {SHELF_ACK, ACK, {"\"display\"", "\"config\"", "status"}},
        {SHELF_ACK, ACK, {"displayed", "applied", "status"}},
        {SHELF_ACK, ACK, {"displayed", "refused", "why"}},
        {SHELF_ACK, ACK, {"\"version\": 3", "\"why\": \"x\"", "why"}},
        {SHELF_ACK, ACK, {"\"version\": 3,", "", "version"}},
        {SHELF_ACK, ACK, {"\"digest\"", "\"hash\"", "digest"}},
        {SHELF_ACK, ACK, {"\"updateId\"", "\"id\"", "updateId"}},
        {SHELF_FLASH_COMMAND, FLASH, {"pulse", "stop", "duration"}},
        {SHELF_FLASH_COMMAND, FLASH, {"\"duration\": 30,", "", "duration"}},
        {SHELF_FLASH_COMMAND, FLASH, {"30", "601", "duration"}},
        {SHELF_GET_ACCEPTED, STATE, {"ESP32-AB12CD", "ESP32-XXXXXX", "deviceId"}},
        {SHELF_GET_ACCEPTED, STATE, {"65.00", "70.51", "price"}},
        {SHELF_GET_ACCEPTED, STATE, {"AAECAw==", "AAECA===", "certificate.der"}},
        {SHELF_GET_ACCEPTED, STATE, {"AAECAw==", "AAECAw=", "certificate.der"}},
        {SHELF_GET_ACCEPTED, STATE, {"AAECAw==", "AA=CAw==", "certificate.der"}},
        {SHELF_GET_ACCEPTED,
         STATE,
         {"\"events\": {\"epoch\": 2, ", "\"events\": {", "events.epoch"}},
        {SHELF_GET, "{\"deviceId\": \"ESP32-AB1\"}", {"ESP32", "ESP33", "deviceId"}},
        {SHELF_REPORT,
         "{\"deviceId\": \"ESP32-AB1\", \"location\": {\"aisle\": \"3\"}}",
         {"\"3\"", "\"\"", "location.aisle"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shelf_sample got;
        struct shelf_detail detail;
        struct span whole = span_text(cases[i].json, SHELF_DOWN_BYTES_MAX);
        assert_int_equal(decode(cases[i].topic, whole, &got, &detail), RES_OK);
        edited_is_refused(cases[i].topic, cases[i].json, &cases[i].edit);
    }
}

static void every_required_field_that_is_missing_is_named(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        const struct shelf_fields *fields = shelf_table_message(t)->fields;
        struct shelf_sample sent;
        struct span payload = full_message(&r, t, &sent);
        char json[SHELF_DOWN_BYTES_MAX];
        assert_int_equal(span_copy_text(payload, json, sizeof json), RES_OK);
        for (size_t i = 0; i < fields->count; i++) {
            const struct shelf_field *f = &fields->fields[i];
            char from[64];
            if (f->required) {
                (void)snprintf(from, sizeof from, "\"%s\":", shelf_field_name(f));
                edited_is_refused(t, json, &(struct edit){from, "\"unknown\":", f->path});
            }
        }
    }
}

static void tolerates_what_a_newer_sender_says(void **state)
{
    (void)state;
    struct shelf_sample got;
    struct shelf_detail detail;
    struct span more = SPAN_LIT("{\"later\": {\"x\": [1, {\"price\": null}]}, \"device\\u0049d\": "
                                "\"ESP32-AB1\", \"version\": 4, \"mood\": \"fine\"}");
    assert_int_equal(decode(SHELF_GET, more, &got, &detail), RES_OK);
    assert_true(span_equal(got.get.device_id, SPAN_LIT("ESP32-AB1")));
    assert_int_equal(got.get.shadow_version, 4);
}

/* The label document's own Device Status Message, nothing added. */
static void takes_the_documents_own_status(void **state)
{
    (void)state;
    struct shelf_sample got;
    struct shelf_detail detail;
    struct span status = SPAN_LIT("{\"deviceId\": \"ESP32-001\", \"batteryLevel\": 85, "
                                  "\"signalStrength\": -50, \"displayType\": \"eink\", "
                                  "\"firmwareVersion\": \"1.2.3\", "
                                  "\"lastUpdate\": \"2026-11-21T10:00:00.000Z\"}");
    assert_int_equal(decode(SHELF_STATUS, status, &got, &detail), RES_OK);
    assert_int_equal(got.status.reason, SHELF_INTERVAL);
    assert_int_equal(got.status.counter, 0);
    assert_int_equal(got.status.battery_pct, 85);
    assert_false(got.status.shows);
}

static void an_english_name_stands_in_for_a_translation(void **state)
{
    (void)state;
    struct shelf_sample got;
    struct shelf_detail detail;
    char json[] = DISPLAY;
    assert_int_equal(decode(SHELF_PRICE_UPDATE, SPAN_LIT(DISPLAY), &got, &detail), RES_OK);
    assert_true(span_equal(got.display.name, SPAN_LIT("दूध")));
    memcpy(strstr(json, "\"hi\": \"दूध\""), "\"mr\"", 4); /* a text in another language */
    assert_int_equal(decode(SHELF_PRICE_UPDATE, span_text(json, sizeof json), &got, &detail),
                     RES_OK);
    assert_true(span_equal(got.display.name, SPAN_LIT("Milk")));
}

static void nothing_is_written_on_refusal(void **state)
{
    (void)state;
    struct shelf_display before;
    struct shelf_display d;
    struct shelf_detail detail;
    struct arena a;
    memset(&before, 0x5a, sizeof before);
    memcpy(&d, &before, sizeof d);
    arena_init(&a, rooms[1], sizeof rooms[1]);
    assert_int_equal(shelf_display_decode(SPAN_LIT("{\"version\": 3}"), &a, &d, &detail),
                     RES_INVALID);
    assert_memory_equal(&d, &before, sizeof d);
}

static void says_when_a_message_or_its_texts_are_too_long(void **state)
{
    (void)state;
    struct shelf_get get;
    struct shelf_display d;
    struct shelf_detail detail;
    struct arena a;
    arena_init(&a, rooms[1], sizeof rooms[1]);
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"deviceId\":\"ESP32-AB1\"}", 24);
    assert_int_equal(shelf_get_decode(span_of(text, SHELF_UP_BYTES_MAX), &a, &get, &detail),
                     RES_OK);
    assert_int_equal(shelf_get_decode(span_of(text, SHELF_UP_BYTES_MAX + 1), &a, &get, &detail),
                     RES_LIMIT);
    char json[SHELF_DOWN_BYTES_MAX];
    (void)snprintf(json, sizeof json, "%s", DISPLAY);
    memcpy(strstr(json, "Milk"), "Mi\\\\", 4);
    arena_init(&a, rooms[1], 2);
    assert_int_equal(shelf_display_decode(span_text(json, sizeof json), &a, &d, &detail), RES_FULL);
    assert_string_equal(detail.field, "displayText.en");
}

static void topics_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "",
        "smartshelf/",
        "smartshelf/ESP32-AB12CD",
        "smartshelf/ESP32-AB12CD/",
        "smartshelf/ESP32-AB12CD/price",
        "smartshelf/ESP32-AB12CD/price/update/",
        "smartshelf/ESP32-AB12CD/shadow/get/accepted/x",
        "smartshelf//status",
        "smartshelf/ESP32-+/status",
        "smartshelf/ESP32-AB/status",
        "smartshelf/ESP32-ABCDEFGHIJKLM/status",
        "smartshelf/CART-0042/status",
        "cart/ESP32-AB12CD/status",
        "Smartshelf/ESP32-AB12CD/status",
    };
    struct span id;
    enum shelf_topic read;
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        char topic[SHELF_TOPIC_BYTES];
        shelf_topic_write(SPAN_LIT("ESP32-ABCDEFGHIJKL"), t, topic);
        assert_int_equal(shelf_topic_read(span_text(topic, sizeof topic), &id, &read), RES_OK);
        assert_true(span_equal(id, SPAN_LIT("ESP32-ABCDEFGHIJKL")));
        assert_int_equal(read, t);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_int_equal(shelf_topic_read(span_text(foreign[i], 100), &id, &read), RES_INVALID);
    }
}

static struct span canonical(const struct shelf_display *d, char room[SHELF_CANONICAL_BYTES])
{
    struct sink s;
    sink_init(&s, room, SHELF_CANONICAL_BYTES);
    shelf_display_canonical(d, &s);
    assert_false(s.overflow);
    return sink_span(&s);
}

static void the_canonical_text_is_of_the_content_and_nothing_else(void **state)
{
    (void)state;
    char one[SHELF_CANONICAL_BYTES];
    char two[SHELF_CANONICAL_BYTES];
    struct shelf_sample got;
    struct shelf_detail detail;
    assert_int_equal(decode(SHELF_PRICE_UPDATE, SPAN_LIT(DISPLAY), &got, &detail), RES_OK);
    struct span whole = canonical(&got.display, one);
    assert_true(span_equal(whole, SPAN_LIT("endcap-label-1\nsale\nhi\nPROD-1\nदूध\n65.00\n68.00\n"
                                           "70.50\nINR\nkg\nsale\nhttps://endcap.local/p/1\n")));
    struct shelf_display d = got.display;
    d.update_id = SPAN_LIT("x");
    d.version++;
    d.timestamp_ms++;
    d.digest[0]++;
    d.name_en = SPAN_LIT("Cow's milk"); /* not on the screen */
    assert_true(span_equal(whole, canonical(&d, two)));
    for (int i = 0; i < 11; i++) {
        d = got.display;
        d.template = i == 0 ? SHELF_STANDARD : d.template;
        d.language = i == 1 ? SHELF_MR : d.language;
        d.product_id = i == 2 ? SPAN_LIT("P") : d.product_id;
        d.name = i == 3 ? SPAN_LIT("P") : d.name;
        d.price_minor += i == 4;
        d.regular_minor += i == 5;
        d.mrp_minor += i == 6;
        d.currency[0] = i == 7 ? 'X' : d.currency[0];
        d.per_kg = i == 8 ? false : d.per_kg;
        d.is_flash_sale = i == 9 ? false : d.is_flash_sale;
        d.url = i == 10 ? SPAN_NONE : d.url;
        assert_false(span_equal(whole, canonical(&d, two)));
    }
}

static void a_state_made_of_ready_parts_is_the_same_state(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (int round = 0; round < ROUNDS; round++) {
        struct shelf_sample sent;
        struct shelf_sample got;
        struct shelf_detail detail;
        struct shelf_ready ready = {SPAN_NONE, SPAN_NONE, SPAN_NONE};
        struct sink s;
        static uint8_t parts[2][SHELF_DOWN_BYTES_MAX];
        (void)random_message(&r, SHELF_GET_ACCEPTED, &sent);
        struct shelf_state bare = sent.state;
        if (sent.state.has_display && rng_below(&r, 2) == 0) {
            sink_init(&s, parts[0], sizeof parts[0]);
            shelf_display_encode(&sent.state.display, &s);
            ready.display = sink_span(&s);
            bare.has_display = false;
        }
        if (sent.state.has_config && rng_below(&r, 2) == 0) {
            sink_init(&s, parts[1], sizeof parts[1]);
            shelf_config_encode(&sent.state.config, &s);
            ready.config = sink_span(&s);
        }
        sink_init(&s, text, sizeof text);
        shelf_state_encode_ready(&bare, &ready, &s);
        assert_int_equal(decode(SHELF_GET_ACCEPTED, sink_span(&s), &got, &detail), RES_OK);
        assert_true(shelf_sample_equal(&sent, &got));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_decodes_to_the_same),
        cmocka_unit_test(every_flipped_bit_is_refused_by_name_or_another_valid_message),
        cmocka_unit_test(every_message_cut_short_is_refused),
        cmocka_unit_test(refuses_a_display_by_the_field_that_is_wrong),
        cmocka_unit_test(refuses_every_other_message_by_the_field_that_is_wrong),
        cmocka_unit_test(every_required_field_that_is_missing_is_named),
        cmocka_unit_test(tolerates_what_a_newer_sender_says),
        cmocka_unit_test(takes_the_documents_own_status),
        cmocka_unit_test(an_english_name_stands_in_for_a_translation),
        cmocka_unit_test(nothing_is_written_on_refusal),
        cmocka_unit_test(says_when_a_message_or_its_texts_are_too_long),
        cmocka_unit_test(topics_are_read_as_they_are_written),
        cmocka_unit_test(the_canonical_text_is_of_the_content_and_nothing_else),
        cmocka_unit_test(a_state_made_of_ready_parts_is_the_same_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
