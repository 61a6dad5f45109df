/* nfc_file.h: a virtual NFC tag: its NDEF message is the content of a file, replaced atomically. */
#ifndef NFC_FILE_H
#define NFC_FILE_H

#include "err.h"
#include "file.h"
#include "nfc.h"

struct nfc_file {
    struct nfc nfc; /* use this; do not move the struct */
    char path[FILE_PATH_BYTES_MAX];
};

/* RES_LIMIT: the path is too long. */
MUST_CHECK enum res nfc_file_init(struct nfc_file *file, const char *path, struct err *why);

#endif
