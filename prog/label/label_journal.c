#include "label_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"

#define LINE_BYTES_MAX 1024

static const char *const notes[LABEL_NOTES] = {
    [LABEL_NOTE_STARTED] = "started",
    [LABEL_NOTE_SHOWN] = "shown",
    [LABEL_NOTE_KEPT] = "kept",
    [LABEL_NOTE_REPEATED] = "repeated",
    [LABEL_NOTE_CONFIGURED] = "configured",
    [LABEL_NOTE_FLASHING] = "flashing",
    [LABEL_NOTE_STOPPED] = "stopped",
    [LABEL_NOTE_REFUSED] = "refused",
    [LABEL_NOTE_SLEEPS] = "sleeps",
    [LABEL_NOTE_WAKES] = "wakes",
    [LABEL_NOTE_BATTERY] = "battery",
    [LABEL_NOTE_DROPPED] = "dropped",
    [LABEL_NOTE_RENEWED] = "renewed",
};

static void member(struct sink *s, const char *name, int64_t value)
{
    sink_text(s, ",\"");
    sink_text(s, name);
    sink_text(s, "\":");
    sink_i64(s, value);
}

static void text_member(struct sink *s, const char *name, const char *value)
{
    sink_text(s, ",\"");
    sink_text(s, name);
    sink_text(s, "\":");
    json_write_text(s, span_text(value, LINE_BYTES_MAX));
}

void label_journal_write_view(struct sink *s, const struct label_view *v)
{
    member(s, "version", v->version);
    if (v->shows) {
        text_member(s, "updateId", v->update_id);
        sink_text(s, ",\"digest\":\"");
        sink_hex(s, span_of(v->digest, sizeof v->digest));
        sink_text(s, "\"");
        member(s, "priceMinor", v->price_minor);
        text_member(s, "productId", v->product_id);
    }
    member(s, "refreshes", v->refreshes);
    member(s, "configVersion", v->config_version);
    member(s, "queued", v->queued);
    member(s, "dropped", v->dropped);
    member(s, "batteryLevel", v->battery_pct);
}

static void note(void *context, enum label_note kind, const char *text)
{
    struct label_journal *j = context;
    char line[LINE_BYTES_MAX];
    struct label_view view;
    struct sink s;
    if (j->fd < 0) {
        return;
    }
    label_look(j->label, &view);
    sink_init(&s, line, sizeof line);
    sink_text(&s, "{\"at\":");
    sink_i64(&s, clock_utc_ms());
    text_member(&s, "label", j->label_id);
    text_member(&s, "note", notes[kind]);
    if (text[0] != '\0') {
        text_member(&s, "why", text);
    }
    label_journal_write_view(&s, &view);
    sink_text(&s, "}\n");
    if (s.overflow || write(j->fd, line, s.size) != (ssize_t)s.size) {
        j->last_errno = errno != 0 ? errno : EIO;
    }
}

enum res label_journal_open(struct label_journal *j, const char *path, const char *label_id,
                            const struct label *label, struct err *why)
{
    *j = (struct label_journal){
        .observer = {.context = j, .note = note}, .label = label, .label_id = label_id, .fd = -1};
    if (path == NULL) {
        return RES_OK;
    }
    j->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (j->fd < 0) {
        err_set(why, "cannot open the journal %s: %s; check its directory", path, strerror(errno));
        return RES_IO;
    }
    return RES_OK;
}

void label_journal_close(struct label_journal *j)
{
    if (j->fd >= 0 && close(j->fd) != 0 && j->last_errno == 0) {
        j->last_errno = errno;
    }
    j->fd = -1;
}
