/* selftest_end.h: the end of an image that tests itself in an emulator with semihosting. */
#ifndef SELFTEST_END_H
#define SELFTEST_END_H

#include <stdbool.h>

/* Says the stack used and the verdict, and ends the emulator with it. */
void selftest_end(bool passed);

#endif
