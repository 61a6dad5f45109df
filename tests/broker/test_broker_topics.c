/* Every identity with every topic: 50 identities of two stores, publish, publish retained,
 * subscribe, will; each answer compared with an oracle of its own, each denial with its line in the
 * security log.
 */
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
#include <jansson.h>

#include "broker_fixture.h"
#include "clock.h"
#include "raw_client.h"
#include "rng.h"

#define CARTS       24
#define LABELS      24
#define IDENTITIES  (CARTS + LABELS + 2)
#define TOPICS_MAX  160
#define WILLS       4 /* topics an identity tries as a will, besides those it may publish on */
#define STEP_MS_MAX 20000

static struct broker_fixture fixture;
static struct rng rng;
static const char *const stores[2] = {"STORE-A", "STORE-B"};

struct who {
    enum pki_kind kind;
    const char *id;
    const char *store; /* NULL: a service */
    char text[PKI_ID_BYTES_MAX + 1];
};
static struct who everyone[IDENTITIES];

enum deed { PUBLISH, RETAIN, SUBSCRIBE, WILL, DEEDS };
static const char *const deed_names[DEEDS] = {"publish", "publish retained", "subscribe", "will"};

/* What was asked of one identity and what came back. */
struct asked {
    char topic[128];
    int id;
    unsigned reason;
    bool answered;
};
static struct asked asked[DEEDS][TOPICS_MAX];
static size_t asked_count[DEEDS];
static size_t outstanding;

/* ---- the oracle: the same rules, told another way ---- */

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(text, *list) == 0) {
            return true;
        }
    }
    return false;
}

/* "prefix/ID/rest" with ID the identity's own: the rest, else NULL. */
static const char *own_rest(const struct who *w, const char *prefix, const char *topic)
{
    size_t prefix_size = strlen(prefix);
    size_t id_size = strlen(w->id);
    if (strncmp(topic, prefix, prefix_size) != 0 || topic[prefix_size] != '/' ||
        strncmp(topic + prefix_size + 1, w->id, id_size) != 0 ||
        topic[prefix_size + 1 + id_size] != '/') {
        return NULL;
    }
    return topic + prefix_size + 1 + id_size + 1;
}

static bool oracle_device(const struct who *w, enum deed deed, const char *topic)
{
    static const char *const cart_says[] = {"scan",   "session-start", "session-end", "identify",
                                            "health", "fault",         "boot",        NULL};
    static const char *const cart_hears[] = {"command", "response", NULL};
    static const char *const label_says[] = {"status", "ack", "shadow/get", "shadow/update", NULL};
    static const char *const label_hears[] = {"price/update",  "flash/command",
                                              "config/update", "shadow/get/accepted",
                                              "shadow/delta",  NULL};
    bool cart = w->kind == PKI_CART;
    const char *rest = own_rest(w, cart ? "cart" : "smartshelf", topic);
    if (deed == PUBLISH) {
        return rest != NULL && is_one_of(rest, cart ? cart_says : label_says);
    }
    if (deed != SUBSCRIBE) {
        return false;
    }
    char catalogue[64];
    (void)snprintf(catalogue, sizeof catalogue, "store/%s/catalogue/+", w->store);
    return (rest != NULL && is_one_of(rest, cart ? cart_hears : label_hears)) ||
           (cart && strcmp(topic, catalogue) == 0);
}

