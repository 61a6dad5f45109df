#include "cart_core.h"

/* Someone who can write to our topics but has no key of the platform could wear the flash out with
 * faults: one a minute says enough. */
static void refuse(struct cart *c, const char *detail)
{
    if (c->command_fault_ms != INT64_MIN &&
        c->now.uptime_ms - c->command_fault_ms < CART_FAULT_REPEAT_MS) {
        return;
    }
    enum res r = cart_health_fault(c, FLASH_QUEUE_FAULT, WIRE_FAULT_COMMAND, WIRE_MEDIUM, detail);
    if (r == RES_OK || r == RES_FULL) {
        c->command_fault_ms = c->now.uptime_ms;
    }
}

static enum wire_command_outcome outcome_of(enum res r)
{
    return r == RES_OK ? WIRE_CMD_DONE : r == RES_CONFLICT ? WIRE_CMD_IGNORED : WIRE_CMD_REFUSED;
}

/* False when a session is named and it is not the one that is open. */
static bool names_our_trip(const struct cart *c, const struct wire_command *command)
{
    char session[WIRE_SESSION_ID_BYTES];
    return command->session_id.size == 0 ||
           span_equal(command->session_id, cart_event_session(c, session));
}

static enum wire_command_outcome set_asleep(struct cart *c, bool asleep)
{
    if (c->ledger.trip.start != 0) {
        return asleep ? WIRE_CMD_REFUSED : WIRE_CMD_IGNORED;
    }
    if (c->asleep == asleep) {
        return WIRE_CMD_IGNORED;
    }
    c->asleep = asleep;
    c->ports.board->sleep(c->ports.board->context, asleep);
    cart_view_show(c, asleep ? DISPLAY_SLEEPING : DISPLAY_AWAKE, "");
    return WIRE_CMD_DONE;
}

static enum wire_command_outcome cancel(struct cart *c)
{
    if (c->ledger.trip.start == 0) {
        return WIRE_CMD_IGNORED;
    }
    if (c->ledger.trip.paid) {
        return WIRE_CMD_REFUSED; /* the money is taken; the end is on its way */
    }
    cart_pay_reverse(c);
    return outcome_of(cart_session_end(c, WIRE_VOIDED));
}

/* Of a trip: goes on after a hold. Without one: the cart itself starts again, once the answer is on
 * flash. */
static enum wire_command_outcome restart(struct cart *c, const struct wire_command *command)
{
    if (command->session_id.size > 0) {
        return outcome_of(cart_session_resume(c));
    }
    return c->ledger.trip.start != 0 ? WIRE_CMD_REFUSED : WIRE_CMD_DONE;
}

static enum wire_command_outcome customer_override(struct cart *c,
                                                   const struct wire_command *command)
{
    if (c->ledger.trip.start == 0) {
        return WIRE_CMD_IGNORED;
    }
    cart_view_line(c, DISPLAY_MESSAGE, command->reason, 0, 0, 0);
    if (!c->ledger.trip.paused) {
        return WIRE_CMD_DONE;
    }
    return outcome_of(cart_session_resume(c));
}

static enum wire_command_outcome catalogue(struct cart *c, const struct wire_command *command)
{
    if (cart_catalog_version(c) >= command->version) {
        return WIRE_CMD_IGNORED;
    }
    const struct network *n = c->ports.network;
    return n->refresh(n->context) == RES_OK ? WIRE_CMD_DONE : WIRE_CMD_REFUSED;
}

static enum wire_command_outcome carry_out(struct cart *c, const struct wire_command *command)
{
    if (c->now.utc_ms >= command->expires_ms) {
        return WIRE_CMD_EXPIRED;
    }
    if (!names_our_trip(c, command)) {
        return WIRE_CMD_IGNORED;
    }
    switch ((enum wire_command_kind)command->kind) {
    case WIRE_CMD_SLEEP:
        return set_asleep(c, true);
    case WIRE_CMD_WAKE:
        return set_asleep(c, false);
    case WIRE_CMD_CUSTOMER_OVERRIDE:
        return customer_override(c, command);
    case WIRE_CMD_PAUSE:
        return outcome_of(cart_session_hold(c, WIRE_HOLD_STAFF));
    case WIRE_CMD_CANCEL:
        return cancel(c);
    case WIRE_CMD_RESTART:
        return restart(c, command);
    case WIRE_CMD_CATALOGUE:
        return catalogue(c, command);
    case WIRE_CMD_FIRMWARE:
        break;
    }
    return WIRE_CMD_REFUSED; /* this firmware has no second bank */
}

