/* wire_catalog.h: the one table of all messages. Encoding, decoding, docs/wire.md, the AsyncAPI
 * document, the JSON Schemas and the fuzzer's dictionary read it; nothing is said twice.
 *
 * A field is a name, a kind (what JSON form it has and what text it may be), limits and a place in
 * the decoded struct. What one field cannot say (a field that needs or forbids another) is one
 * function a message in wire_rule.c, described here in `rules`. Freestanding.
 *
 * Sentences for people (`doc`, `rules`, patterns) take more room than the code, and a device has no
 * use for them: they are NULL unless wire_catalog.c is compiled with WIRE_CATALOG_DOCS, as it is
 * for the generator of documents.
 */
#ifndef WIRE_CATALOG_H
#define WIRE_CATALOG_H

#include "wire.h"

enum wire_kind {
    /* int64_t in the struct */
    WIRE_KIND_INT,   /* JSON integer in plain digits, min..max */
    WIRE_KIND_MONEY, /* JSON decimal, at most two digits after the point; min..max minor units */
    WIRE_KIND_TIME,  /* text, timestamp.h; milliseconds */
    WIRE_KIND_BOOL,  /* true or false; 1 or 0 */
    WIRE_KIND_ENUM,  /* text, one of `names`; its index */
    /* struct span in the struct: text of min..max bytes, no escapes (a span points into the frame)
     */
    WIRE_KIND_CART_ID,
    WIRE_KIND_STORE_ID,
    WIRE_KIND_SESSION_ID,
    WIRE_KIND_GTIN,   /* as read */
    WIRE_KIND_GTIN14, /* zero-padded */
    WIRE_KIND_SKU,
    WIRE_KIND_CURRENCY,
    WIRE_KIND_TOKEN,
    WIRE_KIND_DIGEST,
    WIRE_KIND_WORDS, /* free text, printable ASCII */
    WIRE_KIND_NAME,  /* free text, UTF-8 */
    WIRE_KIND_VERSION,
    WIRE_KIND_SLOT,
    WIRE_KIND_CODE, /* a stable name */
    /* struct wire_catalogue_item[] and item_count in struct wire_catalogue */
    WIRE_KIND_ITEMS,
    /* struct wire_price[] and item_count in struct wire_prices */
    WIRE_KIND_PRICES,
};
#define WIRE_KINDS 21

struct wire_field {
    const char *name;         /* in JSON */
    const char *const *names; /* enum: NULL-terminated */
    const char *doc;          /* one sentence; NULL in the library, see below */
    uint16_t offset;
    enum wire_kind kind;
    bool required;
    int64_t min; /* numbers: value; texts: bytes; items: count */
    int64_t max;
};

struct wire_fields {
    const struct wire_field *fields;
    size_t count;
};

struct wire_message {
    const char *name;          /* in topics and the type field */
    struct wire_fields header; /* offsets into struct wire_event or struct wire_downlink */
    struct wire_fields body;   /* offsets into the message's own struct */
    size_t frame_bytes_max;
    const char *topic; /* with {cartId}, {storeId}, {chunk} */
    const char *doc;
    const char *const *rules; /* NULL-terminated sentences; wire_rule.c holds to them; docs */
};

/* Of any of the WIRE_TYPES types. */
const struct wire_message *wire_catalog_message(enum wire_type type);
/* The fields of one element of a list: kind WIRE_KIND_ITEMS or WIRE_KIND_PRICES. */
struct wire_fields wire_catalog_item_fields(enum wire_kind kind);

/* What a text of this kind must look like, for documents: an ECMA 262 regular expression that
 * wire_field.c implements by hand; NULL for kinds that are no text of their own. Only with
 * WIRE_CATALOG_DOCS. */
struct wire_kind_doc {
    const char *name;
    const char *pattern;
    const char *doc;
};
const struct wire_kind_doc *wire_catalog_kind(enum wire_kind kind);
/* Free texts and tokens pass the card-number detector (R18). */
bool wire_catalog_kind_is_free_text(enum wire_kind kind);
static inline bool wire_catalog_kind_is_number(enum wire_kind kind)
{
    return kind <= WIRE_KIND_ENUM;
}
static inline bool wire_catalog_kind_is_list(enum wire_kind kind)
{
    return kind >= WIRE_KIND_ITEMS;
}

#endif
