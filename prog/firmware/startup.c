#include "startup.h"

#include <string.h>

/* From mps2.ld; addresses, not values. */
extern uint32_t startup_data[], startup_data_end[], startup_data_load[];
extern uint32_t startup_bss[], startup_bss_end[];
extern uint32_t startup_stack_end[], startup_stack[];

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xe000e010u)
#define SYSTICK_RELOAD  (*(volatile uint32_t *)0xe000e014u)
#define TICKS_PER_MS    25000u /* of the board's 25 MHz */
#define STACK_UNUSED    0xa5a5a5a5u

static volatile uint32_t ticks_low;
static volatile uint32_t ticks_high;

void startup_reset(void) __attribute__((noreturn));

static void tick(void)
{
    if (++ticks_low == 0) {
        ticks_high++;
    }
}

void startup_stop(void)
{
    for (;;) {
        __asm volatile("wfi");
    }
}

int64_t startup_uptime_ms(void)
{
    uint32_t high;
    uint32_t low;
    do {
        high = ticks_high;
        low = ticks_low;
    } while (high != ticks_high);
    return (int64_t)((uint64_t)high << 32 | low);
}

uint32_t startup_stack_used(void)
{
    const uint32_t *at = startup_stack_end;
    while (at < startup_stack && *at == STACK_UNUSED) {
        at++;
    }
    return (uint32_t)((uintptr_t)startup_stack - (uintptr_t)at);
}

void startup_reset(void)
{
    size_t data_bytes = (uintptr_t)startup_data_end - (uintptr_t)startup_data;
    memcpy(startup_data, startup_data_load, data_bytes);
    memset(startup_bss, 0, (uintptr_t)startup_bss_end - (uintptr_t)startup_bss);
    uint32_t *now = __builtin_frame_address(0);
    for (uint32_t *at = startup_stack_end; at < now - 16; at++) {
        *at = STACK_UNUSED;
    }
    SYSTICK_RELOAD = TICKS_PER_MS - 1;
    SYSTICK_CONTROL = 7;
    (void)main();
    startup_stop();
}

/* Initial stack pointer, reset, 13 faults and reserved ones, SysTick (Armv7-M, B1.5.2). */
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)startup_stack,
    (uintptr_t)startup_reset,
    (uintptr_t)startup_stop,
    (uintptr_t)startup_stop,
    (uintptr_t)startup_stop,
    (uintptr_t)startup_stop,
    (uintptr_t)startup_stop,
    0,
    0,
    0,
    0,
    (uintptr_t)startup_stop,
    (uintptr_t)startup_stop,
    0,
    (uintptr_t)startup_stop,
    (uintptr_t)tick,
};
