/* Properties of the fleet, over REST and the worker's steps, each with random cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk_job.h"
#include "clock.h"
#include "fleet_fixture.h"
#include "fleet_step.h"
#include "label_config_step.h"
#include "rng.h"
#include "store_admin.h"

#define CASES  110
#define LABELS 40

static struct fleet_fixture x;
static struct pg_conn *worker;
static struct rng rng;

static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr"};

static int below(uint64_t bound)
{
    return (int)rng_below(&rng, bound);
}

static void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void sql(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_true(size > 0 && (size_t)size < sizeof text);
    pg_fixture_sql(x.su, text);
}

static int64_t number(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int64_t number(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* each text is another statement: not prepared, there is room for 256 */
    PGresult *rows = PQexec(pg_conn_handle(x.su), text);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK || PQntuples(rows) != 1) {
        fail_msg("%s: %s", text, PQresultErrorMessage(rows));
    }
    int64_t n = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    return n;
}

static void property(int n, const char *title)
{
    print_message("Feature: smartshelf-india, Property %d: %s (%d cases)\n", n, title, CASES);
}

static void clear(void)
{
    sql("DELETE FROM delivery; DELETE FROM bulk_row; DELETE FROM bulk_job; DELETE FROM alert; "
        "DELETE FROM label_renewal; DELETE FROM label; DELETE FROM shadow");
}

/* ESP32-POOL00... of STORE-A; every third is not there. */
static void make_pool(void)
{
    clear();
    sql("INSERT INTO label (label_id, store_id, online) SELECT 'ESP32-POOL' || lpad(n::text, 2, "
        "'0'), 'STORE-A', n %% 3 > 0 FROM generate_series(0, %d) n",
        LABELS - 1);
}

/* ---- one device ---- */

/* Feature: smartshelf-india, Property 4: Device Status API Completeness. */
static void a_status_query_answers_state_battery_update_product_and_place(void **state)
{
    (void)state;
    property(4, "Device Status API Completeness");
    make_pool();
    for (int i = 0; i < CASES; i++) {
        char target[64];
        char expected[96];
        int n = below(LABELS);
        bool online = below(2) == 0;
        int battery = below(101);
        int sku = 1 + below(40);
        bool bound = below(4) > 0;
        sql("UPDATE label SET online = %s, battery_pct = %d, last_seen_at = now(), last_update_at "
            "= '2026-11-2%dT10:00:00.%03dZ', aisle = 'Aisle-%d', shelf = 'Shelf-%d', item_id = "
            "CASE WHEN %s THEN (SELECT item_id FROM item WHERE store_id = 'STORE-A' AND sku = "
            "'SKU-%d') END WHERE label_id = 'ESP32-POOL%02d'",
            online ? "true" : "false", battery, i % 9, i, n, i, bound ? "true" : "false", sku, n);
        (void)snprintf(target, sizeof target, "/api/devices/ESP32-POOL%02d", n);
        json_t *d = fleet_fixture_do(x.api, "GET", target, NULL, 200);
        assert_int_equal(json_is_true(json_object_get(d, "online")), online);
        assert_string_equal(fleet_fixture_string(d, "state"), online ? "online" : "offline");
        assert_int_equal(json_integer_value(json_object_get(d, "batteryLevel")), battery);
        (void)snprintf(expected, sizeof expected, "2026-11-2%dT10:00:00.%03dZ", i % 9, i);
        assert_string_equal(fleet_fixture_string(d, "lastUpdate"), expected);
        (void)snprintf(expected, sizeof expected, "SKU-%d", sku);
        expected[bound ? strlen(expected) : 0] = '\0';
        assert_string_equal(fleet_fixture_string(d, "productId"), expected);
        const json_t *place = json_object_get(d, "location");
        (void)snprintf(expected, sizeof expected, "Aisle-%d/Shelf-%d", n, i);
        char got[96];
        (void)snprintf(got, sizeof got, "%s/%s", fleet_fixture_string(place, "aisle"),
                       fleet_fixture_string(place, "shelf"));
        assert_string_equal(got, expected);
        assert_true(fleet_fixture_string(d, "lastSeen")[0] != '\0');
        json_decref(d);
    }
}

