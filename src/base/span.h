/* span.h: bytes somebody else owns, and the one bounded writer.
 *
 * `struct span` points into memory that outlives it by its user's care; it is passed by value and
 * never freed. `struct sink` writes into caller's storage and remembers that it overflowed, so
 * that a writer checks once, at the end. Freestanding.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"

struct span {
    const uint8_t *data;
    size_t size;
};

#define SPAN_LIT(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})
#define SPAN_NONE      ((struct span){NULL, 0})

struct span span_of(const void *data, size_t size);
/* Of a NUL-terminated text of at most size_max bytes (without the NUL). */
struct span span_text(const char *text, size_t size_max);
bool span_equal(struct span a, struct span b);
/* Ordered as memcmp, a shorter prefix first. */
int span_compare(struct span a, struct span b);
/* Same time whatever the content (for secrets and digests); sizes are not secret. */
bool span_equal_secret(struct span a, struct span b);
/* Copies into text[size] with a NUL. RES_LIMIT when it does not fit. */
MUST_CHECK enum res span_copy_text(struct span from, char *text, size_t size);

struct sink {
    uint8_t *data;
    size_t size_max;
    size_t size;
    bool overflow; /* once set nothing more is written */
};

void sink_init(struct sink *s, void *data, size_t size_max);
void sink_bytes(struct sink *s, struct span bytes);
void sink_text(struct sink *s, const char *text);
void sink_byte(struct sink *s, uint8_t byte);
void sink_u64(struct sink *s, uint64_t value);
void sink_i64(struct sink *s, int64_t value);
/* Decimal with leading zeros up to `digits`. */
void sink_u64_padded(struct sink *s, uint64_t value, unsigned digits);
/* Lower-case hexadecimal. */
void sink_hex(struct sink *s, struct span bytes);
struct span sink_span(const struct sink *s);

#endif
