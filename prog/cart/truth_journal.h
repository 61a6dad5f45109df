/* truth_journal.h: what a virtual cart made, on record outside its flash, so that a demonstration
 * can compare it with what the platform stored. One JSON object a line and event: cartId, epoch,
 * counter, type, and digest, the SHA-256 in hexadecimal of the body's exact bytes.
 *
 * A line is written after the event is on flash and before it can be sent. After a kill the events
 * on flash that the journal lacks are added, and a line that was torn is cut off.
 */
#ifndef TRUTH_JOURNAL_H
#define TRUTH_JOURNAL_H

#include "cart.h"
#include "err.h"

struct truth_journal {
    struct cart_observer observer; /* use this; do not move the struct while it is open */
    int fd;                        /* -1: no journal is kept */
    const char *cart_id;
    int64_t epoch; /* of the last line */
    int64_t counter;
    int last_errno; /* of a write that failed, 0: none */
};

/* path NULL: the observer notes nothing. */
MUST_CHECK enum res truth_journal_open(struct truth_journal *j, const char *path,
                                       const char *cart_id, struct err *why);
void truth_journal_close(struct truth_journal *j);

#endif
