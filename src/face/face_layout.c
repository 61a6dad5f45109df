#include "face_layout.h"

#include <assert.h>
#include <string.h>

#include "face_words.h"
#include "money.h"

#define MARGIN       10
#define RIGHT        (FACE_WIDTH - MARGIN)
#define INNER        (FACE_WIDTH - 2 * MARGIN)
#define NAME_Y       22
#define NAME_LINE    22
#define PRICE_Y      99 /* base line of the price and of what stands beside it */
#define RULE_Y       107
#define FOOT_Y       121
#define FOOT_PX      11
#define SMALL_PX     13
#define ID_WIDTH     126
#define MRP_WIDTH    142
#define PANEL_X      202 /* of the sale panel */
#define PANEL_Y      50
#define PANEL_WIDTH  (RIGHT - PANEL_X)
#define PANEL_HEIGHT 50
#define PRICE_END    (PANEL_X - 6)

/* The rest of what a layout shows are words of face_words and texts of the display. */
static_assert(FACE_TEXT_MAX >= 3 * SHELF_NAME_BYTES_MAX / 2 + 8 * 24,
              "room for the name and prices");

static struct face_box *add(struct face_layout *l, struct face_box box)
{
    assert(l->count < FACE_BOXES_MAX);
    l->boxes[l->count] = box;
    return &l->boxes[l->count++];
}

static void add_text(struct face_layout *l, struct face_box box, struct span text)
{
    box.text = text;
    if (box.lines_max == 0) {
        box.lines_max = 1;
    }
    if (text.size > 0) {
        add(l, box);
    }
}

/* A text made of parts, kept in the layout. */
static struct sink text_begin(struct face_layout *l)
{
    struct sink s;
    sink_init(&s, l->text + l->text_size, sizeof l->text - l->text_size);
    return s;
}

static struct span text_end(struct face_layout *l, const struct sink *s)
{
    assert(!s->overflow);
    l->text_size += s->size;
    return sink_span(s);
}

struct span face_layout_sign(const char *currency)
{
    static const struct {
        const char *code;
        const char *sign;
    } signs[] = {{"INR", "₹"}, {"USD", "$"}, {"EUR", "€"}, {"GBP", "£"}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (strcmp(currency, signs[i].code) == 0) {
            return span_text(signs[i].sign, 4);
        }
    }
    return span_text(currency, 3);
}

void face_layout_whole(int64_t minor, const char *currency, struct sink *s)
{
    char digits[20];
    struct sink plain;
    bool lakh = strcmp(currency, "INR") == 0;
    sink_init(&plain, digits, sizeof digits);
    sink_u64(&plain, (uint64_t)(minor / 100));
    for (size_t i = 0; i < plain.size; i++) {
        size_t left = plain.size - i;
        bool comma = i > 0 && (lakh && left > 3 ? left % 2 == 1 : left % 3 == 0);
        if (comma) {
            sink_byte(s, ',');
        }
        sink_byte(s, (uint8_t)digits[i]);
    }
}

static struct span whole_text(struct face_layout *l, const struct shelf_display *d)
{
    struct sink s = text_begin(l);
    face_layout_whole(d->price_minor, d->currency, &s);
    return text_end(l, &s);
}

static struct span decimals_text(struct face_layout *l, int64_t minor)
{
    struct sink s = text_begin(l);
    sink_byte(&s, '.');
    sink_u64_padded(&s, (uint64_t)(minor % 100), 2);
    return text_end(l, &s);
}

/* "MRP ₹68.00", or without a word before it */
static struct span money_text(struct face_layout *l, struct span word, int64_t minor,
                              const char *currency)
{
    struct sink s = text_begin(l);
    struct span sign = face_layout_sign(currency);
    if (word.size > 0) {
        sink_bytes(&s, word);
        sink_byte(&s, ' ');
    }
    sink_bytes(&s, sign);
    if (sign.size == 3 && sign.data[0] < 0x80) {
        sink_byte(&s, ' '); /* a code, not a sign */
    }
    face_layout_whole(minor, currency, &s);
    sink_byte(&s, '.');
    sink_u64_padded(&s, (uint64_t)(minor % 100), 2);
    return text_end(l, &s);
}

