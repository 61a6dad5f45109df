/* label_stream.h: which of a label's events are stored (P45): everything of the epoch through a
 * counter, and a few counters beyond. Pure core: no I/O, no clock, no allocation.
 *
 * A label keeps at most LABEL_STREAM_HELD events unreleased, sends them in counter order, and after
 * each answer again from the oldest that the answer did not release. So a hole closes by itself,
 * unless the label has nothing in it any more (damaged flash, or our database is older than the
 * label): then
 *  - a counter so far ahead that the label can't hold the hole's end moves `through` behind it;
 *  - an event that is here already and comes again after an answer is the oldest the label has.
 *    When that happened LABEL_STREAM_STUCK times, nothing between `through` and it will ever come.
 * Both are told, for an alert: no loss is silent.
 */
#ifndef LABEL_STREAM_H
#define LABEL_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#define LABEL_STREAM_WINDOW 128 /* counters beyond `through` that are remembered */
#define LABEL_STREAM_HELD   100 /* events a label keeps at most (S-030) */
#define LABEL_STREAM_STUCK  2   /* once may be a message that was lost on its way again */

struct label_stream {
    int64_t epoch;
    int64_t through;
    uint64_t above[2]; /* lowest bit of the first: through + 1 */
    int64_t told;      /* the `through` of the last answer; -1: none since it was used */
    uint8_t stuck;     /* answers in a row that brought nothing for the hole */
};

enum label_stream_place {
    LABEL_STREAM_NEW,
    LABEL_STREAM_SEEN,
    LABEL_STREAM_PAST, /* of an epoch before: the label has lost it, nothing is released by it */
};

/* Counters that will never come; from 0: none. */
struct label_stream_lost {
    int64_t from;
    int64_t to;
};

/* As PostgreSQL has it. */
void label_stream_init(struct label_stream *s, int64_t epoch, int64_t through);
/* What PostgreSQL has meanwhile, perhaps by another process: never less. */
void label_stream_merge(struct label_stream *s, int64_t epoch, int64_t through);
/* An event came. Its counter is accounted for from now on; epoch and counter are at least 1. */
enum label_stream_place label_stream_take(struct label_stream *s, int64_t epoch, int64_t counter,
                                          struct label_stream_lost *ret_lost);
/* The label's own word that from..to will never come; what is not of this epoch, or not within the
 * window, changes nothing. */
void label_stream_gap(struct label_stream *s, int64_t epoch, int64_t from, int64_t to);
/* An answer with `through` is on its way. */
void label_stream_tell(struct label_stream *s);
/* Events are here beyond a hole: another process may know more. */
bool label_stream_has_hole(const struct label_stream *s);

#endif