static bool has_levels(const char *topic, unsigned levels)
{
    unsigned slashes = 0;
    for (const char *at = topic; *at != '\0'; at++) {
        slashes += *at == '/';
        if (*at == '/' && (at[1] == '/' || at[1] == '\0')) {
            return false;
        }
    }
    return slashes + 1 == levels;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static bool oracle_service(const struct who *w, enum deed deed, const char *topic)
{
    bool ingest = strcmp(w->id, "service:ingest") == 0;
    bool to_cart = strncmp(topic, "cart/", 5) == 0 && has_levels(topic, 3);
    bool reject = strncmp(topic, "reject/", 7) == 0 && has_levels(topic, 2);
    bool catalogue = strncmp(topic, "store/", 6) == 0 && has_levels(topic, 4) &&
                     strstr(topic, "/catalogue/") != NULL;
    if (deed == WILL) {
        return false;
    }
    bool to_label = strncmp(topic, "smartshelf/", 11) == 0;
    bool state = has_levels(topic, 5) && ends_with(topic, "/shadow/get/accepted");
    bool order = has_levels(topic, 4) &&
                 (ends_with(topic, "/price/update") || ends_with(topic, "/config/update") ||
                  ends_with(topic, "/flash/command") || ends_with(topic, "/shadow/delta"));
    if (deed == SUBSCRIBE) {
        static const char *const shared[] = {"cart/+/+", "smartshelf/+/+", "smartshelf/+/shadow/+",
                                             "presence/+", NULL};
        return ingest ? strncmp(topic, "$share/ingest/", 14) == 0 && is_one_of(topic + 14, shared)
                      : strcmp(topic, "reject/+") == 0;
    }
    if (ingest) {
        return deed == PUBLISH &&
               ((to_cart && ends_with(topic, "/response")) || reject || (to_label && state));
    }
    return catalogue ||
           (deed == PUBLISH && ((to_cart && ends_with(topic, "/command")) || (to_label && order)));
}

static bool oracle(const struct who *w, enum deed deed, const char *topic)
{
    return w->store != NULL ? oracle_device(w, deed, topic) : oracle_service(w, deed, topic);
}

/* ---- the topics ---- */

static size_t add(char (*topics)[128], size_t count, const char *format, const char *a,
                  const char *b)
{
    char *to = topics[count];
    struct sink s;
    sink_init(&s, to, 127);
    for (; *format != '\0'; format++) {
        if (*format == '1') {
            sink_text(&s, a);
        } else if (*format == '2') {
            sink_text(&s, b);
        } else {
            sink_byte(&s, (uint8_t)*format);
        }
    }
    to[s.size] = '\0';
    return count + 1;
}

static const char *const of_a_device[] = {"cart/1/scan",
                                          "cart/1/session-start",
                                          "cart/1/session-end",
                                          "cart/1/identify",
                                          "cart/1/health",
                                          "cart/1/fault",
                                          "cart/1/boot",
                                          "cart/1/command",
                                          "cart/1/response",
                                          "cart/1/other",
                                          "cart/1/scan/more",
                                          "cart/1",
                                          "smartshelf/1/status",
                                          "smartshelf/1/ack",
                                          "smartshelf/1/shadow/get",
                                          "smartshelf/1/shadow/update",
                                          "smartshelf/1/price/update",
                                          "smartshelf/1/flash/command",
                                          "smartshelf/1/config/update",
                                          "smartshelf/1/shadow/get/accepted",
                                          "smartshelf/1/shadow/delta",
                                          "smartshelf/1/shadow",
                                          "reject/1",
                                          "presence/1",
                                          "1/scan"};
static const char *const others[] = {"store/1/catalogue/1",
                                     "store/1/catalogue/+",
                                     "store/2/catalogue/1",
                                     "store/2/catalogue/+",
                                     "store/+/catalogue/+",
                                     "store/1/catalogue/#",
                                     "store/1/prices/1",
                                     "store/1/catalogue",
                                     "#",
                                     "+/+/+",
                                     "cart/+/scan",
                                     "cart/+/+",
                                     "cart/+/command",
                                     "cart/#",
                                     "smartshelf/#",
                                     "smartshelf/+/status",
                                     "reject/+",
                                     "reject/#",
                                     "$share/ingest/cart/+/+",
                                     "$share/ingest/smartshelf/+/+",
                                     "$share/ingest/smartshelf/+/shadow/+",
                                     "$share/ingest/presence/+",
                                     "$share/spy/presence/+",
                                     "presence/+",
                                     "presence/broker",
                                     "$share/spy/cart/+/+",
                                     "$share/spy/#",
                                     "$SYS/#",
                                     "$SYS/broker/version",
                                     "$SYS/broker/connection/x/state",
                                     "/",
                                     "cart//scan",
                                     "CART/X/scan"};

static size_t topics_of(const struct who *self, char (*topics)[128])
{
    const struct who *targets[] = {self, &everyone[rng_below(&rng, CARTS)],
                                   &everyone[CARTS + rng_below(&rng, LABELS)]};
    size_t count = 0;
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        for (size_t i = 0; i < sizeof of_a_device / sizeof *of_a_device; i++) {
            count = add(topics, count, of_a_device[i], targets[t]->id, "");
        }
    }
    const char *own = self->store == NULL ? stores[0] : self->store;
    const char *foreign = strcmp(own, stores[0]) == 0 ? stores[1] : stores[0];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        /* "1" of the catalogue's chunk becomes a store's name too: any level will do */
        count = add(topics, count, others[i], own, foreign);
    }
    return count;
}

/* ---- asking ---- */

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    (void)context;
    for (int deed = PUBLISH; deed <= SUBSCRIBE; deed++) {
        for (size_t i = 0; i < asked_count[deed]; i++) {
            struct asked *a = &asked[deed][i];
            if (!a->answered && a->id == answer->id &&
                answer->subscription == (deed == SUBSCRIBE)) {
                a->answered = true;
                a->reason = answer->reason;
                outstanding--;
                return;
            }
        }
    }
    fail_msg("an answer to nothing, id %d", answer->id);
}

