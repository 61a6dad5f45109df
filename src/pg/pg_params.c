#include "pg_params.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "timestamp.h"

void pg_params_init(struct pg_params *p)
{
    p->count = 0;
    p->used = 0;
    p->texts_used = 0;
}

static void put(struct pg_params *p, const char *value, int length, int format)
{
    assert(p->count < PG_PARAMS_MAX);
    p->values[p->count] = value;
    p->lengths[p->count] = length;
    p->formats[p->count] = format;
    p->count++;
}

void pg_params_null(struct pg_params *p)
{
    put(p, NULL, 0, 0);
}

void pg_params_text(struct pg_params *p, struct span text)
{
    if (text.data == NULL) {
        put(p, NULL, 0, 0);
        return;
    }
    if (p->texts_used > sizeof p->texts || text.size >= sizeof p->texts - p->texts_used) {
        p->texts_used = sizeof p->texts + 1; /* pg_conn_run sees this and refuses */
        put(p, NULL, 0, 0);
        return;
    }
    char *at = p->texts + p->texts_used;
    memcpy(at, text.data, text.size);
    at[text.size] = '\0';
    p->texts_used += text.size + 1;
    put(p, at, 0, 0);
}

void pg_params_cstr(struct pg_params *p, const char *text)
{
    put(p, text, 0, 0);
}

static char *scratch(struct pg_params *p)
{
    assert(p->used + 32 <= sizeof p->scratch);
    char *at = p->scratch + p->used;
    p->used += 32;
    return at;
}

void pg_params_i64(struct pg_params *p, int64_t value)
{
    char *at = scratch(p);
    (void)snprintf(at, 32, "%" PRId64, value);
    put(p, at, 0, 0);
}

void pg_params_bool(struct pg_params *p, bool value)
{
    put(p, value ? "t" : "f", 0, 0);
}

void pg_params_double(struct pg_params *p, double value)
{
    char *at = scratch(p);
    (void)snprintf(at, 32, "%.17g", value);
    put(p, at, 0, 0);
}

void pg_params_bytes(struct pg_params *p, struct span bytes)
{
    assert(bytes.size <= INT_MAX);
    static const char empty[1];
    if (bytes.data == NULL) {
        put(p, NULL, 0, 1);
    } else {
        put(p, bytes.size > 0 ? (const char *)bytes.data : empty, (int)bytes.size, 1);
    }
}

void pg_params_time_ms(struct pg_params *p, int64_t time_ms)
{
    char *at = scratch(p);
    struct sink s;
    sink_init(&s, at, 31);
    timestamp_write(&s, time_ms);
    assert(!s.overflow);
    at[s.size] = '\0';
    put(p, at, 0, 0);
}
