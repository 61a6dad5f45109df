/* fleet_http.h: carts for people's surfaces: the locator and the fleet view (C-074, C-079, C-082).
 *
 * A cart's `state` is the first that holds of: maintenance, offline (no event for three of its
 * health intervals, C-046, C-142), fault (its newest fault came after its last boot and no trip was
 * completed since, C-144), low-battery (below 20 %, C-143), in-use (a session is open), idle.
 */
#ifndef FLEET_HTTP_H
#define FLEET_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route fleet_http_routes[];

#endif
