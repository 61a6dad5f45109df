/* secure_element_file.h: the secure element of a virtual cart: private key and platform key in PEM
 * files, the epoch counter in a file of its own (which outlives the flash file, as the chip's
 * counter outlives the flash).
 */
#ifndef SECURE_ELEMENT_FILE_H
#define SECURE_ELEMENT_FILE_H

#include <openssl/evp.h>

#include "err.h"
#include "secure_element.h"

struct secure_element_file {
    struct secure_element secure; /* use this; do not move the struct while it is open */
    EVP_PKEY *key;
    EVP_PKEY *platform;
    EVP_MD *sha256;
    char epoch_path[512];
};

/* key_path: the device's P-256 private key; platform_path: the public key that signs what the
 * platform says; epoch_path: made when it is absent, starting at 0. RES_IO: a file can't be read;
 * RES_INVALID: it is not what it should be; `why` says which. */
MUST_CHECK enum res secure_element_file_open(struct secure_element_file *file, const char *key_path,
                                             const char *platform_path, const char *epoch_path,
                                             struct err *why);
void secure_element_file_close(struct secure_element_file *file);

#endif
