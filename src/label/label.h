/* label.h: the electronic shelf label: what it shows, confirms, remembers and when it sleeps.
 *
 * The whole device core, as it ships on the microcontroller, in the virtual label, in the fleet
 * simulator and in the tests. Freestanding: no allocation, no operating system, no clock, no global
 * state; the caller owns `struct label` and everything the ports point to, and gives the time with
 * every call. Outputs leave through ports only. Single-threaded: one call at a time, and ports
 * never call back into the core; what the network does is told by the caller.
 *
 * Time is a monotonic clock of the caller's that may begin anywhere; the calendar comes from the
 * platform (shadow/get/accepted), so that no clock of the label's own can be wrong.
 *
 * How to run one:
 *   label_init(&l, &settings, &ports, now);
 *   for (;;) {
 *       wait until label_step(&l, now) said, or the network has something;
 *       label_connected / label_disconnected / label_message as it comes;
 *   }
 *
 * What is promised: a picture changes only when its digest does (P67) and is confirmed with that
 * digest after it is on the panel (P8); an update is on flash before it is shown, an event before
 * it is sent, and an event stays there until the platform's events_through has passed it (P45); a
 * power cut at any moment loses none of this.
 */
#ifndef LABEL_H
#define LABEL_H

#include "board.h"
#include "label_store.h"
#include "led.h"
#include "network.h"
#include "nfc.h"
#include "panel.h"
#include "power.h"
#include "renewal.h"
#include "secure_element.h"
#include "shelf.h"

#define LABEL_EVENTS_MAX         100   /* unreleased on flash (S-030) */
#define LABEL_CONNECT_TIMEOUT_MS 30000 /* for an attempt to have an outcome */
#define LABEL_QUERY_FIRST_MS     3000  /* shadow/get unanswered so long: again; doubles */
#define LABEL_QUERY_MAX_MS       60000 /* to this */
#define LABEL_RELEASE_SOON       32 /* so many sent and unreleased events: asks for their release ... */
#define LABEL_RELEASE_SOON_MS    1000  /* ... so long after the answer before */
#define LABEL_RELEASE_AT_ONCE    64    /* at once */
#define LABEL_RELEASE_LATE_MS    30000 /* fewer of them: after this, and up to twice this */
#define LABEL_RELEASE_STUCK_MS   5000  /* an answer released nothing: doubles from here */
#define LABEL_REFUSED_MS         10000 /* between two refusals told to the platform */
#define LABEL_WAKE_LINGER_MS     2000  /* awake after a sync that brought nothing */
#define LABEL_SLEEP_LINGER_MS    500   /* between the announcement and going down */
#define LABEL_PANEL_RETRY_MS     5000  /* a panel or tag that did not work */
#define LABEL_BATTERY_MS         60000 /* the battery is looked at so often */
#define LABEL_TRIALS_MAX         3     /* of a new certificate, then only with the next number */

struct label_settings {
    const char *label_id; /* "ESP32-..." */
    const char *firmware; /* "1.0.0" */
    bool tft;             /* else e-ink */
    bool woken;           /* from deep sleep, not from a power-up */
    bool panel_blank;     /* the panel is not the one that was there before: draw again */
};

/* What an observer is told; label_look has the figures. */
enum label_note {
    LABEL_NOTE_STARTED,  /* powered up; after deep sleep: LABEL_NOTE_WAKES */
    LABEL_NOTE_SHOWN,    /* a picture was drawn */
    LABEL_NOTE_KEPT,     /* an update whose picture was there already (P67) */
    LABEL_NOTE_REPEATED, /* an update that was confirmed before */
    LABEL_NOTE_CONFIGURED,
    LABEL_NOTE_FLASHING,
    LABEL_NOTE_STOPPED, /* the lamp */
    LABEL_NOTE_REFUSED, /* text: why */
    LABEL_NOTE_SLEEPS,
    LABEL_NOTE_WAKES,
    LABEL_NOTE_BATTERY, /* low-battery mode begins or ends */
    LABEL_NOTE_DROPPED, /* an event found no room */
    LABEL_NOTE_RENEWED, /* text: empty, or why the old certificate stays */
    LABEL_NOTES,
};

/* For test, demonstration and journal; NULL in a shipping label. Never calls back into the core but
 * for label_look. */
struct label_observer {
    void *context;
    void (*note)(void *context, enum label_note note, const char *text);
};

struct label_ports {
    const struct flash *flash; /* LABEL_STORE_SECTORS or more, see label_store.h */
    const struct secure_element *secure;
    const struct network *network;
    const struct panel *panel;
    const struct board *board;
    const struct led *led;         /* NULL: none */
    const struct nfc *nfc;         /* NULL: none */
    const struct power *power;     /* NULL: sleeps without powering down */
    const struct renewal *renewal; /* NULL: certificates are not renewed in the field */
    const struct label_observer *observer;
};

/* What happened since label_init, for a status line; nothing depends on it. */
struct label_counts {
    uint32_t messages;
    uint32_t refused;
    uint32_t repeated;
    uint32_t refreshes;
    uint32_t kept; /* updates without a refresh (P67) */
    uint32_t published;
    uint32_t queries;
    uint32_t connects;
    uint32_t sleeps;
    uint32_t dropped;
};

enum label_link { LABEL_OFFLINE, LABEL_CONNECTING, LABEL_ONLINE, LABEL_ASLEEP };

/* What the panel shows, as far as RAM needs to know; the rest of it is in the cache. */
struct label_screen {
    int64_t version; /* of the update; 0: the label's own "not assigned" screen, or nothing */
    int64_t price_minor;
    int64_t shown_ms;   /* platform's time of the last refresh; 0: not known */
    uint32_t refreshes; /* ever */
    uint32_t url_crc;
    enum shelf_language language;
    bool known; /* what the panel shows is `digest` for certain */
    uint8_t digest[SHELF_DIGEST_BYTES];
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    char product_id[SHELF_PRODUCT_BYTES_MAX + 1];
};

