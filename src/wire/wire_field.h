/* wire_field.h: one field of the catalogue: checked, read from JSON, written as JSON. Used by
 * wire_event.c and wire_downlink.c only.
 */
#ifndef WIRE_FIELD_H
#define WIRE_FIELD_H

#include "json.h"
#include "wire_catalog.h"

/* No name in the catalogue is longer. */
#define WIRE_FIELD_NAME_BYTES_MAX 32

/* Sets every optional number of `object` to WIRE_ABSENT. */
void wire_field_absent(struct wire_fields fields, void *object);
bool wire_field_is_absent(const struct wire_field *field, const void *object);
/* All fields of `object`: presence, limits, forms. */
MUST_CHECK enum wire_refusal wire_field_check(struct wire_fields fields, const void *object,
                                              struct wire_detail *why);
/* Writes those that are present, with the comma before each. */
void wire_field_write(struct wire_fields fields, const void *object, struct sink *s);
/* The field of this JSON name; NULL when there is none. */
const struct wire_field *wire_field_find(struct wire_fields fields, struct span key);
/* The value whose first token is given, into `object`; its limits and form are checked. */
MUST_CHECK enum wire_refusal wire_field_read(const struct wire_field *field, struct json *j,
                                             enum json_token token, struct span value, void *object,
                                             struct wire_detail *why);
/* Refuses when a required field of `object` was not seen (it is still absent). */
MUST_CHECK enum wire_refusal wire_field_missing(struct wire_fields fields, const void *object,
                                                struct wire_detail *why);
/* What a fault of the JSON reader is called on the wire. */
enum wire_refusal wire_field_json_refusal(enum json_fault fault);
/* Notes the field and limit; returns `refusal`. */
enum wire_refusal wire_field_refuse(struct wire_detail *why, enum wire_refusal refusal,
                                    const char *field, int64_t limit);

#endif
