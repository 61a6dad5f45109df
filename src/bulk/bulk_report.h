/* bulk_report.h: lines of comma-separated values that a spreadsheet may open (RFC 4180): every
 * field in quotes where it must be, and none that a spreadsheet would run as a formula. Pure core.
 */
#ifndef BULK_REPORT_H
#define BULK_REPORT_H

#include "span.h"

/* A comma unless it is the line's first, then the field. A text that begins with = + - @, a tab or
 * a carriage return gets an apostrophe before it; a plain number such as -5.00 stays as it is. */
void bulk_report_field(struct sink *s, bool *first, struct span text);
void bulk_report_end(struct sink *s, bool *first); /* of the line: CR LF */

#endif
