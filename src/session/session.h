/* session.h: the life of a shopping trip, driven by a cart's events in counter order (C-037,
 * C-121..C-128).
 *
 *   start -> active <-> paused (hold, resume) -> complete | voided | abandoned
 *
 * A terminal session never changes again: what comes for it afterwards is LATE, counted by the
 * caller and nothing else. At most one session of a cart is open: a start while another is open
 * abandons the older. A step that the state forbids is ILLEGAL: recorded by the caller, never an
 * error, because the event is signed, stored and acknowledged whatever we think of it.
 *
 * Pure core: no I/O, no clock, no allocation. Feeding the same events again from the start gives
 * the same state; that is how a session is loaded after a restart.
 */
#ifndef SESSION_H
#define SESSION_H

#include "reconcile.h"

enum session_status {
    SESSION_NONE, /* no session is open on this cart */
    SESSION_ACTIVE,
    SESSION_PAUSED,
    SESSION_COMPLETE,
    SESSION_ABANDONED,
    SESSION_VOIDED,
};
const char *session_status_name(enum session_status status); /* as in the status column */

struct session {
    enum session_status status;
    int64_t epoch;
    int64_t start_counter;
    int64_t end_counter;  /* 0: not ended by an event */
    int64_t last_counter; /* of the last event that was applied */
    int64_t started_ms;   /* the cart's clock */
    int64_t ended_ms;
    int64_t first_received_ms; /* ours */
    int64_t hold_reason;       /* enum wire_hold_reason while paused, else WIRE_ABSENT */
    bool identified;
    bool identity_conflict; /* a second, different identity came; the first is kept (C-128) */
    int64_t identity_method;
    uint8_t identity_ref[WIRE_DIGEST_BYTES]; /* SHA-256 of the opaque token */
    int64_t mismatch_count;
    bool superseded; /* abandoned by the next start */
    /* What the end said, and how it compares: */
    int64_t claimed_items;
    int64_t claimed_scans;
    int64_t claimed_unpriced;
    int64_t claimed_total;
    char claimed_currency[4];
    bool reconciled;  /* the comparison was made */
    unsigned reasons; /* bits of enum reconcile_reason; 0 and reconciled: it adds up */
    struct reconcile fold;
};

enum session_verdict {
    SESSION_APPLIED,   /* the session changed */
    SESSION_FOLDED,    /* only the fold of scans grew: nothing for the session's row */
    SESSION_UNCHANGED, /* said again what is so already (the same identity), or not about sessions
                        */
    SESSION_LATE,      /* for a session that is not open; maybe one that has ended */
    SESSION_ILLEGAL,
};

enum session_fault {
    SESSION_FAULT_NONE,
    SESSION_FAULT_ID,         /* a start whose id is not its own identity, or another cart's id */
    SESSION_FAULT_STORE,      /* a start in a store that is not the cart's (C-121) */
    SESSION_FAULT_TRANSITION, /* hold while paused, resume while active */
    SESSION_FAULT_EPOCH,      /* an event of another epoch than the session's */
};
const char *session_fault_name(enum session_fault fault); /* for the dead-letter desk */

struct session_input {
    const struct wire_event *event;
    const uint8_t *body_digest; /* SHA-256 of the body, WIRE_DIGEST_BYTES; read for scans */
    struct span store_id;       /* of the cart's certificate */
    int64_t received_ms;
    reconcile_sha256 sha256;
};

struct session_step {
    enum session_verdict verdict;
    enum session_fault fault;
    bool superseded; /* *ret_older was filled */
};

void session_init(struct session *s);
bool session_is_open(const struct session *s);

/* Applies one event of the cart. *s is the cart's open session, or a fresh or terminal one when
 * none is open. A start while one is open abandons it: its final state goes to *ret_older, *s is
 * the new one. The only failure is sha256's own; *s is unchanged then. */
MUST_CHECK enum res session_apply(struct session *s, const struct session_input *input,
                                  struct session *ret_older, struct session_step *ret_step);

/* The session an event is about; size 0 for none (health, most faults and boots). */
struct span session_of_event(const struct wire_event *event);

#endif
