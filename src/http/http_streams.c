#include "http_streams.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "http_request_state.h"
#include "http_stream_state.h"

#define BLOCK_BYTES       4096
#define CLOSE_WAIT_MS     2000 /* for the last bytes to go out */
#define CLOSE_CUT_WAIT_MS 500  /* for the server to notice that a socket was cut */

#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

const struct http_streams_settings http_streams_defaults = {
    .streams_max = 64, .buffer_bytes = 256 * 1024, .heartbeat_ms = 5000};

struct http_stream {
    struct http_streams *hub;
    struct http_stream *previous;
    struct http_stream *next;
    struct MHD_Connection *connection; /* NULL until the server took it over */
    int fd;
    bool suspended;
    bool dropped;
    int64_t written_ms; /* when something was last put in */
    void *tag;
    size_t first; /* of the ring */
    size_t used;
    char ring[];
};

/* One lock for all: a write is a copy, and the server's thread holds it for a block at a time. */
struct http_streams {
    struct http_streams_settings settings;
    pthread_mutex_t lock;
    pthread_cond_t empty;
    struct http_stream *list;
    struct http_streams_figures figures;
    bool closed;
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum res http_streams_new(const struct http_streams_settings *settings, struct http_streams **ret,
                          struct err *why)
{
    assert(settings->buffer_bytes >= BLOCK_BYTES);
    struct http_streams *h = calloc(1, sizeof *h);
    if (h == NULL) {
        err_set(why, "no memory for event streams");
        return RES_NO_MEMORY;
    }
    h->settings = *settings;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->empty, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *ret = h;
    return RES_OK;
}

void http_streams_free(struct http_streams *h)
{
    if (h == NULL) {
        return;
    }
    assert(h->list == NULL && "the server was stopped before");
    (void)pthread_cond_destroy(&h->empty);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

/* ---- under the lock ---- */

static void wake(struct http_stream *s)
{
    if (s->suspended) {
        s->suspended = false;
        MHD_resume_connection(s->connection);
    }
}

/* The socket is the server's; it sees the end and closes. */
static void cut(struct http_stream *s)
{
    s->dropped = true;
    if (s->connection != NULL) {
        (void)shutdown(s->fd, SHUT_RDWR);
    }
    wake(s);
}

static void put(struct http_stream *s, struct span bytes, int64_t now)
{
    size_t room = s->hub->settings.buffer_bytes;
    if (s->dropped) {
        return;
    }
    if (bytes.size > room - s->used) {
        s->hub->figures.dropped++;
        cut(s);
        return;
    }
    size_t at = (s->first + s->used) % room;
    size_t head = bytes.size < room - at ? bytes.size : room - at;
    memcpy(s->ring + at, bytes.data, head);
    memcpy(s->ring, bytes.data + head, bytes.size - head);
    s->used += bytes.size;
    s->written_ms = now;
    wake(s);
}

static size_t take(struct http_stream *s, char *out, size_t size_max)
{
    size_t room = s->hub->settings.buffer_bytes;
    size_t size = s->used < size_max ? s->used : size_max;
    size_t head = size < room - s->first ? size : room - s->first;
    memcpy(out, s->ring + s->first, head);
    memcpy(out + head, s->ring, size - head);
    s->first = (s->first + size) % room;
    s->used -= size;
    return size;
}

/* True: the last stream is gone. */
static bool wait_empty(struct http_streams *h, int64_t wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(wait_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    while (h->list != NULL && pthread_cond_timedwait(&h->empty, &h->lock, &until) != ETIMEDOUT) {
    }
    return h->list == NULL;
}

/* ---- for handlers and writers ---- */

void http_streams_close(struct http_streams *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->closed = true;
    for (struct http_stream *s = h->list; s != NULL; s = s->next) {
        wake(s);
    }
    if (!wait_empty(h, CLOSE_WAIT_MS)) {
        for (struct http_stream *s = h->list; s != NULL; s = s->next) {
            cut(s);
        }
        (void)wait_empty(h, CLOSE_CUT_WAIT_MS); /* else the server ends them when it stops */
    }
    (void)pthread_mutex_unlock(&h->lock);
}

enum res http_streams_reply(struct http_streams *h, struct http_request *q, void *tag)
{
    static const char hello[] = "retry: " TEXT_OF(HTTP_STREAM_RETRY_MS) "\n\n";
    struct http_stream *s = malloc(sizeof *s + h->settings.buffer_bytes);
    if (s == NULL) {
        return RES_NO_MEMORY;
    }
    memset(s, 0, sizeof *s);
    s->hub = h;
    s->fd = -1;
    (void)pthread_mutex_lock(&h->lock);
    if (h->closed || h->figures.open == h->settings.streams_max) {
        (void)pthread_mutex_unlock(&h->lock);
        free(s);
        return RES_FULL;
    }
    s->tag = tag;
    s->next = h->list;
    if (s->next != NULL) {
        s->next->previous = s;
    }
    h->list = s;
    h->figures.open++;
    h->figures.opened++;
    put(s, span_text(hello, sizeof hello), now_ms());
    (void)pthread_mutex_unlock(&h->lock);
    http_request_state_stream(q, s);
    return RES_OK;
}

static void write_event(const struct http_event *e, struct sink *s)
{
    assert(strchr(e->data, '\n') == NULL);
    if (e->id[0] != '\0') {
        sink_text(s, "id: ");
        sink_text(s, e->id);
        sink_byte(s, '\n');
    }
    sink_text(s, "event: ");
    sink_text(s, e->name);
    sink_text(s, "\ndata: ");
    sink_text(s, e->data);
    sink_text(s, "\n\n");
}

enum res http_streams_send(struct http_streams *h, const struct http_event *event,
                           http_stream_wants wants, void *user)
{
    size_t size = strlen(event->id) + strlen(event->name) + strlen(event->data) + 32;
    char *text = malloc(size);
    if (text == NULL) {
        return RES_NO_MEMORY;
    }
    struct sink out;
    sink_init(&out, text, size);
    write_event(event, &out);
    int64_t now = now_ms();
    (void)pthread_mutex_lock(&h->lock);
    for (struct http_stream *s = h->list; s != NULL; s = s->next) {
        if (wants(s->tag, user)) {
            put(s, sink_span(&out), now);
        }
    }
    (void)pthread_mutex_unlock(&h->lock);
    free(text);
    return RES_OK;
}

bool http_streams_any(struct http_streams *h, http_stream_wants wants, void *user)
{
    bool found = false;
    (void)pthread_mutex_lock(&h->lock);
    for (struct http_stream *s = h->list; s != NULL && !found; s = s->next) {
        found = !s->dropped && wants(s->tag, user);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return found;
}

void http_streams_beat(struct http_streams *h)
{
    int64_t now = now_ms();
    (void)pthread_mutex_lock(&h->lock);
    for (struct http_stream *s = h->list; s != NULL; s = s->next) {
        if (now - s->written_ms >= (int64_t)h->settings.heartbeat_ms) {
            put(s, SPAN_LIT(":\n\n"), now);
        }
    }
    (void)pthread_mutex_unlock(&h->lock);
}

void http_streams_figures(struct http_streams *h, struct http_streams_figures *ret)
{
    (void)pthread_mutex_lock(&h->lock);
    *ret = h->figures;
    (void)pthread_mutex_unlock(&h->lock);
}

/* ---- for the server ---- */

/* Suspending under the lock: a write that comes a moment later finds it suspended and wakes it. */
static ssize_t read_block(void *cls, uint64_t position, char *out, size_t size_max)
{
    (void)position;
    struct http_stream *s = cls;
    ssize_t got = 0;
    (void)pthread_mutex_lock(&s->hub->lock);
    if (s->dropped) {
        got = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (s->used > 0) {
        got = (ssize_t)take(s, out, size_max);
    } else if (s->hub->closed) {
        got = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        s->suspended = true;
        MHD_suspend_connection(s->connection);
    }
    (void)pthread_mutex_unlock(&s->hub->lock);
    return got;
}

struct MHD_Response *http_stream_response(struct http_stream *s, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL) {
        return NULL;
    }
    unsigned silent_ms = HTTP_STREAM_SILENT_S * 1000;
    (void)setsockopt(info->connect_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof silent_ms);
    (void)pthread_mutex_lock(&s->hub->lock);
    s->fd = info->connect_fd;
    s->connection = connection;
    (void)pthread_mutex_unlock(&s->hub->lock);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_block, s, NULL);
}

void http_stream_end(struct http_stream *s)
{
    if (s == NULL) {
        return;
    }
    struct http_streams *h = s->hub;
    (void)pthread_mutex_lock(&h->lock);
    if (s->previous != NULL) {
        s->previous->next = s->next;
    } else {
        h->list = s->next;
    }
    if (s->next != NULL) {
        s->next->previous = s->previous;
    }
    h->figures.open--;
    if (h->list == NULL) {
        (void)pthread_cond_broadcast(&h->empty);
    }
    (void)pthread_mutex_unlock(&h->lock);
    free(s->tag);
    free(s);
}
