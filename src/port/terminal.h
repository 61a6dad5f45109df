/* terminal.h: the store's payment terminal near the cart, as a port (C-043, C-050). Freestanding.
 *
 * Card data never passes here: an amount and a reference go out, an opaque token comes back, by a
 * call of the owner's own making that carries the reference. The terminal is idempotent by
 * reference: a second request with one it knows (the cart lost power meanwhile) charges nothing
 * more and gives the same answer again.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "span.h"

#define TERMINAL_REFERENCE_BYTES_MAX 80
#define TERMINAL_TOKEN_BYTES_MAX     64

enum terminal_answer { TERMINAL_APPROVED, TERMINAL_DECLINED, TERMINAL_FAILED };

struct terminal {
    void *context;
    /* RES_OK: the answer follows, some time. RES_UNAVAILABLE: no terminal in reach. */
    enum res (*request)(void *context, struct span reference, int64_t amount_minor,
                        struct span currency);
    /* Gives up this reference: an authorization given or on its way is reversed. No answer follows
     * (one on its way may still come and means nothing). */
    void (*reverse)(void *context, struct span reference);
};

#endif
