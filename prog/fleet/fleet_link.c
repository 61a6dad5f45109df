#include "fleet_link.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mqtt_tls.h"

#define SUBSCRIBE_ID      1
#define OUT_FIRST_BYTES   512
#define RECEIVE_MAX       256 /* we acknowledge at once: more would only be memory at the broker */
#define READ_BUFFER_BYTES 4096
/* A record at most: what is written is put into a buffer of this size first. */
#define SEND_FRAGMENT_BYTES 4096
#define IDLE_MS             1000
/* The first is the key share that is offered: half the cost of X25519's on both sides. */
static char groups[] = "P-256:X25519"; /* OpenSSL's macro takes the const away */

/* --- what all share --- */

static enum res resolve(struct fleet_link_net *net, struct err *why)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", net->settings.port);
    int bad = getaddrinfo(net->settings.host, port, &hints, &found);
    if (bad != 0) {
        err_set(why, "the broker's host %s is not known: %s", net->settings.host,
                gai_strerror(bad));
        return RES_NOT_FOUND;
    }
    for (const struct addrinfo *a = found;
         a != NULL && net->address_count < FLEET_LINK_ADDRESSES_MAX; a = a->ai_next) {
        memcpy(&net->addresses[net->address_count], a->ai_addr, a->ai_addrlen);
        net->address_sizes[net->address_count++] = a->ai_addrlen;
    }
    freeaddrinfo(found);
    return RES_OK;
}

