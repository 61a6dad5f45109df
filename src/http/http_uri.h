/* http_uri.h: the bytes of a request target (RFC 9112 section 3.2.1, RFC 3986) and UUIDs
 * (RFC 9562).
 *
 * Pure: no allocation, no I/O. Everything that comes from outside passes here once, before anything
 * looks at it.
 */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include "span.h"

#define HTTP_URI_SEGMENTS_MAX 12
#define HTTP_URI_PAIRS_MAX    32
#define HTTP_UUID_BYTES       36

struct http_uri_pair {
    struct span name;
    struct span value;
};

/* A target taken apart and decoded; spans point into the sink's storage given to http_uri_parse and
 * are followed by a NUL. */
struct http_uri {
    size_t segment_count; /* "/" has none */
    struct span segments[HTTP_URI_SEGMENTS_MAX];
    size_t pair_count;
    struct http_uri_pair pairs[HTTP_URI_PAIRS_MAX];
};

/* Origin form only: "/a/b?c=d&e=f". RES_INVALID: another form, a broken escape, a control
 * character, invalid UTF-8, an empty inner segment, "." or ".." as a segment. RES_LIMIT: more
 * segments or pairs than the limits above, or `store` is full (the raw size and one byte always
 * suffice). */
MUST_CHECK enum res http_uri_parse(struct span target, struct sink *store, struct http_uri *ret);

/* Well-formed UTF-8 (no overlong form, no surrogate) without control characters. */
bool http_uri_is_clean_text(struct span text);

/* Any version, lower or upper case, with hyphens. */
bool http_uri_is_uuid(struct span text);
/* Version 4 from 16 random bytes; ret_text gets 36 characters and a NUL. */
void http_uri_uuid(const uint8_t random[16], char ret_text[HTTP_UUID_BYTES + 1]);

#endif
