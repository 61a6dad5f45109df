/* watch_view.h: figures as text: a block redrawn in place, one plain line, or one JSON object.
 * Pure.
 */
#ifndef WATCH_VIEW_H
#define WATCH_VIEW_H

#include "span.h"
#include "watch_data.h"

#define WATCH_VIEW_BYTES_MAX 4096
#define WATCH_VIEW_COLUMNS   78 /* of a wide block's figures; words about trouble may be longer */

/* Events stored a second since `before` (may be NULL or unreachable); WATCH_UNKNOWN without two
 * readings. */
int64_t watch_view_rate(const struct watch_data *d, const struct watch_data *before);
/* Returns its lines, which a redraw goes up. `wide`: the terminal has WATCH_VIEW_COLUMNS; else the
 * figures stand in one column. `colour`: with terminal colours. */
unsigned watch_view_block(const struct watch_data *d, const struct watch_data *before, bool wide,
                          bool colour, struct sink *s);
/* One line with its newline, for a file or a pipe. */
void watch_view_line(const struct watch_data *d, const struct watch_data *before, struct sink *s);
void watch_view_json(const struct watch_data *d, const struct watch_data *before, struct sink *s);

#endif
