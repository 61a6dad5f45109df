#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "ecdsa.h"
#include "platform_signer.h"
#include "rng.h"

static const char order_hex[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

static void from_hex(const char *hex, uint8_t *out)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

/* number := n - number, big-endian */
static void negate(uint8_t number[32])
{
    uint8_t n[32];
    from_hex(order_hex, n);
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int d = n[i] - number[i] - borrow;
        borrow = d < 0;
        number[i] = (uint8_t)(d & 0xff);
    }
}

struct vector {
    const char *x, *y, *r, *s;
    const char *message_hex;
};

/* RFC 6979 A.2.5 (keys of NIST P-256, "sample" and "test"), and the first of FIPS 186-4's CAVP
 * SigGen for P-256 with SHA-256 */
static const struct vector vectors[] = {
    {"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
     "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
     "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8", "73616d706c65"},
    {"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
     "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
     "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083", "74657374"},
    {"1ccbe91c075fc7f4f033bfa248db8fccd3565de94bbfb12f3c59ff46c271bf83",
     "ce4014c68811f9a21a1fdb2c0e6113e06db7ca93b7404e78dc7ccd5ca89a4ca9",
     "f3ac8061b514795b8843e3d6629527ed2afd6b1f6a555a7acabb5e6f79c8c2ac",
     "8bf77819ca05a6b2786c76262bf7371cef97b218e96f175a3ccdda2acc058903",
     "5905238877c77421f73e43ee3da6f2d9e2ccad5fc942dcec0cbd25482935faaf416983fe165b1a045ee2bcd2e6dca"
     "3"
     "bdf46c4310a7461f9a37960ca672d3feb5473e253605fb1ddfd28065b53cb5858a8ad28175bf9bd386a5e471ea7a6"
     "5"
     "c17cc934a9d791e91491eb3754d03799790fe2d308d16146d5c9b0d0debd97d79ce8"},
};

static void accepts_the_low_form_of_published_signatures_and_refuses_the_high(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        uint8_t point[ECDSA_POINT_BYTES] = {0x04};
        uint8_t signature[ECDSA_SIGNATURE_BYTES];
        uint8_t message[256];
        from_hex(v->x, point + 1);
        from_hex(v->y, point + 33);
        from_hex(v->r, signature);
        from_hex(v->s, signature + 32);
        from_hex(v->message_hex, message);
        struct span said = span_of(message, strlen(v->message_hex) / 2);
        struct ecdsa_public *key = NULL;
        assert_int_equal(ecdsa_public_new(span_of(point, sizeof point), &key), RES_OK);
        struct span given = span_of(signature, sizeof signature);
        bool high = signature[32] >= 0x80;
        assert_int_equal(ecdsa_verify(key, said, given), high ? RES_LIMIT : RES_OK);
        negate(signature + 32);
        assert_int_equal(ecdsa_verify(key, said, given), high ? RES_OK : RES_LIMIT);
        ecdsa_public_free(key);
    }
}

struct pair {
    struct ecdsa_private *secret;
    struct ecdsa_public *key;
    uint8_t point[ECDSA_POINT_BYTES];
};

static struct pair pair_new(void)
{
    struct pair p = {0};
    assert_int_equal(ecdsa_private_new(&p.secret), RES_OK);
    ecdsa_private_point(p.secret, p.point);
    assert_int_equal(ecdsa_public_new(span_of(p.point, sizeof p.point), &p.key), RES_OK);
    return p;
}

static void pair_free(struct pair *p)
{
    ecdsa_private_free(p->secret);
    ecdsa_public_free(p->key);
}

static void what_it_signs_it_verifies_in_the_low_form(void **state)
{
    (void)state;
    struct pair p = pair_new();
    uint8_t message[800];
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    for (size_t i = 0; i < 200; i++) {
        memset(message, (int)i, sizeof message);
        struct span said = span_of(message, i * 4);
        assert_int_equal(ecdsa_sign(p.secret, said, signature), RES_OK);
        assert_int_equal(ecdsa_verify(p.key, said, span_of(signature, sizeof signature)), RES_OK);
        assert_true(signature[32] < 0x80);
    }
    pair_free(&p);
}

