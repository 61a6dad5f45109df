/* docs_page.h: for programs that write documents out of tables, or check that they are up to date:
 *
 *   TOOL --write ROOT   writes the files below ROOT
 *   TOOL --check ROOT   compares instead; the exit code is 1 when one differs
 *
 * Failures end the process with a sentence. Nothing here is in the product.
 */
#ifndef DOCS_PAGE_H
#define DOCS_PAGE_H

#include <stdbool.h>
#include <stdio.h>

struct docs_page {
    const char *tool;
    const char *root;
    bool check;
    unsigned stale;
    /* the page under way */
    FILE *out;
    char *data;
    size_t size;
};

/* False: wrong arguments, said on standard error; exit with 2. */
bool docs_page_init(struct docs_page *p, const char *tool, int argc, char **argv);
/* Makes a folder below the root, unless it is there or this is a check. */
void docs_page_folder(const struct docs_page *p, const char *name);
/* A file that is whole already. */
void docs_page_deliver(struct docs_page *p, const char *name, const void *data, size_t size);
/* Between begin and end, write to the stream. */
FILE *docs_page_begin(struct docs_page *p);
void docs_page_end(struct docs_page *p, const char *name);
/* A page from a template below the root: a line "@@name@@" is replaced by what `expand` writes; it
 * answers false when there is no such name. */
void docs_page_template(struct docs_page *p, const char *template, const char *name,
                        bool (*expand)(FILE *out, const char *mark, void *user), void *user);
/* "text" in JSON. */
void docs_page_quote(FILE *out, const char *text);

#endif
