/* What must hold of every face, whatever is on it, and whatever machine draws it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "face.h"
#include "face_layout.h"
#include "face_words.h"
#include "shelf_sample.h"

#define ROUNDS  2000
#define DRAWN   150
#define THREADS 4

static _Alignas(16) uint8_t room[SHELF_SAMPLE_BYTES];

static struct rng seeded(void)
{
    const char *words = getenv("ENDCAP_SEED");
    uint64_t seed = words != NULL ? strtoull(words, NULL, 10) : 20261121;
    struct rng r;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&r, seed);
    return r;
}

static struct shelf_display any_display(struct rng *r)
{
    struct shelf_sample m;
    struct arena a;
    arena_init(&a, room, sizeof room);
    shelf_sample_random(r, SHELF_PRICE_UPDATE, &a, &m);
    return m.display;
}

static const struct shelf_display biscuits = {
    .device_id = SPAN_LIT("ESP32-7Q4K2M"),
    .version = 1,
    .template = SHELF_SALE,
    .language = SHELF_EN,
    .product_id = SPAN_LIT("BRT-GD-200"),
    .name = SPAN_LIT("Britannia Good Day Cashew 200 g"),
    .price_minor = 3150,
    .regular_minor = 4500,
    .mrp_minor = 4700,
    .currency = "INR",
    .is_flash_sale = true,
};

static const struct face_box *box_of(const struct face_layout *l, enum face_role role)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->boxes[i].role == role) {
            return &l->boxes[i];
        }
    }
    return NULL;
}

static void is_text(const struct face_layout *l, enum face_role role, const char *words)
{
    const struct face_box *box = box_of(l, role);
    if (words == NULL) {
        assert_null(box);
        return;
    }
    assert_non_null(box);
    if (!span_equal(box->text, span_of(words, strlen(words)))) {
        fail_msg("%.*s; wanted %s", (int)box->text.size, (const char *)box->text.data, words);
    }
}

static void every_box_lies_on_the_picture(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (int round = 0; round < ROUNDS; round++) {
        struct shelf_display d = any_display(&r);
        struct face_layout l;
        face_layout(&d, &l);
        assert_true(l.count > 0 && l.language == d.language);
        for (size_t i = 0; i < l.count; i++) {
            const struct face_box *b = &l.boxes[i];
            int from = b->after > 0 ? 0 : b->x;
            assert_true(from >= 0 && b->width > 0 && from + b->width <= FACE_WIDTH);
            assert_true(b->y >= 0 && b->y + b->height <= FACE_HEIGHT);
            assert_true(b->after <= (int)i);
            assert_true(b->ink <= FACE_RED);
        }
    }
}

static void the_terminal_has_room_for_every_face(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (int round = 0; round < ROUNDS; round++) {
        struct shelf_display d = any_display(&r);
        char text[FACE_TERMINAL_BYTES];
        struct sink s;
        sink_init(&s, text, sizeof text);
        face_terminal(&d, round % 2 == 0, &s);
        assert_false(s.overflow);
        assert_int_equal(text[s.size - 1], '\n');
        if (round % 2 == 1) {
            assert_null(memchr(text, '\033', s.size)); /* a file shall be readable */
        }
    }
}

static void the_terminal_shows_a_sale(void **state)
{
    (void)state;
    static const char wanted[] = "┌───────────────────────────────────────────────────────\n"
                                 "│ Britannia Good Day Cashew 200\u00a0g\n"
                                 "│ ₹ ▀▀█ ▄█  .50\n"
                                 "│   ▀▀█  █   ₹̶4̶5̶.̶0̶0̶\n"
                                 "│   ▀▀▀ ▀▀▀ \n"
                                 "│ Sale  −30%\n"
                                 "│ BRT-GD-200  MRP ₹47.00\n"
                                 "└───────────────────────────────────────────────────────\n";
    char text[FACE_TERMINAL_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text - 1);
    face_terminal(&biscuits, false, &s);
    text[s.size] = '\0';
    assert_string_equal(text, wanted);
}

