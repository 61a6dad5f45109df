/* shelf_vector.h: fixed messages of one label's day, the platform's signed with the test key of
 * wire_vector.h: examples of docs/label-wire.md, docs/label-vectors.json and the fuzzer's seeds.
 * Not part of the product's library.
 */
#ifndef SHELF_VECTOR_H
#define SHELF_VECTOR_H

#include "shelf.h"

#define SHELF_VECTORS_MAX            40
#define SHELF_VECTOR_BYTES           1600
#define SHELF_VECTOR_SIGNATURE_BYTES 88 /* base64url of 64 bytes, and a NUL */

struct shelf_vector {
    const char *title;
    enum shelf_topic topic;
    char topic_text[SHELF_TOPIC_BYTES];
    char payload[SHELF_VECTOR_BYTES];             /* with a NUL */
    char signature[SHELF_VECTOR_SIGNATURE_BYTES]; /* down only; else empty */
    char canonical[SHELF_CANONICAL_BYTES];        /* displays only; else empty */
    char digest[2 * SHELF_DIGEST_BYTES + 1];      /* of it, hexadecimal */
    const char *field;                            /* refused: what is named; else NULL */
    const char *rule;
};

struct shelf_vectors {
    size_t count;
    struct shelf_vector all[SHELF_VECTORS_MAX];
    size_t refused_count;
    struct shelf_vector refused[SHELF_VECTORS_MAX];
};

void shelf_vector_make(struct shelf_vectors *ret);

#endif
