/* renewal.h: a new key and certificate for a device in use, as a port. Freestanding.
 *
 * The old pair stays until the new one has proven itself. All of it survives a power cut, and each
 * call may be repeated: it then answers as before.
 */
#ifndef RENEWAL_H
#define RENEWAL_H

#include "span.h"

#define RENEWAL_CSR_BYTES_MAX 768

struct renewal {
    void *context;
    /* Makes a key for this renewal if there is none yet, and writes a request for it (PKCS #10,
     * DER) with the device's present subject. RES_IO: key or store do not work. */
    enum res (*request)(void *context, int64_t number, struct sink *csr);
    /* Keeps the certificate (X.509, DER) for that key. RES_INVALID: not for that key, or no
     * certificate at all; RES_IO. */
    enum res (*install)(void *context, int64_t number, struct span certificate);
    /* Which pair the next connection shows. */
    void (*select)(void *context, bool renewed);
    /* The renewed pair is the present one from now on; the old one is destroyed. */
    enum res (*commit)(void *context, int64_t number);
};

#endif
