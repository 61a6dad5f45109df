#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flash_file.h"
#include "flash_queue.h"
#include "flash_sim.h"

#define COUNTERS_MAX 400

/* SEEN: its append was cut, yet it was read later: it may have been sent. */
enum state { UNUSED, TRIED, SEEN, STORED };

struct body {
    enum state state;
    uint32_t size;
    uint8_t bytes[FLASH_QUEUE_RECORD_BYTES_MAX];
};

struct world {
    struct flash_sim *sim;
    struct flash_queue q;
    struct secure_element secure;
    int64_t epoch;      /* in the secure element */
    int64_t epoch_seen; /* the queue's */
    int64_t released;
    struct rng rng;
    struct body *bodies; /* by counter */
};

static enum res epoch_read(void *context, int64_t *ret_epoch)
{
    *ret_epoch = ((struct world *)context)->epoch;
    return RES_OK;
}

static enum res epoch_raise(void *context, int64_t *ret_epoch)
{
    *ret_epoch = ++((struct world *)context)->epoch;
    return RES_OK;
}

static uint64_t seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    return text == NULL ? 20261121 : strtoull(text, NULL, 10);
}

static void world_init(struct world *w, uint32_t sector_bytes, uint32_t sectors, uint32_t unit,
                       uint64_t world_seed)
{
    *w = (struct world){.sim = flash_sim_new(sector_bytes, sectors, unit, world_seed)};
    assert_non_null(w->sim);
    w->secure =
        (struct secure_element){.context = w, .epoch_read = epoch_read, .epoch_raise = epoch_raise};
    w->bodies = calloc(COUNTERS_MAX, sizeof *w->bodies);
    assert_non_null(w->bodies);
    rng_init(&w->rng, world_seed);
}

static void world_deinit(struct world *w)
{
    flash_sim_free(w->sim);
    free(w->bodies);
}

/* Opens; a new epoch is right only when nothing was stored. */
static enum res world_open(struct world *w)
{
    enum res r = flash_queue_open(&w->q, &w->sim->flash, &w->secure);
    if (r != RES_OK) {
        return r;
    }
    if (flash_queue_epoch(&w->q) != w->epoch_seen) {
        for (int64_t c = w->released + 1; c < COUNTERS_MAX; c++) {
            assert_int_not_equal(w->bodies[c].state, STORED);
        }
        w->epoch_seen = flash_queue_epoch(&w->q);
        memset(w->bodies, 0, COUNTERS_MAX * sizeof *w->bodies);
        w->released = 0;
    }
    return RES_OK;
}

static enum res world_append(struct world *w, enum flash_queue_class class, uint32_t size)
{
    int64_t c = flash_queue_next_counter(&w->q);
    assert_true(c < COUNTERS_MAX);
    struct body *body = &w->bodies[c];
    assert_true(body->state < SEEN); /* never another body for a counter */
    if (!flash_queue_has_room(&w->q, class, size)) {
        return RES_FULL;
    }
    body->state = TRIED;
    body->size = size;
    for (uint32_t i = 0; i < size; i++) {
        body->bytes[i] = (uint8_t)rng_next(&w->rng);
    }
    enum res r = flash_queue_append(&w->q, class, c, span_of(body->bytes, size));
    if (r == RES_OK) {
        body->state = STORED;
        assert_int_equal(flash_queue_next_counter(&w->q), c + 1);
    }
    return r;
}

static void world_release(struct world *w, int64_t through)
{
    assert_int_equal(flash_queue_release(&w->q, through), RES_OK);
    w->released = through > w->released ? through : w->released;
}

/* Every stored and unreleased frame is there, in order, byte for byte; every counter that is not
 * there is in exactly one reported range, and none that is. */
