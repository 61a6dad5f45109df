#include "api_system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_prometheus.h"
#include "http_request.h"

/* Every process writes its figures about once a second; older than this it is not there. */
#define FRESH_S       5
#define FRESH_S_TEXT  "5"
#define METRIC_LABELS 12

/* ---- liveness and readiness ---- */

static const struct http_field health_fields[] = {
    {.name = "status", .type = HTTP_TEXT, .summary = "Always ok: the process answers."},
    {.name = NULL}};
static const struct http_schema health_schema = {"Health", "The process is alive.", health_fields};

static const struct http_field component_fields[] = {
    {.name = "name", .type = HTTP_TEXT, .summary = "postgresql, telemetry, ingest or broker."},
    {.name = "ready", .type = HTTP_BOOLEAN, .summary = "Whether it does its work."},
    {.name = "detail", .type = HTTP_TEXT, .summary = "What is wrong; empty when nothing is."},
    {.name = NULL}};
static const struct http_schema component_schema = {"Component", "A part the platform stands on.",
                                                    component_fields};
static const struct http_field ready_fields[] = {
    {.name = "ready", .type = HTTP_BOOLEAN, .summary = "Every component is."},
    {.name = "components", .type = HTTP_LIST, .of = &component_schema, .summary = "One by one."},
    {.name = NULL}};
static const struct http_schema ready_schema = {
    "Readiness", "Whether requests can be served; the status is 503 when not.", ready_fields};

static void health(struct http_request *q, void *context)
{
    (void)context;
    http_reply_json(q, json_pack("{s:s}", "status", "ok"));
}

static bool add_component(json_t *components, const char *name, bool ready, const char *detail)
{
    (void)json_array_append_new(components,
                                json_pack("{s:s, s:b, s:s}", "name", name, "ready", ready ? 1 : 0,
                                          "detail", ready ? "" : detail));
    return ready;
}

/* Ingest's newest figures: their age, and whether the broker has it (null: it does not say). The
 * broker is not asked itself: a connection without a certificate is a line in its security log. */
static const char ingest_sql[] =
    "SELECT (CASE WHEN max(updated_at) IS NOT NULL"
    " THEN greatest(extract(epoch FROM now() - max(updated_at)), 0) END)::double precision,"
    " (max(value) FILTER (WHERE name = 'ingest_broker_connected'))::double precision,"
    " coalesce(max(value) FILTER (WHERE name = 'ingest_waits_for_disk'), 0)::double precision"
    " FROM process_metric WHERE process = 'ingest'";

static bool check_database(const struct api_system *s, json_t *components)
{
    struct err why = {.text = ""};
    PGresult *rows = NULL;
    enum res r = pg_pool_run(s->pool, ingest_sql, NULL, &rows, &why);
    bool known = r == RES_OK && !pg_get_is_null(rows, 0, 0);
    double age_s = known ? pg_get_double(rows, 0, 0) : 0;
    bool fresh = known && age_s <= FRESH_S;
    char detail[96] = "it has said nothing yet";
    if (r != RES_OK) {
        (void)snprintf(detail, sizeof detail, "its figures are in PostgreSQL, out of reach");
    } else if (known) {
        (void)snprintf(detail, sizeof detail, "it has said nothing for %.0f s", age_s);
    }
    bool disk = r == RES_OK && pg_get_double(rows, 0, 2) > 0;
    if (fresh && disk) {
        (void)snprintf(detail, sizeof detail, "the telemetry disk is full or failing; free space");
    }
    bool ready = add_component(components, "postgresql", r == RES_OK, "it does not answer");
    ready = add_component(components, "ingest", fresh && !disk, detail) && ready;
    if (r == RES_OK && !pg_get_is_null(rows, 0, 1)) {
        bool connected = fresh && pg_get_double(rows, 0, 1) > 0;
        ready = add_component(components, "broker", connected,
                              fresh ? "ingest is not connected to it"
                                    : "not known while ingest says nothing") &&
                ready;
    }
    PQclear(rows);
    return ready;
}

static bool check_telemetry(const struct api_system *s, json_t *components)
{
    struct telemetry *t = NULL;
    struct telemetry_totals totals;
    struct err why = {.text = ""};
    enum res r = telemetry_readers_take(s->telemetry, &t, &why);
    if (r == RES_OK) {
        r = telemetry_totals(t, &totals, &why);
        telemetry_readers_give(s->telemetry, t, r == RES_OK);
    }
    return add_component(components, "telemetry", r == RES_OK, "it cannot be read");
}

static void readiness(struct http_request *q, void *context)
{
    const struct api_system *s = context;
    json_t *components = json_array();
    bool ready = check_database(s, components);
    ready = check_telemetry(s, components) && ready;
    http_reply_json_status(
        q, ready ? 200 : 503,
        json_pack("{s:b, s:o}", "ready", ready ? 1 : 0, "components", components));
}

/* ---- metrics ---- */

/* Parts of one histogram or summary stand together under one name. */
static const char metrics_sql[] =
    "SELECT CASE WHEN kind IN ('histogram', 'summary')"
    " THEN regexp_replace(full_name, '_(bucket|sum|count)$', '') ELSE full_name END AS family,"
    " full_name, kind, process, instance, labels, value"
    " FROM (SELECT *, CASE WHEN name LIKE 'endcap\\_%' THEN name ELSE 'endcap_' || name END AS "
    "full_name"
    " FROM process_metric) m WHERE updated_at > now() - interval '5 minutes'"
    " ORDER BY family, process, instance, full_name, labels";
static const char ages_sql[] =
    "SELECT process, instance,"
    " extract(epoch FROM now() - max(updated_at))::double precision"
    " FROM process_metric WHERE updated_at > now() - interval '5 minutes'"
    " GROUP BY process, instance ORDER BY process, instance";

