/* identity_scan.h: reads which event a body is, quickly, when it is written as our own encoder
 * writes it: {"v":1,"type":"...","cartId":"...","epoch":N,"counter":N,...
 *
 * It decides nothing by itself: a body of any other form is left to the decoder, and what is read
 * here is only used to find the fingerprint that the body must have to be a duplicate. Pure core.
 */
#ifndef IDENTITY_SCAN_H
#define IDENTITY_SCAN_H

#include "span.h"

/* False: not of this form. */
bool identity_scan(struct span body, int64_t *ret_epoch, int64_t *ret_counter);

#endif