enum res fleet_link_net_open(struct fleet_link_net *net, struct fleet_loop *loop,
                             const struct fleet_link_settings *settings, struct err *why)
{
    memset(net, 0, sizeof *net);
    net->loop = loop;
    net->settings = *settings;
    net->tokens_us = loop->now_us;
    enum res r =
        mqtt_tls_context(settings->ca_file, NULL, NULL, settings->host, why, &net->context);
    if (r != RES_OK) {
        return r;
    }
    /* Little memory a connection: small buffers that go when they are empty, no session kept. */
    (void)SSL_CTX_set_mode(net->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                             SSL_MODE_NO_AUTO_CHAIN);
    (void)SSL_CTX_set_session_cache_mode(net->context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(net->context, SSL_OP_NO_TICKET);
    if (SSL_CTX_set1_groups_list(net->context, groups) != 1) {
        err_set(why, "this OpenSSL lacks the curves %s", groups);
        return RES_UNAVAILABLE;
    }
    SSL_CTX_set_read_ahead(net->context, 1);
    SSL_CTX_set_default_read_buffer_len(net->context, READ_BUFFER_BYTES);
    (void)SSL_CTX_set_max_send_fragment(net->context, SEND_FRAGMENT_BYTES);
    return resolve(net, why);
}

void fleet_link_net_close(struct fleet_link_net *net)
{
    SSL_CTX_free(net->context);
    net->context = NULL;
}

/* --- the line --- */

static void leave_line(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    if (link->before != NULL) {
        link->before->next = link->next;
    } else {
        net->first = link->next;
    }
    if (link->next != NULL) {
        link->next->before = link->before;
    } else {
        net->last = link->before;
    }
    link->next = NULL;
    link->before = NULL;
    net->waiting--;
    link->state = FLEET_LINK_IDLE;
}

void fleet_link_want(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    assert(link->state == FLEET_LINK_IDLE);
    link->before = net->last;
    link->next = NULL;
    if (net->last != NULL) {
        net->last->next = link;
    } else {
        net->first = link;
    }
    net->last = link;
    net->waiting++;
    link->state = FLEET_LINK_WAITING;
}

/* --- ending --- */

static void close_orphan(struct fleet_link *link)
{
    if (link->orphan_fd > 0) {
        (void)close(link->orphan_fd);
        link->orphan_fd = 0;
    }
}

/* A cut connection's descriptor stays open for a while: closing it would tell the broker. */
static void close_socket(struct fleet_link *link, int fd)
{
    struct fleet_link_net *net = link->net;
    if (link->cut && link->state == FLEET_LINK_UP) {
        close_orphan(link);
        link->orphan_fd = fd;
        link->orphan_until_ms = net->loop->now_ms + FLEET_LINK_ORPHAN_MS;
    } else {
        (void)close(fd);
    }
}

static void clear(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    int fd = link->source.fd;
    if (link->state >= FLEET_LINK_TCP) {
        fleet_loop_forget(net->loop, &link->source);
        SSL_free(link->ssl);
        link->ssl = NULL;
        close_socket(link, fd);
        if (link->state == FLEET_LINK_UP) {
            net->up--;
        } else {
            net->shaking--;
        }
    }
    free(link->in);
    free(link->out);
    link->in = NULL;
    link->out = NULL;
    link->in_size = 0;
    link->out_size = 0;
    link->out_room = 0;
    link->ping_ms = 0;
    link->in_flight = 0;
    link->cut = false; /* of this connection; the next one is another */
    link->state = FLEET_LINK_IDLE;
}

static void lose_for(struct fleet_link *link, enum res cause, const char *why)
{
    struct fleet_link_net *net = link->net;
    if (link->state == FLEET_LINK_UP) {
        net->counts.losses++;
    } else {
        net->counts.failures++;
        link->attempt++;
    }
    clear(link);
    link->owner->down(link, cause, why);
}

static void lose(struct fleet_link *link, const char *why)
{
    lose_for(link, RES_UNAVAILABLE, why);
}

void fleet_link_drop(struct fleet_link *link, bool politely)
{
    if (link->state == FLEET_LINK_WAITING) {
        leave_line(link);
        return;
    }
    if (politely && link->state == FLEET_LINK_UP && !link->cut) {
        uint8_t bytes[4];
        struct sink s;
        sink_init(&s, bytes, sizeof bytes);
        fleet_mqtt_codec_disconnect(&s);
        ERR_clear_error();
        if (link->out_size > 0) {
            (void)SSL_write(link->ssl, link->out, (int)link->out_size);
        }
        (void)SSL_write(link->ssl, bytes, (int)s.size); /* what does not fit now is not said */
        (void)SSL_shutdown(link->ssl);
    }
    clear(link);
}

void fleet_link_cut(struct fleet_link *link, bool cut)
{
    struct fleet_link_net *net = link->net;
    link->cut = cut;
    /* Edge-triggered and nothing asked for: a hang-up is told once, not in every turn. */
    fleet_loop_change(net->loop, &link->source, cut ? EPOLLET : EPOLLIN);
}

bool fleet_link_is_up(const struct fleet_link *link)
{
    return link->state == FLEET_LINK_UP;
}

/* --- sending --- */

static bool make_room(struct fleet_link *link, size_t size)
{
    size_t room = link->out_room == 0 ? OUT_FIRST_BYTES : link->out_room;
    while (room - link->out_size < size) {
        room *= 2;
    }
    if (room != link->out_room) {
        uint8_t *more = realloc(link->out, room);
        if (more == NULL) {
            return false;
        }
        link->out = more;
        link->out_room = (uint32_t)room;
    }
    return true;
}

/* What was put into `s`, a sink over the link's room after out_size. */
static void sent(struct fleet_link *link, const struct sink *s)
{
    struct fleet_link_net *net = link->net;
    assert(!s->overflow);
    link->out_size += (uint32_t)s->size;
    net->counts.bytes_out += s->size;
}

static bool begin_packet(struct fleet_link *link, size_t size_max, struct sink *ret)
{
    if (!make_room(link, size_max)) {
        return false;
    }
    sink_init(ret, link->out + link->out_size, link->out_room - link->out_size);
    return true;
}

static uint16_t take_id(struct fleet_link *link)
{
    link->next_id = link->next_id == UINT16_MAX ? SUBSCRIBE_ID + 1 : (uint16_t)(link->next_id + 1);
    return link->next_id;
}

enum res fleet_link_publish(struct fleet_link *link, struct span topic, struct span payload)
{
    struct fleet_link_net *net = link->net;
    struct sink s;
    size_t size_max = topic.size + payload.size + 16;
    if (link->state != FLEET_LINK_UP) {
        return RES_UNAVAILABLE;
    }
    if (size_max > link->packet_bytes_max || size_max > FLEET_MQTT_CODEC_PACKET_BYTES_MAX) {
        return RES_LIMIT;
    }
    if (link->in_flight >= link->receive_max ||
        link->out_size + size_max > FLEET_LINK_OUT_BYTES_MAX || !begin_packet(link, size_max, &s)) {
        return RES_AGAIN;
    }
    fleet_mqtt_codec_publish(&s, take_id(link), topic, payload, SPAN_NONE, SPAN_NONE);
    link->in_flight++;
    net->counts.messages_out++;
    sent(link, &s);
    return RES_OK;
}

/* After a failed call of OpenSSL's. */
static void lose_tls(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    const int system = errno;
    const unsigned long code = ERR_get_error();
    const long verdict = SSL_get_verify_result(link->ssl);
    enum res cause = RES_UNAVAILABLE;
    if (verdict != X509_V_OK) {
        (void)snprintf(net->why, sizeof net->why, "the broker's certificate is refused: %s",
                       X509_verify_cert_error_string(verdict));
    } else if (code != 0) {
        const char *reason = ERR_reason_error_string(code);
        cause = ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET ? RES_DENIED : RES_UNAVAILABLE;
        (void)snprintf(net->why, sizeof net->why, "TLS: %s", reason == NULL ? "failed" : reason);
    } else if (system != 0) {
        (void)snprintf(net->why, sizeof net->why, "the connection broke: %s", strerror(system));
    } else {
        (void)snprintf(net->why, sizeof net->why, "the broker closed the connection");
    }
    ERR_clear_error();
    lose_for(link, cause, net->why);
}

void fleet_link_flush(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    uint32_t done = 0;
    uint32_t events = EPOLLIN;
    if (link->out_size == 0 || link->state < FLEET_LINK_GREETING || link->cut) {
        return;
    }
    while (done < link->out_size) {
        ERR_clear_error();
        errno = 0;
        int wrote = SSL_write(link->ssl, link->out + done, (int)(link->out_size - done));
        if (wrote <= 0) {
            int error = SSL_get_error(link->ssl, wrote);
            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) {
                lose_tls(link);
                return;
            }
            events |= EPOLLOUT;
            break;
        }
        done += (uint32_t)wrote;
    }
    link->sent_ms = net->loop->now_ms;
    if (done == link->out_size) {
        free(link->out);
        link->out = NULL;
        link->out_room = 0;
    } else {
        memmove(link->out, link->out + done, link->out_size - done);
    }
    link->out_size -= done;
    fleet_loop_change(net->loop, &link->source, events);
}

