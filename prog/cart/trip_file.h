/* trip_file.h: what the simulated shoppers do, from a file. One line is one trip: steps between
 * commas, `#` at the start of a line begins a comment.
 *
 *   8901030000003        scans this code once
 *   8901030000003*3      three of it, as one line of the basket
 *   -8901030000003       takes one out again (also with *N)
 *   ?hold ?resume ?identify ?cancel ?finish ?pay    does that; a trip that does not say how it
 *                        ends is paid
 *   ?wait=500            stands still for so many milliseconds
 */
#ifndef TRIP_FILE_H
#define TRIP_FILE_H

#include "err.h"
#include "span.h"

#define TRIP_CODE_BYTES  16
#define TRIP_STEPS_MAX   1000 /* of one trip */
#define TRIP_WAIT_MS_MAX 3600000

enum trip_action {
    TRIP_SCAN,
    TRIP_REMOVE,
    TRIP_HOLD,
    TRIP_RESUME,
    TRIP_IDENTIFY,
    TRIP_CANCEL,
    TRIP_FINISH,
    TRIP_PAY,
    TRIP_WAIT,
};

struct trip_step {
    enum trip_action action;
    char code[TRIP_CODE_BYTES];
    int quantity;
    int wait_ms;
};

struct trip {
    struct trip_step *steps;
    size_t step_count;
};

struct trip_file {
    struct trip *trips;
    size_t trip_count;
};

/* RES_IO: can't be read; RES_INVALID: `why` names the line; RES_LIMIT; RES_NOT_FOUND: no trip in
 * it. */
MUST_CHECK enum res trip_file_new(const char *path, struct err *why, struct trip_file **ret_file);
void trip_file_free(struct trip_file *file);
/* One line, without its end; an empty one or a comment gives no step. `steps` has room for
 * TRIP_STEPS_MAX. */
MUST_CHECK enum res trip_file_read_line(struct span line, struct err *why, struct trip_step *steps,
                                        size_t *ret_count);

#endif
