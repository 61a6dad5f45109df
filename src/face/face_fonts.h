/* face_fonts.h: the fonts of a face, and nothing else of the machine's. A part of face. */
#ifndef FACE_FONTS_H
#define FACE_FONTS_H

#include <pango/pango.h>

#include "err.h"

/* Families, as Pango takes them: Latin first, then the scripts. */
extern const char face_fonts_families[];
/* A font map with just those families, no matter what the machine's own settings say; made once,
 * never freed. RES_UNAVAILABLE: one is missing. The caller holds the lock of face_picture. */
MUST_CHECK enum res face_fonts_map(PangoFontMap **ret, struct err *why);

#endif
