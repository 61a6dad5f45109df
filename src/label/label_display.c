#include "label_core.h"

#include <assert.h>
#include <string.h>

#include "crc32c.h"
#include "label_ndef.h"

/* An update's way: on flash (pending), on the panel and the tag, marked on flash, acknowledged. A
 * cut anywhere leaves it pending or marked, and what is repeated does no harm. */

static void keep_text(struct span text, char *to, size_t size)
{
    if (span_copy_text(text, to, size) != RES_OK) {
        to[0] = '\0'; /* longer than shelf.h allows: refused before it came here */
    }
}

static uint32_t url_crc(const struct shelf_display *d)
{
    return crc32c(0, d->url);
}

static void adopt(struct label *l, const struct shelf_display *d)
{
    struct label_screen *s = &l->screen;
    s->version = d->version;
    s->price_minor = d->price_minor;
    s->language = d->language;
    s->known = true;
    memcpy(s->digest, d->digest, sizeof s->digest);
    keep_text(d->update_id, s->update_id, sizeof s->update_id);
    keep_text(d->product_id, s->product_id, sizeof s->product_id);
}

static void acknowledge(struct label *l, bool refreshed)
{
    struct shelf_ack ack = {
        .kind = SHELF_ACK_DISPLAY,
        .status = SHELF_DISPLAYED,
        .update_id = span_text(l->screen.update_id, sizeof l->screen.update_id),
        .version = l->screen.version,
        .price_minor = l->screen.price_minor,
        .product_id = span_text(l->screen.product_id, sizeof l->screen.product_id),
        .refreshed = refreshed,
    };
    memcpy(ack.digest, l->screen.digest, sizeof ack.digest);
    label_event_ack(l, FLASH_QUEUE_SESSION, &ack);
}

static void acknowledge_again(struct label *l)
{
    struct shelf_ack ack = {
        .kind = SHELF_ACK_DISPLAY,
        .status = SHELF_DISPLAYED,
        .update_id = span_text(l->screen.update_id, sizeof l->screen.update_id),
        .version = l->screen.version,
        .price_minor = l->screen.price_minor,
        .product_id = span_text(l->screen.product_id, sizeof l->screen.product_id),
    };
    memcpy(ack.digest, l->screen.digest, sizeof ack.digest);
    l->counts.repeated++;
    label_event_ack_once(l, &ack);
    label_note(l, LABEL_NOTE_REPEATED, "");
}

/* --- taking --- */

