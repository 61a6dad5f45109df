/* face_layout.h: which text stands where on a label. Pure: no drawing, no font, no allocation; the
 * picture and the terminal read the same list of boxes.
 *
 * Sizes are those of the em square in dots; a box's text is made smaller until it fits.
 */
#ifndef FACE_LAYOUT_H
#define FACE_LAYOUT_H

#include "face.h"

#define FACE_BOXES_MAX 16
#define FACE_TEXT_MAX  768 /* bytes of the texts that a layout makes */

enum face_role {
    FACE_NAME,
    FACE_SIGN,     /* of the currency, before the price */
    FACE_WHOLE,    /* the price before its point */
    FACE_DECIMALS, /* and behind it */
    FACE_REGULAR,  /* price without the sale, struck through */
    FACE_UNIT,
    FACE_MRP,
    FACE_SALE,
    FACE_PERCENT,
    FACE_PRODUCT, /* its id, small */
    FACE_NOTICE,  /* withdrawn, unassigned: what is the matter */
    FACE_HINT,    /* and what to do */
    FACE_LABEL,   /* the label's id, where there is no product */
    FACE_PANEL,   /* a filled rectangle */
    FACE_FRAME,   /* an empty one */
    FACE_RULE,    /* a line */
};

enum face_align { FACE_LEFT, FACE_CENTRE, FACE_RIGHT };

struct face_box {
    enum face_role role;
    enum face_ink ink;
    int16_t x;     /* with `after`: the gap between the two */
    int16_t y;     /* texts: the base line of the first line */
    int16_t width; /* with `after`: from the picture's left edge, as far as it may reach */
    int16_t height;
    /* Where a row is written, each box begins behind another, whose width only the one who draws
     * knows: the number of that box, from 1; 0: x says where it begins. */
    int16_t after;
    /* texts */
    struct span text;
    int16_t size_px;
    int16_t lines_max;
    int16_t line_px; /* from one base line to the next */
    enum face_align align;
    bool bold;
    bool struck;
};

struct face_layout {
    enum shelf_language language;
    struct face_box boxes[FACE_BOXES_MAX];
    size_t count;
    char text[FACE_TEXT_MAX];
    size_t text_size;
};

/* Texts point into the display and into *ret: it must not be copied. */
void face_layout(const struct shelf_display *display, struct face_layout *ret);
/* A price as people write it there: INR by lakh and crore ("1,25,000"), others by thousands.
 * `whole` without the decimals. */
void face_layout_whole(int64_t minor, const char *currency, struct sink *s);
/* "₹" of INR, "$", ...; the code and a space of currencies without a sign of their own. */
struct span face_layout_sign(const char *currency);

#endif
