#include "selftest_end.h"

#include "stand_in.h"
#include "startup.h"

#define SYS_EXIT            0x18
#define APPLICATION_EXIT    0x20026
#define RUN_TIME_ERROR_EXIT 0x20023

/* Arm semihosting: the emulator ends. */
static void leave(uint32_t reason)
{
    register uint32_t operation __asm("r0") = SYS_EXIT;
    register uint32_t parameter __asm("r1") = reason;
    __asm volatile("bkpt 0xab" : : "r"(operation), "r"(parameter) : "memory");
}

void selftest_end(bool passed)
{
    stand_in_say("bytes of stack", (int64_t)startup_stack_used());
    stand_in_say(passed ? "passed" : "failed", 1);
    leave(passed ? APPLICATION_EXIT : RUN_TIME_ERROR_EXIT);
}
