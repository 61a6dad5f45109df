#include "command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

int command_line_misuse(const char *command, const char *words)
{
    (void)fprintf(stderr, "endcap %s: %s; `endcap %s --help` tells how\n", command, words, command);
    return COMMAND_USAGE;
}

int command_line_bad_option(const char *command, char *const *argv, int c)
{
    char letter[3] = {'-', (char)optopt, '\0'};
    const char *word = strncmp(argv[optind - 1], "--", 2) == 0 ? argv[optind - 1] : letter;
    char words[200];
    (void)snprintf(words, sizeof words, "`%.100s` %s", word,
                   c == ':'                                             ? "needs a value"
                   : optopt != 0 && word != letter && strchr(word, '=') ? "takes no value"
                                                                        : "is not an option");
    return command_line_misuse(command, words);
}
