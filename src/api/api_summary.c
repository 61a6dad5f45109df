#include "api_summary.h"

#include "api_system.h"
#include "http_rows.h"

static const struct http_field fields[] = {
    {.name = "carts",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM cart WHERE retired_at IS NULL",
     .summary = "In the fleet."},
    {.name = "cartsSeen",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM cart WHERE last_seen_at > now() - interval '15 minutes'",
     .summary = "Heard of in the last 15 minutes."},
    {.name = "labels",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM label WHERE retired_at IS NULL",
     .summary = "Shelf labels in the fleet."},
    {.name = "labelsOnline",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM label WHERE online AND retired_at IS NULL",
     .summary = "Connected now."},
    {.name = "displaysUnderWay",
     .type = HTTP_INTEGER,
     .source =
         "SELECT count(*) FROM delivery WHERE kind = 'display' AND state IN ('queued', 'sent', "
         "'pending')",
     .summary = "Pictures that a label has not confirmed yet."},
    {.name = "displaysFailing",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM alert WHERE kind = 'price_update_failed' "
               "AND status <> 'resolved'",
     .summary = "Labels that were told and do not confirm."},
    {.name = "openSessions",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM session WHERE status IN ('active', 'paused')",
     .summary = "Trips under way."},
    {.name = "trips",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM session WHERE status = 'complete'",
     .summary = "Completed."},
    {.name = "unreconciled",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM session WHERE reconcile_state IN ('pending', 'mismatch')",
     .summary = "Ended trips that do not add up, or not yet."},
    {.name = "rejected",
     .type = HTTP_INTEGER,
     .source = "SELECT coalesce(sum(occurrences), 0) FROM dead_letter",
     .summary = "Refused messages."},
    {.name = "openAlerts",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM alert WHERE status = 'open'",
     .summary = "Nobody has seen to them."},
    {.name = "queuedOnCarts",
     .type = HTTP_INTEGER,
     .source = "SELECT coalesce(sum(queued_events), 0) FROM cart WHERE retired_at IS NULL",
     .summary = "Events waiting on carts' flash, as their last healths say."},
    {.name = "eventsStored", .type = HTTP_INTEGER, .summary = "In telemetry."},
    {.name = NULL}};
static const struct http_schema schema = {"Summary", "The state of things in figures.", fields};

static void show(struct http_request *q, void *context)
{
    const struct api_system *s = context;
    json_t *summary = http_rows_one(q, s->pool, &schema, "(SELECT) AS nothing", "true", NULL);
    if (summary == NULL) {
        return;
    }
    struct telemetry *t = NULL;
    struct telemetry_totals totals = {.events = 0};
    struct err why;
    enum res r = telemetry_readers_take(s->telemetry, &t, &why);
    if (r == RES_OK) {
        r = telemetry_totals(t, &totals, &why);
        telemetry_readers_give(s->telemetry, t, r == RES_OK);
    }
    if (r != RES_OK) {
        json_decref(summary);
        http_request_note(q, why.text);
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, NULL);
        return;
    }
    (void)json_object_set_new(summary, "eventsStored", json_integer(totals.events));
    http_reply_json(q, summary);
}

const struct http_route api_summary_routes[] = {{.method = HTTP_GET,
                                                 .path = "/api/summary",
                                                 .operation = "getSummary",
                                                 .summary = "The state of things in figures.",
                                                 .tag = "platform",
                                                 .reply = &schema,
                                                 .permission = "platform.read",
                                                 .handle = show},
                                                HTTP_ROUTE_END};
