#include "err.h"

#include <stdarg.h>
#include <stdio.h>

void err_set(struct err *e, const char *format, ...)
{
    if (e == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
}

void err_prefix(struct err *e, const char *format, ...)
{
    if (e == NULL) {
        return;
    }
    char prefix[sizeof e->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    char whole[sizeof e->text * 2 + 4];
    (void)snprintf(whole, sizeof whole, "%s: %s", prefix, e->text);
    (void)snprintf(e->text, sizeof e->text, "%.*s", (int)sizeof e->text - 1, whole);
}
