#include "test_fleet_world.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base64.h"
#include "clock.h"
#include "ecdsa.h"

#define STORE    "STORE-IT-01"
#define ARGS_MAX 48

extern char **environ;

static _Noreturn void die(const struct world *w, const char *what)
{
    char text[2000] = "";
    int fd = open(w->errors, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    (void)fprintf(stderr, "test_endcap_fleet: %s\nthe fleet said: %s\n", what, text);
    if (w->fleet > 0) {
        (void)kill(w->fleet, SIGKILL);
    }
    abort();
}

/* --- the platform --- */

static struct world_label *find(struct world *w, struct span id)
{
    for (size_t i = 0; i < w->count; i++) {
        if (span_equal(span_text(w->labels[i].id, SHELF_ID_BYTES_MAX), id)) {
            return &w->labels[i];
        }
    }
    die(w, "a message of a label that is none of ours");
}

static void send_signed(struct world *w, struct mqtt_client *client, const char *id,
                        enum shelf_topic what, struct span payload)
{
    char topic[SHELF_TOPIC_BYTES];
    uint8_t message[SHELF_DOWN_BYTES_MAX + SHELF_TOPIC_BYTES];
    uint8_t raw[ECDSA_SIGNATURE_BYTES];
    uint8_t text[BASE64_URL_DIGITS(ECDSA_SIGNATURE_BYTES)];
    struct sink s;
    struct sink signature;
    shelf_topic_write(span_text(id, SHELF_ID_BYTES_MAX), what, topic);
    sink_init(&s, message, sizeof message);
    sink_text(&s, topic);
    sink_byte(&s, '\n');
    sink_bytes(&s, payload);
    enum res r = platform_signer_sign(w->signer, sink_span(&s), raw);
    assert(r == RES_OK && !s.overflow);
    sink_init(&signature, text, sizeof text);
    base64_url_write(&signature, span_of(raw, sizeof raw));
    const struct mqtt_property property = {.name = SPAN_LIT(SHELF_SIGNATURE_PROPERTY),
                                           .value = sink_span(&signature)};
    r = mqtt_client_publish(client, topic, payload, false, &property, NULL);
    (void)r; /* a broker that is away is one of the things a label must bear */
}

static void compose(const struct world_label *l, struct shelf_display *ret)
{
    *ret = (struct shelf_display){
        .device_id = span_text(l->id, SHELF_ID_BYTES_MAX),
        .update_id = SPAN_LIT("0d5b2a31-93a3-4b5c-8d5e-0123456789ab"),
        .version = l->version,
        .template = SHELF_STANDARD,
        .language = SHELF_EN,
        .product_id = SPAN_LIT("SKU-1"),
        .name = SPAN_LIT("Basmati rice 5 kg"),
        .name_en = SPAN_LIT("Basmati rice 5 kg"),
        .price_minor = l->price_minor,
        .mrp_minor = 100000,
        .currency = "INR",
        .url = SPAN_LIT("https://endcap.example/p/SKU-1"),
        .timestamp_ms = clock_utc_ms(),
    };
    memcpy(ret->digest, l->digest, sizeof ret->digest);
}

static void answer_get(struct world *w, struct world_label *l)
{
    uint8_t payload[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct shelf_state state = {.device_id = span_text(l->id, SHELF_ID_BYTES_MAX),
                                .version = l->version + 1,
                                .has_display = l->has_desired,
                                .time_ms = clock_utc_ms(),
                                .events_epoch = l->epoch,
                                .events_through = l->through};
    l->gets++;
    if (l->has_desired) {
        compose(l, &state.display);
    }
    sink_init(&s, payload, sizeof payload);
    shelf_state_encode(&state, &s);
    assert(!s.overflow);
    send_signed(w, w->ingest, l->id, SHELF_GET_ACCEPTED, sink_span(&s));
}

static void take_event(struct world_label *l, int64_t epoch, int64_t counter)
{
    if (epoch > l->epoch) {
        l->epoch = epoch;
        l->through = 0;
    }
    if (epoch == l->epoch && counter == l->through + 1) {
        l->through = counter;
    }
}

static void take_ack(struct world_label *l, const struct shelf_ack *ack)
{
    take_event(l, ack->epoch, ack->counter);
    if (ack->status == SHELF_REFUSED) {
        l->refused++;
    } else if (ack->kind == SHELF_ACK_DISPLAY && ack->version == l->version) {
        bool right = memcmp(ack->digest, l->digest, sizeof ack->digest) == 0;
        l->displayed += right;
        l->wrong += !right;
    }
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct world *w = context;
    struct shelf_detail detail;
    struct span id;
    enum shelf_topic what;
    static uint8_t block[4096];
    struct arena arena;
    arena_init(&arena, block, sizeof block);
    if (shelf_topic_read(message->topic, &id, &what) != RES_OK) {
        return; /* presence */
    }
    struct world_label *l = find(w, id);
    if (what == SHELF_GET) {
        answer_get(w, l);
    } else if (what == SHELF_ACK) {
        struct shelf_ack ack;
        enum res r = shelf_ack_decode(message->payload, &arena, &ack, &detail);
        assert(r == RES_OK);
        take_ack(l, &ack);
    } else if (what == SHELF_STATUS) {
        struct shelf_status status;
        enum res r = shelf_status_decode(message->payload, &arena, &status, &detail);
        assert(r == RES_OK);
        take_event(l, status.epoch, status.counter);
    }
}

static void on_connect(void *context)
{
    struct world *w = context;
    int id;
    w->connects++;
    if (mqtt_client_connected(w->ingest)) {
        enum res r = mqtt_client_subscribe(w->ingest, "$share/ingest/smartshelf/+/+", &id);
        r = r == RES_OK
                ? mqtt_client_subscribe(w->ingest, "$share/ingest/smartshelf/+/shadow/+", &id)
                : r;
        assert(r == RES_OK);
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    const struct world *w = context;
    if (answer->reason >= 0x80) {
        die(w, "the broker denies the platform something");
    }
}

static struct mqtt_client *make_client(struct world *w, const char *service)
{
    struct broker_identity_files files;
    struct mqtt_client_settings settings;
    struct mqtt_client *client = NULL;
    struct err why = {""};
    broker_fixture_issue(&w->broker, PKI_SERVICE, service, NULL, &files);
    broker_fixture_settings(&w->broker, &files, &settings);
    settings.context = w;
    settings.on_connect = on_connect;
    settings.on_message = on_message;
    settings.on_answer = on_answer;
    settings.queued_max = 4096;
    settings.send_max = 1000;
    settings.receive_max = 1000;
    if (mqtt_client_new(&settings, &why, &client) != RES_OK) {
        die(w, why.text);
    }
    return client;
}

static void work(struct world *w, unsigned ms)
{
    enum res worker = mqtt_client_step(w->worker, 0);
    (void)worker; /* what does not come is missed by who waits for it */
    enum res ingest = mqtt_client_step(w->ingest, ms);
    if (ingest == RES_UNAVAILABLE) {
        (void)poll(NULL, 0, (int)ms);
    }
}

void world_connect(struct world *w)
{
    int64_t until_ms = clock_monotonic_ms() + WORLD_DEADLINE_MS;
    struct mqtt_client *clients[] = {w->ingest, w->worker};
    for (int i = 0; i < 2; i++) {
        while (!mqtt_client_connected(clients[i])) {
            enum res r = mqtt_client_connect(clients[i], NULL);
            for (int k = 0; r == RES_OK && k < 100 && !mqtt_client_connected(clients[i]); k++) {
                work(w, 10);
            }
            if (clock_monotonic_ms() > until_ms) {
                die(w, "the platform finds no broker");
            }
        }
    }
}

void world_run(struct world *w, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < until_ms) {
        work(w, 5);
    }
}

void world_price(struct world *w, struct world_label *l, int64_t price_minor, bool quiet)
{
    uint8_t text[SHELF_DOWN_BYTES_MAX];
    struct shelf_display display;
    struct sink s;
    l->has_desired = true;
    l->version++;
    l->price_minor = price_minor;
    l->displayed = 0;
    compose(l, &display);
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(&display, &s);
    int good = EVP_Digest(text, s.size, l->digest, NULL, EVP_sha256(), NULL);
    assert(good == 1 && !s.overflow);
    memcpy(display.digest, l->digest, sizeof display.digest);
    sink_init(&s, l->digest_text, sizeof l->digest_text - 1);
    sink_hex(&s, span_of(l->digest, sizeof l->digest));
    l->digest_text[s.size] = '\0';
    sink_init(&s, text, sizeof text);
    shelf_display_encode(&display, &s);
    assert(!s.overflow);
    if (!quiet) {
        send_signed(w, w->worker, l->id, SHELF_PRICE_UPDATE, sink_span(&s));
    }
}

void world_until_displayed(struct world *w, size_t from, size_t to)
{
    int64_t until_ms = clock_monotonic_ms() + WORLD_DEADLINE_MS;
    for (size_t i = from; i < to; i++) {
        while (w->labels[i].displayed == 0) {
            work(w, 5);
            if (clock_monotonic_ms() > until_ms) {
                die(w, "a label does not confirm what it shows");
            }
        }
    }
}

/* --- the control socket --- */

static void speak(struct world *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int64_t until_ms = clock_monotonic_ms() + WORLD_DEADLINE_MS;
    memcpy(address.sun_path, w->control, sizeof w->control);
    w->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    w->line_size = 0;
    while (connect(w->socket, (struct sockaddr *)&address, sizeof address) != 0) {
        int status;
        work(w, 10);
        if (clock_monotonic_ms() > until_ms || waitpid(w->fleet, &status, WNOHANG) == w->fleet) {
            w->fleet = 0;
            die(w, "the fleet does not listen");
        }
    }
}

/* The next line, while the platform works. */
static json_t *read_answer(struct world *w)
{
    int64_t until_ms = clock_monotonic_ms() + 2 * WORLD_DEADLINE_MS;
    for (;;) {
        const char *end = memchr(w->line, '\n', w->line_size);
        if (end != NULL) {
            size_t size = (size_t)(end - w->line) + 1;
            json_t *answer = json_loadb(w->line, size - 1, 0, NULL);
            memmove(w->line, w->line + size, w->line_size - size);
            w->line_size -= size;
            return answer;
        }
        ssize_t got =
            recv(w->socket, w->line + w->line_size, sizeof w->line - w->line_size, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN) || clock_monotonic_ms() > until_ms) {
            die(w, "the fleet does not answer");
        }
        w->line_size += got > 0 ? (size_t)got : 0;
        if (got < 0) {
            work(w, 5);
        }
    }
}

static json_t *ask(struct world *w, const char *request)
{
    size_t size = strlen(request);
    ssize_t sent = send(w->socket, request, size, MSG_NOSIGNAL);
    if (sent != (ssize_t)size || send(w->socket, "\n", 1, MSG_NOSIGNAL) != 1) {
        die(w, "the fleet takes no request");
    }
    return read_answer(w);
}

json_t *world_ask(struct world *w, const char *format, ...)
{
    char request[2000];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(request, sizeof request, format, list);
    va_end(list);
    assert(size > 0 && (size_t)size < sizeof request);
    json_t *answer = ask(w, request);
    if (!json_is_true(json_object_get(answer, "ok"))) {
        (void)fprintf(stderr, "%s: %s\n", request,
                      json_string_value(json_object_get(answer, "error")));
        die(w, "the fleet refuses a request");
    }
    return answer;
}

void world_refused(struct world *w, const char *request, const char *words)
{
    json_t *answer = ask(w, request);
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (!json_is_false(json_object_get(answer, "ok")) || error == NULL ||
        strstr(error, words) == NULL) {
        (void)fprintf(stderr, "%s: %s\n", request, error == NULL ? "was taken" : error);
        die(w, "the fleet says something else");
    }
    json_decref(answer);
}

static void must_be_done(struct world *w, json_t *answer, const char *request)
{
    if (!json_is_true(json_object_get(answer, "done"))) {
        const json_t *missing = json_array_get(json_object_get(answer, "missing"), 0);
        json_t *dump = world_ask(w, "{\"get\":\"dump\",\"on\":\"%s\"}",
                                 missing == NULL ? "1%" : json_string_value(missing));
        (void)fprintf(stderr, "%.200s: %s\nthe first of them: %s\n", request,
                      json_dumps(answer, JSON_COMPACT), json_dumps(dump, JSON_COMPACT));
        die(w, "what was waited for does not come");
    }
    json_decref(answer);
}

void world_wait(struct world *w, const char *format, ...)
{
    char request[2000];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(request, sizeof request, format, list);
    va_end(list);
    assert(size > 0 && (size_t)size < sizeof request);
    must_be_done(w, ask(w, request), request);
}

void world_expect_shown(struct world *w)
{
    json_t *expect = json_object();
    for (size_t i = 0; i < w->count; i++) {
        json_object_set_new(expect, w->labels[i].id,
                            json_pack("{s:s,s:I}", "digest", w->labels[i].digest_text, "version",
                                      (json_int_t)w->labels[i].version));
    }
    json_t *request = json_pack("{s:o,s:i}", "expect", expect, "ms", WORLD_DEADLINE_MS);
    char *text = json_dumps(request, JSON_COMPACT);
    must_be_done(w, ask(w, text), text);
    free(text);
    json_decref(request);
}

/* --- the fleet --- */

void world_start(struct world *w, const char *const *extra)
{
    char broker[40];
    char *argv[ARGS_MAX];
    size_t count = 0;
    assert(w->program != NULL);
    const char *const given[] = {w->program,
                                 "--broker",
                                 broker,
                                 "--ca",
                                 w->broker.ca_file,
                                 "--platform-key",
                                 w->platform_pub,
                                 "--labels",
                                 w->labels_directory,
                                 "--control",
                                 w->control,
                                 "--state",
                                 w->state,
                                 "--report",
                                 w->report,
                                 NULL};
    (void)snprintf(broker, sizeof broker, "127.0.0.1:%u", w->broker.port);
    for (size_t i = 0; given[i] != NULL; i++) {
        argv[count++] = (char *)(uintptr_t)given[i];
    }
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        argv[count++] = (char *)(uintptr_t)extra[i];
    }
    argv[count] = NULL;
    posix_spawn_file_actions_t actions;
    int bad = posix_spawn_file_actions_init(&actions);
    bad |= posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, w->errors,
                                            O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bad |= posix_spawn(&w->fleet, w->program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    assert(bad == 0);
    speak(w);
}

int world_end(struct world *w, int signal_number)
{
    int status = 0;
    int64_t until_ms = clock_monotonic_ms() + WORLD_DEADLINE_MS;
    (void)kill(w->fleet, signal_number);
    while (waitpid(w->fleet, &status, WNOHANG) != w->fleet) {
        work(w, 5);
        if (clock_monotonic_ms() > until_ms) {
            die(w, "the fleet does not end");
        }
    }
    w->fleet = 0;
    (void)close(w->socket);
    return status;
}

/* --- life --- */

static void write_file(const char *directory, const char *id, const char *ending, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s%s", directory, id, ending);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ssize_t wrote = write(fd, text, strlen(text));
    assert(fd >= 0 && wrote == (ssize_t)strlen(text));
    (void)close(fd);
}

static void make_labels(struct world *w, size_t count)
{
    static struct pki_certificate made;
    struct err why = {""};
    int bad = mkdir(w->labels_directory, 0700);
    assert(bad == 0);
    for (w->count = 0; w->count < count; w->count++) {
        struct world_label *l = &w->labels[w->count];
        (void)snprintf(l->id, sizeof l->id, "ESP32-%06u", (unsigned)(w->count + 1) % 1000000);
        struct pki_request request = {.kind = PKI_LABEL,
                                      .id = span_text(l->id, SHELF_ID_BYTES_MAX),
                                      .store_id = SPAN_LIT(STORE)};
        pki_issue_period(&request, 2);
        enum res r = pki_issue_with_key(w->broker.ca, &request, &made, &why);
        assert(r == RES_OK);
        write_file(w->labels_directory, l->id, ".crt", made.pem);
        write_file(w->labels_directory, l->id, ".key", made.key_pem);
        pki_issue_cleanse(&made);
    }
}

static void make_platform(struct world *w)
{
    struct err why = {""};
    char path[128];
    uint8_t point[ECDSA_POINT_BYTES];
    struct ecdsa_private *key = NULL;
    (void)snprintf(path, sizeof path, "%s/platform.key", w->broker.directory);
    enum res r = ecdsa_private_new(&key);
    r = r == RES_OK ? ecdsa_private_save(key, path, &why) : r;
    r = r == RES_OK ? platform_signer_open(path, &w->signer, &why) : r;
    assert(r == RES_OK);
    ecdsa_private_free(key);
    platform_signer_point(w->signer, point);
    r = ecdsa_point_save(span_of(point, sizeof point), w->platform_pub, &why);
    assert(r == RES_OK);
    w->ingest = make_client(w, "service:ingest");
    w->worker = make_client(w, "service:worker");
    world_connect(w);
}

bool world_open(struct world *w, const char *program, size_t labels)
{
    memset(w, 0, sizeof *w);
    w->program = program;
    if (!broker_fixture_start(&w->broker)) {
        return false;
    }
    const char *d = w->broker.directory;
    (void)snprintf(w->labels_directory, sizeof w->labels_directory, "%s/labels", d);
    (void)snprintf(w->platform_pub, sizeof w->platform_pub, "%s/platform.pub", d);
    (void)snprintf(w->state, sizeof w->state, "%s/state", d);
    (void)snprintf(w->control, sizeof w->control, "%s/control", d);
    (void)snprintf(w->report, sizeof w->report, "%s/report", d);
    (void)snprintf(w->errors, sizeof w->errors, "%s/errors", d);
    make_labels(w, labels);
    make_platform(w);
    return true;
}

void world_close(struct world *w)
{
    if (w->fleet > 0) {
        (void)world_end(w, SIGKILL);
    }
    mqtt_client_free(w->ingest);
    mqtt_client_free(w->worker);
    platform_signer_close(w->signer);
    broker_fixture_stop(&w->broker);
}
