/* What the tables themselves refuse, each seen refusing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pg_fixture.h"

static struct pg_fixture fixture;
static struct pg_conn *super;

struct attempt {
    const char *sql;
    enum res expected;
    const char *constraint; /* NULL: any */
};

/* Every attempt starts from the same state and leaves none. */
static void try_all(const struct attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err why = {""};
        pg_fixture_sql(super, "BEGIN");
        enum res r = pg_conn_command(super, attempts[i].sql, &why);
        if (r != attempts[i].expected) {
            fail_msg("%s\nanswered %s (%s)", attempts[i].sql, res_name(r), why.text);
        }
        if (attempts[i].constraint != NULL &&
            strcmp(pg_conn_constraint(super), attempts[i].constraint) != 0) {
            fail_msg("%s\nwas refused by %s", attempts[i].sql, pg_conn_constraint(super));
        }
        pg_fixture_sql(super, "ROLLBACK");
    }
}
#define TRY(attempts) try_all(attempts, sizeof(attempts) / sizeof(attempts)[0])

#define SESSION                                                                                    \
    "INSERT INTO session (session_id, cart_id, store_id, epoch, start_counter, "                   \
    "last_counter, status, started_at"
#define OPEN                                                                                       \
    SESSION ") VALUES ('CART-AAAA.1.5', 'CART-AAAA', 'STORE-ONE', 1, 5, 5, 'active', now());"
#define ENDED                                                                                      \
    SESSION ", ended_at) VALUES ('CART-AAAA.1.5', 'CART-AAAA', 'STORE-ONE', 1, 5, 9, 'complete', " \
            "now(), now());"

static void a_cart_has_one_open_session(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {OPEN, RES_OK, NULL},
        {OPEN SESSION
         ") VALUES ('CART-AAAA.1.7', 'CART-AAAA', 'STORE-ONE', 1, 7, 7, 'paused', now())",
         RES_CONFLICT, "session_one_open_per_cart"},
        {OPEN "UPDATE session SET status = 'complete', ended_at = now();" SESSION
              ") VALUES ('CART-AAAA.1.7', 'CART-AAAA', 'STORE-ONE', 1, 7, 7, 'active', now())",
         RES_OK, NULL},
        {OPEN SESSION
         ") VALUES ('CART-BBBB.1.5', 'CART-BBBB', 'STORE-ONE', 1, 5, 5, 'active', now())",
         RES_OK, NULL},
    };
    TRY(attempts);
}

static void an_ended_session_is_final(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {ENDED "UPDATE session SET status = 'active', ended_at = NULL", RES_INVALID,
         "session_terminal_is_final"},
        {ENDED "UPDATE session SET status = 'voided'", RES_INVALID, "session_terminal_is_final"},
        {ENDED "UPDATE session SET total_minor = 1", RES_INVALID, "session_terminal_is_final"},
        {ENDED "UPDATE session SET started_at = now() - interval '1 day'", RES_INVALID,
         "session_terminal_is_final"},
        {ENDED "UPDATE session SET store_id = 'STORE-TWO'", RES_INVALID,
         "session_terminal_is_final"},
        {ENDED "UPDATE session SET late_events = 1, reconcile_state = 'mismatch', "
               "reconcile_reasons = '{total}'",
         RES_OK, NULL},
    };
    TRY(attempts);
}

static void a_session_cannot_contradict_itself(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {SESSION ") VALUES ('CART-AAAA.1.6', 'CART-AAAA', 'STORE-ONE', 1, 5, 5, 'active', now())",
         RES_INVALID, "session_id_names_its_start"},
        {SESSION ") VALUES ('CART-AAAA.1.5', 'CART-AAAA', 'STORE-ONE', 1, 5, 5, 'complete', now())",
         RES_INVALID, "session_end"},
        {SESSION ") VALUES ('CART-AAAA.1.5', 'CART-AAAA', 'STORE-ONE', 1, 5, 5, 'gone', now())",
         RES_INVALID, "session_status_check"},
        {OPEN "UPDATE session SET hold_reason = 'staff'", RES_INVALID, "session_hold"},
        {OPEN "UPDATE session SET identity_method = 'loyalty'", RES_INVALID, "session_identity"},
        {OPEN "UPDATE session SET reconcile_state = 'reconciled'", RES_INVALID,
         "session_reconciled"},
        {ENDED "UPDATE session SET reconcile_state = 'mismatch'", RES_INVALID,
         "session_mismatch_has_reason"},
        {SESSION ") VALUES ('CART-XXXX.1.5', 'CART-XXXX', 'STORE-ONE', 1, 5, 5, 'active', now())",
         RES_INVALID, "session_cart_id_fkey"},
    };
    TRY(attempts);
}

