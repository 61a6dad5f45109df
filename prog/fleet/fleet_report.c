#include "fleet_report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "led.h"

#define DIGEST_TEXT_BYTES (2 * SHELF_DIGEST_BYTES)

/* --- figures of all --- */

static const char *state_name(enum fleet_device_power power)
{
    switch (power) {
    case FLEET_DEVICE_OFF:
        return "off";
    case FLEET_DEVICE_DOWN:
        return "down";
    case FLEET_DEVICE_SLEEPING:
        return "asleep";
    case FLEET_DEVICE_RUNNING:
        return "running";
    }
    return "off";
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        char text[64] = "";
        char *at = fgets(text, sizeof text, f);
        (void)fclose(f);
        at = at == NULL ? NULL : strchr(text, ' ');
        pages = at == NULL ? 0 : strtol(at, NULL, 10);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long long cpu_ms(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0) {
        return 0;
    }
    return (long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static void percentiles(const struct fleet_histogram *h, FILE *out)
{
    fprintf(out, "{\"count\":%llu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}",
            (unsigned long long)h->count, (double)fleet_histogram_at(h, 500) / 1e3,
            (double)fleet_histogram_at(h, 900) / 1e3, (double)fleet_histogram_at(h, 990) / 1e3,
            (double)(h->most > 0 ? h->most : 0) / 1e3);
}

static void label_sums(const struct fleet_world *w, FILE *out)
{
    uint64_t sums[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < w->label_count; i++) {
        const struct fleet_label *l = &w->labels[i];
        sums[0] += (uint64_t)l->device.cell->screen.times;
        if (l->device.power == FLEET_DEVICE_RUNNING) {
            struct label_view v;
            label_look(&l->core, &v);
            sums[1] += v.queued;
            sums[2] += v.synced;
            sums[3] += v.pending;
        }
    }
    fprintf(out, ",\"refreshes\":%llu,\"queuedEvents\":%llu,\"synced\":%llu,\"pending\":%llu",
            (unsigned long long)sums[0], (unsigned long long)sums[1], (unsigned long long)sums[2],
            (unsigned long long)sums[3]);
}

static void cart_sums(const struct fleet_world *w, FILE *out)
{
    uint64_t trips = 0;
    uint64_t scans = 0;
    int64_t unacknowledged = 0;
    for (size_t i = 0; i < w->cart_count; i++) {
        const struct fleet_cart *c = &w->carts[i];
        trips += c->trips + (c->shopping ? c->shopper.trips : 0);
        scans += c->scans + (c->shopping ? c->shopper.scans : 0);
        unacknowledged +=
            c->device.power == FLEET_DEVICE_RUNNING ? cart_unacknowledged(&c->core) : 0;
    }
    fprintf(out, ",\"trips\":%llu,\"scans\":%llu,\"unacknowledged\":%lld",
            (unsigned long long)trips, (unsigned long long)scans, (long long)unacknowledged);
}

void fleet_report_stats(const struct fleet_world *w, FILE *out)
{
    size_t states[FLEET_DEVICE_RUNNING + 1] = {0};
    const struct fleet_link_counts *n = &w->net.counts;
    for (size_t i = 0; i < w->count; i++) {
        states[w->devices[i]->power]++;
    }
    fprintf(out,
            "{\"labels\":%zu,\"carts\":%zu,\"running\":%zu,\"asleep\":%zu,\"down\":%zu,\"off\":%zu,"
            "\"connected\":%u,\"handshaking\":%u,\"waiting\":%u,",
            w->label_count, w->cart_count, states[FLEET_DEVICE_RUNNING],
            states[FLEET_DEVICE_SLEEPING], states[FLEET_DEVICE_DOWN], states[FLEET_DEVICE_OFF],
            w->net.up, w->net.shaking, w->net.waiting);
    fprintf(out,
            "\"attempts\":%llu,\"handshakes\":%llu,\"failures\":%llu,\"losses\":%llu,"
            "\"messagesIn\":%llu,\"messagesOut\":%llu,\"bytesIn\":%llu,\"bytesOut\":%llu,"
            "\"pubacks\":%llu,\"pubacksRefused\":%llu,",
            (unsigned long long)n->attempts, (unsigned long long)n->handshakes,
            (unsigned long long)n->failures, (unsigned long long)n->losses,
            (unsigned long long)n->messages_in, (unsigned long long)n->messages_out,
            (unsigned long long)n->bytes_in, (unsigned long long)n->bytes_out,
            (unsigned long long)n->acknowledged, (unsigned long long)n->refused);
    fprintf(out,
            "\"lostOnPurpose\":%llu,\"muted\":%llu,\"starts\":%llu,\"startFailures\":%llu,"
            "\"signaturesGood\":%llu,\"signaturesRefused\":%llu",
            (unsigned long long)w->shared.lost, (unsigned long long)w->shared.muted,
            (unsigned long long)w->shared.starts, (unsigned long long)w->shared.start_failures,
            (unsigned long long)w->secure.verified, (unsigned long long)w->secure.refused);
    label_sums(w, out);
    cart_sums(w, out);
    fputs(",\"handshakeMs\":", out);
    percentiles(&w->net.handshake_us, out);
    fputs(",\"displayMs\":", out);
    percentiles(&w->shared.display_us, out);
    fprintf(out, ",\"cpuMs\":%lld,\"residentKb\":%ld,\"uptimeMs\":%lld}", cpu_ms(), resident_kb(),
            (long long)(w->loop.now_ms - w->begun_ms));
}

void fleet_report_reset(struct fleet_world *w)
{
    w->net.counts = (struct fleet_link_counts){0};
    memset(&w->net.handshake_us, 0, sizeof w->net.handshake_us);
    memset(&w->shared.display_us, 0, sizeof w->shared.display_us);
    w->shared.lost = 0;
    w->shared.muted = 0;
    w->shared.starts = 0;
    w->shared.start_failures = 0;
    w->secure.verified = 0;
    w->secure.refused = 0;
}

void fleet_report_line(const struct fleet_world *w, FILE *out)
{
    fprintf(
        out,
        "%u of %zu connected, %u shaking hands, %llu messages in, %llu out, display p99 %.1f ms",
        w->net.up, w->count, w->net.shaking, (unsigned long long)w->net.counts.messages_in,
        (unsigned long long)w->net.counts.messages_out,
        (double)fleet_histogram_at(&w->shared.display_us, 990) / 1e3);
}

/* --- one device --- */

static void digest_text(const uint8_t digest[SHELF_DIGEST_BYTES],
                        char ret_text[DIGEST_TEXT_BYTES + 1])
{
    struct sink s;
    sink_init(&s, ret_text, DIGEST_TEXT_BYTES);
    sink_hex(&s, span_of(digest, SHELF_DIGEST_BYTES));
    ret_text[s.size] = '\0';
}

/* Texts are UTF-8: what RFC 8259 section 7 wants escaped is all that has to be. */
static void put_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, ",\"%s\":\"", name);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            fputc('\\', out);
            fputc(c, out);
        } else if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

