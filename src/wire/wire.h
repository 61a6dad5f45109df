/* wire.h: the messages between a cart and the platform, used as it is by device and server.
 *
 * A frame is `JSON body || 64 raw bytes`: the ECDSA P-256 signature r||s (big-endian, 32 bytes
 * each) over the SHA-256 of the body's exact bytes (C-060..C-062). A device's frame is 200 to 800
 * bytes in all (C-061); a body that would be shorter ends in spaces, which JSON allows.
 *
 * Every message is described once, in the catalogue (wire_catalog.h): encoding, strict decoding,
 * docs/wire.md, the AsyncAPI document and the JSON Schemas all read that one table.
 *
 * Freestanding: no allocation, no I/O, no clock. Spans in a decoded message point into the frame.
 * Optional fields: an absent text is a span of size 0, an absent number is WIRE_ABSENT.
 */
#ifndef WIRE_H
#define WIRE_H

#include "span.h"

#define WIRE_VERSION         1
#define WIRE_SIGNATURE_BYTES 64
#define WIRE_EVENT_BYTES_MIN 200 /* C-061, whole frame */
#define WIRE_EVENT_BYTES_MAX 800
#define WIRE_PLATFORM_BYTES_MAX                                                                    \
    16384 /* a catalogue chunk, a supplement; every other platform message is <= 800 */
#define WIRE_DIGEST_BYTES     32
#define WIRE_EPOCH_MAX        INT64_C(2147483647)
#define WIRE_SESSION_ID_BYTES 45 /* "CART-" 12 "." 10 digits "." 16 digits */
#define WIRE_ABSENT           INT64_MIN

enum wire_type {
    /* cart -> platform: the seven, no eighth (C-052) */
    WIRE_SCAN,
    WIRE_SESSION_START,
    WIRE_SESSION_END,
    WIRE_IDENTIFY,
    WIRE_HEALTH,
    WIRE_FAULT,
    WIRE_BOOT,
    /* platform -> cart */
    WIRE_COMMAND,    /* topic cart/{id}/command */
    WIRE_COMMIT_ACK, /* topic cart/{id}/response */
    WIRE_PRODUCT,    /* topic cart/{id}/response: answer to a scan of an unknown product */
    WIRE_PAYMENT,    /* topic cart/{id}/response: answer to a session-end with a payment */
    WIRE_CATALOGUE,  /* topic store/{storeId}/catalogue/{chunk}, retained */
    WIRE_PRICES,     /* topic store/{storeId}/catalogue/prices, retained */
};
#define WIRE_EVENT_TYPES 7
#define WIRE_TYPES       13

