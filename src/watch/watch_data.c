#include "watch_data.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "http_client.h"

int64_t watch_data_metric(const char *text, const char *name)
{
    size_t size = strlen(name);
    double sum = 0;
    bool found = false;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, name, size) != 0 || (line[size] != '{' && line[size] != ' ')) {
            continue;
        }
        /* A value of a tag may hold spaces and braces, escaped quotes too: skip it properly. */
        const char *at = line + size;
        bool quoted = false;
        for (; *at != '\0' && *at != '\n' && (quoted || *at != ' '); at++) {
            if (*at == '\\' && at[1] != '\0') {
                at++;
            } else if (*at == '"') {
                quoted = !quoted;
            }
        }
        sum += strtod(at, NULL);
        found = true;
    }
    return found ? (int64_t)sum : WATCH_UNKNOWN;
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : WATCH_UNKNOWN;
}

static void copy(const json_t *object, const char *name, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, name));
    (void)snprintf(text, size, "%s", value == NULL ? "" : value);
}

static void read_summary(const char *text, size_t size, struct watch_data *d)
{
    json_t *s = json_loadb(text, size, 0, NULL);
    d->trips = number(s, "trips");
    d->open_sessions = number(s, "openSessions");
    d->unreconciled = number(s, "unreconciled");
    d->carts = number(s, "carts");
    d->carts_seen = number(s, "cartsSeen");
    d->labels = number(s, "labels");
    d->labels_online = number(s, "labelsOnline");
    d->displays_under_way = number(s, "displaysUnderWay");
    d->displays_failing = number(s, "displaysFailing");
    d->events_stored = number(s, "eventsStored");
    d->queued_on_carts = number(s, "queuedOnCarts");
    d->rejected = number(s, "rejected");
    d->open_alerts = number(s, "openAlerts");
    json_decref(s);
}

static void read_parts(const char *text, size_t size, struct watch_data *d)
{
    json_t *root = json_loadb(text, size, 0, NULL);
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(root, "components"), i, one)
    {
        if (d->part_count < WATCH_PARTS_MAX) {
            struct watch_part *p = &d->parts[d->part_count++];
            copy(one, "name", p->name, sizeof p->name);
            copy(one, "detail", p->detail, sizeof p->detail);
            p->ready = json_is_true(json_object_get(one, "ready"));
        }
    }
    json_decref(root);
}

void watch_data_read(uint16_t port, unsigned timeout_ms, struct watch_data *ret)
{
    struct watch_data d = {.trips = WATCH_UNKNOWN,
                           .open_sessions = WATCH_UNKNOWN,
                           .unreconciled = WATCH_UNKNOWN,
                           .carts = WATCH_UNKNOWN,
                           .carts_seen = WATCH_UNKNOWN,
                           .labels = WATCH_UNKNOWN,
                           .labels_online = WATCH_UNKNOWN,
                           .displays_under_way = WATCH_UNKNOWN,
                           .displays_failing = WATCH_UNKNOWN,
                           .events_stored = WATCH_UNKNOWN,
                           .queued_on_carts = WATCH_UNKNOWN,
                           .rejected = WATCH_UNKNOWN,
                           .open_alerts = WATCH_UNKNOWN,
                           .received = WATCH_UNKNOWN,
                           .duplicates = WATCH_UNKNOWN,
                           .waiting = WATCH_UNKNOWN};
    struct http_client_reply reply;
    d.at_ms = clock_monotonic_ms();
    if (http_client_get("127.0.0.1", port, "/readyz", timeout_ms, &reply, NULL) == RES_OK) {
        d.reachable = true;
        read_parts(reply.body, reply.body_size, &d);
        http_client_reply_deinit(&reply);
    }
    if (d.reachable &&
        http_client_get("127.0.0.1", port, "/api/summary", timeout_ms, &reply, NULL) == RES_OK) {
        read_summary(reply.body, reply.body_size, &d);
        http_client_reply_deinit(&reply);
    }
    if (d.reachable &&
        http_client_get("127.0.0.1", port, "/metrics", timeout_ms, &reply, NULL) == RES_OK) {
        d.received = watch_data_metric(reply.body, "endcap_ingest_received_total");
        d.duplicates = watch_data_metric(reply.body, "endcap_ingest_duplicates_total");
        d.waiting = watch_data_metric(reply.body, "endcap_ingest_queue_messages");
        http_client_reply_deinit(&reply);
    }
    *ret = d;
}
