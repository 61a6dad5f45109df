/* face.h: the face in words. The same boxes as in the picture; the price in digits three rows high,
 * each row of half blocks. */
#include <string.h>

#include "face.h"
#include "face_layout.h"

#define TEXT_COLUMNS (FACE_TERMINAL_COLUMNS - 3)
#define BIG_ROWS     3
#define GLYPH_ROWS   5

static const char reset[] = "\033[0m";

struct glyph {
    char character;
    uint8_t columns;
    uint8_t rows[GLYPH_ROWS]; /* left column in the highest of `columns` bits */
};
static const struct glyph glyphs[] = {
    {'0', 3, {7, 5, 5, 5, 7}}, {'1', 3, {2, 6, 2, 2, 7}}, {'2', 3, {7, 1, 7, 4, 7}},
    {'3', 3, {7, 1, 7, 1, 7}}, {'4', 3, {5, 5, 7, 1, 1}}, {'5', 3, {7, 4, 7, 1, 7}},
    {'6', 3, {7, 4, 7, 5, 7}}, {'7', 3, {7, 1, 1, 2, 2}}, {'8', 3, {7, 5, 7, 5, 7}},
    {'9', 3, {7, 5, 7, 1, 7}}, {',', 2, {0, 0, 0, 1, 2}},
};

static const struct face_box *find(const struct face_layout *l, enum face_role role)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->boxes[i].role == role) {
            return &l->boxes[i];
        }
    }
    return NULL;
}

struct page {
    const struct face_layout *layout;
    bool colour;
    struct sink *out;
};

static void put_ink(const struct page *p, const struct face_box *box)
{
    if (!p->colour) {
        return;
    }
    sink_text(p->out, box->ink == FACE_RED     ? "\033[31m"
                      : box->ink == FACE_WHITE ? "\033[97;41m" /* on the red panel */
                                               : "");
    sink_text(p->out, box->bold ? "\033[1m" : "");
}

static void put_reset(const struct page *p)
{
    if (p->colour) {
        sink_text(p->out, reset);
    }
}

static bool starts_character(uint8_t byte)
{
    return (byte & 0xc0) != 0x80;
}

static void put_text(const struct page *p, const struct face_box *box)
{
    put_ink(p, box);
    for (size_t i = 0; i < box->text.size; i++) {
        sink_byte(p->out, box->text.data[i]);
        bool last = i + 1 == box->text.size || starts_character(box->text.data[i + 1]);
        if (box->struck && last) {
            sink_text(p->out, "\u0336");
        }
    }
    put_reset(p);
}

static void put_role(const struct page *p, enum face_role role, const char *before)
{
    const struct face_box *box = find(p->layout, role);
    if (box != NULL) {
        sink_text(p->out, before);
        put_text(p, box);
    }
}

static void put_edge(const struct page *p, const char *corner)
{
    sink_text(p->out, corner);
    for (int i = 1; i < FACE_TERMINAL_COLUMNS; i++) {
        sink_text(p->out, "─");
    }
    sink_byte(p->out, '\n');
}

static size_t characters(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += starts_character(text.data[i]) ? 1 : 0;
    }
    return count;
}

/* What of a text goes onto one line: up to the last space that fits. */
static size_t line_bytes(struct span text)
{
    size_t count = 0;
    size_t space = 0;
    if (characters(text) <= TEXT_COLUMNS) {
        return text.size;
    }
    for (size_t i = 0; i < text.size; i++) {
        count += starts_character(text.data[i]) ? 1 : 0;
        if (count > TEXT_COLUMNS) {
            return space > 0 ? space : i;
        }
        if (text.data[i] == ' ') {
            space = i;
        }
    }
    return text.size;
}

static void put_name(const struct page *p)
{
    const struct face_box *box = find(p->layout, FACE_NAME);
    if (box == NULL) {
        return;
    }
    struct face_box line = *box;
    struct span left = box->text;
    while (left.size > 0) {
        line.text = span_of(left.data, line_bytes(left));
        left = span_of(left.data + line.text.size, left.size - line.text.size);
        while (left.size > 0 && left.data[0] == ' ') {
            left = span_of(left.data + 1, left.size - 1);
        }
        sink_text(p->out, "│ ");
        put_text(p, &line);
        sink_byte(p->out, '\n');
    }
}

static const struct glyph *glyph_of(char character)
{
    for (size_t i = 0; i < sizeof glyphs / sizeof glyphs[0]; i++) {
        if (glyphs[i].character == character) {
            return &glyphs[i];
        }
    }
    return NULL;
}

static void put_big(const struct page *p, const struct face_box *box, int row)
{
    static const char *const halves[] = {" ", "▄", "▀", "█"};
    put_ink(p, box);
    for (size_t i = 0; i < box->text.size; i++) {
        const struct glyph *g = glyph_of((char)box->text.data[i]);
        for (int column = g == NULL ? -1 : g->columns - 1; column >= 0; column--) {
            unsigned upper = g->rows[row * 2] >> column & 1u;
            unsigned lower = row * 2 + 1 < GLYPH_ROWS ? g->rows[row * 2 + 1] >> column & 1u : 0;
            sink_text(p->out, halves[upper * 2 + lower]);
        }
        sink_byte(p->out, ' ');
    }
    put_reset(p);
}

static void put_price(const struct page *p)
{
    const struct face_box *whole = find(p->layout, FACE_WHOLE);
    if (whole == NULL) {
        return;
    }
    const struct face_box *sign = find(p->layout, FACE_SIGN);
    static const enum face_role beside[BIG_ROWS] = {FACE_DECIMALS, FACE_REGULAR, FACE_UNIT};
    for (int row = 0; row < BIG_ROWS; row++) {
        sink_text(p->out, "│ ");
        if (row == 0) {
            put_role(p, FACE_SIGN, "");
        }
        size_t blanks = row == 0 || sign == NULL ? 0 : characters(sign->text);
        for (size_t i = 0; i <= blanks; i++) {
            sink_byte(p->out, ' ');
        }
        put_big(p, whole, row);
        put_role(p, beside[row], row == 0 ? "" : " ");
        sink_byte(p->out, '\n');
    }
}

static void put_line(const struct page *p, enum face_role first, enum face_role second)
{
    if (find(p->layout, first) == NULL && find(p->layout, second) == NULL) {
        return;
    }
    sink_text(p->out, "│");
    put_role(p, first, " ");
    put_role(p, second, "  ");
    sink_byte(p->out, '\n');
}

void face_terminal(const struct shelf_display *display, bool colour, struct sink *s)
{
    struct face_layout layout;
    face_layout(display, &layout);
    struct page p = {.layout = &layout, .colour = colour, .out = s};
    put_edge(&p, "┌");
    put_name(&p);
    put_price(&p);
    put_line(&p, FACE_SALE, FACE_PERCENT);
    put_line(&p, FACE_NOTICE, FACE_LABEL);
    if (find(&layout, FACE_HINT) != NULL) {
        sink_text(s, "│");
        put_role(&p, FACE_HINT, " ");
        sink_byte(s, '\n');
    }
    put_line(&p, FACE_PRODUCT, FACE_MRP);
    put_edge(&p, "└");
}
