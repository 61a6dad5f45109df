#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flash_sim.h"
#include "product_cache.h"

static uint64_t seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    return text == NULL ? 20261121 : strtoull(text, NULL, 10);
}

/* A catalogue: item i of version v follows from both; GTINs are 10 apart. */
struct book {
    int64_t version;
    unsigned items;
    unsigned per_chunk;
    struct wire_catalogue chunk;
    char text[WIRE_CATALOGUE_ITEMS_MAX][3][100];
};

static void gtin_of(unsigned i, char gtin[15])
{
    snprintf(gtin, 15, "%014u", 89010000 + i * 10);
}

static unsigned chunks_of(const struct book *b)
{
    return (b->items + b->per_chunk - 1) / b->per_chunk;
}

static int64_t price_of(int64_t version, unsigned i)
{
    return version * 1000 + i;
}

static const struct wire_catalogue *chunk_of(struct book *b, unsigned chunk)
{
    struct wire_catalogue *k = &b->chunk;
    *k = (struct wire_catalogue){.store_id = SPAN_LIT("STORE-MUM-01"),
                                 .version = b->version,
                                 .chunk = chunk,
                                 .chunks = chunks_of(b),
                                 .currency = SPAN_LIT("INR")};
    for (unsigned i = chunk * b->per_chunk; i < (chunk + 1) * b->per_chunk && i < b->items; i++) {
        char(*text)[100] = b->text[k->item_count];
        gtin_of(i, text[0]);
        snprintf(text[1], sizeof text[1], "SKU-%u", i);
        snprintf(text[2], sizeof text[2], "Product %u of version %lld", i, (long long)b->version);
        k->items[k->item_count++] = (struct wire_catalogue_item){
            .gtin = span_text(text[0], 99),
            .sku = span_text(text[1], 99),
            .name = span_text(text[2], 99),
            .price = price_of(b->version, i),
            .weight_g = i,
            .per_kg = i % 2,
        };
    }
    return k;
}

static void expect_product(const struct product_cache *c, int64_t version, unsigned i)
{
    struct product p;
    char gtin[15];
    char text[100];
    gtin_of(i, gtin);
    assert_int_equal(product_cache_find(c, span_text(gtin, 14), &p), RES_OK);
    assert_string_equal(p.gtin, gtin);
    snprintf(text, sizeof text, "SKU-%u", i);
    assert_string_equal(p.sku, text);
    snprintf(text, sizeof text, "Product %u of version %lld", i, (long long)version);
    assert_string_equal(p.name, text);
    assert_string_equal(p.currency, "INR");
    assert_int_equal(p.price_minor, price_of(version, i));
    assert_int_equal(p.weight_g, i);
    assert_int_equal(p.per_kg, i % 2);
}

static void expect_all(const struct product_cache *c, int64_t version, unsigned items)
{
    struct product p;
    char gtin[15];
    assert_int_equal(product_cache_version(c), version);
    for (unsigned i = 0; i < items; i++) {
        expect_product(c, version, i);
    }
    gtin_of(items, gtin);
    assert_int_equal(product_cache_find(c, span_text(gtin, 14), &p), RES_NOT_FOUND);
    assert_int_equal(product_cache_find(c, SPAN_LIT("00000000000001"), &p), RES_NOT_FOUND);
    assert_int_equal(product_cache_find(c, SPAN_LIT("00000089010005"), &p), RES_NOT_FOUND);
}

static unsigned reads;
static struct flash_sim *counted;

static enum res counted_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    reads++;
    return counted->flash.read(context, offset, data, size);
}

static void finds_each_of_two_thousand_with_few_reads(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(4096, 2 * 80, 8, 1);
    struct flash flash = sim->flash;
    static struct book book = {.version = 7, .items = 2000, .per_chunk = 90};
    struct product_cache c;
    struct product p;
    bool complete = false;
    unsigned most = 0;
    counted = sim;
    flash.read = counted_read;
    assert_int_equal(product_cache_open(&c, &flash), RES_OK);
    assert_int_equal(product_cache_version(&c), 0);
    assert_int_equal(product_cache_find(&c, SPAN_LIT("00000089010000"), &p), RES_NOT_FOUND);
    for (unsigned k = chunks_of(&book); k-- > 0;) { /* backwards */
        assert_false(complete);
        assert_int_equal(product_cache_put(&c, chunk_of(&book, k), &complete), RES_OK);
    }
    assert_true(complete);
    expect_all(&c, 7, 2000);
    for (unsigned i = 0; i < 2000; i++) {
        reads = 0;
        expect_product(&c, 7, i);
        most = reads > most ? reads : most;
    }
    printf("at most %u reads of flash a product\n", most);
    assert_true(most <= 14);
    assert_int_equal(product_cache_open(&c, &flash), RES_OK);
    expect_all(&c, 7, 2000);
    assert_null(sim->violation);
    flash_sim_free(sim);
}

