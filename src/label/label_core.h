/* label_core.h: private to this folder: what the parts of the core ask of each other.
 *
 * label.c is the surface and calls all others; below it events are made through label_event, and
 * what is due next is told with label_due.
 */
#ifndef LABEL_CORE_H
#define LABEL_CORE_H

#include "label.h"

/* --- label.c --- */

/* The step wants to be called again at this time, or sooner. */
void label_due(struct label *l, int64_t at_ms);
void label_note(const struct label *l, enum label_note note, const char *text);
/* Platform's time; before it was told, the last it is not before; 0: not known at all. */
int64_t label_time_ms(const struct label *l);
uint32_t label_random(struct label *l);
struct span label_id(const struct label *l);
/* Keeps the memory; tried again at the next step when flash refuses. */
MUST_CHECK enum res label_save(struct label *l);
/* Something happened that puts off sleep. */
void label_used(struct label *l);

/* --- label_event.c: status and ack, on flash until the platform has them --- */

/* device, epoch, counter and time are filled in. What finds no room is counted and reported. */
void label_event_ack(struct label *l, enum flash_queue_class class, struct shelf_ack *ack);
void label_event_status(struct label *l, enum shelf_reason reason, int64_t sleep_s);
/* Sent once if there is a connection, never kept: nobody can wear out the flash with it. */
void label_event_ack_once(struct label *l, struct shelf_ack *ack);
/* Reports what was dropped or damaged. */
void label_event_tick(struct label *l);
void label_event_send(struct label *l);
/* All events are sent, on this connection. */
bool label_event_all_sent(const struct label *l);
/* What shadow/get/accepted says: everything of this epoch through there may go. */
void label_event_released(struct label *l, int64_t epoch, int64_t through);
MUST_CHECK enum res label_event_publish(struct label *l, enum shelf_topic topic,
                                        const struct sink *payload);

/* --- label_display.c: updates, the panel, the tag --- */

/* After label_store_open: what does the panel show? */
MUST_CHECK enum res label_display_start(struct label *l);
/* asked: from the shadow, where what is known already is no news. */
void label_display_take(struct label *l, const struct shelf_display *display, bool asked);
void label_display_tick(struct label *l);

/* --- label_lamp.c --- */

void label_lamp_take(struct label *l, const struct shelf_flash *flash);
/* With the brightness that is in force now. */
void label_lamp_light(struct label *l);
void label_lamp_tick(struct label *l);

/* --- label_link.c: the connection --- */

void label_link_up(struct label *l);
void label_link_down(struct label *l, enum res cause);
/* Closes it and connects anew at once. */
void label_link_renew(struct label *l);
void label_link_tick(struct label *l);

/* --- label_shadow.c: query, answer, configuration, report --- */

void label_shadow_config(struct label *l, const struct shelf_config *config, bool asked);
void label_shadow_state(struct label *l, const struct shelf_state *state, bool whole);
void label_shadow_ask(struct label *l);
void label_shadow_tick(struct label *l);

/* --- label_message.c --- */

void label_message_take(struct label *l, struct span topic, struct span payload,
                        struct span signature);
/* kept: the refusal is an event; else it is said once. At most one every LABEL_REFUSED_MS. */
void label_message_refuse(struct label *l, enum shelf_ack_kind kind, struct span update_id,
                          int64_t version, bool kept, const char *why);

/* --- label_sleep.c: battery, deep sleep --- */

void label_sleep_battery(struct label *l);
int32_t label_sleep_sync_s(const struct label *l);
void label_sleep_tick(struct label *l);
/* True while it sleeps. */
bool label_sleep_goes_on(struct label *l);

/* --- label_renew.c: certificates --- */

void label_renew_take(struct label *l, const struct shelf_certificate *certificate);
/* The request that belongs into the report; empty: none. */
MUST_CHECK enum res label_renew_request(struct label *l, struct sink *base64);
void label_renew_connected(struct label *l);
void label_renew_failed(struct label *l);

#endif
