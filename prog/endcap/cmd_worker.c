#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "dispatch.h"
#include "service.h"

#define STEP_MS 250

struct process {
    struct service service;
    struct dispatch *dispatch;
    struct mqtt_client *mqtt;
};

static void on_connect(void *context)
{
    struct process *p = context;
    int id;
    enum res r = mqtt_client_subscribe(p->mqtt, "reject/+", &id);
    dispatch_broker_is_new(p->dispatch);
    log_event(LOG_INFO, "broker_connected", LOG_TEXT("subscribed", res_name(r)), LOG_END);
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    (void)context;
    log_event(LOG_WARN, "broker_lost", LOG_TEXT("cause", res_name(cause)), LOG_TEXT("why", why),
              LOG_END);
}

/* reject/{device}: we are its named reader. What it says was written by ingest, of names only. */
static void on_message(void *context, const struct mqtt_message *message)
{
    struct process *p = context;
    char topic[96];
    char text[256];
    dispatch_rejected(p->dispatch);
    if (span_copy_text(message->topic, topic, sizeof topic) == RES_OK &&
        span_copy_text(message->payload, text, sizeof text) == RES_OK) {
        log_event(LOG_WARN, "message_rejected", LOG_TEXT("topic", topic), LOG_TEXT("what", text),
                  LOG_END);
    }
}

static bool publish(void *user, const char *topic, struct span payload, bool retain)
{
    struct process *p = user;
    return mqtt_client_publish(p->mqtt, topic, payload, retain, NULL, NULL) == RES_OK;
}

static enum res open_dispatch(void *user, struct err *why)
{
    struct process *p = user;
    const struct service *s = &p->service;
    struct dispatch_settings settings = {.place = s->place,
                                         .instance = s->options.instance,
                                         .platform_key = s->platform_key,
                                         .user = p,
                                         .publish = publish};
    return dispatch_new(&settings, &p->dispatch, why);
}

static enum res connect_broker(struct process *p, struct err *why)
{
    struct mqtt_client_settings m;
    service_mqtt(&p->service, &m);
    m.context = p;
    m.on_connect = on_connect;
    m.on_disconnect = on_disconnect;
    m.on_message = on_message;
    enum res r = mqtt_client_new(&m, why, &p->mqtt);
    return r == RES_OK ? mqtt_client_connect(p->mqtt, why) : r;
}

/* One line when trouble begins and one when it is over. */
static int work(struct process *p)
{
    struct err why;
    bool troubled = false;
    int got = 0;
    while (got == 0) {
        err_set(&why, "no reason was given");
        enum res r = mqtt_client_connected(p->mqtt)
                         ? dispatch_step(p->dispatch, clock_utc_ms(), &why)
                         : RES_OK;
        if (r != RES_OK && !troubled) {
            log_event(LOG_ERROR, "step_failed", LOG_TEXT("why", why.text), LOG_END);
        } else if (r == RES_OK && troubled) {
            log_event(LOG_INFO, "running", LOG_END);
        }
        troubled = r != RES_OK;
        got = service_wait(STEP_MS);
    }
    return got;
}

static enum res serve(struct process *p, struct err *why)
{
    int got = 0;
    enum res r = service_open_when_there(open_dispatch, p, &got, why);
    if (r == RES_OK && got == 0) {
        r = connect_broker(p, why);
    }
    if (r == RES_OK && got == 0) {
        log_event(LOG_INFO, "serving", LOG_INT("broker_port", p->service.broker_port), LOG_END);
        got = work(p);
        log_event(LOG_INFO, "stopping", LOG_INT("signal", got), LOG_END);
    }
    mqtt_client_free(p->mqtt);
    dispatch_free(p->dispatch);
    return r;
}

int cmd_worker(int argc, char **argv)
{
    static struct process p;
    struct service_options o = {
        .command = "worker", .instance = "worker-1", .broker_host = "127.0.0.1", .level = LOG_INFO};
    struct err why = {.text = ""};
    int code = service_read_options(
        argc, argv,
        "Sends carts their commands and catalogues, notices carts that are gone and sessions that\n"
        "nobody ends; `endcap up` starts it.\n",
        &o);
    if (code >= 0) {
        return code;
    }
    service_block_signals();
    log_init("worker", o.level);
    enum res r = service_open(&o, &p.service, &why);
    if (r == RES_OK) {
        r = serve(&p, &why);
    }
    if (r != RES_OK) {
        fprintf(stderr, "endcap worker: %s\n", why.text);
        return COMMAND_FAILED;
    }
    return 0;
}
