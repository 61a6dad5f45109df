#include "label_metrics.h"

#include "process_metric.h"

enum res label_metrics_write(struct pg_conn *conn, const char *instance,
                             const struct label_ingest_figures *f, struct err *why)
{
    struct process_metric metrics[PROCESS_METRIC_MAX] = {
        {.name = "label_ingest_received_total", .value = f->received},
        {.name = "label_ingest_stored_events_total", .value = f->stored},
        {.name = "label_ingest_duplicates_total", .value = f->duplicates},
        {.name = "label_ingest_rate_limited_total", .value = f->rate_limited},
        {.name = "label_ingest_unfiled_total", .value = f->unfiled},
        {.name = "label_ingest_presences_total", .value = f->presences},
        {.name = "label_ingest_answers_total", .value = f->answers},
        {.name = "label_ingest_batches_total", .value = f->batches},
        {.name = "label_ingest_commit_microseconds_total", .value = f->commit_us},
        {.name = "label_ingest_commit_microseconds_max", .value = f->commit_us_max, .gauge = true},
        {.name = "label_ingest_queue_messages", .value = f->queue_depth, .gauge = true},
        {.name = "label_ingest_devices", .value = f->devices, .gauge = true},
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
    for (size_t i = 0; i < LABEL_INGEST_REFUSALS; i++) {
        metrics[count++] = (struct process_metric){
            .name = "label_ingest_refused_total",
            .reason = label_ingest_refusal_name((enum label_ingest_refusal)i),
            .value = f->refused[i]};
    }
    return process_metric_write(conn, "ingest", instance, metrics, count, why);
}
