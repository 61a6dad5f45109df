/* shelf_sample.h: any message of labels by its topic, and random ones: for tests, the fuzzer and
 * the documents. Not part of the product's library.
 */
#ifndef SHELF_SAMPLE_H
#define SHELF_SAMPLE_H

#include "rng.h"
#include "shelf.h"

#define SHELF_SAMPLE_BYTES 8192 /* room for the texts of one message */

struct shelf_sample {
    enum shelf_topic topic;
    union {
        struct shelf_display display;
        struct shelf_config config;
        struct shelf_flash flash;
        struct shelf_state state;
        struct shelf_status status;
        struct shelf_ack ack;
        struct shelf_get get;
        struct shelf_report report;
    };
};

/* A message that keeps every rule; texts are taken from the arena (SHELF_SAMPLE_BYTES). */
void shelf_sample_random(struct rng *r, enum shelf_topic topic, struct arena *a,
                         struct shelf_sample *ret);
void shelf_sample_encode(const struct shelf_sample *m, struct sink *s);
/* As the decoder of the topic's message. */
MUST_CHECK enum res shelf_sample_decode(enum shelf_topic topic, struct span payload,
                                        struct arena *a, struct shelf_sample *ret,
                                        struct shelf_detail *detail);
/* Member by member, as the table lists them. */
bool shelf_sample_equal(const struct shelf_sample *a, const struct shelf_sample *b);

#endif
