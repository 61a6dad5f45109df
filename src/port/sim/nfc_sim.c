#include "nfc_sim.h"

#include <string.h>

static enum res write_message(void *context, struct span message)
{
    struct nfc_sim *sim = context;
    if (sim->broken) {
        return RES_IO;
    }
    if (message.size > sizeof sim->message) {
        return RES_LIMIT;
    }
    memcpy(sim->message, message.data, message.size);
    sim->size = message.size;
    sim->writes++;
    return RES_OK;
}

void nfc_sim_init(struct nfc_sim *sim)
{
    *sim = (struct nfc_sim){.nfc = {.context = sim, .write = write_message}};
}
