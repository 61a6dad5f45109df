/* delivery.h: the life of one delivery, a change on its way to one label (design section 7). Pure:
 * no I/O, no clock, no allocation. The statements of sender and ingest do the same to rows; a test
 * holds them against this over random histories.
 *
 *     queued ---> sent ---> displayed          and from each open state: superseded
 *       |  ^       | ^ \--> failed             failed ---> displayed by a late acknowledgement
 *       v  |       v |
 *       pending <--+-+
 *
 *  - sent at most DELIVERY_SENDS times while the label is online, 1, 2 and 4 s after one another;
 *    4 s after the last it has failed (P9, P10);
 *  - a label that is not online has its delivery pending: its shadow will bring it. When it is
 * heard of again it has DELIVERY_GRACE_MS to fetch its shadow, then sends begin anew from the
 * first;
 *  - a fall in price waits until the carts were told, DELIVERY_GATE_MS at most;
 *  - a flash command is nothing to begin after its time: then it has failed.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#define DELIVERY_SENDS    4
#define DELIVERY_GATE_MS  2000
#define DELIVERY_GRACE_MS 5000
#define DELIVERY_NEVER_MS INT64_MAX

enum delivery_state {
    DELIVERY_QUEUED,
    DELIVERY_SENT,
    DELIVERY_DISPLAYED,
    DELIVERY_PENDING,
    DELIVERY_SUPERSEDED,
    DELIVERY_FAILED,
    DELIVERY_STATES
};

struct delivery {
    enum delivery_state state;
    int attempts; /* sends since the label was last away */
    int64_t created_ms;
    int64_t not_before_ms; /* DELIVERY_NEVER_MS: the label's return decides */
    int64_t sent_ms;       /* of the last send */
    int64_t expires_ms;    /* of a flash command; else DELIVERY_NEVER_MS */
    bool after_catalogue;
};

struct delivery_world {
    int64_t now_ms;
    bool online;              /* the label */
    bool catalogue_published; /* at least the version it waits for */
};

enum delivery_action {
    DELIVERY_REST, /* nothing is due */
    DELIVERY_SEND, /* publish it, now that it is marked */
    DELIVERY_PARK, /* pending from now on */
    DELIVERY_FAIL, /* failed; a display raises an alert */
};

/* As created: `online` as the label's row says. */
void delivery_init(struct delivery *d, int64_t now_ms, bool online);
/* Still on its way: the label may yet get it from us. */
bool delivery_is_open(const struct delivery *d);
/* The sender's turn: changes *d and says what to do. */
enum delivery_action delivery_turn(struct delivery *d, const struct delivery_world *w);
/* When the next turn can find something to do, if nothing else happens. */
int64_t delivery_due_ms(const struct delivery *d, const struct delivery_world *w);
/* The label is gone (presence, silence). */
void delivery_label_gone(struct delivery *d);
/* The label is heard of again. */
void delivery_label_back(struct delivery *d, int64_t now_ms);
/* What is pending though its label is online was missed by delivery_label_back: due at once. So is
 * a flash command whose time is over. */
void delivery_sweep(struct delivery *d, const struct delivery_world *w);
/* The label confirms this very delivery, or refuses it. True when it changed anything: a repeated
 * acknowledgement does not. */
bool delivery_confirm(struct delivery *d);
bool delivery_refuse(struct delivery *d);
/* A newer one of its kind for its label. */
void delivery_supersede(struct delivery *d);

#endif
