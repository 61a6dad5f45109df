/* endcap-label: one virtual shelf label; its text is in label_options.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "flash_file.h"
#include "impairment.h"
#include "label_journal.h"
#include "label_options.h"
#include "log.h"
#include "network_mqtt.h"
#include "nfc_file.h"
#include "panel_face.h"
#include "renewal_file.h"
#include "secure_element_file.h"

#define FIRMWARE         "0.1.0"
#define SECTOR_BYTES     1024
#define PROGRAM_BYTES    16
#define WAIT_MAX_MS      200
#define HOUR_MS          INT64_C(3600000)
#define SIGNAL_DBM       (-58)
#define FAILURES_PER_LOG 10 /* of connecting, after the first three */
#define LINE_BYTES_MAX   2048

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

/* Everything of one virtual label; static, for its size. */
static struct world {
    struct label_options options;
    struct flash_file flash;
    struct secure_element_file secure;
    char filters[SHELF_STATUS][SHELF_TOPIC_BYTES]; /* all that goes down */
    struct network_mqtt mqtt;
    struct impairment impairment;
    struct rng rng;
    struct panel_face panel;
    struct nfc_file nfc;
    struct renewal_file renewal;
    struct board board;
    struct led led;
    struct label_journal journal;
    struct label_settings settings;
    struct label_ports ports;
    struct label label;
    int64_t begin_ms;
    int64_t due_ms;
    int64_t cut_until_ms;
    unsigned failures; /* of connecting, in a row */
    bool lit;          /* the lamp */
    unsigned lost;     /* messages to the label that --loss took */
} world;

/* --- the world behind the ports --- */

static void read_board(void *context, struct board_reading *ret_reading)
{
    const struct world *w = context;
    int64_t used = w->options.drain_pct * (clock_monotonic_ms() - w->begin_ms) / HOUR_MS;
    int64_t left = w->options.battery_pct - used;
    *ret_reading = (struct board_reading){.battery_pct = left > 0 ? (int32_t)left : 0,
                                          .signal_dbm = SIGNAL_DBM};
}

static void set_led(void *context, enum led_pattern pattern, enum led_colour colour,
                    int32_t brightness_pct)
{
    static const char *const patterns[LED_PATTERNS] = {"off", "solid", "blink", "pulse"};
    static const char *const colours[LED_COLOURS] = {"blue", "red", "green", "yellow", "white"};
    struct world *w = context;
    bool lit = pattern != LED_OFF;
    if (w->options.terminal && lit) {
        printf("lamp: %s, %s, %d %%\n", patterns[pattern], colours[colour], (int)brightness_pct);
    } else if (w->options.terminal && w->lit) {
        printf("lamp: off\n");
    }
    (void)fflush(stdout);
    w->lit = lit;
}

static void use_pair(void *context, const char *certificate_file, const char *key_file)
{
    struct world *w = context;
    struct err why = {""};
    if (network_mqtt_use(&w->mqtt, certificate_file, key_file, &why) != RES_OK) {
        log_event(LOG_WARN, "certificate_not_used", LOG_TEXT("why", why.text), LOG_END);
    }
}

static void on_connected(void *context)
{
    struct world *w = context;
    w->failures = 0;
    log_event(LOG_INFO, "connected", LOG_TEXT("label", w->options.label_id), LOG_END);
    label_connected(&w->label, clock_monotonic_ms());
    w->due_ms = 0;
}

static void log_failure(struct world *w, const char *why)
{
    w->failures++;
    if (w->failures <= 3 || w->failures % FAILURES_PER_LOG == 0) {
        log_event(LOG_WARN, "no_connection", LOG_TEXT("label", w->options.label_id),
                  LOG_TEXT("why", why), LOG_INT("failures", w->failures), LOG_END);
    }
}

static void on_disconnected(void *context, enum res cause, const char *why)
{
    struct world *w = context;
    log_failure(w, why);
    label_disconnected(&w->label, clock_monotonic_ms(), cause);
    w->due_ms = 0;
}

static void on_failed(void *context, const char *why)
{
    log_failure(context, why);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct world *w = context;
    struct span signature = SPAN_NONE;
    if ((double)(rng_next(&w->rng) >> 11) * 0x1p-53 < w->options.loss) {
        w->lost++;
        return;
    }
    if (span_equal(message->property.name, SPAN_LIT(SHELF_SIGNATURE_PROPERTY))) {
        signature = message->property.value;
    }
    label_message(&w->label, clock_monotonic_ms(), message->topic, message->payload, signature);
    w->due_ms = 0;
}

