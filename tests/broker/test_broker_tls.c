/* Who gets in: P1 and P2 over a real broker, TLS versions and suites, resumption. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "broker_fixture.h"
#include "clock.h"
#include "raw_client.h"
#include "rng.h"
#include "timestamp.h"

#define CASES    120 /* of each kind */
#define DAY_MS   INT64_C(86400000)
#define WAIT_MS  5000
#define STORE_ID "STORE-1"

static struct broker_fixture fixture;
static struct rng rng;

static struct pki_certificate issue(const struct pki_ca *ca, enum pki_kind kind, const char *id,
                                    int64_t not_before_ms, int64_t not_after_ms)
{
    struct pki_certificate made;
    struct pki_request request = {.kind = kind,
                                  .id = span_of(id, strlen(id)),
                                  .store_id = kind == PKI_SERVICE ? SPAN_NONE : SPAN_LIT(STORE_ID),
                                  .not_before_ms = not_before_ms,
                                  .not_after_ms = not_after_ms};
    struct err why = {""};
    if (pki_issue_with_key(ca, &request, &made, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    return made;
}

static struct pki_certificate issue_valid(enum pki_kind kind, const char *id)
{
    int64_t now_ms = clock_utc_ms();
    return issue(fixture.ca, kind, id, now_ms - DAY_MS, now_ms + DAY_MS);
}

static struct raw_client_options options_for(const struct pki_certificate *certificate,
                                             const char *client_id)
{
    return (struct raw_client_options){.port = fixture.port,
                                       .ca_file = fixture.ca_file,
                                       .certificate_pem =
                                           certificate == NULL ? NULL : certificate->pem,
                                       .key_pem = certificate == NULL ? NULL : certificate->key_pem,
                                       .client_id = client_id};
}

static void random_id(enum pki_kind kind, char ret_id[PKI_ID_BYTES_MAX + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t size = kind == PKI_CART ? 4 + rng_below(&rng, 9) : 3 + rng_below(&rng, 10);
    struct sink s;
    sink_init(&s, ret_id, PKI_ID_BYTES_MAX);
    sink_text(&s, kind == PKI_CART ? "CART-" : "ESP32-");
    for (size_t i = 0; i < size; i++) {
        sink_byte(&s, (uint8_t)alphabet[rng_below(&rng, sizeof alphabet - 1)]);
    }
    ret_id[s.size] = '\0';
}

static size_t log_size(void)
{
    char *log = broker_fixture_log(&fixture);
    size_t size = strlen(log);
    free(log);
    return size;
}

/* Waits for a line, written after `from`, that holds all the texts; checks its time. */
static void expect_line(size_t from, int64_t since_ms, const char *const *texts, size_t count)
{
    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 10) {
        char *log = broker_fixture_log(&fixture);
        for (char *line = log + from, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            size_t found = 0;
            *end = '\0';
            while (found < count && strstr(line, texts[found]) != NULL) {
                found++;
            }
            if (found == count) {
                int64_t time_ms;
                assert_memory_equal(line, "{\"time\":\"", 9);
                assert_int_equal(timestamp_read(span_of(line + 9, TIMESTAMP_TEXT_BYTES), &time_ms),
                                 RES_OK);
                assert_true(time_ms >= since_ms && time_ms <= clock_utc_ms());
                free(log);
                return;
            }
        }
        free(log);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("no line in the security log with \"%s\" and \"%s\"", texts[0], texts[1]);
}

static void expect_refused(const struct raw_client_options *o, const char *reason,
                           const struct pki_certificate *claimed)
{
    struct raw_client client;
    size_t from = log_size();
    int64_t since_ms = clock_utc_ms();
    char device[64] = "";
    char serial[64] = "";
    char why[128];
    assert_int_not_equal(raw_client_open(&client, o), RAW_CLIENT_CONNECTED);
    raw_client_close(&client);
    (void)snprintf(why, sizeof why, "\"reason\":\"%s", reason);
    if (claimed != NULL) {
        (void)snprintf(device, sizeof device, "\"device\":\"%s\"", claimed->identity.id);
        (void)snprintf(serial, sizeof serial, "\"serial\":\"%s\"", claimed->identity.serial);
    }
    expect_line(from, since_ms,
                (const char *const[]){"\"what\":\"connection_refused\"", why,
                                      "\"address\":\"127.0.0.1", device, serial},
                5);
}

/* Feature: smartshelf-india, Property 1: Device Authentication with Valid Certificates */
static void lets_every_valid_certificate_in_encrypted(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 1: Device Authentication with Valid "
                  "Certificates (240 cases)\n");
    for (int i = 0; i < 2 * CASES; i++) {
        char id[PKI_ID_BYTES_MAX + 1];
        struct raw_client client;
        enum pki_kind kind = i % 2 == 0 ? PKI_CART : PKI_LABEL;
        random_id(kind, id);
        struct pki_certificate certificate = issue_valid(kind, id);
        struct raw_client_options o = options_for(&certificate, id);
        o.version_311 = rng_below(&rng, 4) == 0;
        o.tls_max = rng_below(&rng, 3) == 0 ? TLS1_2_VERSION : 0;
        assert_int_equal(raw_client_open(&client, &o), RAW_CLIENT_CONNECTED);
        assert_true(SSL_version(client.ssl) >= TLS1_2_VERSION);
        assert_int_equal(SSL_CIPHER_is_aead(SSL_get_current_cipher(client.ssl)), 1);
        raw_client_close(&client);
    }
}

enum flaw { EXPIRED, NOT_YET, REVOKED, SELF_SIGNED, OTHER_CA, NO_CERTIFICATE, FLAWS };

/* A CA of its own: its root is used as a self-signed client, or signs one. */
static struct pki_ca *other_ca(void)
{
    static struct pki_ca *ca;
    char path[96];
    if (ca == NULL) {
        (void)snprintf(path, sizeof path, "%s/other", fixture.directory);
        assert_int_equal(file_make_directory(path, 0700, NULL), RES_OK);
        assert_int_equal(pki_ca_create(path, NULL), RES_OK);
        assert_int_equal(pki_ca_open(path, &ca, NULL), RES_OK);
    }
    return ca;
}

/* The same names, signed with the certificate's own key. */
static void sign_by_itself(struct pki_certificate *certificate)
{
    BIO *bio = BIO_new_mem_buf(certificate->pem, -1);
    BIO *key_bio = BIO_new_mem_buf(certificate->key_pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    assert_int_equal(X509_set_issuer_name(x509, X509_get_subject_name(x509)), 1);
    int at = X509_get_ext_by_NID(x509, NID_authority_key_identifier, -1);
    X509_EXTENSION_free(X509_delete_ext(x509, at));
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    assert_int_equal(pki_x509_pem(x509, certificate->pem), RES_OK);
    X509_free(x509);
    EVP_PKEY_free(key);
    BIO_free(bio);
    BIO_free(key_bio);
}

/* Made and revoked together: a list is written with an fsync. */
static const struct pki_certificate *revoked_certificates(enum pki_kind kind)
{
    static struct pki_certificate made[2][CASES / FLAWS];
    struct pki_certificate *of_kind = made[kind == PKI_LABEL];
    if (of_kind[0].pem[0] == '\0') {
        for (size_t i = 0; i < CASES / FLAWS; i++) {
            char id[PKI_ID_BYTES_MAX + 1];
            random_id(kind, id);
            of_kind[i] = issue_valid(kind, id);
        }
        broker_fixture_revoke(&fixture, of_kind, CASES / FLAWS);
    }
    return of_kind;
}

static void refuse_one(enum flaw flaw, enum pki_kind kind, size_t number)
{
    static const char *const reasons[FLAWS] = {
        [EXPIRED] = "certificate has expired",
        [NOT_YET] = "certificate is not yet valid",
        [REVOKED] = "certificate revoked",
        [SELF_SIGNED] = "self-signed certificate",
        [OTHER_CA] = "unable to get local issuer certificate",
        [NO_CERTIFICATE] = "peer did not return a certificate"};
    char id[PKI_ID_BYTES_MAX + 1];
    int64_t now_ms = clock_utc_ms();
    int64_t some_ms = 60000 + (int64_t)rng_below(&rng, 300) * DAY_MS;
    random_id(kind, id);
    struct pki_certificate certificate;
    if (flaw == EXPIRED) {
        certificate = issue(fixture.ca, kind, id, now_ms - some_ms - DAY_MS, now_ms - some_ms);
    } else if (flaw == NOT_YET) {
        certificate = issue(fixture.ca, kind, id, now_ms + some_ms, now_ms + some_ms + DAY_MS);
    } else if (flaw == OTHER_CA) {
        certificate = issue(other_ca(), kind, id, now_ms - DAY_MS, now_ms + DAY_MS);
    } else {
        certificate = flaw == REVOKED ? revoked_certificates(kind)[number] : issue_valid(kind, id);
    }
    if (flaw == SELF_SIGNED) {
        sign_by_itself(&certificate);
    }
    struct raw_client_options o =
        options_for(flaw == NO_CERTIFICATE ? NULL : &certificate, certificate.identity.id);
    o.version_311 = rng_below(&rng, 4) == 0;
    o.tls_max = rng_below(&rng, 3) == 0 ? TLS1_2_VERSION : 0;
    expect_refused(&o, reasons[flaw], flaw == NO_CERTIFICATE ? NULL : &certificate);
}

/* Feature: smartshelf-india, Property 2: Device Authentication Rejection for Invalid Certificates
 */
static void refuses_and_logs_every_invalid_certificate(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 2: Device Authentication Rejection for "
                  "Invalid Certificates (240 cases)\n");
    for (int i = 0; i < CASES; i++) {
        refuse_one((enum flaw)(i % FLAWS), PKI_CART, (size_t)i / FLAWS);
        refuse_one((enum flaw)(i % FLAWS), PKI_LABEL, (size_t)i / FLAWS);
    }
}

static void refuses_old_tls_and_suites_without_aead(void **state)
{
    (void)state;
    struct pki_certificate certificate = issue_valid(PKI_CART, "CART-0001");
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA",
                                         "AES128-GCM-SHA256", "ALL:!AESGCM:!CHACHA20:!AESCCM"};
    struct raw_client_options o = options_for(&certificate, "CART-0001");
    o.tls_min = TLS1_VERSION;
    o.tls_max = TLS1_1_VERSION;
    expect_refused(&o, "unsupported protocol", NULL);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        o.tls_min = o.tls_max = TLS1_2_VERSION;
        o.ciphers = suites[i];
        expect_refused(&o, "no shared cipher", NULL);
    }
}

