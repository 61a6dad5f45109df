#include "mqtt_client.h"

#include <assert.h>
#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "mqtt_tls.h"

#define CONNECT_TIMEOUT_MS_DEFAULT 10000
#define SEND_MAX_DEFAULT           32
#define RECEIVE_MAX_DEFAULT        32
#define QUEUED_MAX_DEFAULT         1000
#define RECONNECT_MIN_MS_DEFAULT   250
#define RECONNECT_MAX_MS_DEFAULT   10000
/* Keep-alive is checked at least this often. */
#define STEP_MS_MAX 1000
/* While TLS is being agreed libmosquitto does not say what it waits for. */
#define CONNECTING_STEP_MS_MAX 50
/* Then writes and callers have their turn. */
#define PACKETS_A_TURN_MAX 64
/* How long a goodbye may take. */
#define GOODBYE_MS_MAX 1000

enum state { DOWN, CONNECTING, UP };

struct mqtt_client {
    struct mqtt_client_settings settings; /* its texts point to our copies, or nowhere */
    char *host;
    char *client_id;
    SSL_CTX *tls;
    struct mosquitto *mosquitto;
    _Atomic enum state state;
    atomic_int queued; /* publishes without PUBACK */

    /* of the running connection or attempt; only the stepping thread touches them */
    unsigned attempts;
    int64_t connect_deadline_ms;
    bool tcp_open;
    bool left_over; /* OpenSSL holds bytes that poll(2) does not see */
    bool called_back;
    bool lost; /* libmosquitto's callbacks fill in these; step reports them */
    bool arrived;
    enum res lost_cause;
    struct err lost_why;
    char tls_words[160];

    /* threaded */
    bool running;
    pthread_t thread;
    int wake_fd; /* eventfd: something was queued, or stop */
    atomic_bool stop;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    (void)mosquitto_lib_init();
}

static void lose(struct mqtt_client *c, enum res cause, const char *words)
{
    if (c->lost) {
        return;
    }
    c->lost = true;
    c->lost_cause = cause;
    err_set(&c->lost_why, "%s:%u: %s", c->settings.host, c->settings.port, words);
}

static void lose_to_errno(struct mqtt_client *c, int error)
{
    char words[200];
    enum res cause = RES_DENIED;
    if (error == ECONNREFUSED || (error == 0 && !c->tcp_open)) {
        cause = RES_UNAVAILABLE;
        (void)snprintf(words, sizeof words, "nobody listens there; is the broker running?");
    } else if (c->tls_words[0] != '\0') {
        (void)snprintf(words, sizeof words, "TLS failed: %.120s", c->tls_words);
    } else if (error == EPROTO) { /* libmosquitto's word for any failure of TLS */
        (void)snprintf(words, sizeof words,
                       "the broker broke TLS off; it most likely refused our certificate");
    } else {
        cause = RES_UNAVAILABLE;
        (void)snprintf(words, sizeof words, "the connection broke (%s)%s",
                       error == 0 ? "closed by the broker" : strerror(error),
                       atomic_load(&c->state) == UP
                           ? ""
                           : " before the broker answered; it may have refused our certificate");
    }
    lose(c, cause, words);
}

/* `code` is libmosquitto's, seen after errno `error`. */
static void lose_to_code(struct mqtt_client *c, int code, int error)
{
    char words[200];
    switch (code) {
    case MOSQ_ERR_TLS:
        (void)snprintf(words, sizeof words,
                       "TLS failed: %.100s; check both certificates and their CA",
                       c->tls_words[0] != '\0' ? c->tls_words : "closed during the handshake");
        lose(c, RES_DENIED, words);
        break;
    case MOSQ_ERR_EAI:
        lose(c, RES_UNAVAILABLE, "the name is unknown; check the host name");
        break;
    case MOSQ_ERR_KEEPALIVE:
        lose(c, RES_UNAVAILABLE, "the broker fell silent for longer than the keep-alive");
        break;
    case MOSQ_ERR_ERRNO:
        lose_to_errno(c, error);
        break;
    case MOSQ_ERR_NO_CONN:
    case MOSQ_ERR_CONN_LOST:
        lose_to_errno(c, 0);
        break;
    default:
        lose(c, RES_UNAVAILABLE, mosquitto_strerror(code));
        break;
    }
}