static void put_screen(const struct fleet_memory_screen *screen, FILE *out)
{
    char digest[DIGEST_TEXT_BYTES + 1];
    digest_text(screen->digest, digest);
    fprintf(out, ",\"drawn\":%s,\"times\":%lld,\"drawnAt\":%lld", screen->drawn ? "true" : "false",
            (long long)screen->times, (long long)screen->drawn_ms);
    if (!screen->drawn) {
        return;
    }
    fprintf(out, ",\"digest\":\"%s\",\"version\":%lld,\"priceMinor\":%lld,\"language\":\"%s\"",
            digest, (long long)screen->version, (long long)screen->price_minor,
            shelf_language_name((enum shelf_language)screen->language));
    put_text(out, "template", shelf_template_name((enum shelf_template)screen->template));
    put_text(out, "productId", screen->product_id);
    put_text(out, "updateId", screen->update_id);
    fprintf(out, ",\"tagBytes\":%u", screen->tag_size);
}

static void put_label(const struct fleet_label *l, FILE *out)
{
    static const char *const patterns[LED_PATTERNS] = {"off", "solid", "blink", "pulse"};
    struct label_view v;
    char digest[DIGEST_TEXT_BYTES + 1];
    put_screen(&l->device.cell->screen, out);
    if (l->device.power != FLEET_DEVICE_RUNNING) {
        return;
    }
    label_look(&l->core, &v);
    digest_text(v.digest, digest);
    fprintf(out,
            ",\"synced\":%s,\"pending\":%s,\"shows\":%s,\"coreVersion\":%lld,\"coreDigest\":\"%s\","
            "\"shadowVersion\":%lld,\"configVersion\":%lld,\"refreshes\":%lld,\"queued\":%u,"
            "\"dropped\":%lld,\"epoch\":%lld,\"lastCounter\":%lld,\"syncSeconds\":%lld,",
            v.synced ? "true" : "false", v.pending ? "true" : "false", v.shows ? "true" : "false",
            (long long)v.version, digest, (long long)v.shadow_version, (long long)v.config_version,
            (long long)v.refreshes, v.queued, (long long)v.dropped, (long long)v.epoch,
            (long long)v.last_counter, (long long)v.sync_s);
    fprintf(out,
            "\"led\":\"%s\",\"ledPct\":%u,\"lowBattery\":%s,\"lowPower\":%s,\"refused\":%u,"
            "\"kept\":%u,\"repeated\":%u,\"published\":%u,\"queries\":%u,\"certificate\":%lld",
            patterns[l->led_pattern], l->led_pct, v.low_battery ? "true" : "false",
            v.low_power ? "true" : "false", v.counts.refused, v.counts.kept, v.counts.repeated,
            v.counts.published, v.counts.queries, (long long)v.certificate_number);
}