struct label_lamp {
    enum shelf_pattern pattern; /* SHELF_STOP: dark */
    enum shelf_colour colour;
    int64_t end_ms;
    int64_t version;
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
};

/* Static storage is the caller's; every field is private: label_look. */
struct label {
    const struct label_settings *settings;
    struct label_ports ports;
    int64_t now_ms;
    int64_t due_ms; /* when the step that runs wants to be called again */
    struct label_store store;
    struct label_memory memory;
    bool unsaved; /* memory is newer than flash */
    struct label_counts counts;
    /* display */
    struct label_screen screen;
    bool pending; /* the newest cached update is not on the panel yet */
    int64_t pending_version;
    uint8_t pending_digest[SHELF_DIGEST_BYTES];
    char pending_id[SHELF_UPDATE_ID_BYTES + 1];
    bool tag_due;         /* the tag does not carry the picture's URL yet */
    int64_t refreshed_ms; /* of the last refresh since label_init; INT64_MIN: none */
    int64_t panel_ms;     /* panel and tag: not before */
    struct label_lamp lamp;
    /* connection */
    enum label_link link;
    uint32_t failures;
    int64_t connect_ms; /* when to try, or since when we do */
    bool reconnect_due; /* with another certificate */
    bool announced;     /* that it will sleep */
    int64_t announced_ms;
    int64_t asleep_until_ms;
    /* shadow */
    bool synced; /* get/accepted came on this connection */
    bool asked;  /* shadow/get is unanswered */
    int64_t asked_ms;
    int64_t ask_after_ms; /* pause before it is repeated */
    int64_t sync_ms;      /* when to come by unasked */
    bool report_due;      /* shadow/update */
    int64_t used_ms;      /* what puts off sleep happened last */
    int64_t idle_ms;      /* sleep comes so long after it */
    int64_t clock_ms;     /* platform's time - now_ms, if clock_known */
    bool clock_known;
    /* events */
    int64_t next_send;
    int64_t asked_through; /* sent before the query under way */
    int64_t release_ms;    /* when to ask for their release; INT64_MAX: none to release */
    int64_t answered_ms;   /* when the last answer came */
    uint32_t stuck;        /* answers in a row that released nothing of what they should */
    int64_t told_drops;    /* of memory.dropped, the part that a status has told ... */
    int64_t drops_counter; /* ... the last time in this event; 0: none since label_init */
    int64_t refused_ms;
    bool refused_any;
    /* battery */
    int32_t battery_pct;
    int32_t signal_dbm;
    int64_t battery_ms;
    /* certificate */
    bool trial;          /* the renewed pair is being tried ... */
    bool trial_selected; /* ... at this attempt */
    uint32_t trials;     /* of trial_number that failed */
    int64_t trial_number;
    int64_t csr_number; /* asked for by the platform; 0: none */
};

/* Mounts the flash and takes up where the last power cut left: the picture, the configuration, the
 * events. settings and what ports point to must outlive the label. RES_INVALID: settings or flash
 * geometry; RES_IO: the flash or the secure element does not work. */
MUST_CHECK enum res label_init(struct label *l, const struct label_settings *settings,
                               const struct label_ports *ports, int64_t now_ms);
/* Does what is due. The time when it wants to be called again if nothing else happens: an idle
 * label needs one call a sync interval. INT64_MAX: never. */
int64_t label_step(struct label *l, int64_t now_ms);

/* --- the network; call label_step after each, but not from within the network's own callback if
 * its port cannot close a connection there --- */

void label_connected(struct label *l, int64_t now_ms);
/* An attempt failed, or the connection is gone. RES_DENIED: the other side refused us (the label's
 * certificate, most likely); anything else: it was not reached or was lost. */
void label_disconnected(struct label *l, int64_t now_ms, enum res cause);
/* A message of one of the topics subscribed, with the value of its user property
 * SHELF_SIGNATURE_PROPERTY (empty when there is none), as it came. */
void label_message(struct label *l, int64_t now_ms, struct span topic, struct span payload,
                   struct span signature);

/* --- to look at --- */

struct label_view {
    enum label_link link;
    bool synced;     /* the shadow has been read on this connection */
    bool low_power;  /* so many attempts failed that it tries every 5 minutes only */
    bool shows;      /* something that the platform sent is on the panel */
    int64_t version; /* of it */
    uint8_t digest[SHELF_DIGEST_BYTES];
    const char *update_id;
    const char *product_id;
    int64_t price_minor;
    enum shelf_language language;
    int64_t refreshes; /* ever */
    bool pending;      /* a newer update waits for the refresh interval or the panel */
    int64_t pending_version;
    int64_t config_version;
    int64_t shadow_version;
    int64_t certificate_number;
    int64_t sync_s;          /* in force now */
    enum shelf_pattern lamp; /* SHELF_STOP: dark */
    enum shelf_colour lamp_colour;
    int32_t lamp_pct; /* brightness in force */
    bool low_battery;
    int32_t battery_pct;
    int64_t epoch;
    int64_t last_counter; /* of events, 0: none yet */
    uint32_t queued;      /* unreleased events */
    int64_t dropped;      /* events refused for want of room, ever */
    int64_t asleep_until_ms;
    int64_t time_ms; /* platform's time as the label knows it; 0: not told yet */
    struct label_counts counts;
};
/* Texts are the label's own and change with its next call. */
void label_look(const struct label *l, struct label_view *ret_view);

#endif