enum wire_transition { WIRE_START, WIRE_HOLD, WIRE_RESUME };
enum wire_outcome { WIRE_COMPLETE, WIRE_VOIDED, WIRE_ABANDONED };
enum wire_hold_reason { WIRE_HOLD_CUSTOMER, WIRE_HOLD_STAFF, WIRE_HOLD_PAYMENT, WIRE_HOLD_IDLE };
enum wire_price_source { WIRE_PRICE_CACHE, WIRE_PRICE_RESPONSE, WIRE_PRICE_EMBEDDED };
enum wire_weight {
    WIRE_WEIGHT_OK,
    WIRE_WEIGHT_MISMATCH,
    WIRE_WEIGHT_UNSTABLE,
    WIRE_WEIGHT_UNKNOWN
};
enum wire_method { WIRE_LOYALTY, WIRE_PAYMENT_CARD, WIRE_APP_QR };
enum wire_payment_status { WIRE_APPROVED, WIRE_DECLINED };
enum wire_mode { WIRE_ACTIVE, WIRE_IDLE, WIRE_SLEEPING };
enum wire_link { WIRE_WIFI, WIRE_LTE };
enum wire_fault_code {
    WIRE_FAULT_SCANNER_JAM,
    WIRE_FAULT_PAYMENT_FAILED,
    WIRE_FAULT_BATTERY_CLIFF,
    WIRE_FAULT_SCALE,
    WIRE_FAULT_FLASH,
    WIRE_FAULT_CLOCK,
    WIRE_FAULT_COMMAND, /* a command that failed its checks; detail says which */
    WIRE_FAULT_GAP,     /* the signed gap record: events that were refused or damaged */
    WIRE_FAULT_OTHER,
};
enum wire_severity { WIRE_LOW, WIRE_MEDIUM, WIRE_HIGH };
enum wire_boot_reason {
    WIRE_BOOT_POWER,
    WIRE_BOOT_WATCHDOG,
    WIRE_BOOT_COMMAND,
    WIRE_BOOT_UPDATE,
    WIRE_BOOT_CRASH,
};
enum wire_command_kind {
    WIRE_CMD_SLEEP,
    WIRE_CMD_WAKE,
    WIRE_CMD_CUSTOMER_OVERRIDE,
    WIRE_CMD_PAUSE,
    WIRE_CMD_CANCEL,
    WIRE_CMD_RESTART,
    WIRE_CMD_CATALOGUE,
    WIRE_CMD_FIRMWARE,
};
enum wire_command_outcome {
    WIRE_CMD_DONE,
    WIRE_CMD_IGNORED, /* valid, nothing to do (pause without a session) */
    WIRE_CMD_EXPIRED,
    WIRE_CMD_REFUSED, /* e.g. restart with a session open */
};
enum wire_payment_outcome { WIRE_ACCEPTED, WIRE_REFUSED };

/* A session's id is its start's identity, "{cartId}.{epoch}.{counter of the start}": unique
 * without randomness, and checkable. */

/* One barcode read, one line of the basket. A scan whose product is not in the cart's cache has no
 * price; when the product response has come the cart publishes a second scan of the same line with
 * `resolves` = the first one's counter, quantity equal, and the price; without a price such a scan
 * asks for a lost answer again. Count and quantity are taken
 * from scans without `resolves`, prices from whichever scan of the line has one. Removing an item
 * is a scan with a negative quantity, at the line's own price. */
struct wire_scan {
    struct span session_id;
    int64_t line;     /* 1.. within the session */
    struct span gtin; /* as read: 8, 12, 13 or 14 digits, check digit valid */
    struct span sku;  /* absent when the product is unknown */
    int64_t quantity; /* -99..99, not 0 */
    int64_t price;    /* minor units, of ONE unit (or of the embedded measure); absent: unknown */
    struct span currency; /* with price */
    int64_t price_source; /* enum wire_price_source, with price */
    int64_t measure_g;    /* variable-measure goods */
    int64_t weight_expected_g;
    int64_t weight_delta_g; /* what the platform scale saw */
    int64_t weight;         /* enum wire_weight */
    int64_t resolves;       /* counter of the scan this prices; absent for a first read */
};

struct wire_session_start {
    struct span session_id;
    int64_t transition; /* enum wire_transition */
    int64_t reason;     /* enum wire_hold_reason, with hold */
    struct span store_id;
};

/* `digest`: SHA-256 chain over the session's scan bodies in counter order,
 * d0 = 32 zero bytes, dn = SHA-256(dn-1 || SHA-256(body n)); a session without scans has d0. */
struct wire_session_end {
    struct span session_id;
    int64_t outcome;    /* enum wire_outcome */
    int64_t item_count; /* sum of quantities of scans without `resolves` */
    int64_t scan_count; /* scan messages of the session, `resolves` ones too */
    int64_t unpriced;   /* quantity still without a price */
    int64_t first_scan; /* counters; 0 when there is none */
    int64_t last_scan;
    int64_t total; /* minor units */
    struct span currency;
    struct span digest;        /* 64 lower-case hex digits */
    struct span payment_token; /* absent: not paid at the cart */
    int64_t payment_amount;    /* with payment_token */
    int64_t payment_status;    /* enum wire_payment_status, with payment_token */
};

