/* install_ready.h: whether a server that was started serves; the `ready` of supervise_service. */
#ifndef INSTALL_READY_H
#define INSTALL_READY_H

#include "err.h"

/* context: struct pg_cluster */
enum res install_ready_postgres(void *context, struct err *why);
/* context: struct broker_config */
enum res install_ready_broker(void *context, struct err *why);
/* context: uint16_t, the port; asks GET /readyz, which asks after everything else */
enum res install_ready_api(void *context, struct err *why);

#endif
