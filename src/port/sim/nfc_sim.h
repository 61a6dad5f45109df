/* nfc_sim.h: a tag in memory. */
#ifndef NFC_SIM_H
#define NFC_SIM_H

#include "nfc.h"

#define NFC_SIM_BYTES_MAX 144 /* of an NTAG213 */

struct nfc_sim {
    struct nfc nfc; /* use this */
    uint8_t message[NFC_SIM_BYTES_MAX];
    size_t size;
    unsigned writes;
    bool broken; /* writes answer RES_IO */
};

void nfc_sim_init(struct nfc_sim *sim);

#endif