static void step_until(struct mqtt_client *client, bool (*done)(const struct mqtt_client *))
{
    for (int64_t end_ms = clock_monotonic_ms() + STEP_MS_MAX; !done(client);) {
        assert_int_equal(mqtt_client_step(client, 100), RES_OK);
        assert_true(clock_monotonic_ms() < end_ms);
    }
}

static bool nothing_outstanding(const struct mqtt_client *client)
{
    (void)client;
    return outstanding == 0;
}

static void ask(struct mqtt_client *client, enum deed deed, const char *topic)
{
    struct asked *a = &asked[deed][asked_count[deed]];
    enum res r = deed == SUBSCRIBE ? mqtt_client_subscribe(client, topic, &a->id)
                                   : mqtt_client_publish(client, topic, SPAN_LIT("x"),
                                                         deed == RETAIN, NULL, &a->id);
    if (r == RES_INVALID) {
        return; /* a filter is no topic to publish on; the library knows */
    }
    assert_int_equal(r, RES_OK);
    (void)snprintf(a->topic, sizeof a->topic, "%s", topic);
    a->answered = false;
    asked_count[deed]++;
    outstanding++;
}

static struct broker_identity_files files_of(const struct who *w)
{
    struct broker_identity_files files;
    broker_fixture_issue(&fixture, w->kind, w->id, w->store, &files);
    return files;
}

static void ask_everything(const struct who *w, const struct broker_identity_files *files,
                           char (*topics)[128], size_t count)
{
    struct mqtt_client_settings settings;
    struct mqtt_client *client = NULL;
    struct err why = {""};
    memset(asked_count, 0, sizeof asked_count);
    broker_fixture_settings(&fixture, files, &settings);
    settings.on_answer = on_answer;
    if (mqtt_client_new(&settings, &why, &client) != RES_OK ||
        mqtt_client_connect(client, &why) != RES_OK) {
        fail_msg("%s: %s", w->id, why.text);
    }
    step_until(client, mqtt_client_connected);
    for (int deed = PUBLISH; deed <= SUBSCRIBE; deed++) {
        for (size_t i = 0; i < count; i++) {
            ask(client, (enum deed)deed, topics[i]);
        }
        step_until(client, nothing_outstanding);
    }
    mqtt_client_free(client);
}

/* Leaves without a goodbye, so that the will would be published. */
static void leave_a_will(const struct who *w, const struct broker_identity_files *files,
                         const char *topic)
{
    struct raw_client client;
    char key[PKI_PEM_BYTES_MAX];
    size_t size;
    assert_int_equal(file_read(files->key_file, key, sizeof key, &size, NULL), RES_OK);
    struct raw_client_options o = {.port = fixture.port,
                                   .ca_file = fixture.ca_file,
                                   .certificate_pem = files->certificate.pem,
                                   .key_pem = key,
                                   .client_id = w->id,
                                   .version_311 = rng_below(&rng, 2) == 0,
                                   .will_topic = topic,
                                   .will_payload = "last",
                                   .will_retained = rng_below(&rng, 2) == 0};
    assert_int_equal(raw_client_open(&client, &o), RAW_CLIENT_CONNECTED);
    raw_client_close(&client);
    struct asked *a = &asked[WILL][asked_count[WILL]++];
    (void)snprintf(a->topic, sizeof a->topic, "%s", topic);
    a->reason = 0x87; /* there is no answer to a will: the log must say it */
}

static bool is_filter(const char *topic)
{
    return strpbrk(topic, "+#") != NULL || strncmp(topic, "$", 1) == 0;
}

static void leave_wills(const struct who *w, const struct broker_identity_files *files,
                        char (*topics)[128], size_t count)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_filter(topics[i]) && oracle(w, PUBLISH, topics[i]) && chosen < WILLS) {
            leave_a_will(w, files, topics[i]);
            chosen++;
        }
    }
    for (size_t i = 0; i < WILLS; i++) {
        const char *topic = topics[rng_below(&rng, count)];
        if (!is_filter(topic)) {
            leave_a_will(w, files, topic);
        }
    }
}

/* ---- comparing ---- */