static void world_check(struct world *w)
{
    static uint8_t there[COUNTERS_MAX];
    uint8_t data[FLASH_QUEUE_RECORD_BYTES_MAX];
    uint32_t size = 0;
    int64_t counter = 0;
    int64_t first = flash_queue_first_counter(&w->q);
    int64_t next = flash_queue_next_counter(&w->q);
    memset(there, 0, sizeof there);
    assert_null(w->sim->violation);
    assert_true(first <= w->released + 1);
    assert_true(first <= next);
    while (flash_queue_read(&w->q, &counter, data, sizeof data, &size) == RES_OK) {
        assert_in_range(counter, first, next - 1);
        assert_int_not_equal(w->bodies[counter].state, UNUSED);
        assert_int_equal(size, w->bodies[counter].size);
        assert_memory_equal(data, w->bodies[counter].bytes, size);
        if (w->bodies[counter].state == TRIED) {
            w->bodies[counter].state = SEEN;
        }
        there[counter] = 1;
        counter++;
    }
    for (int64_t c = w->released + 1; c < COUNTERS_MAX; c++) {
        bool must = w->bodies[c].state == STORED ||
                    (w->bodies[c].state == SEEN && w->sim->tear != FLASH_SIM_UNSTABLE);
        assert_true(!must || there[c]);
        assert_true(w->bodies[c].state < SEEN || c < next);
    }
    int64_t from;
    int64_t to;
    while (flash_queue_damage(&w->q, &from, &to) == RES_OK) {
        assert_in_range(from, first, to);
        assert_true(to < next);
        for (int64_t c = from; c <= to; c++) {
            assert_int_equal(there[c], 0);
            there[c] = 2;
        }
    }
    if (w->q.reported_count == 0) {
        for (int64_t c = first; c < next; c++) {
            assert_int_equal(there[c], 1);
        }
    }
}

static void world_step(struct world *w)
{
    uint64_t dice = rng_below(&w->rng, 100);
    int64_t first = flash_queue_first_counter(&w->q);
    int64_t next = flash_queue_next_counter(&w->q);
    if (dice < 62) {
        uint32_t size =
            dice < 8 ? FLASH_QUEUE_RECORD_BYTES_MAX : 1 + (uint32_t)rng_below(&w->rng, 420);
        enum res r = world_append(w, (enum flash_queue_class)rng_below(&w->rng, 4), size);
        assert_true(r == RES_OK || r == RES_FULL || w->sim->off);
    } else if (dice < 90) {
        int64_t through = first - 1 + (int64_t)rng_below(&w->rng, (uint64_t)(next - first) + 1);
        if (through > w->released) {
            enum res r = flash_queue_release(&w->q, through);
            assert_true(r == RES_OK);
            w->released = through;
        }
    } else if (dice < 95) {
        flash_sim_power_cycle(w->sim);
        enum res r = world_open(w);
        assert_true(r == RES_OK || w->sim->off);
    } else if (!w->sim->off) {
        world_check(w);
    }
}

/* What to repeat after a failure. */
static char unfinished[160];

static int say_unfinished(void **state)
{
    (void)state;
    if (unfinished[0] != '\0') {
        printf("failed in: %s\n", unfinished);
        unfinished[0] = '\0';
    }
    return 0;
}

/* One run: power cut at operation `cut` (0: none), and at operation `again` of the recovery. */
static uint64_t run(const uint32_t geometry[3], uint64_t run_seed, unsigned steps, uint64_t cut,
                    enum flash_sim_tear tear, uint64_t again)
{
    struct world w;
    snprintf(unfinished, sizeof unfinished,
             "run seed %llu, geometry %u x %u by %u, %u steps, cut %llu, tear %d, again %llu",
             (unsigned long long)run_seed, geometry[1], geometry[0], geometry[2], steps,
             (unsigned long long)cut, (int)tear, (unsigned long long)again);
    world_init(&w, geometry[0], geometry[1], geometry[2], run_seed);
    if (cut != 0) {
        flash_sim_cut_after(w.sim, cut, tear);
    }
    enum res r = world_open(&w);
    for (unsigned i = 0; i < steps; i++) {
        if (w.sim->off) {
            flash_sim_power_cycle(w.sim);
            flash_sim_cut_after(w.sim, again, tear);
            again = 0;
            r = world_open(&w);
            if (w.sim->off) {
                continue;
            }
            assert_int_equal(r, RES_OK);
            world_check(&w);
        }
        assert_int_equal(r, RES_OK);
        world_step(&w);
    }
    flash_sim_cut_after(w.sim, 0, tear);
    flash_sim_power_cycle(w.sim);
    assert_int_equal(world_open(&w), RES_OK);
    world_check(&w);
    uint64_t operations = w.sim->operations;
    world_deinit(&w);
    unfinished[0] = '\0';
    return operations;
}

