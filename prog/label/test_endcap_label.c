/* endcap-label as it ships, against a real Mosquitto over mutual TLS; the test is the platform: it
 * answers shadow/get, sends signed updates, and hears acks. usage: test_endcap_label PROGRAM
 */
#include <assert.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base64.h"
#include "broker_fixture.h"
#include "clock.h"
#include "face.h"
#include "platform_signer.h"
#include "shelf.h"

#define LABEL      "ESP32-IT0001"
#define STORE      "STORE-IT-01"
#define DEADLINE_S 60
#define ARGS_MAX   40
#define ACKS_MAX   256
#define DER_BYTES  2048
#define EVENTS_MAX 4096

extern char **environ;

struct heard {
    enum shelf_ack_status status;
    int64_t version;
    int64_t counter;
    uint8_t digest[SHELF_DIGEST_BYTES];
    char why[SHELF_REASON_BYTES_MAX + 1];
};

static struct {
    const char *program;
    struct broker_fixture broker;
    struct broker_identity_files label;
    struct broker_identity_files ingest;
    struct broker_identity_files worker;
    struct platform_signer *signer;
    struct platform_signer *forger; /* signs well, with another key */
    struct mqtt_client *up;         /* as ingest */
    struct mqtt_client *down;       /* as worker */
    bool up_ready;
    bool down_ready;
    char platform_pub[128];
    char state[128];
    char journal[128];
    char png[128];
    char output[128];
    char errors[128];
    /* the platform's shadow of the label */
    int64_t version;
    bool has_display;
    struct shelf_display display;
    bool has_config;
    struct shelf_config config;
    struct shelf_certificate certificate;
    char der[DER_BYTES];
    /* what was heard */
    unsigned gets;
    int64_t certificate_number;
    char csr[SHELF_UP_BYTES_MAX];
    int64_t epoch;
    int64_t through;
    bool had[EVENTS_MAX];
    size_t ack_count;
    struct heard acks[ACKS_MAX];
} t;

/* --- the platform --- */

static void publish(struct mqtt_client *client, struct platform_signer *signer,
                    enum shelf_topic topic, const struct sink *payload)
{
    char name[SHELF_TOPIC_BYTES];
    char signature[PLATFORM_SIGNER_DIGITS];
    assert_false(payload->overflow);
    shelf_topic_write(SPAN_LIT(LABEL), topic, name);
    enum res r = platform_signer_sign_topic(signer, span_text(name, sizeof name),
                                            sink_span(payload), signature);
    assert_int_equal(r, RES_OK);
    const struct mqtt_property property = {.name = SPAN_LIT(SHELF_SIGNATURE_PROPERTY),
                                           .value = span_of(signature, sizeof signature)};
    /* A refusal here is one more loss that the label must bear. */
    r = mqtt_client_publish(client, name, sink_span(payload), false, &property, NULL);
    (void)r;
}

static void answer(void)
{
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct shelf_state state = {
        .device_id = SPAN_LIT(LABEL),
        .version = t.version,
        .has_display = t.has_display,
        .display = t.display,
        .has_config = t.has_config,
        .config = t.config,
        .certificate = t.certificate,
        .time_ms = clock_utc_ms(),
        .events_epoch = t.epoch,
        .events_through = t.through,
    };
    sink_init(&s, bytes, sizeof bytes);
    shelf_state_encode(&state, &s);
    publish(t.up, t.signer, SHELF_GET_ACCEPTED, &s);
}

static void hear_counter(int64_t epoch, int64_t counter)
{
    assert(counter >= 0);
    assert(counter < EVENTS_MAX - 1);
    if (counter != 0) {
        t.epoch = epoch;
        t.had[counter] = true;
    }
    while (t.had[t.through + 1]) {
        t.through++;
    }
}

