#include "shopper.h"

#include <string.h>

#define TOKEN_BYTES      28
#define WEIGHT_LEAST_G   50
#define WEIGHT_SPREAD_G  2000
#define WRONG_WEIGHT_G   250
#define BETWEEN_PACES    3 /* a shopper brings the cart back, another takes it */
#define CHECKOUT_POLL_MS 100

static bool chance(struct shopper *s, double p)
{
    return p > 0 && (double)(rng_next(&s->rng) >> 11) * 0x1p-53 < p;
}

static void enter(struct shopper *s, enum shopper_state state, struct cart_time now)
{
    s->state = state;
    s->since_ms = now.uptime_ms;
}

static void count(struct shopper *s, enum res r)
{
    if (r != RES_OK) {
        s->refused++;
    }
}

/* What the scale would see: the product's own weight where the cart knows it. */
static void put_on_scale(struct shopper *s, const char *code, int quantity)
{
    struct product product;
    char gtin14[GTIN_DIGITS + 1];
    int64_t unit_g = WEIGHT_LEAST_G + (int64_t)rng_below(&s->rng, WEIGHT_SPREAD_G);
    struct span digits = span_text(code, TRIP_CODE_BYTES);
    if (gtin_normalise(digits, gtin14) == RES_OK &&
        product_cache_find(&s->cart->store.cache, span_text(gtin14, GTIN_DIGITS), &product) ==
            RES_OK &&
        product.weight_g > 0) {
        unit_g = product.weight_g;
    }
    int64_t grams = unit_g * quantity;
    if (chance(s, s->settings->mismatch)) {
        grams += WRONG_WEIGHT_G + grams / 4;
    }
    scale_sim_put(s->scale, (int32_t)grams);
}

static void identify(struct shopper *s, struct cart_time now)
{
    char token[TOKEN_BYTES];
    static const enum wire_method methods[] = {WIRE_LOYALTY, WIRE_PAYMENT_CARD, WIRE_APP_QR};
    for (size_t i = 0; i < sizeof token; i++) {
        token[i] = (char)('a' + rng_below(&s->rng, 26));
    }
    count(s, cart_identify(s->cart, now, methods[rng_below(&s->rng, 3)],
                           span_of(token, sizeof token)));
}

static void do_step(struct shopper *s, const struct trip_step *step, struct cart_time now)
{
    struct span code = span_text(step->code, sizeof step->code);
    enum res r = RES_OK;
    switch (step->action) {
    case TRIP_SCAN:
        put_on_scale(s, step->code, step->quantity);
        r = cart_scan(s->cart, now, code, CART_EAN, step->quantity);
        s->scans += r == RES_OK;
        break;
    case TRIP_REMOVE:
        put_on_scale(s, step->code, -step->quantity);
        r = cart_remove_item(s->cart, now, code, CART_EAN, step->quantity);
        s->scans += r == RES_OK;
        break;
    case TRIP_HOLD:
        r = cart_hold(s->cart, now);
        break;
    case TRIP_RESUME:
        r = cart_resume(s->cart, now);
        break;
    case TRIP_IDENTIFY:
        identify(s, now);
        break;
    case TRIP_CANCEL:
        r = cart_cancel(s->cart, now);
        break;
    case TRIP_FINISH:
        r = cart_finish(s->cart, now);
        break;
    case TRIP_PAY:
        enter(s, SHOPPER_CHECKOUT, now);
        break;
    case TRIP_WAIT:
        s->next_ms = now.uptime_ms + step->wait_ms;
        break;
    }
    count(s, r);
}

static void begin(struct shopper *s, struct cart_time now)
{
    const struct shopper_settings *set = s->settings;
    bool enough = set->trips_max > 0 && s->trips >= (uint64_t)set->trips_max;
    if (s->leaving || enough || (!set->loop && s->trip_next >= set->trips->trip_count)) {
        enter(s, SHOPPER_GONE, now);
        return;
    }
    size_t next = set->loop ? (size_t)rng_below(&s->rng, set->trips->trip_count) : s->trip_next++;
    s->trip = &set->trips->trips[next];
    s->step = 0;
    s->pay_tries = 0;
    s->trips++;
    enter(s, SHOPPER_WALKING, now);
    if (chance(s, set->identify)) {
        identify(s, now);
    }
}