/* --- opening --- */

static enum res open_state(struct world *w, struct err *why)
{
    const struct label_options *o = &w->options;
    char path[FILE_PATH_BYTES_MAX];
    enum res r = file_make_directory(o->state_dir, 0700, why);
    if (r == RES_OK) {
        r = file_path(path, why, "%s/flash.bin", o->state_dir);
    }
    if (r == RES_OK) {
        r = flash_file_open(&w->flash, path, SECTOR_BYTES, LABEL_STORE_SECTORS, PROGRAM_BYTES, why);
        w->flash.relaxed = o->relaxed_flash;
    }
    if (r == RES_OK) {
        r = file_path(path, why, "%s/tag.ndef", o->state_dir);
    }
    if (r == RES_OK) {
        r = nfc_file_init(&w->nfc, path, why);
    }
    if (r == RES_OK) {
        r = renewal_file_open(&w->renewal, o->state_dir, o->certificate_file, o->key_file, why);
        w->renewal.context = w;
        w->renewal.use = use_pair;
    }
    if (r == RES_OK) {
        r = file_path(path, why, "%s/epoch", o->state_dir);
    }
    if (r == RES_OK) {
        r = secure_element_file_open(&w->secure, w->renewal.key_file, o->platform_key_file, path,
                                     why);
    }
    return r;
}

static enum res open_network(struct world *w, struct err *why)
{
    const struct label_options *o = &w->options;
    struct network_mqtt_settings settings = {
        .device_id = o->label_id,
        .host = o->host,
        .port = o->port,
        .ca_file = o->ca_file,
        .certificate_file = w->renewal.certificate_file,
        .key_file = w->renewal.key_file,
    };
    const struct network_mqtt_events events = {
        .context = w,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .failed = on_failed,
        .message = on_message,
    };
    for (unsigned i = 0; i < SHELF_STATUS; i++) {
        shelf_topic_write(span_text(o->label_id, SHELF_ID_BYTES_MAX), (enum shelf_topic)i,
                          w->filters[i]);
        settings.filters[i] = w->filters[i];
    }
    enum res r = network_mqtt_open(&w->mqtt, &settings, &events, why);
    if (r == RES_OK) {
        impairment_init(&w->impairment, &w->mqtt.network, o->seed);
        w->impairment.drop = o->loss;
        w->impairment.replay = o->replay;
        rng_init(&w->rng, o->seed);
    }
    return r;
}

static enum res start_label(struct world *w, struct err *why)
{
    const struct label_options *o = &w->options;
    w->board = (struct board){.context = w, .read = read_board};
    w->led = (struct led){.context = w, .set = set_led};
    w->settings = (struct label_settings){
        .label_id = o->label_id,
        .firmware = FIRMWARE,
        .panel_blank = panel_face_is_blank(&w->panel),
    };
    w->ports = (struct label_ports){
        .flash = &w->flash.flash,
        .secure = &w->secure.secure,
        .network = &w->impairment.network,
        .panel = &w->panel.panel,
        .board = &w->board,
        .led = &w->led,
        .nfc = &w->nfc.nfc,
        .renewal = &w->renewal.renewal,
        .observer = &w->journal.observer,
    };
    enum res r = label_init(&w->label, &w->settings, &w->ports, clock_monotonic_ms());
    if (r != RES_OK) {
        err_set(why,
                "the label cannot start from %s (%s); check the disk, or name a new state "
                "directory",
                o->state_dir, res_name(r));
    }
    return r;
}

static enum res open_world(struct world *w, struct err *why)
{
    const struct label_options *o = &w->options;
    FILE *out = o->terminal ? stdout : NULL;
    bool colour = o->terminal && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    w->flash.fd = -1;
    w->journal.fd = -1;
    w->begin_ms = clock_monotonic_ms();
    enum res r = panel_face_init(&w->panel, o->png_file, out, colour, why);
    if (r == RES_OK) {
        r = open_state(w, why);
    }
    if (r == RES_OK) {
        r = label_journal_open(&w->journal, o->journal_file, o->label_id, &w->label, why);
    }
    if (r == RES_OK) {
        r = open_network(w, why);
    }
    return r == RES_OK ? start_label(w, why) : r;
}

