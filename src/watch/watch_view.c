#include "watch_view.h"

#include <string.h>

#define GREEN "\x1b[32m"
#define RED   "\x1b[31m"
#define BOLD  "\x1b[1m"
#define PLAIN "\x1b[0m"

struct figure {
    const char *name; /* as in the JSON */
    const char *words;
    int64_t value;
};
#define FIGURES 13

static void figures_of(const struct watch_data *d, const struct watch_data *before,
                       struct figure ret[FIGURES])
{
    const struct figure all[FIGURES] = {
        {"trips", "trips", d->trips},
        {"openSessions", "shopping now", d->open_sessions},
        {"unreconciled", "unreconciled", d->unreconciled},
        {"carts", "carts", d->carts},
        {"cartsSeen", "carts heard", d->carts_seen},
        {"queuedOnCarts", "queued on carts", d->queued_on_carts},
        {"eventsPerSecond", "events/s", watch_view_rate(d, before)},
        {"eventsStored", "stored", d->events_stored},
        {"received", "received", d->received},
        {"duplicates", "repeats dropped", d->duplicates},
        {"rejected", "rejected", d->rejected},
        {"waiting", "waiting in ingest", d->waiting},
        {"openAlerts", "open alerts", d->open_alerts},
    };
    memcpy(ret, all, sizeof all);
}

int64_t watch_view_rate(const struct watch_data *d, const struct watch_data *before)
{
    if (before == NULL || d->events_stored == WATCH_UNKNOWN ||
        before->events_stored == WATCH_UNKNOWN || d->at_ms <= before->at_ms ||
        d->events_stored < before->events_stored) {
        return WATCH_UNKNOWN;
    }
    return (d->events_stored - before->events_stored) * 1000 / (d->at_ms - before->at_ms);
}

static void padded(struct sink *s, const char *text, size_t width)
{
    size_t size = strlen(text);
    for (; size < width; width--) {
        sink_byte(s, ' ');
    }
    sink_text(s, text);
}

static void put_value(struct sink *s, int64_t value, size_t width)
{
    char text[24];
    struct sink t;
    sink_init(&t, text, sizeof text - 1);
    if (value == WATCH_UNKNOWN) {
        sink_byte(&t, '-');
    } else {
        sink_i64(&t, value);
    }
    text[t.size] = '\0';
    padded(s, text, width);
}

static void put_parts(const struct watch_data *d, bool colour, struct sink *s)
{
    if (!d->reachable) {
        sink_text(s, colour ? RED "  the REST face does not answer" PLAIN
                            : "  the REST face does not answer");
    }
    for (uint16_t i = 0; i < d->part_count; i++) {
        const struct watch_part *p = &d->parts[i];
        sink_text(s, "  ");
        sink_text(s, !colour ? "" : p->ready ? GREEN : RED);
        sink_text(s, p->name);
        sink_text(s, p->ready ? " up" : " DOWN");
        sink_text(s, colour ? PLAIN : "");
    }
    sink_byte(s, '\n');
}

/* The first part that is not ready, in words. */
static void put_trouble(const struct watch_data *d, struct sink *s)
{
    for (uint16_t i = 0; i < d->part_count; i++) {
        if (!d->parts[i].ready) {
            sink_text(s, "  ");
            sink_text(s, d->parts[i].name);
            sink_text(s, ": ");
            sink_text(s, d->parts[i].detail);
            break;
        }
    }
    sink_byte(s, '\n');
}

void watch_view_block(const struct watch_data *d, const struct watch_data *before, bool colour,
                      struct sink *s)
{
    struct figure f[FIGURES];
    figures_of(d, before, f);
    sink_text(s, colour ? BOLD "  endcap" PLAIN "\n" : "  endcap\n");
    /* Three columns of what is (trips, carts), what flows, and what is wrong. */
    static const int rows[5][3] = {{0, 6, 10}, {1, 7, 12}, {4, 8, 2}, {5, 9, -1}, {3, 11, -1}};
    for (size_t r = 0; r < 5; r++) {
        for (size_t c = 0; c < 3 && rows[r][c] >= 0; c++) {
            const struct figure *one = &f[rows[r][c]];
            padded(s, one->words, 20);
            put_value(s, one->value, 10);
        }
        sink_byte(s, '\n');
    }
    sink_byte(s, '\n');
    put_parts(d, colour, s);
    put_trouble(d, s);
}

void watch_view_line(const struct watch_data *d, const struct watch_data *before, struct sink *s)
{
    struct figure f[FIGURES];
    figures_of(d, before, f);
    for (size_t i = 0; i < FIGURES; i++) {
        sink_text(s, i == 0 ? "" : "  ");
        sink_text(s, f[i].name);
        sink_byte(s, '=');
        put_value(s, f[i].value, 0);
    }
    put_parts(d, false, s);
}

/* Names are our own words: nothing in them needs escaping. */
void watch_view_json(const struct watch_data *d, const struct watch_data *before, struct sink *s)
{
    struct figure f[FIGURES];
    figures_of(d, before, f);
    sink_text(s, d->reachable ? "{\"reachable\":true" : "{\"reachable\":false");
    for (size_t i = 0; i < FIGURES; i++) {
        sink_text(s, ",\"");
        sink_text(s, f[i].name);
        sink_text(s, "\":");
        if (f[i].value == WATCH_UNKNOWN) {
            sink_text(s, "null");
        } else {
            sink_i64(s, f[i].value);
        }
    }
    sink_text(s, ",\"components\":{");
    for (uint16_t i = 0; i < d->part_count; i++) {
        sink_text(s, i == 0 ? "\"" : ",\"");
        sink_text(s, d->parts[i].name);
        sink_text(s, d->parts[i].ready ? "\":true" : "\":false");
    }
    sink_text(s, "}}\n");
}
