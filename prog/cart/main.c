/* endcap-cart: one virtual cart; its text is in options.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "board_sim.h"
#include "cart.h"
#include "clock.h"
#include "display_json.h"
#include "flash_file.h"
#include "impairment.h"
#include "log.h"
#include "network_mqtt.h"
#include "options.h"
#include "secure_element_file.h"
#include "shopper.h"
#include "terminal_sim.h"
#include "trip_file.h"
#include "truth_journal.h"

#define STEP_MS          20
#define TRIP_END_MS      20000 /* SIGTERM: so long for the trip that is going on */
#define PROGRAM_BYTES    16
#define FAILURES_PER_LOG 10 /* of connecting, after the first three */

static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t cut_asked;

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        cut_asked = 1;
    } else {
        stop_asked = 1;
    }
}

/* Everything of one virtual cart; static, for its size. */
static struct world {
    struct options options;
    struct flash_file flash;
    struct secure_element_file secure;
    char filters[3][64]; /* command, response, the store's catalogue, which is retained */
    struct network_mqtt mqtt;
    struct impairment impairment;
    struct terminal_sim terminal;
    struct scale_sim scale;
    struct board_sim board;
    struct display_json display;
    struct truth_journal journal;
    struct trip_file *trips;
    struct shopper_settings shopper_settings;
    struct shopper shopper;
    struct cart_settings settings;
    struct cart_ports ports;
    struct cart cart;
    unsigned restarts;
    int64_t cut_until_ms;
    unsigned failures; /* of connecting, in a row */
} world;

static struct cart_time now(void)
{
    return (struct cart_time){clock_monotonic_ms(), clock_utc_ms()};
}

static void log_failure(struct world *w, const char *why)
{
    w->failures++;
    if (w->failures <= 3 || w->failures % FAILURES_PER_LOG == 0) {
        log_event(LOG_WARN, "no_connection", LOG_TEXT("cart", w->options.cart_id),
                  LOG_TEXT("why", why), LOG_INT("failures", w->failures), LOG_END);
    }
}

static void on_connected(void *context)
{
    struct world *w = context;
    w->failures = 0;
    log_event(LOG_INFO, "connected", LOG_TEXT("cart", w->options.cart_id), LOG_END);
    cart_network_connected(&w->cart, now());
}

static void on_disconnected(void *context, enum res cause, const char *why)
{
    (void)cause;
    struct world *w = context;
    log_failure(w, why);
    cart_network_disconnected(&w->cart, now());
}

static void on_failed(void *context, const char *why)
{
    log_failure(context, why);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct world *w = context;
    cart_network_message(&w->cart, now(), message->payload);
}

static enum res open_flash(struct world *w, struct err *why)
{
    const struct options *o = &w->options;
    char path[1024];
    if (mkdir(o->state_dir, 0700) != 0 && errno != EEXIST) {
        err_set(why, "cannot make the state directory %s: %s; check its parent", o->state_dir,
                strerror(errno));
        return RES_IO;
    }
    int size = snprintf(path, sizeof path, "%s/flash.bin", o->state_dir);
    if (size < 0 || (size_t)size >= sizeof path) {
        err_set(why, "the state directory's path is too long; use a shorter one");
        return RES_LIMIT;
    }
    return flash_file_open(&w->flash, path, CART_STORE_SECTOR_BYTES, (uint32_t)o->flash_sectors,
                           PROGRAM_BYTES, why);
}

static enum res open_secure(struct world *w, struct err *why)
{
    const struct options *o = &w->options;
    char path[1024];
    int size = snprintf(path, sizeof path, "%s/epoch", o->state_dir);
    if (size < 0 || (size_t)size >= sizeof path) {
        err_set(why, "the state directory's path is too long; use a shorter one");
        return RES_LIMIT;
    }
    return secure_element_file_open(&w->secure, o->key_file, o->platform_key_file, path, why);
}

static enum res open_network(struct world *w, struct err *why)
{
    const struct options *o = &w->options;
    snprintf(w->filters[0], sizeof w->filters[0], "cart/%s/command", o->cart_id);
    snprintf(w->filters[1], sizeof w->filters[1], "cart/%s/response", o->cart_id);
    snprintf(w->filters[2], sizeof w->filters[2], "store/%s/catalogue/+", o->store_id);
    const struct network_mqtt_settings settings = {
        .device_id = o->cart_id,
        .filters = {w->filters[0], w->filters[1], w->filters[2]},
        .host = o->host,
        .port = o->port,
        .ca_file = o->ca_file,
        .certificate_file = o->certificate_file,
        .key_file = o->key_file,
    };
    const struct network_mqtt_events events = {
        .context = w,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .failed = on_failed,
        .message = on_message,
    };
    enum res r = network_mqtt_open(&w->mqtt, &settings, &events, why);
    if (r == RES_OK) {
        impairment_init(&w->impairment, &w->mqtt.network, o->seed);
        w->impairment.drop = o->drop;
        w->impairment.replay = o->replay;
        w->impairment.reorder = o->reorder;
    }
    return r;
}

