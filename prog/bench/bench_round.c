#include "bench_round.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_clock.h"

#define PAYLOAD_BYTES 512
#define GAP_S         0.001
#define PATIENCE_S    10

struct end { /* of the two */
    const char *filter;
    char answer_topic[BENCH_LOAD_TOPIC]; /* "": it asks */
    struct mqtt_client *client;
    sem_t subscribed;
    sem_t heard;
};

static const uint8_t payload[PAYLOAD_BYTES];

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "endcap-bench: round trip: %s: %s\n", what, why);
    exit(1);
}

static void on_connect(void *context)
{
    struct end *e = context;
    if (mqtt_client_subscribe(e->client, e->filter, NULL) != RES_OK) {
        die("cannot subscribe", e->filter);
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct end *e = context;
    if (answer->reason >= 0x80) {
        die("the broker refuses", e->filter);
    }
    if (answer->subscription) {
        (void)sem_post(&e->subscribed);
    }
}

static void say(struct end *e, const char *topic)
{
    if (mqtt_client_publish(e->client, topic, span_of(payload, sizeof payload), false, NULL,
                            NULL) != RES_OK) {
        die("cannot publish", topic);
    }
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct end *e = context;
    (void)message;
    if (e->answer_topic[0] != '\0') {
        say(e, e->answer_topic);
    } else {
        (void)sem_post(&e->heard);
    }
}

static void await(sem_t *what, const char *words)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += PATIENCE_S;
    if (sem_timedwait(what, &t) != 0) {
        die(words, "nothing came");
    }
}

static void open_end(const struct bench_broker *b, const struct broker_identity_files *files,
                     struct end *e)
{
    struct mqtt_client_settings settings;
    struct err why = {""};
    broker_fixture_settings(&b->fixture, files, &settings);
    settings.keep_alive_s = 60;
    settings.threaded = true;
    settings.context = e;
    settings.on_connect = on_connect;
    settings.on_message = on_message;
    settings.on_answer = on_answer;
    (void)sem_init(&e->subscribed, 0, 0);
    (void)sem_init(&e->heard, 0, 0);
    if (mqtt_client_new(&settings, &why, &e->client) != RES_OK ||
        mqtt_client_connect(e->client, &why) != RES_OK) {
        die("cannot connect", why.text);
    }
    await(&e->subscribed, "no subscription");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void one_round(struct end *platform, const char *topic, double *ret_ms)
{
    double begun = bench_clock_wall();
    say(platform, topic);
    await(&platform->heard, "no answer");
    double took = bench_clock_wall() - begun;
    *ret_ms = took * 1000;
    if (took < GAP_S) {
        const struct timespec pause = {.tv_nsec = (long)((GAP_S - took) * 1e9)};
        (void)nanosleep(&pause, NULL);
    }
}

void bench_round_run(const struct bench_broker *b, const struct bench_load_cart *carts,
                     size_t count, struct bench_round_figure *ret)
{
    char topic[BENCH_LOAD_TOPIC];
    double *times = calloc(count, sizeof *times);
    struct end platform = {.filter = BENCH_BROKER_FILTER};
    struct end device = {.filter = topic};
    if (times == NULL || count == 0) {
        die("no memory", "");
    }
    (void)snprintf(topic, sizeof topic, "cart/%s/response", carts[0].id);
    (void)snprintf(device.answer_topic, sizeof device.answer_topic, "cart/%s/scan", carts[0].id);
    open_end(b, &b->service, &platform);
    open_end(b, &b->files[0], &device);
    for (size_t i = 0; i < count; i++) {
        one_round(&platform, topic, &times[i]);
    }
    mqtt_client_free(device.client);
    mqtt_client_free(platform.client);
    qsort(times, count, sizeof *times, by_value);
    *ret = (struct bench_round_figure){times[count / 2], times[count * 99 / 100]};
    free(times);
}
