#include "broker_acl.h"

#include <string.h>

#define HEAR (BROKER_SUBSCRIBE | BROKER_RECEIVE)

static const struct broker_grant grants[] = {
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/scan", "a shopper's scans leave the cart"},
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/session-start",
     "a trip starts, is held or goes on"},
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/session-end",
     "a trip ends, with its total and payment"},
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/identify", "a shopper says who they are"},
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/health",
     "battery, signal and queue reach the fleet's desk"},
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/fault", "a jam, a gap or a refused command"},
    {BROKER_CART, BROKER_PUBLISH, false, "cart/{id}/boot", "a restart and its reason"},
    {BROKER_CART, HEAR, false, "cart/{id}/command",
     "staff must be able to hold, cancel or wake this very cart"},
    {BROKER_CART, HEAR, false, "cart/{id}/response",
     "commit-acks, product answers and payment outcomes for this very cart"},
    {BROKER_CART, HEAR, false, "store/{store}/catalogue/+",
     "prices of its own store, so that scanning works without a network"},
    {BROKER_LABEL, BROKER_PUBLISH, false, "smartshelf/{id}/status", "battery and signal"},
    {BROKER_LABEL, BROKER_PUBLISH, false, "smartshelf/{id}/ack",
     "the digest of what it shows ends a price update"},
    {BROKER_LABEL, BROKER_PUBLISH, false, "smartshelf/{id}/shadow/get",
     "a label that woke asks for its desired state"},
    {BROKER_LABEL, BROKER_PUBLISH, false, "smartshelf/{id}/shadow/update",
     "a label reports its state"},
    {BROKER_LABEL, HEAR, false, "smartshelf/{id}/price/update", "its own price"},
    {BROKER_LABEL, HEAR, false, "smartshelf/{id}/flash/command",
     "its own light, for a picker to find it"},
    {BROKER_LABEL, HEAR, false, "smartshelf/{id}/config/update", "its own settings"},
    {BROKER_LABEL, HEAR, false, "smartshelf/{id}/shadow/get/accepted",
     "the answer to its own question"},
    {BROKER_LABEL, HEAR, false, "smartshelf/{id}/shadow/delta", "what its own state lacks"},
    {BROKER_INGEST, BROKER_SUBSCRIBE, false, "$share/ingest/cart/+/+",
     "every cart's events, shared among the ingest processes"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/scan", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/session-start", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/session-end", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/identify", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/health", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/fault", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "cart/+/boot", "delivery of the above"},
    {BROKER_INGEST, BROKER_PUBLISH, false, "cart/+/response",
     "commit-acks, product answers and payment outcomes"},
    {BROKER_INGEST, BROKER_SUBSCRIBE, false, "$share/ingest/smartshelf/+/+",
     "every label's events, shared among the ingest processes"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "smartshelf/+/status", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "smartshelf/+/ack", "delivery of the above"},
    {BROKER_INGEST, BROKER_SUBSCRIBE, false, "$share/ingest/smartshelf/+/shadow/+",
     "every label's questions and reports, shared likewise"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "smartshelf/+/shadow/get", "delivery of the above"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "smartshelf/+/shadow/update", "delivery of the above"},
    {BROKER_INGEST, BROKER_PUBLISH, false, "smartshelf/+/shadow/get/accepted",
     "the desired state, signed, for the label that asked"},
    {BROKER_INGEST, BROKER_SUBSCRIBE, false, "$share/ingest/presence/+",
     "which devices the broker sees come and go; only the broker itself publishes it"},
    {BROKER_INGEST, BROKER_RECEIVE, false, "presence/+", "delivery of the above"},
    {BROKER_INGEST, BROKER_PUBLISH, false, "reject/+", "a refused message is told to its reader"},
    {BROKER_WORKER, BROKER_PUBLISH, false, "cart/+/command", "commands of staff, signed"},
    {BROKER_WORKER, BROKER_PUBLISH, true, "store/+/catalogue/+",
     "a store's prices, retained so that a cart that boots has them at once"},
    {BROKER_WORKER, BROKER_PUBLISH, false, "smartshelf/+/price/update",
     "what a label shall show, signed"},
    {BROKER_WORKER, BROKER_PUBLISH, false, "smartshelf/+/config/update",
     "a label's settings, signed"},
    {BROKER_WORKER, BROKER_PUBLISH, false, "smartshelf/+/flash/command",
     "a picker's light, signed and with an expiry"},
    {BROKER_WORKER, BROKER_PUBLISH, false, "smartshelf/+/shadow/delta",
     "what changed of a label's desired state, signed"},
    {BROKER_WORKER, HEAR, false, "reject/+", "the named reader of refused messages: alerts"},
};
#define GRANTS (sizeof grants / sizeof *grants)