static void init_sims(struct world *w)
{
    const struct options *o = &w->options;
    terminal_sim_init(&w->terminal, o->seed);
    w->terminal.decline_per_mille = (uint32_t)(o->decline * 1000);
    w->terminal.delay_ms = o->terminal_ms;
    scale_sim_init(&w->scale);
    board_sim_init(&w->board, o->seed);
    w->board.now_ms = now().uptime_ms;
    w->board.last_ms = w->board.now_ms;
    w->terminal.now_ms = w->board.now_ms;
    w->flash.relaxed = o->relaxed_flash;
    display_json_init(&w->display, o->show ? stdout : NULL);
    w->shopper_settings = (struct shopper_settings){
        .trips = w->trips,
        .pace_ms = o->pace_ms,
        .trips_max = o->trips_max,
        .loop = o->loop,
        .identify = o->identify,
        .mismatch = o->mismatch,
    };
}

static enum res start_cart(struct world *w, enum wire_boot_reason reason, struct err *why)
{
    const struct options *o = &w->options;
    w->settings = (struct cart_settings){
        .cart_id = o->cart_id,
        .store_id = o->store_id,
        .currency = o->currency,
        .firmware = "0.1.0",
        .hardware = "endcap-cart-virtual",
        .slot = "A",
        .boot_reason = reason,
        /* GS1: 02 is a weight by itself; this chain prints prices on 20..24, weights on 25..29. */
        .prefix_measure = {GTIN_MEASURE_PRICE, GTIN_MEASURE_PRICE, GTIN_MEASURE_PRICE,
                           GTIN_MEASURE_PRICE, GTIN_MEASURE_PRICE, GTIN_MEASURE_WEIGHT,
                           GTIN_MEASURE_WEIGHT, GTIN_MEASURE_WEIGHT, GTIN_MEASURE_WEIGHT,
                           GTIN_MEASURE_WEIGHT},
    };
    w->ports = (struct cart_ports){
        .flash = &w->flash.flash,
        .secure = &w->secure.secure,
        .network = &w->impairment.network,
        .display = &w->display.display,
        .scale = &w->scale.scale,
        .terminal = &w->terminal.terminal,
        .board = &w->board.board,
        .observer = &w->journal.observer,
    };
    enum res r = cart_init(&w->cart, &w->settings, &w->ports, now());
    if (r != RES_OK) {
        err_set(why,
                "the cart cannot start from %s (%s); check the disk, or name a new state "
                "directory",
                o->state_dir, res_name(r));
    }
    return r;
}

static enum res open_world(struct world *w, struct err *why)
{
    const struct options *o = &w->options;
    w->flash.fd = -1;
    w->journal.fd = -1;
    enum res r = trip_file_new(o->trips_file, why, &w->trips);
    if (r == RES_OK) {
        r = open_flash(w, why);
    }
    if (r == RES_OK) {
        r = open_secure(w, why);
    }
    if (r == RES_OK) {
        r = truth_journal_open(&w->journal, o->journal_file, o->cart_id, why);
    }
    if (r == RES_OK) {
        r = open_network(w, why);
    }
    if (r != RES_OK) {
        return r;
    }
    init_sims(w);
    r = start_cart(w, WIRE_BOOT_POWER, why);
    if (r == RES_OK) {
        /* Another epoch, another shopper: after a restart not the same trips again. */
        uint64_t seed = o->seed ^ (uint64_t)w->cart.ledger.through << 20;
        shopper_init(&w->shopper, &w->shopper_settings, &w->cart, &w->scale, seed, now());
    }
    return r;
}

static void close_world(struct world *w)
{
    network_mqtt_close(&w->mqtt);
    truth_journal_close(&w->journal);
    secure_element_file_close(&w->secure);
    flash_file_close(&w->flash);
    trip_file_free(w->trips);
}

static void answer_terminal(struct world *w)
{
    struct span reference;
    struct span token;
    enum terminal_answer answer;
    if (terminal_sim_answer(&w->terminal, &reference, &answer, &token)) {
        cart_terminal_answer(&w->cart, now(), reference, answer, token);
    }
}

static void watch_cut(struct world *w)
{
    if (cut_asked) {
        cut_asked = 0;
        w->cut_until_ms = now().uptime_ms + w->options.cut_ms;
        log_event(LOG_INFO, "network_cut", LOG_TEXT("cart", w->options.cart_id), LOG_END);
        network_mqtt_cut(&w->mqtt, true);
    } else if (w->mqtt.cut && now().uptime_ms >= w->cut_until_ms) {
        network_mqtt_cut(&w->mqtt, false);
    }
}