#define PAYMENT                                                                                    \
    ENDED "INSERT INTO payment (session_id, store_id, token, amount_minor, currency, status, "     \
          "outcome, refuse_reason, counter, device_time) VALUES ('CART-AAAA.1.5', 'STORE-ONE', "

static void a_payment_is_one_token_never_a_card_and_never_altered(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {PAYMENT "'token-0123456789', 100, 'INR', 'approved', 'accepted', NULL, 9, now())", RES_OK,
         NULL},
        {PAYMENT "'token-0123456789', 100, 'INR', 'approved', 'accepted', NULL, 9, now());"
                 "UPDATE payment SET amount_minor = 1",
         RES_INVALID, NULL},
        {PAYMENT "'token-0123456789', 100, 'INR', 'approved', 'accepted', NULL, 9, now());"
                 "DELETE FROM payment",
         RES_INVALID, NULL},
        {PAYMENT "'short', 100, 'INR', 'approved', 'accepted', NULL, 9, now())", RES_INVALID,
         "payment_token_check"},
        {PAYMENT "'token-0123456789', -1, 'INR', 'approved', 'accepted', NULL, 9, now())",
         RES_INVALID, "payment_amount_minor_check"},
        {PAYMENT "'token-0123456789', 1, 'INR', 'declined', 'accepted', NULL, 9, now())",
         RES_INVALID, "payment_declined_is_refused"},
        {PAYMENT "'token-0123456789', 1, 'INR', 'approved', 'refused', NULL, 9, now())",
         RES_INVALID, "payment_reason"},
        {PAYMENT "'token-0123456789', 1, 'inr', 'approved', 'accepted', NULL, 9, now())",
         RES_INVALID, "currency_check"},
    };
    TRY(attempts);
}

#define ITEM                                                                                       \
    "INSERT INTO item (item_id, store_id, region, sku, gtin, name, category, price_minor, "        \
    "mrp_minor, currency) VALUES ('00000000-0000-0000-0000-00000000000"

static void a_price_is_never_above_the_mrp(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 100, 100, 'INR')",
         RES_OK, NULL},
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 101, 100, 'INR')",
         RES_INVALID, "item_price_at_most_mrp"},
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 0, 100, 'INR')",
         RES_INVALID, "price_minor_check"},
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"hi\":\"Pen\"}', 'x', 1, 100, 'INR')",
         RES_INVALID, "item_name_check"},
        {ITEM "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"P\",\"fr\":\"S\"}', 'x', "
              "1, 1, 'INR')",
         RES_INVALID, "item_name_check"},
        {ITEM "1', NULL, NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 1, 100, 'INR')",
         RES_INVALID, "item_place"},
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '4006381333931', '{\"en\":\"Pen\"}', 'x', 1, 100, 'INR')",
         RES_INVALID, "item_gtin_check"},
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 1, 1, 'INR');" ITEM
         "2', 'STORE-ONE', NULL, '2', '04006381333931', '{\"en\":\"Pen\"}', 'x', 1, 1, 'INR')",
         RES_CONFLICT, "item_by_store_gtin"},
        {ITEM
         "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 1, 1, 'INR');" ITEM
         "2', 'STORE-TWO', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 1, 1, 'INR');" ITEM
         "3', NULL, 'IN-MH', '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 1, 1, 'INR')",
         RES_OK, NULL},
    };
    TRY(attempts);
}

#define PRICE                                                                                      \
    ITEM "1', 'STORE-ONE', NULL, '1', '04006381333931', '{\"en\":\"Pen\"}', 'x', 90, 100, 'INR');" \
         "INSERT INTO price (item_id, store_id, version, price_minor, mrp_minor, currency, "       \
         "reason, "                                                                                \
         "changed_by) VALUES ('00000000-0000-0000-0000-000000000001', 'STORE-ONE', 1, "

static void the_price_book_is_history(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {PRICE "90, 100, 'INR', 'import', 'x'); UPDATE price SET valid_to = now()", RES_OK, NULL},
        {PRICE "101, 100, 'INR', 'import', 'x')", RES_INVALID, "price_at_most_mrp"},
        {PRICE "90, 100, 'INR', 'import', 'x'); UPDATE price SET price_minor = 80", RES_INVALID,
         NULL},
        {PRICE "90, 100, 'INR', 'import', 'x'); DELETE FROM price", RES_INVALID, NULL},
        {PRICE "90, 100, 'INR', 'import', 'x'); INSERT INTO price (item_id, store_id, version, "
               "price_minor, currency, reason, changed_by) VALUES "
               "('00000000-0000-0000-0000-000000000001', 'STORE-ONE', 2, 80, 'INR', 'manual', 'x')",
         RES_CONFLICT, "price_current"},
    };
    TRY(attempts);
}

