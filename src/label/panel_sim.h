/* panel_sim.h: an e-ink panel in memory: it keeps what was drawn, over every restart of the label.
 */
#ifndef PANEL_SIM_H
#define PANEL_SIM_H

#include "panel.h"
#include "shelf.h"

struct panel_sim {
    struct panel panel; /* use this */
    unsigned refreshes;
    bool broken; /* show answers RES_IO, and the picture is gone */
    bool drawn;
    uint8_t digest[SHELF_DIGEST_BYTES]; /* of the picture */
    int64_t version;
    int64_t price_minor;
    char product_id[SHELF_PRODUCT_BYTES_MAX + 1];
    char name[SHELF_NAME_BYTES_MAX + 1];
};

void panel_sim_init(struct panel_sim *sim);

#endif