static void text_at(const PGresult *rows, int row, int column, char *text, size_t size)
{
    if (span_copy_text(pg_get_span(rows, row, column), text, size) != RES_OK) {
        text[0] = '\0';
    }
}

static void print_sample(FILE *out, const PGresult *rows, int row)
{
    char name[128];
    char process[64];
    char instance[80];
    struct http_prometheus_tag labels[METRIC_LABELS] = {{"process", process},
                                                        {"instance", instance}};
    size_t count = 2;
    text_at(rows, row, 1, name, sizeof name);
    text_at(rows, row, 3, process, sizeof process);
    text_at(rows, row, 4, instance, sizeof instance);
    struct span json = pg_get_span(rows, row, 5);
    json_t *own = json_loadb((const char *)json.data, json.size, 0, NULL);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(own, key, value)
    {
        if (count < METRIC_LABELS && json_is_string(value) && http_prometheus_is_name(key, true)) {
            labels[count++] = (struct http_prometheus_tag){key, json_string_value(value)};
        }
    }
    if (http_prometheus_is_name(name, false)) {
        http_prometheus_sample(out, name, labels, count, pg_get_double(rows, row, 6));
    }
    json_decref(own);
}

static void print_processes(FILE *out, const PGresult *rows)
{
    char before[128] = "";
    for (int row = 0; row < PQntuples(rows); row++) {
        char family[128];
        char kind[16];
        text_at(rows, row, 0, family, sizeof family);
        text_at(rows, row, 2, kind, sizeof kind);
        if (strcmp(family, before) != 0) {
            http_prometheus_family(out, family, kind, "As the process counts it.");
            memcpy(before, family, sizeof before);
        }
        print_sample(out, rows, row);
    }
}

static void print_ages(FILE *out, const PGresult *rows)
{
    http_prometheus_family(out, "endcap_process_age_seconds", "gauge",
                           "Since the process last wrote its figures.");
    for (int row = 0; row < PQntuples(rows); row++) {
        char process[64];
        char instance[80];
        text_at(rows, row, 0, process, sizeof process);
        text_at(rows, row, 1, instance, sizeof instance);
        const struct http_prometheus_tag labels[] = {{"process", process}, {"instance", instance}};
        http_prometheus_sample(out, "endcap_process_age_seconds", labels, 2,
                               pg_get_double(rows, row, 2));
    }
}

static void print_database(const struct api_system *s, FILE *out)
{
    struct err why;
    PGresult *metrics = NULL;
    PGresult *ages = NULL;
    enum res r = pg_pool_run(s->pool, metrics_sql, NULL, &metrics, &why);
    if (r == RES_OK) {
        r = pg_pool_run(s->pool, ages_sql, NULL, &ages, &why);
    }
    http_prometheus_family(out, "endcap_postgresql_up", "gauge", "1: it answered this scrape.");
    http_prometheus_sample(out, "endcap_postgresql_up", NULL, 0, r == RES_OK ? 1 : 0);
    if (r == RES_OK) {
        print_processes(out, metrics);
        print_ages(out, ages);
    }
    PQclear(metrics);
    PQclear(ages);
}

static void print_feed(struct feed *feed, FILE *out)
{
    struct feed_figures f;
    feed_figures(feed, &f);
    http_prometheus_family(out, "endcap_feed_listening", "gauge",
                           "1: the live feed hears what PostgreSQL tells.");
    http_prometheus_sample(out, "endcap_feed_listening", NULL, 0, f.listening ? 1 : 0);
    http_prometheus_family(out, "endcap_feed_streams", "gauge", "Readers of the live feed.");
    http_prometheus_sample(out, "endcap_feed_streams", NULL, 0, (double)f.streams.open);
    http_prometheus_family(out, "endcap_feed_dropped_total", "counter",
                           "Readers cut off because they read too slowly.");
    http_prometheus_sample(out, "endcap_feed_dropped_total", NULL, 0, (double)f.streams.dropped);
}

static void metrics(struct http_request *q, void *context)
{
    const struct api_system *s = context;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
        return;
    }
    http_metrics_print(s->metrics, out);
    print_feed(s->feed, out);
    print_database(s, out);
    if (fclose(out) != 0) {
        free(text);
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
        return;
    }
    http_reply_text(q, text, size);
}

/* ---- the document ---- */

static void document(struct http_request *q, void *context)
{
    const struct api_system *s = context;
    json_t *root = s->document();
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
        return;
    }
    http_reply_text(q, text, strlen(text));
}

const struct http_route api_system_routes[] = {
    {.method = HTTP_GET,
     .path = "/healthz",
     .operation = "health",
     .summary = "Liveness: the process answers.",
     .tag = "platform",
     .reply = &health_schema,
     .at_once = true,
     .handle = health},
    {.method = HTTP_GET,
     .path = "/readyz",
     .operation = "readiness",
     .summary = "Readiness, component by component; ingest has spoken within " FRESH_S_TEXT " s.",
     .tag = "platform",
     .reply = &ready_schema,
     .handle = readiness},
    {.method = HTTP_GET,
     .path = "/metrics",
     .operation = "metrics",
     .summary = "Figures of every process in the Prometheus text format.",
     .tag = "platform",
     .content_type = HTTP_PROMETHEUS_CONTENT_TYPE,
     .handle = metrics},
    {.method = HTTP_GET,
     .path = "/openapi.json",
     .operation = "openapi",
     .summary = "This document.",
     .tag = "platform",
     .content_type = "application/json",
     .handle = document},
    HTTP_ROUTE_END};
