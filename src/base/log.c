#include "log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "span.h"
#include "timestamp.h"

/* A line longer than this is cut: a log must never be the reason for a full disk. */
#define LOG_LINE_BYTES_MAX 4096

static const char *log_process = "endcap";
static enum log_level log_least = LOG_INFO;

void log_init(const char *process, enum log_level least)
{
    log_process = process;
    log_least = least;
}

static void write_escaped(struct sink *s, const char *text)
{
    bool is_utf8 = json_utf8_is_valid(span_of(text, strlen(text)));
    sink_byte(s, '"');
    for (; *text != '\0'; text++) {
        uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\') {
            sink_byte(s, '\\');
            sink_byte(s, c);
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8)) {
            sink_text(s, "\\u00");
            sink_hex(s, span_of(&c, 1));
        } else {
            sink_byte(s, c);
        }
    }
    sink_byte(s, '"');
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < log_least) {
        return;
    }
    char line[LOG_LINE_BYTES_MAX];
    struct sink s;
    sink_init(&s, line, sizeof line - 2);
    sink_text(&s, "{\"time\":\"");
    timestamp_write(&s, clock_utc_ms());
    sink_text(&s, "\",\"level\":\"");
    sink_text(&s, names[level]);
    sink_text(&s, "\",\"process\":");
    write_escaped(&s, log_process);
    sink_text(&s, ",\"event\":");
    write_escaped(&s, event);
    for (; fields->name != NULL; fields++) {
        size_t before = s.size;
        sink_byte(&s, ',');
        write_escaped(&s, fields->name);
        sink_byte(&s, ':');
        if (fields->text != NULL) {
            write_escaped(&s, fields->text);
        } else {
            sink_i64(&s, fields->number);
        }
        if (s.overflow) {
            s.size = before; /* a field that does not fit is left out whole: the line stays JSON */
            s.overflow = false;
            break;
        }
    }
    size_t size = s.size;
    line[size++] = '}';
    line[size++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written; /* nobody left to tell */
}
