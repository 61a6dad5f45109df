/* test_platform.h: what a platform is to a cart, in its simplest correct form, for tests: it keeps
 * each event once, moves a watermark, says so, answers products and payments, and judges every
 * session when the watermark has passed its end. It stops the test (assert) where a cart breaks the
 * contract.
 */
#ifndef TEST_PLATFORM_H
#define TEST_PLATFORM_H

#include "network_sim.h"
#include "wire.h"

#define TEST_PLATFORM_EVENTS_MAX 8192 /* of one epoch */
#define TEST_PLATFORM_EPOCHS     4
#define TEST_PLATFORM_WINDOW     1024

struct test_platform_event {
    bool known; /* stored, or accounted for by a gap record */
    bool gap;
    uint16_t size;
    uint8_t *body; /* on the heap */
};

struct test_platform_stream {
    int64_t watermark;
    struct test_platform_event events[TEST_PLATFORM_EVENTS_MAX + 1];
};

struct test_platform {
    struct network_sim *net;
    const char *cart_id;
    int64_t now_ms;
    int64_t command_number;
    unsigned products_every; /* every n-th question is answered "unknown"; 0: none is */
    unsigned received;
    unsigned duplicates;
    unsigned ended[3]; /* by outcome */
    unsigned judged;
    unsigned paid;
    int64_t last_health_command;
    int64_t last_health_outcome;
    struct test_platform_stream streams[TEST_PLATFORM_EPOCHS];
};

struct test_platform *test_platform_new(struct network_sim *net, const char *cart_id);
void test_platform_free(struct test_platform *p);
/* Takes everything that has arrived, and answers. */
void test_platform_step(struct test_platform *p);
/* True when the platform has this very body. */
bool test_platform_has(const struct test_platform *p, int64_t epoch, int64_t counter,
                       struct span body);
int64_t test_platform_watermark(const struct test_platform *p, int64_t epoch);
/* NULL when there is none. */
bool test_platform_event(const struct test_platform *p, int64_t epoch, int64_t counter,
                         struct wire_event *ret_event);
/* Signs and sends; header fields are filled in. */
void test_platform_send(struct test_platform *p, struct wire_downlink *message);
/* The price this platform answers for a code. */
int64_t test_platform_price(struct span gtin);

#endif
