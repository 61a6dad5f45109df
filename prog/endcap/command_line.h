/* command_line.h: what is said about a command line that is wrong: one sentence on standard error,
 * with the place where the right one is told. And what values an option takes.
 */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <stdbool.h>

#include "log.h"

/* Returns COMMAND_USAGE, as the next: the sentence for what getopt_long(argc, argv, ":", ...)
 * refused, `c` being ':' or '?'. main() has set opterr to 0, so that getopt itself is silent. */
int command_line_bad_option(const char *command, char *const *argv, int c);
/* "endcap COMMAND: WORDS; `endcap COMMAND --help` tells how" */
int command_line_misuse(const char *command, const char *words);

/* An option's value; false, with *ret as it was, when it is not a number from least to most, or not
 * "debug", "info", "warn" or "error". */
bool command_line_number(const char *text, long least, long most, long *ret);
bool command_line_level(const char *text, enum log_level *ret);

#endif
