#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "docs_page.h"
#include "json.h"
#include "money.h"
#include "wire_catalog.h"
#include "wire_docs.h"

static_assert(WIRE_VERSION == 1 && WIRE_EVENT_BYTES_MIN == 200 && WIRE_EVENT_BYTES_MAX == 800 &&
                  WIRE_PLATFORM_BYTES_MAX == 16384 && WIRE_SIGNATURE_BYTES == 64,
              "wire.md.in says these numbers in words");
static_assert(JSON_DEPTH_MAX == 8 && JSON_KEYS_MAX == 64 &&
                  JSON_INT_MAX == INT64_C(9007199254740991) &&
                  WIRE_VECTOR_EVENTS + WIRE_VECTOR_DOWNLINKS == 34,
              "wire.md.in says these numbers in words");

#define EXAMPLES_MAX 3

static void put_hex(FILE *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        fprintf(out, "%02x", bytes[i]);
    }
}

/* 32 bytes a line, for people who compare by eye. */
static void put_hex_block(FILE *out, const uint8_t *bytes, size_t size)
{
    fputs("```\n", out);
    for (size_t i = 0; i < size; i += 32) {
        put_hex(out, bytes + i, size - i < 32 ? size - i : 32);
        fputc('\n', out);
    }
    fputs("```\n", out);
}

static void put_money(FILE *out, int64_t minor)
{
    char text[32];
    struct sink s;
    sink_init(&s, text, sizeof text);
    money_write(&s, minor);
    fprintf(out, "%.*s", (int)s.size, text);
}

static void put_limits(FILE *out, const struct wire_field *f)
{
    switch (f->kind) {
    case WIRE_KIND_INT:
        fprintf(out, "%" PRId64 " .. %" PRId64, f->min, f->max);
        break;
    case WIRE_KIND_MONEY:
        put_money(out, f->min);
        fputs(" .. ", out);
        put_money(out, f->max);
        break;
    case WIRE_KIND_ENUM:
        for (size_t i = 0; f->names[i] != NULL; i++) {
            fprintf(out, "%s`%s`", i > 0 ? ", " : "", f->names[i]);
        }
        break;
    case WIRE_KIND_ITEMS:
    case WIRE_KIND_PRICES:
        fprintf(out, "%" PRId64 " .. %" PRId64 " elements", f->min, f->max);
        break;
    case WIRE_KIND_TIME:
    case WIRE_KIND_BOOL:
        break;
    case WIRE_KIND_CART_ID:
    case WIRE_KIND_STORE_ID:
    case WIRE_KIND_SESSION_ID:
    case WIRE_KIND_GTIN:
    case WIRE_KIND_GTIN14:
    case WIRE_KIND_SKU:
    case WIRE_KIND_CURRENCY:
    case WIRE_KIND_TOKEN:
    case WIRE_KIND_DIGEST:
    case WIRE_KIND_WORDS:
    case WIRE_KIND_NAME:
    case WIRE_KIND_VERSION:
    case WIRE_KIND_SLOT:
    case WIRE_KIND_CODE:
        if (f->min == f->max) {
            fprintf(out, "%" PRId64 " bytes", f->min);
        } else {
            fprintf(out, "%" PRId64 " .. %" PRId64 " bytes", f->min, f->max);
        }
        break;
    }
}

static void put_rows(FILE *out, struct wire_fields fields)
{
    fputs("| field | kind | limits | | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        fprintf(out, "| `%s` | %s | ", f->name, wire_catalog_kind(f->kind)->name);
        put_limits(out, f);
        fprintf(out, " | %s | %s |\n", f->required ? "required" : "optional", f->doc);
    }
}

/* The first few of this type. */
static void put_examples(FILE *out, enum wire_type type, const struct wire_vector *all,
                         size_t count)
{
    unsigned shown = 0;
    for (size_t i = 0; i < count && shown < EXAMPLES_MAX; i++) {
        const struct wire_vector *v = &all[i];
        if (v->type == type) {
            size_t size = v->size - WIRE_SIGNATURE_BYTES;
            while (size > 0 && v->frame[size - 1] == ' ') {
                size--;
            }
            fprintf(out, "\nExample, %s:\n\n```json\n%.*s\n```\n", v->title, (int)size,
                    (const char *)v->frame);
            shown++;
        }
    }
}

