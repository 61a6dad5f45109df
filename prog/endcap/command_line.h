/* command_line.h: what is said about a command line that is wrong: one sentence on standard error,
 * with the place where the right one is told. Each returns COMMAND_USAGE.
 */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

/* The sentence for what getopt_long(argc, argv, ":", ...) refused, `c` being ':' or '?'.
 * main() has set opterr to 0, so that getopt itself is silent. */
int command_line_bad_option(const char *command, char *const *argv, int c);
/* "endcap COMMAND: WORDS; `endcap COMMAND --help` tells how" */
int command_line_misuse(const char *command, const char *words);

#endif
