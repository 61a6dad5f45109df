#include "fleet_trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CANONICAL_BYTES_MAX 2048

enum res fleet_trace_open(struct fleet_trace *t, const char *path, struct fleet_secure *secure,
                          struct err *why)
{
    *t = (struct fleet_trace){.secure = secure};
    if (path == NULL) {
        return RES_OK;
    }
    t->file = fopen(path, "ae");
    if (t->file == NULL) {
        err_set(why, "--trace %s cannot be written: %s; name a file in a folder of yours", path,
                strerror(errno));
        return RES_IO;
    }
    /* A killed fleet keeps its lines: a label has seen only what stands there. */
    (void)setvbuf(t->file, NULL, _IOLBF, BUFSIZ);
    return RES_OK;
}

void fleet_trace_close(struct fleet_trace *t)
{
    if (t->file != NULL) {
        (void)fclose(t->file);
    }
    t->file = NULL;
}

static void write_line(struct fleet_trace *t, const char *id, const char *by,
                       const struct shelf_display *display,
                       const uint8_t digest[SECURE_DIGEST_BYTES])
{
    char hex[2 * SECURE_DIGEST_BYTES + 1];
    for (size_t i = 0; i < SECURE_DIGEST_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    (void)fprintf(t->file,
                  "{\"id\":\"%s\",\"by\":\"%s\",\"updateId\":\"%.*s\",\"version\":%lld,"
                  "\"digest\":\"%s\"}\n",
                  id, by, (int)display->update_id.size, (const char *)display->update_id.data,
                  (long long)display->version, hex);
}

static enum res read_display(enum shelf_topic topic, struct span payload, struct arena *a,
                             struct shelf_display *ret)
{
    struct shelf_detail detail;
    struct shelf_state state;
    if (topic == SHELF_PRICE_UPDATE) {
        return shelf_display_decode(payload, a, ret, &detail);
    }
    if (topic != SHELF_GET_ACCEPTED && topic != SHELF_DELTA) {
        return RES_NOT_FOUND;
    }
    enum res r = shelf_state_decode(payload, a, &state, &detail);
    if (r != RES_OK || !state.has_display) {
        return RES_NOT_FOUND;
    }
    *ret = state.display;
    return RES_OK;
}

void fleet_trace_message(struct fleet_trace *t, const char *id, enum shelf_topic topic,
                         struct span payload)
{
    uint8_t block[SHELF_ARENA_BYTES];
    uint8_t text[CANONICAL_BYTES_MAX];
    uint8_t digest[SECURE_DIGEST_BYTES];
    struct arena a;
    struct sink s;
    struct shelf_display display;
    if (t->file == NULL) {
        return;
    }
    arena_init(&a, block, sizeof block);
    if (read_display(topic, payload, &a, &display) != RES_OK) {
        return;
    }
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(&display, &s);
    if (!s.overflow && fleet_secure_digest(t->secure, sink_span(&s), SPAN_NONE, digest) == RES_OK) {
        write_line(t, id, topic == SHELF_PRICE_UPDATE ? "update" : "shadow", &display, digest);
    }
}

void fleet_trace_panel(struct fleet_trace *t, const char *id, const struct shelf_display *display,
                       const uint8_t digest[SECURE_DIGEST_BYTES])
{
    if (t->file != NULL) {
        write_line(t, id, "panel", display, digest);
    }
}
