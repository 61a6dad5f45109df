/* face.h: the picture of a label: what a shopper sees of a struct shelf_display. The virtual label
 * and the server's preview draw it with this code, so they show the same picture.
 *
 * A picture has FACE_WIDTH x FACE_HEIGHT dots, each exactly white, black or red, as an e-ink panel
 * of 2.9 inches has them. Pango shapes the texts (HarfBuzz), Cairo draws them without
 * anti-aliasing; fonts are the Noto families of Debian's fonts-noto-core, found by their family
 * names and used without the machine's font settings, so that one set of library versions gives one
 * picture (face_versions).
 *
 * Any thread may call these; drawing takes turns.
 */
#ifndef FACE_H
#define FACE_H

#include "err.h"
#include "shelf.h"

#define FACE_WIDTH  296
#define FACE_HEIGHT 128

enum face_ink { FACE_WHITE, FACE_BLACK, FACE_RED };

struct face_picture {
    uint8_t dots[FACE_HEIGHT][FACE_WIDTH]; /* enum face_ink */
};

/* RES_UNAVAILABLE: a font is missing, and which; RES_NO_MEMORY. */
MUST_CHECK enum res face_draw(const struct shelf_display *display, struct face_picture *ret,
                              struct err *why);
/* As a PNG file, from malloc. The same dots give the same bytes. RES_NO_MEMORY. */
MUST_CHECK enum res face_png(const struct face_picture *picture, uint8_t **ret_data,
                             size_t *ret_size, struct err *why);
/* Reads such a file back: for tests and tools. RES_INVALID: not a PNG of this size and these three
 * colours. */
MUST_CHECK enum res face_png_read(struct span png, struct face_picture *ret, struct err *why);

/* The same face in words, for a terminal: a frame of FACE_TERMINAL_COLUMNS columns, lines end in
 * LF. `colour` adds ANSI colours: only for a terminal, never for a file. Sets the sink's overflow
 * when FACE_TERMINAL_BYTES are not enough (they are). No font is needed: the terminal shapes. */
#define FACE_TERMINAL_COLUMNS 56
#define FACE_TERMINAL_BYTES   8192
void face_terminal(const struct shelf_display *display, bool colour, struct sink *s);

/* Versions of what shapes and draws, one line, static: for messages about differing pictures. */
const char *face_versions(void);

#endif