static const uint32_t gate[3] = {1024, 4, 8};

static void loses_nothing_at_a_cut_of_any_operation(void **state)
{
    (void)state;
    uint64_t operations = run(gate, seed(), 180, 0, FLASH_SIM_NOTHING, 0);
    printf("seed %llu: a run of %llu operations, cut at each\n", (unsigned long long)seed(),
           (unsigned long long)operations);
    assert_true(operations > 150);
    for (uint64_t cut = 1; cut <= operations; cut++) {
        for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
            (void)run(gate, seed(), 180, cut, (enum flash_sim_tear)tear, 0);
        }
    }
}

static void survives_a_second_cut_soon_after_the_first(void **state)
{
    (void)state;
    uint64_t operations = run(gate, seed() + 1, 60, 0, FLASH_SIM_NOTHING, 0);
    for (uint64_t cut = 1; cut <= operations; cut++) {
        for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
            for (uint64_t again = 1; again <= 4; again++) {
                (void)run(gate, seed() + 1, 60, cut, (enum flash_sim_tear)tear, again);
            }
        }
    }
}

/* The release run of target R2: ENDCAP_CUTS=5000 gives 5,000 cuts for each tear and geometry. */
static void loses_nothing_on_other_geometries(void **state)
{
    (void)state;
    static const uint32_t geometries[4][3] = {
        {1024, 3, 1}, {4096, 4, 4}, {2048, 7, 16}, {1024, 9, 32}};
    const char *text = getenv("ENDCAP_CUTS");
    uint64_t cuts = text == NULL ? 25 : strtoull(text, NULL, 10);
    struct rng rng;
    rng_init(&rng, seed());
    for (unsigned g = 0; g < 4; g++) {
        for (uint64_t i = 0; i < cuts; i++) {
            for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
                uint64_t run_seed = rng_next(&rng);
                uint64_t again = rng_below(&rng, 8);
                (void)run(geometries[g], run_seed, 150, 1 + rng_below(&rng, 400),
                          (enum flash_sim_tear)tear, again);
            }
        }
    }
}

static void keeps_its_promises_over_random_cuts(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        struct world w;
        snprintf(unfinished, sizeof unfinished, "world %llu of seed %llu", (unsigned long long)i,
                 (unsigned long long)seed());
        world_init(&w, 1024, 3 + (uint32_t)(i % 5), 8, seed() + i);
        assert_int_equal(world_open(&w), RES_OK);
        for (unsigned n = 0; n < 300; n++) {
            if (w.sim->off) {
                flash_sim_power_cycle(w.sim);
                if (world_open(&w) != RES_OK) {
                    assert_true(w.sim->off);
                    continue;
                }
                world_check(&w);
            }
            if (w.sim->cut_at <= w.sim->operations) {
                flash_sim_cut_after(w.sim, 1 + rng_below(&w.rng, 40),
                                    (enum flash_sim_tear)(i % FLASH_SIM_TEARS));
            }
            world_step(&w);
        }
        flash_sim_cut_after(w.sim, 0, FLASH_SIM_NOTHING);
        flash_sim_power_cycle(w.sim);
        assert_int_equal(world_open(&w), RES_OK);
        world_check(&w);
        world_deinit(&w);
    }
    unfinished[0] = '\0';
}