struct wire_identify {
    struct span session_id;
    int64_t method;    /* enum wire_method */
    struct span token; /* opaque, 16..64 of [A-Za-z0-9_-]; never a card or phone number */
};

struct wire_health {
    int64_t mode;         /* enum wire_mode */
    int64_t battery_pct;  /* 0..100 */
    int64_t signal_dbm;   /* -127..0 */
    int64_t laser_deci_c; /* scanner laser, tenths of a degree */
    int64_t drift_g;      /* weight platform calibration drift */
    int64_t link;         /* enum wire_link */
    int64_t x_cm;         /* location on the store's floor plan; both or neither */
    int64_t y_cm;
    int64_t queued;          /* events waiting on flash */
    int64_t catalog_version; /* of the product cache, 0: none */
    int64_t command_number;  /* with command_outcome: the acknowledgement of a command */
    int64_t command_outcome; /* enum wire_command_outcome */
};

struct wire_fault {
    int64_t code;           /* enum wire_fault_code */
    int64_t severity;       /* enum wire_severity */
    struct span session_id; /* optional */
    struct span detail; /* optional, up to 64 printable ASCII characters, no digits run of 12+ */
    /* with code gap only: */
    int64_t gap_from; /* counters damaged on flash, from..to; 0 and 0 when none */
    int64_t gap_to;
    int64_t gap_health; /* events refused for lack of flash, never given a counter, by class */
    int64_t gap_fault;
    int64_t gap_scan;
};

struct wire_boot {
    struct span firmware; /* "1.4.2" */
    struct span hardware; /* "endcap-cart-r1" */
    int64_t reason;       /* enum wire_boot_reason */
    struct span slot;     /* "A" or "B" */
    int64_t security_counter;
    int64_t catalog_version;
    int64_t command_number; /* highest ever accepted */
    struct span session_id; /* the session that was open, optional */
};

/* A message of a cart: its identity is (cart_id, epoch, counter), never its signature. */
struct wire_event {
    enum wire_type type;
    struct span cart_id;
    int64_t epoch;   /* 1.. */
    int64_t counter; /* 1.. within the epoch, one more each event */
    int64_t time_ms; /* the cart's clock */
    union {
        struct wire_scan scan;
        struct wire_session_start session_start;
        struct wire_session_end session_end;
        struct wire_identify identify;
        struct wire_health health;
        struct wire_fault fault;
        struct wire_boot boot;
    };
};

struct wire_command {
    int64_t number; /* rises by at least one for each command to this cart, over all epochs */
    int64_t expires_ms;
    int64_t kind;           /* enum wire_command_kind */
    struct span session_id; /* pause, cancel, restart: the session meant; optional */
    int64_t version;        /* catalogue: the version to have */
    struct span reason;     /* customer-override and friends: words for the log, optional */
};
struct wire_commit_ack {
    int64_t epoch;
    int64_t through; /* everything of this epoch up to and including this counter is on disk */
};
struct wire_product {
    int64_t epoch;
    int64_t counter; /* of the scan this answers */
    struct span gtin;
    int64_t found; /* 0 or 1; the fields below come with 1 only */
    struct span sku;
    struct span name; /* UTF-8, up to 96 bytes */
    int64_t price;
    struct span currency;
    int64_t weight_g; /* 0: unknown */
    int64_t per_kg;   /* 0 or 1: price is of one kilogram */
};
struct wire_payment {
    int64_t epoch;
    int64_t counter;    /* of the session-end this answers: the correlation id */
    int64_t outcome;    /* enum wire_payment_outcome */
    struct span reason; /* with refused: a stable name */
    struct span token;
};
#define WIRE_CATALOGUE_ITEMS_MAX 96
struct wire_catalogue_item {
    struct span gtin; /* 14 digits, zero-padded: the sort key */
    struct span sku;
    struct span name;
    int64_t price;    /* minor; for price_per_kg of one kilogram */
    int64_t weight_g; /* expected; 0: unknown */
    int64_t per_kg;   /* 0 or 1 */
};
/* Items are sorted by gtin over all chunks; chunk runs 0..chunks-1; a cart switches to `version`
 * only when it has all chunks. */
