/* timestamp.h: UTC milliseconds inside, RFC 3339 outside. Freestanding.
 *
 * The one text form we write is "2026-11-21T17:19:26.123Z" (24 bytes). We read the same form only:
 * the wire is ours, and one form leaves nothing to interpretation.
 */
#ifndef TIMESTAMP_H
#define TIMESTAMP_H

#include "span.h"

#define TIMESTAMP_TEXT_BYTES 24
/* 9999-12-31T23:59:59.999Z */
#define TIMESTAMP_MS_MAX INT64_C(253402300799999)
#define TIMESTAMP_DAY_MS INT64_C(86400000)

/* time_ms must be 0..TIMESTAMP_MS_MAX; anything else sets the sink's overflow. */
void timestamp_write(struct sink *s, int64_t time_ms);
/* RES_INVALID for any other form, an impossible date or a leap second. */
MUST_CHECK enum res timestamp_read(struct span text, int64_t *ret_time_ms);
/* Days since 1970-01-01 to calendar and back (proleptic Gregorian). */
void timestamp_civil(int64_t days, int *ret_year, unsigned *ret_month, unsigned *ret_day);
int64_t timestamp_days(int year, unsigned month, unsigned day);

#endif
