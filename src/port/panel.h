/* panel.h: a screen that keeps its picture without power (e-ink), as a port. Freestanding.
 *
 * The owner says what is to be seen; layout, fonts and shaping are the driver's.
 */
#ifndef PANEL_H
#define PANEL_H

#include "result.h"

struct shelf_display; /* shelf.h */

struct panel {
    void *context;
    /* Draws and returns when the picture is there. Its texts are gone after the call. RES_AGAIN:
     * busy, RES_IO: it does not answer; the picture may be the old one, the new one or torn, the
     * owner shows again. */
    enum res (*show)(void *context, const struct shelf_display *display);
};

#endif
