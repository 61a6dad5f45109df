#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_request_state.h"
#include "http_stream_state.h"
#include "http_watch.h"
#include "http_workers.h"

/* Request line, headers and MHD's own bookkeeping of one connection: our own limit on the target
 * answers first, and browsers send at most a few kilobytes of headers. */
#define CONNECTION_BYTES_MAX 24576
_Static_assert(CONNECTION_BYTES_MAX > 4 * HTTP_TARGET_BYTES_MAX,
               "a target that is too long must still reach our own 414");
/* A refused body is read and dropped so far, so that the client sees the answer; then we hang up.
 */
#define DROPPED_BYTES_MAX (4 * HTTP_BODY_BYTES_MAX)
#define RETRY_AFTER_S     "2"
#define STACK_BYTES       (256 * 1024)

const struct http_server_settings http_server_defaults = {
    .address = "127.0.0.1",
    .loopback_only = true,
    .connections_max = 256,
    .connections_per_address_max = 256,
    .idle_s_max = 10,
    .request_s_max = 20,
    .workers = 8,
    .queue_max = 64,
};

struct http_server {
    struct http_server_settings settings;
    struct MHD_Daemon *daemon;
    struct http_workers *workers;
    struct http_watch *watch;
    uint16_t port;
    int fd; /* the listening socket until the daemon owns it; -1 then */
};

enum exchange_step { STEP_NEW, STEP_READING, STEP_WORKING };

/* One request and its answer. */
struct exchange {
    struct MHD_Connection *connection;
    struct http_request *q;
    char *target;
    char method[8];
    enum exchange_step step;
    int64_t started_us;
    int64_t replied_us; /* of a stream, which lasts as long as its reader likes; else 0 */
    size_t dropped_bytes;
    size_t reply_bytes;
};

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static const char *header(void *user, const char *name)
{
    return MHD_lookup_connection_value(user, MHD_HEADER_KIND, name);
}

static struct http_watch_client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* ---- answering ---- */

