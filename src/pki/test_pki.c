#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pki_crl.h"
#include "pki_issue.h"
#include "rng.h"

#define CASES 120

static char directory[64];
static struct pki_ca *ca;

static uint64_t seed(void)
{
    const char *given = getenv("ENDCAP_SEED");
    uint64_t value = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("ENDCAP_SEED=%llu\n", (unsigned long long)value);
    return value;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    (void)snprintf(directory, sizeof directory, "%.30s/endcap-pki-XXXXXX",
                   base != NULL && strlen(base) <= 30 ? base : P_tmpdir);
    return mkdtemp(directory) == NULL || pki_ca_create(directory, NULL) != RES_OK ||
                   pki_ca_open(directory, &ca, NULL) != RES_OK
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    pki_ca_close(ca);
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct pki_request request_for(enum pki_kind kind, const char *id, const char *store_id)
{
    struct pki_request request = {.kind = kind,
                                  .id = span_of(id, strlen(id)),
                                  .store_id = span_of(store_id, strlen(store_id))};
    pki_issue_period(&request, 30);
    return request;
}

static X509 *parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static bool verifies(X509 *certificate, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, pki_ca_certificate(ca)), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, certificate, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_purpose(context, purpose), 1);
    bool ok = X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return ok;
}

static void make_csr(const char *group, bool own_signature, char *ret_pem, size_t size)
{
    EVP_PKEY *key = EVP_EC_gen(group);
    EVP_PKEY *other = EVP_EC_gen(group);
    X509_REQ *csr = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME *name = X509_REQ_get_subject_name(csr);
    assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                                                (const uint8_t *)"service:ingest", -1, -1, 0),
                     1);
    assert_int_equal(X509_REQ_set_pubkey(csr, key), 1);
    assert_true(X509_REQ_sign(csr, own_signature ? key : other, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_REQ(bio, csr), 1);
    assert_int_equal(pki_x509_text(bio, ret_pem, size), RES_OK);
    BIO_free(bio);
    X509_REQ_free(csr);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void accepts_only_ids_of_their_pattern(void **state)
{
    (void)state;
    static const struct {
        enum pki_kind kind;
        const char *id;
        bool valid;
    } cases[] = {
        {PKI_CART, "CART-0001", true},         {PKI_CART, "CART-ABCDEFGHIJKL", true},
        {PKI_CART, "CART-001", false},         {PKI_CART, "CART-ABCDEFGHIJKLM", false},
        {PKI_CART, "CART-00a1", false},        {PKI_CART, "CART-00/1", false},
        {PKI_CART, "CART-00+1", false},        {PKI_CART, "cart-0001", false},
        {PKI_CART, "ESP32-AB12CD", false},     {PKI_LABEL, "ESP32-AB12CD", true},
        {PKI_LABEL, "ESP32-AB", false},        {PKI_LABEL, "ESP32-AB12CD34EF567", false},
        {PKI_SERVICE, "service:ingest", true}, {PKI_SERVICE, "service:", false},
        {PKI_SERVICE, "service:In", false},    {PKI_SERVICE, "ingest", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            pki_identity_id_valid(cases[i].kind, span_of(cases[i].id, strlen(cases[i].id))),
            cases[i].valid);
    }
    assert_true(pki_identity_store_valid(SPAN_LIT("STORE-MUM-01")));
    assert_false(pki_identity_store_valid(SPAN_LIT("ST")));
    assert_false(pki_identity_store_valid(SPAN_LIT("-ABC")));
    assert_false(pki_identity_store_valid(SPAN_LIT("STORE+1")));
    assert_false(pki_identity_store_valid(SPAN_LIT("ABCDEFGHIJKLMNOPQRSTUVWXY")));
}

static void never_replaces_a_ca(void **state)
{
    (void)state;
    struct err why = {""};
    assert_int_equal(pki_ca_create(directory, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "already"));
}

static void keeps_the_ca_key_to_its_owner(void **state)
{
    (void)state;
    char path[128];
    struct stat status;
    struct pki_ca *other = NULL;
    struct err why = {""};
    (void)snprintf(path, sizeof path, "%s/ca.key", directory);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(pki_ca_open(directory, &other, &why), RES_DENIED);
    assert_null(other);
    assert_int_equal(chmod(path, 0600), 0);
}

static void issues_a_client_certificate_that_says_who_and_where(void **state)
{
    (void)state;
    struct pki_request request = request_for(PKI_CART, "CART-0001", "STORE-1");
    struct pki_certificate made;
    struct pki_identity identity;
    assert_int_equal(pki_issue_with_key(ca, &request, &made, NULL), RES_OK);
    X509 *certificate = parse(made.pem);
    assert_int_equal(pki_identity_read(certificate, &identity), RES_OK);
    assert_int_equal(identity.kind, PKI_CART);
    assert_string_equal(identity.id, "CART-0001");
    assert_string_equal(identity.store_id, "STORE-1");
    assert_string_equal(identity.serial, made.identity.serial);
    assert_int_equal(made.public_key[0], 4);
    assert_true(pki_x509_is_p256(X509_get0_pubkey(certificate)));
    assert_true(verifies(certificate, X509_PURPOSE_SSL_CLIENT));
    assert_false(verifies(certificate, X509_PURPOSE_SSL_SERVER));
    X509_free(certificate);
    pki_issue_cleanse(&made);
}

static void issues_a_server_certificate_that_is_no_client(void **state)
{
    (void)state;
    static const char *const names[] = {"broker.store.example", "192.0.2.7", "2001:db8::7"};
    struct pki_certificate made;
    assert_int_equal(pki_issue_server(ca, names, 3, 30, &made, NULL), RES_OK);
    X509 *certificate = parse(made.pem);
    assert_true(verifies(certificate, X509_PURPOSE_SSL_SERVER));
    assert_false(verifies(certificate, X509_PURPOSE_SSL_CLIENT));
    assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, names[0], 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, names[1], 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, names[2], 0), 1);
    X509_free(certificate);
    static const char *const tricks[] = {"a,DNS:b", "x y", "", "dirName:z"};
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        assert_int_equal(pki_issue_server(ca, &tricks[i], 1, 30, &made, NULL), RES_INVALID);
    }
}

