#include "panel_sim.h"

#include <string.h>

static enum res show(void *context, const struct shelf_display *d)
{
    struct panel_sim *sim = context;
    if (sim->broken) {
        sim->drawn = false;
        return RES_IO;
    }
    enum res r = span_copy_text(d->product_id, sim->product_id, sizeof sim->product_id);
    if (r == RES_OK) {
        r = span_copy_text(d->name, sim->name, sizeof sim->name);
    }
    if (r != RES_OK) {
        return r;
    }
    memcpy(sim->digest, d->digest, sizeof sim->digest);
    sim->version = d->version;
    sim->price_minor = d->price_minor;
    sim->drawn = true;
    sim->refreshes++;
    return RES_OK;
}

void panel_sim_init(struct panel_sim *sim)
{
    *sim = (struct panel_sim){.panel = {.context = sim, .show = show}};
}
