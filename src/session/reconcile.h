/* reconcile.h: recomputes a session from its scans and compares it with what its end says (C-129,
 * C-130). Folding is in counter order, once per scan.
 *
 * Count and quantity come from scans without `resolves`; the price of a line comes from whichever
 * scan of the line has one (wire.h). So a line that came without a price is remembered until the
 * scan that resolves it. Pure core: no I/O, no clock, no allocation.
 */
#ifndef RECONCILE_H
#define RECONCILE_H

#include "wire.h"

/* Lines waiting for a price at the same time; a basket beyond this is reported as a mismatch. */
#define RECONCILE_UNPRICED_LINES_MAX 256

/* SHA-256 of first || second: the server gives its own (ecdsa_sha256_two). */
typedef enum res (*reconcile_sha256)(struct span first, struct span second,
                                     uint8_t ret_digest[WIRE_DIGEST_BYTES]);

struct reconcile {
    int64_t item_count; /* sum of quantities of scans without `resolves` */
    int64_t scan_count;
    int64_t unpriced; /* quantity without a price */
    int64_t total_minor;
    int64_t first_scan; /* counters, 0: none */
    int64_t last_scan;
    uint8_t digest[WIRE_DIGEST_BYTES];
    char currency[4]; /* of the first price; "" before */
    bool overflow;    /* a sum left its limits, or too many lines without a price */
    bool currencies_mixed;
    uint16_t open_count; /* lines without a price */
    struct {
        int32_t line;
        int32_t quantity;
    } open[RECONCILE_UNPRICED_LINES_MAX];
};

/* Why a session does not add up: bits, each with a stable name. */
enum reconcile_reason {
    RECONCILE_ITEM_COUNT,
    RECONCILE_SCAN_COUNT,
    RECONCILE_UNPRICED,
    RECONCILE_TOTAL,
    RECONCILE_DIGEST,
    RECONCILE_CURRENCY,
    RECONCILE_MISSING_SCANS, /* fewer scans than the cart counted, or another counter range */
    RECONCILE_PAYMENT_MISSING,
    RECONCILE_PAYMENT_AMOUNT,
    RECONCILE_PAYMENT_REFUSED,
    RECONCILE_PAYMENT_ORPHAN, /* an approved payment for a session that was not completed */
    RECONCILE_REASONS,        /* how many */
};
const char *reconcile_reason_name(enum reconcile_reason reason);

void reconcile_init(struct reconcile *r);
/* `body_digest` is SHA-256 of the scan's body as signed, padding included. The only failure is
 * sha256's own, and *r is unchanged then. */
MUST_CHECK enum res reconcile_scan(struct reconcile *r, const struct wire_scan *scan,
                                   int64_t counter, const uint8_t body_digest[WIRE_DIGEST_BYTES],
                                   reconcile_sha256 sha256);
/* The bits of every reason (1 << enum reconcile_reason) for which `end` and the fold differ; 0: the
 * session adds up. Payment refusals are the payment desk's to add. */
unsigned reconcile_compare(const struct reconcile *r, const struct wire_session_end *end);

#endif
