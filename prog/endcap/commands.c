#include "commands.h"

#include <stddef.h>

const struct command commands[] = {
    {"up", "start and supervise everything on this machine", cmd_up},
    {"ca", "make or show the certificate authority", cmd_ca},
    {"device", "give a device its certificate, revoke it, list all", cmd_device},
    {"store", "make and list stores", cmd_store},
    {"catalog", "load a store's catalogue", cmd_catalog},
    {"cart", "send a cart a command", cmd_cart},
    {"ingest", "take the carts' events from broker to disk", cmd_ingest},
    {"worker", "send commands and catalogues, notice what is gone", cmd_worker},
    {"api", "serve the REST face of an installation", cmd_api},
    {"watch", "show what a running installation does", cmd_watch},
    {"openapi", "print the OpenAPI document of the REST face", cmd_openapi},
    {NULL, NULL, NULL},
};