static void put_message(FILE *out, enum wire_type type, const struct wire_vectors *vectors)
{
    const struct wire_message *m = wire_catalog_message(type);
    fprintf(out, "### %s\n\n%s Topic `%s`.\n\n", m->name, m->doc, m->topic);
    put_rows(out, m->body);
    for (size_t i = 0; i < m->body.count; i++) {
        if (wire_catalog_kind_is_list(m->body.fields[i].kind)) {
            fputs("\nEach element of `items`:\n\n", out);
            put_rows(out, wire_catalog_item_fields(m->body.fields[i].kind));
        }
    }
    fputs("\nRules:\n\n", out);
    for (size_t i = 0; m->rules[i] != NULL; i++) {
        fprintf(out, "- %s\n", m->rules[i]);
    }
    if (type < WIRE_EVENT_TYPES) {
        put_examples(out, type, vectors->events, WIRE_VECTOR_EVENTS);
    } else {
        put_examples(out, type, vectors->downlinks, WIRE_VECTOR_DOWNLINKS);
    }
    fputc('\n', out);
}

static void put_kinds(FILE *out)
{
    fputs("| kind | form | pattern |\n|---|---|---|\n", out);
    for (unsigned kind = 0; kind < WIRE_KINDS; kind++) {
        const struct wire_kind_doc *k = wire_catalog_kind((enum wire_kind)kind);
        if (k->pattern == NULL) {
            fprintf(out, "| %s | %s | |\n", k->name, k->doc);
            continue;
        }
        fprintf(out, "| %s | %s | `", k->name, k->doc);
        for (const char *c = k->pattern; *c != '\0'; c++) {
            fputs(*c == '|' ? "\\|" : "", out); /* a bar ends a cell */
            if (*c != '|') {
                fputc(*c, out);
            }
        }
        fputs("` |\n", out);
    }
}

static const char *const refusal_docs[WIRE_REFUSALS] = {
    [WIRE_FINE] = "not refused",
    [WIRE_TOO_SHORT] = "the frame has fewer than 200 bytes",
    [WIRE_TOO_LONG] = "the frame has more than 800 bytes (a catalogue chunk: 16,384)",
    [WIRE_BAD_JSON] = "the body is not RFC 8259, or something other than spaces follows the object",
    [WIRE_BAD_UTF8] = "invalid UTF-8, a lone surrogate, or NUL, escaped or not",
    [WIRE_TOO_DEEP] = "more than 8 levels of objects and arrays",
    [WIRE_DUPLICATE_KEY] = "a key twice in one object, compared after unescaping",
    [WIRE_TOO_MANY_FIELDS] = "more than 64 keys",
    [WIRE_NOT_AN_OBJECT] = "the body is another JSON value",
    [WIRE_BAD_VERSION] = "`v` is not 1",
    [WIRE_UNKNOWN_TYPE] = "`type` is not one of this direction's types",
    [WIRE_MISSING_FIELD] = "a required field is not there",
    [WIRE_BAD_TYPE] = "a text where a number belongs, null, ...",
    [WIRE_OUT_OF_RANGE] = "beyond the limits of the field's table",
    [WIRE_BAD_FORMAT] = "not the form of its kind; a number with a fraction or exponent; an escape",
    [WIRE_BAD_CHECK_DIGIT] = "a GTIN whose last digit is wrong",
    [WIRE_BAD_COMBINATION] = "a rule of the message between its fields",
    [WIRE_CARD_NUMBER] = "a free text or token holds what looks like a payment card number",
    [WIRE_TOPIC_MISMATCH] = "the topic's cart or type is not the body's",
    [WIRE_BAD_SIGNATURE] = "r or s is not in 1..n-1, or the signature is not the cart's",
    [WIRE_HIGH_S] = "s is above n/2",
    [WIRE_UNKNOWN_DEVICE] = "no such cart was provisioned",
    [WIRE_REVOKED_DEVICE] = "the cart's certificate was revoked",
    [WIRE_EQUIVOCATION] = "the same epoch and counter came with another body, validly signed",
    [WIRE_STALE_EPOCH] = "an epoch older than the cart's previous one",
    [WIRE_RATE_LIMITED] = "the cart sends more than its share",
};

static void put_refusals(FILE *out)
{
    fputs("| name | when |\n|---|---|\n", out);
    for (unsigned r = WIRE_FINE + 1; r < WIRE_REFUSALS; r++) {
        fprintf(out, "| `%s` | %s |\n", wire_refusal_name((enum wire_refusal)r), refusal_docs[r]);
    }
}

static void put_vector(FILE *out, const struct wire_vector *v)
{
    size_t body = v->size - WIRE_SIGNATURE_BYTES;
    fprintf(out, "**%s**, topic `%s`, %zu bytes: a body of %zu", v->title, v->topic, v->size, body);
    size_t used = body;
    while (used > 0 && v->frame[used - 1] == ' ') {
        used--;
    }
    if (used < body) {
        fprintf(out, " (%zu and %zu spaces of padding)", used, body - used);
    }
    fprintf(out, " and the signature.\n\n```json\n%.*s\n```\n\nThe signature:\n\n", (int)used,
            (const char *)v->frame);
    put_hex_block(out, v->frame + body, WIRE_SIGNATURE_BYTES);
    fputs("\nThe whole frame:\n\n", out);
    put_hex_block(out, v->frame, v->size);
    fputc('\n', out);
}

