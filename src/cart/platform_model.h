/* platform_model.h: what a platform is to a cart, in its simplest correct form, for tests: it keeps
 * each event once, moves a watermark, says so, answers products and payments, and judges every
 * session when the watermark has passed its end. It stops the test (assert) where a cart breaks the
 * contract.
 */
#ifndef PLATFORM_MODEL_H
#define PLATFORM_MODEL_H

#include "network_sim.h"
#include "wire.h"

#define PLATFORM_MODEL_EVENTS_MAX 8192 /* of one epoch */
#define PLATFORM_MODEL_EPOCHS     4
#define PLATFORM_MODEL_WINDOW     1024

struct platform_model_event {
    bool known; /* stored, or accounted for by a gap record */
    bool gap;
    uint16_t size;
    uint8_t *body; /* on the heap */
};

struct platform_model_stream {
    int64_t watermark;
    struct platform_model_event events[PLATFORM_MODEL_EVENTS_MAX + 1];
};

struct platform_model {
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
    struct platform_model_stream streams[PLATFORM_MODEL_EPOCHS];
};

struct platform_model *platform_model_new(struct network_sim *net, const char *cart_id);
void platform_model_free(struct platform_model *p);
/* Takes everything that has arrived, and answers. */
void platform_model_step(struct platform_model *p);
/* True when the platform has this very body. */
bool platform_model_has(const struct platform_model *p, int64_t epoch, int64_t counter,
                        struct span body);
int64_t platform_model_watermark(const struct platform_model *p, int64_t epoch);
/* NULL when there is none. */
bool platform_model_event(const struct platform_model *p, int64_t epoch, int64_t counter,
                          struct wire_event *ret_event);
/* Signs and sends; header fields are filled in. */
void platform_model_send(struct platform_model *p, struct wire_downlink *message);
/* The price this platform answers for a code. */
int64_t platform_model_price(struct span gtin);

#endif
