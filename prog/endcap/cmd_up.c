#include <stdio.h>

#include "commands.h"

int cmd_up(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "endcap up: not part of this build\n");
    return COMMAND_FAILED;
}
