/* face.h: PNG both ways. */
#include <stdlib.h>
#include <string.h>

#include <cairo.h>

#include "face.h"

#define PNG_BYTES_MAX (256 * 1024)

static const uint32_t colours[] = {
    [FACE_WHITE] = 0xffffff, [FACE_BLACK] = 0x000000, [FACE_RED] = 0xff0000};

struct buffer {
    uint8_t *data;
    size_t size;
    size_t room;
};

static cairo_status_t append(void *closure, const unsigned char *data, unsigned int length)
{
    struct buffer *b = closure;
    if (length > PNG_BYTES_MAX - b->size) {
        return CAIRO_STATUS_WRITE_ERROR;
    }
    if (b->size + length > b->room) {
        size_t room = b->room * 2 + length;
        uint8_t *larger = realloc(b->data, room);
        if (larger == NULL) {
            return CAIRO_STATUS_NO_MEMORY;
        }
        b->data = larger;
        b->room = room;
    }
    memcpy(b->data + b->size, data, length);
    b->size += length;
    return CAIRO_STATUS_SUCCESS;
}

enum res face_png(const struct face_picture *picture, uint8_t **ret_data, size_t *ret_size,
                  struct err *why)
{
    struct buffer b = {0};
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, FACE_WIDTH, FACE_HEIGHT);
    cairo_status_t status = cairo_surface_status(surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        uint8_t *data = cairo_image_surface_get_data(surface);
        size_t stride = (size_t)cairo_image_surface_get_stride(surface);
        for (size_t y = 0; y < FACE_HEIGHT; y++) {
            for (size_t x = 0; x < FACE_WIDTH; x++) {
                uint32_t colour = colours[picture->dots[y][x]];
                memcpy(data + y * stride + x * sizeof colour, &colour, sizeof colour);
            }
        }
        cairo_surface_mark_dirty(surface);
        status = cairo_surface_write_to_png_stream(surface, append, &b);
    }
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS) {
        free(b.data);
        err_set(why, "no PNG of a label: %s", cairo_status_to_string(status));
        return RES_NO_MEMORY;
    }
    *ret_data = b.data;
    *ret_size = b.size;
    return RES_OK;
}

static cairo_status_t take(void *closure, unsigned char *data, unsigned int length)
{
    struct span *left = closure;
    if (length > left->size) {
        return CAIRO_STATUS_READ_ERROR;
    }
    memcpy(data, left->data, length);
    *left = span_of(left->data + length, left->size - length);
    return CAIRO_STATUS_SUCCESS;
}

static bool read_dots(cairo_surface_t *surface, struct face_picture *ret)
{
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS ||
        cairo_image_surface_get_width(surface) != FACE_WIDTH ||
        cairo_image_surface_get_height(surface) != FACE_HEIGHT) {
        return false;
    }
    const uint8_t *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (size_t y = 0; y < FACE_HEIGHT; y++) {
        for (size_t x = 0; x < FACE_WIDTH; x++) {
            uint32_t colour;
            memcpy(&colour, data + y * stride + x * sizeof colour, sizeof colour);
            uint8_t ink = FACE_WHITE;
            while (ink <= FACE_RED && colours[ink] != (colour & 0xffffff)) {
                ink++;
            }
            if (ink > FACE_RED) {
                return false;
            }
            ret->dots[y][x] = ink;
        }
    }
    return true;
}

enum res face_png_read(struct span png, struct face_picture *ret, struct err *why)
{
    cairo_surface_t *surface = cairo_image_surface_create_from_png_stream(take, &png);
    struct face_picture picture;
    bool fine = read_dots(surface, &picture);
    cairo_surface_destroy(surface);
    if (!fine) {
        err_set(why, "not a PNG of %d x %d dots in white, black and red", FACE_WIDTH, FACE_HEIGHT);
        return RES_INVALID;
    }
    *ret = picture;
    return RES_OK;
}