static void detects_every_flipped_bit(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1024, 8, 8, seed());
    assert_int_equal(world_open(&w), RES_OK);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(world_append(&w, FLASH_QUEUE_SESSION, 100 + 37 * i), RES_OK);
        if (i == 4) {
            world_release(&w, 2);
        }
    }
    int64_t next = flash_queue_next_counter(&w.q);
    unsigned harmless = 0;
    for (unsigned n = 0; n < 2000; n++) {
        uint64_t bit = rng_below(&w.rng, flash_sim_bits(w.sim));
        uint8_t data[FLASH_QUEUE_RECORD_BYTES_MAX];
        uint32_t size;
        int64_t from = 0;
        int64_t to = 0;
        uint32_t damaged = 0;
        uint32_t read = 0;
        flash_sim_flip(w.sim, bit);
        uint8_t *before = malloc(flash_sim_bits(w.sim) / 8);
        assert_non_null(before);
        memcpy(before, w.sim->bytes, flash_sim_bits(w.sim) / 8);
        assert_int_equal(world_open(&w), RES_OK);
        assert_int_equal(flash_queue_epoch(&w.q), 1);
        assert_true(flash_queue_next_counter(&w.q) >= next);
        for (int64_t c = 0; flash_queue_read(&w.q, &c, data, sizeof data, &size) == RES_OK; c++) {
            assert_int_equal(size, w.bodies[c].size);
            assert_memory_equal(data, w.bodies[c].bytes, size);
            read++;
        }
        while (flash_queue_damage(&w.q, &from, &to) == RES_OK) {
            damaged += (uint32_t)(to - from + 1);
        }
        assert_int_equal(read + damaged, flash_queue_count(&w.q));
        assert_true(damaged <= 2);
        assert_true(read >= 9); /* at most the one record that was hit */
        harmless += damaged == 0;
        memcpy(w.sim->bytes, before, flash_sim_bits(w.sim) / 8);
        memset(w.sim->programmed, 0, flash_sim_bits(w.sim) / 8 / 8);
        free(before);
        flash_sim_flip(w.sim, bit);
    }
    printf("2000 flips, %u of them in released records, padding or marks\n", harmless);
    world_deinit(&w);
}

/* A rotten header at the tail looks like a torn append, and its event may have been sent. */
static void never_reuses_the_counter_of_an_unreadable_tail(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 28 * 8; bit++) {
        struct world w;
        int64_t from;
        int64_t to;
        world_init(&w, 4096, 3, 8, seed());
        assert_int_equal(world_open(&w), RES_OK);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 200), RES_OK);
        }
        flash_sim_flip(w.sim, (32 + 2 * 232) * 8 + bit);
        assert_int_equal(world_open(&w), RES_OK);
        assert_int_equal(flash_queue_next_counter(&w.q), 4);
        assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_OK);
        assert_int_equal(from, 3);
        assert_int_equal(to, 3);
        assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 200), RES_OK);
        world_deinit(&w);
    }
}

/* A torn header may read well later; the size it tells covers what was written since. */
static void finds_records_under_one_that_came_back_damaged(void **state)
{
    (void)state;
    struct world w;
    uint8_t data[FLASH_QUEUE_RECORD_BYTES_MAX];
    uint32_t size;
    int64_t counter = 2;
    world_init(&w, 4096, 3, 8, seed());
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 800), RES_OK);
    w.sim->bytes[32 + 4] ^= 1; /* as if only its first page had been written, not all of it */
    memset(w.sim->bytes + 256, 0xff, 4096 - 256);
    memset(w.sim->programmed + 32, 0, (4096 - 256) / 8);
    w.bodies[1].state = TRIED;
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 100), RES_OK);
    w.sim->bytes[32 + 4] ^= 1;
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(flash_queue_next_counter(&w.q), 3);
    assert_int_equal(flash_queue_read(&w.q, &counter, data, sizeof data, &size), RES_OK);
    assert_int_equal(size, 100);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 100), RES_OK);
    world_check(&w);
    world_deinit(&w);
}