/* libmosquitto tells TLS errors only to its log. */
static void on_log(struct mosquitto *m, void *context, int level, const char *text)
{
    (void)m;
    struct mqtt_client *c = context;
    static const char prefix[] = "OpenSSL Error[";
    if (level != MOSQ_LOG_ERR || strncmp(text, prefix, sizeof prefix - 1) != 0 ||
        c->tls_words[0] != '\0') {
        return;
    }
    const char *words = strrchr(text, ':'); /* "...: error:0A000418:SSL routines::words" */
    (void)snprintf(c->tls_words, sizeof c->tls_words, "%s", words == NULL ? text : words + 1);
}

static void on_connect(struct mosquitto *m, void *context, int reason, int flags,
                       const mosquitto_property *properties)
{
    (void)flags;
    (void)properties;
    struct mqtt_client *c = context;
    if (reason == 0) {
        mosquitto_log_callback_set(m, NULL); /* it would format a line for every packet */
        c->arrived = true;
        return;
    }
    char words[200];
    (void)snprintf(words, sizeof words, "the broker refused client %.64s: %s",
                   c->settings.client_id, mosquitto_reason_string(reason));
    lose(c, RES_DENIED, words);
}

static void on_disconnect(struct mosquitto *m, void *context, int reason,
                          const mosquitto_property *properties)
{
    int error = errno;
    (void)m;
    (void)properties;
    struct mqtt_client *c = context;
    if (reason < 0x80) {
        lose_to_code(c, reason == 0 ? MOSQ_ERR_CONN_LOST : reason, error);
        return;
    }
    char words[200];
    (void)snprintf(words, sizeof words, "the broker ended the session: %s",
                   mosquitto_reason_string(reason));
    lose(c, reason == MQTT_RC_SESSION_TAKEN_OVER ? RES_CONFLICT : RES_DENIED, words);
}

static void on_message(struct mosquitto *m, void *context, const struct mosquitto_message *from,
                       const mosquitto_property *properties)
{
    (void)m;
    struct mqtt_client *c = context;
    c->called_back = true;
    if (c->settings.on_message == NULL) {
        return;
    }
    char *name = NULL;
    char *value = NULL;
    (void)mosquitto_property_read_string_pair(properties, MQTT_PROP_USER_PROPERTY, &name, &value,
                                              false);
    struct mqtt_message message = {
        .topic = span_of(from->topic, strlen(from->topic)),
        .payload = span_of(from->payload, (size_t)from->payloadlen),
        .retained = from->retain,
    };
    if (name != NULL && value != NULL) {
        message.property.name = span_of(name, strlen(name));
        message.property.value = span_of(value, strlen(value));
    }
    c->settings.on_message(c->settings.context, &message);
    free(name);
    free(value);
}

static void answer(struct mqtt_client *c, bool subscription, int id, unsigned reason)
{
    c->called_back = true;
    struct mqtt_answer said = {.subscription = subscription, .id = id, .reason = reason};
    if (c->settings.on_answer != NULL) {
        c->settings.on_answer(c->settings.context, &said);
    }
}

static void on_publish(struct mosquitto *m, void *context, int id, int reason,
                       const mosquitto_property *properties)
{
    (void)m;
    (void)properties;
    struct mqtt_client *c = context;
    (void)atomic_fetch_sub(&c->queued, 1);
    answer(c, false, id, (unsigned)reason);
}

static void on_subscribe(struct mosquitto *m, void *context, int id, int count, const int *granted,
                         const mosquitto_property *properties)
{
    (void)m;
    (void)properties;
    answer(context, true, id, count > 0 ? (unsigned)granted[0] : MQTT_RC_UNSPECIFIED);
}

static bool settings_valid(const struct mqtt_client_settings *s, struct err *why)
{
    if (s->host == NULL || s->host[0] == '\0' || s->port == 0) {
        err_set(why, "the broker's host and port are not set");
    } else if (s->client_id == NULL || s->client_id[0] == '\0' ||
               strlen(s->client_id) > MQTT_CLIENT_ID_BYTES_MAX) {
        err_set(why, "the MQTT client id is not 1 to %d bytes", MQTT_CLIENT_ID_BYTES_MAX);
    } else if (s->ca_file == NULL || s->certificate_file == NULL || s->key_file == NULL) {
        err_set(why, "CA, certificate and key files are all needed: the broker takes no client "
                     "without a certificate");
    } else if (s->keep_alive_s < 5 || s->keep_alive_s > UINT16_MAX) {
        err_set(why, "the keep-alive of %u s is not 5 to 65535", s->keep_alive_s);
    } else if (s->send_max > UINT16_MAX || s->receive_max > UINT16_MAX ||
               s->queued_max > MQTT_CLIENT_QUEUED_MAX ||
               s->reconnect_min_ms > s->reconnect_max_ms) {
        err_set(why, "an in-flight or reconnect limit of the MQTT client is out of range");
    } else {
        return true;
    }
    return false;
}

