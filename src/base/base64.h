/* base64.h: base 64 (RFC 4648): for URLs without padding (section 5), and the standard alphabet
 * with it (section 4). Freestanding, no allocation. */
#ifndef BASE64_H
#define BASE64_H

#include "span.h"

/* Digits of so many bytes. */
#define BASE64_URL_DIGITS(bytes) (((bytes)*4 + 2) / 3)

void base64_url_write(struct sink *s, struct span bytes);
void base64_write(struct sink *s, struct span bytes);
/* RES_INVALID for anything that base64_url_write, or base64_write, would not have written;
 * RES_LIMIT: the sink is too small. */
MUST_CHECK enum res base64_url_read(struct span text, struct sink *s);
MUST_CHECK enum res base64_read(struct span text, struct sink *s);

#endif