static void hear_ack(const struct shelf_ack *ack)
{
    assert_true(t.ack_count < ACKS_MAX);
    struct heard *h = &t.acks[t.ack_count++];
    *h = (struct heard){.status = ack->status, .version = ack->version, .counter = ack->counter};
    memcpy(h->digest, ack->digest, sizeof h->digest);
    assert_int_equal(span_copy_text(ack->why, h->why, sizeof h->why), RES_OK);
    hear_counter(ack->epoch, ack->counter);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    static uint8_t block[SHELF_ARENA_BYTES];
    struct arena a;
    struct span id;
    struct shelf_detail detail;
    struct shelf_ack ack;
    struct shelf_status status;
    struct shelf_report report;
    enum shelf_topic topic;
    (void)context;
    arena_init(&a, block, sizeof block);
    assert_int_equal(shelf_topic_read(message->topic, &id, &topic), RES_OK);
    if (topic == SHELF_GET) {
        t.gets++;
        answer();
    } else if (topic == SHELF_ACK) {
        assert_int_equal(shelf_ack_decode(message->payload, &a, &ack, &detail), RES_OK);
        hear_ack(&ack);
    } else if (topic == SHELF_STATUS) {
        assert_int_equal(shelf_status_decode(message->payload, &a, &status, &detail), RES_OK);
        hear_counter(status.epoch, status.counter);
    } else {
        assert_int_equal(topic, SHELF_REPORT);
        assert_int_equal(shelf_report_decode(message->payload, &a, &report, &detail), RES_OK);
        t.certificate_number = report.certificate_number;
        assert_int_equal(span_copy_text(report.csr, t.csr, sizeof t.csr), RES_OK);
    }
}

static void on_up(void *context)
{
    int id;
    (void)context;
    enum res r = mqtt_client_subscribe(t.up, "$share/ingest/smartshelf/+/+", &id);
    assert_int_equal(r, RES_OK);
    r = mqtt_client_subscribe(t.up, "$share/ingest/smartshelf/+/shadow/+", &id);
    assert_int_equal(r, RES_OK);
    t.up_ready = true;
}

static void on_down(void *context)
{
    (void)context;
    t.down_ready = true;
}

static void step_client(struct mqtt_client *client)
{
    struct err why;
    if (mqtt_client_step(client, 5) == RES_UNAVAILABLE) {
        (void)poll(NULL, 0, 10);
        enum res r = mqtt_client_connect(client, &why);
        (void)r; /* tried again with the next step */
    }
}

static void run_until(bool (*done)(void))
{
    int64_t end_ms = clock_monotonic_ms() + DEADLINE_S * 1000;
    while (!done()) {
        assert_true(clock_monotonic_ms() < end_ms);
        step_client(t.up);
        step_client(t.down);
    }
}

static bool is_ready(void)
{
    return t.up_ready && t.down_ready;
}

/* --- the label's process --- */

static pid_t child;
static int child_status;

static void start_label(const char *const *extra)
{
    char broker[64];
    snprintf(broker, sizeof broker, "localhost:%u", t.broker.port);
    const char *args[ARGS_MAX] = {
        t.program,
        "--label",
        LABEL,
        "--store",
        STORE,
        "--broker",
        broker,
        "--ca",
        t.broker.ca_file,
        "--cert",
        t.label.certificate_file,
        "--key",
        t.label.key_file,
        "--platform-key",
        t.platform_pub,
        "--state",
        t.state,
        "--png",
        t.png,
        "--journal",
        t.journal,
    };
    size_t n = 0;
    while (args[n] != NULL) {
        n++;
    }
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        assert(n < ARGS_MAX - 1);
        args[n++] = extra[i];
    }
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, t.output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, t.errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char *argv[ARGS_MAX];
    for (size_t i = 0; i <= n; i++) {
        argv[i] = i < n ? strdup(args[i]) : NULL;
    }
    assert(t.program != NULL);
    assert_int_equal(posix_spawn(&child, t.program, &files, NULL, argv, environ), 0);
    for (size_t i = 0; i < n; i++) {
        free(argv[i]);
    }
    posix_spawn_file_actions_destroy(&files);
}

static bool label_has_ended(void)
{
    return child == 0 || (waitpid(child, &child_status, WNOHANG) == child && (child = 0, true));
}

static void kill_label(void)
{
    if (child != 0) {
        kill(child, SIGKILL);
        waitpid(child, &child_status, 0);
        child = 0;
    }
}

static char *read_file(const char *path, size_t *ret_size)
{
    static char text[65536];
    FILE *f = fopen(path, "re");
    size_t size = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    if (f != NULL) {
        fclose(f);
    }
    text[size] = '\0';
    if (ret_size != NULL) {
        *ret_size = size;
    }
    return text;
}

/* --- updates --- */

