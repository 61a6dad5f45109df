/* cart_ledger.h: what a cart must remember, as a fold over its own events in counter order.
 *
 * The same function is applied to an event when it is made and, after a power cut, to the events on
 * flash that the last snapshot does not include; so both ways end in the same state, to the byte of
 * the digest. Freestanding; no I/O but the digest of the secure element. Basket lines are kept by
 * the caller (on flash), one at a time in RAM.
 */
#ifndef CART_LEDGER_H
#define CART_LEDGER_H

#include "flash_queue.h"
#include "gtin.h"
#include "secure_element.h"
#include "terminal.h"
#include "wire.h"

#define CART_LEDGER_VERSION 1
#define CART_LINES_MAX      250 /* of one basket */
#define CART_SKU_BYTES_MAX  32

/* One line of the basket: one first read and what became of it. */
struct cart_line {
    int64_t scan;         /* counter of the first read */
    int64_t through;      /* counter of the last event folded into this line */
    int64_t price;        /* of one unit, WIRE_ABSENT: unknown */
    int32_t expected_g;   /* of one unit, 0: unknown */
    int32_t measure_g;    /* of variable-measure goods, 0: none */
    int16_t first;        /* quantity of the first read */
    int16_t quantity;     /* left in the basket */
    int16_t priced;       /* left at the moment the price came */
    int16_t price_source; /* enum wire_price_source, with price */
    char gtin[GTIN_DIGITS + 1];
    char sku[CART_SKU_BYTES_MAX + 1];
};

/* The open trip. All zero when there is none. */
struct cart_trip {
    int64_t start; /* counter of its session-start; 0: no trip is open */
    int64_t first_scan;
    int64_t last_scan;
    int64_t total_minor;
    int64_t item_count;
    int64_t scan_count;
    int64_t unpriced;
    int64_t lines;
    int64_t pay_minor;  /* asked of the terminal */
    uint32_t pay_tries; /* declined so far: part of the terminal's reference */
    uint8_t paying;     /* the terminal was asked and has not answered */
    uint8_t paid;       /* it approved: token is valid, the session-end is due */
    uint8_t paused;
    uint8_t hold_reason; /* enum wire_hold_reason, while paused */
    uint8_t hold_due;    /* a payment failed: the hold is due */
    uint8_t identified;
    char currency[4];
    char token[TERMINAL_TOKEN_BYTES_MAX + 1];
    uint8_t digest[WIRE_DIGEST_BYTES];
};

/* Counters that stand for no event: lost on flash, or torn by a power cut. Decided once, before
 * anything else is made, and never again: a torn event may read well at a later power-on. */
#define CART_VOIDS_MAX 16
struct cart_void {
    int64_t from; /* 0: none here */
    int64_t to;
    int64_t told; /* counter of the gap record that says so; 0: none yet */
};

/* Saved as it is, padding zeroed: the layout is this firmware's own, named by version. */
struct cart_ledger {
    uint32_t version;
    uint32_t command_outcome; /* of command_number */
    int64_t epoch;
    int64_t through;        /* the last event folded in */
    int64_t time_ms;        /* of that event */
    int64_t command_number; /* the highest accepted */
    int64_t acked;          /* everything through here is on the platform's disk */
    int64_t payment_end;    /* the session-end whose payment answer is awaited; 0: none */
    int64_t refused[FLASH_QUEUE_SESSION]; /* by class, not yet reported */
    struct cart_void voids[CART_VOIDS_MAX];
    struct cart_trip trip;
};

void cart_ledger_init(struct cart_ledger *l, int64_t epoch);

/* What a scan does to its line: for a first read `line` is overwritten, otherwise it must hold the
 * line named. A line that has seen this event already is left alone. */
void cart_ledger_line(struct cart_line *line, const struct wire_event *event);
/* The next event; one that is folded in already changes nothing. line: the scan's line as it is
 * after cart_ledger_line, else NULL. RES_IO: the secure element failed, nothing changed, call
 * again. */
MUST_CHECK enum res cart_ledger_apply(struct cart_ledger *l, const struct secure_element *secure,
                                      const struct wire_event *event, struct span body,
                                      const struct cart_line *line);
bool cart_ledger_is_void(const struct cart_ledger *l, int64_t counter);
bool cart_ledger_has_void_room(const struct cart_ledger *l);
/* Notes what of [from, to] is news. RES_FULL: no room for it. */
MUST_CHECK enum res cart_ledger_add_void(struct cart_ledger *l, int64_t from, int64_t to);
/* Forgets those through this counter, which the platform has accounted for. */
void cart_ledger_drop_voids(struct cart_ledger *l, int64_t through);
/* What the fold would make of the total: RES_LIMIT when a basket can't be worth that much. */
MUST_CHECK enum res cart_ledger_can_add(const struct cart_ledger *l, int64_t price,
                                        int64_t quantity);

#endif