static void takes_higher_versions_only(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 12, 8, 1);
    static struct book old = {.version = 4, .items = 9, .per_chunk = 3};
    static struct book new = {.version = 6, .items = 12, .per_chunk = 4};
    static struct book newer = {.version = 9, .items = 10, .per_chunk = 5};
    struct product_cache c;
    bool complete = false;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&new, 0), &complete), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&old, 0), &complete), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&new, 2), &complete), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&new, 2), &complete), RES_OK);
    assert_false(complete);
    assert_int_equal(product_cache_put(&c, chunk_of(&new, 1), &complete), RES_OK);
    assert_true(complete);
    expect_all(&c, 6, 12);
    for (unsigned k = 0; k < 3; k++) { /* retained chunks come again with each connect */
        assert_int_equal(product_cache_put(&c, chunk_of(&new, k), &complete), RES_OK);
        assert_false(complete);
        assert_int_equal(product_cache_put(&c, chunk_of(&old, k), &complete), RES_OK);
        assert_false(complete);
    }
    assert_int_equal(product_cache_put(&c, chunk_of(&newer, 0), &complete), RES_OK);
    expect_all(&c, 6, 12);
    assert_int_equal(product_cache_put(&c, chunk_of(&newer, 1), &complete), RES_OK);
    assert_true(complete);
    expect_all(&c, 9, 10);
    assert_null(sim->violation);
    flash_sim_free(sim);
}

static void refuses_what_is_not_a_catalogue(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 12, 8, 1);
    static struct book book = {.version = 1, .items = 12, .per_chunk = 4};
    static struct book large = {.version = 2, .items = 70, .per_chunk = 35};
    struct product_cache c;
    struct wire_catalogue k;
    bool complete = false;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    k = *chunk_of(&book, 0);
    k.items[1].gtin = k.items[2].gtin;
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_INVALID);
    k = *chunk_of(&book, 0);
    k.chunks = PRODUCT_CACHE_CHUNKS_MAX + 1;
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_LIMIT);
    k = *chunk_of(&book, 0);
    k.items[1].sku = SPAN_LIT("123456789012345678901234567890123");
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_LIMIT);
    assert_int_equal(product_cache_put(&c, chunk_of(&book, 0), &complete), RES_OK);
    k = *chunk_of(&book, 1);
    k.chunks = 2;
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_INVALID);
    k = *chunk_of(&book, 1);
    k.chunk = 2; /* both chunks are sorted, but not one after the other */
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_OK);
    k = *chunk_of(&book, 2);
    k.chunk = 1;
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_INVALID);
    assert_int_equal(product_cache_version(&c), 0);
    for (unsigned n = 0; n < 3; n++) { /* and all is well after */
        assert_int_equal(product_cache_put(&c, chunk_of(&book, n), &complete), RES_OK);
    }
    expect_all(&c, 1, 12);
    assert_int_equal(product_cache_put(&c, chunk_of(&large, 0), &complete), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&large, 1), &complete), RES_FULL);
    expect_all(&c, 1, 12);
    assert_int_equal(product_cache_find(&c, SPAN_LIT("123"), &(struct product){0}), RES_INVALID);
    flash_sim_free(sim);
}

static void cuts_a_long_name_at_a_character(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 12, 8, 1);
    static struct book book = {.version = 1, .items = 1, .per_chunk = 1};
    struct product_cache c;
    struct product p;
    struct wire_catalogue k = *chunk_of(&book, 0);
    char name[97];
    bool complete = false;
    for (unsigned i = 0; i < 32; i++) {
        memcpy(name + 3 * i, "\xe0\xa4\x85", 3);
    }
    k.items[0].name = span_of(name + 1, 95); /* so that the limit falls inside of one */
    name[1] = name[2] = 'x';
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    assert_int_equal(product_cache_put(&c, &k, &complete), RES_OK);
    assert_int_equal(product_cache_find(&c, k.items[0].gtin, &p), RES_OK);
    assert_int_equal(strlen(p.name), 71);
    assert_memory_equal(p.name, name + 1, 71);
    flash_sim_free(sim);
}

