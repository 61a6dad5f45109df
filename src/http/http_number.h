/* http_number.h: a number of a JSON body as it was written. Apart from what uses jansson, which
 * keeps only the nearest double of a decimal and whose token names are those of json.h.
 */
#ifndef HTTP_NUMBER_H
#define HTTP_NUMBER_H

#include "span.h"

/* The text of the number that the outermost object of `body` holds under `name`, into text[size]
 * with a NUL; "" when there is none, or it is longer, or the body is not strict JSON (json.h). */
void http_number_text(struct span body, struct span name, char *text, size_t size);

#endif