/* Cells that were being written read as erased, and are not. */
static void leaves_weak_cells_alone(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4096, 3, 8, seed());
    memset(w.sim->programmed, 1, 16); /* what an erase that was cut has left of another life */
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 100), RES_OK);
    w.sim->bytes[32 + 4] ^= 1;
    memset(w.sim->bytes + 32 + 64, 0xff, 64); /* the end of a torn program */
    w.bodies[1].state = TRIED;
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(flash_queue_next_counter(&w.q), 2);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 100), RES_OK);
    world_check(&w);
    world_deinit(&w);
}

static unsigned bad_programs;

/* A worn cell: what was just programmed does not read back. */
static enum res program_badly(void *context, uint32_t offset, const void *data, uint32_t size)
{
    struct world *w = context;
    enum res r = w->sim->flash.program(w->sim, offset, data, size);
    if (bad_programs > 0 && size > 64) {
        bad_programs--;
        w->sim->bytes[offset + 60] ^= 16;
    }
    return r;
}

static enum res read_through(void *context, uint32_t offset, void *data, uint32_t size)
{
    struct world *w = context;
    return w->sim->flash.read(w->sim, offset, data, size);
}

static enum res erase_through(void *context, uint32_t sector)
{
    struct world *w = context;
    return w->sim->flash.erase(w->sim, sector);
}

static void writes_again_where_a_record_does_not_read_back(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1024, 4, 8, seed());
    struct flash flash = w.sim->flash;
    flash.context = &w;
    flash.program = program_badly;
    flash.read = read_through;
    flash.erase = erase_through;
    assert_int_equal(flash_queue_open(&w.q, &flash, &w.secure), RES_OK);
    w.epoch_seen = 1;
    for (unsigned i = 0; i < 20; i++) {
        bad_programs = 1;
        assert_int_equal(world_append(&w, FLASH_QUEUE_SESSION, 800), RES_OK);
        assert_int_equal(flash_queue_open(&w.q, &flash, &w.secure), RES_OK);
        world_check(&w);
        world_release(&w, flash_queue_next_counter(&w.q) - 1);
    }
    bad_programs = 2;
    assert_int_equal(world_append(&w, FLASH_QUEUE_SESSION, 800), RES_IO);
    bad_programs = 0;
    assert_int_equal(flash_queue_next_counter(&w.q), 22);
    world_deinit(&w);
}

static void reports_damage_found_late_once(void **state)
{
    (void)state;
    struct world w;
    int64_t from;
    int64_t to;
    int64_t counter = 0;
    uint8_t data[FLASH_QUEUE_RECORD_BYTES_MAX];
    uint32_t size;
    world_init(&w, 4096, 4, 8, seed());
    assert_int_equal(world_open(&w), RES_OK);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 200), RES_OK);
    }
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_NOT_FOUND);
    w.sim->bytes[32 + 4 * 232 + 100] ^= 4; /* record 5, behind a mark of 32 bytes */
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_NOT_FOUND);
    for (; flash_queue_read(&w.q, &counter, data, sizeof data, &size) == RES_OK; counter++) {
    }
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_OK);
    assert_int_equal(from, 5);
    assert_int_equal(to, 5);
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_NOT_FOUND);
    counter = 4;
    assert_int_equal(flash_queue_read(&w.q, &counter, data, sizeof data, &size), RES_OK);
    assert_int_equal(counter, 4);
    counter = 5;
    assert_int_equal(flash_queue_read(&w.q, &counter, data, sizeof data, &size), RES_OK);
    assert_int_equal(counter, 6);
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_NOT_FOUND);
    world_release(&w, 5);
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_NOT_FOUND);
    world_deinit(&w);
}

