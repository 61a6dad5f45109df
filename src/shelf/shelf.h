/* shelf.h: what platform and label say to each other (sections J and K of the requirements):
 * topics, plain JSON payloads, and the digest of what a label shows. Device, server and simulator
 * use the same code. Freestanding, no allocation.
 *
 * Down, signed by the platform in the MQTT 5 user property SHELF_SIGNATURE_PROPERTY: ECDSA P-256
 * (r || s, 64 bytes, base64url without padding) over `topic LF payload`, so that a payload cannot
 * be moved to another label or another topic: smartshelf/{id}/price/update         struct
 * shelf_display smartshelf/{id}/config/update        struct shelf_config
 *   smartshelf/{id}/flash/command        struct shelf_flash
 *   smartshelf/{id}/shadow/get/accepted  struct shelf_state: both, with the shadow's version, our
 *                                        time and what the label may forget of its events
 *   smartshelf/{id}/shadow/delta         struct shelf_state: only what differs
 * Up, unsigned (TLS and the broker's topic rights say who speaks):
 *   smartshelf/{id}/status               struct shelf_status
 *   smartshelf/{id}/ack                  struct shelf_ack
 *   smartshelf/{id}/shadow/get           struct shelf_get
 *   smartshelf/{id}/shadow/update        struct shelf_report
 *
 * Decoding is strict (json.h), tolerates fields it does not know, and names the field that is
 * wrong. Spans of a decoded message point into the payload or into the caller's arena of unescaped
 * texts. A number that is not there is 0, a text is empty, a digest is all zeros. Every field, with
 * its JSON name, limits and rules, stands in one table, shelf_table.c; docs/label-wire.md is made
 * from it.
 */
#ifndef SHELF_H
#define SHELF_H

#include "arena.h"
#include "span.h"

#define SHELF_ID_BYTES_MAX       18 /* ESP32-[A-Z0-9]{3,12} */
#define SHELF_TOPIC_BYTES        64
#define SHELF_DOWN_BYTES_MAX     4096
#define SHELF_UP_BYTES_MAX       2048
#define SHELF_DIGEST_BYTES       32
#define SHELF_UPDATE_ID_BYTES    36 /* a UUID's text */
#define SHELF_PRODUCT_BYTES_MAX  32
#define SHELF_NAME_BYTES_MAX     300
#define SHELF_URL_BYTES_MAX      120
#define SHELF_PLACE_BYTES_MAX    40
#define SHELF_REASON_BYTES_MAX   40
#define SHELF_FIRMWARE_BYTES_MAX 24
#define SHELF_CANONICAL_BYTES    640 /* what shelf_display_canonical writes at most */
/* Unescaped texts of one message: an arena of this size is never full. */
#define SHELF_ARENA_BYTES        SHELF_DOWN_BYTES_MAX
#define SHELF_SIGNATURE_PROPERTY "endcap-signature"

enum shelf_topic {
    SHELF_PRICE_UPDATE,
    SHELF_FLASH_COMMAND,
    SHELF_CONFIG_UPDATE,
    SHELF_GET_ACCEPTED,
    SHELF_DELTA,
    SHELF_STATUS, /* from here on: up */
    SHELF_ACK,
    SHELF_GET,
    SHELF_REPORT,
    SHELF_TOPICS,
};

enum shelf_language { SHELF_EN, SHELF_HI, SHELF_TA, SHELF_TE, SHELF_BN, SHELF_MR, SHELF_LANGUAGES };

enum shelf_template {
    SHELF_STANDARD,
    SHELF_SALE,       /* isFlashSale: sale price large, regular price struck through */
    SHELF_UNASSIGNED, /* no product: the label's id and a hint for staff (S-268) */
    SHELF_WITHDRAWN,  /* the product may not be sold: expired or recalled (S-175) */
    SHELF_TEMPLATES,
};

/* What a label shall show. `name` is in `language`, or English where there is no translation. */
struct shelf_display {
    struct span device_id;
    struct span update_id; /* the delivery's */
    int64_t version;       /* >= 1; a lower one than the label has is ignored */
    enum shelf_template template;
    enum shelf_language language;
    struct span product_id; /* SKU; empty: unassigned */
    struct span name;
    struct span name_en;
    int64_t price_minor;   /* 0 only when unassigned or withdrawn */
    int64_t regular_minor; /* 0: none */
    int64_t mrp_minor;     /* 0: none */
    char currency[4];
    bool per_kg;
    bool is_flash_sale;
    struct span url; /* for the NFC tag: NDEF URI record with the product's identifier (P31) */
    int64_t timestamp_ms;
    uint8_t digest[SHELF_DIGEST_BYTES]; /* as sent; shelf_display_digest must give the same */
};