static void refuses_the_brokers_own_certificate_as_a_client(void **state)
{
    (void)state;
    struct pki_certificate server;
    assert_int_equal(pki_issue_server(fixture.ca, NULL, 0, 1, &server, NULL), RES_OK);
    struct raw_client_options o = options_for(&server, "endcap broker");
    expect_refused(&o, "unsuitable certificate purpose", NULL);
}

static void resumes_no_tls_session(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct pki_certificate certificate = issue_valid(PKI_CART, "CART-0002");
        struct raw_client client;
        struct raw_client_options o = options_for(&certificate, "CART-0002");
        o.tls_min = o.tls_max = versions[i];
        assert_int_equal(raw_client_open(&client, &o), RAW_CLIENT_CONNECTED);
        /* A copy: closing without a goodbye spoils the original. */
        o.resume = SSL_SESSION_dup(SSL_get_session(client.ssl));
        assert_int_equal(SSL_SESSION_is_resumable(o.resume), 0);
        raw_client_close(&client);
        assert_int_equal(raw_client_open(&client, &o), RAW_CLIENT_CONNECTED);
        assert_int_equal(SSL_session_reused(client.ssl), 0);
        raw_client_close(&client);
        broker_fixture_revoke(&fixture, &certificate, 1);
        expect_refused(&o, "certificate revoked", &certificate);
        SSL_SESSION_free(o.resume);
    }
}

