#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "version.h"

static void print_help(FILE *to)
{
    fprintf(to, "usage: endcap COMMAND [options]\n\n"
                "Runs the connected store: carts and shelf labels on one platform.\n\n"
                "commands:\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(to, "  %-10s %s\n", c->name, c->summary);
    }
    fprintf(to, "\n`endcap COMMAND --help` tells a command's options.\n");
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    opterr = 0; /* command_line_bad_option says it */
    if (argc < 2) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("endcap %s\n", ENDCAP_VERSION);
        return 0;
    }
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(argv[1], c->name) == 0) {
            return c->run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "endcap: there is no command `%s`; `endcap --help` lists them\n", argv[1]);
    return COMMAND_USAGE;
}
