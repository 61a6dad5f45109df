/* ingest_load.h: brings carts into memory: their streams' windows from cart_stream, their open
 * session by folding its events again from telemetry.
 */
#ifndef INGEST_LOAD_H
#define INGEST_LOAD_H

#include "ingest_device.h"
#include "pg_conn.h"
#include "telemetry.h"

/* Loads the cart of every device in the list that has none; on failure none of them is loaded.
 * RES_CONFLICT: another process changed them meanwhile, load again. Else as pg_conn_run and
 * telemetry_read_stream. */
MUST_CHECK enum res ingest_load_carts(struct ingest_devices *devices,
                                      struct ingest_device *const *list, size_t count,
                                      struct pg_conn *conn, struct telemetry *telemetry,
                                      struct err *why);

#endif
