/* crc32c.h: CRC-32C (Castagnoli; RFC 3720 section 12.1), against torn writes and bit rot, never
 * against people. Freestanding, a 64-byte table.
 */
#ifndef CRC32C_H
#define CRC32C_H

#include "span.h"

/* Of bytes, going on from `crc` (0 to begin): crc32c(crc32c(0, a), b) is that of a || b. */
uint32_t crc32c(uint32_t crc, struct span bytes);

/* Mends one flipped bit in data, whose CRC should be `expected` when begun with `start`; a flip in
 * the stored CRC itself needs no mending and counts as mended. False, and data untouched, when no
 * single flip explains the difference. Up to 655 bytes the code's distance is 6 and up to 256 MiB
 * it is 4, so that a double flip is never mistaken for a single one. */
bool crc32c_repair(uint32_t start, uint8_t *data, size_t size, uint32_t expected);

#endif
