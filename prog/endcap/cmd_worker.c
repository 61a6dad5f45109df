#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bulk_job.h"
#include "clock.h"
#include "commands.h"
#include "delivery_metrics.h"
#include "delivery_review.h"
#include "delivery_sender.h"
#include "dispatch.h"
#include "file.h"
#include "fleet_rotation.h"
#include "fleet_step.h"
#include "label_config_step.h"
#include "pos_step.h"
#include "price_flip.h"
#include "pricing_step.h"
#include "service.h"
#include "shadow_step.h"
#include "shelf.h"
#include "worker_jobs.h"

#define STEP_MS 50 /* a new catalogue waits no longer */

struct process {
    struct service service;
    struct dispatch *dispatch;
    struct delivery_sender *sender;
    struct worker_jobs *jobs;
    struct platform_signer *signer; /* of the jobs' thread */
    struct mqtt_client *mqtt;
    atomic_bool connected_before;
};

static void on_connect(void *context)
{
    struct process *p = context;
    int id;
    enum res r = mqtt_client_subscribe(p->mqtt, "reject/+", &id);
    dispatch_broker_is_new(p->dispatch);
    delivery_sender_connected(p->sender, atomic_exchange(&p->connected_before, true));
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

static enum res publish_to_label(void *user, const char *topic, struct span payload,
                                 struct span signature)
{
    struct process *p = user;
    struct mqtt_property seal = {SPAN_LIT(SHELF_SIGNATURE_PROPERTY), signature};
    return mqtt_client_publish(p->mqtt, topic, payload, false, &seal, NULL);
}

static bool is_connected(void *user)
{
    struct process *p = user;
    return p->mqtt != NULL && mqtt_client_connected(p->mqtt);
}

static void on_trouble(void *user, const char *why)
{
    (void)user;
    if (why != NULL) {
        log_event(LOG_ERROR, "sender_failed", LOG_TEXT("why", why), LOG_END);
    } else {
        log_event(LOG_INFO, "sender_runs_again", LOG_END);
    }
}

/* ---- jobs ---- */

static enum res take_pos_files(void *user, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    const struct process *p = user;
    char drop[FILE_PATH_BYTES_MAX];
    enum res r = file_path(drop, why, "%s/pos", p->service.root);
    return r == RES_OK ? pos_step(drop, c, now_ms, why) : r;
}

static enum res renew_certificates(void *user, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    const struct process *p = user;
    char ca[FILE_PATH_BYTES_MAX];
    char broker[FILE_PATH_BYTES_MAX];
    const struct fleet_rotation_settings settings = {ca, broker};
    enum res r = file_path(ca, why, "%s/ca", p->service.root);
    if (r == RES_OK) {
        r = file_path(broker, why, "%s/broker", p->service.root);
    }
    return r == RES_OK ? fleet_rotation_step(&settings, c, now_ms, why) : r;
}

static enum res write_figures(void *user, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct process *p = user;
    struct delivery_sender_figures figures;
    (void)now_ms;
    delivery_sender_figures(p->sender, &figures);
    return delivery_metrics_write(c, p->service.options.instance, &figures, why);
}

static enum res write_times(void *user, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct process *p = user;
    return delivery_metrics_times(c, p->service.options.instance, now_ms, why);
}

static enum res tell_shadows(void *user, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct process *p = user;
    const struct shadow_outlet outlet = {
        .signer = p->signer, .user = p, .publish = publish_to_label};
    bool there = atomic_load(&p->connected_before) && is_connected(p);
    return there ? shadow_step(c, &outlet, now_ms, why) : RES_OK;
}

static const struct worker_job jobs[] = {
    {"pricing_bulk", PRICING_STEP_BULK_MS, pricing_step_bulk, NULL},
    {"pricing_schedule", PRICING_STEP_SCHEDULE_MS, pricing_step_schedule, NULL},
    {"pricing_rules", PRICING_STEP_RULES_MS, pricing_step_rules, NULL},
    {"price_flip", PRICING_STEP_FLIP_MS, price_flip_step, NULL},
    {"label_config", 200, label_config_step, NULL},
    {"label_review", DELIVERY_REVIEW_STEP_MS, delivery_review_step, NULL},
    {"presence", 10000, fleet_step_presence, NULL},
    {"battery_days", 600000, fleet_step_battery, NULL},
    {"certificates", 3600000, fleet_step_certificates, NULL},
    {"certificate_renewal", 5000, NULL, renew_certificates},
    {"shadow", 200, NULL, tell_shadows},
    {"bulk", PRICING_STEP_SETTLE_MS, bulk_job_step, NULL},
    {"bulk_offline", PRICING_STEP_OFFLINE_MS, bulk_job_step_offline, NULL},
    {"pos", POS_STEP_EVERY_MS, NULL, take_pos_files},
    {"delivery_figures", 1000, NULL, write_figures},
    {"delivery_times", DELIVERY_METRICS_WINDOW_MS, NULL, write_times},
};

/* ---- the process ---- */

static enum res open_all(void *user, struct err *why)
{
    struct process *p = user;
    const struct service *s = &p->service;
    struct dispatch_settings d = {.place = s->place,
                                  .instance = s->options.instance,
                                  .platform_key = s->platform_key,
                                  .user = p,
                                  .publish = publish};
    struct delivery_sender_settings l = {.place = s->place,
                                         .instance = s->options.instance,
                                         .platform_key = s->platform_key,
                                         .user = p,
                                         .connected = is_connected,
                                         .publish = publish_to_label,
                                         .on_trouble = on_trouble};
    enum res r = p->dispatch == NULL ? dispatch_new(&d, &p->dispatch, why) : RES_OK;
    if (r == RES_OK && p->sender == NULL) {
        r = delivery_sender_new(&l, &p->sender, why);
    }
    if (r == RES_OK && p->signer == NULL) {
        r = platform_signer_open(s->platform_key, &p->signer, why);
    }
    if (r == RES_OK) {
        r = worker_jobs_start(&s->place, s->options.instance, jobs, sizeof jobs / sizeof jobs[0], p,
                              &p->jobs, why);
    }
    return r;
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
    if (r == RES_OK) {
        r = mqtt_client_connect(p->mqtt, why);
    }
    return r == RES_OK ? delivery_sender_start(p->sender, why) : r;
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
    enum res r = service_open_when_there(open_all, p, &got, why);
    if (r == RES_OK && got == 0) {
        r = connect_broker(p, why);
    }
    if (r == RES_OK && got == 0) {
        log_event(LOG_INFO, "serving", LOG_INT("broker_port", p->service.broker_port), LOG_END);
        got = work(p);
        log_event(LOG_INFO, "stopping", LOG_INT("signal", got), LOG_END);
    }
    worker_jobs_stop(p->jobs);
    platform_signer_close(p->signer);
    if (p->sender != NULL) {
        delivery_sender_stop(p->sender);
    }
    mqtt_client_free(p->mqtt);
    delivery_sender_free(p->sender);
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
        "Sends labels what they shall show and carts their commands and catalogues, works off "
        "bulk\n"
        "jobs and schedules, and notices what is gone; `endcap up` starts it.\n",
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
