#include "bulk_report.h"

#include <string.h>

static bool is_number(struct span text)
{
    size_t at = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    bool any = false;
    for (; at < text.size; at++) {
        if (text.data[at] >= '0' && text.data[at] <= '9') {
            any = true;
        } else if (text.data[at] != '.' || !any) {
            return false;
        }
    }
    return any;
}

static bool is_formula(struct span text)
{
    return text.size > 0 && memchr("=+-@\t\r", text.data[0], 6) != NULL && !is_number(text);
}

static bool needs_quotes(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (memchr(",\"\r\n", text.data[i], 4) != NULL) {
            return true;
        }
    }
    return false;
}

void bulk_report_field(struct sink *s, bool *first, struct span text)
{
    if (!*first) {
        sink_byte(s, ',');
    }
    *first = false;
    bool quotes = needs_quotes(text);
    if (quotes) {
        sink_byte(s, '"');
    }
    if (is_formula(text)) {
        sink_byte(s, '\'');
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            sink_byte(s, '"');
        }
        sink_byte(s, text.data[i]);
    }
    if (quotes) {
        sink_byte(s, '"');
    }
}

void bulk_report_end(struct sink *s, bool *first)
{
    sink_text(s, "\r\n");
    *first = true;
}