static void default_to(unsigned *value, unsigned fallback)
{
    if (*value == 0) {
        *value = fallback;
    }
}

static enum res copy_settings(struct mqtt_client *c, const struct mqtt_client_settings *from)
{
    struct mqtt_client_settings *s = &c->settings;
    *s = *from;
    default_to(&s->connect_timeout_ms, CONNECT_TIMEOUT_MS_DEFAULT);
    default_to(&s->send_max, SEND_MAX_DEFAULT);
    default_to(&s->receive_max, RECEIVE_MAX_DEFAULT);
    default_to(&s->queued_max, QUEUED_MAX_DEFAULT);
    default_to(&s->reconnect_min_ms, RECONNECT_MIN_MS_DEFAULT);
    default_to(&s->reconnect_max_ms, RECONNECT_MAX_MS_DEFAULT);
    s->ca_file = s->certificate_file = s->key_file = NULL; /* read already */
    s->host = c->host = strdup(from->host);
    s->client_id = c->client_id = strdup(from->client_id);
    return c->host == NULL || c->client_id == NULL ? RES_NO_MEMORY : RES_OK;
}

enum res mqtt_client_new(const struct mqtt_client_settings *settings, struct err *why,
                         struct mqtt_client **ret_client)
{
    if (!settings_valid(settings, why)) {
        return RES_INVALID;
    }
    (void)pthread_once(&library_once, library_init);
    struct mqtt_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_set(why, "no memory for an MQTT client");
        return RES_NO_MEMORY;
    }
    c->wake_fd = -1;
    enum res r = copy_settings(c, settings);
    if (r != RES_OK) {
        err_set(why, "no memory for an MQTT client");
        goto out;
    }
    r = mqtt_tls_context(settings->ca_file, settings->certificate_file, settings->key_file,
                         settings->host, why, &c->tls);
    if (r != RES_OK) {
        goto out;
    }
    if (settings->threaded) {
        /* One system call for many small messages. Our own loop knows of what is left over then; a
         * manual caller's poll would not. */
        SSL_CTX_set_read_ahead(c->tls, 1);
        c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->wake_fd < 0) {
            err_set(why, "no descriptor for an MQTT client (%s); raise the open-files limit",
                    strerror(errno));
            r = RES_IO;
            goto out;
        }
    }
    *ret_client = c;
    c = NULL;
out:
    mqtt_client_free(c);
    return r;
}

void mqtt_client_free(struct mqtt_client *c)
{
    if (c == NULL) {
        return;
    }
    mqtt_client_disconnect(c);
    mosquitto_destroy(c->mosquitto);
    if (c->wake_fd >= 0) {
        (void)close(c->wake_fd);
    }
    SSL_CTX_free(c->tls);
    free(c->host);
    free(c->client_id);
    free(c);
}

/* A fresh libmosquitto object: nothing queued, nothing in flight. */
static enum res renew(struct mqtt_client *c)
{
    mosquitto_destroy(c->mosquitto);
    c->mosquitto = mosquitto_new(c->settings.client_id, true, c);
    struct mosquitto *m = c->mosquitto;
    if (m == NULL || mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5) != 0 ||
        mosquitto_int_option(m, MOSQ_OPT_SEND_MAXIMUM, (int)c->settings.send_max) != 0 ||
        mosquitto_int_option(m, MOSQ_OPT_RECEIVE_MAXIMUM, (int)c->settings.receive_max) != 0 ||
        mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, 1) != 0 ||
        mosquitto_int_option(m, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != 0 ||
        mosquitto_void_option(m, MOSQ_OPT_SSL_CTX, c->tls) != 0 ||
        (c->settings.threaded && mosquitto_threaded_set(m, true) != 0)) {
        return RES_NO_MEMORY;
    }
    mosquitto_connect_v5_callback_set(m, on_connect);
    mosquitto_disconnect_v5_callback_set(m, on_disconnect);
    mosquitto_message_v5_callback_set(m, on_message);
    mosquitto_publish_v5_callback_set(m, on_publish);
    mosquitto_subscribe_v5_callback_set(m, on_subscribe);
    atomic_store(&c->queued, 0);
    return RES_OK;
}

