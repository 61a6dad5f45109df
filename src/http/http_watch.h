/* http_watch.h: cuts connections whose request does not arrive whole in time. libmicrohttpd only
 * knows a timeout without any byte, which a client that sends one byte at a time never meets.
 */
#ifndef HTTP_WATCH_H
#define HTTP_WATCH_H

#include <stddef.h>

#include "err.h"

struct http_watch;        /* opaque */
struct http_watch_client; /* one connection */

MUST_CHECK enum res http_watch_start(unsigned seconds_max, struct http_watch **ret,
                                     struct err *why);
/* NULL when memory is out: that connection is then not watched. */
struct http_watch_client *http_watch_add(struct http_watch *w, int fd);
/* Before the socket is closed. Each takes NULL for a client that is not watched. */
void http_watch_remove(struct http_watch *w, struct http_watch_client *c);
void http_watch_request_whole(struct http_watch *w, struct http_watch_client *c);
void http_watch_request_next(struct http_watch *w, struct http_watch_client *c);
/* After the last remove. NULL is fine. */
void http_watch_stop(struct http_watch *w);

#endif
