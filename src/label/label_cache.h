/* label_cache.h: the last price updates on flash (S-029), and which of them the panel shows.
 * Freestanding, no allocation.
 *
 * One sector an update, in turn. An update is written before it is shown and marked after: after a
 * power cut at any moment the newest one is either marked (the panel shows it) or not (it is to be
 * shown). A put and a mark either happened or did not; a flipped bit is mended on reading.
 */
#ifndef LABEL_CACHE_H
#define LABEL_CACHE_H

#include "flash.h"
#include "shelf.h"

#define LABEL_CACHE_UPDATES     10
#define LABEL_CACHE_SECTORS     (LABEL_CACHE_UPDATES + 1) /* one is being written */
#define LABEL_CACHE_TEXTS_BYTES 1024                      /* room for the texts of one update */

struct label_cache { /* private, for static storage */
    const struct flash *flash;
    uint32_t sequence; /* of the newest update, 0: none */
    bool marked;       /* the newest one is on the panel */
};

/* What is kept with a mark. */
struct label_cache_note {
    uint32_t refreshes; /* of the panel, ever */
    int64_t shown_ms;   /* platform's time of the last one; 0: not known */
};

/* `flash` must stay: LABEL_CACHE_SECTORS sectors. RES_INVALID: geometry; RES_IO. */
MUST_CHECK enum res label_cache_open(struct label_cache *c, const struct flash *flash);
/* Durable on return; the newest from now on, not marked. RES_LIMIT: a text longer than shelf.h
 * allows; RES_IO: it is there after the next open or not. */
MUST_CHECK enum res label_cache_put(struct label_cache *c, const struct shelf_display *display);
/* The newest one is on the panel; nothing to do when there is none or it is marked. RES_IO: noted
 * or not. */
MUST_CHECK enum res label_cache_mark(struct label_cache *c, const struct label_cache_note *note);
bool label_cache_is_marked(const struct label_cache *c);
/* The `back`-th update before the newest, 0: itself. Its device_id is empty; its texts lie in
 * texts[LABEL_CACHE_TEXTS_BYTES]. RES_NOT_FOUND: so many there are not, or it is damaged; RES_IO.
 */
MUST_CHECK enum res label_cache_read(const struct label_cache *c, uint32_t back, uint8_t *texts,
                                     struct shelf_display *ret_display);
/* Of the newest mark. RES_NOT_FOUND: nothing was marked yet; RES_IO. */
MUST_CHECK enum res label_cache_note(const struct label_cache *c,
                                     struct label_cache_note *ret_note);

#endif
