/* money.h: money is a 64-bit count of minor units; its currency is an ISO 4217 code kept beside
 * it. Text shows a decimal with exactly two digits. Freestanding.
 */
#ifndef MONEY_H
#define MONEY_H

#include "span.h"

/* 9,999,999,999.99: a basket or invoice beyond this is a fault, not a sale. */
#define MONEY_MINOR_MAX INT64_C(999999999999)

void money_write(struct sink *s, int64_t minor);
/* Reads "-12", "12.5", "12.50": at most two digits after the point, no exponent, no "+", no
 * superfluous leading zero (JSON's number grammar, RFC 8259 section 6). RES_INVALID for another
 * form, RES_LIMIT beyond +-MONEY_MINOR_MAX. */
MUST_CHECK enum res money_read(struct span text, int64_t *ret_minor);
/* minor x quantity, RES_LIMIT beyond +-MONEY_MINOR_MAX. */
MUST_CHECK enum res money_times(int64_t minor, int64_t quantity, int64_t *ret_minor);
/* a + b, RES_LIMIT beyond +-MONEY_MINOR_MAX. */
MUST_CHECK enum res money_plus(int64_t a, int64_t b, int64_t *ret_minor);

#endif