static void step(struct world *w)
{
    network_mqtt_step(&w->mqtt, STEP_MS);
    struct cart_time t = now();
    w->impairment.now_ms = t.uptime_ms;
    w->terminal.now_ms = t.uptime_ms;
    w->board.now_ms = t.uptime_ms;
    impairment_tick(&w->impairment);
    watch_cut(w);
    answer_terminal(w);
    shopper_step(&w->shopper, t);
    cart_tick(&w->cart, now());
}

/* The command "restart": the core starts anew on the same flash, as after a reset. */
static enum res watch_restart(struct world *w, struct err *why)
{
    if (w->board.restarts == w->restarts) {
        return RES_OK;
    }
    w->restarts = w->board.restarts;
    network_mqtt_cut(&w->mqtt, true);
    network_mqtt_cut(&w->mqtt, false);
    return start_cart(w, WIRE_BOOT_COMMAND, why);
}

static enum res run(struct world *w, struct err *why)
{
    enum res r = RES_OK;
    int64_t leave_until_ms = 0;
    while (r == RES_OK && !shopper_is_gone(&w->shopper)) {
        if (stop_asked && leave_until_ms == 0) {
            shopper_leave(&w->shopper, now());
            leave_until_ms = now().uptime_ms + TRIP_END_MS;
        }
        if (leave_until_ms != 0 && now().uptime_ms >= leave_until_ms) {
            break; /* the trip stays open on flash */
        }
        step(w);
        r = watch_restart(w, why);
    }
    int64_t drain_until_ms = now().uptime_ms + w->options.drain_ms;
    while (r == RES_OK && cart_unacknowledged(&w->cart) > 0 && now().uptime_ms < drain_until_ms) {
        step(w);
        r = watch_restart(w, why);
    }
    return r;
}

static void print_truth(const struct world *w)
{
    const struct cart_counts *n = &w->cart.counts;
    printf("{\"cart\":\"%s\",\"epoch\":%lld,\"lastCounter\":%lld,\"acknowledged\":%lld,"
           "\"unacked\":%lld,\"trips\":%llu,\"scans\":%llu,\"appended\":%lu,\"published\":%lu,"
           "\"refusedEvents\":%lu,\"refusedInputs\":%llu,\"complete\":%lu,\"voided\":%lu,"
           "\"abandoned\":%lu,\"openTrip\":%s,\"catalogVersion\":%lld,\"dropped\":%llu,"
           "\"replayed\":%llu,\"reordered\":%llu}\n",
           w->options.cart_id, (long long)w->cart.ledger.epoch,
           (long long)flash_queue_next_counter(&w->cart.store.queue) - 1,
           (long long)w->cart.ledger.acked, (long long)cart_unacknowledged(&w->cart),
           (unsigned long long)w->shopper.trips, (unsigned long long)w->shopper.scans,
           (unsigned long)n->appended, (unsigned long)n->published, (unsigned long)n->refused,
           (unsigned long long)w->shopper.refused, (unsigned long)n->trips_complete,
           (unsigned long)n->trips_voided, (unsigned long)n->trips_abandoned,
           cart_has_trip(&w->cart) ? "true" : "false", (long long)cart_catalog_version(&w->cart),
           (unsigned long long)w->impairment.dropped, (unsigned long long)w->impairment.replayed,
           (unsigned long long)w->impairment.reordered);
}

int main(int argc, char **argv)
{
    struct err why = {""};
    struct world *w = &world;
    struct sigaction action = {.sa_handler = on_signal};
    enum res r = options_read(&w->options, argc, argv, &why);
    if (r == RES_NOT_FOUND) {
        return 0;
    }
    if (r != RES_OK) {
        fprintf(stderr, "endcap-cart: %s\n", why.text);
        return 2;
    }
    log_init("endcap-cart", LOG_INFO);
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGUSR1, &action, NULL) != 0) {
        fprintf(stderr, "endcap-cart: cannot install signal handlers: %s\n", strerror(errno));
        return 1;
    }
    r = open_world(w, &why);
    if (r == RES_OK) {
        r = run(w, &why);
        print_truth(w);
        if (r == RES_OK && w->journal.last_errno != 0) {
            err_set(&why, "the journal %s could not be written: %s; free the disk",
                    w->options.journal_file, strerror(w->journal.last_errno));
            r = RES_IO;
        }
    }
    close_world(w);
    if (r != RES_OK) {
        fprintf(stderr, "endcap-cart: %s\n", why.text);
        return 1;
    }
    return 0;
}
