#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "ingest.h"
#include "label_ingest.h"
#include "service.h"

#define FLUSH_MS     5000
#define WAIT_ROOM_MS 200

struct process;

/* Carts and labels have a connection to the broker each, a line, a committer, a telemetry writer
 * and a connection to PostgreSQL: neither waits for the other. */
struct half {
    struct process *process;
    const char *name;
    const char *const *topics;        /* NULL at the end */
    struct mqtt_client *_Atomic mqtt; /* NULL until there is one; the committer publishes */
    char client_id[96];
};

struct process {
    struct service service;
    struct ingest *ingest;
    struct label_ingest *label_ingest;
    char label_writer[LABEL_INGEST_WRITER_BYTES_MAX + 1];
    struct half carts;
    struct half labels;
    _Atomic bool stopping;
};

static void note_broker(const struct half *h, bool connected)
{
    if (h == &h->process->carts) {
        ingest_note_broker(h->process->ingest, connected);
    } else {
        label_ingest_note_broker(h->process->label_ingest, connected);
    }
}

static void on_connect(void *context)
{
    struct half *h = context;
    int id;
    enum res r = RES_OK;
    for (const char *const *topic = h->topics; *topic != NULL && r == RES_OK; topic++) {
        r = mqtt_client_subscribe(atomic_load(&h->mqtt), *topic, &id);
    }
    note_broker(h, r == RES_OK);
    log_event(LOG_INFO, "broker_connected", LOG_TEXT("of", h->name),
              LOG_TEXT("subscribed", res_name(r)), LOG_END);
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    struct half *h = context;
    note_broker(h, false);
    log_event(LOG_WARN, "broker_lost", LOG_TEXT("of", h->name), LOG_TEXT("cause", res_name(cause)),
              LOG_TEXT("why", why), LOG_END);
}

/* The broker's messages wait in its socket while the line is full. */
static void on_cart_message(void *context, const struct mqtt_message *message)
{
    struct process *p = ((struct half *)context)->process;
    while (!atomic_load(&p->stopping) &&
           ingest_offer(p->ingest, message->topic, message->payload, clock_utc_ms()) == RES_AGAIN) {
        ingest_wait_room(p->ingest, WAIT_ROOM_MS);
    }
}

static void on_label_message(void *context, const struct mqtt_message *message)
{
    struct process *p = ((struct half *)context)->process;
    while (!atomic_load(&p->stopping) &&
           label_ingest_offer(p->label_ingest, message->topic, message->payload, clock_utc_ms()) ==
               RES_AGAIN) {
        label_ingest_wait_room(p->label_ingest, WAIT_ROOM_MS);
    }
}

/* Answers are asked for again, so one that can't be sent now is dropped. */
static void send(struct half *h, const char *topic, struct span payload,
                 const struct mqtt_property *property)
{
    struct mqtt_client *mqtt = atomic_load(&h->mqtt);
    if (mqtt != NULL) {
        enum res r = mqtt_client_publish(mqtt, topic, payload, false, property, NULL);
        (void)r;
    }
}

static void publish_to_cart(void *user, const char *topic, struct span payload)
{
    struct process *p = user;
    send(&p->carts, topic, payload, NULL);
}

static void publish_to_label(void *user, const char *topic, struct span payload,
                             struct span signature)
{
    struct process *p = user;
    const struct mqtt_property property = {SPAN_LIT(SHELF_SIGNATURE_PROPERTY), signature};
    send(&p->labels, topic, payload, &property);
}

static void log_state(const char *of, bool running, int state, const char *words)
{
    static const char *const events[] = {"running", "waits_for_database", "waits_for_disk"};
    log_event(running ? LOG_INFO : LOG_ERROR, events[state], LOG_TEXT("of", of),
              LOG_TEXT("why", words), LOG_END);
}

static void on_state(void *user, enum ingest_state state, const char *words)
{
    (void)user;
    log_state("carts", state == INGEST_RUNNING, (int)state, words);
}

static void on_label_state(void *user, enum label_ingest_state state, const char *words)
{
    (void)user;
    log_state("labels", state == LABEL_INGEST_RUNNING, (int)state, words);
}

static enum res open_label_ingest(struct process *p, struct err *why)
{
    const struct service *s = &p->service;
    struct sink name;
    sink_init(&name, p->label_writer, sizeof p->label_writer - 1);
    sink_text(&name, s->options.instance);
    sink_text(&name, "-labels");
    if (name.overflow) {
        err_set(why, "the instance's name %s is too long", s->options.instance);
        return RES_LIMIT;
    }
    const struct label_ingest_settings settings = {.place = s->place,
                                                   .telemetry_directory = s->telemetry,
                                                   .writer = p->label_writer,
                                                   .platform_key = s->platform_key,
                                                   .user = p,
                                                   .publish = publish_to_label,
                                                   .on_state = on_label_state};
    return label_ingest_new(&settings, &p->label_ingest, why);
}

