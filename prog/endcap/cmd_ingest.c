#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "ingest.h"
#include "service.h"

#define TOPIC        "$share/ingest/cart/+/+"
#define FLUSH_MS     5000
#define WAIT_ROOM_MS 200

struct process {
    struct service service;
    struct ingest *ingest;
    struct mqtt_client *_Atomic mqtt; /* NULL until there is one; the committer publishes */
    _Atomic bool stopping;
};

static void on_connect(void *context)
{
    struct process *p = context;
    int id;
    enum res r = mqtt_client_subscribe(atomic_load(&p->mqtt), TOPIC, &id);
    ingest_note_broker(p->ingest, r == RES_OK);
    log_event(LOG_INFO, "broker_connected", LOG_TEXT("subscribed", res_name(r)), LOG_END);
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    struct process *p = context;
    ingest_note_broker(p->ingest, false);
    log_event(LOG_WARN, "broker_lost", LOG_TEXT("cause", res_name(cause)), LOG_TEXT("why", why),
              LOG_END);
}

/* The broker's messages wait in its socket while the line is full. */
static void on_message(void *context, const struct mqtt_message *message)
{
    struct process *p = context;
    while (!atomic_load(&p->stopping) &&
           ingest_offer(p->ingest, message->topic, message->payload, clock_utc_ms()) == RES_AGAIN) {
        ingest_wait_room(p->ingest, WAIT_ROOM_MS);
    }
}

/* Answers are asked for again, so one that can't be sent now is dropped. */
static void publish(void *user, const char *topic, struct span payload)
{
    struct process *p = user;
    struct mqtt_client *mqtt = atomic_load(&p->mqtt);
    if (mqtt != NULL) {
        enum res r = mqtt_client_publish(mqtt, topic, payload, false, NULL, NULL);
        (void)r;
    }
}

static void on_state(void *user, enum ingest_state state, const char *words)
{
    static const char *const events[] = {"running", "waits_for_database", "waits_for_disk"};
    (void)user;
    log_event(state == INGEST_RUNNING ? LOG_INFO : LOG_ERROR, events[state], LOG_TEXT("why", words),
              LOG_END);
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
                                       .publish = publish,
                                       .on_state = on_state};
    return ingest_new(&settings, &p->ingest, why);
}

static enum res connect_broker(struct process *p, struct err *why)
{
    struct mqtt_client_settings m;
    service_mqtt(&p->service, &m);
    m.context = p;
    m.on_connect = on_connect;
    m.on_disconnect = on_disconnect;
    m.on_message = on_message;
    struct mqtt_client *mqtt = NULL;
    enum res r = mqtt_client_new(&m, why, &mqtt);
    atomic_store(&p->mqtt, mqtt);
    return r == RES_OK ? mqtt_client_connect(mqtt, why) : r;
}

static enum res serve(struct process *p, struct err *why)
{
    int got = 0;
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
    if (r == RES_OK && p->ingest != NULL && ingest_flush(p->ingest, FLUSH_MS) != RES_OK) {
        log_event(LOG_WARN, "stopped_unflushed", LOG_END); /* the carts send it again */
    }
    ingest_free(p->ingest); /* first: it publishes */
    mqtt_client_free(atomic_load(&p->mqtt));
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
        "Takes the carts' events from the broker, stores each exactly once and acknowledges it;\n"
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
