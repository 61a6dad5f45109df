/* startup.h: from reset to main, and the millisecond clock. */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

int main(void);
/* Milliseconds since reset. */
int64_t startup_uptime_ms(void);
/* Bytes of stack that were ever used. */
uint32_t startup_stack_used(void);
/* An assertion failed or a fault was taken: stops, for the watchdog to restart. */
void startup_stop(void) __attribute__((noreturn));

#endif
