#include "fleet_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define CELL_BYTES 512

_Static_assert(sizeof(struct fleet_memory_cell) <= CELL_BYTES, "flash begins behind the cell");

static enum res open_file(struct fleet_memory *m, const char *path, struct err *why)
{
    m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (m->fd < 0) {
        err_set(why, "cannot open the state file %s: %s; check its folder", path, strerror(errno));
        return RES_IO;
    }
    if (flock(m->fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(why, "another fleet uses the state file %s; give each its own", path);
        return RES_CONFLICT;
    }
    off_t size = lseek(m->fd, 0, SEEK_END);
    if (size != 0 && size != (off_t)m->size) {
        err_set(why, "the state file %s is of another set of devices; name a new one", path);
        return RES_CONFLICT;
    }
    if (size == 0 && ftruncate(m->fd, (off_t)m->size) != 0) {
        err_set(why, "cannot make the state file %s of %zu bytes: %s", path, m->size,
                strerror(errno));
        return RES_IO;
    }
    return RES_OK;
}

enum res fleet_memory_open(struct fleet_memory *m, const char *path, size_t count,
                           uint32_t flash_bytes, struct err *why)
{
    *m = (struct fleet_memory){.fd = -1, .part_bytes = CELL_BYTES + flash_bytes, .count = count};
    m->size = m->part_bytes * count;
    enum res r = path == NULL ? RES_OK : open_file(m, path, why);
    if (r != RES_OK) {
        return r;
    }
    int flags = path == NULL ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    void *base = mmap(NULL, m->size, PROT_READ | PROT_WRITE, flags, m->fd, 0);
    if (base == MAP_FAILED) {
        err_set(why, "cannot map %zu bytes for the devices' flash: %s", m->size, strerror(errno));
        return RES_NO_MEMORY;
    }
    m->base = base;
    return RES_OK;
}

void fleet_memory_close(struct fleet_memory *m)
{
    if (m->base != NULL) {
        (void)munmap(m->base, m->size);
        m->base = NULL;
    }
    if (m->fd >= 0) {
        (void)close(m->fd);
        m->fd = -1;
    }
}

enum res fleet_memory_part(const struct fleet_memory *m, size_t index, const char *id,
                           struct fleet_memory_cell **ret_cell, uint8_t **ret_flash,
                           struct err *why)
{
    uint8_t *part = m->base + index * m->part_bytes;
    struct fleet_memory_cell *cell = (struct fleet_memory_cell *)(void *)part;
    if (cell->id[0] != '\0' && strncmp(cell->id, id, sizeof cell->id) != 0) {
        err_set(why, "the state file was made for %.*s where %s is now; name a new one",
                (int)sizeof cell->id, cell->id, id);
        return RES_CONFLICT;
    }
    (void)snprintf(cell->id, sizeof cell->id, "%s", id);
    *ret_cell = cell;
    *ret_flash = part + CELL_BYTES;
    return RES_OK;
}

/* --- the chip --- */

static bool in_range(const struct fleet_memory_chip *chip, uint32_t offset, uint32_t size)
{
    uint32_t whole = chip->flash.sector_bytes * chip->flash.sector_count;
    return offset <= whole && size <= whole - offset;
}

/* Whether this operation is the one that the power does not outlive. */
static bool fails(struct fleet_memory_chip *chip)
{
    if (chip->cut_after > 0 && --chip->cut_after == 0) {
        chip->dead = true;
        return true;
    }
    return false;
}

static enum res chip_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    const struct fleet_memory_chip *chip = context;
    uint8_t *to = data;
    if (chip->dead) {
        return RES_IO;
    }
    if (!in_range(chip, offset, size)) {
        return RES_INVALID;
    }
    for (uint32_t i = 0; i < size; i++) {
        to[i] = (uint8_t)~chip->bytes[offset + i];
    }
    return RES_OK;
}

static enum res chip_program(void *context, uint32_t offset, const void *data, uint32_t size)
{
    struct fleet_memory_chip *chip = context;
    const uint8_t *from = data;
    if (chip->dead) {
        return RES_IO;
    }
    if (!in_range(chip, offset, size) || offset % FLEET_MEMORY_PROGRAM_BYTES != 0 ||
        size % FLEET_MEMORY_PROGRAM_BYTES != 0) {
        return RES_INVALID;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (chip->bytes[offset + i] != 0) {
            return RES_INVALID; /* not erased */
        }
    }
    bool torn = fails(chip);
    for (uint32_t i = 0; i < (torn ? size / 2 : size); i++) {
        chip->bytes[offset + i] = (uint8_t)~from[i];
    }
    return torn ? RES_IO : RES_OK;
}

static enum res chip_erase(void *context, uint32_t sector)
{
    struct fleet_memory_chip *chip = context;
    if (chip->dead) {
        return RES_IO;
    }
    if (sector >= chip->flash.sector_count) {
        return RES_INVALID;
    }
    bool torn = fails(chip);
    uint8_t *bytes = chip->bytes + sector * chip->flash.sector_bytes;
    uint32_t size = torn ? chip->flash.sector_bytes / 2 : chip->flash.sector_bytes;
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i] != 0) { /* a blank sector stays without memory of its own */
            memset(bytes + i, 0, size - i);
            break;
        }
    }
    return torn ? RES_IO : RES_OK;
}

void fleet_memory_chip_init(struct fleet_memory_chip *chip, uint8_t *bytes, uint32_t sector_bytes,
                            uint32_t sector_count)
{
    *chip = (struct fleet_memory_chip){.bytes = bytes};
    chip->flash = (struct flash){.context = chip,
                                 .sector_bytes = sector_bytes,
                                 .sector_count = sector_count,
                                 .program_bytes = FLEET_MEMORY_PROGRAM_BYTES,
                                 .read = chip_read,
                                 .program = chip_program,
                                 .erase = chip_erase};
}
