#include "commands.h"

#include <stddef.h>

const struct command commands[] = {
    {"up", "start and supervise everything on this machine", cmd_up},
    {NULL, NULL, NULL},
};
