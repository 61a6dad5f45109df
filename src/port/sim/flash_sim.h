/* flash_sim.h: simulated NOR flash for tests and simulations, on the heap.
 *
 * It keeps the rules of flash.h strictly: a program of a unit that was programmed since its erase,
 * a misaligned one or one that crosses a page is a violation, remembered until asked for. The
 * power can be cut at the k-th operation (programs and erases count, reads do not); from then on
 * everything answers RES_IO until flash_sim_power_on.
 */
#ifndef FLASH_SIM_H
#define FLASH_SIM_H

#include "flash.h"
#include "rng.h"

enum flash_sim_tear {                     /* what the operation that the cut hit leaves behind */
                      FLASH_SIM_NOTHING,  /* as if it had not begun */
                      FLASH_SIM_ALL,      /* done, but nobody was told */
                      FLASH_SIM_PREFIX,   /* the first bytes, a random number of them */
                      FLASH_SIM_BITS,     /* each bit done or not, at random */
                      FLASH_SIM_UNSTABLE, /* as BITS, and the torn bits read differently after each
                                             power-on */
                      FLASH_SIM_TEARS,
};

struct flash_sim {
    struct flash flash;  /* use this */
    uint64_t operations; /* programs and erases so far, the one that was cut included */
    uint64_t cut_at;     /* the operation to cut, 1..; 0: never */
    enum flash_sim_tear tear;
    bool off;
    const char *violation; /* NULL, or the rule that was broken first */
    struct rng rng;
    uint32_t *erases;    /* wear, by sector */
    uint8_t *bytes;      /* the content, for tests that damage it */
    uint8_t *programmed; /* by unit */
    uint8_t *torn;       /* UNSTABLE: the bits that cannot be relied on */
    bool torn_any;
};

/* Blank. NULL: no memory or a geometry outside flash.h's limits. */
struct flash_sim *flash_sim_new(uint32_t sector_bytes, uint32_t sector_count,
                                uint32_t program_bytes, uint64_t seed);
void flash_sim_free(struct flash_sim *sim);
/* Cuts the power at the `after`-th operation from now (1: the next one). */
void flash_sim_cut_after(struct flash_sim *sim, uint64_t after, enum flash_sim_tear tear);
/* Power again; a cut that was planned and not reached is forgotten. */
void flash_sim_power_on(struct flash_sim *sim);
/* The same, and a planned cut stays. */
void flash_sim_power_cycle(struct flash_sim *sim);
void flash_sim_flip(struct flash_sim *sim, uint64_t bit);
uint64_t flash_sim_bits(const struct flash_sim *sim);

#endif
