/* renewal_file.h: keys and certificates of a virtual device on their way to be renewed, in its
 * state directory: renewal-N.key and renewal-N.crt, and renewal.present with the number of the pair
 * in use. Without that file the pair is the one that provisioning gave.
 */
#ifndef RENEWAL_FILE_H
#define RENEWAL_FILE_H

#include "err.h"
#include "file.h"
#include "renewal.h"

struct renewal_file {
    struct renewal renewal; /* use this; do not move the struct */
    const char *directory;
    const char *first_certificate; /* of provisioning */
    const char *first_key;
    int64_t present;   /* 0: of provisioning */
    int64_t installed; /* waits for its trial, 0: none */
    void *context;
    /* The pair that the next connection shows; called when it changes. The paths stay until the
     * next call. */
    void (*use)(void *context, const char *certificate_file, const char *key_file);
    bool renewed_used;
    char certificate_file[FILE_PATH_BYTES_MAX];
    char key_file[FILE_PATH_BYTES_MAX];
};

/* The texts must stay. Sets certificate_file and key_file to the pair in use; `use` may be set
 * after. RES_CORRUPT: renewal.present is none of ours; RES_LIMIT, RES_IO. */
MUST_CHECK enum res renewal_file_open(struct renewal_file *file, const char *directory,
                                      const char *certificate_file, const char *key_file,
                                      struct err *why);

#endif
