/* wire_body.h: a body and its frame by the catalogue's table, whichever way it travels. Used by
 * wire_event.c and wire_downlink.c only.
 */
#ifndef WIRE_BODY_H
#define WIRE_BODY_H

#include "wire_catalog.h"

/* Reads all of the body once: RFC 8259, one object, v, and a type of first..last. */
MUST_CHECK enum wire_refusal wire_body_type(struct span body, enum wire_type first,
                                            enum wire_type last, enum wire_type *ret,
                                            struct wire_detail *why);
/* Reads the fields, each checked by itself, and that none is missing. */
MUST_CHECK enum wire_refusal wire_body_read(struct span body, const struct wire_message *message,
                                            void *header, void *object, unsigned *ret_unknown,
                                            struct wire_detail *why);
/* Writes a checked message, padded to the least size. RES_LIMIT. */
MUST_CHECK enum res wire_body_write(const struct wire_message *message, const void *header,
                                    const void *object, struct sink *s);
MUST_CHECK enum wire_refusal wire_body_split(struct span frame, size_t size_max,
                                             struct span *ret_body, struct span *ret_signature);

#endif
