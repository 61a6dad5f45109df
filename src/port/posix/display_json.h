/* display_json.h: a display that writes one JSON object a line. */
#ifndef DISPLAY_JSON_H
#define DISPLAY_JSON_H

#include <stdio.h>

#include "display.h"

struct display_json {
    struct display display; /* use this */
    FILE *out;              /* NULL: shows nothing */
};

void display_json_init(struct display_json *json, FILE *out);

#endif