const struct broker_grant *broker_acl_grants(size_t *ret_count)
{
    *ret_count = GRANTS;
    return grants;
}

enum res broker_acl_kind(struct span ou, struct span cn, enum broker_kind *ret_kind)
{
    if (span_equal(ou, SPAN_LIT("cart"))) {
        *ret_kind = BROKER_CART;
    } else if (span_equal(ou, SPAN_LIT("label"))) {
        *ret_kind = BROKER_LABEL;
    } else if (span_equal(ou, SPAN_LIT("service")) && span_equal(cn, SPAN_LIT("service:ingest"))) {
        *ret_kind = BROKER_INGEST;
    } else if (span_equal(ou, SPAN_LIT("service")) && span_equal(cn, SPAN_LIT("service:worker"))) {
        *ret_kind = BROKER_WORKER;
    } else {
        return RES_DENIED;
    }
    return RES_OK;
}

/* Up to the next slash; moves *rest behind it. False when nothing is left. */
static bool next_level(struct span *rest, bool *ended, struct span *ret_level)
{
    if (*ended) {
        return false;
    }
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '/') {
        size++;
    }
    *ret_level = span_of(rest->data, size);
    *ended = size == rest->size;
    *rest = *ended ? SPAN_NONE : span_of(rest->data + size + 1, rest->size - size - 1);
    return true;
}

static bool has_wildcard(struct span level)
{
    return level.size > 0 && (memchr(level.data, '+', level.size) != NULL ||
                              memchr(level.data, '#', level.size) != NULL);
}

static bool level_fits(const struct broker_identity *who, struct span pattern, struct span level,
                       bool is_filter)
{
    if (span_equal(pattern, SPAN_LIT("{id}"))) {
        return who->id.size > 0 && span_equal(level, who->id);
    }
    if (span_equal(pattern, SPAN_LIT("{store}"))) {
        return who->store_id.size > 0 && span_equal(level, who->store_id);
    }
    if (!is_filter && span_equal(pattern, SPAN_LIT("+"))) {
        return level.size > 0 && !has_wildcard(level);
    }
    return span_equal(pattern, level);
}

static bool topic_fits(const struct broker_identity *who, const char *pattern, struct span topic,
                       bool is_filter)
{
    struct span patterns = span_of(pattern, strlen(pattern));
    bool pattern_ended = false;
    bool topic_ended = false;
    struct span wanted;
    struct span level;
    while (next_level(&patterns, &pattern_ended, &wanted)) {
        if (!next_level(&topic, &topic_ended, &level) ||
            !level_fits(who, wanted, level, is_filter)) {
            return false;
        }
    }
    return topic_ended;
}

const struct broker_grant *broker_acl_find(const struct broker_identity *who,
                                           enum broker_action action, struct span topic,
                                           bool retain)
{
    for (size_t i = 0; i < GRANTS; i++) {
        const struct broker_grant *g = &grants[i];
        if (g->kind == who->kind && (g->actions & action) != 0 &&
            (action != BROKER_PUBLISH || !retain || g->retained) &&
            topic_fits(who, g->pattern, topic, action == BROKER_SUBSCRIBE)) {
            return g;
        }
    }
    return NULL;
}

static void write_row(struct sink *s, const struct broker_grant *g)
{
    static const char *const kinds[BROKER_KINDS] = {"cart", "label", "service:ingest",
                                                    "service:worker"};
    static const struct {
        unsigned actions;
        const char *words;
    } doings[] = {
        {BROKER_PUBLISH, "publish"},
        {BROKER_SUBSCRIBE, "subscribe"},
        {BROKER_RECEIVE, "receive"},
        {HEAR, "subscribe, receive"},
    };
    sink_text(s, "| ");
    sink_text(s, kinds[g->kind]);
    sink_text(s, " | ");
    for (size_t i = 0; i < sizeof doings / sizeof *doings; i++) {
        if (doings[i].actions == g->actions) {
            sink_text(s, doings[i].words);
        }
    }
    sink_text(s, g->retained ? ", retained" : "");
    sink_text(s, " | `");
    sink_text(s, g->pattern);
    sink_text(s, "` | ");
    sink_text(s, g->reason);
    sink_text(s, " |\n");
}

void broker_acl_document(struct sink *s)
{
    sink_text(s,
              "# Who may use which topic\n\n"
              "Generated from the table in `src/broker/broker_acl.c`; a test compares the two.\n"
              "What is not listed is denied and leaves a line in `broker/security.log`. Wills are "
              "denied to all.\n`{id}` and `{store}` are the client's own, read from its "
              "certificate.\n\n"
              "| who | may | topic | why |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < GRANTS; i++) {
        write_row(s, &grants[i]);
    }
}
