/* wire_docs: writes what comes out of the message catalogue, or checks that it is up to date.
 *
 *   wire_docs --write ROOT   docs/wire.md, wire-vectors.json, asyncapi.json, schema/, and the
 *                            fuzzer's seeds and dictionary in tests/corpus/
 *   wire_docs --check ROOT   the same, compared with the files; fails when one differs
 */
#include "wire_docs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "wire_catalog.h"

#define PATH_BYTES_MAX 1024

struct run {
    const char *root;
    bool check;
    unsigned stale;
    struct wire_vectors vectors;
};

static _Noreturn void die(const char *what, const char *path)
{
    fprintf(stderr, "wire_docs: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static char *read_file(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    size_t size = 0;
    if (f == NULL) {
        return NULL;
    }
    FILE *copy = open_memstream(&data, &size);
    if (copy == NULL) {
        die("out of memory for", path);
    }
    int c;
    while ((c = fgetc(f)) != EOF) {
        fputc(c, copy);
    }
    fclose(copy);
    fclose(f);
    *ret_size = size;
    return data;
}

static void deliver(struct run *run, const char *name, const char *data, size_t size)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", run->root, name);
    if (run->check) {
        size_t old_size = 0;
        char *old = read_file(path, &old_size);
        if (old == NULL || old_size != size || memcmp(old, data, size) != 0) {
            fprintf(stderr, "wire_docs: %s differs from the catalogue; run `wire_docs --write`\n",
                    name);
            run->stale++;
        }
        free(old);
        return;
    }
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        die("cannot write", path);
    }
}

/* A document being made: between start and finish, write to the stream. */
struct page {
    FILE *out;
    char *data;
    size_t size;
};

static void start(struct page *p)
{
    p->out = open_memstream(&p->data, &p->size);
    if (p->out == NULL) {
        die("out of memory for", "a page");
    }
}

static void finish(struct page *p, struct run *run, const char *name)
{
    fclose(p->out);
    deliver(run, name, p->data, p->size);
    free(p->data);
}

static void make_markdown(struct run *run)
{
    char path[PATH_BYTES_MAX];
    size_t size = 0;
    struct page page;
    (void)snprintf(path, sizeof path, "%s/src/wire/wire.md.in", run->root);
    char *template = read_file(path, &size);
    if (template == NULL) {
        die("cannot read", path);
    }
    start(&page);
    for (char *line = template, *next; line < template + size; line = next) {
        char *end = memchr(line, '\n', (size_t)(template + size - line));
        next = end != NULL ? end + 1 : template + size;
        size_t length = (size_t)(next - line);
        if (length > 5 && strncmp(line, "@@", 2) == 0 && strncmp(next - 3, "@@\n", 3) == 0) {
            next[-3] = '\0';
            if (!wire_docs_markdown(page.out, line + 2, &run->vectors)) {
                errno = EINVAL;
                die("unknown mark in the template:", line + 2);
            }
        } else {
            fwrite(line, 1, length, page.out);
        }
    }
    finish(&page, run, "docs/wire.md");
    free(template);
}

static void make_schemas(struct run *run)
{
    for (unsigned type = 0; type < WIRE_TYPES; type++) {
        char name[64];
        struct page page;
        (void)snprintf(name, sizeof name, "docs/schema/%s.json",
                       wire_type_name((enum wire_type)type));
        start(&page);
        wire_docs_schema(page.out, (enum wire_type)type);
        finish(&page, run, name);
    }
}

static void make_corpus(struct run *run)
{
    char name[64];
    for (unsigned i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        const struct wire_vector *v = &run->vectors.events[i];
        (void)snprintf(name, sizeof name, "tests/corpus/wire/event-%02u", i + 1);
        deliver(run, name, (const char *)v->frame, v->size);
    }
    for (unsigned i = 0; i < WIRE_VECTOR_DOWNLINKS; i++) {
        const struct wire_vector *v = &run->vectors.downlinks[i];
        (void)snprintf(name, sizeof name, "tests/corpus/wire/downlink-%02u", i + 1);
        deliver(run, name, (const char *)v->frame, v->size);
    }
}

static void make_folders(const struct run *run)
{
    static const char *const folders[] = {"docs", "docs/schema", "tests", "tests/corpus",
                                          "tests/corpus/wire"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[PATH_BYTES_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", run->root, folders[i]);
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            die("cannot make", path);
        }
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    struct page page;
    if (argc != 3 || (strcmp(argv[1], "--write") != 0 && strcmp(argv[1], "--check") != 0)) {
        fputs("usage: wire_docs --write|--check ROOT\n", stderr);
        return 2;
    }
    run.root = argv[2];
    run.check = strcmp(argv[1], "--check") == 0;
    wire_vector_make(&run.vectors);
    if (!run.check) {
        make_folders(&run);
    }
    make_markdown(&run);
    make_schemas(&run);
    make_corpus(&run);
    start(&page);
    wire_docs_asyncapi(page.out);
    finish(&page, &run, "docs/asyncapi.json");
    start(&page);
    wire_docs_vectors(page.out, &run.vectors);
    finish(&page, &run, "docs/wire-vectors.json");
    start(&page);
    wire_docs_dictionary(page.out);
    finish(&page, &run, "tests/corpus/wire.dict");
    return run.stale == 0 ? 0 : 1;
}