static void takes_only_the_key_of_a_signing_request(void **state)
{
    (void)state;
    char csr[PKI_CSR_BYTES_MAX];
    struct pki_request request = request_for(PKI_CART, "CART-0002", "STORE-1");
    struct pki_certificate made;
    make_csr("P-256", true, csr, sizeof csr);
    assert_int_equal(pki_issue_from_csr(ca, &request, span_of(csr, strlen(csr)), &made, NULL),
                     RES_OK);
    assert_string_equal(made.identity.id, "CART-0002"); /* not the service the request asked for */
    assert_string_equal(made.key_pem, "");
}

static void refuses_signing_requests_that_prove_nothing(void **state)
{
    (void)state;
    char csr[PKI_CSR_BYTES_MAX];
    struct pki_request request = request_for(PKI_CART, "CART-0002", "STORE-1");
    struct pki_certificate made;
    struct err why = {""};
    make_csr("P-256", false, csr, sizeof csr);
    assert_int_equal(pki_issue_from_csr(ca, &request, span_of(csr, strlen(csr)), &made, &why),
                     RES_INVALID);
    assert_non_null(strstr(why.text, "proves nothing"));
    make_csr("P-384", true, csr, sizeof csr);
    assert_int_equal(pki_issue_from_csr(ca, &request, span_of(csr, strlen(csr)), &made, &why),
                     RES_INVALID);
    assert_non_null(strstr(why.text, "P-256"));
    assert_int_equal(pki_issue_from_csr(ca, &request, SPAN_LIT("hello"), &made, &why), RES_INVALID);
    assert_int_equal(
        pki_issue_from_csr(ca, &request, span_of(csr, PKI_CSR_BYTES_MAX + 1), &made, &why),
        RES_LIMIT);
}

static void refuses_periods_and_names_that_make_no_sense(void **state)
{
    (void)state;
    struct pki_certificate made;
    struct pki_request request = request_for(PKI_CART, "CART-0001", "STORE-1");
    request.not_after_ms = request.not_before_ms;
    assert_int_equal(pki_issue_with_key(ca, &request, &made, NULL), RES_INVALID);
    request = request_for(PKI_CART, "CART-0001", "STORE-1");
    pki_issue_period(&request, PKI_DEVICE_DAYS_MAX + 2);
    assert_int_equal(pki_issue_with_key(ca, &request, &made, NULL), RES_INVALID);
    request = request_for(PKI_CART, "CART-0001", "");
    assert_int_equal(pki_issue_with_key(ca, &request, &made, NULL), RES_INVALID);
    request = request_for(PKI_SERVICE, "service:ingest", "STORE-1");
    assert_int_equal(pki_issue_with_key(ca, &request, &made, NULL), RES_INVALID);
    request = request_for(PKI_LABEL, "CART-0001", "STORE-1");
    assert_int_equal(pki_issue_with_key(ca, &request, &made, NULL), RES_INVALID);
}

