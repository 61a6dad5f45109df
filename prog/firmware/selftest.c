/* A trip on the target itself, with a restart in its midst; for an emulator with semihosting. */
#include "bench.h"
#include "startup.h"
#include "uart_mps2.h"

#define SYS_EXIT            0x18
#define APPLICATION_EXIT    0x20026
#define RUN_TIME_ERROR_EXIT 0x20023
#define EVENTS              6 /* boot, start, scan, scan, boot, scan */

static struct cart cart;

/* Arm semihosting: the emulator ends. */
static void leave(uint32_t reason)
{
    register uint32_t operation __asm("r0") = SYS_EXIT;
    register uint32_t parameter __asm("r1") = reason;
    __asm volatile("bkpt 0xab" : : "r"(operation), "r"(parameter) : "memory");
}

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
    bench_say("events on flash", cart_unacknowledged(&cart));
    return cart.ledger.trip.item_count == 4 && cart_unacknowledged(&cart) >= EVENTS;
}

int main(void)
{
    uart_mps2_init();
    bool passed = trip();
    bench_say("bytes of stack", (int64_t)startup_stack_used());
    bench_say(passed ? "passed" : "failed", 1);
    leave(passed ? APPLICATION_EXIT : RUN_TIME_ERROR_EXIT);
    return 0;
}
