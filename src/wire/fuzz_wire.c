/* Fuzz target for everything that reads a frame: libFuzzer's entry, no main of its own.
 *
 * Beyond memory safety it holds these to be true: what decodes encodes again; the second encoding
 * is the same bytes as the first; identity and signature checks agree with the decoder; a topic
 * that is read writes back to itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gtin.h"
#include "json.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void fuzz_event(struct span body)
{
    struct wire_event first;
    struct wire_event second;
    struct wire_detail why;
    unsigned unknown;
    enum wire_refusal r = wire_event_decode(body, &first, &unknown, &why);
    struct span cart_id;
    int64_t epoch;
    int64_t counter;
    bool filed = wire_event_identity(body, &cart_id, &epoch, &counter);
    if (r != WIRE_FINE) {
        hold(r < WIRE_REFUSALS, "a refusal has a name");
        return;
    }
    hold(filed && span_equal(cart_id, first.cart_id) && epoch == first.epoch &&
             counter == first.counter,
         "identity is the decoder's");
    uint8_t one[WIRE_EVENT_BYTES_MAX];
    uint8_t two[WIRE_EVENT_BYTES_MAX];
    struct sink a;
    struct sink b;
    sink_init(&a, one, sizeof one);
    sink_init(&b, two, sizeof two);
    hold(wire_event_encode(&first, &a) == RES_OK, "what decodes encodes");
    hold(wire_event_decode(sink_span(&a), &second, &unknown, &why) == WIRE_FINE && unknown == 0,
         "what encodes decodes");
    hold(wire_event_encode(&second, &b) == RES_OK && span_equal(sink_span(&a), sink_span(&b)),
         "encoding is stable");
}

static void fuzz_downlink(struct span body)
{
    static struct wire_downlink first;
    static struct wire_downlink second;
    static uint8_t one[WIRE_PLATFORM_BYTES_MAX];
    static uint8_t two[WIRE_PLATFORM_BYTES_MAX];
    struct wire_detail why;
    if (wire_downlink_decode(body, &first, &why) != WIRE_FINE) {
        return;
    }
    struct sink a;
    struct sink b;
    sink_init(&a, one, sizeof one);
    sink_init(&b, two, sizeof two);
    enum res r = wire_downlink_encode(&first, &a);
    if (r == RES_LIMIT && first.type >= WIRE_CATALOGUE) {
        return; /* a full chunk whose prices were written short may grow beyond its limit */
    }
    hold(r == RES_OK, "what decodes encodes");
    hold(wire_downlink_decode(sink_span(&a), &second, &why) == WIRE_FINE, "what encodes decodes");
    hold(wire_downlink_encode(&second, &b) == RES_OK && span_equal(sink_span(&a), sink_span(&b)),
         "encoding is stable");
}

static void fuzz_texts(struct span input)
{
    struct span cart_id;
    enum wire_type type;
    int64_t epoch;
    int64_t counter;
    uint8_t copy[128];
    struct sink s;
    sink_init(&s, copy, sizeof copy);
    if (wire_topic_read(input, &cart_id, &type) == RES_OK) {
        wire_topic_write(&s, cart_id, type);
        hold(span_equal(sink_span(&s), input), "a topic writes back to itself");
    }
    sink_init(&s, copy, sizeof copy);
    if (wire_session_id_read(input, &cart_id, &epoch, &counter) == RES_OK) {
        wire_session_id_write(&s, cart_id, epoch, counter);
        hold(span_equal(sink_span(&s), input), "a session id writes back to itself");
    }
    sink_init(&s, copy, sizeof copy);
    if (wire_name_clean(input, &s) == RES_OK) {
        hold(!s.overflow && s.size > 0 && s.size <= 96 && json_utf8_is_valid(sink_span(&s)) &&
                 !gtin_looks_like_card(sink_span(&s)),
             "a clean name is a name");
    }
    static const enum gtin_measure layout[10] = {GTIN_MEASURE_PRICE, GTIN_MEASURE_WEIGHT,
                                                 GTIN_MEASURE_PRICE_VERIFIED,
                                                 GTIN_MEASURE_WEIGHT_VERIFIED};
    struct gtin_variable variable;
    if (gtin_variable_read(input, layout, &variable) == RES_OK) {
        hold(gtin_is_valid(span_of(variable.item_gtin14, GTIN_DIGITS)), "the key is a GTIN");
    }
    char expanded[GTIN_DIGITS + 1];
    if (gtin_from_upc_e(input, expanded) == RES_OK) {
        hold(gtin_is_valid(span_of(expanded, 12)), "an expanded UPC-E is a GTIN");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of(data, size);
    struct span body;
    struct span signature;
    if (wire_event_split(input, &body, &signature) == WIRE_FINE) {
        (void)wire_signature_is_canonical(signature);
        fuzz_event(body);
    }
    if (wire_downlink_split(input, &body, &signature) == WIRE_FINE) {
        fuzz_downlink(body);
    }
    fuzz_event(input);
    fuzz_downlink(input);
    fuzz_texts(input);
    return 0;
}