/* Feature: smartshelf-india, Property 6: Unique Certificate Generation on Provisioning */
static void gives_any_two_devices_another_serial_and_subject(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, seed());
    print_message("Feature: smartshelf-india, Property 6: Unique Certificate Generation on "
                  "Provisioning (120 cases)\n");
    static struct pki_certificate made[CASES];
    for (size_t i = 0; i < CASES; i++) {
        char id[PKI_ID_BYTES_MAX + 1];
        enum pki_kind kind = rng_below(&rng, 2) == 0 ? PKI_CART : PKI_LABEL;
        /* Few ids: the same device again is among the pairs. */
        (void)snprintf(id, sizeof id, "%s%06llu", kind == PKI_CART ? "CART-" : "ESP32-",
                       (unsigned long long)rng_below(&rng, 60));
        struct pki_request request = request_for(kind, id, "STORE-1");
        assert_int_equal(pki_issue_with_key(ca, &request, &made[i], NULL), RES_OK);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(made[i].identity.serial, made[j].identity.serial);
            assert_string_not_equal(made[i].subject, made[j].subject);
            assert_memory_not_equal(made[i].public_key, made[j].public_key, PKI_POINT_BYTES);
        }
    }
}

static void writes_a_crl_and_a_sorted_list(void **state)
{
    (void)state;
    struct pki_revoked entries[3] = {{.serial = "7B", .id = "CART-0003", .revoked_ms = 1000000},
                                     {.serial = "0A1B", .id = "CART-0001", .revoked_ms = 2000000},
                                     {.serial = "7A", .id = "ESP32-AB12CD", .revoked_ms = 1}};
    char path[128];
    char text[128] = "";
    assert_int_equal(pki_crl_write(ca, directory, directory, entries, 3, NULL), RES_OK);
    (void)snprintf(path, sizeof path, "%s/revoked.list", directory);
    FILE *list = fopen(path, "r");
    assert_non_null(list);
    assert_true(fread(text, 1, sizeof text - 1, list) > 0);
    assert_int_equal(fclose(list), 0);
    assert_string_equal(text, "0A1B CART-0001\n7A ESP32-AB12CD\n7B CART-0003\n");
    (void)snprintf(path, sizeof path, "%s/crl.pem", directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509_CRL *crl = PEM_read_X509_CRL(file, NULL, NULL, NULL);
    assert_int_equal(fclose(file), 0);
    assert_non_null(crl);
    assert_int_equal(X509_CRL_verify(crl, pki_ca_key(ca)), 1);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), 3);
    X509_CRL_free(crl);
    memcpy(entries[0].serial, "not hex", 8);
    assert_int_equal(pki_crl_write(ca, directory, directory, entries, 1, NULL), RES_INVALID);
}

static void reads_no_identity_from_a_strange_subject(void **state)
{
    (void)state;
    static const struct {
        const char *cn;
        int cn_size;
        const char *ou;
        const char *o;
    } cases[] = {
        {"CART-0001\0X", 11, "cart", "STORE-1"},
        {"CART-0001", 9, "admin", "STORE-1"},
        {"CART-0001", 9, "cart", NULL},
        {"CART-0001", 9, NULL, "STORE-1"},
        {"service:ingest", 14, "cart", "STORE-1"},
        {"service:ingest", 14, "service", "STORE-1"},
        {"CART-#", 6, "cart", "STORE-1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pki_identity identity;
        X509 *certificate = X509_new();
        X509_NAME *name = X509_get_subject_name(certificate);
        (void)X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                         (const uint8_t *)cases[i].cn, cases[i].cn_size, -1, 0);
        if (cases[i].ou != NULL) {
            (void)X509_NAME_add_entry_by_NID(name, NID_organizationalUnitName, V_ASN1_UTF8STRING,
                                             (const uint8_t *)cases[i].ou, -1, -1, 0);
        }
        if (cases[i].o != NULL) {
            (void)X509_NAME_add_entry_by_NID(name, NID_organizationName, V_ASN1_UTF8STRING,
                                             (const uint8_t *)cases[i].o, -1, -1, 0);
        }
        assert_int_equal(pki_identity_read(certificate, &identity), RES_INVALID);
        X509_free(certificate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_only_ids_of_their_pattern),
        cmocka_unit_test(never_replaces_a_ca),
        cmocka_unit_test(keeps_the_ca_key_to_its_owner),
        cmocka_unit_test(issues_a_client_certificate_that_says_who_and_where),
        cmocka_unit_test(issues_a_server_certificate_that_is_no_client),
        cmocka_unit_test(takes_only_the_key_of_a_signing_request),
        cmocka_unit_test(refuses_signing_requests_that_prove_nothing),
        cmocka_unit_test(refuses_periods_and_names_that_make_no_sense),
        cmocka_unit_test(gives_any_two_devices_another_serial_and_subject),
        cmocka_unit_test(writes_a_crl_and_a_sorted_list),
        cmocka_unit_test(reads_no_identity_from_a_strange_subject),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