static enum MHD_Result add_headers(struct MHD_Response *response, const struct http_request *q)
{
    static const char *const always[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Cache-Control", "no-store"},
        {"Referrer-Policy", "no-referrer"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        if (MHD_add_response_header(response, always[i][0], always[i][1]) != MHD_YES) {
            return MHD_NO;
        }
    }
    if ((q->reply.status == 503 || q->reply.status == 429) &&
        MHD_add_response_header(response, "Retry-After", RETRY_AFTER_S) != MHD_YES) {
        return MHD_NO;
    }
    if (q->reply.status == 405) {
        char allow[64];
        struct sink s;
        sink_init(&s, allow, sizeof allow - 1);
        for (int m = 0; m < HTTP_METHODS; m++) {
            if ((q->reply.allowed >> m & 1) != 0) {
                sink_text(&s, s.size == 0 ? "" : ", ");
                sink_text(&s, m == HTTP_GET ? "GET, HEAD"
                                            : http_route_method_name((enum http_method)m));
            }
        }
        allow[s.size] = '\0';
        if (MHD_add_response_header(response, "Allow", allow) != MHD_YES) {
            return MHD_NO;
        }
    }
    if (MHD_add_response_header(response, "X-Request-Id", q->id) != MHD_YES) {
        return MHD_NO;
    }
    return MHD_add_response_header(response, "Content-Type", q->reply.content_type);
}

static enum MHD_Result send_reply(struct exchange *x)
{
    struct http_reply *reply = &x->q->reply;
    struct MHD_Response *response = NULL;
    if (reply->stream != NULL) {
        response = http_stream_response(reply->stream, x->connection);
        x->replied_us = now_us();
    } else if (reply->text != NULL) {
        response = MHD_create_response_from_buffer(reply->size, reply->text, MHD_RESPMEM_MUST_FREE);
    }
    if (response == NULL) {
        return MHD_NO;
    }
    x->reply_bytes = reply->size;
    reply->text = NULL;
    enum MHD_Result r = add_headers(response, x->q);
    if (r == MHD_YES) {
        r = MHD_queue_response(x->connection, reply->status, response);
    }
    MHD_destroy_response(response);
    return r;
}

/* A worker's turn. */
static void run_job(void *user, void *job)
{
    (void)user;
    struct exchange *x = job;
    http_request_state_run(x->q);
    MHD_resume_connection(x->connection);
}

/* ---- a request's way in ---- */

/* A page of another site, whose name was made to point at 127.0.0.1, sends that name here. */
static bool host_is_local(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; host != NULL && i < sizeof names / sizeof names[0]; i++) {
        size_t size = strlen(names[i]);
        if (strncasecmp(host, names[i], size) == 0 && (host[size] == '\0' || host[size] == ':')) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result begin(struct http_server *s, struct exchange *x, const char *method)
{
    x->q = http_request_state_new(header(x->connection, "X-Request-Id"));
    if (x->q == NULL) {
        return MHD_NO;
    }
    http_metrics_begin(s->settings.metrics);
    enum http_method known;
    (void)snprintf(x->method, sizeof x->method, "%s",
                   http_route_method_read(method, &known) == RES_OK ? method : "other");
    x->step = STEP_READING;
    if (s->settings.loopback_only && !host_is_local(header(x->connection, "Host"))) {
        http_reply_error(x->q, HTTP_ERROR_FORBIDDEN, "This server answers to localhost only.");
    } else {
        http_request_state_begin(x->q, s->settings.table, method, x->target, header, x->connection);
    }
    /* An answer that is ready goes out once the body has been read and dropped, which is what most
     * clients wait for; not so when they ask first or when it is too much to read. */
    const char *length = header(x->connection, "Content-Length");
    if (x->q->reply.ready && (header(x->connection, "Expect") != NULL ||
                              (length != NULL && strtoull(length, NULL, 10) > DROPPED_BYTES_MAX))) {
        return send_reply(x);
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
    if (x->q->reply.ready) {
        x->dropped_bytes += *size;
        if (x->dropped_bytes > DROPPED_BYTES_MAX) {
            return MHD_NO;
        }
    } else {
        http_request_state_body(x->q, data, *size);
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result dispatch(struct http_server *s, struct exchange *x)
{
    http_watch_request_whole(s->watch, client_of(x->connection));
    http_request_state_end(x->q);
    if (x->q->reply.ready || x->q->route->at_once) {
        http_request_state_run(x->q);
        return send_reply(x);
    }
    x->step = STEP_WORKING;
    MHD_suspend_connection(x->connection);
    if (http_workers_give(s->workers, x) != RES_OK) {
        http_reply_error(x->q, HTTP_ERROR_UNAVAILABLE, "Too many requests wait; try again.");
        MHD_resume_connection(x->connection);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **con_cls)
{
    (void)url; /* decoded loosely; we read the raw target */
    (void)version;
    struct http_server *s = cls;
    struct exchange *x = *con_cls;
    if (x == NULL) {
        return MHD_NO;
    }
    x->connection = connection;
    switch (x->step) {
    case STEP_NEW:
        return begin(s, x, method);
    case STEP_READING:
        return *upload_data_size > 0 ? take_body(x, upload_data, upload_data_size) : dispatch(s, x);
    case STEP_WORKING:
        return send_reply(x);
    }
    return MHD_NO;
}

/* The raw target, before MHD takes it apart. */
static void *on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
    (void)cls;
    (void)connection;
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    x->target = strdup(uri);
    x->started_us = now_us();
    if (x->target == NULL) {
        free(x);
        return NULL;
    }
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    (void)code;
    struct http_server *s = cls;
    struct exchange *x = *con_cls;
    http_watch_request_next(s->watch, client_of(connection));
    if (x == NULL) {
        return;
    }
    if (x->q != NULL) {
        const struct http_route *route = x->q->route;
        struct http_access access = {
            .request_id = x->q->id,
            .method = x->method,
            .route = route != NULL ? route->path : "none",
            .status = x->q->reply.status,
            .reply_bytes = x->reply_bytes,
            .duration_us = (x->replied_us != 0 ? x->replied_us : now_us()) - x->started_us,
            .note = x->q->note,
        };
        http_metrics_end(s->settings.metrics, route, access.status, access.duration_us);
        if (s->settings.on_done != NULL) {
            s->settings.on_done(s->settings.user, &access);
        }
        http_stream_end(x->q->reply.stream);
        http_request_state_free(x->q);
    }
    free(x->target);
    free(x);
    *con_cls = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = info == NULL ? NULL : http_watch_add(s->watch, info->connect_fd);
    } else {
        http_watch_remove(s->watch, *socket_context);
        *socket_context = NULL;
    }
}

/* ---- starting and stopping ---- */

/* `ret` is big enough for both families. */
static enum res read_address(const struct http_server_settings *settings,
                             struct sockaddr_storage *ret, socklen_t *ret_size, struct err *why)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(settings->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(settings->port)};
    bool loopback = false;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, settings->address, &v4.sin_addr) == 1) {
        loopback = ntohl(v4.sin_addr.s_addr) >> 24 == 127;
        memcpy(ret, &v4, sizeof v4);
        *ret_size = sizeof v4;
    } else if (inet_pton(AF_INET6, settings->address, &v6.sin6_addr) == 1) {
        loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
        memcpy(ret, &v6, sizeof v6);
        *ret_size = sizeof v6;
    } else {
        err_set(why, "\"%s\" is not an IP address; give a numeric one such as 127.0.0.1",
                settings->address);
        return RES_INVALID;
    }
    if (settings->loopback_only && !loopback) {
        err_set(why,
                "will not listen on %s: without accounts anybody who reaches this address could "
                "read every store, so only 127.0.0.1 or ::1 is allowed",
                settings->address);
        return RES_DENIED;
    }
    return RES_OK;
}

static enum res listen_on(struct http_server *s, struct err *why)
{
    const struct http_server_settings *settings = &s->settings;
    struct sockaddr_storage address;
    socklen_t size = 0;
    enum res r = read_address(settings, &address, &size, why);
    if (r != RES_OK) {
        return r;
    }
    s->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1;
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) {
        err_set(why, "cannot open a socket: %s", strerror(errno));
        return RES_IO;
    }
    if (bind(s->fd, (struct sockaddr *)&address, size) != 0 || listen(s->fd, 128) != 0) {
        int error = errno;
        err_set(why, "cannot listen on %s port %u: %s; %s", settings->address,
                (unsigned)settings->port, strerror(error),
                error == EADDRINUSE ? "stop the program that holds it or choose another port"
                                    : "choose another address or port");
        return error == EADDRINUSE ? RES_CONFLICT : RES_IO;
    }
    size = sizeof address;
    (void)getsockname(s->fd, (struct sockaddr *)&address, &size);
    struct sockaddr_in v4;
    memcpy(&v4, &address, sizeof v4); /* the port is at the same place in both families */
    s->port = ntohs(v4.sin_port);
    return RES_OK;
}

