#include "http_metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "http_prometheus.h"

/* Upper bounds in microseconds; the targets (P17) ask for 20 to 50 ms at p99. */
static const int64_t bounds_us[] = {1000,   2500,   5000,    10000,   25000,  50000,
                                    100000, 250000, 1000000, 2500000, 5000000};
#define BOUNDS (sizeof bounds_us / sizeof bounds_us[0])

static const unsigned statuses[] = {200, 201, 202, 204, 400, 401, 403, 404,
                                    405, 409, 413, 414, 415, 429, 500, 503};
#define STATUSES (sizeof statuses / sizeof statuses[0])

struct cell {
    _Atomic int64_t by_status[STATUSES + 1]; /* the last one: any other */
    _Atomic int64_t by_bound[BOUNDS + 1];    /* not cumulative; the last one: beyond */
    _Atomic int64_t sum_us;
};

struct http_metrics {
    const struct http_table *table;
    _Atomic int64_t in_work;
    size_t count;
    struct cell cells[]; /* one a route in table order, and one for "none" */
};

struct http_metrics *http_metrics_new(const struct http_table *table)
{
    size_t count = 1;
    for (size_t g = 0; g < table->group_count; g++) {
        for (const struct http_route *r = table->groups[g].routes; r->path != NULL; r++) {
            count++;
        }
    }
    struct http_metrics *m = calloc(1, sizeof *m + count * sizeof m->cells[0]);
    if (m != NULL) {
        m->table = table;
        m->count = count;
    }
    return m;
}

void http_metrics_free(struct http_metrics *m)
{
    free(m);
}

void http_metrics_begin(struct http_metrics *m)
{
    atomic_fetch_add(&m->in_work, 1);
}

/* The route's place in table order; past the last: "none". */
static size_t place_of(const struct http_metrics *m, const struct http_route *route)
{
    size_t i = 0;
    for (size_t g = 0; g < m->table->group_count; g++) {
        for (const struct http_route *r = m->table->groups[g].routes; r->path != NULL; r++, i++) {
            if (r == route) {
                return i;
            }
        }
    }
    return i;
}

void http_metrics_end(struct http_metrics *m, const struct http_route *route, unsigned status,
                      int64_t duration_us)
{
    struct cell *c = &m->cells[place_of(m, route)];
    size_t s = 0;
    while (s < STATUSES && statuses[s] != status) {
        s++;
    }
    size_t b = 0;
    while (b < BOUNDS && duration_us > bounds_us[b]) {
        b++;
    }
    atomic_fetch_add(&c->by_status[s], 1);
    atomic_fetch_add(&c->by_bound[b], 1);
    atomic_fetch_add(&c->sum_us, duration_us);
    atomic_fetch_sub(&m->in_work, 1);
}

/* Calls visit for every route, and once with route NULL for "none". */
static void each_cell(struct http_metrics *m, FILE *out,
                      void (*visit)(FILE *out, struct cell *c, const char *route,
                                    const char *method))
{
    size_t i = 0;
    for (size_t g = 0; g < m->table->group_count; g++) {
        for (const struct http_route *r = m->table->groups[g].routes; r->path != NULL; r++) {
            visit(out, &m->cells[i++], r->path, http_route_method_name(r->method));
        }
    }
    visit(out, &m->cells[i], "none", "none");
}

static void print_requests(FILE *out, struct cell *c, const char *route, const char *method)
{
    for (size_t s = 0; s <= STATUSES; s++) {
        int64_t n = atomic_load(&c->by_status[s]);
        if (n == 0) {
            continue;
        }
        char status[16] = "other";
        if (s < STATUSES) {
            (void)snprintf(status, sizeof status, "%u", statuses[s]);
        }
        const struct http_prometheus_tag tags[] = {
            {"route", route}, {"method", method}, {"status", status}};
        http_prometheus_sample(out, "endcap_http_requests_total", tags, 3, (double)n);
    }
}

static void print_durations(FILE *out, struct cell *c, const char *route, const char *method)
{
    int64_t total = 0;
    char bound[24];
    struct http_prometheus_tag tags[] = {{"route", route}, {"method", method}, {"le", bound}};
    for (size_t b = 0; b <= BOUNDS; b++) {
        total += atomic_load(&c->by_bound[b]);
    }
    if (total == 0) {
        return;
    }
    int64_t below = 0;
    for (size_t b = 0; b <= BOUNDS; b++) {
        below += atomic_load(&c->by_bound[b]);
        if (b < BOUNDS) {
            (void)snprintf(bound, sizeof bound, "%g", (double)bounds_us[b] / 1e6);
        } else {
            (void)snprintf(bound, sizeof bound, "+Inf");
        }
        http_prometheus_sample(out, "endcap_http_duration_seconds_bucket", tags, 3, (double)below);
    }
    http_prometheus_sample(out, "endcap_http_duration_seconds_sum", tags, 2,
                           (double)atomic_load(&c->sum_us) / 1e6);
    http_prometheus_sample(out, "endcap_http_duration_seconds_count", tags, 2, (double)below);
}

void http_metrics_print(struct http_metrics *m, FILE *out)
{
    http_prometheus_family(out, "endcap_http_requests_total", "counter",
                           "Requests answered, by route and status.");
    each_cell(m, out, print_requests);
    http_prometheus_family(out, "endcap_http_duration_seconds", "histogram",
                           "From the first byte understood to the last byte sent.");
    each_cell(m, out, print_durations);
    http_prometheus_family(out, "endcap_http_requests_in_work", "gauge",
                           "Requests not answered yet.");
    http_prometheus_sample(out, "endcap_http_requests_in_work", NULL, 0,
                           (double)atomic_load(&m->in_work));
}
