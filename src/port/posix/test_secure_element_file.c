/* The file-backed secure element: keys, signatures, the epoch counter. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "secure_element_file.h"

static char directory[64];
static char key_path[96];
static char pub_path[96];
static char epoch_path[96];

static void write_key(const char *path, EVP_PKEY *key, bool private)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    int wrote = private ? PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)
                        : PEM_write_PUBKEY(f, key);
    assert_int_equal(wrote, 1);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "%s/endcap-secure-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : P_tmpdir);
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(key_path, sizeof key_path, "%s/key", directory);
    snprintf(pub_path, sizeof pub_path, "%s/pub", directory);
    snprintf(epoch_path, sizeof epoch_path, "%s/epoch", directory);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    write_key(key_path, key, true);
    write_key(pub_path, key, false);
    EVP_PKEY_free(key);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(key_path);
    unlink(pub_path);
    unlink(epoch_path);
    return rmdir(directory);
}

static void open_it(struct secure_element_file *file)
{
    struct err why;
    assert_int_equal(secure_element_file_open(file, key_path, pub_path, epoch_path, &why), RES_OK);
}

static void digests_two_pieces_as_one(void **state)
{
    (void)state;
    struct secure_element_file file;
    open_it(&file);
    uint8_t digest[SECURE_DIGEST_BYTES];
    /* FIPS 180-2, appendix B.1: "abc" */
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    assert_int_equal(file.secure.digest(&file, SPAN_LIT("a"), SPAN_LIT("bc"), digest), RES_OK);
    assert_memory_equal(digest, abc, sizeof abc);
    assert_int_equal(file.secure.digest(&file, SPAN_LIT("abc"), SPAN_NONE, digest), RES_OK);
    assert_memory_equal(digest, abc, sizeof abc);
    secure_element_file_close(&file);
}

static void signs_with_the_low_s_only(void **state)
{
    (void)state;
    struct secure_element_file file;
    open_it(&file);
    /* Half the order of P-256, big-endian, begins 7fffffff 80000000. */
    static const uint8_t half[] = {0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00};
    for (int i = 0; i < 64; i++) {
        uint8_t signature[SECURE_SIGNATURE_BYTES];
        struct span message = span_of(&i, sizeof i);
        assert_int_equal(file.secure.sign(&file, message, signature), RES_OK);
        assert_true(memcmp(signature + 32, half, sizeof half) <= 0);
        assert_int_equal(
            file.secure.verify_platform(&file, message, span_of(signature, sizeof signature)),
            RES_OK);
        signature[i] ^= 1;
        assert_int_equal(
            file.secure.verify_platform(&file, message, span_of(signature, sizeof signature)),
            RES_INVALID);
    }
    assert_int_equal(file.secure.verify_platform(&file, SPAN_LIT("x"), SPAN_LIT("short")),
                     RES_INVALID);
    secure_element_file_close(&file);
}

static void the_epoch_only_rises_and_outlives_the_process(void **state)
{
    (void)state;
    struct secure_element_file file;
    int64_t epoch = -1;
    open_it(&file);
    assert_int_equal(file.secure.epoch_read(&file, &epoch), RES_OK);
    assert_int_equal(epoch, 0);
    assert_int_equal(file.secure.epoch_raise(&file, &epoch), RES_OK);
    assert_int_equal(file.secure.epoch_raise(&file, &epoch), RES_OK);
    secure_element_file_close(&file);
    open_it(&file);
    assert_int_equal(file.secure.epoch_read(&file, &epoch), RES_OK);
    assert_int_equal(epoch, 2);
    FILE *f = fopen(epoch_path, "we");
    assert_non_null(f);
    fputs("rubbish", f);
    fclose(f);
    assert_int_equal(file.secure.epoch_read(&file, &epoch), RES_CORRUPT);
    assert_int_equal(file.secure.epoch_raise(&file, &epoch), RES_CORRUPT);
    secure_element_file_close(&file);
}

static void refuses_keys_of_another_kind_in_words(void **state)
{
    (void)state;
    struct secure_element_file file;
    struct err why;
    EVP_PKEY *other = EVP_EC_gen("P-384");
    assert_non_null(other);
    write_key(key_path, other, true);
    EVP_PKEY_free(other);
    assert_int_equal(secure_element_file_open(&file, key_path, pub_path, epoch_path, &why),
                     RES_INVALID);
    assert_non_null(strstr(why.text, "P-256"));
    assert_int_equal(secure_element_file_open(&file, "/nonexistent", pub_path, epoch_path, &why),
                     RES_IO);
    assert_non_null(strstr(why.text, "/nonexistent"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(digests_two_pieces_as_one),
        T(signs_with_the_low_s_only),
        T(the_epoch_only_rises_and_outlives_the_process),
        T(refuses_keys_of_another_kind_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
