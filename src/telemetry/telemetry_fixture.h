/* telemetry_fixture.h: for tests of the telemetry port: a store in a directory of its own, made-up
 * events, and a model in memory that answers as the port must.
 */
#ifndef TELEMETRY_FIXTURE_H
#define TELEMETRY_FIXTURE_H

#include "rng.h"
#include "telemetry.h"

#define TELEMETRY_FIXTURE_BODY_MAX 800
#define TELEMETRY_FIXTURE_ID_MAX   32

/* An event that owns its bytes. */
struct telemetry_fixture_event {
    char device[TELEMETRY_FIXTURE_ID_MAX];
    char store[TELEMETRY_FIXTURE_ID_MAX];
    char session[TELEMETRY_FIXTURE_ID_MAX];
    uint8_t type;
    int64_t epoch;
    int64_t counter;
    int64_t time_ms;
    int64_t received_ms;
    uint8_t body[TELEMETRY_FIXTURE_BODY_MAX];
    size_t body_size;
    uint8_t signature[64];
    bool is_signed; /* most are */
    telemetry_position position;
    size_t order; /* of append */
};

struct telemetry_fixture {
    char directory[64];
    struct telemetry_fixture_event *events; /* all that was appended, in order */
    size_t count;
    size_t room;
};

uint64_t telemetry_fixture_seed(void);
void telemetry_fixture_init(struct telemetry_fixture *x);
/* Removes the directory and what is in it. */
void telemetry_fixture_deinit(struct telemetry_fixture *x);
struct telemetry *telemetry_fixture_open(struct telemetry_fixture *x, const char *writer);

/* A scan as carts send it; its bytes follow from its identity alone. */
void telemetry_fixture_event_of(struct telemetry_fixture_event *e, unsigned device, int64_t epoch,
                                int64_t counter, int64_t time_ms);
struct telemetry_event telemetry_fixture_view(const struct telemetry_fixture_event *e);
/* Appends, which must succeed, and remembers. */
void telemetry_fixture_append(struct telemetry_fixture *x, struct telemetry *t,
                              const struct telemetry_fixture_event *events, size_t count,
                              int64_t now_ms);

/* The right answers: indices into x->events; the caller frees them. */
size_t telemetry_fixture_query(const struct telemetry_fixture *x,
                               const struct telemetry_filter *filter, size_t **ret);
size_t telemetry_fixture_stream(const struct telemetry_fixture *x, const char *device,
                                int64_t epoch, int64_t from, int64_t to, size_t **ret);

/* Compares what is visited with wanted[0..count) in order; user for the visits below. */
struct telemetry_fixture_check {
    const struct telemetry_fixture *x;
    const size_t *wanted;
    size_t count;
    size_t seen;
    bool wrong;
};
enum res telemetry_fixture_visit(void *check, const struct telemetry_event *event,
                                 telemetry_position position);
/* Reads all pages and compares. RES_OK with *ret_wrong, or the error of the store. */
MUST_CHECK enum res telemetry_fixture_check_query(struct telemetry_fixture *x, struct telemetry *t,
                                                  const struct telemetry_filter *filter,
                                                  size_t limit, bool *ret_wrong, struct err *why);
MUST_CHECK enum res telemetry_fixture_check_stream(struct telemetry_fixture *x, struct telemetry *t,
                                                   const char *device, int64_t epoch, int64_t from,
                                                   int64_t to, bool *ret_wrong, struct err *why);

#endif