/* Feature: smartshelf-india, Property 6: Unique Certificate Generation on Provisioning. */
static void any_two_provisioned_devices_have_other_serials_and_subjects(void **state)
{
    (void)state;
    property(6, "Unique Certificate Generation on Provisioning");
    clear();
    static char serials[CASES][64];
    static char subjects[CASES][256];
    for (int i = 0; i < CASES; i++) {
        char body[160];
        (void)snprintf(body, sizeof body, "{\"kind\":\"%s\",\"storeId\":\"STORE-%c\"}",
                       below(4) == 0 ? "cart" : "label", below(2) == 0 ? 'A' : 'B');
        json_t *made = fleet_fixture_do(x.api, "POST", "/api/devices", body, 201);
        (void)snprintf(serials[i], 64, "%s", fleet_fixture_string(made, "serial"));
        (void)snprintf(subjects[i], 256, "%s", fleet_fixture_string(made, "subject"));
        assert_true(strlen(serials[i]) > 20 && strlen(subjects[i]) > 20);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(serials[i], serials[k]);
            assert_string_not_equal(subjects[i], subjects[k]);
        }
        json_decref(made);
    }
}

/* ---- bulk configuration ---- */

struct fault {
    size_t row;
    const char *field;
};

static bool told(const json_t *details, const struct fault *f)
{
    size_t count = json_is_array(details) ? json_array_size(details) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(details) ? json_array_get(details, i) : details;
        if ((size_t)json_integer_value(json_object_get(one, "row")) == f->row &&
            strcmp(fleet_fixture_string(one, "field"), f->field) == 0) {
            return true;
        }
    }
    return false;
}

/* A value of one column, right or wrong. */
static void add_value(char *text, size_t size, size_t row, int column, struct fault *faults,
                      size_t *fault_count)
{
    static const struct {
        const char *field;
        const char *good[3];
        const char *bad[4];
    } columns[] = {
        {"refreshIntervalSeconds", {"0", "3600", ""}, {"3601", "-1", "1.5", "x"}},
        {"ledBrightness", {"1", "100", "55"}, {"0", "101", "80%", "1e1"}},
        {"idleTimeoutSeconds", {"0", "86400", ""}, {"86401", " 5", "five", "-0"}},
        {"syncIntervalPeakSeconds", {"5", "300", "86400"}, {"4", "86401", "0", "9999999"}},
        {"syncIntervalOffPeakSeconds", {"5", "1800", ""}, {"4", "+5", "5s", "86401"}},
        {"peakFrom", {"00:00", "23:59", "08:30"}, {"24:00", "8:30", "08:60", "0830"}},
        {"peakTo", {"00:00", "22:00", ""}, {"12:7", "aa:bb", "12-00", "99:99"}},
        {"language", {"hi", "mr", "ta"}, {"fr", "HI", "hin", "h"}},
    };
    bool bad = below(12) == 0;
    const char *value = bad ? columns[column].bad[below(4)] : columns[column].good[below(3)];
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, ",%s", value);
    if (bad) {
        faults[(*fault_count)++] = (struct fault){row, columns[column].field};
    }
}

/* Feature: smartshelf-india, Property 56: CSV Validation. Exactly the bad rows and fields are told,
 * and nothing is done where there is one. */
