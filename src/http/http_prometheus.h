/* http_prometheus.h: the Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/
 * exposition_formats). All samples of one name stand together under their HELP and TYPE.
 */
#ifndef HTTP_PROMETHEUS_H
#define HTTP_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define HTTP_PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct http_prometheus_tag {
    const char *name;
    const char *value;
};

/* [a-zA-Z_:][a-zA-Z0-9_:]* for metrics; tags have no colon. */
bool http_prometheus_is_name(const char *name, bool tag);
/* type: "counter", "gauge", "histogram", "untyped". */
void http_prometheus_family(FILE *out, const char *name, const char *type, const char *help);
void http_prometheus_sample(FILE *out, const char *name, const struct http_prometheus_tag *tags,
                            size_t tag_count, double value);

#endif
