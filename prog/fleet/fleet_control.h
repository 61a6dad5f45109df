/* fleet_control.h: the control socket: a Unix socket, one JSON object a line each way, answered in
 * order (a wait when it is over). The words are in fleet_options.c.
 */
#ifndef FLEET_CONTROL_H
#define FLEET_CONTROL_H

#include "fleet_action.h"
#include "fleet_report.h"

#define FLEET_CONTROL_CLIENTS_MAX    8
#define FLEET_CONTROL_LINE_BYTES_MAX (8 * 1024 * 1024)

struct fleet_control; /* opaque */

/* Makes the socket, mode 0600; one that is there and nobody listens on is replaced. RES_CONFLICT:
 * somebody does; RES_LIMIT: the path is too long; RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res fleet_control_open(const char *path, struct fleet_world *w,
                                       struct fleet_action_plan *plan, struct fleet_control **ret,
                                       struct err *why);
/* Removes the socket. NULL is fine. */
void fleet_control_close(struct fleet_control *c);
/* Waits that are over are answered; in how many ms it wants to look again. */
int64_t fleet_control_step(struct fleet_control *c);
/* Somebody asked for the end. */
bool fleet_control_is_over(const struct fleet_control *c);

#endif
