/* wire_rule.h: what a single field cannot say; the sentences are in wire_catalog.c. */
#ifndef WIRE_RULE_H
#define WIRE_RULE_H

#include "wire.h"

MUST_CHECK enum wire_refusal wire_rule_event(const struct wire_event *event,
                                             struct wire_detail *why);
MUST_CHECK enum wire_refusal wire_rule_downlink(const struct wire_downlink *message,
                                                struct wire_detail *why);

#endif