static void put_cart(const struct fleet_cart *c, FILE *out)
{
    if (c->device.power != FLEET_DEVICE_RUNNING) {
        return;
    }
    fprintf(out,
            ",\"epoch\":%lld,\"acknowledged\":%lld,\"unacknowledged\":%lld,\"catalogVersion\":%lld,"
            "\"openTrip\":%s,\"trips\":%llu,\"scans\":%llu",
            (long long)c->core.ledger.epoch, (long long)c->core.ledger.acked,
            (long long)cart_unacknowledged(&c->core), (long long)cart_catalog_version(&c->core),
            cart_has_trip(&c->core) ? "true" : "false",
            (unsigned long long)(c->trips + (c->shopping ? c->shopper.trips : 0)),
            (unsigned long long)(c->scans + (c->shopping ? c->shopper.scans : 0)));
}

void fleet_report_device(const struct fleet_world *w, const struct fleet_device *d, FILE *out)
{
    fprintf(out,
            "{\"id\":\"%s\",\"kind\":\"%s\",\"storeId\":\"%s\",\"state\":\"%s\",\"connected\":%s,"
            "\"battery\":%d,\"signal\":%d",
            d->identity->id, d->kind->name, d->identity->store_id, state_name(d->power),
            fleet_link_is_up(&d->link) && !d->link.cut ? "true" : "false", d->battery_pct,
            d->signal_dbm);
    if (d->why[0] != '\0') {
        put_text(out, "why", d->why);
    }
    if (fleet_world_is_label(w, d)) {
        put_label((const struct fleet_label *)d, out);
    } else {
        put_cart((const struct fleet_cart *)d, out);
    }
    fputc('}', out);
}

/* --- waiting --- */

