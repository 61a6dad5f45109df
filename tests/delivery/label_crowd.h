/* label_crowd.h: many labels at a broker at once, each with its own certificate and connection,
 * that keep what they are told and answer nothing. One thread steps them all.
 */
#ifndef LABEL_CROWD_H
#define LABEL_CROWD_H

#include "broker_fixture.h"
#include "ecdsa.h"
#include "shelf.h"

#define CROWD_LABELS   120
#define CROWD_MESSAGES 12 /* kept a label; more is a failure of the test */

struct crowd_message {
    int64_t at_ms; /* monotonic */
    enum shelf_topic topic;
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    int64_t version;
    int64_t price_minor;
    char product_id[SHELF_PRODUCT_BYTES_MAX + 1];
    uint8_t digest[SHELF_DIGEST_BYTES];
    bool sealed; /* the platform's signature is right for this topic and payload */
};

struct crowd_label {
    char id[SHELF_ID_BYTES_MAX + 1];
    struct broker_identity_files files;
    struct mqtt_client *client;
    struct ecdsa_public *platform;
    int granted; /* subscriptions */
    size_t count;
    struct crowd_message messages[CROWD_MESSAGES];
};

struct crowd {
    const struct broker_fixture *broker;
    struct ecdsa_public *platform;
    size_t count;
    struct crowd_label labels[CROWD_LABELS];
};

/* ESP32-L00000 and on, of STORE-1: certificates only. */
void crowd_init(struct crowd *c, const struct broker_fixture *broker, struct ecdsa_public *platform,
                size_t count);
void crowd_deinit(struct crowd *c);
/* All of them connected and subscribed; fails the test after ten seconds. */
void crowd_connect(struct crowd *c);
/* Reads what there is, for ms. */
void crowd_listen(struct crowd *c, int64_t ms);
void crowd_forget(struct crowd *c);

#endif
