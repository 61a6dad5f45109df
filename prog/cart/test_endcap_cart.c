/* endcap-cart as it ships, against a real Mosquitto over mutual TLS; the test is the platform: it
 * keeps events, and says so with signed commit-acks. usage: test_endcap_cart PATH-OF-ENDCAP-CART
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

#include "broker_fixture.h"
#include "clock.h"
#include "secure_element_file.h"
#include "wire.h"

#define CART       "CART-IT0001"
#define STORE      "STORE-IT-01"
#define EVENTS_MAX 20000
#define DEADLINE_S 60
#define ARGS_MAX   48

extern char **environ;

struct seen {
    bool known;
    char digest[65];
};

static struct {
    const char *program;
    struct broker_fixture broker;
    struct broker_identity_files cart;
    struct broker_identity_files service;
    struct secure_element_file signer; /* signs as the platform, verifies as the cart's owner */
    struct mqtt_client *client;
    char platform_pub[128];
    char state[128];
    char journal[128];
    char trips[128];
    char output[128];
    char errors[128];
    bool connected;
    int64_t watermark;
    struct seen seen[EVENTS_MAX];
} t;

/* --- the platform --- */

static void answer(struct wire_downlink *m)
{
    uint8_t frame[WIRE_EVENT_BYTES_MAX];
    struct sink s;
    m->cart_id = SPAN_LIT(CART);
    m->time_ms = clock_utc_ms();
    sink_init(&s, frame, sizeof frame - WIRE_SIGNATURE_BYTES);
    enum res r = wire_downlink_encode(m, &s);
    assert_int_equal(r, RES_OK);
    r = t.signer.secure.sign(&t.signer, sink_span(&s), frame + s.size);
    assert_int_equal(r, RES_OK);
    /* A refusal here is one more loss that the cart must bear. */
    r = mqtt_client_publish(t.client, "cart/" CART "/response",
                            span_of(frame, s.size + WIRE_SIGNATURE_BYTES), false, NULL, NULL);
    (void)r;
}

static void commit(void)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_COMMIT_ACK);
    m.commit_ack.epoch = 1;
    m.commit_ack.through = t.watermark;
    answer(&m);
}

static void answer_product(const struct wire_event *event)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_PRODUCT);
    m.product.epoch = event->epoch;
    m.product.counter = event->counter;
    m.product.gtin = event->scan.gtin;
    m.product.found = 1;
    m.product.sku = SPAN_LIT("SKU-1");
    m.product.name = SPAN_LIT("Product");
    m.product.price = 1000;
    m.product.currency = SPAN_LIT("INR");
    m.product.weight_g = 500;
    m.product.per_kg = 0;
    answer(&m);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct wire_event event;
    struct wire_detail why;
    struct span body;
    struct span signature;
    unsigned unknown;
    unsigned char digest[32];
    char hex[65];
    struct sink s;
    (void)context;
    assert_int_equal(wire_event_split(message->payload, &body, &signature), WIRE_FINE);
    assert_int_equal(t.signer.secure.verify_platform(&t.signer, body, signature), RES_OK);
    assert_int_equal(wire_signature_check(signature), WIRE_FINE);
    assert_int_equal(wire_event_decode(body, &event, &unknown, &why), WIRE_FINE);
    assert_int_equal(event.epoch, 1);
    assert_true(event.counter < EVENTS_MAX);
    assert_int_equal(EVP_Digest(body.data, body.size, digest, NULL, EVP_sha256(), NULL), 1);
    sink_init(&s, hex, sizeof hex - 1);
    sink_hex(&s, span_of(digest, sizeof digest));
    hex[64] = '\0';
    struct seen *seen = &t.seen[event.counter];
    if (seen->known) {
        assert_string_equal(seen->digest, hex); /* the same counter, the same body */
    }
    seen->known = true;
    memcpy(seen->digest, hex, sizeof hex);
    if (event.type == WIRE_FAULT && event.fault.code == WIRE_FAULT_GAP &&
        event.fault.gap_from > 0) {
        for (int64_t c = event.fault.gap_from; c <= event.fault.gap_to; c++) {
            t.seen[c].known = true;
        }
    }
    if (event.type == WIRE_SCAN && event.scan.price == WIRE_ABSENT) {
        answer_product(&event);
    }
    while (t.watermark + 1 < EVENTS_MAX && t.seen[t.watermark + 1].known) {
        t.watermark++;
    }
    commit();
}

static void on_connect(void *context)
{
    (void)context;
    int id;
    enum res r = mqtt_client_subscribe(t.client, "$share/ingest/cart/+/+", &id);
    assert_int_equal(r, RES_OK);
    t.connected = true;
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    (void)context;
    (void)cause;
    (void)why;
    t.connected = false;
}

static void platform_step(void)
{
    struct err why;
    if (mqtt_client_step(t.client, 10) == RES_UNAVAILABLE) {
        (void)poll(NULL, 0, 10);
        if (mqtt_client_connect(t.client, &why) != RES_OK) {
            t.connected = false;
        }
    }
}