/* Three versions, a cut, and the chunks again and again as a broker's retained messages come. */
static uint64_t run(uint32_t unit, uint64_t cut, enum flash_sim_tear tear, uint64_t again)
{
    struct flash_sim *sim = flash_sim_new(1024, 12, unit, seed() + cut);
    static struct book book = {.items = 17, .per_chunk = 4};
    struct product_cache c;
    int64_t answers = 0; /* the version that must answer, or the one being put */
    unsigned waits = 0;
    flash_sim_cut_after(sim, cut, tear);
    enum res r = product_cache_open(&c, &sim->flash);
    for (book.version = 1; book.version <= 3; book.version++) {
        unsigned k = 0;
        while (sim->off || product_cache_version(&c) != book.version) {
            assert_true(++waits < 200);
            if (sim->off) {
                flash_sim_power_cycle(sim);
                flash_sim_cut_after(sim, again, tear);
                again = 0;
                r = product_cache_open(&c, &sim->flash);
                k = 0;
                if (sim->off) {
                    continue;
                }
                assert_int_equal(r, RES_OK);
                int64_t version = product_cache_version(&c);
                assert_true(version == answers || version == book.version);
                if (version != 0) {
                    expect_all(&c, version, book.items);
                }
                continue;
            }
            if (waits % 4 == 0) {
                flash_sim_power_cycle(sim);
                r = product_cache_open(&c, &sim->flash);
                continue;
            }
            bool complete;
            assert_int_equal(r, RES_OK);
            enum res put = product_cache_put(&c, chunk_of(&book, (k++ * 3 + 1) % 5), &complete);
            assert_true(put == RES_OK || put == RES_AGAIN || sim->off);
        }
        answers = book.version;
        expect_all(&c, answers, book.items);
    }
    flash_sim_cut_after(sim, 0, tear);
    flash_sim_power_cycle(sim);
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    expect_all(&c, 3, book.items);
    assert_null(sim->violation);
    uint64_t operations = sim->operations;
    flash_sim_free(sim);
    return operations;
}

static void answers_from_a_whole_version_at_a_cut_of_any_operation(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed());
    for (uint32_t unit = 1; unit <= 32; unit += 31) {
        uint64_t operations = run(unit, 0, FLASH_SIM_NOTHING, 0);
        for (uint64_t cut = 1; cut <= operations; cut++) {
            for (int tear = 0; tear < FLASH_SIM_TEARS; tear++) {
                (void)run(unit, cut, (enum flash_sim_tear)tear, cut % 4);
            }
        }
    }
}

/* A torn entry of the directory reads well later, when its products' place is another chunk's. */
static void passes_over_an_entry_that_comes_back(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 12, 8, 1);
    static struct book book = {.version = 1, .items = 12, .per_chunk = 4};
    struct product_cache c;
    bool complete = false;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&book, 0), &complete), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&book, 1), &complete), RES_OK);
    const struct product_cache_bank *bank = &c.banks[!c.active];
    uint8_t *entry = sim->bytes + bank->first_sector * 1024 + bank->entry[1] * 32;
    entry[1] ^= 0x3c;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&book, 2), &complete), RES_OK);
    assert_false(complete);
    entry[1] ^= 0x3c;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    assert_int_equal(product_cache_version(&c), 0);
    assert_int_equal(product_cache_put(&c, chunk_of(&book, 1), &complete), RES_OK);
    assert_true(complete);
    expect_all(&c, 1, 12);
    assert_null(sim->violation);
    flash_sim_free(sim);
}