static enum res digest_of(const struct label *l, const struct shelf_display *d,
                          uint8_t ret_digest[SHELF_DIGEST_BYTES])
{
    uint8_t text[SHELF_CANONICAL_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(d, &s);
    assert(!s.overflow);
    return l->ports.secure->digest(l->ports.secure->context, sink_span(&s), SPAN_NONE, ret_digest);
}

static enum res put(struct label *l, const struct shelf_display *d)
{
    enum res r = label_cache_put(&l->store.cache, d);
    if (r == RES_OK) {
        l->pending = true;
        l->pending_version = d->version;
        memcpy(l->pending_digest, d->digest, sizeof l->pending_digest);
        keep_text(d->update_id, l->pending_id, sizeof l->pending_id);
    }
    return r;
}

static int64_t newest_version(const struct label *l)
{
    return l->pending ? l->pending_version : l->screen.version;
}

/* The version it has already: repeated, or an id with a second content. */
static void take_known(struct label *l, const struct shelf_display *d, bool asked)
{
    const uint8_t *digest = l->pending ? l->pending_digest : l->screen.digest;
    const char *id = l->pending ? l->pending_id : l->screen.update_id;
    if (memcmp(digest, d->digest, SHELF_DIGEST_BYTES) != 0 ||
        !span_equal(d->update_id, span_text(id, SHELF_UPDATE_ID_BYTES))) {
        label_message_refuse(l, SHELF_ACK_DISPLAY, d->update_id, d->version, false,
                             "version used twice");
    } else if (!l->pending && !asked) {
        acknowledge_again(l);
    }
}

void label_display_take(struct label *l, const struct shelf_display *d, bool asked)
{
    uint8_t digest[SHELF_DIGEST_BYTES];
    if (digest_of(l, d, digest) != RES_OK) {
        return; /* no answer: the platform sends it again */
    }
    if (memcmp(digest, d->digest, sizeof digest) != 0) {
        label_message_refuse(l, SHELF_ACK_DISPLAY, d->update_id, d->version, true,
                             "digest mismatch");
        return;
    }
    int64_t newest = newest_version(l);
    if (d->version == newest) {
        take_known(l, d, asked);
        return;
    }
    if (d->version < newest) {
        if (!asked) {
            label_message_refuse(l, SHELF_ACK_DISPLAY, d->update_id, d->version, false, "older");
        }
        return;
    }
    if (put(l, d) == RES_OK) {
        label_used(l);
        label_display_tick(l);
    }
}

/* --- showing --- */

static bool is_shown(const struct label *l)
{
    return l->screen.known &&
           memcmp(l->screen.digest, l->pending_digest, sizeof l->pending_digest) == 0;
}

/* When the panel may be refreshed next. */
static int64_t refresh_ms(const struct label *l)
{
    int64_t at_ms = l->panel_ms;
    if (l->refreshed_ms != INT64_MIN) {
        int64_t interval_ms = (int64_t)l->memory.config.refresh_interval_s * 1000;
        int64_t after_ms = l->refreshed_ms + interval_ms;
        at_ms = after_ms > at_ms ? after_ms : at_ms;
    }
    return at_ms;
}

static enum res write_tag(struct label *l, const struct shelf_display *d)
{
    uint8_t bytes[LABEL_NDEF_BYTES_MAX];
    struct sink message;
    const struct nfc *nfc = l->ports.nfc;
    if (nfc == NULL || (!l->tag_due && url_crc(d) == l->screen.url_crc)) {
        return RES_OK;
    }
    sink_init(&message, bytes, sizeof bytes);
    label_ndef_write(d->url, &message);
    enum res r = nfc->write(nfc->context, sink_span(&message));
    l->tag_due = r != RES_OK;
    if (r == RES_OK) {
        l->screen.url_crc = url_crc(d);
    }
    return r;
}

static void mark(struct label *l)
{
    const struct label_cache_note note = {.refreshes = l->screen.refreshes,
                                          .shown_ms = l->screen.shown_ms};
    enum res r = label_cache_mark(&l->store.cache, &note);
    (void)r; /* without it the picture is drawn once more after a restart, no more than that */
}

/* The newest update of the cache. Damaged: as if it had never come, the shadow has it. */
static enum res read_newest(struct label *l, uint8_t *texts, struct shelf_display *ret)
{
    enum res r = label_cache_read(&l->store.cache, 0, texts, ret);
    if (r == RES_OK) {
        ret->device_id = label_id(l);
    } else if (r == RES_NOT_FOUND) {
        l->pending = false;
        l->tag_due = false;
        label_shadow_ask(l);
    }
    return r;
}

static enum res refresh(struct label *l, const struct shelf_display *d)
{
    const struct panel *panel = l->ports.panel;
    enum res r = panel->show(panel->context, d);
    if (r != RES_OK) {
        l->screen.known = false;
        return r;
    }
    l->screen.refreshes++;
    l->screen.shown_ms = label_time_ms(l);
    l->refreshed_ms = l->now_ms;
    l->counts.refreshes++;
    return r;
}

static void show(struct label *l)
{
    uint8_t texts[LABEL_CACHE_TEXTS_BYTES];
    struct shelf_display d;
    bool kept = is_shown(l);
    enum res r = read_newest(l, texts, &d);
    if (r == RES_OK && !kept) {
        r = refresh(l, &d);
    }
    if (r != RES_OK) {
        l->panel_ms = l->now_ms + LABEL_PANEL_RETRY_MS;
        label_due(l, l->panel_ms);
        return;
    }
    l->pending = false;
    if (write_tag(l, &d) == RES_OK) {
        adopt(l, &d);
        mark(l);
    } else {
        adopt(l, &d);
        l->panel_ms = l->now_ms + LABEL_PANEL_RETRY_MS;
        label_due(l, l->panel_ms);
    }
    l->counts.kept += kept ? 1 : 0;
    if (d.version > 0) {
        acknowledge(l, !kept);
        label_used(l);
    }
    label_note(l, kept ? LABEL_NOTE_KEPT : LABEL_NOTE_SHOWN, "");
}

static void retry_tag(struct label *l)
{
    uint8_t texts[LABEL_CACHE_TEXTS_BYTES];
    struct shelf_display d;
    if (read_newest(l, texts, &d) == RES_OK && write_tag(l, &d) == RES_OK) {
        mark(l);
    } else {
        l->panel_ms = l->now_ms + LABEL_PANEL_RETRY_MS;
        label_due(l, l->panel_ms);
    }
}

void label_display_tick(struct label *l)
{
    int64_t at_ms = l->pending && !is_shown(l) ? refresh_ms(l) : l->panel_ms;
    if (!l->pending && !l->tag_due) {
        return;
    }
    if (l->now_ms < at_ms) {
        label_due(l, at_ms);
    } else if (l->pending) {
        show(l);
    } else {
        retry_tag(l);
    }
}

/* --- starting --- */

/* A label that was never told anything says so, with its id (S-268). */
static enum res put_unassigned(struct label *l)
{
    struct shelf_display d = {
        .device_id = label_id(l),
        .template = SHELF_UNASSIGNED,
        .language = (enum shelf_language)l->memory.config.language,
        .currency = "INR",
    };
    enum res r = digest_of(l, &d, d.digest);
    return r == RES_OK ? put(l, &d) : r;
}

enum res label_display_start(struct label *l)
{
    uint8_t texts[LABEL_CACHE_TEXTS_BYTES];
    struct shelf_display d;
    struct label_cache_note note;
    enum res r = label_cache_note(&l->store.cache, &note);
    if (r == RES_OK) {
        l->screen.refreshes = note.refreshes;
        l->screen.shown_ms = note.shown_ms;
    } else if (r != RES_NOT_FOUND) {
        return r;
    }
    r = label_cache_read(&l->store.cache, 0, texts, &d);
    if (r == RES_NOT_FOUND) {
        l->tag_due = l->ports.nfc != NULL;
        return put_unassigned(l);
    }
    if (r != RES_OK) {
        return r;
    }
    if (label_cache_is_marked(&l->store.cache) && !l->settings->panel_blank) {
        adopt(l, &d);
        l->screen.url_crc = url_crc(&d);
        return RES_OK;
    }
    l->pending = true;
    l->pending_version = d.version;
    memcpy(l->pending_digest, d.digest, sizeof l->pending_digest);
    keep_text(d.update_id, l->pending_id, sizeof l->pending_id);
    l->tag_due = l->ports.nfc != NULL;
    return RES_OK;
}