static void seal(struct shelf_display *d)
{
    uint8_t text[SHELF_CANONICAL_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(d, &s);
    assert_int_equal(EVP_Digest(s.data, s.size, d->digest, NULL, EVP_sha256(), NULL), 1);
}

static void price(int64_t version, int64_t price_minor)
{
    static char id[SHELF_UPDATE_ID_BYTES + 1];
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012llx", (unsigned long long)version);
    t.display = (struct shelf_display){
        .device_id = SPAN_LIT(LABEL),
        .update_id = span_text(id, sizeof id),
        .version = version,
        .template = SHELF_STANDARD,
        .language = SHELF_HI,
        .product_id = SPAN_LIT("SKU-1"),
        .name = SPAN_LIT("टाटा नमक 1 किलो"),
        .name_en = SPAN_LIT("Tata salt 1 kg"),
        .price_minor = price_minor,
        .mrp_minor = 100000,
        .currency = "INR",
        .url = SPAN_LIT("https://shop.example/p/SKU-1"),
        .timestamp_ms = clock_utc_ms(),
    };
    seal(&t.display);
    t.has_display = true;
    t.version++;
}

static void send_display(struct platform_signer *signer)
{
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    shelf_display_encode(&t.display, &s);
    publish(t.down, signer, SHELF_PRICE_UPDATE, &s);
}

static const struct heard *find_ack(enum shelf_ack_status status, int64_t version)
{
    for (size_t i = t.ack_count; i > 0; i--) {
        if (t.acks[i - 1].status == status && t.acks[i - 1].version == version) {
            return &t.acks[i - 1];
        }
    }
    return NULL;
}

static bool is_displayed(void)
{
    const struct heard *ack = find_ack(SHELF_DISPLAYED, t.display.version);
    return ack != NULL && memcmp(ack->digest, t.display.digest, sizeof ack->digest) == 0;
}

static bool is_asked(void)
{
    return t.gets > 0;
}

static bool is_refused(void)
{
    return find_ack(SHELF_REFUSED, 0) != NULL;
}

/* The file shows what the preview of the platform would. */
static void assert_pictured(void)
{
    static struct face_picture expected;
    static struct face_picture found;
    struct err why = {""};
    size_t size;
    char *data = read_file(t.png, &size);
    assert_int_equal(face_png_read(span_of(data, size), &found, &why), RES_OK);
    assert_int_equal(face_draw(&t.display, &expected, &why), RES_OK);
    assert_memory_equal(&found, &expected, sizeof found);
}

/* --- tests --- */

static void forget(void)
{
    static const char *const files[] = {"flash.bin", "epoch", "tag.ndef", "renewal.present"};
    char path[200];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", t.state, files[i]);
        unlink(path);
    }
    unlink(t.journal);
    unlink(t.png);
    memset(t.had, 0, sizeof t.had);
    t.ack_count = 0;
    t.gets = 0;
    t.epoch = 0;
    t.through = 0;
    t.has_display = false;
    t.has_config = false;
    t.certificate = (struct shelf_certificate){0};
    t.csr[0] = '\0';
}

static int setup(void **state)
{
    (void)state;
    snprintf(t.state, sizeof t.state, "%s/state", t.broker.directory);
    snprintf(t.journal, sizeof t.journal, "%s/journal", t.broker.directory);
    snprintf(t.png, sizeof t.png, "%s/label.png", t.broker.directory);
    forget();
    run_until(is_ready);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kill_label();
    return 0;
}

static void shows_an_update_and_confirms_its_digest(void **state)
{
    (void)state;
    size_t size;
    start_label(NULL);
    run_until(is_asked);
    price(1, 6550);
    send_display(t.signer);
    run_until(is_displayed);
    assert_pictured();
    char path[200];
    snprintf(path, sizeof path, "%s/tag.ndef", t.state);
    const char *tag = read_file(path, &size);
    assert_int_equal(size, 5 + strlen("shop.example/p/SKU-1"));
    assert_string_equal(tag + 5, "shop.example/p/SKU-1");
    kill(child, SIGTERM);
    run_until(label_has_ended);
    assert_int_equal(child_status, 0);
    const char *line = read_file(t.output, NULL);
    assert_non_null(strstr(line, "\"shows\":true,\"version\":1,"));
    assert_non_null(strstr(line, "\"priceMinor\":6550,"));
    assert_non_null(strstr(read_file(t.journal, NULL), "\"note\":\"shown\""));
}

static void refuses_a_forged_update(void **state)
{
    (void)state;
    start_label(NULL);
    run_until(is_asked);
    price(1, 6550);
    send_display(t.signer);
    run_until(is_displayed);
    struct shelf_display shown = t.display;
    price(2, 100);
    t.has_display = false;
    send_display(t.forger);
    run_until(is_refused);
    assert_string_equal(find_ack(SHELF_REFUSED, 0)->why, "not signed by the platform");
    t.display = shown;
    assert_pictured();
    assert_non_null(strstr(read_file(t.journal, NULL), "\"note\":\"refused\""));
}

