/* api_summary.h: the figures a wall screen or terminal shows, in one answer. */
#ifndef API_SUMMARY_H
#define API_SUMMARY_H

#include "http_route.h"

/* Context: struct api_system. */
extern const struct http_route api_summary_routes[];

#endif
