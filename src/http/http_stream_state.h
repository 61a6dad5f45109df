/* http_stream_state.h: a stream from the server's side, for http_server.c; handlers and writers use
 * http_streams.h.
 */
#ifndef HTTP_STREAM_STATE_H
#define HTTP_STREAM_STATE_H

#include <microhttpd.h>

#include "http_streams.h"

/* The response that reads from the stream; NULL when memory is out. On the server's thread. */
struct MHD_Response *http_stream_response(struct http_stream *s, struct MHD_Connection *connection);
/* The connection is over: before its socket is closed. NULL is fine. */
void http_stream_end(struct http_stream *s);

#endif
