/* label_presence.h: what the broker says about who is here, as prog/broker-plugin/presence.h writes
 * it. Pure core.
 */
#ifndef LABEL_PRESENCE_H
#define LABEL_PRESENCE_H

#include "span.h"

#define LABEL_PRESENCE_SERIAL_BYTES_MAX 40

struct label_presence {
    /* presence/{deviceId} */
    bool online;
    int64_t at_ms;
    struct span serial; /* of the certificate it connected with, upper-case hexadecimal, or empty */
    /* presence/broker */
    int64_t started_ms;
    int64_t counted_ms;
};

/* RES_INVALID: it is no such object. What is not there is 0 or empty. */
MUST_CHECK enum res label_presence_decode(struct span payload, struct label_presence *ret);

#endif
