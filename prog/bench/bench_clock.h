/* bench_clock.h: seconds of wall and of CPU.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <sys/types.h>

double bench_clock_wall(void);
/* Of this process, all threads. */
double bench_clock_cpu(void);
/* Of another process, from /proc; 0 when it cannot be read. */
double bench_clock_cpu_of(pid_t pid);

#endif