struct wire_catalogue {
    struct span store_id;
    int64_t version;
    int64_t chunk;
    int64_t chunks;
    struct span currency;
    size_t item_count;
    struct wire_catalogue_item items[WIRE_CATALOGUE_ITEMS_MAX];
};

#define WIRE_PRICES_ITEMS_MAX 288
struct wire_price {
    struct span gtin; /* 14 digits, zero-padded: the sort key */
    int64_t price;    /* minor; as in the catalogue of one unit, or of one kilogram */
};
/* The supplement: compared with the whole catalogue `base`, these items' prices are now these. It
 * says all that changed since, so the newest replaces those before. */
struct wire_prices {
    struct span store_id;
    int64_t base;    /* version of the whole catalogue that it supplements */
    int64_t version; /* what a cart that holds base has with it; not below base */
    struct span currency;
    size_t item_count;
    struct wire_price items[WIRE_PRICES_ITEMS_MAX];
};

/* A message of the platform. cart_id is absent in a catalogue and its supplement. */
struct wire_downlink {
    enum wire_type type;
    struct span cart_id;
    int64_t time_ms;
    union {
        struct wire_command command;
        struct wire_commit_ack commit_ack;
        struct wire_product product;
        struct wire_payment payment;
        struct wire_catalogue catalogue;
        struct wire_prices prices;
    };
};

/* Why a message is refused; each has a stable name for logs, the dead-letter desk and metrics. */
enum wire_refusal {
    WIRE_FINE = 0,
    WIRE_TOO_SHORT,
    WIRE_TOO_LONG,
    WIRE_BAD_JSON, /* not RFC 8259, or trailing bytes other than spaces */
    WIRE_BAD_UTF8, /* invalid UTF-8, a lone surrogate, NUL */
    WIRE_TOO_DEEP,
    WIRE_DUPLICATE_KEY,
    WIRE_TOO_MANY_FIELDS, /* more than JSON_KEYS_MAX */
    WIRE_NOT_AN_OBJECT,
    WIRE_BAD_VERSION,
    WIRE_UNKNOWN_TYPE,
    WIRE_MISSING_FIELD,
    WIRE_BAD_TYPE, /* a text where a number belongs, ... */
    WIRE_OUT_OF_RANGE,
    WIRE_BAD_FORMAT,      /* pattern, enum member, time, digits */
    WIRE_BAD_CHECK_DIGIT, /* GTIN */
    WIRE_BAD_COMBINATION, /* a field that needs or forbids another */
    WIRE_CARD_NUMBER,     /* a Luhn-valid 13..19 digit run in a free text (R18) */
    WIRE_TOPIC_MISMATCH,  /* topic's device or type is not the body's */
    WIRE_BAD_SIGNATURE,
    WIRE_HIGH_S, /* s > n/2: we accept the low form only, so r||s is unique */
    WIRE_UNKNOWN_DEVICE,
    WIRE_REVOKED_DEVICE,
    WIRE_EQUIVOCATION, /* the same counter with another body, validly signed */
    WIRE_STALE_EPOCH,
    WIRE_RATE_LIMITED,
    WIRE_REFUSALS /* how many */
};
const char *wire_refusal_name(enum wire_refusal r);

/* Where and why, for the dead-letter desk: the field's name (points to static storage) or NULL. */
struct wire_detail {
    const char *field;
    int64_t limit; /* the limit that was broken, when there is one */
};

/* A message of this type with every optional field absent (a plain zero would mean 0, not absent);
 * fill in the rest. */
void wire_event_init(struct wire_event *event, enum wire_type type);
void wire_downlink_init(struct wire_downlink *message, enum wire_type type);

/* Splits a frame; the size limits of a device's frame are checked. Body keeps its padding: the
 * signature covers it. */