/* The log's lines of one client as an object: "action topic" -> true. */
static json_t *refusals_of(const char *client_id, size_t from, size_t *ret_size)
{
    json_t *found = json_object();
    char *log = broker_fixture_log(&fixture);
    *ret_size = strlen(log);
    for (char *line = log + from, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *object = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
        const char *client = json_string_value(json_object_get(object, "client"));
        const char *action = json_string_value(json_object_get(object, "action"));
        const char *topic = json_string_value(json_object_get(object, "topic"));
        assert_non_null(object); /* every line is JSON */
        assert_non_null(json_object_get(object, "time"));
        if (client != NULL && action != NULL && topic != NULL && strcmp(client, client_id) == 0) {
            char key[256];
            action = strcmp(action, "will retained") == 0 ? "will" : action;
            assert_non_null(json_object_get(object, "reason"));
            (void)snprintf(key, sizeof key, "%s %s", action, topic);
            assert_int_equal(json_object_set_new(found, key, json_true()), 0);
        }
        json_decref(object);
    }
    free(log);
    return found;
}

static bool logged(const json_t *refusals, enum deed deed, const char *topic)
{
    char key[256];
    (void)snprintf(key, sizeof key, "%s %s", deed_names[deed], topic);
    return json_object_get(refusals, key) != NULL;
}

/* $SYS is refused by the broker itself before the plugin is asked. */
static bool beyond_the_plugin(enum deed deed, const char *topic)
{
    return deed != SUBSCRIBE &&
           (strncmp(topic, "$SYS", 4) == 0 || strncmp(topic, "$share", 6) == 0);
}

static size_t compare(const struct who *w, const json_t *refusals)
{
    size_t compared = 0;
    for (int d = 0; d < DEEDS; d++) {
        enum deed deed = (enum deed)d;
        for (size_t i = 0; i < asked_count[d]; i++, compared++) {
            const struct asked *a = &asked[d][i];
            bool wanted = oracle(w, deed, a->topic);
            bool got = a->reason < 0x80;
            if (wanted != got) {
                fail_msg("%s of %s, %s %s: %s, wanted %s (reason 0x%02x)", w->id,
                         w->store == NULL ? "no store" : w->store, deed_names[d], a->topic,
                         got ? "allowed" : "denied", wanted ? "allowed" : "denied", a->reason);
            }
            if (!beyond_the_plugin(deed, a->topic) && got == logged(refusals, deed, a->topic)) {
                fail_msg("%s, %s %s: %s line in the security log", w->id, deed_names[d], a->topic,
                         got ? "a" : "no");
            }
        }
    }
    return compared;
}

/* A will fires when the broker notices the closed connection. */
static json_t *wait_for_wills(const struct who *w, size_t from, size_t *ret_size)
{
    for (int waited_ms = 0;; waited_ms += 10) {
        json_t *refusals = refusals_of(w->id, from, ret_size);
        size_t missing = 0;
        for (size_t i = 0; i < asked_count[WILL]; i++) {
            missing += !logged(refusals, WILL, asked[WILL][i].topic);
        }
        if (missing == 0 || waited_ms >= 5000) {
            return refusals;
        }
        json_decref(refusals);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static void grants_each_identity_what_the_oracle_says(void **state)
{
    (void)state;
    static char topics[TOPICS_MAX][128];
    size_t compared = 0;
    size_t log_at = 0;
    for (size_t i = 0; i < IDENTITIES; i++) {
        const struct who *w = &everyone[i];
        struct broker_identity_files files = files_of(w);
        size_t count = topics_of(w, topics);
        ask_everything(w, &files, topics, count);
        leave_wills(w, &files, topics, count);
        json_t *refusals = wait_for_wills(w, log_at, &log_at);
        compared += compare(w, refusals);
        json_decref(refusals);
    }
    print_message("%zu answers compared\n", compared);
    assert_true(compared > IDENTITIES * 200);
}

static void make_everyone(void)
{
    for (size_t i = 0; i < IDENTITIES; i++) {
        struct who *w = &everyone[i];
        w->kind = i < CARTS ? PKI_CART : i < CARTS + LABELS ? PKI_LABEL : PKI_SERVICE;
        if (w->kind == PKI_SERVICE) {
            (void)snprintf(w->text, sizeof w->text, "service:%s",
                           i == IDENTITIES - 1 ? "worker" : "ingest");
        } else {
            (void)snprintf(w->text, sizeof w->text, "%s%06zu",
                           w->kind == PKI_CART ? "CART-" : "ESP32-", i);
            w->store = stores[i % 2];
        }
        w->id = w->text;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_each_identity_what_the_oracle_says),
    };
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    (void)printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    (void)signal(SIGPIPE, SIG_IGN);
    rng_init(&rng, seed);
    make_everyone();
    if (!broker_fixture_start(&fixture)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    broker_fixture_stop(&fixture);
    return failed;
}