/* Begins an attempt. On failure `lost` says why. */
static enum res begin(struct mqtt_client *c)
{
    c->lost = false;
    c->arrived = false;
    c->tcp_open = false;
    c->left_over = false;
    c->tls_words[0] = '\0';
    c->connect_deadline_ms = clock_monotonic_ms() + c->settings.connect_timeout_ms;
    mosquitto_log_callback_set(c->mosquitto, on_log);
    int code = 0;
    int error = 0;
    /* libmosquitto takes a name's first address and never another, and "localhost" is often ::1
     * first. The local address chooses the family: IPv4 first at even attempts, IPv6 at odd ones.
     */
    for (unsigned i = 0; i < 2; i++) {
        const char *any = (c->attempts + i) % 2 == 0 ? "0.0.0.0" : "::";
        code = mosquitto_connect_bind_async(c->mosquitto, c->settings.host, c->settings.port,
                                            (int)c->settings.keep_alive_s, any);
        error = errno;
        if (code <= 0) {
            break;
        }
    }
    c->attempts++;
    if (code > 0) {
        lose_to_code(c, code, error);
        return c->lost_cause;
    }
    atomic_store(&c->state, CONNECTING);
    return RES_OK;
}

static int poll_once(struct mqtt_client *c, unsigned timeout_ms, short *ret_events)
{
    bool connecting = atomic_load(&c->state) == CONNECTING;
    unsigned longest = connecting && c->tcp_open ? CONNECTING_STEP_MS_MAX : STEP_MS_MAX;
    bool want_write = connecting ? !c->tcp_open : mosquitto_want_write(c->mosquitto);
    struct pollfd fds[2] = {
        {.fd = mosquitto_socket(c->mosquitto),
         .events = (short)(POLLIN | (want_write ? POLLOUT : 0))},
        {.fd = c->wake_fd, .events = POLLIN}, /* -1 is skipped */
    };
    if (c->left_over) {
        timeout_ms = 0;
    }
    int n = poll(fds, 2, (int)(timeout_ms < longest ? timeout_ms : longest));
    if (n > 0 && (fds[1].revents & POLLIN) != 0) {
        uint64_t count;
        ssize_t got = read(c->wake_fd, &count, sizeof count);
        (void)got; /* only its being readable mattered */
    }
    *ret_events = n > 0 ? fds[0].revents : 0;
    return fds[0].fd;
}

static bool holds_bytes(struct mqtt_client *c)
{
    const SSL *ssl = mosquitto_ssl_get(c->mosquitto);
    return mosquitto_socket(c->mosquitto) >= 0 && ssl != NULL && SSL_has_pending(ssl) == 1;
}

/* One read of libmosquitto's takes one packet; OpenSSL may hold many, and a part of the next, which
 * only another read tells apart. EAGAIN may be left from a write: a callback is progress too. */
static int read_packets(struct mqtt_client *c)
{
    int code = 0;
    bool progress = false;
    bool again = true;
    for (int i = 0; again && i < PACKETS_A_TURN_MAX; i++) {
        c->called_back = false;
        errno = 0;
        code = mosquitto_loop_read(c->mosquitto, 1);
        bool did = c->called_back || errno != EAGAIN;
        progress = progress || did;
        again = code == 0 && !c->lost && did && holds_bytes(c);
    }
    c->left_over = code == 0 && !c->lost && progress && holds_bytes(c);
    return code;
}

