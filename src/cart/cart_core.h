/* cart_core.h: private to this folder: what the parts of the core ask of each other.
 *
 * cart.c is the surface and calls all others; below it everybody makes events through cart_event,
 * troubles are raised through cart_health, and nobody but cart_sender talks to the network.
 */
#ifndef CART_CORE_H
#define CART_CORE_H

#include "cart.h"

/* --- cart_event.c: making, folding and recovering events --- */

/* Signs it, puts it on flash, folds it in and saves the snapshot. Epoch, counter, time and cart are
 * filled in; so is the session of a trip's start. RES_FULL: refused for this class and counted. */
MUST_CHECK enum res cart_event_emit(struct cart *c, enum flash_queue_class class,
                                    struct wire_event *event);
/* After power-up: folds in what is on flash beyond the ledger, and decides what is void. */
MUST_CHECK enum res cart_event_start(struct cart *c);
/* Later: folds in what could not be at the time. */
MUST_CHECK enum res cart_event_recover(struct cart *c);
/* Notes what the queue has lost. */
void cart_event_take_damage(struct cart *c);
void cart_event_save(struct cart *c);
/* "{cartId}.{epoch}.{start}" of the open trip; empty when there is none. */
struct span cart_event_session(const struct cart *c, char text[WIRE_SESSION_ID_BYTES]);

/* --- cart_session.c: the trip's state machine (C-122, C-123) --- */

MUST_CHECK enum res cart_session_start(struct cart *c);
MUST_CHECK enum res cart_session_hold(struct cart *c, enum wire_hold_reason reason);
MUST_CHECK enum res cart_session_resume(struct cart *c);
MUST_CHECK enum res cart_session_end(struct cart *c, enum wire_outcome outcome);
/* Makes sure that a trip is open and active, for an input of the shopper. */
MUST_CHECK enum res cart_session_ready(struct cart *c);
MUST_CHECK enum res cart_session_identify(struct cart *c, enum wire_method method,
                                          struct span token);
void cart_session_tick(struct cart *c);

/* --- cart_scan.c --- */

MUST_CHECK enum res cart_scan_add(struct cart *c, struct span code, enum cart_symbology symbology,
                                  int64_t quantity);
MUST_CHECK enum res cart_scan_remove(struct cart *c, struct span code,
                                     enum cart_symbology symbology, int64_t quantity);
/* Asks again for the prices that the platform's answers should have brought. */
void cart_scan_tick(struct cart *c);
void cart_scan_product(struct cart *c, const struct wire_product *product);

/* --- cart_pay.c --- */

MUST_CHECK enum res cart_pay_begin(struct cart *c);
void cart_pay_answer(struct cart *c, struct span reference, enum terminal_answer answer,
                     struct span token);
/* Gives up a payment under way. */
void cart_pay_reverse(struct cart *c);
void cart_pay_confirmed(struct cart *c, const struct wire_payment *payment);
/* After power-up: asks the terminal again what became of a payment under way. */
void cart_pay_recover(struct cart *c);
void cart_pay_tick(struct cart *c);

/* --- cart_health.c: boot, health, faults, gap records --- */

enum cart_trouble {
    CART_TROUBLE_SCANNER,
    CART_TROUBLE_SCALE,
    CART_TROUBLE_BATTERY,
    CART_TROUBLE_FLASH,
    CART_TROUBLE_CLOCK,
    CART_TROUBLE_LASER,
    CART_TROUBLES,
};
/* A condition that begins is reported once, as a fault; one that ends may be reported again when
 * it comes back. */
void cart_health_trouble(struct cart *c, enum cart_trouble trouble, bool on);
MUST_CHECK enum res cart_health_boot(struct cart *c);
MUST_CHECK enum res cart_health_fault(struct cart *c, enum flash_queue_class class,
                                      enum wire_fault_code code, enum wire_severity severity,
                                      const char *detail);
/* A health event that acknowledges the ledger's command. */
MUST_CHECK enum res cart_health_acknowledge(struct cart *c, int64_t number,
                                            enum wire_command_outcome outcome);
void cart_health_tick(struct cart *c);

/* --- cart_command.c: frames of the platform --- */

void cart_command_frame(struct cart *c, struct span frame);

/* --- cart_sender.c: the connection, sending in order, release --- */

void cart_sender_init(struct cart *c);
void cart_sender_connected(struct cart *c);
void cart_sender_disconnected(struct cart *c);
void cart_sender_acknowledged(struct cart *c, const struct wire_commit_ack *ack);
void cart_sender_tick(struct cart *c);

/* --- cart_view.c: what the shopper sees --- */

void cart_view_show(struct cart *c, enum display_kind kind, const char *text);
void cart_view_line(struct cart *c, enum display_kind kind, struct span text, int64_t line,
                    int64_t quantity, int64_t price_minor);

#endif
