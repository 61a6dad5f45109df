/* What a label looks like: every picture is compared, dot by dot, with the one in golden/ that a
 * person has looked at. ENDCAP_RENEW=1 writes them anew: look at them then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "face.h"
#include "file.h"

#define PATH_MAX_BYTES 512

enum look { STANDARD, SALE, PER_KG, LONG_NAME, UNASSIGNED, WITHDRAWN, LOOKS };
static const char *const look_names[LOOKS] = {"standard",  "sale",       "per-kg",
                                              "long-name", "unassigned", "withdrawn"};

static const char *const milk[SHELF_LANGUAGES] = {
    "Amul Taaza Toned Milk 1 L", "अमूल ताज़ा टोन्ड दूध 1 L", "அமுல் தாசா பால் 1 L",
    "అమూల్ తాజా పాలు 1 L",           "আমুল তাজা টোন্ড দুধ 1 L", "अमूल ताझा टोन्ड दूध 1 L"};
static const char *const biscuits[SHELF_LANGUAGES] = {
    "Britannia Good Day Cashew 200 g",  "ब्रिटानिया गुड डे काजू बिस्कुट 200 g",
    "பிரிட்டானியா குட் டே முந்திரி 200 g", "బ్రిటానియా గుడ్ డే జీడిపప్పు 200 g",
    "ব্রিটানিয়া গুড ডে কাজু বিস্কুট 200 g",  "ब्रिटानिया गुड डे काजू बिस्किट 200 g"};
static const char *const apples[SHELF_LANGUAGES] = {"Shimla Apples", "शिमला सेब",   "சிம்லா ஆப்பிள்",
                                                    "సిమ్లా ఆపిల్స్",      "সিমলা আপেল", "शिमला सफरचंद"};
static const char *const oil[SHELF_LANGUAGES] = {
    "Fortune Kachi Ghani Pure Mustard Oil, Cold Pressed, Rich in Omega 3 and Vitamins A, D and E, "
    "Pet Bottle 5 L",
    "फॉर्च्यून कच्ची घानी शुद्ध सरसों का तेल, कोल्ड प्रेस्ड, ओमेगा 3 और विटामिन ए, डी और ई से भरपूर, "
    "पेट बोतल 5 L",
    "ஃபார்ச்சூன் கச்சி கானி தூய கடுகு எண்ணெய், குளிர் அழுத்தப்பட்டது, ஒமேகா 3 மற்றும் வைட்டமின்கள் "
    "நிறைந்தது 5 L",
    "ఫార్చ్యూన్ కచ్చి ఘాని స్వచ్ఛమైన ఆవ నూనె, కోల్డ్ ప్రెస్డ్, ఒమేగా 3 మరియు విటమిన్లు సమృద్ధిగా "
    "ఉన్న పెట్ బాటిల్ 5 L",
    "ফরচুন কাচ্চি ঘানি খাঁটি সরিষার তেল, কোল্ড প্রেসড, ওমেগা ৩ এবং ভিটামিন এ, ডি ও ই সমৃদ্ধ, পেট "
    "বোতল 5 L",
    "फॉर्च्यून कच्ची घाणी शुद्ध मोहरीचे तेल, कोल्ड प्रेस्ड, ओमेगा 3 आणि जीवनसत्त्वे ए, डी आणि ई यांनी "
    "समृद्ध, पेट बाटली 5 L"};

static struct span text(const char *words)
{
    return span_text(words, SHELF_NAME_BYTES_MAX);
}

static struct shelf_display sample(enum look look, enum shelf_language language)
{
    struct shelf_display d = {
        .device_id = SPAN_LIT("ESP32-7Q4K2M"),
        .version = 1,
        .template = SHELF_STANDARD,
        .language = language,
        .product_id = SPAN_LIT("PROD-12345"),
        .name = text(milk[language]),
        .price_minor = 6500,
        .mrp_minor = 6800,
        .currency = "INR",
    };
    switch (look) {
    case STANDARD:
        break;
    case SALE:
        d.template = SHELF_SALE;
        d.is_flash_sale = true;
        d.name = text(biscuits[language]);
        d.product_id = SPAN_LIT("BRT-GD-200");
        d.price_minor = 3150;
        d.regular_minor = 4500;
        d.mrp_minor = 4500;
        break;
    case PER_KG:
        d.name = text(apples[language]);
        d.product_id = SPAN_LIT("FRU-0017");
        d.price_minor = 18990;
        d.mrp_minor = 0;
        d.per_kg = true;
        break;
    case LONG_NAME:
        d.name = text(oil[language]);
        d.product_id = SPAN_LIT("OIL-MUS-FORTUNE-5000ML-PET");
        d.price_minor = 129999;
        d.mrp_minor = 145000;
        break;
    case UNASSIGNED:
        d.template = SHELF_UNASSIGNED;
        d.product_id = SPAN_NONE;
        d.name = SPAN_NONE;
        d.price_minor = 0;
        d.mrp_minor = 0;
        break;
    case WITHDRAWN:
    case LOOKS:
        d.template = SHELF_WITHDRAWN;
        d.price_minor = 0;
        d.mrp_minor = 0;
        break;
    }
    return d;
}

static void draw(const struct shelf_display *d, struct face_picture *ret)
{
    struct err why = {""};
    enum res r = face_draw(d, ret, &why);
    if (r != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static size_t read_file(const char *path, uint8_t *data, size_t room)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s is not there; ENDCAP_RENEW=1 writes it", path);
        return 0;
    }
    size_t size = fread(data, 1, room, f);
    fclose(f);
    return size;
}

static void compare(const char *name, const struct shelf_display *d)
{
    static uint8_t golden[65536];
    struct face_picture drawn;
    struct face_picture wanted;
    char path[PATH_MAX_BYTES];
    struct err why = {""};
    const char *renew = getenv("ENDCAP_RENEW");
    draw(d, &drawn);
    (void)snprintf(path, sizeof path, "%s/%s.png", GOLDEN, name);
    if (renew != NULL && strcmp(renew, "1") == 0) {
        uint8_t *png = NULL;
        size_t size = 0;
        assert_int_equal(face_png(&drawn, &png, &size, &why), RES_OK);
        write_file(path, png, size);
        free(png);
        return;
    }
    size_t size = read_file(path, golden, sizeof golden);
    if (face_png_read(span_of(golden, size), &wanted, &why) != RES_OK) {
        fail_msg("%s: %s", path, why.text);
    }
    size_t differing = 0;
    for (size_t i = 0; i < sizeof drawn.dots; i++) {
        differing += ((const uint8_t *)drawn.dots)[i] != ((const uint8_t *)wanted.dots)[i] ? 1 : 0;
    }
    if (differing > 0) {
        fail_msg("%s: %zu dots differ. Drawn with %s; the pictures were made with %s. If these are "
                 "the same, the layout has changed: look at the new picture (ENDCAP_RENEW=1).",
                 name, differing, face_versions(), GOLDEN_VERSIONS);
    }
}

static void draws_what_a_person_has_looked_at(void **state)
{
    (void)state;
    for (enum shelf_language l = SHELF_EN; l < SHELF_LANGUAGES; l++) {
        for (enum look look = STANDARD; look < LOOKS; look++) {
            char name[64];
            struct shelf_display d = sample(look, l);
            (void)snprintf(name, sizeof name, "%s-%s", shelf_language_name(l), look_names[look]);
            compare(name, &d);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_what_a_person_has_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
