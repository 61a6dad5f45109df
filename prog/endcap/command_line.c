#include "command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
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

bool command_line_number(const char *text, long least, long most, long *ret)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < least || n > most) {
        return false;
    }
    *ret = n;
    return true;
}

bool command_line_level(const char *text, enum log_level *ret)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}
