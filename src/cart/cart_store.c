#include "cart_store.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct cart_ledger) <= FLASH_STATE_BYTES_MAX, "a snapshot is one state");

static_assert(sizeof(struct cart_line) <= FLASH_LINES_RECORD_BYTES, "a line is one record");

/* Puts that power cuts may have torn and so taken room. */
#define TORN_PUTS_MAX 32

enum res cart_store_open(struct cart_store *s, const struct flash *flash,
                         const struct secure_element *secure)
{
    static const uint32_t sizes[] = {CART_STORE_STATE_SECTORS, CART_STORE_LINES_SECTORS,
                                     CART_STORE_CACHE_SECTORS};
    uint32_t first = 0;
    enum res r = RES_OK;
    memset(s, 0, sizeof *s);
    if (flash->sector_bytes != CART_STORE_SECTOR_BYTES) {
        return RES_INVALID;
    }
    for (size_t i = 0; i < 3 && r == RES_OK; i++) {
        r = flash_slice_init(&s->slices[i], flash, first, sizes[i]);
        first += sizes[i];
    }
    if (r != RES_OK || flash->sector_count < first + CART_STORE_QUEUE_SECTORS) {
        return RES_INVALID;
    }
    uint32_t rest = flash->sector_count - first;
    rest = rest > FLASH_QUEUE_SECTORS_MAX ? FLASH_QUEUE_SECTORS_MAX : rest;
    r = flash_slice_init(&s->slices[3], flash, first, rest);
    if (r == RES_OK) {
        r = flash_state_open(&s->state, &s->slices[0].flash);
    }
    if (r == RES_OK) {
        r = flash_lines_open(&s->lines, &s->slices[1].flash);
    }
    if (r == RES_OK) {
        r = product_cache_open(&s->cache, &s->slices[2].flash);
    }
    if (r == RES_OK) {
        r = flash_queue_open(&s->queue, &s->slices[3].flash, secure);
    }
    return r;
}

enum res cart_store_load(struct cart_store *s, struct cart_ledger *ret_ledger)
{
    struct cart_ledger ledger;
    uint32_t size;
    enum res r = flash_state_load(&s->state, &ledger, sizeof ledger, &size);
    if (r == RES_LIMIT) {
        return RES_NOT_FOUND;
    }
    if (r != RES_OK) {
        return r;
    }
    if (size != sizeof ledger || ledger.version != CART_LEDGER_VERSION) {
        return RES_NOT_FOUND;
    }
    *ret_ledger = ledger;
    return RES_OK;
}

enum res cart_store_save(struct cart_store *s, const struct cart_ledger *ledger)
{
    return flash_state_save(&s->state, span_of(ledger, sizeof *ledger));
}

enum res cart_store_clear_lines(struct cart_store *s)
{
    return flash_lines_clear(&s->lines);
}

int64_t cart_store_line_puts_max(const struct cart_store *s)
{
    return (int64_t)flash_lines_puts_max(&s->lines) - TORN_PUTS_MAX;
}

enum res cart_store_put_line(struct cart_store *s, int64_t number, const struct cart_line *line)
{
    uint8_t record[FLASH_LINES_RECORD_BYTES] = {0};
    assert(number >= 1 && number <= CART_LINES_MAX);
    memcpy(record, line, sizeof *line);
    return flash_lines_put(&s->lines, (uint16_t)number, record);
}

enum res cart_store_line(struct cart_store *s, int64_t number, struct cart_line *ret_line)
{
    uint8_t record[FLASH_LINES_RECORD_BYTES];
    assert(number >= 1 && number <= CART_LINES_MAX);
    enum res r = flash_lines_read(&s->lines, (uint16_t)number, record);
    if (r == RES_OK) {
        memcpy(ret_line, record, sizeof *ret_line);
    }
    return r;
}
