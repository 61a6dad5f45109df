/* panel_face.h: a virtual e-ink panel: a PNG file that is replaced as a whole, the face in words on
 * a stream, both or neither. */
#ifndef PANEL_FACE_H
#define PANEL_FACE_H

#include <stdbool.h>
#include <stdio.h>

#include "err.h"
#include "panel.h"

struct panel_face {
    struct panel panel; /* use this; do not move the struct */
    const char *png_file;
    FILE *out;
    bool colour;
    struct err why; /* of the last RES_IO */
};

/* png_file and out may be NULL. RES_UNAVAILABLE: a font is missing. RES_NO_MEMORY. */
MUST_CHECK enum res panel_face_init(struct panel_face *face, const char *png_file, FILE *out,
                                    bool colour, struct err *why);
/* Whether the panel does not show what it showed when the process before ended. */
bool panel_face_is_blank(const struct panel_face *face);

#endif