#define CERTIFICATE                                                                                \
    "INSERT INTO device_certificate (serial, device_id, kind, store_id, subject, public_key, "     \
    "not_before, not_after) VALUES ("
#define KEY "decode('04' || repeat('ab', 64), 'hex'), now(), now() + interval '1 year')"

static void a_device_has_one_unrevoked_certificate(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {CERTIFICATE "'01', 'CART-AAAA', 'cart', 'STORE-ONE', 'a', " KEY, RES_OK, NULL},
        {CERTIFICATE "'01', 'CART-AAAA', 'cart', 'STORE-ONE', 'a', " KEY ";" CERTIFICATE
                     "'02', 'CART-AAAA', 'cart', 'STORE-ONE', 'b', " KEY,
         RES_CONFLICT, "device_certificate_current"},
        {CERTIFICATE "'01', 'CART-AAAA', 'cart', 'STORE-ONE', 'a', " KEY
                     "; UPDATE device_certificate SET revoked_at = now();" CERTIFICATE
                     "'02', 'CART-AAAA', 'cart', 'STORE-ONE', 'b', " KEY,
         RES_OK, NULL},
        {CERTIFICATE "'01', 'CART-AAAA', 'cart', 'STORE-ONE', 'a', " KEY ";" CERTIFICATE
                     "'02', 'CART-BBBB', 'cart', 'STORE-ONE', 'a', " KEY,
         RES_CONFLICT, "device_certificate_subject_key"},
        {CERTIFICATE "'01', 'ESP32-ABC123', 'cart', 'STORE-ONE', 'a', " KEY, RES_INVALID,
         "device_certificate_device"},
        {CERTIFICATE "'01', 'ESP32-ABC123', 'label', 'STORE-ONE', 'a', " KEY, RES_OK, NULL},
        {CERTIFICATE "'01', 'service:ingest', 'service', NULL, 'a', " KEY, RES_OK, NULL},
        {CERTIFICATE
         "'01', 'CART-AAAA', 'cart', 'STORE-ONE', 'a', 'short', now(), now() + interval "
         "'1 day')",
         RES_INVALID, "device_certificate_public_key_check"},
        {CERTIFICATE "'01', 'CART-AAAA', 'cart', 'STORE-ONE', 'a', " KEY
                     "; UPDATE device_certificate SET revoked_at = now();"
                     "UPDATE device_certificate SET revoked_at = NULL",
         RES_INVALID, NULL},
    };
    TRY(attempts);
}

static void figures_of_devices_stay_in_range(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {"UPDATE cart SET battery_pct = 100, signal_dbm = -127", RES_OK, NULL},
        {"UPDATE cart SET battery_pct = 101", RES_INVALID, "cart_battery_pct_check"},
        {"UPDATE cart SET battery_pct = -1", RES_INVALID, "cart_battery_pct_check"},
        {"UPDATE cart SET signal_dbm = 1", RES_INVALID, "cart_signal_dbm_check"},
        {"UPDATE cart SET x_cm = 1", RES_INVALID, NULL},
        {"UPDATE cart SET maintenance = 'repair', maintenance_at = now()", RES_INVALID, NULL},
        {"INSERT INTO cart (cart_id, store_id, serial) VALUES ('cart-1', 'STORE-ONE', 'x')",
         RES_INVALID, "cart_id_check"},
        {"INSERT INTO cart (cart_id, store_id, serial) VALUES ('CART-CCCC', 'STORE-ONE', "
         "'SN-CART-AAAA')",
         RES_CONFLICT, "cart_serial_key"},
        {"INSERT INTO label (label_id, store_id) VALUES ('ESP32-ABC123', 'STORE-ONE')", RES_OK,
         NULL},
        {"INSERT INTO label (label_id, store_id) VALUES ('ESP8266-ABC', 'STORE-ONE')", RES_INVALID,
         "label_id_check"},
        {"UPDATE store SET timezone = 'Mars/Olympus'", RES_INVALID, "store_timezone_check"},
        {"UPDATE store SET region = 'india'", RES_INVALID, "store_region_check"},
    };
    TRY(attempts);
}

#define STREAM                                                                                     \
    "INSERT INTO cart_stream (cart_id, epoch, watermark, store_id) VALUES ('CART-AAAA', 1, 10, "   \
    "'STORE-ONE');"

