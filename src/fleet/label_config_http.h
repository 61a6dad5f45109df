/* label_config_http.h: configuration of one label, of a store's labels by default, and of many by a
 * table (S-078, P56..P60). The context is the pool. What was uploaded is applied by the worker
 * (label_config_step.h); bulk_http.h tells what became of it and retries what failed.
 */
#ifndef LABEL_CONFIG_HTTP_H
#define LABEL_CONFIG_HTTP_H

#include "http_route.h"

extern const struct http_route label_config_http_routes[];

#endif