static void walk(struct shopper *s, struct cart_time now)
{
    if (s->step == s->trip->step_count) {
        enter(s, cart_has_trip(s->cart) ? SHOPPER_CHECKOUT : SHOPPER_BETWEEN, now);
        return;
    }
    s->next_ms = now.uptime_ms + s->settings->pace_ms;
    do_step(s, &s->trip->steps[s->step++], now);
}

static void check_out(struct shopper *s, struct cart_time now)
{
    const struct cart_trip *trip = &s->cart->ledger.trip;
    s->next_ms = now.uptime_ms + CHECKOUT_POLL_MS;
    if (trip->start == 0) {
        enter(s, SHOPPER_BETWEEN, now);
        s->next_ms = now.uptime_ms + BETWEEN_PACES * s->settings->pace_ms;
        return;
    }
    if (trip->paying || trip->paid) {
        enter(s, SHOPPER_PAYING, now); /* a power cut came in between */
        return;
    }
    int64_t wait_ms = s->leaving ? SHOPPER_PRICE_LEAVE_MS : SHOPPER_PRICE_WAIT_MS;
    if (trip->unpriced > 0 && now.uptime_ms - s->since_ms < wait_ms) {
        return;
    }
    if (trip->item_count == 0 || trip->unpriced > 0 || s->pay_tries >= SHOPPER_PAY_TRIES ||
        cart_pay(s->cart, now) != RES_OK) {
        count(s, cart_cancel(s->cart, now));
    } else {
        s->pay_tries++;
        enter(s, SHOPPER_PAYING, now);
    }
}

static void wait_for_terminal(struct shopper *s, struct cart_time now)
{
    const struct cart_trip *trip = &s->cart->ledger.trip;
    if (trip->start == 0 || (!trip->paying && !trip->paid)) {
        enter(s, SHOPPER_CHECKOUT, now);
    } else if (s->leaving && now.uptime_ms - s->since_ms >= SHOPPER_LEAVE_MS) {
        count(s, cart_cancel(s->cart, now));
        s->since_ms = now.uptime_ms;
    }
}

void shopper_init(struct shopper *s, const struct shopper_settings *settings, struct cart *cart,
                  struct scale_sim *scale, uint64_t seed, struct cart_time now)
{
    memset(s, 0, sizeof *s);
    s->settings = settings;
    s->cart = cart;
    s->scale = scale;
    rng_init(&s->rng, seed);
    s->next_ms = now.uptime_ms;
    enter(s, cart_has_trip(cart) ? SHOPPER_CHECKOUT : SHOPPER_BETWEEN, now);
}

void shopper_step(struct shopper *s, struct cart_time now)
{
    if (s->state == SHOPPER_PAYING) {
        wait_for_terminal(s, now);
        return;
    }
    if (now.uptime_ms < s->next_ms) {
        return;
    }
    switch (s->state) {
    case SHOPPER_BETWEEN:
        begin(s, now);
        break;
    case SHOPPER_WALKING:
        walk(s, now);
        break;
    case SHOPPER_CHECKOUT:
        check_out(s, now);
        break;
    case SHOPPER_PAYING:
    case SHOPPER_GONE:
        break;
    }
}

void shopper_leave(struct shopper *s, struct cart_time now)
{
    s->leaving = true;
    s->next_ms = now.uptime_ms;
    if (s->state == SHOPPER_WALKING) {
        enter(s, SHOPPER_CHECKOUT, now);
    }
}

bool shopper_is_gone(const struct shopper *s)
{
    return s->state == SHOPPER_GONE;
}
