/* dead_letter_http.h: the dead-letter desk: what was refused, with the reason (C-065, S-093).
 *
 * A refused body is an attacker's text: it leaves as text only when it is clean, runs of twelve
 * and more digits (card and phone numbers, R18) are masked, and then the bytes are withheld too.
 */
#ifndef DEAD_LETTER_HTTP_H
#define DEAD_LETTER_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route dead_letter_http_routes[];

#endif