/* --- connecting --- */

static void on_ready(struct fleet_loop_source *source, uint32_t events);

static int start_tcp(const struct fleet_link *link, const char **ret_why)
{
    struct fleet_link_net *net = link->net;
    size_t which = link->attempt % net->address_count;
    const struct sockaddr *address = (const struct sockaddr *)&net->addresses[which];
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;
    if (fd < 0) {
        *ret_why = errno == EMFILE || errno == ENFILE
                       ? "no descriptor is left: raise the open-file limit (ulimit -n)"
                       : strerror(errno);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, address, net->address_sizes[which]) != 0 && errno != EINPROGRESS) {
        *ret_why = strerror(errno);
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Out of the line and on the way; or `down` at once. */
static void begin(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    const char *why = NULL;
    leave_line(link);
    net->counts.attempts++;
    int fd = start_tcp(link, &why);
    link->source.ready = on_ready;
    link->source.fd = -1;
    link->started_us = net->loop->now_us;
    if (fd >= 0 && fleet_loop_watch(net->loop, &link->source, fd, EPOLLOUT) != RES_OK) {
        (void)close(fd);
        fd = -1;
        why = "the system watches no more connections (fs.epoll.max_user_watches)";
    }
    if (fd < 0) {
        net->counts.failures++;
        link->attempt++;
        link->owner->down(link, RES_UNAVAILABLE, why);
        return;
    }
    link->state = FLEET_LINK_TCP;
    net->shaking++;
}

int64_t fleet_link_net_step(struct fleet_link_net *net)
{
    const double rate = net->settings.rate_max;
    if (rate > 0) {
        net->tokens += (double)(net->loop->now_us - net->tokens_us) * rate / 1e6;
        double most = rate / 10 > 1 ? rate / 10 : 1; /* no burst after a pause */
        net->tokens = net->tokens > most ? most : net->tokens;
    }
    net->tokens_us = net->loop->now_us;
    while (net->first != NULL && net->shaking < net->settings.handshakes_max) {
        if (rate > 0 && net->tokens < 1) {
            return (int64_t)((1 - net->tokens) * 1000 / rate) + 1;
        }
        net->tokens -= rate > 0 ? 1 : 0;
        begin(net->first);
    }
    return IDLE_MS;
}

static void greet(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    struct sink s;
    struct span id = span_text(link->identity->id, sizeof link->identity->id);
    fleet_histogram_add(&net->handshake_us, net->loop->now_us - link->started_us);
    net->counts.handshakes++;
    SSL_certs_clear(link->ssl); /* back to 162 bytes; there is no second handshake */
    if (!begin_packet(link, 64 + id.size, &s)) {
        lose(link, "no memory");
        return;
    }
    fleet_mqtt_codec_connect(&s, id, net->settings.keep_alive_s, RECEIVE_MAX);
    sent(link, &s);
    link->keep_alive_s = net->settings.keep_alive_s;
    link->state = FLEET_LINK_GREETING;
    fleet_link_flush(link);
}

static void shake_hands(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    ERR_clear_error();
    errno = 0;
    int done = SSL_connect(link->ssl);
    if (done == 1) {
        fleet_loop_clock(net->loop); /* for the histogram, and cheap beside a handshake */
        greet(link);
        return;
    }
    int error = SSL_get_error(link->ssl, done);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        fleet_loop_change(net->loop, &link->source,
                          error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
        return;
    }
    lose_tls(link);
}

static void tcp_is_there(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(link->source.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        lose(link, strerror(error));
        return;
    }
    link->ssl = SSL_new(net->context);
    if (link->ssl == NULL || SSL_set_fd(link->ssl, link->source.fd) != 1 ||
        fleet_identity_show(link->identity, link->ssl) != RES_OK) {
        ERR_clear_error();
        lose(link, "no memory for a TLS connection");
        return;
    }
    link->state = FLEET_LINK_TLS;
    shake_hands(link);
}

static void subscribe(struct fleet_link *link)
{
    char rooms[FLEET_MQTT_CODEC_FILTERS_MAX][FLEET_LINK_FILTER_BYTES_MAX];
    struct span filters[FLEET_MQTT_CODEC_FILTERS_MAX];
    struct sink s;
    size_t count = 0;
    size_t size = 16;
    while (count < FLEET_MQTT_CODEC_FILTERS_MAX) {
        filters[count] = link->owner->filter(link, count, rooms[count]);
        if (filters[count].size == 0) {
            break;
        }
        size += filters[count++].size + 3;
    }
    if (!begin_packet(link, size, &s)) {
        return; /* the attempt times out */
    }
    fleet_mqtt_codec_subscribe(&s, SUBSCRIBE_ID, filters, count);
    sent(link, &s);
}

enum res fleet_link_refresh(struct fleet_link *link)
{
    if (link->state != FLEET_LINK_UP) {
        return RES_UNAVAILABLE;
    }
    subscribe(link);
    return RES_OK;
}

/* --- receiving --- */

static void refused(struct fleet_link *link, const char *what, uint8_t reason)
{
    struct fleet_link_net *net = link->net;
    (void)snprintf(net->why, sizeof net->why, "the broker %s (reason 0x%02x)", what, reason);
    lose_for(link, RES_DENIED, net->why);
}

static void on_connack(struct fleet_link *link, const struct fleet_mqtt_packet *p)
{
    if (link->state != FLEET_LINK_GREETING) {
        lose(link, "the broker speaks out of turn");
    } else if (p->reason >= 0x80) {
        refused(link, "refuses the connection", p->reason);
    } else {
        link->receive_max = p->receive_max;
        link->packet_bytes_max = p->packet_bytes_max;
        link->keep_alive_s = p->keep_alive_s > 0 ? p->keep_alive_s : link->keep_alive_s;
        link->next_id = SUBSCRIBE_ID;
        link->state = FLEET_LINK_SUBSCRIBING;
        subscribe(link);
    }
}

static void on_suback(struct fleet_link *link, const struct fleet_mqtt_packet *p)
{
    struct fleet_link_net *net = link->net;
    if (link->state == FLEET_LINK_UP && p->reason < 0x80) {
        return; /* a refresh */
    }
    if (link->state != FLEET_LINK_SUBSCRIBING) {
        lose(link, "the broker speaks out of turn");
    } else if (p->reason >= 0x80) {
        refused(link, "refuses a subscription", p->reason);
    } else {
        link->state = FLEET_LINK_UP;
        link->in_flight = 0;
        net->shaking--;
        net->up++;
        close_orphan(link);
        link->owner->up(link);
    }
}

static void on_publish(struct fleet_link *link, const struct fleet_mqtt_packet *p)
{
    struct fleet_link_net *net = link->net;
    struct sink s;
    net->counts.messages_in++;
    if (p->qos == 1) {
        if (!begin_packet(link, 4, &s)) {
            lose(link, "no memory");
            return;
        }
        fleet_mqtt_codec_puback(&s, p->id);
        sent(link, &s);
    }
    link->owner->message(link, p);
}

static void on_packet(struct fleet_link *link, const struct fleet_mqtt_packet *p)
{
    struct fleet_link_net *net = link->net;
    switch (p->type) {
    case FLEET_MQTT_CONNACK:
        on_connack(link, p);
        break;
    case FLEET_MQTT_SUBACK:
        on_suback(link, p);
        break;
    case FLEET_MQTT_PUBLISH:
        on_publish(link, p);
        break;
    case FLEET_MQTT_PUBACK:
        link->in_flight = (uint16_t)(link->in_flight - (link->in_flight > 0));
        net->counts.acknowledged++;
        net->counts.refused += p->reason >= 0x80;
        break;
    case FLEET_MQTT_PINGRESP:
        link->ping_ms = 0;
        break;
    case FLEET_MQTT_DISCONNECT:
        refused(link, "ends the connection", p->reason);
        break;
    case FLEET_MQTT_CONNECT: /* the decoder hands none of these out */
    case FLEET_MQTT_SUBSCRIBE:
    case FLEET_MQTT_PINGREQ:
        break;
    }
}

/* The packets in scratch[0..size); what is left of them is kept. False: the link is gone. */
static bool digest(struct fleet_link *link, size_t size)
{
    struct fleet_link_net *net = link->net;
    const int fd = link->source.fd;
    size_t at = 0;
    while (at < size) {
        struct fleet_mqtt_packet packet;
        size_t used = 0;
        enum res r = fleet_mqtt_codec_decode(span_of(net->scratch + at, size - at), &packet, &used);
        if (r == RES_AGAIN) {
            break;
        }
        if (r != RES_OK) {
            lose(link, "the broker sent what is no MQTT packet, or one too large");
            return false;
        }
        at += used;
        on_packet(link, &packet);
        if (link->source.fd != fd || link->state < FLEET_LINK_GREETING) {
            return false;
        }
    }
    link->in_size = (uint32_t)(size - at);
    if (link->in_size > 0) {
        link->in = malloc(link->in_size);
        if (link->in == NULL) {
            link->in_size = 0;
            lose(link, "no memory");
            return false;
        }
        memcpy(link->in, net->scratch + at, link->in_size);
    }
    return true;
}

static void read_packets(struct fleet_link *link)
{
    struct fleet_link_net *net = link->net;
    bool more = true;
    while (more) {
        size_t have = link->in_size;
        if (have > 0) {
            memcpy(net->scratch, link->in, have);
            free(link->in);
            link->in = NULL;
            link->in_size = 0;
        }
        errno = 0;
        int got = SSL_read(link->ssl, net->scratch + have, (int)(sizeof net->scratch - have));
        net->counts.bytes_in += got > 0 ? (uint64_t)got : 0;
        more = got > 0 && SSL_has_pending(link->ssl) == 1;
        int error = got > 0 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, got);
        if (!digest(link, have + (got > 0 ? (size_t)got : 0))) {
            return;
        }
        if (got <= 0 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            lose_tls(link);
            return;
        }
    }
    fleet_link_flush(link);
}

