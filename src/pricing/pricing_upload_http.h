/* pricing_upload_http.h: POST /api/pricing/bulk-update (S-043): every row is judged before the
 * first is applied; then they are applied side by side (P11). The context is the pool. */
#ifndef PRICING_UPLOAD_HTTP_H
#define PRICING_UPLOAD_HTTP_H

#include "http_route.h"

extern const struct http_route pricing_upload_http_routes[];

#endif