static void keeps_room_by_class(void **state)
{
    (void)state;
    struct world w;
    unsigned stored[FLASH_QUEUE_CLASSES] = {0};
    world_init(&w, 4096, 16, 4, seed());
    assert_int_equal(world_open(&w), RES_OK);
    for (int class = FLASH_QUEUE_HEALTH; class < FLASH_QUEUE_CLASSES; class ++) {
        while (world_append(&w, (enum flash_queue_class) class, 400) == RES_OK) {
            stored[class]++;
        }
        for (int lower = FLASH_QUEUE_HEALTH; lower <= class; lower++) {
            assert_false(flash_queue_has_room(&w.q, (enum flash_queue_class)lower, 400));
        }
        assert_true(stored[class] >= 9);
    }
    assert_int_equal(flash_queue_append(&w.q, FLASH_QUEUE_SESSION, flash_queue_next_counter(&w.q),
                                        span_of(w.bodies[1].bytes, 400)),
                     RES_FULL);
    assert_true(flash_queue_free_per_mille(&w.q) < 100);
    world_check(&w);
    world_release(&w, flash_queue_next_counter(&w.q) - 1);
    assert_int_equal(flash_queue_count(&w.q), 0);
    assert_int_equal(flash_queue_free_per_mille(&w.q), 1000);
    assert_int_equal(world_append(&w, FLASH_QUEUE_HEALTH, 400), RES_OK);
    world_deinit(&w);
}

static void refuses_what_breaks_its_limits(void **state)
{
    (void)state;
    struct world w;
    uint8_t big[FLASH_QUEUE_RECORD_BYTES_MAX + 1] = {0};
    uint32_t size;
    int64_t counter = 1;
    world_init(&w, 1024, 3, 4, seed());
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(flash_queue_append(&w.q, FLASH_QUEUE_SCAN, 1, SPAN_NONE), RES_INVALID);
    assert_int_equal(flash_queue_append(&w.q, FLASH_QUEUE_SCAN, 1, span_of(big, sizeof big)),
                     RES_LIMIT);
    assert_int_equal(flash_queue_release(&w.q, 1), RES_INVALID);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 300), RES_OK);
    assert_int_equal(flash_queue_read(&w.q, &counter, big, 299, &size), RES_LIMIT);
    w.sim->flash.sector_count = 2;
    assert_int_equal(flash_queue_open(&w.q, &w.sim->flash, &w.secure), RES_INVALID);
    w.sim->flash.sector_count = 3;
    world_deinit(&w);
}

static void raises_the_epoch_when_the_flash_is_another_one(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1024, 3, 4, seed());
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(flash_queue_epoch(&w.q), 1);
    assert_int_equal(world_open(&w), RES_OK); /* an empty queue keeps its epoch */
    assert_int_equal(flash_queue_epoch(&w.q), 1);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 300), RES_OK);
    w.epoch = 7; /* another secure element */
    assert_int_equal(flash_queue_open(&w.q, &w.sim->flash, &w.secure), RES_OK);
    assert_int_equal(flash_queue_epoch(&w.q), 8);
    assert_int_equal(flash_queue_next_counter(&w.q), 1);
    assert_null(w.sim->violation);
    world_deinit(&w);
}

static void burns_the_counter_when_the_medium_refuses(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1024, 4, 4, seed());
    assert_int_equal(world_open(&w), RES_OK);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 300), RES_OK);
    flash_sim_cut_after(w.sim, 1, FLASH_SIM_BITS);
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 300), RES_IO);
    assert_int_equal(flash_queue_next_counter(&w.q), 3);
    flash_sim_power_cycle(w.sim); /* a brown-out that the core lived through */
    assert_int_equal(world_append(&w, FLASH_QUEUE_SCAN, 300), RES_OK);
    int64_t from;
    int64_t to;
    assert_int_equal(flash_queue_damage(&w.q, &from, &to), RES_OK);
    assert_int_equal(from, 2);
    assert_int_equal(to, 2);
    world_deinit(&w);
}