static enum res start_daemon(struct http_server *s, struct err *why)
{
    const struct http_server_settings *g = &s->settings;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL}};
    if (g->tls_certificate != NULL) {
        static char priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-AES-128-CBC:"
                                   "-AES-256-CBC:-RSA:%SERVER_PRECEDENCE";
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0,
                                         (void *)(uintptr_t)g->tls_certificate};
        tls[1] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)g->tls_key};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
    }
    s->daemon = MHD_start_daemon(
        flags, s->port, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->fd,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES_MAX,
        MHD_OPTION_CONNECTION_LIMIT, g->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        g->connections_per_address_max, MHD_OPTION_CONNECTION_TIMEOUT, g->idle_s_max,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (s->daemon == NULL) {
        err_set(why, "cannot start the HTTP server on %s port %u%s", g->address, (unsigned)s->port,
                g->tls_certificate != NULL ? "; check the TLS certificate and key" : "");
        return RES_IO;
    }
    s->fd = -1;
    return RES_OK;
}

enum res http_server_start(const struct http_server_settings *settings, struct http_server **ret,
                           struct err *why)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        err_set(why, "no memory for the HTTP server");
        return RES_NO_MEMORY;
    }
    s->settings = *settings;
    s->fd = -1;
    enum res r = listen_on(s, why);
    if (r == RES_OK) {
        r = http_watch_start(settings->request_s_max, &s->watch, why);
    }
    if (r == RES_OK) {
        r = http_workers_start(settings->workers, settings->queue_max, run_job, s, &s->workers,
                               why);
    }
    if (r == RES_OK) {
        r = start_daemon(s, why);
    }
    if (r != RES_OK) {
        http_server_stop(s);
        return r;
    }
    *ret = s;
    return RES_OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_stop(struct http_server *s)
{
    if (s == NULL) {
        return;
    }
    /* No suspended connection may be left when the daemon stops: the workers end first, and from
     * then on every request gets its 503 at once. */
    if (s->daemon != NULL) {
        MHD_socket listener = MHD_quiesce_daemon(s->daemon);
        http_workers_stop(s->workers);
        MHD_stop_daemon(s->daemon);
        if (listener != MHD_INVALID_SOCKET) {
            (void)close(listener);
        }
    }
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    http_workers_free(s->workers);
    http_watch_stop(s->watch);
    free(s);
}
