/* The keys and certificates of a virtual device that are renewed, and its NFC tag. */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nfc_file.h"
#include "renewal_file.h"

#define DER_BYTES_MAX 2048

static struct {
    char directory[64];
    char certificate_file[96];
    char key_file[96];
    char used_certificate[FILE_PATH_BYTES_MAX];
    unsigned uses;
    struct renewal_file file;
} t;

static void use(void *context, const char *certificate_file, const char *key_file)
{
    (void)context;
    (void)key_file;
    snprintf(t.used_certificate, sizeof t.used_certificate, "%s", certificate_file);
    t.uses++;
}

static X509 *certify(EVP_PKEY *key)
{
    X509 *x509 = X509_new();
    X509_NAME *name = X509_NAME_new();
    assert_non_null(x509);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"ESP32-TEST01", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(x509, name), 1);
    assert_int_equal(X509_set_issuer_name(x509, name), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
    assert_int_equal(X509_set_pubkey(x509, key), 1);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    X509_NAME_free(name);
    return x509;
}

static size_t der_of(X509 *x509, uint8_t der[DER_BYTES_MAX])
{
    unsigned char *at = der;
    int size = i2d_X509(x509, NULL);
    assert_in_range(size, 1, DER_BYTES_MAX);
    assert_int_equal(i2d_X509(x509, &at), size);
    return (size_t)size;
}

static void open_file(void)
{
    struct err why = {""};
    enum res r = renewal_file_open(&t.file, t.directory, t.certificate_file, t.key_file, &why);
    assert_int_equal(r, RES_OK);
    t.file.use = use;
}

/* The certificate that answers the request of this number. */
static size_t answer(int64_t number, uint8_t der[DER_BYTES_MAX])
{
    uint8_t csr[RENEWAL_CSR_BYTES_MAX];
    struct sink s;
    const struct renewal *r = &t.file.renewal;
    sink_init(&s, csr, sizeof csr);
    assert_int_equal(r->request(r->context, number, &s), RES_OK);
    const unsigned char *at = csr;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)s.size);
    assert_non_null(req);
    EVP_PKEY *key = X509_REQ_get_pubkey(req);
    assert_int_equal(X509_REQ_verify(req, key), 1);
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(req), NID_commonName, name, sizeof name);
    assert_string_equal(name, "ESP32-TEST01");
    /* Only the public half is known here: any issuer will do. */
    EVP_PKEY *issuer = EVP_EC_gen("P-256");
    X509 *x509 = certify(issuer);
    assert_int_equal(X509_set_pubkey(x509, key), 1);
    assert_true(X509_sign(x509, issuer, EVP_sha256()) > 0);
    size_t size = der_of(x509, der);
    X509_free(x509);
    EVP_PKEY_free(issuer);
    EVP_PKEY_free(key);
    X509_REQ_free(req);
    return size;
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    snprintf(t.directory, sizeof t.directory, "/tmp/test_renewal_XXXXXX");
    assert_non_null(mkdtemp(t.directory));
    snprintf(t.certificate_file, sizeof t.certificate_file, "%s/first.crt", t.directory);
    snprintf(t.key_file, sizeof t.key_file, "%s/first.key", t.directory);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = certify(key);
    FILE *f = fopen(t.certificate_file, "we");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x509), 1);
    fclose(f);
    f = fopen(t.key_file, "we");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_free(x509);
    EVP_PKEY_free(key);
    open_file();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {
        "first.crt",     "first.key",     "renewal-1.crt",   "renewal-1.key",
        "renewal-2.crt", "renewal-2.key", "renewal.present", "tag"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", t.directory, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(t.directory), 0);
    return 0;
}

static bool is_there(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", t.directory, name);
    return access(path, F_OK) == 0;
}

static void asks_twice_with_the_same_key(void **state)
{
    (void)state;
    uint8_t first[DER_BYTES_MAX];
    uint8_t second[DER_BYTES_MAX];
    const struct renewal *r = &t.file.renewal;
    size_t first_size = answer(1, first);
    open_file(); /* after a restart too */
    size_t second_size = answer(1, second);
    assert_int_equal(r->install(r->context, 1, span_of(first, first_size)), RES_OK);
    assert_int_equal(r->install(r->context, 1, span_of(second, second_size)), RES_OK);
}