static void prices_are_written_as_people_there_do(void **state)
{
    (void)state;
    static const struct {
        int64_t minor;
        const char *currency;
        const char *sign;
        const char *whole;
    } cases[] = {
        {1, "INR", "₹", "0"},
        {99999, "INR", "₹", "999"},
        {100000, "INR", "₹", "1,000"},
        {9999900, "INR", "₹", "99,999"},
        {12500000, "INR", "₹", "1,25,000"},
        {99999999, "INR", "₹", "9,99,999"},
        {99999999, "USD", "$", "999,999"},
        {123456, "EUR", "€", "1,234"},
        {123456, "GBP", "£", "1,234"},
        {123456, "AED", "AED", "1,234"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        struct sink s;
        sink_init(&s, text, sizeof text - 1);
        face_layout_whole(cases[i].minor, cases[i].currency, &s);
        text[s.size] = '\0';
        assert_string_equal(text, cases[i].whole);
        struct span sign = face_layout_sign(cases[i].currency);
        assert_true(span_equal(sign, span_of(cases[i].sign, strlen(cases[i].sign))));
    }
}

static void a_discount_is_never_more_than_is_given(void **state)
{
    (void)state;
    static const struct {
        int64_t price;
        int64_t regular;
        const char *percent;
        const char *struck;
    } cases[] = {
        {3150, 4500, "−30%", "₹45.00"}, {3151, 4500, "−29%", "₹45.00"}, /* 29.98 */
        {4455, 4500, "−1%", "₹45.00"},  {4456, 4500, NULL, "₹45.00"},   /* 0.98 */
        {4500, 4500, NULL, NULL},       {4600, 4500, NULL, NULL},       /* no sale at all */
        {3150, 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shelf_display d = biscuits;
        struct face_layout l;
        d.price_minor = cases[i].price;
        d.regular_minor = cases[i].regular;
        face_layout(&d, &l);
        is_text(&l, FACE_PERCENT, cases[i].percent);
        is_text(&l, FACE_REGULAR, cases[i].struck);
        is_text(&l, FACE_SALE, "Sale");
    }
}

static void every_word_is_there_in_every_language(void **state)
{
    (void)state;
    for (enum face_word w = FACE_WORD_SALE; w < FACE_WORDS; w++) {
        for (enum shelf_language l = SHELF_EN; l < SHELF_LANGUAGES; l++) {
            struct span word = face_words(l, w);
            assert_true(word.size > 0);
            assert_true(l == SHELF_EN || !span_equal(word, face_words(SHELF_EN, w)));
        }
    }
}

/* --- drawn --- */

static void draw(const struct shelf_display *d, struct face_picture *ret)
{
    struct err why = {""};
    if (face_draw(d, ret, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

/* Left of the sale panel and in its margins no ink is left over by the price. */
static void the_dearest_price_leaves_the_panel_alone(void **state)
{
    (void)state;
    for (enum shelf_language l = SHELF_EN; l < SHELF_LANGUAGES; l++) {
        static const int64_t prices[] = {88, 8888, 88888, 888888, 8888888, 88888888};
        for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
            struct shelf_display d = biscuits;
            struct face_picture p;
            d.language = l;
            d.price_minor = prices[i];
            d.regular_minor = 99999999;
            d.per_kg = true;
            draw(&d, &p);
            for (int y = 52; y < 100; y++) {
                for (int x = 197; x < 202; x++) {
                    assert_int_equal(p.dots[y][x], FACE_WHITE);
                }
                assert_int_equal(p.dots[y][0], FACE_WHITE);
                assert_int_equal(p.dots[y][FACE_WIDTH - 1], FACE_WHITE);
            }
        }
    }
}

static void a_picture_survives_its_png(void **state)
{
    (void)state;
    struct rng r = seeded();
    for (int round = 0; round < DRAWN; round++) {
        struct shelf_display d = any_display(&r);
        struct face_picture drawn;
        struct face_picture again;
        uint8_t *png[2] = {NULL, NULL};
        size_t size[2];
        struct err why;
        draw(&d, &drawn);
        assert_int_equal(face_png(&drawn, &png[0], &size[0], &why), RES_OK);
        assert_int_equal(face_png_read(span_of(png[0], size[0]), &again, &why), RES_OK);
        assert_memory_equal(&drawn, &again, sizeof drawn);
        draw(&d, &again);
        assert_int_equal(face_png(&again, &png[1], &size[1], &why), RES_OK);
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(png[0], png[1], size[0]);
        free(png[0]);
        free(png[1]);
    }
}

static void what_is_no_picture_is_refused(void **state)
{
    (void)state;
    struct face_picture p;
    struct err why;
    assert_int_equal(face_png_read(SPAN_LIT("not a PNG"), &p, &why), RES_INVALID);
    assert_int_equal(face_png_read(SPAN_NONE, &p, &why), RES_INVALID);
    uint8_t *png = NULL;
    size_t size;
    draw(&biscuits, &p);
    assert_int_equal(face_png(&p, &png, &size, &why), RES_OK);
    assert_int_equal(face_png_read(span_of(png, size / 2), &p, &why), RES_INVALID);
    free(png);
}

static struct face_picture by_thread[THREADS];

static void *draw_some(void *which)
{
    struct err why;
    for (int i = 0; i < 20; i++) {
        if (face_draw(&biscuits, which, &why) != RES_OK) {
            return NULL;
        }
    }
    return which;
}

static void every_thread_draws_the_same(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, draw_some, &by_thread[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *done = NULL;
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_ptr_equal(done, &by_thread[i]);
        assert_memory_equal(&by_thread[i], &by_thread[0], sizeof by_thread[0]);
    }
}

/* --- other machines: a process of its own with these font settings --- */

struct elsewhere {
    enum res r;
    struct err why;
    struct face_picture picture;
};

static void draw_with_settings(const char *settings, struct elsewhere *ret)
{
    char directory[] = "/tmp/endcap-face-XXXXXX";
    char path[64];
    int ends[2];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/fonts.conf", directory);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "<?xml version=\"1.0\"?><fontconfig><dir>%s</dir>%s</fontconfig>", directory,
            settings);
    fclose(f);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        static struct elsewhere e;
        setenv("FONTCONFIG_FILE", path, 1);
        e.r = face_draw(&biscuits, &e.picture, &e.why);
        ssize_t written = 0;
        for (size_t at = 0; at < sizeof e && written >= 0; at += (size_t)written) {
            written = write(ends[1], (const char *)&e + at, sizeof e - at);
        }
        _exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t more;
    while ((more = read(ends[0], (char *)ret + got, sizeof *ret - got)) > 0) {
        got += (size_t)more;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(got, sizeof *ret);
    unlink(path);
    rmdir(directory);
}

/* Must run before this process draws: the fonts are found once. */
static void a_missing_font_is_named(void **state)
{
    (void)state;
    static struct elsewhere e;
    draw_with_settings("", &e);
    assert_int_equal(e.r, RES_UNAVAILABLE);
    assert_non_null(strstr(e.why.text, "Noto Sans"));
    assert_non_null(strstr(e.why.text, "fonts-noto-core"));
}

static void the_machines_font_settings_change_nothing(void **state)
{
    (void)state;
    static struct elsewhere plain;
    static struct elsewhere odd;
    draw_with_settings("<dir>/usr/share/fonts</dir>", &plain);
    draw_with_settings(
        "<dir>/usr/share/fonts</dir><match target=\"font\">"
        "<edit name=\"antialias\" mode=\"assign\"><bool>true</bool></edit>"
        "<edit name=\"embolden\" mode=\"assign\"><bool>true</bool></edit>"
        "<edit name=\"hintstyle\" mode=\"assign\"><const>hintnone</const></edit></match>"
        "<match target=\"pattern\"><edit name=\"pixelsize\" mode=\"assign\"><double>40</double>"
        "</edit><edit name=\"family\" mode=\"prepend\" binding=\"strong\"><string>Courier</string>"
        "</edit></match>",
        &odd);
    assert_int_equal(plain.r, RES_OK);
    assert_int_equal(odd.r, RES_OK);
    assert_memory_equal(&plain.picture, &odd.picture, sizeof plain.picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_font_is_named),
        cmocka_unit_test(the_machines_font_settings_change_nothing),
        cmocka_unit_test(every_box_lies_on_the_picture),
        cmocka_unit_test(the_terminal_has_room_for_every_face),
        cmocka_unit_test(the_terminal_shows_a_sale),
        cmocka_unit_test(prices_are_written_as_people_there_do),
        cmocka_unit_test(a_discount_is_never_more_than_is_given),
        cmocka_unit_test(every_word_is_there_in_every_language),
        cmocka_unit_test(the_dearest_price_leaves_the_panel_alone),
        cmocka_unit_test(a_picture_survives_its_png),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(every_thread_draws_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
