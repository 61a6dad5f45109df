/* cart.h: the cart: trips, scanning, payment hand-off, telemetry, commands and delivery.
 *
 * The whole device core, as it ships on the microcontroller, in the virtual cart and in the tests.
 * Freestanding: no allocation, no operating system, no clock, no global state; the caller owns
 * `struct cart` and everything the ports point to, and gives the time with every call. Outputs
 * leave through ports only. Single-threaded: one call at a time, and ports never call back into the
 * core; answers of the terminal and of the network are given by the caller as inputs.
 *
 * What is promised (design section 6): an event is on flash before it is sent, and leaves flash
 * when the platform's signed commit-ack has passed it; a power cut at any moment loses no event
 * that was made, repeats no counter, and a trip continues with its digest, totals and line numbers.
 */
#ifndef CART_H
#define CART_H

#include "board.h"
#include "cart_ledger.h"
#include "cart_prices.h"
#include "cart_store.h"
#include "display.h"
#include "network.h"
#include "scale.h"
#include "secure_element.h"
#include "terminal.h"
#include "wire.h"

#define CART_WINDOW              32      /* events in flight beyond the last commit-ack */
#define CART_RESEND_FIRST_MS     5000    /* without progress of the watermark; doubles */
#define CART_RESEND_MAX_MS       60000   /* to this */
#define CART_RESEND_HINTED_MS    1000    /* first, when an answer hints that an event was lost */
#define CART_HEALTH_ACTIVE_MS    60000   /* C-046: with a trip going on */
#define CART_HEALTH_IDLE_MS      300000  /* C-046: without */
#define CART_HEALTH_SLEEPING_MS  1800000 /* put to sleep by a command */
#define CART_TERMINAL_TIMEOUT_MS 90000   /* then the authorization is reversed */
#define CART_PAYMENT_ANSWER_MS   10000   /* then the shopper is told "later" (C-196) */
#define CART_FAULT_REPEAT_MS     60000   /* refused commands: one fault a minute at most */
#define CART_ANSWER_REPEAT_MS    10000   /* between two answers to one command number */
#define CART_REFRESH_REPEAT_MS   30000   /* between two requests for the whole catalogue */
#define CART_GAP_REPEAT_MS       60000   /* between two reports of refused events */
#define CART_BATTERY_CLIFF_PCT   5       /* at or below */
#define CART_BATTERY_DROP_PCT    15      /* or falling by this between two health events */
#define CART_LASER_MAX_DECI_C    600     /* C-146: the scanner's laser is too hot */
#define CART_CLOCK_STEP_MS       300000  /* wall clock against running time: a fault */
#define CART_CLOCK_LEAST_MS      INT64_C(1704067200000) /* 2024-01-01: before it, not set */
#define CART_CONNECT_TIMEOUT_MS  30000
#define CART_BACKOFF_JITTER_PCT  25    /* of a pause between attempts, backoff.h */
#define CART_ASK_FIRST_MS        2000  /* a line without a price, all else acknowledged; doubles */
#define CART_ASK_MAX_MS          60000 /* to this */
#define CART_ASK_LINES_MAX       4     /* lines asked for at a time */

struct cart_time {
    int64_t uptime_ms; /* since power-up, never steps */
    int64_t utc_ms;    /* wall clock, may step */
};

struct cart_settings {
    const char *cart_id; /* "CART-..." */
    const char *store_id;
    const char *currency; /* ISO 4217, until a catalogue names one */
    const char *firmware; /* "1.4.2" */
    const char *hardware;
    const char *slot; /* "A" or "B" */
    int64_t security_counter;
    enum wire_boot_reason boot_reason;
    enum gtin_measure prefix_measure[10]; /* codes 20..29, gtin.h */
    int64_t idle_hold_ms;                 /* a trip without input is held ... */
    int64_t abandon_ms;                   /* ... and a held one abandoned; 0: 10 and 30 minutes */
};

/* Watches what is made; for test and demonstration, NULL in a shipping cart. Called after the
 * event and a snapshot that includes it are on flash, and before it can be sent; at start-up again
 * for each event on flash. */
struct cart_observer {
    void *context;
    void (*event)(void *context, int64_t epoch, int64_t counter, struct span body);
};

struct cart_ports {
    const struct flash *flash; /* whole; cart_store.h lays it out */
    const struct secure_element *secure;
    const struct network *network;
    const struct display *display;
    const struct scale *scale;
    const struct terminal *terminal;
    const struct board *board;
    const struct cart_observer *observer;
};

/* What happened since power-up, for a status line; nothing depends on it. */
struct cart_counts {
    uint32_t appended;
    uint32_t published;
    uint32_t refused;
    uint32_t trips_complete;
    uint32_t trips_voided;
    uint32_t trips_abandoned;
};