static bool read_wish(const char *key, const json_t *value, struct fleet_report_wish *wish)
{
    const struct {
        const char *key;
        const char **to;
    } texts[] = {{"state", &wish->state},
                 {"digest", &wish->digest},
                 {"productId", &wish->product},
                 {"language", &wish->language}};
    const struct {
        const char *key;
        int *to;
    } truths[] = {{"connected", &wish->connected},
                  {"synced", &wish->synced},
                  {"drawn", &wish->drawn},
                  {"pending", &wish->pending}};
    const struct {
        const char *key;
        int64_t *to;
    } numbers[] = {{"priceMinor", &wish->price_minor},
                   {"version", &wish->version_least},
                   {"configVersion", &wish->config_least},
                   {"times", &wish->refreshes_least},
                   {"queued", &wish->queued_most}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].key, key) == 0 && json_is_string(value)) {
            *texts[i].to = json_string_value(value);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++) {
        if (strcmp(truths[i].key, key) == 0 && json_is_boolean(value)) {
            *truths[i].to = json_is_true(value);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].key, key) == 0 && json_is_integer(value) &&
            json_integer_value(value) >= 0) {
            *numbers[i].to = json_integer_value(value);
            return true;
        }
    }
    return false;
}

enum res fleet_report_wish_read(const json_t *from, struct fleet_report_wish *ret, struct err *why)
{
    struct fleet_report_wish wish = {.connected = -1,
                                     .synced = -1,
                                     .drawn = -1,
                                     .pending = -1,
                                     .price_minor = -1,
                                     .version_least = -1,
                                     .config_least = -1,
                                     .refreshes_least = -1,
                                     .queued_most = -1};
    const char *key;
    json_t *value;
    if (!json_is_object(from)) {
        err_set(why, "what is waited for is an object, e.g. {\"connected\": true}");
        return RES_INVALID;
    }
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        if (!read_wish(key, value, &wish)) {
            err_set(why, "`%.40s` cannot be waited for, or is of another type", key);
            return RES_INVALID;
        }
    }
    *ret = wish;
    return RES_OK;
}

static bool screen_holds(const struct fleet_memory_screen *s, const struct fleet_report_wish *wish)
{
    char digest[DIGEST_TEXT_BYTES + 1];
    digest_text(s->digest, digest);
    return (wish->drawn < 0 || s->drawn == (wish->drawn == 1)) &&
           (wish->digest == NULL || (s->drawn && strcmp(wish->digest, digest) == 0)) &&
           (wish->product == NULL || strcmp(wish->product, s->product_id) == 0) &&
           (wish->language == NULL ||
            strcmp(wish->language, shelf_language_name((enum shelf_language)s->language)) == 0) &&
           (wish->price_minor < 0 || (s->drawn && wish->price_minor == s->price_minor)) &&
           s->version >= wish->version_least && s->times >= wish->refreshes_least;
}

static bool core_holds(const struct fleet_label *l, const struct fleet_report_wish *wish)
{
    struct label_view v;
    if (wish->synced < 0 && wish->pending < 0 && wish->config_least < 0 && wish->queued_most < 0) {
        return true;
    }
    if (l->device.power != FLEET_DEVICE_RUNNING) {
        return false;
    }
    label_look(&l->core, &v);
    return (wish->synced < 0 || v.synced == (wish->synced == 1)) &&
           (wish->pending < 0 || v.pending == (wish->pending == 1)) &&
           v.config_version >= wish->config_least &&
           (wish->queued_most < 0 || (int64_t)v.queued <= wish->queued_most);
}

bool fleet_report_wish_holds(const struct fleet_world *w, const struct fleet_device *d,
                             const struct fleet_report_wish *wish)
{
    bool connected = fleet_link_is_up(&d->link) && !d->link.cut;
    if ((wish->connected >= 0 && connected != (wish->connected == 1)) ||
        (wish->state != NULL && strcmp(wish->state, state_name(d->power)) != 0)) {
        return false;
    }
    if (fleet_world_is_label(w, d)) {
        return screen_holds(&d->cell->screen, wish) &&
               core_holds((const struct fleet_label *)d, wish);
    }
    return wish->queued_most < 0 ||
           (d->power == FLEET_DEVICE_RUNNING &&
            cart_unacknowledged(&((const struct fleet_cart *)d)->core) <= wish->queued_most);
}