MUST_CHECK enum wire_refusal wire_event_split(struct span frame, struct span *ret_body,
                                              struct span *ret_signature);
/* Before the signature is verified: r and s in 1..n-1 (else WIRE_BAD_SIGNATURE) and s <= n/2 (else
 * WIRE_HIGH_S; ECDSA is malleable: (r, n-s) verifies wherever (r, s) does). */
MUST_CHECK enum wire_refusal wire_signature_check(struct span signature);
bool wire_signature_is_canonical(struct span signature);

/* Strict: every byte of the body is accounted for, and what decodes can be encoded again. Unknown
 * fields are tolerated and counted in *ret_unknown (policy of C-140: a newer cart may say more),
 * everything else is refused. *ret_why is set on refusal. */
MUST_CHECK enum wire_refusal wire_event_decode(struct span body, struct wire_event *ret_event,
                                               unsigned *ret_unknown, struct wire_detail *ret_why);
/* Enough of a body that may be invalid to file it: false when not even these are readable. */
bool wire_event_identity(struct span body, struct span *ret_cart_id, int64_t *ret_epoch,
                         int64_t *ret_counter);
/* Writes the body, padded to the minimum. RES_INVALID when a field breaks the catalogue,
 * RES_LIMIT when it does not fit the sink or the frame (WIRE_EVENT_BYTES_MAX less the signature).
 */
MUST_CHECK enum res wire_event_encode(const struct wire_event *event, struct sink *body);
/* The refusal that wire_event_encode would meet, by name, for logs and tests. */
MUST_CHECK enum wire_refusal wire_event_check(const struct wire_event *event,
                                              struct wire_detail *ret_why);

/* The same for what the platform sends: 200 bytes at least, 800 at most, a catalogue chunk or
 * supplement WIRE_PLATFORM_BYTES_MAX. Unknown fields are tolerated. Decoding fills *ret in place (a
 * catalogue is large): after a refusal its content means nothing. */
MUST_CHECK enum wire_refusal wire_downlink_split(struct span frame, struct span *ret_body,
                                                 struct span *ret_signature);
MUST_CHECK enum wire_refusal wire_downlink_decode(struct span body, struct wire_downlink *ret,
                                                  struct wire_detail *ret_why);
MUST_CHECK enum res wire_downlink_encode(const struct wire_downlink *message, struct sink *body);
MUST_CHECK enum wire_refusal wire_downlink_check(const struct wire_downlink *message,
                                                 struct wire_detail *ret_why);

/* "CART-" and 4 to 12 of [A-Z0-9]. */
bool wire_cart_id_is_valid(struct span text);
/* "{cartId}.{epoch}.{counter}" and back. RES_INVALID for any other text. */
MUST_CHECK enum res wire_session_id_read(struct span text, struct span *ret_cart_id,
                                         int64_t *ret_epoch, int64_t *ret_counter);
void wire_session_id_write(struct sink *s, struct span cart_id, int64_t epoch, int64_t counter);

/* Makes any UTF-8 text fit for a `name` field: control characters and backslashes become spaces, a
 * quotation mark an apostrophe, the end is cut at a character; a text that looks like a card number
 * has its digits masked. RES_INVALID: not UTF-8, or nothing is left. */
MUST_CHECK enum res wire_name_clean(struct span text, struct sink *name);

/* "cart/{cartId}/{type}" and back. RES_INVALID for any other topic. */
MUST_CHECK enum res wire_topic_read(struct span topic, struct span *ret_cart_id,
                                    enum wire_type *ret_type);
void wire_topic_write(struct sink *s, struct span cart_id, enum wire_type type);
/* "scan", "session-start", ... as in topics and the type field. */
const char *wire_type_name(enum wire_type type);
/* JSON name of an enum member, e.g. wire_enum_name(WIRE_FAULT, "code", WIRE_FAULT_GAP) = "gap";
 * NULL when there is none. For people-facing pages and SQL values. */
const char *wire_enum_name(enum wire_type type, const char *field, int64_t value);

#endif
