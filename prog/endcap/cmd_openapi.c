#include <stdio.h>
#include <string.h>

#include "api.h"
#include "commands.h"

int cmd_openapi(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: endcap openapi\n\nPrints the OpenAPI 3.1 document of the REST face.\n");
        return 0;
    }
    if (argc != 1) {
        fprintf(stderr, "endcap openapi: takes no arguments\n");
        return COMMAND_USAGE;
    }
    json_t *document = api_document();
    int failed =
        document == NULL || json_dumpf(document, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    json_decref(document);
    if (failed != 0 || printf("\n") < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "endcap openapi: cannot write the document; is the disk full?\n");
        return COMMAND_FAILED;
    }
    return 0;
}
