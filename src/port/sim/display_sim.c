#include "display_sim.h"

static void show(void *context, const struct display_view *view)
{
    struct display_sim *sim = context;
    sim->shown[view->kind]++;
    sim->last = *view;
    if (span_copy_text(view->text, sim->text, sizeof sim->text) != RES_OK) {
        sim->text[0] = '\0';
    }
    sim->last.text = span_text(sim->text, sizeof sim->text);
}

void display_sim_init(struct display_sim *sim)
{
    *sim = (struct display_sim){.display = {.context = sim, .show = show}};
}
