/* shelf_table.h: the one table of what platform and label say to each other. Encoding, decoding,
 * docs/label-wire.md, docs/label-asyncapi.json and the fuzzer's dictionary read it.
 *
 * A field is a name, a kind, limits and a place in a struct. What one field cannot say is one
 * function a message in shelf_rule.c, described here in `rules`. Freestanding; the sentences for
 * people are NULL unless compiled with SHELF_TABLE_DOCS.
 */
#ifndef SHELF_TABLE_H
#define SHELF_TABLE_H

#include "shelf.h"

enum shelf_kind {
    /* an integer of the member's size: bool, int32_t, an enum or int64_t */
    SHELF_KIND_INT,   /* JSON integer in plain digits, min..max */
    SHELF_KIND_MONEY, /* JSON decimal, at most two digits after the point; minor units */
    SHELF_KIND_TIME,  /* text, timestamp.h; milliseconds */
    SHELF_KIND_BOOL,
    SHELF_KIND_ENUM, /* text, one of `names` */
    /* other members */
    SHELF_KIND_DIGEST,   /* uint8_t[32]; 64 lower-case hex digits */
    SHELF_KIND_CURRENCY, /* char[4] */
    SHELF_KIND_OBJECT,   /* `object`'s fields */
    /* struct span: text of min..max bytes */
    SHELF_KIND_ID,
    SHELF_KIND_UUID,
    SHELF_KIND_SKU,
    SHELF_KIND_NAME,
    SHELF_KIND_URL,
    SHELF_KIND_BASE64,
    SHELF_KIND_VERSION,
    SHELF_KIND_WORDS,
};
#define SHELF_KINDS 16

struct shelf_field {
    const char *path; /* "displayText.en" */
    const char *const *names;
    const struct shelf_fields *object;
    const char *doc;
    int64_t max;
    int32_t min;
    uint16_t offset;      /* from the struct; object: of the struct that its fields count from */
    uint16_t flag_offset; /* object: of the bool that tells whether it is there; 0: it is there
                             when one of its fields is */
    uint8_t size;         /* of the member */
    uint8_t name_at;      /* in `path`: the member's own name */
    int8_t absent;        /* a number that is not written, and what is read when it is not there */
    uint8_t kind;         /* enum shelf_kind */
    bool required;
};
static inline const char *shelf_field_name(const struct shelf_field *f)
{
    return f->path + f->name_at;
}

struct shelf_fields {
    const struct shelf_field *fields;
    size_t count;
};

/* What offsets of displays and states count from. A text in another language than the label's is
 * read, for its form, and let go. */
struct shelf_texts {
    struct span names[SHELF_LANGUAGES];
};
struct shelf_display_body {
    struct shelf_display display;
    struct shelf_texts texts;
};
struct shelf_state_body {
    struct shelf_state state;
    struct shelf_display_body display;
};

struct shelf_message {
    const char *name;
    const char *tail; /* of the topic */
    const struct shelf_fields *fields;
    bool down;
    size_t bytes_max;
    const char *doc;
    const char *const *rules; /* NULL-terminated; shelf_rule.c holds to them */
};

const struct shelf_message *shelf_table_message(enum shelf_topic t);
extern const char *const shelf_table_languages[];
extern const char *const shelf_table_templates[];
extern const char *const shelf_table_patterns[];
extern const char *const shelf_table_colours[];
extern const char *const shelf_table_reasons[];
extern const char *const shelf_table_ack_kinds[];
extern const char *const shelf_table_ack_statuses[];

struct shelf_kind_doc {
    const char *name;
    const char *pattern; /* ECMA 262; NULL: not a text */
    const char *doc;
};
/* Only with SHELF_TABLE_DOCS. */
const struct shelf_kind_doc *shelf_table_kind(enum shelf_kind kind);

#endif