static void continues_after_kills_and_outages(void **state)
{
    (void)state;
    static const char *const extra[] = {"--loss", "0.1", "--replay", "0.2", NULL};
    struct stat before;
    struct stat after;
    start_label(NULL);
    run_until(is_asked);
    price(1, 6550);
    send_display(t.signer);
    run_until(is_displayed);
    assert_int_equal(stat(t.png, &before), 0);
    for (int i = 2; i < 5; i++) {
        kill_label(); /* the power is cut */
        price(i, 1000 + i);
        t.gets = 0;
        start_label(extra);
        run_until(is_displayed); /* by way of the shadow */
        assert_pictured();
    }
    kill_label();
    assert_int_equal(stat(t.png, &before), 0);
    t.gets = 0;
    start_label(NULL);
    run_until(is_asked);
    assert_int_equal(stat(t.png, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* it was there: not drawn again */
    broker_fixture_kill(&t.broker);
    price(5, 77700);
    t.up_ready = false;
    t.down_ready = false;
    broker_fixture_restart(&t.broker);
    run_until(is_displayed);
    assert_pictured();
}

static bool is_renewed(void)
{
    return t.certificate_number == 1 && t.csr[0] == '\0';
}

static bool asks_for_certificate(void)
{
    return t.certificate_number == 1 && t.csr[0] != '\0';
}

/* A certificate for the request that the label made, as the platform's CA gives it. */
static void issue_certificate(void)
{
    static struct pki_certificate certificate;
    uint8_t der[SHELF_UP_BYTES_MAX];
    unsigned char *out = NULL;
    char *pem = NULL;
    struct sink s;
    struct err why = {""};
    sink_init(&s, der, sizeof der);
    assert_int_equal(base64_read(span_text(t.csr, sizeof t.csr), &s), RES_OK);
    const unsigned char *at = der;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)s.size);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(req);
    assert_int_equal(PEM_write_bio_X509_REQ(bio, req), 1);
    long size = BIO_get_mem_data(bio, &pem);
    struct pki_request request = {
        .kind = PKI_LABEL, .id = SPAN_LIT(LABEL), .store_id = SPAN_LIT(STORE)};
    pki_issue_period(&request, 30);
    enum res r =
        pki_issue_from_csr(t.broker.ca, &request, span_of(pem, (size_t)size), &certificate, &why);
    assert_int_equal(r, RES_OK);
    BIO_free(bio);
    X509_REQ_free(req);
    bio = BIO_new_mem_buf(certificate.pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(x509);
    int length = i2d_X509(x509, &out);
    assert_true(length > 0);
    sink_init(&s, t.der, sizeof t.der);
    base64_write(&s, span_of(out, (size_t)length));
    assert_false(s.overflow);
    t.certificate.der = sink_span(&s);
    OPENSSL_free(out);
    X509_free(x509);
    BIO_free(bio);
}

static void renews_its_certificate(void **state)
{
    (void)state;
    char path[200];
    t.certificate = (struct shelf_certificate){.number = 1};
    t.certificate_number = 0;
    t.version++;
    start_label(NULL);
    run_until(asks_for_certificate);
    issue_certificate();
    t.version++;
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct shelf_state delta = {.device_id = SPAN_LIT(LABEL),
                                .version = t.version,
                                .certificate = t.certificate,
                                .time_ms = clock_utc_ms()};
    sink_init(&s, bytes, sizeof bytes);
    shelf_state_encode(&delta, &s);
    publish(t.down, t.signer, SHELF_DELTA, &s);
    run_until(is_renewed);
    kill_label();
    snprintf(path, sizeof path, "%s/renewal.present", t.state);
    assert_string_equal(read_file(path, NULL), "1\n");
    t.gets = 0;
    start_label((const char *const[]){"--cert", "/nonexistent", "--key", "/nonexistent", NULL});
    run_until(is_asked); /* with the new one alone */
}

static bool has_woken(void)
{
    const char *journal = read_file(t.journal, NULL);
    return strstr(journal, "\"note\":\"sleeps\"") != NULL &&
           strstr(journal, "\"note\":\"wakes\"") != NULL && is_displayed();
}

static void sleeps_and_brings_what_changed_when_it_wakes(void **state)
{
    (void)state;
    static const char id[] = "00000000-0000-4000-8000-00000000c001";
    t.config = (struct shelf_config){.device_id = SPAN_LIT(LABEL),
                                     .update_id = SPAN_LIT(id),
                                     .version = 1,
                                     .led_brightness_pct = 50,
                                     .idle_timeout_s = 1,
                                     .sync_peak_s = 5,
                                     .sync_off_peak_s = 5,
                                     .peak_to_min = 1,
                                     .timestamp_ms = clock_utc_ms()};
    t.has_config = true;
    t.version++;
    start_label(NULL);
    run_until(is_asked);
    price(1, 4242); /* nobody sends it: it is in the shadow when the label wakes */
    run_until(has_woken);
    assert_pictured();
}

static void run_to_failure(const char *const *extra, int status, const char *words)
{
    start_label(extra);
    run_until(label_has_ended);
    assert_true(WIFEXITED(child_status));
    assert_int_equal(WEXITSTATUS(child_status), status);
    const char *text = read_file(t.errors, NULL);
    if (strstr(text, words) == NULL) {
        print_error("expected \"%s\" in: %s\n", words, text);
        fail();
    }
}

static void says_in_one_sentence_what_is_wrong(void **state)
{
    (void)state;
    run_to_failure((const char *const[]){"--cert", "/nonexistent.crt", NULL}, 1,
                   "/nonexistent.crt");
    run_to_failure((const char *const[]){"--platform-key", "/nonexistent.pub", NULL}, 1,
                   "/nonexistent.pub");
    run_to_failure((const char *const[]){"--broker", "nowhere", NULL}, 2, "HOST:PORT");
    run_to_failure((const char *const[]){"--loss", "2", NULL}, 2, "0 to 1");
    run_to_failure((const char *const[]){"--label", "label", NULL}, 2, "ESP32-");
    run_to_failure((const char *const[]){"--journal", "/nonexistent/j", NULL}, 1, "journal");
    run_to_failure((const char *const[]){"--state", t.platform_pub, NULL}, 1, "platform.pub");
}

/* --- fixture --- */

static void write_key(const char *path, EVP_PKEY *key, bool private)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fdopen(fd, "w");
    assert(f != NULL);
    int wrote = private ? PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)
                        : PEM_write_PUBKEY(f, key);
    assert(wrote == 1);
    fclose(f);
}

