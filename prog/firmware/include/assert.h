/* assert.h: the assertions of the image. They stay on, and cost a branch: the address where it
 * stopped says which one it was; the C library's would bring its printing along.
 */
#ifndef ASSERT_H
#define ASSERT_H

void startup_stop(void) __attribute__((noreturn));

#define assert(condition) ((condition) ? (void)0 : startup_stop())
#define static_assert _Static_assert

#endif