/* Daytime in minutes of the store's local day, 0..1439. */
struct shelf_config {
    struct span device_id;
    struct span update_id;
    int64_t version;
    enum shelf_language language;
    struct span aisle; /* location, each empty when unknown */
    struct span shelf;
    struct span position;
    int32_t refresh_interval_s; /* least time between two refreshes, 0..3600 */
    int32_t led_brightness_pct; /* 1..100 */
    int32_t idle_timeout_s;     /* nothing pending so long: deep sleep; 0: never (P66) */
    int32_t sync_peak_s;        /* 5..86400: comes by unasked so often (P69) */
    int32_t sync_off_peak_s;
    int32_t peak_from_min;
    int32_t peak_to_min;    /* before peak_from_min: over midnight */
    int32_t utc_offset_min; /* of the store, -840..840 */
    int64_t timestamp_ms;
};

enum shelf_pattern { SHELF_PULSE, SHELF_BLINK, SHELF_SOLID, SHELF_STOP };
enum shelf_colour { SHELF_BLUE, SHELF_RED, SHELF_GREEN, SHELF_YELLOW, SHELF_WHITE, SHELF_COLOURS };
struct shelf_flash {
    struct span device_id;
    struct span update_id;
    int64_t version;
    enum shelf_pattern pattern;
    int32_t duration_s; /* 1..600; 0 for stop */
    enum shelf_colour colour;
    int64_t expires_ms; /* not begun after this: a replay lights nothing */
    int64_t timestamp_ms;
};

/* A renewed certificate on its way (S-036). */
struct shelf_certificate {
    int64_t number;  /* rises by one with each renewal; 0: none asked for */
    struct span der; /* base64 of the new certificate; empty: the label's CSR is awaited */
};

struct shelf_state {
    struct span device_id;
    int64_t version; /* of the shadow */
    bool has_display;
    struct shelf_display display;
    bool has_config;
    struct shelf_config config;
    struct shelf_certificate certificate;
    int64_t time_ms;        /* ours: a label without a clock keeps time by it */
    int64_t events_epoch;   /* 0: not said */
    int64_t events_through; /* the label may forget its events through this counter */
};

enum shelf_reason {
    SHELF_BOOT,
    SHELF_WAKE,
    SHELF_INTERVAL,
    SHELF_SLEEP,
    SHELF_CHANGED,
    SHELF_REASONS
};
/* Events (status, ack) carry (epoch, counter) from the label's flash queue and are sent again until
 * events_through has passed them; counter 0: not an event, sent once. */
struct shelf_status {
    struct span device_id;
    int64_t epoch;
    int64_t counter;
    enum shelf_reason reason;
    int32_t battery_pct; /* 0..100 */
    int32_t signal_dbm;  /* -127..0 */
    bool tft;            /* else eink */
    struct span firmware;
    int64_t last_update_ms; /* last refresh; 0: never */
    int64_t sleep_s;        /* reason sleep: back within so long; else 0 */
    int64_t queued;         /* events waiting */
    int64_t dropped;        /* events refused for want of room, ever */
    int64_t refreshes;      /* ever */
    /* what it shows: confirms a delivery whose ack was lost */
    bool shows;
    int64_t display_version;
    uint8_t display_digest[SHELF_DIGEST_BYTES];
    int64_t price_minor;
    struct span product_id;
    enum shelf_language language;
    int64_t config_version;
    /* a gap record: counters whose events were dropped or damaged, 0: none */
    int64_t gap_from;
    int64_t gap_to;
    int64_t time_ms;
};

enum shelf_ack_kind { SHELF_ACK_DISPLAY, SHELF_ACK_CONFIG, SHELF_ACK_FLASH };
enum shelf_ack_status {
    SHELF_DISPLAYED, /* display: it is on the screen, refreshed or because it was there already */
    SHELF_APPLIED,   /* config */
    SHELF_STARTED,   /* flash */
    SHELF_STOPPED,   /* flash: at its end, or by a stop command */
    SHELF_REFUSED,   /* `why` says the reason */
};
struct shelf_ack {
    struct span device_id;
    int64_t epoch;
    int64_t counter;
    enum shelf_ack_kind kind;
    enum shelf_ack_status status;
    struct span update_id;
    int64_t version;
    uint8_t digest[SHELF_DIGEST_BYTES]; /* display: of what it shows now */
    int64_t price_minor;
    struct span product_id;
    bool refreshed; /* false: the digest was on the screen already (P67) */
    struct span why;
    int64_t time_ms;
};

