/* label_fold.h: what a batch of messages says about one label, folded into one change of its row:
 * the newest of its own words by (epoch, counter), its presence in the order it came. Pure core.
 */
#ifndef LABEL_FOLD_H
#define LABEL_FOLD_H

#include "label_device.h"
#include "label_presence.h"

enum label_link { LABEL_LINK_UNSAID, LABEL_LINK_UP, LABEL_LINK_DOWN };

/* What it shows, from a status or the ack of a display. */
struct label_shown {
    bool said;
    int64_t epoch;
    int64_t counter;
    int64_t version; /* 0: nothing of ours */
    const uint8_t *digest;
    int64_t price_minor; /* 0: none */
    struct span product_id;
    int64_t refreshed_ms; /* of the refresh that came with it; 0: none */
};

struct label_fold {
    struct label_device *device;
    struct label_stream stream; /* as it is when the batch is committed */
    int64_t seen_ms;            /* its newest own message; 0: none */
    enum label_link link;
    int64_t link_ms;         /* the broker's time of coming or going; 0: not said */
    struct span serial;      /* of the certificate it connected with */
    int64_t asleep_until_ms; /* 0: not asleep */
    const struct shelf_status *status;
    int64_t status_ms; /* received */
    struct label_shown shown;
    struct shelf_report report; /* the parts that were said, each by the newest */
    bool reports;
    bool asks; /* shadow/get */
    struct label_stream_lost lost;
};

void label_fold_init(struct label_fold *f, struct label_device *device);
/* Any message of its own. */
void label_fold_seen(struct label_fold *f, int64_t received_ms);
void label_fold_presence(struct label_fold *f, const struct label_presence *p);
/* Whether this event is new; a gap record's range is taken out of the stream. */
enum label_stream_place label_fold_event(struct label_fold *f, int64_t epoch, int64_t counter);
void label_fold_status(struct label_fold *f, const struct shelf_status *s, int64_t received_ms);
void label_fold_ack(struct label_fold *f, const struct shelf_ack *a, int64_t received_ms);
void label_fold_report(struct label_fold *f, const struct shelf_report *r);

#endif
