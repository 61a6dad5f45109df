#include "api.h"

#include <assert.h>
#include <stdlib.h>

#include "alerts_http.h"
#include "api_summary.h"
#include "api_system.h"
#include "bulk_http.h"
#include "dead_letter_http.h"
#include "delivery_http.h"
#include "device_binding_http.h"
#include "device_http.h"
#include "face_http.h"
#include "feed.h"
#include "fleet_command_http.h"
#include "fleet_http.h"
#include "fleet_provision.h"
#include "gateway_http.h"
#include "http_openapi.h"
#include "label_config_http.h"
#include "pos_http.h"
#include "pricing_bound_http.h"
#include "pricing_rule_http.h"
#include "pricing_update_http.h"
#include "pricing_upload_http.h"
#include "pricing_view_http.h"
#include "product_http.h"
#include "section_http.h"
#include "session_http.h"
#include "shadow_http.h"
#include "telemetry_http.h"

/* A request that cannot get a connection in this time is answered 503: the client's patience is the
 * same 5 s as a query's (S-015). */
#define POOL_WAIT_MS 2000
/* The queries of one request together: a table of 10,000 rows takes several. */
#define POOL_QUERY_MS (2 * PG_API_TIMEOUT_MS)

/* Prices that wait for one another need none (price_group.h). */
#define POOL_CONNECTIONS_MAX 16

#define GROUPS_MAX 40

struct api {
    struct api_settings settings;
    struct pg_pool *pool;
    struct telemetry_readers *telemetry;
    struct http_metrics *metrics;
    struct fleet_provision provision;
    struct session_http session;
    struct pricing_update_http pricing;
    struct feed *feed;
    struct api_system system;
    struct http_group groups[GROUPS_MAX];
    struct http_table table;
    struct http_server *server;
};

/* Every capability's table; the order is the document's. */
static void fill_table(struct api *a)
{
    /* clang-format off */
    const struct http_group groups[] = {
        {fleet_http_routes, a->pool},
        {fleet_command_http_routes, a->pool},
        {device_http_routes, a->pool},
        {shadow_http_routes, a->pool},
        {face_http_routes, a->pool},
        {fleet_provision_routes, &a->provision},
        {device_binding_http_routes, a->pool},
        {delivery_http_routes, a->pool},
        {label_config_http_routes, a->pool},
        {section_http_routes, a->pool},
        {gateway_http_routes, a->pool},
        {bulk_http_routes, a->pool},
        {pricing_update_http_routes, &a->pricing},
        {pricing_upload_http_routes, a->pool},
        {pricing_view_http_routes, a->pool},
        {pricing_rule_http_routes, a->pool},
        {pricing_bound_http_routes, a->pool},
        {session_http_routes, &a->session},
        {alerts_http_routes, a->pool},
        {feed_http_routes, a->feed},
        {product_http_routes, a->pool},
        {pos_http_routes, a->pool},
        {telemetry_http_routes, a->telemetry},
        {dead_letter_http_routes, a->pool},
        {api_summary_routes, &a->system},
        {api_system_routes, &a->system},
    };
    /* clang-format on */
    size_t count = sizeof groups / sizeof groups[0];
    static_assert(sizeof groups / sizeof groups[0] <= GROUPS_MAX, "room for every table");
    for (size_t i = 0; i < count; i++) {
        a->groups[i] = groups[i];
    }
    a->table = (struct http_table){a->groups, count};
}

json_t *api_document(void)
{
    struct api a = {.pool = NULL}; /* handlers are not called: no context is needed */
    fill_table(&a);
    const struct http_openapi_info info = {
        .title = "Endcap",
        .version = API_VERSION,
        .description =
            "Carts, shopping trips, telemetry and refused messages of a store. Lists are paged: "
            "give nextCursor back as cursor. Times are UTC; money is a decimal number of the "
            "currency beside it. X-Request-Id, a UUID, may be given and comes back.",
    };
    return http_openapi_document(&info, &a.table);
}

static enum res open_connection(void *user, struct pg_conn **ret, struct err *why)
{
    const struct api *a = user;
    const char *stores = a->settings.stores;
    struct pg_conn *c = NULL;
    enum res r =
        model_connect(&a->settings.place, MODEL_API, "endcap-api", PG_API_TIMEOUT_MS, &c, why);
    if (r == RES_OK) {
        r = model_scope(c, stores == NULL ? "operator" : "stores", stores, NULL, why);
    }
    if (r != RES_OK) {
        pg_conn_close(c);
        return r;
    }
    *ret = c;
    return RES_OK;
}

static enum res start_server(struct api *a, struct err *why)
{
    struct http_server_settings settings = http_server_defaults;
    settings.address = a->settings.address;
    settings.port = a->settings.port;
    settings.workers = a->settings.workers;
    settings.table = &a->table;
    settings.metrics = a->metrics;
    settings.on_done = a->settings.on_done;
    settings.user = a->settings.user;
    return http_server_start(&settings, &a->server, why);
}

enum res api_start(const struct api_settings *settings, struct api **ret, struct err *why)
{
    struct api *a = calloc(1, sizeof *a);
    if (a == NULL) {
        err_set(why, "no memory for the REST face");
        return RES_NO_MEMORY;
    }
    a->settings = *settings;
    const struct pg_pool_settings pool = {.open = open_connection,
                                          .user = a,
                                          .connections = settings->workers < POOL_CONNECTIONS_MAX
                                                             ? settings->workers
                                                             : POOL_CONNECTIONS_MAX,
                                          .wait_ms_max = POOL_WAIT_MS,
                                          .query_ms_max = POOL_QUERY_MS};
    enum res r = pg_pool_new(&pool, &a->pool, why);
    if (r == RES_OK) {
        a->pricing.pool = a->pool;
        r = price_group_new(a->pool, &a->pricing.group, why);
    }
    if (r == RES_OK) {
        r = telemetry_readers_new(settings->telemetry_directory, &a->telemetry, why);
    }
    if (r == RES_OK) {
        a->provision =
            (struct fleet_provision){a->pool, settings->ca_directory, settings->broker_directory};
        const struct feed_settings feed = {open_connection, a, http_streams_defaults};
        r = feed_start(&feed, &a->feed, why);
    }
    if (r == RES_OK) {
        a->session = (struct session_http){a->pool, a->telemetry};
        fill_table(a);
        a->metrics = http_metrics_new(&a->table);
        a->system = (struct api_system){a->pool, a->telemetry, a->metrics, a->feed, api_document};
        if (a->metrics == NULL) {
            err_set(why, "no memory for the REST face");
            r = RES_NO_MEMORY;
        }
    }
    if (r == RES_OK) {
        r = start_server(a, why);
    }
    if (r != RES_OK) {
        api_stop(a);
        return r;
    }
    *ret = a;
    return RES_OK;
}

uint16_t api_port(const struct api *a)
{
    return http_server_port(a->server);
}

void api_stop(struct api *a)
{
    if (a == NULL) {
        return;
    }
    feed_close(a->feed);
    http_server_stop(a->server);
    feed_free(a->feed);
    http_metrics_free(a->metrics);
    telemetry_readers_free(a->telemetry);
    price_group_free(a->pricing.group);
    pg_pool_free(a->pool);
    free(a);
}
