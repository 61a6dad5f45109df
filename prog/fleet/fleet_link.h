/* fleet_link.h: one device's connection: TCP, mutual TLS and MQTT 5, non-blocking, as a state
 * machine on fleet_loop.h; and what all connections share.
 *
 * Costs one descriptor a connection and, connected and idle, what DESIGN.md measured. Certificate
 * and key become OpenSSL's objects for the handshake only (fleet_identity.h).
 *
 * A connection that is wanted waits in line: at most so many handshakes go on at a time, and at
 * most so many begin in a second. The owner hears of the outcome by one call of `up` or `down`.
 * Never calls the owner from inside fleet_link_want, _publish or _drop.
 */
#ifndef FLEET_LINK_H
#define FLEET_LINK_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "fleet_histogram.h"
#include "fleet_identity.h"
#include "fleet_loop.h"
#include "fleet_mqtt_codec.h"

#define FLEET_LINK_ADDRESSES_MAX    8
#define FLEET_LINK_FILTER_BYTES_MAX 80
#define FLEET_LINK_OUT_BYTES_MAX    131072 /* unsent; beyond it publish answers RES_AGAIN */
#define FLEET_LINK_ATTEMPT_MS_MAX   20000  /* from the first SYN to the last SUBACK */
#define FLEET_LINK_ANSWER_MS_MAX    10000  /* a PINGREQ unanswered so long: the broker is gone */
#define FLEET_LINK_ORPHAN_MS        120000 /* a silently cut connection's descriptor is kept so long */

enum fleet_link_state {
    FLEET_LINK_IDLE,
    FLEET_LINK_WAITING, /* in line */
    FLEET_LINK_TCP,
    FLEET_LINK_TLS,
    FLEET_LINK_GREETING,    /* CONNECT is sent */
    FLEET_LINK_SUBSCRIBING, /* SUBSCRIBE is sent */
    FLEET_LINK_UP,
};

struct fleet_link;
struct fleet_link_net;
struct fleet_link_owner {
    /* Subscribed to everything. */
    void (*up)(struct fleet_link *link);
    /* The attempt failed or the connection is gone; `why` is valid during the call. RES_DENIED: the
     * broker refused us; anything else: it was not reached or was lost. */
    void (*down)(struct fleet_link *link, enum res cause, const char *why);
    /* Acknowledged when this returns. */
    void (*message)(struct fleet_link *link, const struct fleet_mqtt_packet *packet);
    /* The filter with this index to subscribe to, written into `room`; size 0: no more. */
    struct span (*filter)(struct fleet_link *link, size_t index,
                          char room[FLEET_LINK_FILTER_BYTES_MAX]);
};

/* The caller's storage, zero at first but `net`, `owner` and `identity`; fields are private. */
struct fleet_link {
    struct fleet_loop_source source; /* first */
    struct fleet_link_net *net;
    const struct fleet_link_owner *owner;
    const struct fleet_identity *identity;
    SSL *ssl;
    struct fleet_link *next; /* in line */
    struct fleet_link *before;
    uint8_t *in; /* the beginning of a packet */
    uint8_t *out;
    uint32_t in_size;
    uint32_t out_size;
    uint32_t out_room;
    uint32_t packet_bytes_max;
    int64_t started_us; /* the attempt */
    int64_t sent_ms;
    int64_t ping_ms; /* since when an answer is awaited, 0: not */
    int orphan_fd;   /* of a silently cut connection, 0: none */
    int64_t orphan_until_ms;
    uint16_t next_id;
    uint16_t in_flight; /* PUBLISH without PUBACK */
    uint16_t receive_max;
    uint16_t keep_alive_s;
    uint8_t state;
    uint8_t attempt; /* chooses the address */
    bool cut;        /* nothing comes or goes, and nobody was told */
};

/* What all connections share. */
struct fleet_link_settings {
    const char *host;
    uint16_t port;
    const char *ca_file;
    uint16_t keep_alive_s;
    uint32_t handshakes_max; /* at a time */
    uint32_t rate_max;       /* attempts begun in a second, 0: any */
};

struct fleet_link_counts {
    uint64_t attempts;
    uint64_t handshakes; /* completed */
    uint64_t failures;   /* attempts that came to nothing */
    uint64_t losses;     /* of connections that were up */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in; /* of MQTT */
    uint64_t bytes_out;
    uint64_t acknowledged; /* PUBACKs received */
    uint64_t refused;      /* PUBACKs with a failure */
};

struct fleet_link_net {
    struct fleet_loop *loop;
    struct fleet_link_settings settings;
    SSL_CTX *context;
    struct sockaddr_storage addresses[FLEET_LINK_ADDRESSES_MAX];
    socklen_t address_sizes[FLEET_LINK_ADDRESSES_MAX];
    size_t address_count;
    struct fleet_link *first; /* in line */
    struct fleet_link *last;
    uint32_t waiting;
    uint32_t shaking; /* attempts that go on */
    uint32_t up;
    double tokens; /* attempts that may begin */
    int64_t tokens_us;
    struct fleet_link_counts counts;
    struct fleet_histogram handshake_us; /* from the first SYN to the end of the TLS handshake */
    char why[256];
    uint8_t scratch[2 * FLEET_MQTT_CODEC_PACKET_BYTES_MAX];
};

/* Resolves the host and reads the CA. RES_NOT_FOUND: no such host; as mqtt_tls_context. */
MUST_CHECK enum res fleet_link_net_open(struct fleet_link_net *net, struct fleet_loop *loop,
                                        const struct fleet_link_settings *settings,
                                        struct err *why);
void fleet_link_net_close(struct fleet_link_net *net);
/* Begins attempts as pace allows; once a turn of the loop. Returns in how many ms it wants to be
 * called again at the latest. */
int64_t fleet_link_net_step(struct fleet_link_net *net);

/* Gets in line. The state must be FLEET_LINK_IDLE. */
void fleet_link_want(struct fleet_link *link);
/* RES_UNAVAILABLE: not up; RES_AGAIN: too much is unsent or unacknowledged; RES_LIMIT: the broker
 * takes no packet of this size. RES_OK: will be sent with fleet_link_flush. */
MUST_CHECK enum res fleet_link_publish(struct fleet_link *link, struct span topic,
                                       struct span payload);
/* Sends what is there in one write; call it after dealing with a link from outside its callbacks.
 * It may find the connection gone and call `down`. */
void fleet_link_flush(struct fleet_link *link);
/* Ends attempt or connection, with a DISCONNECT when `politely`; `down` is not called. */
void fleet_link_drop(struct fleet_link *link, bool politely);
/* The network dies and nobody is told: what is sent stays here, nothing arrives, deadlines run.
 * False: what waited goes on its way, as TCP would see to. Meant for a link that is up; what was
 * cut and is then dropped or lost keeps its descriptor for FLEET_LINK_ORPHAN_MS or until the next
 * connection is up, as the broker would not hear of that end either. */
void fleet_link_cut(struct fleet_link *link, bool cut);
/* Subscribes again, so that retained messages come again. RES_UNAVAILABLE: not up. */
MUST_CHECK enum res fleet_link_refresh(struct fleet_link *link);
/* When fleet_link_tick wants to be called. */
int64_t fleet_link_due(const struct fleet_link *link);
/* Deadlines and keep-alive; may call `down`. */
void fleet_link_tick(struct fleet_link *link);
bool fleet_link_is_up(const struct fleet_link *link);

#endif