static void refuses_every_flipped_bit(void **state)
{
    (void)state;
    struct pair p = pair_new();
    uint8_t message[40] = "forty bytes of a message that is signed";
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    struct span said = span_of(message, sizeof message);
    struct span given = span_of(signature, sizeof signature);
    assert_int_equal(ecdsa_sign(p.secret, said, signature), RES_OK);
    for (size_t bit = 0; bit < sizeof signature * 8; bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(ecdsa_verify(p.key, said, given), RES_OK);
        signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t bit = 0; bit < sizeof message * 8; bit++) {
        message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(ecdsa_verify(p.key, said, given), RES_INVALID);
        message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(ecdsa_verify(p.key, said, given), RES_OK);
    pair_free(&p);
}

static void refuses_r_and_s_of_zero_n_and_beyond(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct span said = SPAN_LIT("message");
    uint8_t good[ECDSA_SIGNATURE_BYTES];
    assert_int_equal(ecdsa_sign(p.secret, said, good), RES_OK);
    uint8_t odd[4][32] = {{0}};
    from_hex(order_hex, odd[1]);
    from_hex(order_hex, odd[2]);
    odd[2][31]++;
    memset(odd[3], 0xff, 32);
    for (size_t half = 0; half < 2; half++) {
        for (size_t i = 0; i < 4; i++) {
            uint8_t bad[ECDSA_SIGNATURE_BYTES];
            memcpy(bad, good, sizeof bad);
            memcpy(bad + 32 * half, odd[i], 32);
            assert_int_equal(ecdsa_verify(p.key, said, span_of(bad, sizeof bad)), RES_INVALID);
        }
    }
    assert_int_equal(ecdsa_verify(p.key, said, span_of(good, 63)), RES_INVALID);
    assert_int_equal(ecdsa_verify(p.key, said, SPAN_NONE), RES_INVALID);
    pair_free(&p);
}

static void refuses_another_key(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct pair q = pair_new();
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    assert_int_equal(ecdsa_sign(p.secret, SPAN_LIT("m"), signature), RES_OK);
    assert_int_equal(ecdsa_verify(q.key, SPAN_LIT("m"), span_of(signature, sizeof signature)),
                     RES_INVALID);
    pair_free(&p);
    pair_free(&q);
}

static void refuses_points_that_are_not_on_the_curve(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct ecdsa_public *key = NULL;
    uint8_t point[ECDSA_POINT_BYTES];
    for (size_t i = 1; i < sizeof point; i++) {
        memcpy(point, p.point, sizeof point);
        point[i] ^= 1;
        assert_int_equal(ecdsa_public_new(span_of(point, sizeof point), &key), RES_INVALID);
    }
    memcpy(point, p.point, sizeof point);
    point[0] = 0x02;
    assert_int_equal(ecdsa_public_new(span_of(point, sizeof point), &key), RES_INVALID);
    assert_int_equal(ecdsa_public_new(span_of(p.point, 64), &key), RES_INVALID);
    memset(point, 0, sizeof point);
    point[0] = 0x04;
    assert_int_equal(ecdsa_public_new(span_of(point, sizeof point), &key), RES_INVALID);
    assert_null(key);
    pair_free(&p);
}

/* The plain API on DER is an independent second opinion on random keys, messages and damage. */
static void agrees_with_openssls_der_interface(void **state)
{
    (void)state;
    struct rng rng;
    const char *seed = getenv("ENDCAP_SEED");
    uint64_t value = seed == NULL ? 20261121 : strtoull(seed, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)value);
    rng_init(&rng, value);
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    uint8_t point[ECDSA_POINT_BYTES];
    size_t size = 0;
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(pkey, "encoded-pub-key", point, sizeof point, &size), 1);
    assert_int_equal(size, sizeof point);
    struct ecdsa_public *key = NULL;
    assert_int_equal(ecdsa_public_new(span_of(point, size), &key), RES_OK);
    for (int i = 0; i < 300; i++) {
        uint8_t message[64];
        for (size_t k = 0; k < sizeof message; k++) {
            message[k] = (uint8_t)rng_next(&rng);
        }
        uint8_t der[80];
        size_t der_size = sizeof der;
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pkey), 1);
        assert_int_equal(EVP_DigestSign(context, der, &der_size, message, sizeof message), 1);
        EVP_MD_CTX_free(context);
        const uint8_t *p = der;
        ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &p, (long)der_size);
        uint8_t raw[ECDSA_SIGNATURE_BYTES];
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, 32), 32);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + 32, 32), 32);
        ECDSA_SIG_free(parsed);
        struct span said = span_of(message, sizeof message);
        enum res first = ecdsa_verify(key, said, span_of(raw, sizeof raw));
        negate(raw + 32);
        enum res second = ecdsa_verify(key, said, span_of(raw, sizeof raw));
        assert_true((first == RES_OK) != (second == RES_OK));
        assert_true((first == RES_LIMIT) != (second == RES_LIMIT));
    }
    ecdsa_public_free(key);
    EVP_PKEY_free(pkey);
}

