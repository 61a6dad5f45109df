/* device_binding_http.h: a label's product, place and history over REST. The context is the pool.
 */
#ifndef DEVICE_BINDING_HTTP_H
#define DEVICE_BINDING_HTTP_H

#include "http_route.h"

extern const struct http_route device_binding_http_routes[];

#endif
