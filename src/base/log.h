/* log.h: structured logs, one JSON object a line on standard error. Server code only.
 *
 *   log_event(LOG_WARN, "dead_letter", LOG_TEXT("device", id), LOG_INT("counter", n), LOG_END);
 *
 * The line carries time (RFC 3339), level, process, event and the fields given, escaped. Levels:
 * DEBUG for development, INFO for staging, WARN and ERROR in production (S-136). Never pass
 * personal data, secrets or message bodies (C-174). Thread-safe; a line is one write.
 */
#ifndef LOG_H
#define LOG_H

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name; /* NULL ends the list */
    const char *text; /* NULL: the number */
    int64_t number;
};

#define LOG_TEXT(name_, text_)  ((struct log_field){name_, text_, 0})
#define LOG_INT(name_, number_) ((struct log_field){name_, NULL, number_})
#define LOG_END                 ((struct log_field){NULL, NULL, 0})

/* Once, at the start of main: the process's name in every line, and the least level written. */
void log_init(const char *process, enum log_level least);
#define log_event(level, event, ...)                                                               \
    log_write(level, event, (const struct log_field[]){__VA_ARGS__})
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
