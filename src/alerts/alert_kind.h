/* alert_kind.h: every kind of alert of both documents (S-103, C-078 and the kinds the
 * properties need) in one table: how bad it is unless whoever raises it knows better, who ends it,
 * and what it is called in the six languages. The table of the database knows the same kinds.
 */
#ifndef ALERT_KIND_H
#define ALERT_KIND_H

#include "span.h"

enum alert_kind {
    ALERT_EMPTY_SHELF,
    ALERT_LOW_BATTERY,
    ALERT_DEVICE_OFFLINE,
    ALERT_COMPLIANCE_VIOLATION,
    ALERT_PRICE_UPDATE_FAILED,
    ALERT_EXPIRED_REMOVAL,
    ALERT_PRICE_GAP,
    ALERT_MISSING_TRANSLATION,
    ALERT_CERTIFICATE_EXPIRING,
    ALERT_COMPETITOR_SOURCES_DOWN,
    ALERT_OFFLINE_24H,
    ALERT_WEIGHT_MISMATCH,
    ALERT_PAYMENT_FAILED,
    ALERT_SECURITY,
    ALERT_FAULT,
    ALERT_EVENT_GAP,
    ALERT_CALIBRATION_DRIFT,
    ALERT_REORDER,
    ALERT_SESSION_MISMATCH,
    ALERT_PARKING_LOT,
    ALERT_ROLLOUT,
    ALERT_PLATFORM,
    ALERT_GATEWAY_OFFLINE,
    ALERT_POS_SYNC,
    ALERT_RULE_REFUSED,
    ALERT_KINDS
};
enum alert_severity { ALERT_LOW, ALERT_MEDIUM, ALERT_HIGH, ALERT_SEVERITIES };
/* ALERT_BY_CAUSE: whoever raised it resolves it as soon as its cause is gone.
 * ALERT_BY_PERSON: a person says that it is seen to. Both may also be resolved by a person. */
enum alert_end { ALERT_BY_CAUSE, ALERT_BY_PERSON };

#define ALERT_LANGUAGES 6 /* en, hi, ta, te, bn, mr */

struct alert_kind_entry {
    const char *name; /* as the database and JSON have it */
    enum alert_severity severity;
    enum alert_end end;
    const char *ends; /* what ends it, in words */
    const char *title[ALERT_LANGUAGES];
};

const struct alert_kind_entry *alert_kind_entry(enum alert_kind kind);
/* RES_NOT_FOUND: no such kind. */
MUST_CHECK enum res alert_kind_read(struct span name, enum alert_kind *ret);
const char *alert_kind_severity_name(enum alert_severity severity);
/* The title in a language ("hi"), in English for a language that is none of the six. */
const char *alert_kind_title(enum alert_kind kind, struct span language);

#endif
