#include "crc32c.h"

#define POLYNOMIAL UINT32_C(0x82f63b78) /* 0x1edc6f41 with its bits reversed */

/* A nibble at a time: a table of 1 KiB is too dear for a microcontroller. */
static const uint32_t nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c(uint32_t crc, struct span bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

/* CRC is linear: the difference that a flip makes depends on its distance from the end only. */
bool crc32c_repair(uint32_t start, uint8_t *data, size_t size, uint32_t expected)
{
    uint32_t difference = crc32c(start, span_of(data, size)) ^ expected;
    if ((difference & (difference - 1)) == 0) {
        return true;
    }
    uint32_t flip = POLYNOMIAL;
    for (size_t i = size; i-- > 0;) {
        for (unsigned bit = 8; bit-- > 0;) {
            if (flip == difference) {
                data[i] = (uint8_t)(data[i] ^ 1U << bit);
                return true;
            }
            flip = flip >> 1 ^ (flip & 1 ? POLYNOMIAL : 0);
        }
    }
    return false;
}