static void a_table_is_taken_whole_or_every_bad_field_is_told(void **state)
{
    (void)state;
    property(56, "CSV Validation");
    make_pool();
    static char csv[65536];
    for (int i = 0; i < CASES; i++) {
        struct fault faults[400];
        size_t count = 0;
        size_t rows = 1 + (size_t)below(10);
        (void)snprintf(csv, sizeof csv,
                       "deviceId,refreshIntervalSeconds,ledBrightness,idleTimeoutSeconds,"
                       "syncIntervalPeakSeconds,syncIntervalOffPeakSeconds,peakFrom,peakTo,"
                       "language\r\n");
        for (size_t row = 1; row <= rows; row++) {
            size_t used = strlen(csv);
            int kind = below(15);
            if (kind == 0) {
                (void)snprintf(csv + used, sizeof csv - used, "ESP32-NOBODY");
                faults[count++] = (struct fault){row, "deviceId"};
            } else if (kind == 1) {
                faults[count++] = (struct fault){row, "deviceId"}; /* none */
            } else {
                (void)snprintf(csv + used, sizeof csv - used, "ESP32-POOL%02d", (int)row);
            }
            for (int column = 0; column < 8; column++) {
                add_value(csv, sizeof csv, row, column, faults, &count);
            }
            used = strlen(csv);
            (void)snprintf(csv + used, sizeof csv - used, "\r\n");
        }
        int64_t before = number("SELECT count(*) FROM bulk_job");
        unsigned status = 0;
        json_t *answer =
            fleet_fixture_ask(x.api, "POST", "/api/devices/bulk-config?storeId=STORE-A", "text/csv",
                              csv, true, &status);
        assert_int_equal(status, count == 0 ? 202 : 400);
        assert_int_equal(number("SELECT count(*) FROM bulk_job"), before + (count == 0));
        const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
        if (count > 0) {
            assert_int_equal(json_is_array(details) ? json_array_size(details) : 1, count);
        }
        for (size_t f = 0; f < count; f++) {
            if (!told(details, &faults[f])) {
                fail_msg("row %zu %s is not told:\n%s", faults[f].row, faults[f].field, csv);
            }
        }
        json_decref(answer);
    }
}

static void tables_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"deviceId,ledBrightness\nESP32-POOL01,50\nESP32-POOL01,60\n", "deviceId"}, /* twice */
        {"ledBrightness\n50\n", "header"},
        {"deviceId,colour\nESP32-POOL01,red\n", "header"},
        {"deviceId,ledBrightness,ledBrightness\nESP32-POOL01,1,2\n", "header"},
        {"deviceId,ledBrightness\nESP32-POOL01\n", "row"},
        {"deviceId,ledBrightness\nESP32-POOL01,\n", "row"}, /* nothing to change */
        {"deviceId,ledBrightness\n", "rows"},
        {"deviceId,ledBrightness\nESP32-POOL01,\"5\"0\n", "row"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned status = 0;
        json_t *answer =
            fleet_fixture_ask(x.api, "POST", "/api/devices/bulk-config?storeId=STORE-A", "text/csv",
                              bad[i][0], true, &status);
        const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
        const json_t *first = json_is_array(details) ? json_array_get(details, 0) : details;
        assert_int_equal(status, 400);
        assert_string_equal(fleet_fixture_string(first, "field"), bad[i][1]);
        json_decref(answer);
    }
    /* a label of another store is a stranger */
    json_decref(
        fleet_fixture_refused(x.api, "POST", "/api/devices/bulk-config?storeId=STORE-B",
                              "{\"rows\":[{\"deviceId\":\"ESP32-POOL01\",\"ledBrightness\":50}]}",
                              400, "INVALID_PARAMETER"));
}