static struct platform_signer *make_signer(const char *name, const char *public_path)
{
    char path[160];
    struct platform_signer *signer;
    struct err why = {""};
    snprintf(path, sizeof path, "%s/%s", t.broker.directory, name);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert(key != NULL);
    write_key(path, key, true);
    if (public_path != NULL) {
        write_key(public_path, key, false);
    }
    EVP_PKEY_free(key);
    enum res r = platform_signer_open(path, &signer, &why);
    assert(r == RES_OK);
    return signer;
}

static struct mqtt_client *make_client(const struct broker_identity_files *files,
                                       void (*on_connect)(void *context))
{
    struct mqtt_client_settings settings;
    struct mqtt_client *client;
    struct err why = {""};
    broker_fixture_settings(&t.broker, files, &settings);
    settings.keep_alive_s = 20;
    settings.on_connect = on_connect;
    settings.on_message = on_message;
    enum res r = mqtt_client_new(&settings, &why, &client);
    assert(r == RES_OK);
    return client;
}

static void make_world(void)
{
    broker_fixture_issue(&t.broker, PKI_LABEL, LABEL, STORE, &t.label);
    broker_fixture_issue(&t.broker, PKI_SERVICE, "service:ingest", NULL, &t.ingest);
    broker_fixture_issue(&t.broker, PKI_SERVICE, "service:worker", NULL, &t.worker);
    snprintf(t.platform_pub, sizeof t.platform_pub, "%s/platform.pub", t.broker.directory);
    t.signer = make_signer("platform.key", t.platform_pub);
    t.forger = make_signer("forger.key", NULL);
    snprintf(t.output, sizeof t.output, "%s/label.out", t.broker.directory);
    snprintf(t.errors, sizeof t.errors, "%s/label.err", t.broker.directory);
    t.up = make_client(&t.ingest, on_up);
    t.down = make_client(&t.worker, on_down);
    t.version = 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH-OF-ENDCAP-LABEL\n", argv[0]);
        return 2;
    }
    t.program = argv[1];
    if (!broker_fixture_start(&t.broker)) {
        return 77;
    }
    make_world();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_an_update_and_confirms_its_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_forged_update, setup, teardown),
        cmocka_unit_test_setup_teardown(continues_after_kills_and_outages, setup, teardown),
        cmocka_unit_test_setup_teardown(renews_its_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(sleeps_and_brings_what_changed_when_it_wakes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(says_in_one_sentence_what_is_wrong, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mqtt_client_free(t.up);
    mqtt_client_free(t.down);
    platform_signer_close(t.signer);
    platform_signer_close(t.forger);
    broker_fixture_stop(&t.broker);
    return failed;
}