/* Lets libmosquitto read and write. */
static void drive(struct mqtt_client *c, int fd, short events)
{
    bool connecting = atomic_load(&c->state) == CONNECTING;
    int error = 0;
    socklen_t size = sizeof error;
    if ((events & (POLLERR | POLLHUP)) != 0) {
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (connecting && (events & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT) {
        c->tcp_open = true;
    }
    int code = 0;
    if (error == 0 && (events != 0 || connecting || c->left_over)) {
        code = read_packets(c);
        error = code != 0 ? errno : 0;
    }
    if (code == 0 && error == 0 && !c->lost) {
        code = mosquitto_loop_write(c->mosquitto, 1);
        error = code != 0 ? errno : 0;
    }
    if (code == 0 && error == 0 && !c->lost) {
        code = mosquitto_loop_misc(c->mosquitto);
    }
    if (code != 0) {
        lose_to_code(c, code, error);
    } else if (error != 0 || (connecting && !c->arrived && (events & (POLLERR | POLLHUP)) != 0)) {
        lose_to_errno(c, error);
    }
}

/* One turn; true while there is a connection or attempt. */
static bool turn(struct mqtt_client *c, unsigned timeout_ms)
{
    short events;
    int fd = poll_once(c, timeout_ms, &events);
    drive(c, fd, events);
    if (c->arrived && !c->lost) {
        c->arrived = false;
        c->attempts--; /* the family that worked comes first again */
        atomic_store(&c->state, UP);
        if (c->settings.on_connect != NULL) {
            c->settings.on_connect(c->settings.context);
        }
    }
    if (atomic_load(&c->state) == CONNECTING && clock_monotonic_ms() >= c->connect_deadline_ms) {
        lose(c, RES_UNAVAILABLE, "no answer in time; is this the broker's address?");
    }
    return !c->lost;
}

static void close_down(struct mqtt_client *c)
{
    atomic_store(&c->state, DOWN);
}

static void report_loss(struct mqtt_client *c)
{
    close_down(c);
    if (c->settings.on_disconnect != NULL) {
        c->settings.on_disconnect(c->settings.context, c->lost_cause, c->lost_why.text);
    }
}

static void say_goodbye(struct mqtt_client *c)
{
    if (atomic_load(&c->state) == UP && mosquitto_disconnect_v5(c->mosquitto, 0, NULL) == 0) {
        int64_t deadline_ms = clock_monotonic_ms() + GOODBYE_MS_MAX;
        while (mosquitto_socket(c->mosquitto) >= 0 && clock_monotonic_ms() < deadline_ms) {
            short events;
            int fd = poll_once(c, 50, &events);
            drive(c, fd, events);
        }
    }
    close_down(c);
}

/* Waits delay_ms, or until stop. */
static void pause_until_stop(struct mqtt_client *c, unsigned delay_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + delay_ms;
    for (int64_t left = delay_ms; left > 0 && !atomic_load(&c->stop);
         left = deadline_ms - clock_monotonic_ms()) {
        struct pollfd fd = {.fd = c->wake_fd, .events = POLLIN};
        if (poll(&fd, 1, (int)left) > 0) {
            uint64_t count;
            ssize_t got = read(c->wake_fd, &count, sizeof count);
            (void)got;
        }
    }
}

/* Half of the delay and up to as much again: servers that fell together do not return together. */
static unsigned jittered(unsigned delay_ms)
{
    uint32_t random = 0;
    (void)getrandom(&random, sizeof random, GRND_NONBLOCK);
    return delay_ms / 2 + random % (delay_ms / 2 + 1);
}

static void *run(void *context)
{
    struct mqtt_client *c = context;
    unsigned delay_ms = c->settings.reconnect_min_ms;
    while (!atomic_load(&c->stop)) {
        bool alive = begin(c) == RES_OK;
        while (alive && !atomic_load(&c->stop)) {
            alive = turn(c, STEP_MS_MAX);
            if (atomic_load(&c->state) == UP) {
                delay_ms = c->settings.reconnect_min_ms;
            }
        }
        if (!alive) {
            report_loss(c);
            pause_until_stop(c, jittered(delay_ms));
            delay_ms = delay_ms > c->settings.reconnect_max_ms / 2 ? c->settings.reconnect_max_ms
                                                                   : delay_ms * 2;
        }
    }
    say_goodbye(c);
    return NULL;
}

static void wake(struct mqtt_client *c)
{
    if (c->wake_fd >= 0) {
        uint64_t one = 1;
        ssize_t put = write(c->wake_fd, &one, sizeof one);
        (void)put; /* full means it is readable already */
    }
}

enum res mqtt_client_connect(struct mqtt_client *c, struct err *why)
{
    if (c->running || atomic_load(&c->state) != DOWN) {
        err_set(why, "this MQTT client is connected or connecting already");
        return RES_CONFLICT;
    }
    enum res r = renew(c);
    if (r != RES_OK) {
        err_set(why, "no memory for an MQTT connection");
        return r;
    }
    if (!c->settings.threaded) {
        r = begin(c);
        if (r != RES_OK) {
            err_set(why, "%s", c->lost_why.text);
        }
        return r;
    }
    atomic_store(&c->stop, false);
    int error = pthread_create(&c->thread, NULL, run, c);
    if (error != 0) {
        err_set(why, "the MQTT thread cannot start (%s)", strerror(error));
        return RES_NO_MEMORY;
    }
    c->running = true;
    return RES_OK;
}

void mqtt_client_disconnect(struct mqtt_client *c)
{
    if (c->running) {
        atomic_store(&c->stop, true);
        wake(c);
        (void)pthread_join(c->thread, NULL);
        c->running = false;
    } else if (atomic_load(&c->state) != DOWN) {
        say_goodbye(c);
    }
    mosquitto_destroy(c->mosquitto); /* closes the socket in any state */
    c->mosquitto = NULL;
}

bool mqtt_client_connected(const struct mqtt_client *c)
{
    return atomic_load(&c->state) == UP;
}

enum res mqtt_client_step(struct mqtt_client *c, unsigned timeout_ms)
{
    assert(!c->settings.threaded);
    if (atomic_load(&c->state) == DOWN) {
        return RES_UNAVAILABLE;
    }
    if (!turn(c, timeout_ms)) {
        report_loss(c);
        return RES_UNAVAILABLE;
    }
    return RES_OK;
}

int mqtt_client_socket(const struct mqtt_client *c)
{
    return atomic_load(&c->state) == DOWN ? -1 : mosquitto_socket(c->mosquitto);
}

static enum res res_of(int code)
{
    switch (code) {
    case MOSQ_ERR_SUCCESS:
        return RES_OK;
    case MOSQ_ERR_NOMEM:
        return RES_NO_MEMORY;
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MOSQ_ERR_PAYLOAD_SIZE:
        return RES_LIMIT;
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
        return RES_INVALID;
    default:
        return RES_UNAVAILABLE;
    }
}

static enum res make_property(const struct mqtt_property *property, mosquitto_property **ret)
{
    char name[256];
    char value[1024];
    enum res r = span_copy_text(property->name, name, sizeof name);
    if (r == RES_OK) {
        r = span_copy_text(property->value, value, sizeof value);
    }
    if (r != RES_OK) {
        return r;
    }
    return res_of(mosquitto_property_add_string_pair(ret, MQTT_PROP_USER_PROPERTY, name, value));
}

/* One place in the queue, or false. */
static bool take_place(struct mqtt_client *c)
{
    int queued = atomic_load(&c->queued);
    do {
        if (queued >= (int)c->settings.queued_max) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&c->queued, &queued, queued + 1));
    return true;
}

enum res mqtt_client_publish(struct mqtt_client *c, const char *topic, struct span payload,
                             bool retain, const struct mqtt_property *property, int *ret_id)
{
    if (strlen(topic) > MQTT_CLIENT_TOPIC_BYTES_MAX || payload.size > MQTT_CLIENT_PAYLOAD_MAX) {
        return RES_LIMIT;
    }
    if (atomic_load(&c->state) != UP) {
        return RES_UNAVAILABLE;
    }
    if (!take_place(c)) {
        return RES_FULL;
    }
    mosquitto_property *properties = NULL;
    enum res r = property == NULL ? RES_OK : make_property(property, &properties);
    int id = 0;
    if (r == RES_OK) {
        int code = mosquitto_publish_v5(c->mosquitto, &id, topic, (int)payload.size, payload.data,
                                        1, retain, properties);
        /* The library keeps a message that met a closing connection, and sends it after the
         * reconnect that only a threaded client makes. */
        r = code == MOSQ_ERR_NO_CONN && c->settings.threaded ? RES_OK : res_of(code);
    }
    mosquitto_property_free_all(&properties);
    if (r != RES_OK) {
        (void)atomic_fetch_sub(&c->queued, 1);
        return r;
    }
    wake(c);
    if (ret_id != NULL) {
        *ret_id = id;
    }
    return RES_OK;
}

enum res mqtt_client_subscribe(struct mqtt_client *c, const char *filter, int *ret_id)
{
    if (atomic_load(&c->state) != UP) {
        return RES_UNAVAILABLE;
    }
    int id = 0;
    enum res r = res_of(mosquitto_subscribe_v5(c->mosquitto, &id, filter, 1, 0, NULL));
    if (r == RES_OK) {
        wake(c);
        if (ret_id != NULL) {
            *ret_id = id;
        }
    }
    return r;
}
