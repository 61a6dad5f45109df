/* Alerts over REST against a real PostgreSQL: order, acknowledging, resolving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert_kind.h"
#include "api_fixture.h"
#include "rng.h"

static struct api_fixture x;
static struct pg_conn *super;
static struct rng rng;

#define UUID_BYTES 36

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(super, "TRUNCATE endcap.alert CASCADE");
    return 0;
}

/* An open alert; its id. */
static void open_alert(const char *store, const char *kind, const char *severity, const char *score,
                       char ret_id[UUID_BYTES + 1])
{
    struct err why;
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, store);
    pg_params_cstr(&p, kind);
    pg_params_cstr(&p, severity);
    pg_params_cstr(&p, score);
    if (pg_conn_run(super,
                    "INSERT INTO endcap.alert (store_id, kind, severity, cause_key, message, "
                    "demand_score, created_at) VALUES ($1, $2, $3, gen_random_uuid()::text, 'M.', "
                    "$4::text::float8, now() - random() * interval '2 s') RETURNING alert_id",
                    &p, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    pg_get_uuid(rows, 0, 0, ret_id);
    PQclear(rows);
}

static struct http_client_reply post(const struct api *api, const char *path, const char *body)
{
    char request[16384];
    (void)snprintf(request, sizeof request,
                   "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   path, strlen(body), body);
    return api_fixture_ask(api, request);
}

static json_t *post_ok(const char *path, const char *body)
{
    struct http_client_reply r = post(x.api, path, body);
    json_t *value = json_loads(r.body, 0, NULL);
    if (r.status != 200 || value == NULL) {
        fail_msg("%s %s: %s", path, body, r.text);
    }
    http_client_reply_deinit(&r);
    return value;
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Feature: smartshelf-india, Property 24: Alert Status Update on Acknowledgment */
static void acknowledging_is_recorded_once_with_time_and_person(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 24: Alert Status Update on Acknowledgment "
                  "(100 cases)\n");
    for (int i = 0; i < 100; i++) {
        const struct alert_kind_entry *kind =
            alert_kind_entry((enum alert_kind)rng_below(&rng, ALERT_KINDS));
        char id[UUID_BYTES + 1];
        char body[100];
        char path[80];
        open_alert("STORE-A", kind->name, alert_kind_severity_name(kind->severity), NULL, id);
        (void)snprintf(body, sizeof body, "{\"alertId\":\"%s\"}", id);
        (void)snprintf(path, sizeof path, "/api/alerts/%s", id);
        json_t *before = api_fixture_json(x.api, path);
        assert_string_equal(text(before, "status"), "open");
        assert_true(json_is_null(json_object_get(before, "acknowledgedAt")));
        json_t *first = post_ok("/api/alerts/acknowledge", body);
        json_t *second = post_ok("/api/alerts/acknowledge", body);
        const json_t *alert = json_array_get(json_object_get(first, "items"), 0);
        assert_string_equal(text(alert, "status"), "acknowledged");
        assert_non_null(text(alert, "acknowledgedAt"));
        assert_string_equal(text(alert, "acknowledgedBy"), "operator");
        assert_true(json_equal(first, second)); /* the first time stays */
        json_t *after = api_fixture_json(x.api, path);
        assert_true(json_equal(after, alert));
        json_decref(before);
        json_decref(first);
        json_decref(second);
        json_decref(after);
    }
}

static void several_are_acknowledged_together_or_not_at_all(void **state)
{
    (void)state;
    char ids[3][UUID_BYTES + 1];
    char body[300];
    char path[100];
    for (int i = 0; i < 3; i++) {
        open_alert("STORE-A", "fault", "high", NULL, ids[i]);
    }
    (void)snprintf(path, sizeof path, "/api/alerts/%s/resolve", ids[2]);
    json_t *done = post_ok(path, "");
    assert_string_equal(text(done, "status"), "resolved");
    assert_string_equal(text(done, "resolvedBy"), "operator");
    json_t *again = post_ok(path, "");
    assert_true(json_equal(done, again));
    (void)snprintf(body, sizeof body, "{\"alertIds\":[\"%s\",\"%s\",\"%s\"]}", ids[0], ids[1],
                   ids[2]);
    api_fixture_is_error(post(x.api, "/api/alerts/acknowledge", body), 409, "ALERT_RESOLVED");
    (void)snprintf(path, sizeof path, "/api/alerts/%s", ids[0]);
    json_t *still = api_fixture_json(x.api, path);
    assert_string_equal(text(still, "status"), "open");
    (void)snprintf(body, sizeof body, "{\"alertIds\":[\"%s\",\"%s\"]}", ids[0], ids[1]);
    json_t *both = post_ok("/api/alerts/acknowledge", body);
    assert_int_equal(json_array_size(json_object_get(both, "items")), 2);
    json_decref(done);
    json_decref(again);
    json_decref(still);
    json_decref(both);
}

static void what_is_not_there_or_of_another_store_is_404_and_nonsense_400(void **state)
{
    (void)state;
    static const char none[] = "00000000-0000-4000-8000-000000000000";
    char id[UUID_BYTES + 1];
    char body[200];
    char path[100];
    open_alert("STORE-A", "fault", "high", NULL, id);
    (void)snprintf(body, sizeof body, "{\"alertIds\":[\"%s\",\"%s\"]}", id, none);
    api_fixture_is_error(post(x.api, "/api/alerts/acknowledge", body), 404, "NOT_FOUND");
    (void)snprintf(body, sizeof body, "{\"alertId\":\"%s\"}", id);
    api_fixture_is_error(post(x.api_of_b, "/api/alerts/acknowledge", body), 404, "NOT_FOUND");
    (void)snprintf(path, sizeof path, "/api/alerts/%s", id);
    api_fixture_is_error(api_fixture_get(x.api_of_b, path), 404, "NOT_FOUND");
    (void)snprintf(path, sizeof path, "/api/alerts/%s/resolve", id);
    api_fixture_is_error(post(x.api_of_b, path, ""), 404, "NOT_FOUND");
    static const char *const wrong[] = {
        "{}",
        "{\"alertIds\":[]}",
        "{\"alertIds\":[7]}",
        "{\"alertIds\":[\"00000000-0000-4000-8000-0000000000001\"]}",
        "{\"alertId\":\"x\"}",
        "{\"alertIds\":\"x\"}",
        "{\"alertId\":\"00000000-0000-4000-8000-000000000000\",\"alertIds\":[]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        api_fixture_is_error(post(x.api, "/api/alerts/acknowledge", wrong[i]), 400, NULL);
    }
}

/* All of a list, page by page. */
static json_t *whole(const char *target)
{
    json_t *items = json_array();
    char cursor[400] = "";
    do {
        char page_target[600];
        (void)snprintf(page_target, sizeof page_target, "%s&limit=%d%s%s", target,
                       1 + (int)rng_below(&rng, 7), cursor[0] != '\0' ? "&cursor=" : "", cursor);
        json_t *page = api_fixture_json(x.api, page_target);
        const char *next = text(page, "nextCursor");
        (void)snprintf(cursor, sizeof cursor, "%s", next == NULL ? "" : next);
        (void)json_array_extend(items, json_object_get(page, "items"));
        json_decref(page);
    } while (cursor[0] != '\0');
    return items;
}

/* Feature: smartshelf-india, Property 26: Alert Prioritization by Demand */
static void empty_shelves_are_ordered_by_demand_and_then_stably(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 26: Alert Prioritization by Demand (100 cases)\n");
    for (int round = 0; round < 100; round++) {
        (void)fresh(NULL);
        size_t count = 2 + (size_t)rng_below(&rng, 12);
        for (size_t i = 0; i < count; i++) {
            char id[UUID_BYTES + 1];
            char score[24];
            (void)snprintf(score, sizeof score, "%d.%d", (int)rng_below(&rng, 4),
                           (int)rng_below(&rng, 4) * 25);
            open_alert("STORE-A", "empty_shelf",
                       alert_kind_severity_name((enum alert_severity)rng_below(&rng, 3)),
                       rng_below(&rng, 8) == 0 ? NULL : score, id);
        }
        json_t *items = whole("/api/alerts?kind=empty_shelf&status=open");
        json_t *again = whole("/api/alerts?kind=empty_shelf&status=open");
        assert_int_equal(json_array_size(items), count);
        assert_true(json_equal(items, again));
        for (size_t i = 1; i < count; i++) {
            const json_t *a = json_array_get(items, i - 1);
            const json_t *b = json_array_get(items, i);
            double first = json_number_value(json_object_get(a, "demandScore"));
            double second = json_number_value(json_object_get(b, "demandScore"));
            assert_true(first >= second);
            bool both = json_is_null(json_object_get(a, "demandScore")) ==
                        json_is_null(json_object_get(b, "demandScore"));
            if (both && !(first > second)) {
                assert_true(strcmp(text(a, "createdAt"), text(b, "createdAt")) >= 0);
            }
        }
        json_decref(items);
        json_decref(again);
    }
}

static int rank(const json_t *alert)
{
    const char *severity = text(alert, "severity");
    return strcmp(severity, "high") == 0 ? 3 : strcmp(severity, "medium") == 0 ? 2 : 1;
}

static void others_are_ordered_by_severity_and_then_newest_first(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        char id[UUID_BYTES + 1];
        open_alert(i % 2 == 0 ? "STORE-A" : "STORE-B", i % 3 == 0 ? "fault" : "low_battery",
                   alert_kind_severity_name((enum alert_severity)rng_below(&rng, 3)), NULL, id);
    }
    json_t *items = whole("/api/alerts?storeId=STORE-A");
    assert_int_equal(json_array_size(items), 20);
    for (size_t i = 1; i < json_array_size(items); i++) {
        const json_t *a = json_array_get(items, i - 1);
        const json_t *b = json_array_get(items, i);
        assert_true(rank(a) >= rank(b));
        assert_true(rank(a) > rank(b) || strcmp(text(a, "createdAt"), text(b, "createdAt")) >= 0);
    }
    json_decref(items);
}

static void the_database_knows_the_same_kinds_as_the_table(void **state)
{
    (void)state;
    struct err why;
    PGresult *rows = NULL;
    if (pg_conn_run(super,
                    "SELECT count(*) FROM regexp_matches((SELECT pg_get_constraintdef(oid) FROM "
                    "pg_constraint WHERE conname = 'alert_kind_check'), '''[a-z_0-9]+''', 'g')",
                    NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(pg_get_i64(rows, 0, 0), ALERT_KINDS);
    PQclear(rows);
    for (int k = 0; k < ALERT_KINDS; k++) {
        char id[UUID_BYTES + 1];
        const struct alert_kind_entry *e = alert_kind_entry((enum alert_kind)k);
        open_alert(NULL, e->name, alert_kind_severity_name(e->severity), NULL, id);
    }
}

int main(void)
{
    if (!api_fixture_possible(&x)) {
        return 77;
    }
    if (!api_fixture_start(&x)) {
        return 1;
    }
    super = pg_fixture_superuser(&x.pg);
    rng_init(&rng, api_fixture_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(acknowledging_is_recorded_once_with_time_and_person, fresh),
        cmocka_unit_test_setup(several_are_acknowledged_together_or_not_at_all, fresh),
        cmocka_unit_test_setup(what_is_not_there_or_of_another_store_is_404_and_nonsense_400,
                               fresh),
        cmocka_unit_test_setup(empty_shelves_are_ordered_by_demand_and_then_stably, fresh),
        cmocka_unit_test_setup(others_are_ordered_by_severity_and_then_newest_first, fresh),
        cmocka_unit_test_setup(the_database_knows_the_same_kinds_as_the_table, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    api_fixture_stop(&x);
    return failed;
}