/* The number is durable with the acknowledging event, after the deed. A power cut between the two
 * makes the platform send the command again; every deed is harmless the second time. */
static void handle_command(struct cart *c, const struct wire_command *command)
{
    struct cart_ledger *l = &c->ledger;
    if (command->number < l->command_number) {
        refuse(c, "command number does not rise");
        return;
    }
    if (command->number == l->command_number) {
        /* The platform has not seen the answer yet: it gets it again, now and then. */
        if (c->now.uptime_ms - c->answer_ms >= CART_ANSWER_REPEAT_MS &&
            cart_health_acknowledge(c, l->command_number,
                                    (enum wire_command_outcome)l->command_outcome) == RES_OK) {
            c->answer_ms = c->now.uptime_ms;
        }
        return;
    }
    if (c->now.utc_ms < CART_CLOCK_LEAST_MS) {
        refuse(c, "command refused, the clock is not set");
        return;
    }
    enum wire_command_outcome outcome = carry_out(c, command);
    if (outcome == WIRE_CMD_REFUSED) {
        refuse(c, "command refused, the state forbids it");
    }
    enum res r = cart_health_acknowledge(c, command->number, outcome);
    if (r != RES_OK) {
        /* Done, but not said for want of flash: said when the platform asks again. */
        l->command_number = command->number;
        l->command_outcome = (uint32_t)outcome;
        cart_event_save(c);
    }
    c->answer_ms = c->now.uptime_ms;
    if (command->kind == WIRE_CMD_RESTART && command->session_id.size == 0 &&
        outcome == WIRE_CMD_DONE) {
        c->ports.board->restart(c->ports.board->context);
    }
}

static bool is_our_store(const struct cart *c, struct span store_id)
{
    return span_equal(store_id, span_text(c->settings->store_id, 32));
}

static void handle_catalogue(struct cart *c, const struct wire_catalogue *catalogue)
{
    if (!is_our_store(c, catalogue->store_id)) {
        return;
    }
    bool complete = false;
    enum res r = product_cache_put(&c->store.cache, catalogue, &complete);
    cart_health_trouble(c, CART_TROUBLE_FLASH, r == RES_IO);
    /* The supplement of the version that is in use from here on could not be kept before. */
    if (complete && c->prices.missed &&
        c->ports.network->refresh(c->ports.network->context) == RES_OK) {
        c->prices.missed = false;
    }
    if (r == RES_AGAIN && c->now.uptime_ms - c->refresh_ms >= CART_REFRESH_REPEAT_MS &&
        c->ports.network->refresh(c->ports.network->context) == RES_OK) {
        c->refresh_ms = c->now.uptime_ms;
    }
}

static void handle_prices(struct cart *c, const struct wire_prices *prices)
{
    if (is_our_store(c, prices->store_id)) {
        cart_prices_put(&c->prices, prices, product_cache_version(&c->store.cache));
    }
}

void cart_command_frame(struct cart *c, struct span frame)
{
    struct span body;
    struct span signature;
    struct wire_downlink message;
    struct wire_detail why;
    const struct secure_element *secure = c->ports.secure;
    if (wire_downlink_split(frame, &body, &signature) != WIRE_FINE) {
        refuse(c, "platform message with a wrong size");
        return;
    }
    if (secure->verify_platform(secure->context, body, signature) != RES_OK) {
        refuse(c, "platform message with a bad signature");
        return;
    }
    if (wire_downlink_decode(body, &message, &why) != WIRE_FINE) {
        refuse(c, "platform message that is not understood");
        return;
    }
    if (message.type != WIRE_CATALOGUE && message.type != WIRE_PRICES &&
        !span_equal(message.cart_id, span_text(c->settings->cart_id, 32))) {
        refuse(c, "platform message for another cart");
        return;
    }
    switch (message.type) {
    case WIRE_COMMAND:
        handle_command(c, &message.command);
        break;
    case WIRE_COMMIT_ACK:
        cart_sender_acknowledged(c, &message.commit_ack);
        break;
    case WIRE_PRODUCT:
        cart_scan_product(c, &message.product);
        break;
    case WIRE_PAYMENT:
        cart_pay_confirmed(c, &message.payment);
        break;
    case WIRE_CATALOGUE:
        handle_catalogue(c, &message.catalogue);
        break;
    case WIRE_PRICES:
        handle_prices(c, &message.prices);
        break;
    case WIRE_SCAN:
    case WIRE_SESSION_START:
    case WIRE_SESSION_END:
    case WIRE_IDENTIFY:
    case WIRE_HEALTH:
    case WIRE_FAULT:
    case WIRE_BOOT:
        break;
    }
}
