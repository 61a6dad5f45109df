#include "fleet_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "file.h"
#include "log.h"

#define FILES_OF_OUR_OWN 64  /* beside one a device */
#define LINE_LONG        256 /* so many wait for a handshake: no more are powered on yet */
#define FAILURES_TOLD    5   /* one line each; then silence */

static void on_died(struct fleet_device *d, const char *why)
{
    if (d->shared->start_failures <= FAILURES_TOLD) {
        log_event(LOG_WARN, "device_does_not_start", LOG_TEXT("device", d->identity->id),
                  LOG_TEXT("why", why), LOG_END);
    }
}

/* Twice over what is needed would be wasted, a tenth less would be a lie. */
static enum res raise_limit(size_t devices, struct err *why)
{
    struct rlimit limit;
    rlim_t needed = devices + FILES_OF_OUR_OWN;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        err_set(why, "the system does not tell its limit of open files");
        return RES_IO;
    }
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < needed) {
        err_set(why,
                "%zu devices need %llu open files, and the limit is %llu; raise it (`ulimit -Hn "
                "%llu` as root, or LimitNOFILE=) or take fewer devices",
                devices, (unsigned long long)needed, (unsigned long long)limit.rlim_cur,
                (unsigned long long)needed);
        return RES_FULL;
    }
    return RES_OK;
}

static enum res load(struct fleet_world *w, struct err *why)
{
    const struct fleet_world_settings *s = &w->settings;
    enum res r = RES_OK;
    if (s->label_directory != NULL) {
        r = fleet_identity_load(s->label_directory, PKI_LABEL, &w->label_identities,
                                &w->label_count, why);
    }
    if (r == RES_OK && s->cart_directory != NULL) {
        r = fleet_identity_load(s->cart_directory, PKI_CART, &w->cart_identities, &w->cart_count,
                                why);
    }
    w->count = w->label_count + w->cart_count;
    if (r == RES_OK) {
        r = raise_limit(w->count, why);
    }
    if (r != RES_OK) {
        return r;
    }
    w->labels = calloc(w->label_count + 1, sizeof *w->labels);
    w->carts = calloc(w->cart_count + 1, sizeof *w->carts);
    w->devices = calloc(w->count + 1, sizeof(struct fleet_device *));
    if (w->labels == NULL || w->carts == NULL || w->devices == NULL) {
        err_set(why, "no memory for %zu devices", w->count);
        return RES_NO_MEMORY;
    }
    return RES_OK;
}

static enum res make_labels(struct fleet_world *w, struct err *why)
{
    enum res r = fleet_memory_open(&w->label_memory, w->settings.state_file, w->label_count,
                                   FLEET_LABEL_FLASH_BYTES, why);
    for (size_t i = 0; r == RES_OK && i < w->label_count; i++) {
        struct fleet_memory_cell *cell = NULL;
        uint8_t *flash = NULL;
        const struct fleet_identity *who = &w->label_identities[i];
        r = fleet_memory_part(&w->label_memory, i, who->id, &cell, &flash, why);
        if (r == RES_OK) {
            fleet_label_init(&w->labels[i], &w->shared, who, cell, flash, rng_next(&w->rng));
            w->devices[i] = &w->labels[i].device;
        }
    }
    return r;
}

static enum res make_carts(struct fleet_world *w, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    const char *state = NULL;
    enum res r = RES_OK;
    if (w->settings.state_file != NULL) {
        r = file_path(path, why, "%s.carts", w->settings.state_file);
        state = path;
    }
    if (r == RES_OK) {
        r = fleet_memory_open(&w->cart_memory, state, w->cart_count, FLEET_CART_FLASH_BYTES, why);
    }
    for (size_t i = 0; r == RES_OK && i < w->cart_count; i++) {
        struct fleet_memory_cell *cell = NULL;
        uint8_t *flash = NULL;
        const struct fleet_identity *who = &w->cart_identities[i];
        r = fleet_memory_part(&w->cart_memory, i, who->id, &cell, &flash, why);
        if (r == RES_OK) {
            r = fleet_cart_init(&w->carts[i], &w->shared, &w->shop, who, w->settings.cart_directory,
                                cell, flash, rng_next(&w->rng), why);
            w->devices[w->label_count + i] = &w->carts[i].device;
        }
    }
    return r;
}