static void streams_and_commands_only_move_forward(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {STREAM "UPDATE cart_stream SET watermark = 11", RES_OK, NULL},
        {STREAM "UPDATE cart_stream SET watermark = 9", RES_INVALID, "cart_stream_only_rises"},
        {STREAM "UPDATE cart_stream SET above = decode(repeat('00', 129), 'hex')", RES_INVALID,
         "cart_stream_above_check"},
        {"INSERT INTO command (cart_id, number, store_id, kind, issued_by, expires_at) VALUES "
         "('CART-AAAA', 2, 'STORE-ONE', 'sleep', 'x', now() + interval '1 hour');"
         "INSERT INTO command (cart_id, number, store_id, kind, issued_by, expires_at) VALUES "
         "('CART-AAAA', 1, 'STORE-ONE', 'wake', 'x', now() + interval '1 hour')",
         RES_INVALID, "command_number_rises"},
        {"INSERT INTO command (cart_id, number, store_id, kind, issued_by, expires_at) VALUES "
         "('CART-AAAA', 2, 'STORE-ONE', 'dance', 'x', now() + interval '1 hour')",
         RES_INVALID, "command_kind_check"},
    };
    TRY(attempts);
}

#define ALERT(store)                                                                               \
    "INSERT INTO alert (store_id, kind, severity, cause_key, message) VALUES (" store              \
    ", 'security', 'high', 'k', 'm')"

static void one_alert_is_open_for_each_cause(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {ALERT("'STORE-ONE'") ";" ALERT("'STORE-ONE'"), RES_CONFLICT, "alert_one_open_per_cause"},
        {ALERT("NULL") ";" ALERT("NULL"), RES_CONFLICT, "alert_one_open_per_cause"},
        {ALERT("'STORE-ONE'") ";" ALERT("'STORE-TWO'"), RES_OK, NULL},
        {ALERT("'STORE-ONE'") "; UPDATE alert SET status = 'resolved', resolved_at = now();" ALERT(
             "'STORE-ONE'"),
         RES_OK, NULL},
        {ALERT("'STORE-ONE'") ";" ALERT(
             "'STORE-ONE'") " ON CONFLICT (store_id, cause_key) WHERE status "
                            "<> 'resolved' DO UPDATE SET occurrences = "
                            "alert.occurrences + 1",
         RES_OK, NULL},
        {ALERT("'STORE-ONE'") "; UPDATE alert SET status = 'acknowledged'", RES_INVALID, NULL},
    };
    TRY(attempts);
}

static void roles_of_people_need_their_place(void **state)
{
    (void)state;
    static const struct attempt attempts[] = {
        {"WITH a AS (INSERT INTO account (kind) VALUES ('person') RETURNING account_id) SELECT 1",
         RES_OK, NULL},
        {"INSERT INTO account (account_id, kind) VALUES ('00000000-0000-0000-0000-000000000001', "
         "'person'); INSERT INTO membership (account_id, role) VALUES "
         "('00000000-0000-0000-0000-000000000001', 'staff')",
         RES_INVALID, "membership_place"},
        {"INSERT INTO account (account_id, kind) VALUES ('00000000-0000-0000-0000-000000000001', "
         "'person'); INSERT INTO membership (account_id, role, store_id) VALUES "
         "('00000000-0000-0000-0000-000000000001', 'operator', 'STORE-ONE')",
         RES_INVALID, "membership_place"},
        {"INSERT INTO account (kind, email_sealed) VALUES ('person', 'x')", RES_INVALID, NULL},
        {"INSERT INTO account (kind, password_hash) VALUES ('person', 'secret')", RES_INVALID,
         NULL},
        {"INSERT INTO account (kind, shredded_at, name_sealed) VALUES ('person', now(), 'x')",
         RES_INVALID, "account_shredded_is_empty"},
    };
    TRY(attempts);
}

int main(void)
{
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&fixture);
    pg_fixture_sql(super, "SET search_path = endcap");
    pg_fixture_store(super, "STORE-ONE");
    pg_fixture_store(super, "STORE-TWO");
    pg_fixture_cart(super, "STORE-ONE", "CART-AAAA");
    pg_fixture_cart(super, "STORE-ONE", "CART-BBBB");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cart_has_one_open_session),
        cmocka_unit_test(an_ended_session_is_final),
        cmocka_unit_test(a_session_cannot_contradict_itself),
        cmocka_unit_test(a_payment_is_one_token_never_a_card_and_never_altered),
        cmocka_unit_test(a_price_is_never_above_the_mrp),
        cmocka_unit_test(the_price_book_is_history),
        cmocka_unit_test(a_device_has_one_unrevoked_certificate),
        cmocka_unit_test(figures_of_devices_stay_in_range),
        cmocka_unit_test(streams_and_commands_only_move_forward),
        cmocka_unit_test(one_alert_is_open_for_each_cause),
        cmocka_unit_test(roles_of_people_need_their_place),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    pg_fixture_stop(&fixture);
    return failed;
}
