/* security_log.h: broker/security.log, one JSON object a line for everything the broker refuses.
 */
#ifndef SECURITY_LOG_H
#define SECURITY_LOG_H

#include "result.h"

/* A disk must not fill because somebody knocks: lines come from an allowance of a burst and so many
 * a second; what was left out is counted in the next line that is written. */
#define SECURITY_LOG_BURST         20000
#define SECURITY_LOG_PER_SECOND    20
#define SECURITY_LOG_BYTES_MAX     (256L * 1024 * 1024) /* then nothing until it is set aside */
#define SECURITY_LOG_ADDRESS_BYTES 64

/* Any text may be NULL: the field is left out. Texts are escaped, whatever is in them. */
struct security_line {
    const char *what; /* connection_refused, topic_refused, will_refused, session_dropped, ... */
    const char *reason;
    const char *device;  /* claimed: the certificate's CN */
    const char *subject; /* claimed: the whole subject */
    const char *serial;
    const char *client; /* MQTT client id */
    const char *action; /* publish, subscribe, ... */
    const char *topic;
    const char *address;
};

/* RES_IO, RES_DENIED. */
MUST_CHECK enum res security_log_open(const char *path);
void security_log_close(void);
void security_log_write(const struct security_line *line);

#endif
