/* product_text.h: texts by language as they come in, checked. Pure but for jansson's memory. */
#ifndef PRODUCT_TEXT_H
#define PRODUCT_TEXT_H

#include <jansson.h>

/* Every wrong text of `texts` ({"en": "Tea", "hi": ...}) is added to `details` as {field, value,
 * constraint}, with `field` "name.fr": a language that is none of the six, English missing, not a
 * text of 1 to 500 characters, control characters, what looks like a payment card number. */
void product_text_check(const char *field, const json_t *texts, json_t *details);

#endif
