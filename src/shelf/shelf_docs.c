/* shelf_docs: writes what comes out of the table of label messages, or checks that it is up to
 * date.
 *
 *   shelf_docs --write ROOT   docs/label-wire.md, label-vectors.json, label-asyncapi.json, and the
 *                             fuzzer's seeds and dictionary in tests/corpus/
 *   shelf_docs --check ROOT   the same, compared with the files; fails when one differs
 */
#include "shelf_docs.h"

#include "docs_page.h"
#include "shelf_table.h"
#include "wire_vector.h"

static struct shelf_vectors vectors;

static void put_hex(FILE *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        fprintf(out, "%02x", bytes[i]);
    }
}

static void put_member(FILE *out, const char *name, const char *text)
{
    if (text[0] != '\0') {
        fprintf(out, ",\n     \"%s\": ", name);
        docs_page_quote(out, text);
    }
}

static void put_vectors(FILE *out)
{
    fputs("{\n  \"privateKey\": \"", out);
    put_hex(out, wire_vector_private_key, 32);
    fputs("\",\n  \"publicKey\": \"", out);
    put_hex(out, wire_vector_public_key, 65);
    fputs("\",\n  \"messages\": [\n", out);
    for (size_t i = 0; i < vectors.count; i++) {
        const struct shelf_vector *v = &vectors.all[i];
        fputs("    {\"title\": ", out);
        docs_page_quote(out, v->title);
        put_member(out, "topic", v->topic_text);
        put_member(out, "payload", v->payload);
        put_member(out, "signature", v->signature);
        put_member(out, "canonical", v->canonical);
        put_member(out, "digest", v->digest);
        fputs(i + 1 < vectors.count ? "},\n" : "}\n  ],\n  \"refused\": [\n", out);
    }
    for (size_t i = 0; i < vectors.refused_count; i++) {
        const struct shelf_vector *v = &vectors.refused[i];
        fputs("    {\"title\": ", out);
        docs_page_quote(out, v->title);
        put_member(out, "topic", v->topic_text);
        put_member(out, "payload", v->payload);
        put_member(out, "field", v->field);
        fputs(i + 1 < vectors.refused_count ? "},\n" : "}\n  ]\n}\n", out);
    }
}

static void put_words(FILE *out, const struct shelf_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        fprintf(out, "\"\\\"%s\\\":\"\n", shelf_field_name(f));
        for (size_t k = 0; f->names != NULL && f->names[k] != NULL; k++) {
            fprintf(out, "\"\\\"%s\\\"\"\n", f->names[k]);
        }
        if (f->kind == SHELF_KIND_OBJECT) {
            put_words(out, f->object);
        }
    }
}

static void put_dictionary(FILE *out)
{
    fputs("# made by shelf_docs from the table of messages\n", out);
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        if (t != SHELF_DELTA && t != SHELF_GET_ACCEPTED) {
            put_words(out, shelf_table_message(t)->fields);
        }
    }
    fputs("\"\\\"display\\\":\"\n\"\\\"config\\\":\"\n\"\\\"events\\\":\"\n\"true\"\n\"false\"\n"
          "\"null\"\n\"1e999\"\n\"\\\\ud800\"\n\"\\\\u0000\"\n\"smartshelf/\"\n",
          out);
}

static bool expand(FILE *out, const char *mark, void *user)
{
    return shelf_docs_markdown(out, mark, user);
}

int main(int argc, char **argv)
{
    struct docs_page page;
    if (!docs_page_init(&page, "shelf_docs", argc, argv)) {
        return 2;
    }
    shelf_vector_make(&vectors);
    docs_page_folder(&page, "docs");
    docs_page_folder(&page, "tests/corpus/shelf");
    docs_page_template(&page, "src/shelf/label-wire.md.in", "docs/label-wire.md", expand, &vectors);
    shelf_docs_asyncapi(docs_page_begin(&page));
    docs_page_end(&page, "docs/label-asyncapi.json");
    put_vectors(docs_page_begin(&page));
    docs_page_end(&page, "docs/label-vectors.json");
    put_dictionary(docs_page_begin(&page));
    docs_page_end(&page, "tests/corpus/shelf.dict");
    for (size_t i = 0; i < vectors.count + vectors.refused_count; i++) {
        char name[64];
        bool good = i < vectors.count;
        const struct shelf_vector *v = good ? &vectors.all[i] : &vectors.refused[i - vectors.count];
        (void)snprintf(name, sizeof name, "tests/corpus/shelf/%s-%02zu",
                       shelf_table_message(v->topic)->name, i + 1);
        fputs(v->payload, docs_page_begin(&page));
        docs_page_end(&page, name);
    }
    return page.stale == 0 ? 0 : 1;
}
