/* face.h: dots and PNG. */
#include <pthread.h>
#include <string.h>

#include <pango/pangocairo.h>

#include "face.h"
#include "face_fonts.h"
#include "face_layout.h"

#define SIZE_PX_MIN 8
#define LARGE_PX    22

/* Pango's font map is for one thread at a time. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

struct brush {
    cairo_t *cairo;
    PangoContext *context;
    PangoLayout *layout;
    int right[FACE_BOXES_MAX]; /* where each box's text ended */
};

static const double inks[][3] = {
    [FACE_WHITE] = {1, 1, 1}, [FACE_BLACK] = {0, 0, 0}, [FACE_RED] = {1, 0, 0}};

static void fill(struct brush *b, enum face_ink ink, int x, int y, int width, int height)
{
    cairo_set_source_rgb(b->cairo, inks[ink][0], inks[ink][1], inks[ink][2]);
    cairo_rectangle(b->cairo, x, y, width, height);
    cairo_fill(b->cairo);
}

/* Small letters need hinting to be read at all; it would give large ones a knob on each curve. */
static void set_hinting(struct brush *b, int size_px)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_NONE);
    cairo_font_options_set_hint_style(options, size_px < LARGE_PX ? CAIRO_HINT_STYLE_FULL
                                                                  : CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_ON);
    pango_cairo_context_set_font_options(b->context, options);
    pango_layout_context_changed(b->layout);
    cairo_font_options_destroy(options);
}

static void set_size(struct brush *b, const struct face_box *box, int size_px)
{
    set_hinting(b, size_px);
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, face_fonts_families);
    pango_font_description_set_weight(font, box->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_font_description_set_absolute_size(font, size_px * PANGO_SCALE);
    pango_layout_set_font_description(b->layout, font);
    pango_font_description_free(font);
}

