/* fleet_label.h: a virtual label: label.h's core on the fleet's ports. */
#ifndef FLEET_LABEL_H
#define FLEET_LABEL_H

#include "fleet_device.h"
#include "label.h"

#define FLEET_LABEL_SECTOR_BYTES 1024
#define FLEET_LABEL_FLASH_BYTES  (FLEET_LABEL_SECTOR_BYTES * LABEL_STORE_SECTORS)
#define FLEET_LABEL_FIRMWARE     "1.0.0"

struct fleet_label {
    struct fleet_device device; /* first */
    struct label core;
    struct label_settings settings;
    struct label_ports ports;
    struct panel panel;
    struct nfc nfc;
    struct board board;
    struct led led;
    struct power power;
    uint8_t led_pattern; /* enum led_pattern, as the lamp is told */
    uint8_t led_colour;
    uint8_t led_pct;
    bool by_update; /* what the core does now follows from price/update */
};

/* `flash`: FLEET_LABEL_FLASH_BYTES of its part. Off at first. */
void fleet_label_init(struct fleet_label *l, struct fleet_device_shared *shared,
                      const struct fleet_identity *identity, struct fleet_memory_cell *cell,
                      uint8_t *flash, uint64_t seed);

#endif
