/* Fuzz target for everything that reads what a label or the platform sent: libFuzzer's entry, no
 * main of its own.
 *
 * Beyond memory safety it holds these to be true: a refusal names a field and a rule; what decodes
 * encodes, within the limit where it came in it, and decodes to the same; a display's canonical
 * text fits; a topic that is read writes back to itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "shelf.h"
#include "shelf_sample.h"
#include "shelf_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void fuzz_message(enum shelf_topic topic, struct span payload)
{
    static _Alignas(16) uint8_t rooms[2][SHELF_ARENA_BYTES];
    static uint8_t text[4 * SHELF_DOWN_BYTES_MAX];
    struct shelf_sample first;
    struct shelf_sample second;
    struct shelf_detail detail = {NULL, NULL};
    struct arena a;
    struct sink s;
    arena_init(&a, rooms[0], sizeof rooms[0]);
    enum res r = shelf_sample_decode(topic, payload, &a, &first, &detail);
    if (r != RES_OK) {
        hold(detail.field != NULL && detail.rule != NULL, "a refusal names a field and a rule");
        return;
    }
    sink_init(&s, text, sizeof text);
    shelf_sample_encode(&first, &s);
    hold(!s.overflow, "what decodes encodes");
    if (s.size > shelf_table_message(topic)->bytes_max) {
        return; /* written short, with fewer digits than ours, it may grow beyond its limit */
    }
    arena_init(&a, rooms[1], sizeof rooms[1]);
    hold(shelf_sample_decode(topic, sink_span(&s), &a, &second, &detail) == RES_OK,
         "what encodes decodes");
    hold(shelf_sample_equal(&first, &second), "and to the same");
    if (topic == SHELF_PRICE_UPDATE) {
        char canonical[SHELF_CANONICAL_BYTES];
        sink_init(&s, canonical, sizeof canonical);
        shelf_display_canonical(&first.display, &s);
        hold(!s.overflow, "a canonical text fits");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of(data, size);
    struct span id;
    enum shelf_topic topic;
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        fuzz_message(t, input);
    }
    if (shelf_topic_read(input, &id, &topic) == RES_OK) {
        char written[SHELF_TOPIC_BYTES];
        shelf_topic_write(id, topic, written);
        hold(span_equal(span_text(written, sizeof written), input),
             "a topic writes back to itself");
    }
    return 0;
}
