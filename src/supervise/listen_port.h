/* listen_port.h: finds out before a server starts whether it will get its port. */
#ifndef LISTEN_PORT_H
#define LISTEN_PORT_H

#include <stdint.h>

#include "err.h"

/* `wanted` 0 lets the kernel choose one that is free. RES_CONFLICT: another program listens there;
 * RES_DENIED: below 1024 without the right; RES_INVALID: not an IPv4 address of this machine. */
MUST_CHECK enum res listen_port_check(const char *address, int64_t wanted, const char *setting,
                                      uint16_t *ret_port, struct err *why);
/* RES_OK when something accepts connections there, RES_AGAIN when not. */
MUST_CHECK enum res listen_port_answers(const char *address, uint16_t port, struct err *why);

#endif
