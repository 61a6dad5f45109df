#include "ingest_metrics.h"

#include "process_metric.h"

enum res ingest_metrics_write(struct pg_conn *conn, const char *instance,
                              const struct ingest_figures *f, struct err *why)
{
    struct process_metric metrics[PROCESS_METRIC_MAX] = {
        {.name = "ingest_received_total", .value = f->received},
        {.name = "ingest_accepted_total", .value = f->accepted},
        {.name = "ingest_duplicates_total", .value = f->duplicates},
        {.name = "ingest_far_total", .value = f->far},
        {.name = "ingest_rate_limited_total", .value = f->rate_limited},
        {.name = "ingest_stored_events_total", .value = f->stored},
        {.name = "ingest_batches_total", .value = f->batches},
        {.name = "ingest_commit_microseconds_total", .value = f->commit_us},
        {.name = "ingest_commit_microseconds_max", .value = f->commit_us_max, .gauge = true},
        {.name = "ingest_commit_acks_total", .value = f->acks},
        {.name = "ingest_payment_answers_total", .value = f->payments},
        {.name = "ingest_product_answers_total", .value = f->products},
        {.name = "ingest_late_events_total", .value = f->late},
        {.name = "ingest_illegal_transitions_total", .value = f->illegal},
        {.name = "ingest_conflicts_total", .value = f->conflicts},
        {.name = "ingest_queue_messages", .value = f->queue_depth, .gauge = true},
        {.name = "ingest_devices", .value = f->devices, .gauge = true},
        {.name = "ingest_waits_for_disk", .value = f->waits_for_disk, .gauge = true},
    };
    size_t count = 0;
    while (metrics[count].name != NULL) {
        count++;
    }
    if (f->broker_connected >= 0) {
        metrics[count++] = (struct process_metric){
            .name = "ingest_broker_connected", .value = f->broker_connected, .gauge = true};
    }
    for (size_t i = WIRE_FINE + 1; i < WIRE_REFUSALS; i++) {
        metrics[count++] =
            (struct process_metric){.name = "ingest_refused_total",
                                    .reason = wire_refusal_name((enum wire_refusal)i),
                                    .value = f->refused[i]};
    }
    return process_metric_write(conn, "ingest", instance, metrics, count, why);
}
