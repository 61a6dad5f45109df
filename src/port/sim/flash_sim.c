#include "flash_sim.h"

#include <stdlib.h>
#include <string.h>

#include "flash_io.h"

static size_t size_bytes(const struct flash_sim *sim)
{
    return (size_t)sim->flash.sector_bytes * sim->flash.sector_count;
}

static void violate(struct flash_sim *sim, const char *rule)
{
    if (sim->violation == NULL) {
        sim->violation = rule;
    }
}

static enum res sim_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    struct flash_sim *sim = context;
    if (offset > size_bytes(sim) || size > size_bytes(sim) - offset) {
        violate(sim, "a read beyond the end");
        return RES_INVALID;
    }
    if (sim->off) {
        return RES_IO;
    }
    memcpy(data, sim->bytes + offset, size);
    return RES_OK;
}

/* Counts the operation; true when the cut hits it. */
static bool cut_now(struct flash_sim *sim)
{
    sim->operations++;
    if (sim->cut_at == 0 || sim->operations != sim->cut_at) {
        return false;
    }
    sim->off = true;
    return true;
}

/* Moves bytes towards `target` as far as the tear model says. */
static void apply_torn(struct flash_sim *sim, uint32_t offset, const uint8_t *target, uint32_t size)
{
    uint32_t prefix = (uint32_t)rng_below(&sim->rng, (uint64_t)size + 1);
    /* UNSTABLE: half of the time all but two bytes are done, so that it can read well by chance. */
    bool almost_done = rng_below(&sim->rng, 2) == 0;
    uint32_t undone[2] = {(uint32_t)rng_below(&sim->rng, size),
                          (uint32_t)rng_below(&sim->rng, size)};
    for (uint32_t i = 0; i < size; i++) {
        uint8_t *at = &sim->bytes[offset + i];
        uint8_t wanted = target == NULL ? 0xff : target[i];
        uint8_t change = *at ^ wanted;
        switch (sim->tear) {
        case FLASH_SIM_NOTHING:
        case FLASH_SIM_TEARS:
            change = 0;
            break;
        case FLASH_SIM_ALL:
            break;
        case FLASH_SIM_PREFIX:
            change = i < prefix ? change : 0;
            break;
        case FLASH_SIM_UNSTABLE:
            if (almost_done && i != undone[0] && i != undone[1]) {
                break;
            }
            sim->torn[offset + i] = change;
            if (change != 0) {
                sim->torn_any = true;
                sim->programmed[(offset + i) / sim->flash.program_bytes] = 1;
            }
            change &= (uint8_t)rng_next(&sim->rng);
            break;
        case FLASH_SIM_BITS:
            change &= (uint8_t)rng_next(&sim->rng);
            break;
        }
        *at ^= change;
        if (change != 0) {
            sim->programmed[(offset + i) / sim->flash.program_bytes] = 1;
        }
    }
}

static enum res sim_program(void *context, uint32_t offset, const void *data, uint32_t size)
{
    struct flash_sim *sim = context;
    uint32_t unit = sim->flash.program_bytes;
    if (sim->off) {
        return RES_IO;
    }
    if (offset > size_bytes(sim) || size > size_bytes(sim) - offset) {
        violate(sim, "a program beyond the end");
        return RES_INVALID;
    }
    if (size == 0 || offset % unit != 0 || size % unit != 0 ||
        offset / FLASH_IO_PAGE_BYTES != (offset + size - 1) / FLASH_IO_PAGE_BYTES) {
        violate(sim, "a misaligned program");
        return RES_INVALID;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (sim->programmed[(offset + i) / unit] || sim->bytes[offset + i] != 0xff) {
            violate(sim, "a program of a unit that is not erased");
            return RES_INVALID;
        }
    }
    if (cut_now(sim)) {
        apply_torn(sim, offset, data, size);
        return RES_IO;
    }
    memcpy(sim->bytes + offset, data, size);
    memset(sim->programmed + offset / unit, 1, size / unit);
    return RES_OK;
}

static enum res sim_erase(void *context, uint32_t sector)
{
    struct flash_sim *sim = context;
    uint32_t size = sim->flash.sector_bytes;
    if (sim->off) {
        return RES_IO;
    }
    if (sector >= sim->flash.sector_count) {
        violate(sim, "an erase beyond the end");
        return RES_INVALID;
    }
    size_t start = (size_t)sector * size;
    if (cut_now(sim)) {
        apply_torn(sim, (uint32_t)start, NULL, size);
        return RES_IO;
    }
    sim->erases[sector]++;
    memset(sim->bytes + start, 0xff, size);
    memset(sim->torn + start, 0, size);
    memset(sim->programmed + start / sim->flash.program_bytes, 0, size / sim->flash.program_bytes);
    return RES_OK;
}

struct flash_sim *flash_sim_new(uint32_t sector_bytes, uint32_t sector_count,
                                uint32_t program_bytes, uint64_t seed)
{
    struct flash_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        return NULL;
    }
    sim->flash = (struct flash){
        .context = sim,
        .sector_bytes = sector_bytes,
        .sector_count = sector_count,
        .program_bytes = program_bytes,
        .read = sim_read,
        .program = sim_program,
        .erase = sim_erase,
    };
    rng_init(&sim->rng, seed);
    if (flash_io_geometry(&sim->flash) != RES_OK) {
        free(sim);
        return NULL;
    }
    sim->bytes = malloc(size_bytes(sim));
    sim->programmed = calloc(1, size_bytes(sim) / program_bytes);
    sim->torn = calloc(1, size_bytes(sim));
    sim->erases = calloc(sector_count, sizeof *sim->erases);
    if (sim->bytes == NULL || sim->programmed == NULL || sim->torn == NULL || sim->erases == NULL) {
        flash_sim_free(sim);
        return NULL;
    }
    memset(sim->bytes, 0xff, size_bytes(sim));
    return sim;
}

void flash_sim_free(struct flash_sim *sim)
{
    if (sim != NULL) {
        free(sim->bytes);
        free(sim->programmed);
        free(sim->torn);
        free(sim->erases);
        free(sim);
    }
}

void flash_sim_cut_after(struct flash_sim *sim, uint64_t after, enum flash_sim_tear tear)
{
    sim->cut_at = after == 0 ? 0 : sim->operations + after;
    sim->tear = tear;
}

void flash_sim_power_on(struct flash_sim *sim)
{
    sim->cut_at = 0;
    flash_sim_power_cycle(sim);
}

void flash_sim_power_cycle(struct flash_sim *sim)
{
    sim->off = false;
    if (!sim->torn_any) {
        return;
    }
    for (size_t i = 0; i < size_bytes(sim); i++) {
        if (sim->torn[i] != 0) {
            uint8_t noise = (uint8_t)rng_next(&sim->rng);
            sim->bytes[i] = (uint8_t)((sim->bytes[i] & ~sim->torn[i]) | (noise & sim->torn[i]));
        }
    }
}

void flash_sim_flip(struct flash_sim *sim, uint64_t bit)
{
    sim->bytes[bit / 8] = (uint8_t)(sim->bytes[bit / 8] ^ 1U << bit % 8);
}

uint64_t flash_sim_bits(const struct flash_sim *sim)
{
    return (uint64_t)size_bytes(sim) * 8;
}
