#include "presence.h"

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <time.h>

#define TOPIC_BYTES   64
#define PAYLOAD_BYTES 128
#define QOS           1

static int64_t started_ms;
static bool started_told;
static bool wanted;

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A hint that finds no memory is lost: the device's next word says the same. */
static void publish(const char *name, const struct sink *payload, bool retain)
{
    char topic[TOPIC_BYTES];
    struct sink s;
    sink_init(&s, topic, sizeof topic - 1);
    sink_text(&s, "presence/");
    sink_text(&s, name);
    if (s.overflow || payload->overflow) {
        return;
    }
    topic[s.size] = '\0';
    int code = mosquitto_broker_publish_copy(NULL, topic, (int)payload->size, payload->data, QOS,
                                             retain, NULL);
    if (code != MOSQ_ERR_SUCCESS) {
        mosquitto_log_printf(MOSQ_LOG_WARNING, "cannot tell of %s: %s", name,
                             mosquitto_strerror(code));
    }
}

void presence_init(void)
{
    started_ms = now_ms();
    started_told = false;
    wanted = false;
}

void presence_tell(const struct live_session *session, bool online)
{
    if (session->kind != BROKER_CART && session->kind != BROKER_LABEL) {
        return;
    }
    char payload[PAYLOAD_BYTES];
    struct sink s;
    sink_init(&s, payload, sizeof payload);
    sink_text(&s, online ? "{\"online\":true,\"at\":" : "{\"online\":false,\"at\":");
    sink_i64(&s, now_ms());
    if (online) {
        sink_text(&s, ",\"serial\":\"");
        sink_text(&s, session->identity.serial);
        sink_byte(&s, '"');
    }
    sink_byte(&s, '}');
    publish(session->identity.id, &s, false);
}

static void tell_broker(int64_t counted_ms)
{
    char payload[PAYLOAD_BYTES];
    struct sink s;
    sink_init(&s, payload, sizeof payload);
    sink_text(&s, "{\"started\":");
    sink_i64(&s, started_ms);
    sink_text(&s, ",\"counted\":");
    sink_i64(&s, counted_ms);
    sink_byte(&s, '}');
    publish("broker", &s, true);
}

void presence_wanted(void)
{
    wanted = true;
}

static void tell_online(const struct live_session *session)
{
    presence_tell(session, true);
}

void presence_step(void)
{
    if (wanted) {
        int64_t counted_ms = now_ms();
        live_sessions_each(tell_online);
        tell_broker(counted_ms);
        wanted = false;
    } else if (!started_told) {
        tell_broker(started_ms);
    }
    started_told = true;
}
