#include "label_group.h"

#include "delivery_configure.h"

#include <stdlib.h>
#include <string.h>

#define ID_BYTES 24

enum res label_group_find(struct pg_conn *c, const char *sql, const struct pg_params *params,
                          struct label_group *ret, struct err *why)
{
    struct label_group g = {.count = 0};
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, sql, params, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    g.count = (size_t)PQntuples(rows);
    g.ids = calloc(g.count + 1, sizeof *g.ids);
    g.texts = calloc(g.count + 1, ID_BYTES);
    if (g.ids == NULL || g.texts == NULL) {
        err_set(why, "out of memory for %zu labels", g.count);
        r = RES_NO_MEMORY;
    }
    for (size_t i = 0; r == RES_OK && i < g.count; i++) {
        g.ids[i] = g.texts + i * ID_BYTES;
        r = span_copy_text(pg_get_span(rows, (int)i, 0), g.texts + i * ID_BYTES, ID_BYTES);
    }
    PQclear(rows);
    if (r == RES_OK) {
        *ret = g;
    } else {
        label_group_free(&g);
    }
    return r;
}

void label_group_free(struct label_group *g)
{
    free(g->ids);
    free(g->texts);
    *g = (struct label_group){.count = 0};
}

enum res label_group_tell(struct pg_conn *c, const struct label_group *g,
                          const struct delivery_cause *cause, int64_t *ret_changed, struct err *why)
{
    struct delivery_count content = {0, 0};
    struct delivery_count config = {0, 0};
    enum res r = RES_OK;
    if (g->count > 0) {
        r = delivery_refresh_labels(c, g->ids, g->count, cause, &content, why);
    }
    if (r == RES_OK && g->count > 0) {
        r = delivery_configure(c, g->ids, NULL, g->count, cause, 0, &config, why);
    }
    if (r == RES_OK) {
        *ret_changed = content.changed > config.changed ? content.changed : config.changed;
    }
    return r;
}