static void keeps_events_in_a_file(void **state)
{
    (void)state;
    char directory[] = "/tmp/endcap-queue-XXXXXX";
    char path[64];
    struct world w;
    struct flash_file file;
    struct err why;
    world_init(&w, 4096, 3, 8, seed());
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/flash", directory);
    for (unsigned run_number = 0; run_number < 3; run_number++) {
        assert_int_equal(flash_file_open(&file, path, 4096, 4, 8, &why), RES_OK);
        assert_int_equal(flash_queue_open(&w.q, &file.flash, &w.secure), RES_OK);
        assert_int_equal(flash_queue_epoch(&w.q), 1);
        world_check(&w);
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(world_append(&w, FLASH_QUEUE_SESSION, 400), RES_OK);
        }
        world_release(&w, flash_queue_next_counter(&w.q) - 3);
        flash_file_close(&file);
    }
    unlink(path);
    rmdir(directory);
    world_deinit(&w);
}

static void opens_over_any_content(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, seed());
    for (unsigned n = 0; n < 300; n++) {
        struct world w;
        world_init(&w, 1024, 3, 4, rng_next(&rng));
        uint64_t bytes = flash_sim_bits(w.sim) / 8;
        if (n % 2 == 1) { /* a true image, damaged, moved or repeated */
            assert_int_equal(world_open(&w), RES_OK);
            for (unsigned i = 0; i < 6; i++) {
                (void)!world_append(&w, FLASH_QUEUE_SESSION, 200);
            }
            memmove(w.sim->bytes + rng_below(&rng, 3) * 1024,
                    w.sim->bytes + rng_below(&rng, 3) * 1024, 1024);
            for (unsigned i = 0; i < n / 4; i++) {
                flash_sim_flip(w.sim, rng_below(&rng, bytes * 8));
            }
        } else {
            for (uint64_t i = 0; i < bytes; i++) {
                w.sim->bytes[i] = (uint8_t)rng_next(&rng);
            }
        }
        for (uint64_t i = 0; i < bytes; i++) {
            w.sim->programmed[i / 4] |= w.sim->bytes[i] != 0xff;
        }
        assert_int_equal(flash_queue_open(&w.q, &w.sim->flash, &w.secure), RES_OK);
        uint8_t data[FLASH_QUEUE_RECORD_BYTES_MAX];
        uint32_t size;
        int64_t from;
        int64_t to;
        for (int64_t c = 0; flash_queue_read(&w.q, &c, data, sizeof data, &size) == RES_OK; c++) {
        }
        while (flash_queue_damage(&w.q, &from, &to) == RES_OK) {
        }
        (void)!flash_queue_append(&w.q, FLASH_QUEUE_SESSION, flash_queue_next_counter(&w.q),
                                  SPAN_LIT("alive"));
        assert_int_equal(flash_queue_release(&w.q, flash_queue_next_counter(&w.q) - 1), RES_OK);
        world_deinit(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(loses_nothing_at_a_cut_of_any_operation, say_unfinished),
        cmocka_unit_test_teardown(survives_a_second_cut_soon_after_the_first, say_unfinished),
        cmocka_unit_test_teardown(loses_nothing_on_other_geometries, say_unfinished),
        cmocka_unit_test_teardown(keeps_its_promises_over_random_cuts, say_unfinished),
        cmocka_unit_test_teardown(detects_every_flipped_bit, say_unfinished),
        cmocka_unit_test_teardown(never_reuses_the_counter_of_an_unreadable_tail, say_unfinished),
        cmocka_unit_test_teardown(finds_records_under_one_that_came_back_damaged, say_unfinished),
        cmocka_unit_test_teardown(leaves_weak_cells_alone, say_unfinished),
        cmocka_unit_test_teardown(writes_again_where_a_record_does_not_read_back, say_unfinished),
        cmocka_unit_test_teardown(reports_damage_found_late_once, say_unfinished),
        cmocka_unit_test_teardown(keeps_room_by_class, say_unfinished),
        cmocka_unit_test_teardown(refuses_what_breaks_its_limits, say_unfinished),
        cmocka_unit_test_teardown(raises_the_epoch_when_the_flash_is_another_one, say_unfinished),
        cmocka_unit_test_teardown(burns_the_counter_when_the_medium_refuses, say_unfinished),
        cmocka_unit_test_teardown(keeps_events_in_a_file, say_unfinished),
        cmocka_unit_test_teardown(opens_over_any_content, say_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