static void shows_the_new_pair_when_it_is_selected_and_the_old_one_else(void **state)
{
    (void)state;
    uint8_t der[DER_BYTES_MAX];
    const struct renewal *r = &t.file.renewal;
    r->select(r->context, false);
    r->select(r->context, true); /* there is none yet */
    assert_int_equal(t.uses, 0);
    size_t size = answer(1, der);
    assert_int_equal(r->install(r->context, 1, span_of(der, size)), RES_OK);
    r->select(r->context, true);
    assert_non_null(strstr(t.used_certificate, "renewal-1.crt"));
    r->select(r->context, false);
    assert_string_equal(t.used_certificate, t.certificate_file);
    open_file(); /* not committed: the old one */
    assert_string_equal(t.file.certificate_file, t.certificate_file);
}

static void keeps_the_new_pair_and_destroys_the_one_before(void **state)
{
    (void)state;
    uint8_t der[DER_BYTES_MAX];
    const struct renewal *r = &t.file.renewal;
    for (int64_t number = 1; number <= 2; number++) {
        size_t size = answer(number, der);
        assert_int_equal(r->install(r->context, number, span_of(der, size)), RES_OK);
        r->select(r->context, true);
        assert_int_equal(r->commit(r->context, number), RES_OK);
        open_file();
        assert_int_equal(t.file.present, number);
    }
    assert_false(is_there("renewal-1.key") || is_there("renewal-1.crt"));
    assert_true(is_there("first.key")); /* provisioning's files are not ours */
    assert_non_null(strstr(t.file.key_file, "renewal-2.key"));
    /* Once more, as after a cut between commit and the label's own note of it. */
    size_t size = answer(2, der);
    assert_int_equal(r->install(r->context, 2, span_of(der, size)), RES_OK);
    assert_int_equal(r->commit(r->context, 2), RES_OK);
    assert_true(is_there("renewal-2.key") && is_there("renewal-2.crt"));
}

static void refuses_a_certificate_that_is_not_for_its_key(void **state)
{
    (void)state;
    uint8_t der[DER_BYTES_MAX];
    const struct renewal *r = &t.file.renewal;
    size_t size = answer(1, der);
    assert_int_equal(r->install(r->context, 2, span_of(der, size)), RES_INVALID);
    assert_int_equal(r->install(r->context, 1, SPAN_LIT("no certificate")), RES_INVALID);
    assert_int_equal(r->install(r->context, 1, span_of(der, size - 1)), RES_INVALID);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = certify(key);
    size = der_of(x509, der);
    assert_int_equal(r->install(r->context, 1, span_of(der, size)), RES_INVALID);
    assert_int_equal(r->commit(r->context, 1), RES_IO);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static void refuses_a_note_that_is_not_its_own(void **state)
{
    (void)state;
    char path[128];
    struct err why = {""};
    snprintf(path, sizeof path, "%s/renewal.present", t.directory);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("7x\n", f);
    fclose(f);
    assert_int_equal(renewal_file_open(&t.file, t.directory, t.certificate_file, t.key_file, &why),
                     RES_CORRUPT);
    assert_non_null(strstr(why.text, "renewal.present"));
}

static void keeps_the_tags_message_in_a_file(void **state)
{
    (void)state;
    char path[128];
    char data[64];
    size_t size;
    struct nfc_file tag;
    struct err why = {""};
    snprintf(path, sizeof path, "%s/tag", t.directory);
    assert_int_equal(nfc_file_init(&tag, path, &why), RES_OK);
    assert_int_equal(tag.nfc.write(tag.nfc.context, SPAN_LIT("first message")), RES_OK);
    assert_int_equal(tag.nfc.write(tag.nfc.context, SPAN_LIT("second")), RES_OK);
    assert_int_equal(file_read(path, data, sizeof data, &size, &why), RES_OK);
    assert_true(span_equal(span_of(data, size), SPAN_LIT("second")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_twice_with_the_same_key, setup, teardown),
        cmocka_unit_test_setup_teardown(shows_the_new_pair_when_it_is_selected_and_the_old_one_else,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_the_new_pair_and_destroys_the_one_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refuses_a_certificate_that_is_not_for_its_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refuses_a_note_that_is_not_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_the_tags_message_in_a_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