static void put_chain(FILE *out, const struct wire_vectors *vectors)
{
    fputs("| n | counter | SHA-256(body n) | d n |\n|---|---|---|---|\n| 0 | | | `", out);
    for (unsigned i = 0; i < WIRE_DIGEST_BYTES; i++) {
        fputs("00", out);
    }
    fputs("` |\n", out);
    for (size_t i = 0; i < WIRE_VECTOR_SCANS; i++) {
        fprintf(out, "| %zu | %" PRId64 " | `", i + 1, vectors->scan_counters[i]);
        put_hex(out, vectors->scan_digests[i], WIRE_DIGEST_BYTES);
        fputs("` | `", out);
        put_hex(out, vectors->chain[i], WIRE_DIGEST_BYTES);
        fputs("` |\n", out);
    }
    fputs("\nThe bodies, padding and all, are the ones in `docs/wire-vectors.json`.\n", out);
}

static void put_key(FILE *out)
{
    fputs("```\nprivate d = ", out);
    put_hex(out, wire_vector_private_key, 32);
    fputs("\npublic  x = ", out);
    put_hex(out, wire_vector_public_key + 1, 32);
    fputs("\npublic  y = ", out);
    put_hex(out, wire_vector_public_key + 33, 32);
    fputs("\n```\n", out);
}

bool wire_docs_markdown(FILE *out, const char *name, const struct wire_vectors *vectors)
{
    if (strcmp(name, "events") == 0) {
        for (unsigned type = 0; type < WIRE_EVENT_TYPES; type++) {
            put_message(out, (enum wire_type)type, vectors);
        }
    } else if (strcmp(name, "downlinks") == 0) {
        for (unsigned type = WIRE_EVENT_TYPES; type < WIRE_TYPES; type++) {
            put_message(out, (enum wire_type)type, vectors);
        }
    } else if (strcmp(name, "event-header") == 0) {
        put_rows(out, wire_catalog_message(WIRE_SCAN)->header);
    } else if (strcmp(name, "downlink-header") == 0) {
        put_rows(out, wire_catalog_message(WIRE_COMMAND)->header);
    } else if (strcmp(name, "kinds") == 0) {
        put_kinds(out);
    } else if (strcmp(name, "refusals") == 0) {
        put_refusals(out);
    } else if (strcmp(name, "chain") == 0) {
        put_chain(out, vectors);
    } else if (strcmp(name, "key") == 0) {
        put_key(out);
    } else if (strcmp(name, "vectors") == 0) {
        put_vector(out, &vectors->events[0]);
        put_vector(out, &vectors->events[3]);
        put_vector(out, &vectors->events[13]);
        put_vector(out, &vectors->downlinks[2]);
    } else {
        return false;
    }
    return true;
}

static void put_vector_json(FILE *out, const struct wire_vector *v)
{
    size_t body = v->size - WIRE_SIGNATURE_BYTES;
    char text[WIRE_VECTOR_FRAME_BYTES + 1];
    memcpy(text, v->frame, body);
    text[body] = '\0';
    fputs("    {\"title\": ", out);
    docs_page_quote(out, v->title);
    fprintf(out, ",\n     \"topic\": \"%s\",\n     \"body\": ", v->topic);
    docs_page_quote(out, text);
    fputs(",\n     \"signature\": \"", out);
    put_hex(out, v->frame + body, WIRE_SIGNATURE_BYTES);
    fputs("\",\n     \"frame\": \"", out);
    put_hex(out, v->frame, v->size);
    fputs("\"}", out);
}

void wire_docs_vectors(FILE *out, const struct wire_vectors *vectors)
{
    fputs("{\n  \"privateKey\": \"", out);
    put_hex(out, wire_vector_private_key, 32);
    fputs("\",\n  \"publicKey\": \"", out);
    put_hex(out, wire_vector_public_key, 65);
    fputs("\",\n  \"events\": [\n", out);
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        put_vector_json(out, &vectors->events[i]);
        fputs(i + 1 < WIRE_VECTOR_EVENTS ? ",\n" : "\n  ],\n  \"platform\": [\n", out);
    }
    for (size_t i = 0; i < WIRE_VECTOR_DOWNLINKS; i++) {
        put_vector_json(out, &vectors->downlinks[i]);
        fputs(i + 1 < WIRE_VECTOR_DOWNLINKS ? ",\n" : "\n  ]\n}\n", out);
    }
}
