/* product_cache.h: the products a cart knows without asking (C-039, C-189), on flash. Freestanding.
 *
 * Two banks: one answers, the other takes in the chunks of the next version, in any order and any
 * number of times, over any power cut; it answers from the moment its last chunk is there. A
 * product is found by binary search, with some 20 reads of flash. A flipped bit is mended on
 * reading.
 *
 * With sectors of 4,096 bytes a bank of n sectors holds (n - 1) * 32 products, less what chunks
 * torn by cuts waste (at most a sector each); 2,000 products want 2 * 66 sectors or more.
 */
#ifndef PRODUCT_CACHE_H
#define PRODUCT_CACHE_H

#include "flash.h"
#include "wire.h"

#define PRODUCT_CACHE_CHUNKS_MAX     64
#define PRODUCT_CACHE_SKU_BYTES_MAX  32
#define PRODUCT_CACHE_NAME_BYTES_MAX 72 /* a longer name is cut at a character */

struct product_cache_bank { /* private */
    uint32_t first_sector;
    uint32_t generation; /* 0: nothing usable in it */
    int64_t version;
    uint32_t next_slot; /* for the next chunk's first product */
    uint16_t chunks;
    uint16_t order;   /* of the last entry */
    uint16_t entries; /* places of the directory used */
    uint8_t
        entry[PRODUCT_CACHE_CHUNKS_MAX]; /* place of a chunk's entry in the directory, 0: none */
    char currency[4];
    bool complete;
};

struct product_cache { /* for static storage */
    const struct flash *flash;
    uint32_t bank_sectors;
    uint8_t active; /* the bank that answers when it is complete; the other one takes chunks */
    struct product_cache_bank banks[2];
};

struct product {
    char gtin[15]; /* 14 digits */
    char sku[PRODUCT_CACHE_SKU_BYTES_MAX + 1];
    char name[PRODUCT_CACHE_NAME_BYTES_MAX + 1]; /* UTF-8 */
    char currency[4];
    int64_t price_minor; /* of one unit; per_kg: of one kilogram */
    int64_t weight_g;    /* 0: unknown */
    bool per_kg;
};

/* `flash` must stay: 4 sectors or more. RES_INVALID: geometry; RES_IO. */
MUST_CHECK enum res product_cache_open(struct product_cache *c, const struct flash *flash);
/* Of the products that product_cache_find answers from; 0: none. */
int64_t product_cache_version(const struct product_cache *c);
/* Takes in one chunk; *ret_complete: with it the version is complete and answers. A chunk that is
 * there already, or of a version not above the one that answers or the one being taken in, changes
 * nothing and is RES_OK; one of a higher version begins anew. RES_INVALID: not sorted (within or
 * across chunks) or not like the chunks before; RES_LIMIT: more than CHUNKS_MAX chunks, too long a
 * text or too large a number; RES_FULL: more products than a bank holds; RES_AGAIN: this version
 * must be sent again from its first chunk; RES_IO: send this chunk again. */
MUST_CHECK enum res product_cache_put(struct product_cache *c, const struct wire_catalogue *chunk,
                                      bool *ret_complete);
/* gtin14: 14 digits (gtin_normalise). RES_NOT_FOUND: not among them; RES_INVALID: not 14 digits;
 * RES_CORRUPT: damage hides whether it is (treat it as not found); RES_IO. */
MUST_CHECK enum res product_cache_find(const struct product_cache *c, struct span gtin14,
                                       struct product *ret_product);

#endif
