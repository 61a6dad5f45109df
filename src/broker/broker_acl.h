/* broker_acl.h: the one table of grants: which identity may do what with which topic, and why
 * (C-009: "bidirectional is a privilege you grant a specific topic for a specific reason").
 *
 * What no grant covers is denied. The broker plugin asks here for every publish, subscription and
 * delivery; docs/grants.md is generated from the same table. Pure.
 */
#ifndef BROKER_ACL_H
#define BROKER_ACL_H

#include "span.h"

enum broker_kind { BROKER_CART, BROKER_LABEL, BROKER_INGEST, BROKER_WORKER };
#define BROKER_KINDS 4

/* Bits: a grant may carry several. */
enum broker_action { BROKER_PUBLISH = 1, BROKER_SUBSCRIBE = 2, BROKER_RECEIVE = 4 };

struct broker_identity {
    enum broker_kind kind;
    struct span id;
    struct span store_id; /* of a device; empty for a service */
};

struct broker_grant {
    enum broker_kind kind;
    unsigned actions;
    bool retained;       /* publishing with the retain flag is granted too */
    const char *pattern; /* {id} and {store} are the identity's own; + is one level */
    const char *reason;
};

/* All grants, in the order of the document. */
const struct broker_grant *broker_acl_grants(size_t *ret_count);

/* What the certificate's OU and CN make of a client. RES_DENIED: a kind or service that has no
 * business with the broker. */
MUST_CHECK enum res broker_acl_kind(struct span ou, struct span cn, enum broker_kind *ret_kind);

/* The grant that covers this, or NULL: denied. For BROKER_SUBSCRIBE `topic` is the filter, which
 * must be the granted one, not a narrower or wider; for the others a topic without wildcards.
 * `retain` matters for BROKER_PUBLISH only. */
const struct broker_grant *broker_acl_find(const struct broker_identity *who,
                                           enum broker_action action, struct span topic,
                                           bool retain);

/* docs/grants.md. */
void broker_acl_document(struct sink *s);

#endif
