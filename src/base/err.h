/* err.h: words for a failure, owned by the caller; server code only.
 *
 * A function that can fail for a reason a person must act on takes a `struct err *` (NULL: no
 * words wanted) and fills in one sentence saying what failed, why and what to do. Library code
 * never logs; the boundary prints or logs this once.
 */
#ifndef ERR_H
#define ERR_H

#include "result.h"

struct err {
    char text[512];
};

void err_set(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "what: " before the words that are there, on the way up. */
void err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
