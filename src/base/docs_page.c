#include "docs_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES_MAX 1024

static _Noreturn void die(const struct docs_page *p, const char *what, const char *path)
{
    fprintf(stderr, "%s: %s %s: %s\n", p->tool, what, path, strerror(errno));
    exit(1);
}

static void path_of(const struct docs_page *p, const char *name, char ret_path[PATH_BYTES_MAX])
{
    (void)snprintf(ret_path, PATH_BYTES_MAX, "%s/%s", p->root, name);
}

static char *read_file(const struct docs_page *p, const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    size_t size = 0;
    if (f == NULL) {
        return NULL;
    }
    FILE *copy = open_memstream(&data, &size);
    if (copy == NULL) {
        die(p, "out of memory for", path);
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

bool docs_page_init(struct docs_page *p, const char *tool, int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "--write") != 0 && strcmp(argv[1], "--check") != 0)) {
        fprintf(stderr, "usage: %s --write|--check ROOT\n", tool);
        return false;
    }
    *p =
        (struct docs_page){.tool = tool, .root = argv[2], .check = strcmp(argv[1], "--check") == 0};
    return true;
}

void docs_page_folder(const struct docs_page *p, const char *name)
{
    char path[PATH_BYTES_MAX];
    path_of(p, name, path);
    if (!p->check && mkdir(path, 0777) != 0 && errno != EEXIST) {
        die(p, "cannot make", path);
    }
}

void docs_page_deliver(struct docs_page *p, const char *name, const void *data, size_t size)
{
    char path[PATH_BYTES_MAX];
    path_of(p, name, path);
    if (p->check) {
        size_t old_size = 0;
        char *old = read_file(p, path, &old_size);
        if (old == NULL || old_size != size || memcmp(old, data, size) != 0) {
            fprintf(stderr, "%s: %s is not up to date; run `%s --write`\n", p->tool, name, p->tool);
            p->stale++;
        }
        free(old);
        return;
    }
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        die(p, "cannot write", path);
    }
}

FILE *docs_page_begin(struct docs_page *p)
{
    p->out = open_memstream(&p->data, &p->size);
    if (p->out == NULL) {
        die(p, "out of memory for", "a page");
    }
    return p->out;
}

void docs_page_end(struct docs_page *p, const char *name)
{
    fclose(p->out);
    docs_page_deliver(p, name, p->data, p->size);
    free(p->data);
}

void docs_page_template(struct docs_page *p, const char *template, const char *name,
                        bool (*expand)(FILE *out, const char *mark, void *user), void *user)
{
    char path[PATH_BYTES_MAX];
    size_t size = 0;
    path_of(p, template, path);
    char *text = read_file(p, path, &size);
    if (text == NULL) {
        die(p, "cannot read", path);
    }
    FILE *out = docs_page_begin(p);
    for (char *line = text, *next; line < text + size; line = next) {
        char *end = memchr(line, '\n', (size_t)(text + size - line));
        next = end != NULL ? end + 1 : text + size;
        size_t length = (size_t)(next - line);
        if (length > 5 && strncmp(line, "@@", 2) == 0 && strncmp(next - 3, "@@\n", 3) == 0) {
            next[-3] = '\0';
            if (!expand(out, line + 2, user)) {
                errno = EINVAL;
                die(p, "unknown mark in the template:", line + 2);
            }
        } else {
            fwrite(line, 1, length, out);
        }
    }
    docs_page_end(p, name);
    free(text);
}

void docs_page_quote(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        } else if (*text == '\n') {
            fputs("\\n", out);
            continue;
        }
        fputc(*text, out);
    }
    fputc('"', out);
}
