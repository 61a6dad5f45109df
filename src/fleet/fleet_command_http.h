/* fleet_command_http.h: telling a cart something (C-111, C-161, C-162). The command is queued with
 * the next number of its cart and an audit record, in one transaction; the worker signs and sends
 * it, again when the cart is back, until it expires.
 *
 * Refused with 409: pause and cancel without an open session, a session that is not the one open on
 * that cart, restart while one is open (the cart would refuse it).
 */
#ifndef FLEET_COMMAND_HTTP_H
#define FLEET_COMMAND_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route fleet_command_http_routes[];

#endif
