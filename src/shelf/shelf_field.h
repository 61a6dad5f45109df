/* shelf_field.h: JSON to struct and back by the table. Freestanding; a part of shelf. */
#ifndef SHELF_FIELD_H
#define SHELF_FIELD_H

#include "shelf_table.h"

/* The object's members; `body` is what the offsets count from. */
void shelf_field_write(const struct shelf_fields *fields, const void *body, struct sink *s);
/* `body` is zeroed by the caller. Errors as shelf_display_decode. */
MUST_CHECK enum res shelf_field_read(const struct shelf_fields *fields, struct span payload,
                                     struct arena *a, void *body, struct shelf_detail *detail);
/* Fills in the detail; RES_INVALID. */
MUST_CHECK enum res shelf_field_refuse(struct shelf_detail *detail, const char *field,
                                       const char *rule);

#endif