/* A version that answered goes on answering until a whole higher one does. */
static void never_goes_back_over_many_cuts(void **state)
{
    (void)state;
    for (uint64_t world = 0; world < 150; world++) {
        struct flash_sim *sim = flash_sim_new(1024, 14, 8, seed() + world);
        static struct book book = {.items = 17, .per_chunk = 3};
        struct product_cache c;
        int64_t answers = 0;
        assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
        book.version = 1;
        for (unsigned step = 0; step < 60; step++) {
            if (sim->off) {
                flash_sim_power_cycle(sim);
                enum res r = product_cache_open(&c, &sim->flash);
                if (sim->off) {
                    continue;
                }
                assert_int_equal(r, RES_OK);
            }
            int64_t version = product_cache_version(&c);
            assert_true(version == answers || version == book.version);
            if (version != 0) {
                expect_all(&c, version, book.items);
            }
            answers = version;
            book.version = version + 1;
            if (sim->cut_at <= sim->operations) {
                flash_sim_cut_after(sim, 1 + rng_below(&sim->rng, 30),
                                    world % 5 == 0 ? FLASH_SIM_BITS : FLASH_SIM_UNSTABLE);
            }
            bool complete;
            for (unsigned i = 0; i < 3 && !sim->off; i++) {
                unsigned k = (unsigned)rng_below(&sim->rng, chunks_of(&book));
                enum res r = product_cache_put(&c, chunk_of(&book, k), &complete);
                assert_true(r == RES_OK || r == RES_AGAIN || sim->off);
                if (product_cache_version(&c) == book.version) {
                    break;
                }
            }
        }
        assert_null(sim->violation);
        flash_sim_free(sim);
    }
}

static void mends_any_flipped_bit(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 12, 8, 1);
    static struct book book = {.version = 1, .items = 17, .per_chunk = 4};
    struct product_cache c;
    bool complete = false;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    for (unsigned k = 0; k < 5; k++) {
        assert_int_equal(product_cache_put(&c, chunk_of(&book, k), &complete), RES_OK);
    }
    assert_true(complete);
    for (uint64_t bit = 0; bit < flash_sim_bits(sim); bit += 29) {
        flash_sim_flip(sim, bit);
        expect_all(&c, 1, 17);
        assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
        expect_all(&c, 1, 17);
        flash_sim_flip(sim, bit);
    }
    assert_null(sim->violation);
    flash_sim_free(sim);
}

static void says_so_when_damage_hides_a_product(void **state)
{
    (void)state;
    struct flash_sim *sim = flash_sim_new(1024, 12, 8, 1);
    static struct book book = {.version = 1, .items = 17, .per_chunk = 17};
    struct product_cache c;
    bool complete = false;
    assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
    assert_int_equal(product_cache_put(&c, chunk_of(&book, 0), &complete), RES_OK);
    for (unsigned hit = 0; hit < 17; hit++) {
        uint8_t *slot = sim->bytes + (c.banks[c.active].first_sector + 1) * 1024 + hit * 128;
        slot[3] ^= 1;
        slot[90] ^= 1;
        for (unsigned i = 0; i < 17; i++) {
            struct product p;
            char gtin[15];
            gtin_of(i, gtin);
            if (i == hit) {
                assert_int_equal(product_cache_find(&c, span_text(gtin, 14), &p), RES_CORRUPT);
            } else {
                expect_product(&c, 1, i);
            }
        }
        slot[3] ^= 1;
        slot[90] ^= 1;
    }
    flash_sim_free(sim);
}

static void opens_over_any_content(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 100; n++) {
        struct flash_sim *sim = flash_sim_new(1024, 12, 4, seed() + n);
        static struct book book = {.version = 1, .items = 17, .per_chunk = 4};
        struct product_cache c;
        bool complete = false;
        for (uint32_t i = 0; i < 12 * 1024; i++) {
            sim->bytes[i] = (uint8_t)rng_next(&sim->rng);
        }
        assert_int_equal(product_cache_open(&c, &sim->flash), RES_OK);
        assert_int_equal(product_cache_version(&c), 0);
        for (unsigned k = 0; k < 5; k++) {
            assert_int_equal(product_cache_put(&c, chunk_of(&book, k), &complete), RES_OK);
        }
        expect_all(&c, 1, 17);
        flash_sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_of_two_thousand_with_few_reads),
        cmocka_unit_test(takes_higher_versions_only),
        cmocka_unit_test(refuses_what_is_not_a_catalogue),
        cmocka_unit_test(cuts_a_long_name_at_a_character),
        cmocka_unit_test(answers_from_a_whole_version_at_a_cut_of_any_operation),
        cmocka_unit_test(passes_over_an_entry_that_comes_back),
        cmocka_unit_test(never_goes_back_over_many_cuts),
        cmocka_unit_test(mends_any_flipped_bit),
        cmocka_unit_test(says_so_when_damage_hides_a_product),
        cmocka_unit_test(opens_over_any_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
