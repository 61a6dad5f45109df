/* wire_docs: writes what comes out of the message catalogue, or checks that it is up to date.
 *
 *   wire_docs --write ROOT   docs/wire.md, wire-vectors.json, asyncapi.json, schema/, and the
 *                            fuzzer's seeds and dictionary in tests/corpus/
 *   wire_docs --check ROOT   the same, compared with the files; fails when one differs
 */
#include "wire_docs.h"

#include "docs_page.h"
#include "wire_catalog.h"

static struct wire_vectors vectors;

static bool expand(FILE *out, const char *mark, void *user)
{
    return wire_docs_markdown(out, mark, user);
}

static void make_schemas(struct docs_page *page)
{
    for (unsigned type = 0; type < WIRE_TYPES; type++) {
        char name[64];
        (void)snprintf(name, sizeof name, "docs/schema/%s.json",
                       wire_type_name((enum wire_type)type));
        wire_docs_schema(docs_page_begin(page), (enum wire_type)type);
        docs_page_end(page, name);
    }
}

static void make_corpus(struct docs_page *page)
{
    char name[64];
    for (unsigned i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        const struct wire_vector *v = &vectors.events[i];
        (void)snprintf(name, sizeof name, "tests/corpus/wire/event-%02u", i + 1);
        docs_page_deliver(page, name, v->frame, v->size);
    }
    for (unsigned i = 0; i < WIRE_VECTOR_DOWNLINKS; i++) {
        const struct wire_vector *v = &vectors.downlinks[i];
        (void)snprintf(name, sizeof name, "tests/corpus/wire/downlink-%02u", i + 1);
        docs_page_deliver(page, name, v->frame, v->size);
    }
}

int main(int argc, char **argv)
{
    static const char *const folders[] = {"docs", "docs/schema", "tests", "tests/corpus",
                                          "tests/corpus/wire"};
    struct docs_page page;
    if (!docs_page_init(&page, "wire_docs", argc, argv)) {
        return 2;
    }
    wire_vector_make(&vectors);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        docs_page_folder(&page, folders[i]);
    }
    docs_page_template(&page, "src/wire/wire.md.in", "docs/wire.md", expand, &vectors);
    make_schemas(&page);
    make_corpus(&page);
    wire_docs_asyncapi(docs_page_begin(&page));
    docs_page_end(&page, "docs/asyncapi.json");
    wire_docs_vectors(docs_page_begin(&page), &vectors);
    docs_page_end(&page, "docs/wire-vectors.json");
    wire_docs_dictionary(docs_page_begin(&page));
    docs_page_end(&page, "tests/corpus/wire.dict");
    return page.stale == 0 ? 0 : 1;
}
