/* A trip on the target itself, with a restart in its midst; for an emulator with semihosting. */
#include "bench.h"
#include "selftest_end.h"
#include "stand_in.h"
#include "startup.h"
#include "uart_mps2.h"

#define EVENTS 6 /* boot, start, scan, scan, boot, scan */

static struct cart cart;

static bool trip(void)
{
    bench_blank();
    if (bench_start(&cart) != RES_OK ||
        cart_scan(&cart, bench_now(), SPAN_LIT("8901030865275"), CART_EAN, 1) != RES_OK ||
        cart_scan(&cart, bench_now(), SPAN_LIT("4006381333931"), CART_EAN, 2) != RES_OK) {
        return false;
    }
    cart_tick(&cart, bench_now());
    if (bench_start(&cart) != RES_OK || !cart_has_trip(&cart) || cart.ledger.trip.item_count != 3 ||
        cart_scan(&cart, bench_now(), SPAN_LIT("8901030865275"), CART_EAN, 1) != RES_OK) {
        return false;
    }
    stand_in_say("events on flash", cart_unacknowledged(&cart));
    return cart.ledger.trip.item_count == 4 && cart_unacknowledged(&cart) >= EVENTS;
}

int main(void)
{
    uart_mps2_init();
    bool passed = trip();
    selftest_end(passed);
    return 0;
}
