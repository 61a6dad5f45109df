#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flash_io.h"
#include "flash_sim.h"

static void programs_an_erased_unit_once(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 3, 4, 1);
    struct flash *f = &sim->flash;
    uint8_t seen[4];
    assert_int_equal(f->program(f->context, 8, "abcd", 4), RES_OK);
    assert_int_equal(f->read(f->context, 8, seen, 4), RES_OK);
    assert_memory_equal(seen, "abcd", 4);
    assert_null(sim->violation);
    assert_int_equal(f->program(f->context, 8, "abcd", 4), RES_INVALID);
    assert_non_null(sim->violation);
    assert_int_equal(f->erase(f->context, 0), RES_OK);
    assert_int_equal(f->program(f->context, 8, "efgh", 4), RES_OK);
    assert_int_equal(sim->erases[0], 1);
    flash_sim_free(sim);
}

static void reports_a_misaligned_program(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 3, 8, 1);
    struct flash *f = &sim->flash;
    assert_int_equal(f->program(f->context, 4, "abcdefgh", 8), RES_INVALID);
    assert_non_null(sim->violation);
    flash_sim_free(sim);
}

static void is_silent_after_the_cut_until_power_is_on_again(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 3, 1, 1);
    struct flash *f = &sim->flash;
    uint8_t seen[3];
    flash_sim_cut_after(sim, 2, FLASH_SIM_ALL);
    assert_int_equal(f->program(f->context, 0, "a", 1), RES_OK);
    assert_int_equal(f->program(f->context, 1, "b", 1), RES_IO);
    assert_int_equal(f->program(f->context, 2, "c", 1), RES_IO);
    assert_int_equal(f->read(f->context, 0, seen, 3), RES_IO);
    flash_sim_power_on(sim);
    assert_int_equal(f->read(f->context, 0, seen, 3), RES_OK);
    assert_memory_equal(seen, "ab\xff", 3);
    flash_sim_free(sim);
}

static void tears_as_asked(void **state)
{
    (void)state;
    uint8_t zeros[64] = {0};
    uint8_t seen[64];
    for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
        struct flash_sim *sim = flash_sim_new(1024, 3, 1, 7);
        struct flash *f = &sim->flash;
        flash_sim_cut_after(sim, 1, (enum flash_sim_tear)tear);
        assert_int_equal(f->program(f->context, 0, zeros, 64), RES_IO);
        flash_sim_power_on(sim);
        assert_int_equal(f->read(f->context, 0, seen, 64), RES_OK);
        unsigned ones = 0;
        for (unsigned i = 0; i < 512; i++) {
            ones += (unsigned)(seen[i / 8] >> (i % 8)) & 1;
        }
        if (tear == FLASH_SIM_NOTHING) {
            assert_int_equal(ones, 512);
        } else if (tear == FLASH_SIM_ALL) {
            assert_int_equal(ones, 0);
        } else if (tear == FLASH_SIM_BITS) {
            assert_in_range(ones, 100, 400);
        }
        flash_sim_free(sim);
    }
}

static void slices_stay_inside_their_part(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 8, 4, 1);
    struct flash_slice slice;
    uint8_t seen[4];
    assert_int_equal(flash_slice_init(&slice, &sim->flash, 5, 4), RES_INVALID);
    assert_int_equal(flash_slice_init(&slice, &sim->flash, 9, 2), RES_INVALID);
    assert_int_equal(flash_slice_init(&slice, &sim->flash, 2, 3), RES_OK);
    struct flash *f = &slice.flash;
    assert_int_equal(f->program(f->context, 0, "abcd", 4), RES_OK);
    assert_memory_equal(sim->bytes + 2048, "abcd", 4);
    assert_int_equal(f->program(f->context, 3072, "abcd", 4), RES_INVALID);
    assert_int_equal(f->read(f->context, 3070, seen, 4), RES_INVALID);
    assert_int_equal(f->erase(f->context, 3), RES_INVALID);
    assert_int_equal(f->erase(f->context, 0), RES_OK);
    assert_int_equal(sim->bytes[2048], 0xff);
    assert_null(sim->violation);
    flash_sim_free(sim);
}

static void writes_pieces_across_pages_and_reads_them_back(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 3, 16, 1);
    uint8_t data[700];
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    uint32_t end;
    assert_int_equal(flash_io_write(&sim->flash, 112, span_of(data, 30), span_of(data + 30, 670)),
                     RES_OK);
    assert_memory_equal(sim->bytes + 112, data, 700);
    assert_int_equal(sim->operations, 4);
    assert_int_equal(flash_io_used_end(&sim->flash, 0, 1024, &end), RES_OK);
    assert_int_equal(end, 812);
    assert_int_equal(flash_io_used_end(&sim->flash, 816, 1024, &end), RES_OK);
    assert_int_equal(end, 816);
    assert_null(sim->violation);
    flash_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_an_erased_unit_once),
        cmocka_unit_test(reports_a_misaligned_program),
        cmocka_unit_test(is_silent_after_the_cut_until_power_is_on_again),
        cmocka_unit_test(tears_as_asked),
        cmocka_unit_test(slices_stay_inside_their_part),
        cmocka_unit_test(writes_pieces_across_pages_and_reads_them_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
