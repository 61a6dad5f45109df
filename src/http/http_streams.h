/* http_streams.h: server-sent events (the HTML standard's text/event-stream): answers that stay
 * open and that other threads write to. No thread per stream: a stream with nothing to say is
 * suspended in the server, and a write wakes it.
 *
 *   a handler:       if (http_streams_reply(streams, q, tag) != RES_OK) ... 503 ...
 *   one writer:      http_streams_send(streams, &event, wants, user);
 *                    http_streams_beat(streams);                  every second or so
 *   at the end:      http_streams_close(streams); http_server_stop(s); http_streams_free(streams);
 *
 * Bounded: at most streams_max clients, and for each at most buffer_bytes that it has not read yet.
 * A client that lets them fill is cut off, whatever it holds up is its own; its next connection
 * says what it saw last (Last-Event-ID). A client that is gone without a word is noticed by the
 * heartbeat, at the latest after HTTP_STREAM_SILENT_S.
 *
 * Every function may be called from any thread.
 */
#ifndef HTTP_STREAMS_H
#define HTTP_STREAMS_H

#include "err.h"
#include "http_reply.h"

#define HTTP_STREAM_CONTENT_TYPE "text/event-stream"
#define HTTP_STREAM_RETRY_MS     2000 /* what clients are told to wait before they come again */
#define HTTP_STREAM_SILENT_S     30   /* of unacknowledged bytes, then the connection is given up */

struct http_streams; /* opaque: the open streams of one route */
struct http_stream;  /* opaque: one client's */

struct http_streams_settings {
    size_t streams_max;
    size_t buffer_bytes;   /* of each; at least 4096 */
    unsigned heartbeat_ms; /* after so much silence a comment is sent */
};
/* 64 streams, 256 KiB each, 5 s: shorter than the server's idle_s_max. */
extern const struct http_streams_settings http_streams_defaults;

MUST_CHECK enum res http_streams_new(const struct http_streams_settings *settings,
                                     struct http_streams **ret, struct err *why);
/* After close and after the server was stopped. NULL is fine. */
void http_streams_free(struct http_streams *h);
/* Ends every stream in order, waits a moment until that has gone out, and takes no further one. */
void http_streams_close(struct http_streams *h);

/* Answers q with a stream that begins now. `tag` says what its reader wants: from malloc, freed
 * with the stream. RES_FULL: streams_max, or closed; RES_NO_MEMORY; then nothing was replied and
 * the tag is still the caller's. */
MUST_CHECK enum res http_streams_reply(struct http_streams *h, struct http_request *q, void *tag);

struct http_event {
    const char *id;   /* "": none */
    const char *name; /* "alert" */
    const char *data; /* one line */
};
/* Called under the streams' lock: looks, may change the tag, calls nothing of this header. */
typedef bool (*http_stream_wants)(void *tag, void *user);

/* To every stream that wants it. RES_NO_MEMORY: to none. */
MUST_CHECK enum res http_streams_send(struct http_streams *h, const struct http_event *event,
                                      http_stream_wants wants, void *user);
/* Is there one that wants it? Stops at the first. */
bool http_streams_any(struct http_streams *h, http_stream_wants wants, void *user);
/* A heartbeat to those that were silent for heartbeat_ms. */
void http_streams_beat(struct http_streams *h);

struct http_streams_figures {
    size_t open;
    uint64_t opened;
    uint64_t dropped; /* cut off: they read too slowly */
};
void http_streams_figures(struct http_streams *h, struct http_streams_figures *ret);

#endif