static void refuses_a_client_id_that_is_not_the_certificates_name(void **state)
{
    (void)state;
    struct pki_certificate certificate = issue_valid(PKI_CART, "CART-0003");
    static const char *const ids[] = {"CART-0004", "cart-0003", "CART-00031", "CART-000", "x"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct raw_client_options o = options_for(&certificate, ids[i]);
        expect_refused(&o, "the client id is not the certificate's name", &certificate);
        o.version_311 = true;
        expect_refused(&o, "the client id is not the certificate's name", &certificate);
    }
    struct raw_client_options o = options_for(&certificate, "");
    expect_refused(&o, "it ended before a login", &certificate); /* by Mosquitto itself */
}

static void refuses_sessions_that_outlive_a_connection(void **state)
{
    (void)state;
    struct pki_certificate certificate = issue_valid(PKI_LABEL, "ESP32-AAAAAA");
    struct raw_client_options o = options_for(&certificate, "ESP32-AAAAAA");
    o.keep_session = true;
    expect_refused(&o, "only clean sessions are taken", &certificate);
    o.version_311 = true;
    expect_refused(&o, "only clean sessions are taken", &certificate);
}

static void refuses_services_without_business_here(void **state)
{
    (void)state;
    struct pki_certificate certificate = issue_valid(PKI_SERVICE, "service:api");
    struct raw_client_options o = options_for(&certificate, "service:api");
    expect_refused(&o, "this service has no business with the broker", &certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_every_valid_certificate_in_encrypted),
        cmocka_unit_test(refuses_and_logs_every_invalid_certificate),
        cmocka_unit_test(refuses_old_tls_and_suites_without_aead),
        cmocka_unit_test(refuses_the_brokers_own_certificate_as_a_client),
        cmocka_unit_test(resumes_no_tls_session),
        cmocka_unit_test(refuses_a_client_id_that_is_not_the_certificates_name),
        cmocka_unit_test(refuses_sessions_that_outlive_a_connection),
        cmocka_unit_test(refuses_services_without_business_here),
    };
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    if (!broker_fixture_start(&fixture)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pki_ca_close(other_ca());
    broker_fixture_stop(&fixture);
    return failed;
}