static void platform_run_until(bool (*done)(void))
{
    int64_t end_ms = clock_monotonic_ms() + DEADLINE_S * 1000;
    while (!done()) {
        assert_true(clock_monotonic_ms() < end_ms);
        platform_step();
    }
}

/* --- the cart's process --- */

static pid_t child;
static int child_status;

static void start_cart(const char *const *extra)
{
    char broker[64];
    snprintf(broker, sizeof broker, "localhost:%u", t.broker.port);
    const char *args[ARGS_MAX] = {
        t.program,
        "--cart",
        CART,
        "--store",
        STORE,
        "--broker",
        broker,
        "--ca",
        t.broker.ca_file,
        "--cert",
        t.cart.certificate_file,
        "--key",
        t.cart.key_file,
        "--platform-key",
        t.platform_pub,
        "--state",
        t.state,
        "--trips",
        t.trips,
        "--journal",
        t.journal,
    };
    size_t n = 0;
    while (args[n] != NULL) {
        n++;
    }
    for (size_t i = 0; extra[i] != NULL; i++) {
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

static bool cart_has_ended(void)
{
    return child == 0 || (waitpid(child, &child_status, WNOHANG) == child && (child = 0, true));
}

static void kill_cart(void)
{
    if (child != 0) {
        kill(child, SIGKILL);
        waitpid(child, &child_status, 0);
        child = 0;
    }
}

static char *read_file(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static int64_t wanted;

static bool has_enough(void)
{
    return t.watermark >= wanted;
}

static void run_until_events(int64_t more)
{
    wanted = t.watermark + more;
    platform_run_until(has_enough);
}

/* Everything in the cart's journal is here with the same body, and nothing has a hole. */
static void assert_nothing_lost(void)
{
    char line[512];
    size_t lines = 0;
    int64_t last = 0;
    FILE *f = fopen(t.journal, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        static const char head[] = "{\"cartId\":\"" CART "\",\"epoch\":1,\"counter\":";
        static const char digest_name[] = "\"digest\":\"";
        assert_memory_equal(line, head, sizeof head - 1);
        int64_t counter = strtoll(line + sizeof head - 1, NULL, 10);
        char *digest = strstr(line, digest_name);
        assert_non_null(digest);
        digest += sizeof digest_name - 1;
        assert_true(strlen(digest) > 64);
        digest[64] = '\0';
        assert_true(counter > last && counter < EVENTS_MAX);
        last = counter;
        assert_true(t.seen[counter].known);
        assert_string_equal(t.seen[counter].digest, digest);
        lines++;
    }
    fclose(f);
    assert_true(lines > 0);
    assert_int_equal(t.watermark, last);
}

/* --- tests --- */

static int setup(void **state)
{
    (void)state;
    char command[300];
    memset(t.seen, 0, sizeof t.seen);
    t.watermark = 0;
    snprintf(t.state, sizeof t.state, "%s/state", t.broker.directory);
    snprintf(t.journal, sizeof t.journal, "%s/journal", t.broker.directory);
    snprintf(command, sizeof command, "%s/flash.bin", t.state);
    unlink(command);
    snprintf(command, sizeof command, "%s/epoch", t.state);
    unlink(command);
    unlink(t.journal);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kill_cart();
    return 0;
}

static void shops_and_ends_with_everything_acknowledged(void **state)
{
    (void)state;
    static const char *const extra[] = {"--trips-max", "3", "--pace", "5", "--terminal", "5", NULL};
    start_cart(extra);
    platform_run_until(cart_has_ended);
    assert_int_equal(child_status, 0);
    const char *truth = read_file(t.output);
    assert_non_null(strstr(truth, "\"unacked\":0"));
    assert_non_null(strstr(truth, "\"trips\":3"));
    assert_nothing_lost();
}

static void loses_nothing_over_kills_and_cuts(void **state)
{
    (void)state;
    static const char *const extra[] = {
        "--loop", "--pace", "3",    "--terminal", "5",   "--replay", "0.2", "--reorder",
        "0.2",    "--drop", "0.03", "--decline",  "0.2", "--cut-ms", "300", NULL};
    for (int i = 0; i < 3; i++) {
        start_cart(extra);
        run_until_events(40);
        kill_cart(); /* the power is cut */
    }
    start_cart(extra);
    run_until_events(30);
    kill(child, SIGUSR1); /* the network is cut */
    run_until_events(30);
    broker_fixture_kill(&t.broker);
    broker_fixture_restart(&t.broker);
    run_until_events(30);
    kill(child, SIGTERM);
    platform_run_until(cart_has_ended);
    assert_int_equal(child_status, 0);
    assert_non_null(strstr(read_file(t.output), "\"unacked\":0"));
    assert_nothing_lost();
}

static void waits_for_a_broker_that_is_not_there(void **state)
{
    (void)state;
    static const char *const extra[] = {"--trips-max", "1", "--pace", "1", "--terminal", "1", NULL};
    broker_fixture_kill(&t.broker);
    start_cart(extra);
    broker_fixture_restart(&t.broker);
    platform_run_until(cart_has_ended);
    assert_int_equal(child_status, 0);
    assert_nothing_lost();
}

static void run_to_failure(const char *const *extra, int status, const char *words)
{
    start_cart(extra);
    platform_run_until(cart_has_ended);
    assert_true(WIFEXITED(child_status));
    assert_int_equal(WEXITSTATUS(child_status), status);
    const char *text = read_file(t.errors);
    if (strstr(text, words) == NULL) {
        print_error("expected \"%s\" in: %s\n", words, text);
        fail();
    }
}

static void says_in_one_sentence_what_is_wrong(void **state)
{
    (void)state;
    char bad[160];
    snprintf(bad, sizeof bad, "%s/bad.trips", t.broker.directory);
    FILE *f = fopen(bad, "we");
    assert_non_null(f);
    fputs("# trips\n8901030000010\n8901030000010*500\n", f);
    fclose(f);
    run_to_failure((const char *const[]){"--trips", bad, NULL}, 1, "bad.trips line 3");
    run_to_failure((const char *const[]){"--trips", "/nonexistent", NULL}, 1, "/nonexistent");
    run_to_failure((const char *const[]){"--cert", "/nonexistent.crt", NULL}, 1,
                   "/nonexistent.crt");
    run_to_failure((const char *const[]){"--platform-key", "/nonexistent.pub", NULL}, 1,
                   "/nonexistent.pub");
    run_to_failure((const char *const[]){"--platform-key", t.cart.key_file, NULL}, 1,
                   "is not a P-256 public key");
    run_to_failure((const char *const[]){"--broker", "nowhere", NULL}, 2, "HOST:PORT");
    run_to_failure((const char *const[]){"--decline", "2", NULL}, 2, "0 to 1");
    run_to_failure((const char *const[]){"--cart", "cart", NULL}, 2, "CART-");
    run_to_failure((const char *const[]){"--journal", t.trips, NULL}, 1, "journal");
}

/* --- fixture --- */

static void write_key(const char *path, EVP_PKEY *key, bool private)
{
    FILE *f = fopen(path, "we");
    assert(f != NULL);
    int wrote = private ? PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)
                        : PEM_write_PUBKEY(f, key);
    assert(wrote == 1);
    fclose(f);
}

static void make_keys(void)
{
    char platform_key[128];
    char cart_pub[128];
    char epoch[128];
    struct err why = {""};
    snprintf(platform_key, sizeof platform_key, "%s/platform.key", t.broker.directory);
    snprintf(t.platform_pub, sizeof t.platform_pub, "%s/platform.pub", t.broker.directory);
    snprintf(cart_pub, sizeof cart_pub, "%s/cart.pub", t.broker.directory);
    snprintf(epoch, sizeof epoch, "%s/unused-epoch", t.broker.directory);
    EVP_PKEY *platform = EVP_EC_gen("P-256");
    assert(platform != NULL);
    write_key(platform_key, platform, true);
    write_key(t.platform_pub, platform, false);
    EVP_PKEY_free(platform);
    FILE *f = fopen(t.cart.key_file, "re");
    assert(f != NULL);
    EVP_PKEY *cart = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    assert(cart != NULL);
    write_key(cart_pub, cart, false);
    EVP_PKEY_free(cart);
    enum res r = secure_element_file_open(&t.signer, platform_key, cart_pub, epoch, &why);
    assert(r == RES_OK);
}

static void make_world(void)
{
    struct mqtt_client_settings settings;
    struct err why = {""};
    broker_fixture_issue(&t.broker, PKI_CART, CART, STORE, &t.cart);
    broker_fixture_issue(&t.broker, PKI_SERVICE, "service:ingest", NULL, &t.service);
    make_keys();
    snprintf(t.trips, sizeof t.trips, "%s/shop.trips", t.broker.directory);
    snprintf(t.output, sizeof t.output, "%s/cart.out", t.broker.directory);
    snprintf(t.errors, sizeof t.errors, "%s/cart.err", t.broker.directory);
    FILE *f = fopen(t.trips, "we");
    assert(f != NULL);
    fputs("8901030000010,8901030000027*2,-8901030000027,8901030000034\n"
          "?identify,8901030000010,?hold,?resume,8901030000027,?finish\n"
          "8901030000034*3,?wait=5,?cancel\n",
          f);
    fclose(f);
    broker_fixture_settings(&t.broker, &t.service, &settings);
    settings.keep_alive_s = 20;
    settings.receive_max = 1000;
    settings.on_connect = on_connect;
    settings.on_disconnect = on_disconnect;
    settings.on_message = on_message;
    enum res r = mqtt_client_new(&settings, &why, &t.client);
    assert(r == RES_OK);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH-OF-ENDCAP-CART\n", argv[0]);
        return 2;
    }
    t.program = argv[1];
    if (!broker_fixture_start(&t.broker)) {
        return 77;
    }
    make_world();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shops_and_ends_with_everything_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(loses_nothing_over_kills_and_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_a_broker_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(says_in_one_sentence_what_is_wrong, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mqtt_client_free(t.client);
    secure_element_file_close(&t.signer);
    broker_fixture_stop(&t.broker);
    return failed;
}