static enum res open_ingest(void *user, struct err *why)
{
    struct process *p = user;
    const struct service *s = &p->service;
    struct ingest_settings settings = {.place = s->place,
                                       .telemetry_directory = s->telemetry,
                                       .writer = s->options.instance,
                                       .platform_key = s->platform_key,
                                       .workers = (unsigned)s->options.workers,
                                       .user = p,
                                       .publish = publish_to_cart,
                                       .on_state = on_state};
    enum res r = p->ingest == NULL ? ingest_new(&settings, &p->ingest, why) : RES_OK;
    return r == RES_OK ? open_label_ingest(p, why) : r;
}

static enum res connect_half(struct half *h, const char *suffix,
                             void (*on_message)(void *context, const struct mqtt_message *message),
                             struct err *why)
{
    struct mqtt_client_settings m;
    struct mqtt_client *mqtt = NULL;
    struct sink id;
    service_mqtt(&h->process->service, &m);
    sink_init(&id, h->client_id, sizeof h->client_id - 1);
    sink_text(&id, m.client_id);
    sink_text(&id, suffix);
    m.client_id = h->client_id;
    m.context = h;
    m.on_connect = on_connect;
    m.on_disconnect = on_disconnect;
    m.on_message = on_message;
    enum res r = mqtt_client_new(&m, why, &mqtt);
    atomic_store(&h->mqtt, mqtt);
    return r == RES_OK ? mqtt_client_connect(mqtt, why) : r;
}

static enum res connect_broker(struct process *p, struct err *why)
{
    enum res r = connect_half(&p->carts, "", on_cart_message, why);
    return r == RES_OK ? connect_half(&p->labels, "/labels", on_label_message, why) : r;
}

static bool flush(struct process *p)
{
    enum res carts = p->ingest != NULL ? ingest_flush(p->ingest, FLUSH_MS) : RES_OK;
    enum res labels =
        p->label_ingest != NULL ? label_ingest_flush(p->label_ingest, FLUSH_MS) : RES_OK;
    return carts == RES_OK && labels == RES_OK;
}

static enum res serve(struct process *p, struct err *why)
{
    static const char *const cart_topics[] = {"$share/ingest/cart/+/+", NULL};
    static const char *const label_topics[] = {"$share/ingest/smartshelf/+/+",
                                               "$share/ingest/smartshelf/+/shadow/+",
                                               "$share/ingest/presence/+", NULL};
    int got = 0;
    p->carts = (struct half){.process = p, .name = "carts", .topics = cart_topics};
    p->labels = (struct half){.process = p, .name = "labels", .topics = label_topics};
    enum res r = service_open_when_there(open_ingest, p, &got, why);
    if (r == RES_OK && got == 0) {
        r = connect_broker(p, why);
    }
    if (r == RES_OK && got == 0) {
        log_event(LOG_INFO, "serving", LOG_TEXT("writer", p->service.options.instance),
                  LOG_INT("broker_port", p->service.broker_port), LOG_END);
        while (got == 0) {
            got = service_wait(1000);
        }
    }
    if (got != 0) {
        log_event(LOG_INFO, "stopping", LOG_INT("signal", got), LOG_END);
    }
    atomic_store(&p->stopping, true);
    if (r == RES_OK && !flush(p)) {
        log_event(LOG_WARN, "stopped_unflushed", LOG_END); /* the devices send it again */
    }
    ingest_free(p->ingest); /* first: they publish */
    label_ingest_free(p->label_ingest);
    mqtt_client_free(atomic_load(&p->carts.mqtt));
    mqtt_client_free(atomic_load(&p->labels.mqtt));
    return r;
}

int cmd_ingest(int argc, char **argv)
{
    static struct process p;
    struct service_options o = {.command = "ingest",
                                .instance = "ingest-1",
                                .broker_host = "127.0.0.1",
                                .verifies = true,
                                .level = LOG_INFO};
    struct err why = {.text = ""};
    int code = service_read_options(
        argc, argv,
        "Takes what carts and labels say from the broker, stores each event once and answers;\n"
        "`endcap up` starts it. The instance's name must be the same after a restart.\n",
        &o);
    if (code >= 0) {
        return code;
    }
    service_block_signals();
    log_init("ingest", o.level);
    enum res r = service_open(&o, &p.service, &why);
    if (r == RES_OK) {
        r = serve(&p, &why);
    }
    if (r != RES_OK) {
        fprintf(stderr, "endcap ingest: %s\n", why.text);
        return COMMAND_FAILED;
    }
    return 0;
}
