#include "bench_broker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_clock.h"

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "endcap-bench: broker: %s: %s\n", what, why);
    exit(1);
}

bool bench_broker_start(const struct bench_load_cart *carts, size_t cart_count,
                        struct bench_broker *ret)
{
    *ret = (struct bench_broker){.files = calloc(cart_count, sizeof *ret->files)};
    if (ret->files == NULL) {
        die("no memory", "");
    }
    if (!broker_fixture_start(&ret->fixture)) {
        free(ret->files);
        return false;
    }
    for (size_t i = 0; i < cart_count; i++) {
        broker_fixture_issue(&ret->fixture, PKI_CART, carts[i].id, BENCH_LOAD_STORE,
                             &ret->files[i]);
    }
    broker_fixture_issue(&ret->fixture, PKI_SERVICE, BENCH_BROKER_SERVICE, NULL, &ret->service);
    return true;
}

void bench_broker_stop(struct bench_broker *b)
{
    broker_fixture_stop(&b->fixture);
    free(b->files);
}

size_t bench_broker_cart(struct span topic, size_t cart_count)
{
    static const char prefix[] = "cart/CART-B";
    size_t at = sizeof prefix - 1;
    if (topic.size < at + 3 || memcmp(topic.data, prefix, at) != 0) {
        return cart_count;
    }
    size_t index = 0;
    for (; at < topic.size && topic.data[at] != '/'; at++) {
        index = index * 10 + (size_t)(topic.data[at] - '0');
    }
    return index < cart_count ? index : cart_count;
}

struct counter {
    struct bench_publish_shared *shared;
    struct mqtt_client *client;
    size_t cart_count;
    _Atomic int subscribed;
    _Atomic size_t received;
};

static void on_connect(void *context)
{
    struct counter *c = context;
    if (mqtt_client_subscribe(c->client, BENCH_BROKER_FILTER, NULL) != RES_OK) {
        die("cannot subscribe", BENCH_BROKER_FILTER);
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct counter *c = context;
    if (answer->reason >= 0x80) {
        die("the subscription is refused", BENCH_BROKER_FILTER);
    }
    atomic_store(&c->subscribed, 1);
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    (void)context;
    (void)cause;
    die("the receiver lost its connection", why);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct counter *c = context;
    size_t cart = bench_broker_cart(message->topic, c->cart_count);
    if (cart < c->cart_count) {
        (void)atomic_fetch_add(&c->shared->through[cart], 1);
        (void)atomic_fetch_add(&c->received, 1);
    }
}

static void wait_until(const struct counter *c, size_t received)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    double start = bench_clock_wall();
    while (atomic_load(&c->subscribed) == 0 || atomic_load(&c->received) < received) {
        (void)nanosleep(&pause, NULL);
        if (bench_clock_wall() - start > BENCH_BROKER_WAIT_S) {
            die("messages are missing", "after two minutes");
        }
    }
}

void bench_broker_run(const struct bench_broker *b, const struct bench_load_cart *carts,
                      size_t cart_count, const struct bench_load_run *run,
                      struct bench_broker_figure *ret)
{
    const struct bench_publish_plan plan = {&b->fixture, b->files, carts, cart_count,
                                            run,         false,    1};
    struct bench_publish senders;
    struct counter c = {.cart_count = cart_count};
    struct mqtt_client_settings settings;
    struct err why = {""};
    bench_publish_start(&plan, &senders);
    c.shared = senders.shared;
    broker_fixture_settings(&b->fixture, &b->service, &settings);
    settings.keep_alive_s = 60;
    settings.receive_max = 1000;
    settings.threaded = true;
    settings.context = &c;
    settings.on_connect = on_connect;
    settings.on_disconnect = on_disconnect;
    settings.on_message = on_message;
    settings.on_answer = on_answer;
    if (mqtt_client_new(&settings, &why, &c.client) != RES_OK ||
        mqtt_client_connect(c.client, &why) != RES_OK) {
        die("the receiver cannot connect", why.text);
    }
    wait_until(&c, 0);
    double broker = bench_clock_cpu_of(b->fixture.pid);
    double sending = bench_publish_cpu(&senders);
    double own = bench_clock_cpu();
    double wall = bench_clock_wall();
    bench_publish_go(&senders);
    wait_until(&c, run->count);
    wall = bench_clock_wall() - wall;
    broker = bench_clock_cpu_of(b->fixture.pid) - broker;
    sending = bench_publish_cpu(&senders) - sending;
    own = bench_clock_cpu() - own;
    bench_publish_end(&senders);
    mqtt_client_free(c.client);
    double messages = (double)run->count;
    *ret = (struct bench_broker_figure){messages / wall, broker / messages,
                                        (broker + sending + own) / messages};
}
