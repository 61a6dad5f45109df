/* catalog_set.h: a set of short texts, to find what stands twice in a file. */
#ifndef CATALOG_SET_H
#define CATALOG_SET_H

#include "span.h"

struct catalog_set {
    char *texts; /* NUL-terminated, one behind the other */
    size_t texts_used;
    size_t texts_room;
    uint32_t *slots; /* offset into texts plus one; 0: free */
    size_t slot_count;
    size_t count;
};

void catalog_set_init(struct catalog_set *s);
void catalog_set_deinit(struct catalog_set *s);
/* RES_CONFLICT: it is there already; RES_NO_MEMORY; RES_LIMIT: 4 GiB of texts. */
MUST_CHECK enum res catalog_set_add(struct catalog_set *s, const char *text);

#endif
