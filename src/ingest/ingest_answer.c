#include "ingest_answer.h"

enum res ingest_answer_send(struct ingest_answer *a, const struct wire_downlink *message)
{
    enum res res = downlink_make(&a->downlink, message);
    if (res == RES_OK) {
        a->publish(a->user, a->downlink.topic, downlink_frame(&a->downlink));
    }
    return res;
}

void ingest_answer_reject(struct ingest_answer *a, struct span device, const char *reason,
                          const char *field, int64_t epoch, int64_t counter)
{
    char topic[DOWNLINK_TOPIC_BYTES];
    struct sink name;
    sink_init(&name, topic, sizeof topic - 1);
    sink_text(&name, "reject/");
    sink_bytes(&name, device);
    uint8_t text[256];
    struct sink out;
    sink_init(&out, text, sizeof text);
    sink_text(&out, "{\"device\":\"");
    sink_bytes(&out, device);
    sink_text(&out, "\",\"reason\":\"");
    sink_text(&out, reason);
    sink_text(&out, "\"");
    if (field != NULL) {
        sink_text(&out, ",\"field\":\"");
        sink_text(&out, field);
        sink_text(&out, "\"");
    }
    if (epoch > 0) {
        sink_text(&out, ",\"epoch\":");
        sink_i64(&out, epoch);
        sink_text(&out, ",\"counter\":");
        sink_i64(&out, counter);
    }
    sink_text(&out, "}");
    if (!out.overflow && !name.overflow) {
        topic[name.size] = '\0';
        a->publish(a->user, topic, sink_span(&out));
    }
}
