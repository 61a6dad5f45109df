#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "money.h"
#include "shelf_docs.h"
#include "shelf_table.h"
#include "wire_vector.h"

static_assert(SHELF_DOWN_BYTES_MAX == 4096 && SHELF_UP_BYTES_MAX == 2048 && JSON_DEPTH_MAX == 8 &&
                  JSON_KEYS_MAX == 64 && JSON_INT_MAX == INT64_C(9007199254740991),
              "label-wire.md.in says these numbers in words");

static void put_money(FILE *out, int64_t minor)
{
    char text[32];
    struct sink s;
    sink_init(&s, text, sizeof text);
    money_write(&s, minor);
    fprintf(out, "%.*s", (int)s.size, text);
}

static void put_limits(FILE *out, const struct shelf_field *f)
{
    if (f->kind == SHELF_KIND_INT) {
        fprintf(out, "%" PRId32 " .. %" PRId64, f->min, f->max);
    } else if (f->kind == SHELF_KIND_MONEY) {
        put_money(out, f->min);
        fputs(" .. ", out);
        put_money(out, f->max);
    } else if (f->kind == SHELF_KIND_ENUM) {
        for (size_t i = 0; f->names[i] != NULL; i++) {
            fprintf(out, "%s`%s`", i > 0 ? ", " : "", f->names[i]);
        }
    } else if (f->kind != SHELF_KIND_TIME && f->kind != SHELF_KIND_BOOL &&
               f->kind != SHELF_KIND_OBJECT) {
        if (f->min == f->max) {
            fprintf(out, "%" PRId64 " bytes", f->max);
        } else {
            fprintf(out, "%" PRId32 " .. %" PRId64 " bytes", f->min, f->max);
        }
    }
}

static void put_rows(FILE *out, const struct shelf_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        fprintf(out, "| `%s` | %s | ", f->path, shelf_table_kind((enum shelf_kind)f->kind)->name);
        put_limits(out, f);
        fprintf(out, " | %s | %s |\n", f->required ? "required" : "optional", f->doc);
        /* display and config have a section of their own */
        if (f->kind == SHELF_KIND_OBJECT && strcmp(f->path, "display") != 0 &&
            strcmp(f->path, "config") != 0) {
            put_rows(out, f->object);
        }
    }
}

static void put_examples(FILE *out, enum shelf_topic t, const struct shelf_vectors *vectors)
{
    for (size_t i = 0; i < vectors->count; i++) {
        const struct shelf_vector *v = &vectors->all[i];
        if (v->topic == t) {
            fprintf(out, "\nExample, %s:\n\n```json\n%s\n```\n", v->title, v->payload);
        }
    }
}

static void put_message(FILE *out, enum shelf_topic t, const struct shelf_vectors *vectors)
{
    const struct shelf_message *m = shelf_table_message(t);
    fprintf(out, "### %s\n\n%s\n\n", m->tail, m->doc);
    if (t == SHELF_DELTA) {
        fputs("The members of shadow/get/accepted.\n", out);
    } else {
        fputs("| member | kind | limits | | meaning |\n|---|---|---|---|---|\n", out);
        put_rows(out, m->fields);
    }
    if (t != SHELF_DELTA && m->rules[0] != NULL) {
        fputs("\nRules:\n\n", out);
        for (size_t i = 0; m->rules[i] != NULL; i++) {
            fprintf(out, "- %s\n", m->rules[i]);
        }
    }
    put_examples(out, t, vectors);
    fputc('\n', out);
}

static void put_topics(FILE *out)
{
    fputs("| topic | who sends it | what it is |\n|---|---|---|\n", out);
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        const struct shelf_message *m = shelf_table_message(t);
        fprintf(out, "| `smartshelf/{deviceId}/%s` | %s | %s |\n", m->tail,
                m->down ? "the platform" : "the label", m->doc);
    }
}

static void put_kinds(FILE *out)
{
    fputs("| kind | form | pattern |\n|---|---|---|\n", out);
    for (unsigned kind = 0; kind < SHELF_KINDS; kind++) {
        const struct shelf_kind_doc *k = shelf_table_kind((enum shelf_kind)kind);
        if (k->pattern == NULL) {
            fprintf(out, "| %s | %s | |\n", k->name, k->doc);
        } else {
            fprintf(out, "| %s | %s | `%s` |\n", k->name, k->doc, k->pattern);
        }
    }
}

static void put_hex_block(FILE *out, const uint8_t *bytes, size_t size)
{
    fputs("```\n", out);
    for (size_t i = 0; i < size; i++) {
        fprintf(out, "%02x%s", bytes[i], i % 32 == 31 || i + 1 == size ? "\n" : "");
    }
    fputs("```\n", out);
}

static void put_signed(FILE *out, const struct shelf_vector *v)
{
    uint8_t bytes[SHELF_TOPIC_BYTES + SHELF_VECTOR_BYTES];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    sink_text(&s, v->topic_text);
    sink_byte(&s, '\n');
    sink_text(&s, v->payload);
    assert(!s.overflow);
    fprintf(out, "Topic `%s`, payload:\n\n```json\n%s\n```\n\nThe %zu bytes signed:\n\n",
            v->topic_text, v->payload, s.size);
    put_hex_block(out, bytes, s.size);
    fprintf(out, "\nThe user property `%s`:\n\n```\n%s\n```\n", SHELF_SIGNATURE_PROPERTY,
            v->signature);
}

static void put_key(FILE *out)
{
    fputs("private d, then public x and y:\n\n", out);
    put_hex_block(out, wire_vector_private_key, 32);
    fputc('\n', out);
    put_hex_block(out, wire_vector_public_key + 1, 64);
}

static void put_refused(FILE *out, const struct shelf_vectors *vectors)
{
    fputs("| what | topic | refused for |\n|---|---|---|\n", out);
    for (size_t i = 0; i < vectors->refused_count; i++) {
        const struct shelf_vector *v = &vectors->refused[i];
        fprintf(out, "| %s | %s | `%s` %s |\n", v->title, shelf_table_message(v->topic)->tail,
                v->field, v->rule);
    }
}

bool shelf_docs_markdown(FILE *out, const char *mark, const struct shelf_vectors *vectors)
{
    const struct shelf_vector *sale = &vectors->all[1];
    if (strcmp(mark, "topics") == 0) {
        put_topics(out);
    } else if (strcmp(mark, "kinds") == 0) {
        put_kinds(out);
    } else if (strcmp(mark, "down") == 0 || strcmp(mark, "up") == 0) {
        for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
            if (shelf_table_message(t)->down == (mark[0] == 'd')) {
                put_message(out, t, vectors);
            }
        }
    } else if (strcmp(mark, "key") == 0) {
        put_key(out);
    } else if (strcmp(mark, "signed") == 0) {
        put_signed(out, sale);
    } else if (strcmp(mark, "canonical") == 0) {
        fprintf(out, "```\n%s```\n", sale->canonical);
    } else if (strcmp(mark, "digest") == 0) {
        fprintf(out, "```\n%s\n```\n", sale->digest);
    } else if (strcmp(mark, "refused") == 0) {
        put_refused(out, vectors);
    } else if (strcmp(mark, "count") == 0) {
        fprintf(out, "There are %zu messages, and %zu that must be refused.\n", vectors->count,
                vectors->refused_count);
    } else {
        return false;
    }
    return true;
}
