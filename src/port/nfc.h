/* nfc.h: a tag that a phone reads, as a port. Freestanding. The tag keeps its content without
 * power. */
#ifndef NFC_H
#define NFC_H

#include "span.h"

struct nfc {
    void *context;
    /* Replaces the tag's NDEF message (NFC Forum NDEF 1.0); the driver adds what its tag type wants
     * round it. RES_LIMIT: larger than the tag; RES_IO: it does not answer. */
    enum res (*write)(void *context, struct span message);
};

#endif
