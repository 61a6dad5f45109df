/* label_ndef.h: the NFC tag's content: one URI record (NFC Forum NDEF 1.0 and RTD-URI 1.0), the
 * product's page with its identifier (P31, S-022). Freestanding. */
#ifndef LABEL_NDEF_H
#define LABEL_NDEF_H

#include "shelf.h"

#define LABEL_NDEF_BYTES_MAX (5 + SHELF_URL_BYTES_MAX)

/* The message for this URL (at most SHELF_URL_BYTES_MAX); empty: one empty record, which is what a
 * formatted tag without content holds. */
void label_ndef_write(struct span url, struct sink *message);

#endif