/* Static storage is the caller's; all fields are private but `counts` and `ledger` (to read). */
struct cart {
    const struct cart_settings *settings;
    struct cart_ports ports;
    struct cart_time now;
    struct cart_store store;
    struct cart_prices prices;
    struct cart_ledger ledger;
    struct cart_counts counts;
    /* event */
    bool boot_due;
    bool behind;           /* events on flash wait to be folded in */
    bool line_due;         /* the newest event's line is not on flash */
    bool unsaved;          /* the ledger is newer than its snapshot */
    int64_t saved_through; /* what the snapshot includes: no later event may be sent or released */
    int64_t observed_through;
    bool asleep;
    int64_t input_ms; /* last input of the shopper, or the hold */
    /* sender */
    bool connected;
    bool connecting;
    uint32_t failures;
    int64_t connect_ms;     /* when to try, or since when we do */
    int64_t acked;          /* everything through here is on the platform's disk */
    int64_t next_send;      /* in order */
    int64_t next_gap;       /* gap records with lost counters are sent ahead: from here on */
    int64_t resent_through; /* sent more than once up to here */
    int64_t progress_ms;
    int64_t resend_after_ms;
    bool hinted; /* the watermark was repeated to us since it moved */
    /* health and faults */
    int64_t health_ms;     /* of the last one, INT64_MIN: none yet */
    uint32_t troubles;     /* bit by enum cart_trouble: going on */
    uint32_t troubles_due; /* ... and not yet reported */
    int32_t battery_pct;
    int64_t clock_offset_ms;
    int64_t command_fault_ms;
    int64_t answer_ms;
    int64_t refresh_ms;
    int64_t gap_ms;
    /* prices */
    int64_t ask_ms; /* since when an answer is awaited */
    int64_t ask_after_ms;
    int64_t ask_line; /* where the next round begins */
    /* payment */
    int64_t pay_ms;
    int64_t payment_end_ms;
    uint8_t frame[WIRE_EVENT_BYTES_MAX]; /* the one event being made or sent */
};

/* Mounts the flash, takes up where the last power cut left, and makes the boot event. settings and
 * what ports point to must outlive the cart. RES_INVALID: settings or flash geometry; RES_IO: the
 * flash or the secure element does not work. */
MUST_CHECK enum res cart_init(struct cart *c, const struct cart_settings *settings,
                              const struct cart_ports *ports, struct cart_time now);
/* Timers and sending; call at least every 100 ms while connected, and after every input. */
void cart_tick(struct cart *c, struct cart_time now);

/* --- the shopper. Every refusal has been shown. RES_CONFLICT: the trip's state forbids it;
 * RES_FULL: no room on flash for this class of event; RES_AGAIN: flash or secure element trouble,
 * may succeed later. A trip is started when there is none. --- */

enum cart_symbology { CART_EAN, CART_UPC_A, CART_UPC_E };
/* RES_INVALID: not a code we take. quantity 1..99. */
MUST_CHECK enum res cart_scan(struct cart *c, struct cart_time now, struct span code,
                              enum cart_symbology symbology, int64_t quantity);
/* Takes `quantity` of the newest line with this code away. RES_NOT_FOUND: not in the basket. */
MUST_CHECK enum res cart_remove_item(struct cart *c, struct cart_time now, struct span code,
                                     enum cart_symbology symbology, int64_t quantity);
MUST_CHECK enum res cart_start(struct cart *c, struct cart_time now);
MUST_CHECK enum res cart_hold(struct cart *c, struct cart_time now);
MUST_CHECK enum res cart_resume(struct cart *c, struct cart_time now);
/* Opaque tokens only: RES_INVALID for anything else, and for what looks like a card number. */
MUST_CHECK enum res cart_identify(struct cart *c, struct cart_time now, enum wire_method method,
                                  struct span token);
/* Hands the payment to the terminal; cart_terminal_answer follows. RES_CONFLICT: empty basket, a
 * line without a price, or payment is under way; RES_UNAVAILABLE: no terminal. */
MUST_CHECK enum res cart_pay(struct cart *c, struct cart_time now);
/* Ends the trip as complete without payment here (manual checkout, C-090). */
MUST_CHECK enum res cart_finish(struct cart *c, struct cart_time now);
/* The shopper gives up: voided. RES_CONFLICT: no trip. */
MUST_CHECK enum res cart_cancel(struct cart *c, struct cart_time now);

/* --- the world --- */

void cart_terminal_answer(struct cart *c, struct cart_time now, struct span reference,
                          enum terminal_answer answer, struct span token);
void cart_network_connected(struct cart *c, struct cart_time now);
/* An attempt failed, or the connection is gone. */
void cart_network_disconnected(struct cart *c, struct cart_time now);
/* A frame of the platform, from any of the topics subscribed: who is meant, what it is and that the
 * platform said it are in the frame itself. */
void cart_network_message(struct cart *c, struct cart_time now, struct span frame);
/* The scanner reports that it can't read (C-058), or can again. */
void cart_scanner_jam(struct cart *c, struct cart_time now, bool jammed);

/* --- to look at --- */

bool cart_has_trip(const struct cart *c);
/* Of the products it charges by: the whole catalogue with its supplement; 0: none. */
int64_t cart_catalog_version(const struct cart *c);
/* Events made and not yet acknowledged. */
int64_t cart_unacknowledged(const struct cart *c);

#endif
