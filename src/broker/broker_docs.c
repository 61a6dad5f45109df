/* broker_docs: writes docs/grants.md from the table of grants, or checks that it is up to date.
 *
 * usage: broker_docs --write|--check ROOT
 */
#include <stdio.h>
#include <string.h>

#include "broker_acl.h"
#include "file.h"

#define DOCUMENT_BYTES_MAX 65536

static enum res check(const char *path, struct span wanted, struct err *why)
{
    static char found[DOCUMENT_BYTES_MAX];
    size_t size = 0;
    enum res r = file_read(path, found, sizeof found, &size, why);
    if (r == RES_OK && !span_equal(span_of(found, size), wanted)) {
        err_set(why, "%s differs from the table of grants; run `ninja broker-docs`", path);
        r = RES_CONFLICT;
    }
    return r;
}

int main(int argc, char **argv)
{
    static uint8_t text[DOCUMENT_BYTES_MAX];
    char path[FILE_PATH_BYTES_MAX];
    struct err why = {""};
    struct sink s;
    if (argc != 3 || (strcmp(argv[1], "--write") != 0 && strcmp(argv[1], "--check") != 0)) {
        (void)fprintf(stderr, "usage: broker_docs --write|--check ROOT\n");
        return 2;
    }
    sink_init(&s, text, sizeof text);
    broker_acl_document(&s);
    enum res r = file_path(path, &why, "%s/docs/grants.md", argv[2]);
    if (r == RES_OK && s.overflow) {
        err_set(&why, "the document is longer than %d bytes", DOCUMENT_BYTES_MAX);
        r = RES_LIMIT;
    }
    if (r == RES_OK) {
        r = strcmp(argv[1], "--write") == 0 ? file_write(path, s.data, s.size, 0644, &why)
                                            : check(path, sink_span(&s), &why);
    }
    if (r != RES_OK) {
        (void)fprintf(stderr, "broker_docs: %s\n", why.text);
        return 1;
    }
    return 0;
}