struct shelf_get {
    struct span device_id;
    int64_t shadow_version; /* the last it knows, 0: none */
};

/* A label's own report into its shadow, beside what status and ack say. */
struct shelf_report {
    struct span device_id;
    struct span aisle; /* where it believes to be (P37) */
    struct span shelf;
    struct span position;
    int64_t config_version;
    int64_t certificate_number; /* of the certificate it uses, or asks for with csr */
    struct span csr;            /* base64 DER; empty: none */
};

/* Which field a decoder refused ("price", "location.aisle", "payload" for the whole) and its rule
 * in words ("is missing"); both in static storage. */
struct shelf_detail {
    const char *field;
    const char *rule;
};

const char *shelf_language_name(enum shelf_language l); /* "en", ... */
MUST_CHECK enum res shelf_language_read(struct span text, enum shelf_language *ret);
const char *shelf_template_name(enum shelf_template t);
const char *shelf_pattern_name(enum shelf_pattern p);
const char *shelf_ack_kind_name(enum shelf_ack_kind k);
/* ESP32-[A-Z0-9]{3,12} */
bool shelf_id_is_valid(struct span id);
/* Writes smartshelf/{id}/{tail} with a NUL. */
void shelf_topic_write(struct span id, enum shelf_topic t, char ret_topic[SHELF_TOPIC_BYTES]);
/* RES_INVALID: not a topic of a label. */
MUST_CHECK enum res shelf_topic_read(struct span topic, struct span *ret_id, enum shelf_topic *ret);

/* The canonical text whose SHA-256 is the digest: template, language, product, name, price, regular
 * price, MRP, currency, unit, sale flag and URL, each on a line of its own behind a version line.
 * Never update id, version or timestamp: the same content has the same digest. At most
 * SHELF_CANONICAL_BYTES. No text may hold a control character (decoders refuse them). */
void shelf_display_canonical(const struct shelf_display *d, struct sink *s);

/* Encoders set the sink's overflow when it does not fit. They trust their input (ours): keep to the
 * limits above, and give a display its digest and a name_en. */
void shelf_display_encode(const struct shelf_display *d, struct sink *s);
void shelf_config_encode(const struct shelf_config *c, struct sink *s);
void shelf_flash_encode(const struct shelf_flash *f, struct sink *s);
void shelf_state_encode(const struct shelf_state *st, struct sink *s);
/* The same with JSON objects that are ready, as desired->'display', desired->'config' and
 * desired->'certificate' give them: each is copied in, unless it is empty; `st` gives the rest. */
struct shelf_ready {
    struct span display;
    struct span config;
    struct span certificate;
};
void shelf_state_encode_ready(const struct shelf_state *st, const struct shelf_ready *ready,
                              struct sink *s);
void shelf_status_encode(const struct shelf_status *st, struct sink *s);
void shelf_ack_encode(const struct shelf_ack *a, struct sink *s);
void shelf_get_encode(const struct shelf_get *g, struct sink *s);
void shelf_report_encode(const struct shelf_report *r, struct sink *s);

/* RES_INVALID (detail says which field), RES_LIMIT: longer than its MAX, RES_FULL: arena. */
MUST_CHECK enum res shelf_display_decode(struct span payload, struct arena *a,
                                         struct shelf_display *ret, struct shelf_detail *detail);
MUST_CHECK enum res shelf_config_decode(struct span payload, struct arena *a,
                                        struct shelf_config *ret, struct shelf_detail *detail);
MUST_CHECK enum res shelf_flash_decode(struct span payload, struct arena *a,
                                       struct shelf_flash *ret, struct shelf_detail *detail);
MUST_CHECK enum res shelf_state_decode(struct span payload, struct arena *a,
                                       struct shelf_state *ret, struct shelf_detail *detail);
MUST_CHECK enum res shelf_status_decode(struct span payload, struct arena *a,
                                        struct shelf_status *ret, struct shelf_detail *detail);
MUST_CHECK enum res shelf_ack_decode(struct span payload, struct arena *a, struct shelf_ack *ret,
                                     struct shelf_detail *detail);
MUST_CHECK enum res shelf_get_decode(struct span payload, struct arena *a, struct shelf_get *ret,
                                     struct shelf_detail *detail);
MUST_CHECK enum res shelf_report_decode(struct span payload, struct arena *a,
                                        struct shelf_report *ret, struct shelf_detail *detail);

#endif