static void close_world(struct world *w)
{
    network_mqtt_close(&w->mqtt);
    label_journal_close(&w->journal);
    secure_element_file_close(&w->secure);
    flash_file_close(&w->flash);
}

/* --- running --- */

static void watch_cut(struct world *w)
{
    int64_t now_ms = clock_monotonic_ms();
    if (cut_asked) {
        cut_asked = 0;
        w->cut_until_ms = now_ms + w->options.cut_ms;
        log_event(LOG_INFO, "network_cut", LOG_TEXT("label", w->options.label_id), LOG_END);
        network_mqtt_cut(&w->mqtt, true);
    } else if (w->mqtt.cut && now_ms >= w->cut_until_ms) {
        network_mqtt_cut(&w->mqtt, false);
    }
}

static void watch_panel(struct world *w)
{
    if (w->panel.why.text[0] != '\0') {
        log_event(LOG_ERROR, "panel_failed", LOG_TEXT("why", w->panel.why.text), LOG_END);
        w->panel.why.text[0] = '\0';
    }
}

static void run(struct world *w)
{
    int64_t end_ms = w->options.seconds == 0 ? INT64_MAX : w->begin_ms + w->options.seconds * 1000;
    while (!stop_asked && clock_monotonic_ms() < end_ms) {
        int64_t wait_ms = w->due_ms - clock_monotonic_ms();
        wait_ms = wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
        network_mqtt_step(&w->mqtt, wait_ms > 0 ? (unsigned)wait_ms : 0);
        int64_t now_ms = clock_monotonic_ms();
        w->impairment.now_ms = now_ms;
        impairment_tick(&w->impairment);
        watch_cut(w);
        if (now_ms >= w->due_ms) {
            w->due_ms = label_step(&w->label, now_ms);
        }
        watch_panel(w);
    }
}

static void print_truth(const struct world *w)
{
    char line[LINE_BYTES_MAX];
    struct label_view v;
    struct sink s;
    label_look(&w->label, &v);
    sink_init(&s, line, sizeof line - 1);
    label_journal_write_view(&s, &v);
    line[s.size] = '\0';
    printf("{\"label\":\"%s\",\"store\":\"%s\",\"shows\":%s%s,\"pending\":%s,\"epoch\":%lld,"
           "\"lastCounter\":%lld,\"messages\":%lu,\"refused\":%lu,\"repeated\":%lu,\"kept\":%lu,"
           "\"drawn\":%lu,\"published\":%lu,\"queries\":%lu,\"connects\":%lu,\"sleeps\":%lu,"
           "\"certificate\":%lld,\"lost\":%llu}\n",
           w->options.label_id, w->options.store_id != NULL ? w->options.store_id : "",
           v.shows ? "true" : "false", line, v.pending ? "true" : "false", (long long)v.epoch,
           (long long)v.last_counter, (unsigned long)v.counts.messages,
           (unsigned long)v.counts.refused, (unsigned long)v.counts.repeated,
           (unsigned long)v.counts.kept, (unsigned long)v.counts.refreshes,
           (unsigned long)v.counts.published, (unsigned long)v.counts.queries,
           (unsigned long)v.counts.connects, (unsigned long)v.counts.sleeps,
           (long long)v.certificate_number,
           (unsigned long long)w->lost + (unsigned long long)w->impairment.dropped);
}

int main(int argc, char **argv)
{
    struct err why = {""};
    struct world *w = &world;
    struct sigaction action = {.sa_handler = on_signal};
    enum res r = label_options_read(&w->options, argc, argv, &why);
    if (r == RES_NOT_FOUND) {
        return 0;
    }
    if (r != RES_OK) {
        fprintf(stderr, "endcap-label: %s\n", why.text);
        return 2;
    }
    log_init("endcap-label", LOG_INFO);
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGUSR1, &action, NULL) != 0) {
        fprintf(stderr, "endcap-label: cannot install signal handlers: %s\n", strerror(errno));
        return 1;
    }
    r = open_world(w, &why);
    if (r == RES_OK) {
        run(w);
        print_truth(w);
        if (w->journal.last_errno != 0) {
            err_set(&why, "the journal %s could not be written: %s; free the disk",
                    w->options.journal_file, strerror(w->journal.last_errno));
            r = RES_IO;
        }
    }
    close_world(w);
    if (r != RES_OK) {
        fprintf(stderr, "endcap-label: %s\n", why.text);
        return 1;
    }
    return 0;
}
