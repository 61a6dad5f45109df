#include "bench_publish.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_clock.h"
#include "wire.h"

#define CONNECT_S_MAX 30.0
#define STEP_MS       1

struct cart {
    struct mqtt_client *client;
    struct worker *worker;
    size_t index;
    size_t next; /* of its messages, from 0 */
};

struct worker {
    const struct bench_publish_plan *plan;
    struct bench_publish_shared *shared;
    struct cart *carts;
    struct pollfd *polls;
    size_t count;
};

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "endcap-bench: carts: %s: %s\n", what, why);
    exit(1);
}

static void on_connect(void *context)
{
    struct cart *c = context;
    if (c->worker->plan->commit_acks) {
        char filter[BENCH_LOAD_TOPIC];
        (void)snprintf(filter, sizeof filter, "cart/%s/response",
                       c->worker->plan->carts[c->index].id);
        if (mqtt_client_subscribe(c->client, filter, NULL) != RES_OK) {
            die("cannot subscribe", filter);
        }
    } else {
        (void)atomic_fetch_add(&c->worker->shared->connected, 1);
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct cart *c = context;
    if (answer->reason >= 0x80) {
        die("the broker refuses", c->worker->plan->carts[c->index].id);
    }
    if (answer->subscription) {
        (void)atomic_fetch_add(&c->worker->shared->connected, 1);
    }
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    (void)context;
    (void)cause;
    die("a cart lost its connection", why);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    static struct wire_downlink said; /* large */
    struct cart *c = context;
    struct span body = SPAN_NONE;
    struct span signature = SPAN_NONE;
    struct wire_detail detail;
    if (wire_downlink_split(message->payload, &body, &signature) == WIRE_FINE &&
        wire_downlink_decode(body, &said, &detail) == WIRE_FINE && said.type == WIRE_COMMIT_ACK &&
        said.commit_ack.epoch == c->worker->plan->run->epoch) {
        atomic_store(&c->worker->shared->through[c->index], said.commit_ack.through);
    }
}

static void step(struct cart *c, unsigned timeout_ms)
{
    if (mqtt_client_step(c->client, timeout_ms) != RES_OK) {
        die("no connection", c->worker->plan->carts[c->index].id);
    }
}

static void connect_carts(struct worker *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct cart *c = &w->carts[i];
        struct mqtt_client_settings settings;
        struct err why = {""};
        broker_fixture_settings(w->plan->fixture, &w->plan->files[c->index], &settings);
        settings.keep_alive_s = 600;
        settings.send_max = 2 * BENCH_PUBLISH_WINDOW;
        settings.context = c;
        settings.on_connect = on_connect;
        settings.on_disconnect = on_disconnect;
        settings.on_message = on_message;
        settings.on_answer = on_answer;
        if (mqtt_client_new(&settings, &why, &c->client) != RES_OK ||
            mqtt_client_connect(c->client, &why) != RES_OK) {
            die("cannot connect", why.text);
        }
        while (!mqtt_client_connected(c->client)) {
            step(c, STEP_MS);
        }
    }
}

/* Sends what the cart's window allows; true when it has sent all. */
static bool send_some(struct worker *w, struct cart *c)
{
    const struct bench_publish_plan *plan = w->plan;
    size_t per_cart = plan->run->count / plan->cart_count;
    int64_t through = atomic_load(&w->shared->through[c->index]);
    while (c->next < per_cart && (int64_t)c->next < through + BENCH_PUBLISH_WINDOW) {
        const struct bench_load_message *m =
            &plan->run->messages[c->next * plan->cart_count + c->index];
        const char *topic = (const char *)bench_load_topic(plan->carts, m).data;
        enum res r = mqtt_client_publish(c->client, topic, bench_load_frame(m), false, NULL, NULL);
        if (r == RES_FULL) {
            break;
        }
        if (r != RES_OK) {
            die("cannot publish", res_name(r));
        }
        c->next++;
    }
    return c->next == per_cart;
}

static void step_ready(struct worker *w)
{
    for (size_t i = 0; i < w->count; i++) {
        w->polls[i] =
            (struct pollfd){.fd = mqtt_client_socket(w->carts[i].client), .events = POLLIN};
    }
    (void)poll(w->polls, (nfds_t)w->count, STEP_MS);
    for (size_t i = 0; i < w->count; i++) {
        if (w->polls[i].revents != 0) {
            step(&w->carts[i], 0);
        }
    }
}

static _Noreturn void work(const struct bench_publish_plan *plan,
                           struct bench_publish_shared *shared, size_t first)
{
    struct worker w = {.plan = plan, .shared = shared};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    w.carts = calloc(plan->cart_count, sizeof *w.carts);
    w.polls = calloc(plan->cart_count, sizeof *w.polls);
    if (w.carts == NULL || w.polls == NULL) {
        die("no memory", "");
    }
    for (size_t i = first; i < plan->cart_count; i += plan->processes) {
        w.carts[w.count++] = (struct cart){.worker = &w, .index = i};
    }
    connect_carts(&w);
    while (atomic_load(&shared->go) == 0) {
        step_ready(&w);
    }
    while (atomic_load(&shared->stop) == 0) {
        for (size_t i = 0; i < w.count; i++) {
            (void)send_some(&w, &w.carts[i]);
        }
        step_ready(&w);
    }
    _exit(0);
}

void bench_publish_start(const struct bench_publish_plan *plan, struct bench_publish *ret)
{
    *ret = (struct bench_publish){.child_count = plan->processes};
    ret->shared =
        mmap(NULL, sizeof *ret->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ret->shared == MAP_FAILED) {
        die("no shared memory", "");
    }
    for (size_t i = 0; i < plan->processes; i++) {
        ret->children[i] = fork();
        if (ret->children[i] < 0) {
            die("cannot fork", "");
        }
        if (ret->children[i] == 0) {
            work(plan, ret->shared, i);
        }
    }
    double start = bench_clock_wall();
    while (atomic_load(&ret->shared->connected) < (int)plan->cart_count) {
        const struct timespec pause = {.tv_nsec = 2000000};
        (void)nanosleep(&pause, NULL);
        for (size_t i = 0; i < plan->processes; i++) {
            if (waitpid(ret->children[i], NULL, WNOHANG) != 0) {
                die("a sending process ended", "");
            }
        }
        if (bench_clock_wall() - start > CONNECT_S_MAX) {
            die("the carts are not connected", "in time");
        }
    }
}

void bench_publish_go(struct bench_publish *p)
{
    atomic_store(&p->shared->go, 1);
}

double bench_publish_cpu(const struct bench_publish *p)
{
    double cpu = 0;
    for (size_t i = 0; i < p->child_count; i++) {
        cpu += bench_clock_cpu_of(p->children[i]);
    }
    return cpu;
}

void bench_publish_end(struct bench_publish *p)
{
    atomic_store(&p->shared->stop, 1);
    for (size_t i = 0; i < p->child_count; i++) {
        (void)kill(p->children[i], SIGKILL);
        (void)waitpid(p->children[i], NULL, 0);
    }
    (void)munmap(p->shared, sizeof *p->shared);
}
