/* face_http.h: REST of a label's picture, drawn by the server with the label's own code. */
#ifndef FACE_HTTP_H
#define FACE_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route face_http_routes[];

#endif
