/* bench_verify.h: P1, the signature check against OpenSSL's own loops.
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include "bench_load.h"
#include "bench_report.h"

/* Measures for about `seconds` each, alternating in short turns so that a busy machine is unkind to
 * all alike: our loop (SHA-256 and verify of whole messages), and EVP_PKEY_verify of a digest as
 * `openssl speed` does. Adds P1 and returns V, verifications a second on one core. */
double bench_verify_run(const struct bench_load_cart *carts, size_t cart_count,
                        const struct bench_load_run *run, double seconds,
                        struct bench_report *report);

/* OpenSSL's loop on `cores` cores at once, for `seconds` of wall clock: what the machine gives at
 * this moment, verifications a second in all. */
double bench_verify_cores(size_t cores, double seconds);

#endif
