/* commands.h: the subcommands of `endcap`, one cmd_NAME.c each.
 *
 * A command gets argv with its own name in argv[0] and returns the exit code: 0 done, 1 failed (one
 * sentence on standard error said why and what to do), 2 wrong usage.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#define COMMAND_FAILED 1
#define COMMAND_USAGE  2

struct command {
    const char *name;
    const char *summary; /* one line for `endcap --help` */
    int (*run)(int argc, char **argv);
};

/* In the order of `endcap --help`; ends with a NULL name. */
extern const struct command commands[];

int cmd_ca(int argc, char **argv);
int cmd_device(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_store(int argc, char **argv);
int cmd_catalog(int argc, char **argv);
int cmd_api(int argc, char **argv);
int cmd_openapi(int argc, char **argv);
int cmd_cart(int argc, char **argv);
int cmd_ingest(int argc, char **argv);
int cmd_worker(int argc, char **argv);
int cmd_watch(int argc, char **argv);

#endif