static void on_ready(struct fleet_loop_source *source, uint32_t events)
{
    struct fleet_link *link = (struct fleet_link *)source;
    if (link->cut) {
        return;
    }
    if (link->state == FLEET_LINK_TCP) {
        tcp_is_there(link);
    } else if (link->state == FLEET_LINK_TLS) {
        shake_hands(link);
    } else {
        ERR_clear_error();
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            read_packets(link);
        } else {
            fleet_link_flush(link);
        }
    }
}

/* --- time --- */

int64_t fleet_link_due(const struct fleet_link *link)
{
    int64_t due_ms = FLEET_LOOP_NEVER;
    if (link->state == FLEET_LINK_UP && link->ping_ms != 0) {
        due_ms = link->ping_ms + FLEET_LINK_ANSWER_MS_MAX;
    } else if (link->state == FLEET_LINK_UP && link->keep_alive_s != 0) {
        due_ms = link->sent_ms + (int64_t)link->keep_alive_s * 1000;
    } else if (link->state >= FLEET_LINK_TCP && link->state < FLEET_LINK_UP) {
        due_ms = link->started_us / 1000 + FLEET_LINK_ATTEMPT_MS_MAX;
    }
    return link->orphan_fd > 0 && link->orphan_until_ms < due_ms ? link->orphan_until_ms : due_ms;
}

void fleet_link_tick(struct fleet_link *link)
{
    int64_t now_ms = link->net->loop->now_ms;
    struct sink s;
    if (link->orphan_fd > 0 && now_ms >= link->orphan_until_ms) {
        close_orphan(link);
    }
    if (now_ms < fleet_link_due(link)) {
        return;
    }
    if (link->state != FLEET_LINK_UP) {
        lose(link, "the broker does not answer");
    } else if (link->ping_ms != 0) {
        lose(link, "the broker fell silent");
    } else if (begin_packet(link, 2, &s)) {
        fleet_mqtt_codec_ping(&s);
        sent(link, &s);
        link->ping_ms = now_ms;
        fleet_link_flush(link);
    }
}