/* One line that has no room is made smaller, down to SIZE_PX_MIN, then cut at a character. */
static int fit(struct brush *b, const struct face_box *box, int room)
{
    int size_px = box->size_px;
    pango_layout_set_ellipsize(b->layout, PANGO_ELLIPSIZE_NONE);
    pango_layout_set_width(b->layout, -1);
    set_size(b, box, size_px);
    if (box->lines_max == 1) {
        int width = 0;
        pango_layout_get_pixel_size(b->layout, &width, NULL);
        while (width > room && size_px > SIZE_PX_MIN) {
            size_px--;
            set_size(b, box, size_px);
            pango_layout_get_pixel_size(b->layout, &width, NULL);
        }
        if (width <= room) {
            return size_px;
        }
    }
    pango_layout_set_width(b->layout, room * PANGO_SCALE);
    pango_layout_set_height(b->layout, -box->lines_max);
    pango_layout_set_wrap(b->layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(b->layout, PANGO_ELLIPSIZE_END);
    return size_px;
}

static void draw_text(struct brush *b, const struct face_layout *l, size_t number)
{
    const struct face_box *box = &l->boxes[number];
    int left = box->after > 0 ? b->right[box->after - 1] + box->x : box->x;
    int room = box->after > 0 ? box->width - left : box->width;
    if (room < 1) {
        room = 1;
    }
    pango_layout_set_text(b->layout, (const char *)box->text.data, (int)box->text.size);
    int size_px = fit(b, box, room);
    cairo_set_source_rgb(b->cairo, inks[box->ink][0], inks[box->ink][1], inks[box->ink][2]);
    int y = box->y;
    b->right[number] = left;
    for (GSList *at = pango_layout_get_lines_readonly(b->layout); at != NULL; at = at->next) {
        PangoLayoutLine *line = at->data;
        PangoRectangle logical;
        pango_layout_line_get_pixel_extents(line, NULL, &logical);
        int x = box->align == FACE_LEFT    ? left
                : box->align == FACE_RIGHT ? left + room - logical.width
                                           : left + (room - logical.width) / 2;
        cairo_move_to(b->cairo, x, y);
        pango_cairo_show_layout_line(b->cairo, line);
        if (box->struck) {
            fill(b, box->ink, x - 1, y - size_px * 36 / 100, logical.width + 2, 1);
        }
        if (x + logical.width > b->right[number]) {
            b->right[number] = x + logical.width;
        }
        y += box->line_px;
    }
}

static void draw_box(struct brush *b, const struct face_layout *l, size_t number)
{
    const struct face_box *box = &l->boxes[number];
    switch (box->role) {
    case FACE_PANEL:
    case FACE_RULE:
        fill(b, box->ink, box->x, box->y, box->width, box->height);
        break;
    case FACE_FRAME:
        fill(b, box->ink, box->x, box->y, box->width, box->height);
        fill(b, FACE_WHITE, box->x + 2, box->y + 2, box->width - 4, box->height - 4);
        break;
    case FACE_NAME:
    case FACE_SIGN:
    case FACE_WHOLE:
    case FACE_DECIMALS:
    case FACE_REGULAR:
    case FACE_UNIT:
    case FACE_MRP:
    case FACE_SALE:
    case FACE_PERCENT:
    case FACE_PRODUCT:
    case FACE_NOTICE:
    case FACE_HINT:
    case FACE_LABEL:
        draw_text(b, l, number);
        break;
    }
}

/* Without anti-aliasing there are no other colours; a dot is what it is nearest to. */
static void read_dots(cairo_surface_t *surface, struct face_picture *ret)
{
    cairo_surface_flush(surface);
    const uint8_t *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (size_t y = 0; y < FACE_HEIGHT; y++) {
        for (size_t x = 0; x < FACE_WIDTH; x++) {
            uint32_t dot;
            memcpy(&dot, data + y * stride + x * sizeof dot, sizeof dot);
            bool red = (dot >> 16 & 0xff) >= 0x80;
            bool green = (dot >> 8 & 0xff) >= 0x80;
            ret->dots[y][x] = (uint8_t)(green ? FACE_WHITE : red ? FACE_RED : FACE_BLACK);
        }
    }
}

static enum res draw(const struct shelf_display *display, PangoFontMap *map,
                     struct face_picture *ret, struct err *why)
{
    struct face_layout layout;
    face_layout(display, &layout);
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, FACE_WIDTH, FACE_HEIGHT);
    struct brush b = {.cairo = cairo_create(surface)};
    cairo_set_antialias(b.cairo, CAIRO_ANTIALIAS_NONE);
    b.context = pango_font_map_create_context(map);
    pango_context_set_language(b.context,
                               pango_language_from_string(shelf_language_name(layout.language)));
    pango_context_set_base_dir(b.context, PANGO_DIRECTION_LTR);
    b.layout = pango_layout_new(b.context);
    pango_layout_set_auto_dir(b.layout, FALSE);
    fill(&b, FACE_WHITE, 0, 0, FACE_WIDTH, FACE_HEIGHT);
    for (size_t i = 0; i < layout.count; i++) {
        draw_box(&b, &layout, i);
    }
    cairo_status_t status = cairo_status(b.cairo);
    if (status == CAIRO_STATUS_SUCCESS) {
        read_dots(surface, ret);
    } else {
        err_set(why, "Cairo cannot draw a label: %s", cairo_status_to_string(status));
    }
    g_object_unref(b.layout);
    g_object_unref(b.context);
    cairo_destroy(b.cairo);
    cairo_surface_destroy(surface);
    return status == CAIRO_STATUS_SUCCESS ? RES_OK : RES_NO_MEMORY;
}

enum res face_draw(const struct shelf_display *display, struct face_picture *ret, struct err *why)
{
    PangoFontMap *map;
    pthread_mutex_lock(&turn);
    enum res r = face_fonts_map(&map, why);
    if (r == RES_OK) {
        r = draw(display, map, ret, why);
    }
    pthread_mutex_unlock(&turn);
    return r;
}