static void step(enum res (*what)(struct pg_conn *c, int64_t at_ms, struct err *why))
{
    struct err why = {""};
    if (what(worker, clock_utc_ms(), &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static void get_job(const char *id, json_t **ret_job)
{
    char target[96];
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s", id);
    *ret_job = fleet_fixture_do(x.api, "GET", target, NULL, 200);
}

static int64_t count_of(const json_t *job, const char *what)
{
    return json_integer_value(json_object_get(job, what));
}

/* Starts a job over some labels of the pool, the same setting for each, and lets the worker apply
 * it. Distinct labels from `first`. */
static void upload(int first, int rows, int setting, char ret_job_id[64])
{
    static char csv[8192];
    unsigned status = 0;
    (void)snprintf(csv, sizeof csv,
                   "deviceId,refreshIntervalSeconds,ledBrightness,syncIntervalPeakSeconds,"
                   "syncIntervalOffPeakSeconds\n");
    for (int k = 0; k < rows; k++) {
        size_t used = strlen(csv);
        (void)snprintf(csv + used, sizeof csv - used, "ESP32-POOL%02d,%d,%d,%d,%d\n",
                       (first + k) % LABELS, setting, 1 + setting % 100, 60 + setting,
                       1200 + setting);
    }
    json_t *answer = fleet_fixture_ask(x.api, "POST", "/api/devices/bulk-config?storeId=STORE-A",
                                       "text/csv", csv, true, &status);
    assert_int_equal(status, 202);
    (void)snprintf(ret_job_id, 64, "%s", fleet_fixture_string(answer, "jobId"));
    json_decref(answer);
    step(label_config_step);
}

/* P60: failures have words, and only they are tried again. */
static void try_again(const char *id, int64_t failed)
{
    char target[96];
    char again[64];
    assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE job_id = '%s' AND state = "
                            "'failed' AND detail LIKE '%%no answer%%'",
                            id),
                     failed);
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s/retry", id);
    if (failed == 0) {
        json_decref(fleet_fixture_refused(x.api, "POST", target, NULL, 409, "NOTHING_TO_RETRY"));
        return;
    }
    json_t *job = fleet_fixture_do(x.api, "POST", target, NULL, 202);
    (void)snprintf(again, sizeof again, "%s", fleet_fixture_string(job, "jobId"));
    json_decref(job);
    assert_int_equal(number("SELECT count(*) FROM bulk_row n JOIN bulk_row o ON o.job_id = '%s' "
                            "AND o.target = n.target AND o.state = 'failed' AND o.change = "
                            "n.change WHERE n.job_id = '%s'",
                            id, again),
                     failed);
    assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE job_id = '%s'", again), failed);
    step(label_config_step);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE job_id = '%s'", again), failed);
    sql("UPDATE delivery SET state = 'displayed', finished_at = now() WHERE job_id = '%s'", again);
    step(bulk_job_step);
}

/* Feature: smartshelf-india, Property 57: Step Function Workflow Creation. Every device of a table
 * is begun before any has answered.
 * Feature: smartshelf-india, Property 58: Device Shadow Configuration Update.
 * Feature: smartshelf-india, Property 59: Bulk Update Summary Report.
 * Feature: smartshelf-india, Property 60: Failed Configuration Retry. */
static void a_table_is_applied_at_once_summed_up_and_its_failures_tried_again(void **state)
{
    (void)state;
    property(57, "Step Function Workflow Creation");
    property(58, "Device Shadow Configuration Update");
    property(59, "Bulk Update Summary Report");
    property(60, "Failed Configuration Retry");
    make_pool();
    for (int i = 0; i < CASES; i++) {
        char id[64];
        json_t *job = NULL;
        int rows = 2 + below(12);
        int setting = i + 1;
        upload(below(LABELS), rows, setting, id);
        /* P57: all begun, in one moment, none answered */
        assert_int_equal(number("SELECT count(*) FROM delivery WHERE job_id = '%s'", id), rows);
        assert_int_equal(
            number("SELECT count(DISTINCT created_at) FROM delivery WHERE job_id = '%s'", id), 1);
        /* P58 */
        assert_int_equal(
            number("SELECT count(*) FROM shadow h JOIN bulk_row r ON r.target = h.device_id WHERE "
                   "r.job_id = '%s' AND h.desired -> 'config' @> '{\"refreshIntervalSeconds\": %d, "
                   "\"ledBrightness\": %d, \"syncPeakSeconds\": %d, \"syncOffPeakSeconds\": %d}'",
                   id, setting, 1 + setting % 100, 60 + setting, 1200 + setting),
            rows);
        /* labels that are there confirm or fail; the others wait */
        sql("UPDATE delivery SET state = CASE WHEN abs(hashtext(delivery_id::text)) %% 3 = 0 THEN "
            "'failed' ELSE 'displayed' END, finished_at = now(), detail = 'no answer' WHERE job_id "
            "= '%s' AND state = 'queued'",
            id);
        step(bulk_job_step);
        get_job(id, &job);
        int64_t failed = number("SELECT count(*) FROM delivery WHERE job_id = '%s' AND state = "
                                "'failed'",
                                id);
        /* P59 */
        assert_string_equal(fleet_fixture_string(job, "state"), "done");
        assert_int_equal(count_of(job, "failed"), failed);
        assert_int_equal(count_of(job, "offline"),
                         number("SELECT count(*) FROM delivery WHERE job_id = '%s' AND state = "
                                "'pending'",
                                id));
        assert_int_equal(count_of(job, "succeeded"),
                         number("SELECT count(*) FROM delivery WHERE job_id = '%s' AND state = "
                                "'displayed'",
                                id));
        json_decref(job);
        try_again(id, failed);
    }
}

static void a_row_whose_label_is_gone_fails_by_itself(void **state)
{
    (void)state;
    make_pool();
    char id[64];
    json_t *job = NULL;
    static const char body[] = "{\"rows\":[{\"deviceId\":\"ESP32-POOL01\",\"ledBrightness\":7},"
                               "{\"deviceId\":\"ESP32-POOL02\",\"ledBrightness\":7},"
                               "{\"deviceId\":\"ESP32-POOL04\",\"ledBrightness\":7,"
                               "\"language\":\"ta\"}]}";
    unsigned status = 0;
    json_t *answer = fleet_fixture_ask(x.api, "POST", "/api/devices/bulk-config?storeId=STORE-A",
                                       NULL, body, true, &status);
    assert_int_equal(status, 202);
    (void)snprintf(id, sizeof id, "%s", fleet_fixture_string(answer, "jobId"));
    json_decref(answer);
    sql("UPDATE label SET retired_at = now() WHERE label_id = 'ESP32-POOL02'");
    step(label_config_step);
    step(bulk_job_step);
    get_job(id, &job);
    assert_int_equal(count_of(job, "failed"), 1);
    assert_int_equal(count_of(job, "running"), 2);
    json_decref(job);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE job_id = '%s' AND ((label_id = "
                            "'ESP32-POOL01' AND row_number = 1) OR (label_id = 'ESP32-POOL04' AND "
                            "row_number = 3))",
                            id),
                     2);
    assert_int_equal(number("SELECT count(*) FROM shadow WHERE device_id = 'ESP32-POOL04' AND "
                            "desired #>> '{config,language}' = 'ta' AND desired #>> "
                            "'{display,language}' = 'ta'"),
                     1);
}

/* ---- languages ---- */

/* Feature: smartshelf-india, Property 62: Regional Language Configuration. */
static void a_label_is_configured_with_its_regions_primary_language(void **state)
{
    (void)state;
    property(62, "Regional Language Configuration");
    clear();
    static const char *const regions[][2] = {
        {"IN-MH", "mr"}, {"IN-TN", "ta"}, {"IN-TG", "te"}, {"IN-AP", "te"}, {"IN-WB", "bn"},
        {"IN-DL", "hi"}, {"IN-UP", "hi"}, {"IN-BR", "hi"}, {"IN-RJ", "hi"}, {"IN-MP", "hi"},
        {"IN-HR", "hi"}, {"IN-TR", "bn"}, {"IN-PY", "ta"}, {"IN-KA", "en"}, {"IN-KL", "en"},
        {"IN-GJ", "en"}, {"IN", "en"},    {"SG", "en"},    {"BD", "bn"},    {"IN-M", "en"},
    };
    struct pg_conn *admin = pg_fixture_connect(&x.pg, MODEL_ADMIN);
    for (int i = 0; i < CASES; i++) {
        char store[24];
        char body[128];
        struct err why = {""};
        size_t n = (size_t)below(sizeof regions / sizeof regions[0]);
        bool said = below(8) == 0; /* somebody may say otherwise */
        const char *language = said ? languages[below(6)] : regions[n][1];
        (void)snprintf(store, sizeof store, "STORE-P62-%d", i);
        const struct store_admin_new new_store = {.store_id = store,
                                                  .partner_id = "TEST",
                                                  .name = "Shop",
                                                  .region = regions[n][0],
                                                  .timezone = "Asia/Kolkata",
                                                  .currency = "INR",
                                                  .language = said ? language : NULL};
        if (store_admin_create(admin, &new_store, &why) != RES_OK) {
            fail_msg("%s", why.text);
        }
        (void)snprintf(body, sizeof body, "{\"kind\":\"label\",\"storeId\":\"%s\"}", store);
        json_decref(fleet_fixture_do(x.api, "POST", "/api/devices", body, 201));
        assert_int_equal(number("SELECT count(*) FROM shadow WHERE store_id = '%s' AND desired #>> "
                                "'{config,language}' = '%s' AND desired #>> '{display,language}' = "
                                "'%s'",
                                store, language, language),
                         1);
    }
    pg_conn_close(admin);
}

/* Feature: smartshelf-india, Property 65: Language Setting Propagation. */
static void a_sections_new_language_reaches_all_its_labels_and_no_other(void **state)
{
    (void)state;
    property(65, "Language Setting Propagation");
    make_pool();
    sql("DELETE FROM store_section");
    sql("UPDATE label SET aisle = 'Aisle ' || (abs(hashtext(label_id)) %% 4), item_id = (SELECT "
        "item_id FROM item WHERE store_id = 'STORE-A' AND sku = 'SKU-3')");
    for (int aisle = 0; aisle < 4; aisle++) { /* every label has a shadow */
        char target[96];
        (void)snprintf(target, sizeof target, "/api/stores/STORE-A/sections/Aisle%%20%d", aisle);
        json_decref(fleet_fixture_do(x.api, "PUT", target, "{\"language\":\"en\"}", 200));
    }
    for (int i = 0; i < CASES; i++) {
        char target[96];
        char body[64];
        int aisle = below(4);
        const char *language = languages[below(6)];
        if (below(5) == 0) { /* a label with a language of its own gives it up */
            sql("UPDATE label SET language = 'te' WHERE label_id = 'ESP32-POOL%02d'",
                below(LABELS));
        }
        int64_t others = number("SELECT sum(h.version) FROM shadow h JOIN label l ON l.label_id = "
                                "h.device_id WHERE l.aisle <> 'Aisle %d'",
                                aisle);
        (void)snprintf(target, sizeof target, "/api/stores/STORE-A/sections/Aisle%%20%d", aisle);
        (void)snprintf(body, sizeof body, "{\"language\":\"%s\"}", language);
        json_t *done = fleet_fixture_do(x.api, "PUT", target, body, 200);
        int64_t labels = number("SELECT count(*) FROM label WHERE aisle = 'Aisle %d'", aisle);
        assert_int_equal(json_integer_value(json_object_get(done, "labels")), labels);
        json_decref(done);
        assert_int_equal(
            number(
                "SELECT count(*) FROM shadow h JOIN label l ON l.label_id = h.device_id WHERE "
                "l.aisle = 'Aisle %d' AND h.desired #>> '{config,language}' = '%s' AND h.desired "
                "#>> '{display,language}' = '%s' AND EXISTS (SELECT FROM delivery d WHERE "
                "d.label_id = l.label_id AND d.kind = 'config' AND d.delivery_id = (h.desired "
                "#>> '{config,updateId}')::uuid)",
                aisle, language, language),
            labels);
        assert_int_equal(number("SELECT sum(h.version) FROM shadow h JOIN label l ON l.label_id = "
                                "h.device_id WHERE l.aisle <> 'Aisle %d'",
                                aisle),
                         others);
        json_t *section = fleet_fixture_do(x.api, "GET", target, NULL, 200);
        assert_string_equal(fleet_fixture_string(section, "language"), language);
        json_decref(section);
    }
    json_decref(fleet_fixture_refused(x.api_of_b, "PUT", "/api/stores/STORE-A/sections/X",
                                      "{\"language\":\"hi\"}", 404, "NOT_FOUND"));
}

/* ---- sleep schedule ---- */

/* Feature: smartshelf-india, Property 69: Differential Sleep Schedule Configuration. Two intervals
 * are kept, and the one of the hour is the one a label has to keep. */
static void a_sleep_schedule_keeps_two_intervals_and_goes_by_the_hour(void **state)
{
    (void)state;
    property(69, "Differential Sleep Schedule Configuration");
    make_pool();
    int64_t base_ms = clock_utc_ms() - INT64_C(86400000);
    for (int i = 0; i < CASES; i++) {
        char body[256];
        struct err why = {""};
        int peak = 5 + below(3600);
        int off_peak = peak + 1 + below(7200);
        int from = below(1440);
        int to = below(1440);
        (void)snprintf(body, sizeof body,
                       "{\"syncIntervalPeakSeconds\":%d,\"syncIntervalOffPeakSeconds\":%d,"
                       "\"peakFrom\":\"%02d:%02d\",\"peakTo\":\"%02d:%02d\"}",
                       peak, off_peak, from / 60, from % 60, to / 60, to % 60);
        json_decref(fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-POOL01/config", body, 200));
        assert_int_equal(
            number("SELECT count(*) FROM shadow WHERE device_id = 'ESP32-POOL01' AND desired -> "
                   "'config' @> '{\"syncPeakSeconds\": %d, \"syncOffPeakSeconds\": %d, "
                   "\"peakFromMinute\": %d, \"peakToMinute\": %d}'",
                   peak, off_peak, from, to),
            1);
        int64_t seen_ms = base_ms + (int64_t)below(86000) * 1000;
        sql("UPDATE label SET last_seen_at = to_timestamp(%f), online = true WHERE label_id = "
            "'ESP32-POOL01'",
            (double)seen_ms / 1000.0);
        if (fleet_step_presence(worker, seen_ms + 1000, &why) != RES_OK) {
            fail_msg("%s", why.text);
        }
        int64_t minute = (seen_ms / 60000 + 330) % 1440; /* Asia/Kolkata */
        bool in_peak = from <= to ? minute >= from && minute < to : minute >= from || minute < to;
        json_t *d = fleet_fixture_do(x.api, "GET", "/api/devices/ESP32-POOL01", NULL, 200);
        assert_int_equal(json_integer_value(json_object_get(d, "syncIntervalSeconds")),
                         in_peak ? peak : off_peak);
        json_decref(d);
    }
}

static void defaults_hold_where_nothing_else_was_said(void **state)
{
    (void)state;
    make_pool();
    json_decref(fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-POOL05/config",
                                 "{\"ledBrightness\":33}", 200));
    json_t *told = fleet_fixture_do(x.api, "PUT", "/api/stores/STORE-A/label-defaults",
                                    "{\"ledBrightness\":44,\"idleTimeoutSeconds\":60}", 200);
    assert_int_equal(json_integer_value(json_object_get(told, "labels")), LABELS);
    assert_int_equal(json_integer_value(json_object_get(told, "changed")), LABELS);
    json_decref(told);
    assert_int_equal(number("SELECT count(*) FROM shadow WHERE desired -> 'config' @> "
                            "'{\"ledBrightness\": 44, \"idleTimeoutSeconds\": 60}'"),
                     LABELS - 1);
    assert_int_equal(number("SELECT count(*) FROM shadow WHERE desired -> 'config' @> "
                            "'{\"ledBrightness\": 33, \"idleTimeoutSeconds\": 60}'"),
                     1);
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/stores/STORE-A/label-defaults",
                                      "{\"language\":\"hi\"}", 400, "INVALID_PARAMETER"));
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/ESP32-POOL05/config",
                                      "{\"ledBrightness\":true}", 400, "INVALID_PARAMETER"));
    json_decref(fleet_fixture_refused(x.api_of_b, "PUT", "/api/devices/ESP32-POOL05/config",
                                      "{\"ledBrightness\":33}", 404, "NOT_FOUND"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_query_answers_state_battery_update_product_and_place),
        cmocka_unit_test(any_two_provisioned_devices_have_other_serials_and_subjects),
        cmocka_unit_test(a_table_is_taken_whole_or_every_bad_field_is_told),
        cmocka_unit_test(tables_that_are_none_are_refused),
        cmocka_unit_test(a_table_is_applied_at_once_summed_up_and_its_failures_tried_again),
        cmocka_unit_test(a_row_whose_label_is_gone_fails_by_itself),
        cmocka_unit_test(a_label_is_configured_with_its_regions_primary_language),
        cmocka_unit_test(a_sections_new_language_reaches_all_its_labels_and_no_other),
        cmocka_unit_test(a_sleep_schedule_keeps_two_intervals_and_goes_by_the_hour),
        cmocka_unit_test(defaults_hold_where_nothing_else_was_said),
    };
    if (!fleet_fixture_start(&x)) {
        return 77;
    }
    rng_init(&rng, fleet_fixture_seed());
    worker = pg_fixture_connect(&x.pg, MODEL_WORKER);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(worker);
    fleet_fixture_stop(&x);
    return failed;
}