static void openssl_accepts_what_we_sign(void **state)
{
    (void)state;
    struct pair p = pair_new();
    char path[] = "/tmp/endcap-keys-XXXXXX";
    assert_non_null(mkdtemp(path));
    char pem[64];
    (void)snprintf(pem, sizeof pem, "%s/key.pem", path);
    assert_int_equal(ecdsa_private_save(p.secret, pem, NULL), RES_OK);
    FILE *file = fopen(pem, "r");
    assert_non_null(file);
    EVP_PKEY *pkey = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void)fclose(file);
    assert_non_null(pkey);
    for (int i = 0; i < 100; i++) {
        uint8_t raw[ECDSA_SIGNATURE_BYTES];
        assert_int_equal(ecdsa_sign(p.secret, SPAN_LIT("hello"), raw), RES_OK);
        ECDSA_SIG *signature = ECDSA_SIG_new();
        assert_int_equal(
            ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)), 1);
        uint8_t *der = NULL;
        int size = i2d_ECDSA_SIG(signature, &der);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey), 1);
        assert_int_equal(EVP_DigestVerify(context, der, (size_t)size, (const uint8_t *)"hello", 5),
                         1);
        EVP_MD_CTX_free(context);
        OPENSSL_free(der);
        ECDSA_SIG_free(signature);
    }
    EVP_PKEY_free(pkey);
    assert_int_equal(unlink(pem), 0);
    assert_int_equal(rmdir(path), 0);
    pair_free(&p);
}

static void hashes_as_published(void **state)
{
    (void)state;
    uint8_t want[32];
    uint8_t got[32];
    /* FIPS 180-2 appendix B.1 */
    from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want);
    assert_int_equal(ecdsa_sha256(SPAN_LIT("abc"), got), RES_OK);
    assert_memory_equal(got, want, 32);
    memset(got, 0, sizeof got);
    assert_int_equal(ecdsa_sha256_two(SPAN_LIT("a"), SPAN_LIT("bc"), got), RES_OK);
    assert_memory_equal(got, want, 32);
    from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", want);
    assert_int_equal(ecdsa_sha256(SPAN_NONE, got), RES_OK);
    assert_memory_equal(got, want, 32);
}

static void keeps_keys_in_files_only_their_owner_reads(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct err why = {""};
    char path[] = "/tmp/endcap-keys-XXXXXX";
    assert_non_null(mkdtemp(path));
    char pem[64];
    char pub[64];
    (void)snprintf(pem, sizeof pem, "%s/platform.key", path);
    (void)snprintf(pub, sizeof pub, "%s/platform.pub", path);
    struct platform_signer *signer = NULL;
    assert_int_equal(platform_signer_open(pem, &signer, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "platform.key"));
    assert_int_equal(ecdsa_private_save(p.secret, pem, &why), RES_OK);
    assert_int_equal(ecdsa_private_save(p.secret, pem, &why), RES_CONFLICT);
    struct stat about;
    assert_int_equal(stat(pem, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);

    assert_int_equal(platform_signer_open(pem, &signer, &why), RES_OK);
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    uint8_t point[ECDSA_POINT_BYTES];
    platform_signer_point(signer, point);
    assert_memory_equal(point, p.point, sizeof point);
    assert_int_equal(platform_signer_sign(signer, SPAN_LIT("ack"), signature), RES_OK);
    assert_int_equal(ecdsa_verify(p.key, SPAN_LIT("ack"), span_of(signature, sizeof signature)),
                     RES_OK);
    platform_signer_close(signer);

    assert_int_equal(ecdsa_point_save(span_of(point, sizeof point), pub, &why), RES_OK);
    assert_int_equal(ecdsa_point_save(span_of(point, sizeof point), pub, &why), RES_OK);
    memset(point, 0, sizeof point);
    assert_int_equal(ecdsa_point_load(pub, point, &why), RES_OK);
    assert_memory_equal(point, p.point, sizeof point);
    assert_int_equal(ecdsa_point_load(pem, point, &why), RES_INVALID);

    assert_int_equal(chmod(pem, 0640), 0);
    struct ecdsa_private *again = NULL;
    assert_int_equal(ecdsa_private_load(pem, &again, &why), RES_DENIED);
    assert_non_null(strstr(why.text, "chmod 600"));
    assert_int_equal(chmod(pub, 0600), 0);
    assert_int_equal(ecdsa_private_load(pub, &again, &why), RES_INVALID);
    assert_null(again);
    assert_int_equal(unlink(pem), 0);
    assert_int_equal(unlink(pub), 0);
    assert_int_equal(rmdir(path), 0);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_low_form_of_published_signatures_and_refuses_the_high),
        cmocka_unit_test(what_it_signs_it_verifies_in_the_low_form),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_r_and_s_of_zero_n_and_beyond),
        cmocka_unit_test(refuses_another_key),
        cmocka_unit_test(refuses_points_that_are_not_on_the_curve),
        cmocka_unit_test(agrees_with_openssls_der_interface),
        cmocka_unit_test(openssl_accepts_what_we_sign),
        cmocka_unit_test(hashes_as_published),
        cmocka_unit_test(keeps_keys_in_files_only_their_owner_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
