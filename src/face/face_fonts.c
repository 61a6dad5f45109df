#include "face_fonts.h"

#include <pthread.h>
#include <stdio.h>

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>
#include <pango/pangocairo.h>
#include <pango/pangofc-fontmap.h>

#include "face.h"

static const char *const families[] = {"Noto Sans", "Noto Sans Devanagari", "Noto Sans Tamil",
                                       "Noto Sans Telugu", "Noto Sans Bengali"};
const char face_fonts_families[] =
    "Noto Sans,Noto Sans Devanagari,Noto Sans Tamil,Noto Sans Telugu,"
    "Noto Sans Bengali";

/* The file that holds this face of the family, by the machine's own font list. */
static enum res find_file(FcConfig *machine, const char *family, int weight, FcConfig *own,
                          struct err *why)
{
    enum res r = RES_UNAVAILABLE;
    FcChar8 *file = NULL;
    FcPattern *found = NULL;
    FcFontSet *set = NULL;
    FcObjectSet *objects = FcObjectSetBuild(FC_FILE, (char *)NULL);
    FcPattern *wanted =
        FcPatternBuild(NULL, FC_FAMILY, FcTypeString, (const FcChar8 *)family, FC_WEIGHT,
                       FcTypeInteger, weight, FC_WIDTH, FcTypeInteger, FC_WIDTH_NORMAL, FC_SLANT,
                       FcTypeInteger, FC_SLANT_ROMAN, (char *)NULL);
    if (objects == NULL || wanted == NULL) {
        err_set(why, "no memory for the list of fonts");
        r = RES_NO_MEMORY;
        goto out;
    }
    set = FcFontList(machine, wanted, objects);
    if (set != NULL && set->nfont > 0) {
        found = set->fonts[0];
    }
    if (found == NULL || FcPatternGetString(found, FC_FILE, 0, &file) != FcResultMatch ||
        !FcConfigAppFontAddFile(own, file)) {
        err_set(why,
                "the font %s (%s) is not installed, so labels cannot be drawn: install Debian's "
                "fonts-noto-core",
                family, weight == FC_WEIGHT_BOLD ? "bold" : "regular");
        goto out;
    }
    r = RES_OK;
out:
    if (set != NULL) {
        FcFontSetDestroy(set);
    }
    if (wanted != NULL) {
        FcPatternDestroy(wanted);
    }
    if (objects != NULL) {
        FcObjectSetDestroy(objects);
    }
    return r;
}

static enum res make_map(PangoFontMap **ret, struct err *why)
{
    enum res r = RES_NO_MEMORY;
    FcConfig *machine = FcInitLoadConfigAndFonts();
    FcConfig *own = FcConfigCreate();
    PangoFontMap *map = NULL;
    if (machine == NULL || own == NULL) {
        err_set(why, "fontconfig cannot read the machine's list of fonts");
        goto out;
    }
    r = RES_OK;
    for (size_t i = 0; i < sizeof families / sizeof families[0] && r == RES_OK; i++) {
        r = find_file(machine, families[i], FC_WEIGHT_REGULAR, own, why);
        if (r == RES_OK) {
            r = find_file(machine, families[i], FC_WEIGHT_BOLD, own, why);
        }
    }
    if (r != RES_OK) {
        goto out;
    }
    map = pango_cairo_font_map_new_for_font_type(CAIRO_FONT_TYPE_FT);
    if (map == NULL) {
        err_set(why, "Pango has no font map of FreeType's");
        r = RES_UNAVAILABLE;
        goto out;
    }
    pango_fc_font_map_set_config(PANGO_FC_FONT_MAP(map), own);
    pango_cairo_font_map_set_resolution(PANGO_CAIRO_FONT_MAP(map), 72);
    *ret = map;
out:
    if (own != NULL) {
        FcConfigDestroy(own); /* the map has its own reference */
    }
    if (machine != NULL) {
        FcConfigDestroy(machine);
    }
    return r;
}

enum res face_fonts_map(PangoFontMap **ret, struct err *why)
{
    static PangoFontMap *map;
    if (map == NULL) {
        enum res r = make_map(&map, why);
        if (r != RES_OK) {
            return r;
        }
    }
    *ret = map;
    return RES_OK;
}

static char versions[128];

static void write_versions(void)
{
    int major = 0;
    int minor = 0;
    int patch = 0;
    FT_Library freetype;
    if (FT_Init_FreeType(&freetype) == 0) {
        FT_Library_Version(freetype, &major, &minor, &patch);
        FT_Done_FreeType(freetype);
    }
    (void)snprintf(versions, sizeof versions,
                   "Pango %s, HarfBuzz %s, FreeType %d.%d.%d, Cairo %s, fontconfig %d",
                   pango_version_string(), hb_version_string(), major, minor, patch,
                   cairo_version_string(), FcGetVersion());
}

const char *face_versions(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, write_versions);
    return versions;
}