/* "200 g" is not torn apart at the end of a line. */
static struct span name_text(struct face_layout *l, struct span name)
{
    struct sink s = text_begin(l);
    for (size_t i = 0; i < name.size; i++) {
        bool after_digit = i > 0 && name.data[i - 1] >= '0' && name.data[i - 1] <= '9';
        if (name.data[i] == ' ' && after_digit) {
            sink_text(&s, "\u00a0");
        } else {
            sink_byte(&s, name.data[i]);
        }
    }
    return text_end(l, &s);
}

static void put_name(struct face_layout *l, const struct shelf_display *d)
{
    /* Conjuncts stack high and deep in these scripts. */
    bool tall = d->language == SHELF_TE || d->language == SHELF_TA || d->language == SHELF_BN;
    add_text(l,
             (struct face_box){.role = FACE_NAME,
                               .ink = FACE_BLACK,
                               .x = MARGIN,
                               .y = NAME_Y,
                               .width = INNER,
                               .size_px = tall ? 16 : 19,
                               .lines_max = 2,
                               .line_px = NAME_LINE,
                               .bold = true},
             name_text(l, d->name));
}

static void put_foot(struct face_layout *l, const struct shelf_display *d)
{
    add(l, (struct face_box){.role = FACE_RULE,
                             .ink = FACE_BLACK,
                             .x = MARGIN,
                             .y = RULE_Y,
                             .width = INNER,
                             .height = 1});
    add_text(l,
             (struct face_box){.role = FACE_PRODUCT,
                               .ink = FACE_BLACK,
                               .x = MARGIN,
                               .y = FOOT_Y,
                               .width = ID_WIDTH,
                               .size_px = FOOT_PX},
             d->product_id);
    if (d->mrp_minor > 0) {
        struct span word = face_words(d->language, FACE_WORD_MRP);
        add_text(l,
                 (struct face_box){.role = FACE_MRP,
                                   .ink = FACE_BLACK,
                                   .x = RIGHT - MRP_WIDTH,
                                   .y = FOOT_Y,
                                   .width = MRP_WIDTH,
                                   .size_px = SMALL_PX,
                                   .align = FACE_RIGHT,
                                   .bold = true},
                 money_text(l, word, d->mrp_minor, d->currency));
    }
}

/* The dearer, the smaller the digits, so that the row ends before the sale panel. */
static int16_t price_size(int64_t minor)
{
    return (int16_t)(minor < 100000 ? 60 : minor < 1000000 ? 48 : minor < 10000000 ? 42 : 34);
}

static void put_price(struct face_layout *l, const struct shelf_display *d)
{
    enum face_ink ink = d->is_flash_sale ? FACE_RED : FACE_BLACK;
    int16_t size = price_size(d->price_minor);
    int16_t top = (int16_t)(PRICE_Y - size * 5 / 7); /* where the digits end above */
    int16_t small = (int16_t)(size * 4 / 10);
    int16_t raised = (int16_t)(top + small * 5 / 7);
    int16_t end = d->is_flash_sale ? PRICE_END : RIGHT;
    struct face_box box = {.ink = ink, .bold = true, .x = MARGIN, .y = raised, .width = end};
    box.role = FACE_SIGN;
    box.size_px = small;
    box.width = INNER;
    add_text(l, box, face_layout_sign(d->currency));
    box.role = FACE_WHOLE;
    box.size_px = size;
    box.y = PRICE_Y;
    box.after = (int16_t)l->count;
    box.x = 2;
    box.width = end;
    add_text(l, box, whole_text(l, d));
    int16_t whole = (int16_t)l->count;
    box.role = FACE_DECIMALS;
    box.size_px = small;
    box.y = raised;
    box.after = whole;
    box.x = 2;
    add_text(l, box, decimals_text(l, d->price_minor));
    box = (struct face_box){
        .ink = FACE_BLACK, .after = whole, .x = 4, .y = PRICE_Y, .width = end, .size_px = SMALL_PX};
    if (d->per_kg) {
        box.role = FACE_UNIT;
        add_text(l, box, face_words(d->language, FACE_WORD_PER_KG));
        box.y = (int16_t)(box.y - SMALL_PX - 1);
    }
    if (d->is_flash_sale && d->regular_minor > d->price_minor) {
        box.role = FACE_REGULAR;
        box.struck = true;
        add_text(l, box, money_text(l, SPAN_NONE, d->regular_minor, d->currency));
    }
}

