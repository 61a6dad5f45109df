/* test_label.h: one label on simulated ports before a model platform, for this folder's
 * tests: it keeps a shadow, answers shadow/get, signs what it sends, and counts each event of the
 * label once. It stops the test (assert) where a label breaks the contract.
 */
#ifndef TEST_LABEL_H
#define TEST_LABEL_H

#include "board_sim.h"
#include "flash_sim.h"
#include "label.h"
#include "led_sim.h"
#include "nfc_sim.h"
#include "panel_sim.h"
#include "power_sim.h"
#include "renewal_sim.h"
#include "secure_sim.h"

#define TEST_LABEL_ID            "ESP32-TEST01"
#define TEST_LABEL_UTC_MS        INT64_C(1790000000000) /* platform's time when the world begins */
#define TEST_LABEL_EVENTS_MAX    4096                   /* of one epoch */
#define TEST_LABEL_EPOCHS_MAX    16
#define TEST_LABEL_DOWN_MAX      32 /* messages on their way to the label */
#define TEST_LABEL_ACKS_MAX      4096
#define TEST_LABEL_SECTOR_BYTES  1024
#define TEST_LABEL_PROGRAM_BYTES 16

struct test_label_display { /* a display with room for its texts */
    struct shelf_display display;
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    char product_id[SHELF_PRODUCT_BYTES_MAX + 1];
    char name[SHELF_NAME_BYTES_MAX + 1];
    char name_en[SHELF_NAME_BYTES_MAX + 1];
    char url[SHELF_URL_BYTES_MAX + 1];
};

struct test_label_ack { /* as the platform had it */
    enum shelf_ack_kind kind;
    enum shelf_ack_status status;
    int64_t epoch;
    int64_t counter;
    int64_t version;
    int64_t time_ms;
    bool refreshed;
    uint8_t digest[SHELF_DIGEST_BYTES];
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    char why[SHELF_REASON_BYTES_MAX + 1];
};

struct test_label_stream {
    int64_t through;
    bool had[TEST_LABEL_EVENTS_MAX + 1];
    bool lost[TEST_LABEL_EVENTS_MAX + 1]; /* told in a gap record */
};

struct test_label_down {
    char topic[SHELF_TOPIC_BYTES];
    char signature[96];
    uint8_t payload[SHELF_DOWN_BYTES_MAX];
    size_t size;
};

struct test_label {
    struct flash_sim *flash;
    struct secure_sim secure;
    struct board_sim board;
    struct led_sim led;
    struct nfc_sim nfc;
    struct power_sim power;
    struct renewal_sim renewal;
    struct panel_sim panel;
    struct network network;
    struct label_observer observer;
    struct label_settings settings;
    struct label_ports ports;
    struct label label;
    struct rng rng;
    bool on;
    int64_t now_ms;  /* of the world */
    int64_t skew_ms; /* the label's clock is this much beside it */
    int64_t due_ms;  /* when the label wants to be called, in the world's time */
    unsigned notes[LABEL_NOTES];
    unsigned steps;
    /* network */
    bool down;           /* attempts fail */
    bool silent;         /* attempts have no outcome */
    bool full;           /* publish answers RES_AGAIN */
    bool refuse_renewed; /* the broker takes the old certificate only */
    bool connected;
    bool attempting;
    unsigned attempts;
    unsigned loss_per_mille; /* each way */
    unsigned repeat_per_mille;
    /* platform */
    bool mute;       /* it takes everything and answers nothing */
    int64_t version; /* of the shadow */
    bool has_display;
    struct test_label_display display;
    bool has_config;
    struct shelf_config config;
    char config_id[SHELF_UPDATE_ID_BYTES + 1];
    struct shelf_certificate certificate;
    char der[64];
    struct test_label_stream streams[TEST_LABEL_EPOCHS_MAX]; /* by epoch */
    int64_t epoch;                                           /* the newest heard of */
    unsigned gets;
    unsigned reports;
    unsigned statuses;
    int64_t gap_from; /* of the last gap record */
    int64_t gap_to;
    struct shelf_status status; /* the last one; its texts are gone */
    struct shelf_report report; /* the same */
    char csr[64];
    size_t ack_count;
    struct test_label_ack acks[TEST_LABEL_ACKS_MAX];
    size_t down_count;
    struct test_label_down downs[TEST_LABEL_DOWN_MAX];
    uint64_t ids; /* update ids given so far */
};

struct test_label *test_label_new(uint64_t seed);
void test_label_free(struct test_label *w);
/* Switches the label on, anew. False: the power was cut meanwhile. */
bool test_label_boot(struct test_label *w);
void test_label_power_off(struct test_label *w);
/* Time passes; messages are carried, the label is stepped when it asked for it or something came.
 * Ends early when the power is cut. */
void test_label_run(struct test_label *w, int64_t ms);
/* Boots and runs until the shadow has been read. */
void test_label_ready(struct test_label *w);
/* Connection gone, and not to be had until test_label_link_mend. */
void test_label_link_cut(struct test_label *w);
void test_label_link_mend(struct test_label *w);

struct label_view test_label_look(const struct test_label *w);

/* A new update, random but for its version; into the shadow, not sent. */
void test_label_price(struct test_label *w, int64_t version);
/* The display of the shadow with this price in place of its own. */
void test_label_price_is(struct test_label *w, int64_t version, int64_t price_minor);
void test_label_configure(struct test_label *w, int64_t version, const struct shelf_config *config);
/* What a store's default is. */
struct shelf_config test_label_config(void);
struct shelf_flash test_label_flash(struct test_label *w, int64_t version,
                                    enum shelf_pattern pattern, int32_t duration_s);

/* Sends it to the label, signed. */
void test_label_send_display(struct test_label *w);
void test_label_send_config(struct test_label *w);
void test_label_send_flash(struct test_label *w, const struct shelf_flash *flash);
void test_label_send_state(struct test_label *w, enum shelf_topic topic);
/* Any bytes under any topic; signed: with the platform's signature over them. */
void test_label_send(struct test_label *w, const char *topic, struct span payload, bool is_signed);

/* Acks of this status that name this update, the sent-once ones included; ret_last may be NULL. */
unsigned test_label_acks(const struct test_label *w, enum shelf_ack_status status,
                         const char *update_id, struct test_label_ack *ret_last);
/* What the label made and the platform has not had. */
int64_t test_label_missing(const struct test_label *w);

uint64_t test_label_seed(void);

#endif
