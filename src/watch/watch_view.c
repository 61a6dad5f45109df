#include "watch_view.h"

#include <string.h>

#define GREEN  "\x1b[32m"
#define RED    "\x1b[31m"
#define YELLOW "\x1b[33m"
#define BOLD   "\x1b[1m"
#define PLAIN  "\x1b[0m"

/* Two columns and their margins: 74 characters, so that a terminal of 80 has room to spare. */
#define NAME_WIDTH  24
#define VALUE_WIDTH 10
#define MARGIN      "  "
#define GAP         "    "

#define UNREACHABLE "  the REST face does not answer; is `endcap up` running?"

struct figure {
    const char *name; /* as in the JSON */
    const char *words;
    int64_t value;
};
enum {
    TRIPS,
    OPEN_SESSIONS,
    UNRECONCILED,
    CARTS,
    CARTS_SEEN,
    QUEUED,
    LABELS,
    LABELS_ONLINE,
    DISPLAYS,
    FAILING,
    RATE,
    STORED,
    RECEIVED,
    REPEATS,
    REJECTED,
    WAITING,
    ALERTS,
    FIGURES,
};

static void figures_of(const struct watch_data *d, const struct watch_data *before,
                       struct figure ret[FIGURES])
{
    const struct figure all[FIGURES] = {
        [TRIPS] = {"trips", "complete", d->trips},
        [OPEN_SESSIONS] = {"openSessions", "shopping now", d->open_sessions},
        [UNRECONCILED] = {"unreconciled", "unreconciled", d->unreconciled},
        [CARTS] = {"carts", "carts in the fleet", d->carts},
        [CARTS_SEEN] = {"cartsSeen", "carts heard lately", d->carts_seen},
        [QUEUED] = {"queuedOnCarts", "queued on carts", d->queued_on_carts},
        [LABELS] = {"labels", "labels in the fleet", d->labels},
        [LABELS_ONLINE] = {"labelsOnline", "labels connected", d->labels_online},
        [DISPLAYS] = {"displaysUnderWay", "displays under way", d->displays_under_way},
        [FAILING] = {"displaysFailing", "displays failing", d->displays_failing},
        [RATE] = {"eventsPerSecond", "a second", watch_view_rate(d, before)},
        [STORED] = {"eventsStored", "stored", d->events_stored},
        [RECEIVED] = {"received", "received", d->received},
        [REPEATS] = {"duplicates", "repeats dropped", d->duplicates},
        [REJECTED] = {"rejected", "rejected", d->rejected},
        [WAITING] = {"waiting", "waiting in ingest", d->waiting},
        [ALERTS] = {"openAlerts", "open alerts", d->open_alerts},
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
        sink_text(s, colour ? RED UNREACHABLE PLAIN : UNREACHABLE);
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

/* A heading and the figures under it. */
struct group {
    const char *title;
    uint8_t count;
    uint8_t rows[4];
    bool trouble; /* any of these above zero is something to see to */
};
static const struct group groups[] = {
    {"Trips", 4, {TRIPS, OPEN_SESSIONS, CARTS_SEEN, CARTS}, false},
    {"Labels", 3, {LABELS_ONLINE, LABELS, DISPLAYS}, false},
    {"Events", 3, {RATE, STORED, REPEATS}, false},
    {"To see to", 4, {ALERTS, REJECTED, UNRECONCILED, FAILING}, true},
    {"Lag", 2, {WAITING, QUEUED}, false}, /* wide only, as blank lines: a terminal has 24 rows */
};
#define GROUPS_WIDE   (sizeof groups / sizeof groups[0])
#define GROUPS_NARROW (GROUPS_WIDE - 1)

static void put_left(struct sink *s, const char *text, size_t width)
{
    sink_text(s, text);
    for (size_t size = strlen(text); size < width; size++) {
        sink_byte(s, ' ');
    }
}

static void put_title(struct sink *s, const char *title, bool colour)
{
    sink_text(s, colour ? BOLD : "");
    put_left(s, title, NAME_WIDTH + VALUE_WIDTH);
    sink_text(s, colour ? PLAIN : "");
}

static void put_figure(struct sink *s, const struct figure *f, bool warn)
{
    put_left(s, f->words, NAME_WIDTH);
    sink_text(s, warn ? YELLOW : "");
    put_value(s, f->value, VALUE_WIDTH);
    sink_text(s, warn ? PLAIN : "");
}

/* `across` groups side by side; the lines that were written. */
static unsigned put_groups(struct sink *s, const struct group *g, size_t across,
                           const struct figure f[FIGURES], bool colour, bool spaced)
{
    unsigned rows = 0;
    for (size_t c = 0; c < across; c++) {
        sink_text(s, c == 0 ? MARGIN : GAP);
        put_title(s, g[c].title, colour);
        rows = g[c].count > rows ? g[c].count : rows;
    }
    sink_byte(s, '\n');
    for (unsigned r = 0; r < rows; r++) {
        for (size_t c = 0; c < across; c++) {
            sink_text(s, c == 0 ? MARGIN : GAP);
            if (r < g[c].count) {
                const struct figure *one = &f[g[c].rows[r]];
                put_figure(s, one, colour && g[c].trouble && one->value > 0);
            } else {
                put_left(s, "", NAME_WIDTH + VALUE_WIDTH);
            }
        }
        sink_byte(s, '\n');
    }
    if (spaced) {
        sink_byte(s, '\n');
    }
    return rows + (spaced ? 2 : 1);
}

unsigned watch_view_block(const struct watch_data *d, const struct watch_data *before, bool wide,
                          bool colour, struct sink *s)
{
    struct figure f[FIGURES];
    unsigned lines = 0;
    size_t count = wide ? GROUPS_WIDE : GROUPS_NARROW;
    figures_of(d, before, f);
    for (size_t g = 0; g < count;) {
        size_t across = wide && g + 1 < count ? 2 : 1;
        lines += put_groups(s, &groups[g], across, f, colour, wide);
        g += across;
    }
    put_parts(d, colour, s);
    put_trouble(d, s);
    return lines + 2;
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
