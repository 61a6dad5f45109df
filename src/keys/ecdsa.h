/* ecdsa.h: ECDSA over P-256 with SHA-256, signatures as 64 raw bytes r || s (big-endian, 32 bytes
 * each), on OpenSSL 3's EVP interface. SEC 1 v2 section 4.1, FIPS 186-4; C-051, C-062.
 *
 * Only the low form of s (s <= n/2) is made and accepted: of the two signatures that are valid
 * mathematically, (r, s) and (r, n - s), one is the signature (R10).
 *
 * Threads: a `struct ecdsa_public` or `struct ecdsa_private` holds OpenSSL contexts that are made
 * once and used for every call, which is what makes a verify cost what `openssl speed` says. So one
 * object is used by one thread at a time; different objects (of the same key, too) are independent.
 * Keep one object per key and worker thread. ecdsa_sha256 may be called from any thread.
 */
#ifndef ECDSA_H
#define ECDSA_H

#include "err.h"
#include "span.h"

#define ECDSA_POINT_BYTES     65 /* 0x04 || x || y, SEC 1 section 2.3.3 */
#define ECDSA_SIGNATURE_BYTES 64
#define ECDSA_DIGEST_BYTES    32
#define ECDSA_PEM_BYTES_MAX   4096

/* RES_NO_MEMORY only. */
MUST_CHECK enum res ecdsa_sha256(struct span message, uint8_t ret_digest[ECDSA_DIGEST_BYTES]);
/* SHA-256(first || second). RES_NO_MEMORY only. */
MUST_CHECK enum res ecdsa_sha256_two(struct span first, struct span second,
                                     uint8_t ret_digest[ECDSA_DIGEST_BYTES]);

struct ecdsa_public; /* opaque */

/* From an uncompressed point. RES_INVALID: another size or form, or not on the curve;
 * RES_NO_MEMORY. Costs about a third of a verify; the object weighs about 3 KB. */
MUST_CHECK enum res ecdsa_public_new(struct span point, struct ecdsa_public **ret);
void ecdsa_public_free(struct ecdsa_public *key);

/* Is `signature` this key's over SHA-256(message)? RES_OK: yes. RES_LIMIT: s is above n/2 (not
 * looked at further). RES_INVALID: not 64 bytes, r or s outside 1..n-1, or not this key's over
 * these bytes. RES_NO_MEMORY: OpenSSL could not work; no verdict. */
MUST_CHECK enum res ecdsa_verify(struct ecdsa_public *key, struct span message,
                                 struct span signature);
/* The same with the digest at hand. */
MUST_CHECK enum res ecdsa_verify_digest(struct ecdsa_public *key,
                                        const uint8_t digest[ECDSA_DIGEST_BYTES],
                                        struct span signature);

struct ecdsa_private; /* opaque; the secret is cleansed when freed */

/* A new key from OpenSSL's generator. RES_NO_MEMORY. */
MUST_CHECK enum res ecdsa_private_new(struct ecdsa_private **ret);
/* From a PEM file without a passphrase (PKCS#8 or SEC 1). RES_NOT_FOUND; RES_DENIED: unreadable, or
 * readable by others than its owner; RES_INVALID: not a P-256 private key; RES_NO_MEMORY. */
MUST_CHECK enum res ecdsa_private_load(const char *path, struct ecdsa_private **ret,
                                       struct err *why);
/* Writes PKCS#8 PEM, mode 0600, whole or not at all, durable on return. RES_CONFLICT: the file is
 * there already (a key is never written over); RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res ecdsa_private_save(const struct ecdsa_private *key, const char *path,
                                       struct err *why);
void ecdsa_private_free(struct ecdsa_private *key);
void ecdsa_private_point(const struct ecdsa_private *key, uint8_t ret_point[ECDSA_POINT_BYTES]);

/* r || s over SHA-256(message), low s. RES_NO_MEMORY only. */
MUST_CHECK enum res ecdsa_sign(struct ecdsa_private *key, struct span message,
                               uint8_t ret_signature[ECDSA_SIGNATURE_BYTES]);

/* A public key as a PEM file (SubjectPublicKeyInfo). Load: RES_NOT_FOUND, RES_DENIED, RES_INVALID.
 * Save: mode 0644, replaces what is there, durable on return; RES_INVALID, RES_IO. */
MUST_CHECK enum res ecdsa_point_load(const char *path, uint8_t ret_point[ECDSA_POINT_BYTES],
                                     struct err *why);
MUST_CHECK enum res ecdsa_point_save(struct span point, const char *path, struct err *why);

#endif