static struct span percent_text(struct face_layout *l, const struct shelf_display *d)
{
    /* Rounded down: never more than is given. */
    int64_t pct = (d->regular_minor - d->price_minor) * 100 / d->regular_minor;
    struct sink s = text_begin(l);
    sink_text(&s, "−");
    sink_i64(&s, pct);
    sink_byte(&s, '%');
    return text_end(l, &s);
}

static void put_sale(struct face_layout *l, const struct shelf_display *d)
{
    bool percent =
        d->regular_minor > 0 && d->regular_minor - d->price_minor >= (d->regular_minor + 99) / 100;
    add(l, (struct face_box){.role = FACE_PANEL,
                             .ink = FACE_RED,
                             .x = PANEL_X,
                             .y = PANEL_Y,
                             .width = PANEL_WIDTH,
                             .height = PANEL_HEIGHT});
    struct face_box box = {.role = FACE_SALE,
                           .ink = FACE_WHITE,
                           .x = PANEL_X + 4,
                           .y = percent ? PANEL_Y + 17 : PANEL_Y + 32,
                           .width = PANEL_WIDTH - 8,
                           .size_px = percent ? 14 : 22,
                           .align = FACE_CENTRE,
                           .bold = true};
    add_text(l, box, face_words(d->language, FACE_WORD_SALE));
    if (percent) {
        box.role = FACE_PERCENT;
        box.y = PANEL_Y + 43;
        box.size_px = 24;
        add_text(l, box, percent_text(l, d));
    }
}

static void put_withdrawn(struct face_layout *l, const struct shelf_display *d)
{
    add(l, (struct face_box){.role = FACE_PANEL,
                             .ink = FACE_RED,
                             .x = MARGIN,
                             .y = PANEL_Y,
                             .width = INNER,
                             .height = PANEL_HEIGHT});
    struct face_box box = {.role = FACE_NOTICE,
                           .ink = FACE_WHITE,
                           .x = MARGIN + 6,
                           .y = PANEL_Y + 21,
                           .width = INNER - 12,
                           .size_px = 19,
                           .align = FACE_CENTRE,
                           .bold = true};
    add_text(l, box, face_words(d->language, FACE_WORD_NOT_FOR_SALE));
    box.role = FACE_HINT;
    box.y = PANEL_Y + 43;
    box.size_px = SMALL_PX;
    box.bold = false;
    add_text(l, box, face_words(d->language, FACE_WORD_ASK_STAFF));
}

static void put_unassigned(struct face_layout *l, const struct shelf_display *d)
{
    struct face_box box = {.role = FACE_NOTICE,
                           .ink = FACE_BLACK,
                           .x = MARGIN,
                           .y = 34,
                           .width = INNER,
                           .size_px = 18,
                           .align = FACE_CENTRE,
                           .bold = true};
    add_text(l, box, face_words(d->language, FACE_WORD_NO_PRODUCT));
    add(l, (struct face_box){.role = FACE_FRAME,
                             .ink = FACE_BLACK,
                             .x = 48,
                             .y = 48,
                             .width = FACE_WIDTH - 96,
                             .height = 36});
    box.role = FACE_LABEL;
    box.x = 54;
    box.y = 74;
    box.width = FACE_WIDTH - 108;
    box.size_px = 22;
    add_text(l, box, d->device_id);
    box = (struct face_box){.role = FACE_HINT,
                            .ink = FACE_BLACK,
                            .x = MARGIN,
                            .y = 108,
                            .width = INNER,
                            .size_px = SMALL_PX,
                            .align = FACE_CENTRE};
    add_text(l, box, face_words(d->language, FACE_WORD_BIND));
}

void face_layout(const struct shelf_display *display, struct face_layout *ret)
{
    *ret = (struct face_layout){.language = display->language};
    switch (display->template) {
    case SHELF_STANDARD:
    case SHELF_SALE:
        put_name(ret, display);
        put_price(ret, display);
        if (display->is_flash_sale) {
            put_sale(ret, display);
        }
        put_foot(ret, display);
        break;
    case SHELF_WITHDRAWN:
        put_name(ret, display);
        put_withdrawn(ret, display);
        put_foot(ret, display);
        break;
    case SHELF_UNASSIGNED:
    case SHELF_TEMPLATES:
        put_unassigned(ret, display);
        break;
    }
}
