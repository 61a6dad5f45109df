#include "panel_face.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "face.h"
#include "file.h"

static enum res draw(const struct shelf_display *display, const char *path, struct err *why)
{
    struct face_picture *picture = malloc(sizeof *picture);
    uint8_t *data = NULL;
    size_t size = 0;
    enum res r = picture == NULL ? RES_NO_MEMORY : face_draw(display, picture, why);
    if (r == RES_OK && path != NULL) {
        r = face_png(picture, &data, &size, why);
    }
    if (r == RES_OK && path != NULL) {
        r = file_write(path, data, size, 0644, why);
    }
    free(data);
    free(picture);
    return r;
}

static enum res show(void *context, const struct shelf_display *display)
{
    struct panel_face *face = context;
    if (face->png_file != NULL && draw(display, face->png_file, &face->why) != RES_OK) {
        return RES_IO;
    }
    if (face->out != NULL) {
        uint8_t text[FACE_TERMINAL_BYTES];
        struct sink s;
        sink_init(&s, text, sizeof text);
        face_terminal(display, face->colour, &s);
        fwrite(s.data, 1, s.size, face->out);
        fflush(face->out);
    }
    return RES_OK;
}

enum res panel_face_init(struct panel_face *face, const char *png_file, FILE *out, bool colour,
                         struct err *why)
{
    *face = (struct panel_face){.panel = {.context = face, .show = show},
                                .png_file = png_file,
                                .out = out,
                                .colour = colour};
    if (png_file == NULL) {
        return RES_OK;
    }
    /* A font that is missing is told now, not when the first price comes. */
    const struct shelf_display nothing = {
        .device_id = SPAN_LIT("ESP32-000000"), .template = SHELF_UNASSIGNED, .currency = "INR"};
    return draw(&nothing, NULL, why);
}

bool panel_face_is_blank(const struct panel_face *face)
{
    return face->png_file != NULL ? access(face->png_file, F_OK) != 0 : face->out != NULL;
}
