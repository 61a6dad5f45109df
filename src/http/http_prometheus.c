#include "http_prometheus.h"

#include <math.h>

bool http_prometheus_is_name(const char *name, bool tag)
{
    for (const char *p = name; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' ||
                      (*p == ':' && !tag);
        if (!letter && (p == name || *p < '0' || *p > '9')) {
            return false;
        }
    }
    return *name != '\0';
}

static void escaped(FILE *out, const char *text, bool quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            (void)fputs("\\\\", out);
        } else if (*text == '\n') {
            (void)fputs("\\n", out);
        } else if (*text == '"' && quotes) {
            (void)fputs("\\\"", out);
        } else {
            (void)fputc(*text, out);
        }
    }
}

void http_prometheus_family(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s ", name);
    escaped(out, help, false);
    (void)fprintf(out, "\n# TYPE %s %s\n", name, type);
}

void http_prometheus_sample(FILE *out, const char *name, const struct http_prometheus_tag *tags,
                            size_t tag_count, double value)
{
    (void)fputs(name, out);
    for (size_t i = 0; i < tag_count; i++) {
        (void)fprintf(out, "%s%s=\"", i == 0 ? "{" : ",", tags[i].name);
        escaped(out, tags[i].value, true);
        (void)fputc('"', out);
    }
    if (tag_count > 0) {
        (void)fputc('}', out);
    }
    if (isnan(value)) {
        (void)fputs(" NaN\n", out);
    } else if (isinf(value)) {
        (void)fputs(value > 0 ? " +Inf\n" : " -Inf\n", out);
    } else {
        (void)fprintf(out, " %.15g\n", value);
    }
}
