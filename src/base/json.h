/* json.h: a strict JSON reader (RFC 8259) over bytes somebody else owns, and small writers.
 * Freestanding, no allocation.
 *
 *   struct json j;
 *   json_init(&j, text);
 *   while ((token = json_next(&j, &value)) != JSON_END && token != JSON_FAULT) ...
 *
 * Strict means: one value and nothing but white space round it; valid UTF-8 only (RFC 3629); no
 * lone surrogate and no NUL, escaped or not; no key twice in one object, compared after unescaping
 * (RFC 7493 section 2.3); at most JSON_DEPTH_MAX levels and JSON_KEYS_MAX keys of open objects.
 * NaN, Infinity, comments and trailing commas are no JSON. Numbers are handed out as text: the
 * caller says what range and form it wants, so 1e999 never becomes a number by accident.
 */
#ifndef JSON_H
#define JSON_H

#include "span.h"

#define JSON_DEPTH_MAX 8
#define JSON_KEYS_MAX  64
/* The largest integer that every JSON library keeps exactly (RFC 7493 section 2.2): 2^53 - 1. */
#define JSON_INT_MAX INT64_C(9007199254740991)

enum json_token {
    JSON_END,          /* the whole text was one valid value */
    JSON_FAULT,        /* see json.fault; the reader stays here */
    JSON_OBJECT_BEGIN, /* value: none */
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,    /* value: between the quotes, as written; then comes its value */
    JSON_STRING, /* value: between the quotes, as written: json_unescape, json_has_escapes */
    JSON_NUMBER, /* value: as written */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

enum json_fault {
    JSON_FINE,
    JSON_BAD_SYNTAX,
    JSON_BAD_UTF8, /* invalid UTF-8, a lone surrogate, NUL */
    JSON_TOO_DEEP,
    JSON_DUPLICATE_KEY,
    JSON_TOO_MANY_KEYS,
};

struct json {
    struct span text;
    size_t at; /* where the next token starts; after a fault, where it is */
    enum json_fault fault;
    /* private */
    uint8_t state;
    uint8_t depth;
    bool in_array[JSON_DEPTH_MAX];
    uint8_t keys_before[JSON_DEPTH_MAX]; /* keys of the objects round this one */
    uint8_t key_count;
    bool any_escaped_key;
    struct span keys[JSON_KEYS_MAX];
};

void json_init(struct json *j, struct span text);
/* The next token; *ret_value is set for keys, strings and numbers. */
enum json_token json_next(struct json *j, struct span *ret_value);
/* Reads on to the end of the value whose first token was `first`. False: a fault. */
MUST_CHECK bool json_skip(struct json *j, enum json_token first);
/* Levels open now: 0 outside, 1 in the outermost object or array. */
unsigned json_depth(const struct json *j);

/* On text between quotes that json_next has handed out. */
bool json_has_escapes(struct span raw);
/* Writes the text meant, as UTF-8. */
void json_unescape(struct span raw, struct sink *s);
bool json_text_equal(struct span raw_a, struct span raw_b);

/* A number that is an integer in plain digits: "-12", not "12.0", "1e3", "-0". RES_INVALID for
 * another form, RES_LIMIT beyond +-JSON_INT_MAX. */
MUST_CHECK enum res json_read_int(struct span number, int64_t *ret);

/* True when `text` is valid UTF-8 (RFC 3629: no overlong form, no surrogate) without NUL. */
bool json_utf8_is_valid(struct span text);

/* "text" with quotes and the escapes RFC 8259 demands; text must be valid UTF-8. */
void json_write_text(struct sink *s, struct span text);
/* A comma unless it is the first member, then "name": */
void json_write_key(struct sink *s, bool *first, const char *name);

#endif
