/* feed.h: GET /api/feed, what happens now as server-sent events, for screens of people (S-115,
 * S-261). One thread and one connection to PostgreSQL for all readers; rows are read as the
 * connection sees them, so a reader never gets more than the REST face would show.
 *
 * | event | data | when |
 * |---|---|---|
 * | ready | {} | once, first |
 * | alert | the alert, as GET /api/alerts/{id} has it | opened, acknowledged, resolved |
 * | delivery | of a store: queued, sent, pending, failed, displayed | at first and when it changes
 * | | device | of a store: labels and carts online, offline, asleep | at first and when it changes
 * | | reset | {} | more was missed than is told again: read /api/alerts anew |
 *
 * `ready` and `alert` have ids, times in milliseconds. A reader that comes back with Last-Event-ID
 * gets the alerts that changed since, some of them again: an event says how an alert is, not what
 * to add. Counts are looked at about once a second, and only while somebody wants them.
 */
#ifndef FEED_H
#define FEED_H

#include "http_route.h"
#include "http_streams.h"
#include "pg_conn.h"

#define FEED_CHANNEL    "endcap_feed" /* 0019_alert_functions.sql */
#define FEED_GATHER_MS  200           /* alerts are told at most so often */
#define FEED_COUNT_MS   1000          /* counts */
#define FEED_REPLAY_MAX 500           /* alerts that are told again to one reader */

struct feed; /* opaque */

struct feed_settings {
    /* Opens a connection that sees what readers may. Opened again after the server was away. */
    enum res (*open)(void *user, struct pg_conn **ret, struct err *why);
    void *user;
    struct http_streams_settings streams;
};

/* That PostgreSQL is not there is no failure. RES_NO_MEMORY, RES_IO. */
MUST_CHECK enum res feed_start(const struct feed_settings *settings, struct feed **ret,
                               struct err *why);
/* Ends the thread and every stream, before the HTTP server is stopped. NULL is fine. */
void feed_close(struct feed *f);
/* After the HTTP server was stopped. NULL is fine. */
void feed_free(struct feed *f);

struct feed_figures {
    struct http_streams_figures streams;
    bool listening;
};
void feed_figures(struct feed *f, struct feed_figures *ret);

/* Context: struct feed. */
extern const struct http_route feed_http_routes[];

#endif