enum res fleet_world_open(struct fleet_world *w, const struct fleet_world_settings *settings,
                          struct err *why)
{
    memset(w, 0, sizeof *w);
    w->settings = *settings;
    w->loop.epoll_fd = -1;
    w->label_memory.fd = -1;
    w->cart_memory.fd = -1;
    rng_init(&w->rng, settings->seed);
    enum res r = load(w, why);
    if (r == RES_OK) {
        r = fleet_loop_open(&w->loop, w->count, why);
    }
    if (r == RES_OK) {
        r = fleet_link_net_open(&w->net, &w->loop, &settings->link, why);
    }
    if (r == RES_OK) {
        r = fleet_secure_open(&w->secure, settings->platform_file, settings->trusting, why);
    }
    if (r == RES_OK) {
        r = fleet_trace_open(&w->shared.trace, settings->trace_file, &w->secure, why);
    }
    if (r != RES_OK) {
        return r;
    }
    w->begun_ms = w->loop.now_ms;
    w->next_start_us = w->loop.now_us;
    w->shared.loop = &w->loop;
    w->shared.net = &w->net;
    w->shared.secure = &w->secure;
    w->shared.died = on_died;
    w->started = settings->start_off ? w->count : 0;
    fleet_cart_shop_init(&w->shop, &settings->habits, rng_next(&w->rng));
    if (w->label_count > 0) {
        r = make_labels(w, why);
    }
    if (r == RES_OK && w->cart_count > 0) {
        r = make_carts(w, why);
    }
    return r;
}

void fleet_world_close(struct fleet_world *w)
{
    for (size_t i = 0; w->devices != NULL && i < w->count; i++) {
        if (w->devices[i] != NULL) {
            fleet_device_deinit(w->devices[i], true);
        }
    }
    for (size_t i = 0; w->carts != NULL && i < w->cart_count; i++) {
        fleet_cart_deinit(&w->carts[i]);
    }
    fleet_memory_close(&w->label_memory);
    fleet_memory_close(&w->cart_memory);
    fleet_trace_close(&w->shared.trace);
    fleet_secure_close(&w->secure);
    fleet_link_net_close(&w->net);
    fleet_loop_close(&w->loop);
    fleet_identity_free(w->label_identities, w->label_count);
    fleet_identity_free(w->cart_identities, w->cart_count);
    free(w->labels);
    free(w->carts);
    free(w->devices);
}

/* Who is powered on gets in line and has a limited patience: so no more than a short line. Returns
 * when the next one may come. */
static int64_t bring_up(struct fleet_world *w)
{
    const uint32_t rate = w->settings.link.rate_max;
    while (w->started < w->count && w->net.waiting < LINE_LONG) {
        if (rate > 0 && w->loop.now_us < w->next_start_us) {
            return (w->next_start_us - w->loop.now_us) / 1000 + 1;
        }
        w->next_start_us = rate > 0 ? w->next_start_us + 1000000 / rate : w->loop.now_us;
        struct fleet_device *d = w->devices[w->started++];
        if (d->power == FLEET_DEVICE_OFF) {
            fleet_device_power_on(d);
        }
    }
    return w->started < w->count ? 10 : INT64_MAX;
}

void fleet_world_turn(struct fleet_world *w, int64_t wait_ms_max)
{
    int64_t wait_ms = bring_up(w);
    int64_t pace_ms = fleet_link_net_step(&w->net);
    wait_ms = wait_ms < pace_ms ? wait_ms : pace_ms;
    fleet_loop_turn(&w->loop, wait_ms < wait_ms_max ? wait_ms : wait_ms_max);
}

static struct fleet_device *find(struct fleet_device *const *devices, size_t count, const char *id)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(devices[middle]->identity->id, id);
        if (order == 0) {
            return devices[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

struct fleet_device *fleet_world_find(const struct fleet_world *w, const char *id)
{
    struct fleet_device *found = find(w->devices, w->label_count, id);
    return found != NULL ? found : find(w->devices + w->label_count, w->cart_count, id);
}

bool fleet_world_is_label(const struct fleet_world *w, const struct fleet_device *d)
{
    const struct fleet_label *l = (const struct fleet_label *)d;
    return l >= w->labels && l < w->labels + w->label_count;
}
