#include "pg_get.h"

#include <assert.h>
#include <string.h>

/* OIDs of pg_type.dat: part of the protocol, never renumbered. */
enum { OID_BOOL = 16, OID_JSON_B = 3802, OID_UUID = 2950, OID_FLOAT8 = 701, OID_TIME = 1184 };

/* Microseconds from 1970-01-01 to PostgreSQL's 2000-01-01. */
#define EPOCH_2000_MS INT64_C(946684800000)

bool pg_get_is_null(const PGresult *rows, int row, int column)
{
    assert(row >= 0 && row < PQntuples(rows) && column >= 0 && column < PQnfields(rows));
    return PQgetisnull(rows, row, column) == 1;
}

static struct span raw(const PGresult *rows, int row, int column)
{
    assert(PQfformat(rows, column) == 1);
    if (pg_get_is_null(rows, row, column)) {
        return SPAN_NONE;
    }
    return span_of(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
}

static uint64_t big_endian(struct span bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        v = v << 8 | bytes.data[i];
    }
    return v;
}

struct span pg_get_span(const PGresult *rows, int row, int column)
{
    struct span s = raw(rows, row, column);
    if (PQftype(rows, column) == OID_JSON_B && s.size > 0) {
        assert(s.data[0] == 1); /* version of jsonb's binary form */
        s.data++;
        s.size--;
    }
    return s;
}

int64_t pg_get_i64(const PGresult *rows, int row, int column)
{
    struct span s = raw(rows, row, column);
    switch (s.size) {
    case 0:
        return 0;
    case 2:
        return (int16_t)big_endian(s);
    case 4:
        return (int32_t)big_endian(s);
    default:
        assert(s.size == 8);
        return (int64_t)big_endian(s);
    }
}

bool pg_get_bool(const PGresult *rows, int row, int column)
{
    assert(PQftype(rows, column) == OID_BOOL);
    struct span s = raw(rows, row, column);
    return s.size == 1 && s.data[0] == 1;
}

double pg_get_double(const PGresult *rows, int row, int column)
{
    assert(PQftype(rows, column) == OID_FLOAT8);
    struct span s = raw(rows, row, column);
    uint64_t bits = big_endian(s);
    double v = 0;
    memcpy(&v, &bits, sizeof v);
    return v;
}

int64_t pg_get_time_ms(const PGresult *rows, int row, int column)
{
    assert(PQftype(rows, column) == OID_TIME);
    struct span s = raw(rows, row, column);
    if (s.size == 0) {
        return 0;
    }
    int64_t us = (int64_t)big_endian(s);
    int64_t ms = us / 1000 - (us % 1000 < 0 ? 1 : 0);
    return ms + EPOCH_2000_MS;
}

void pg_get_uuid(const PGresult *rows, int row, int column, char ret[37])
{
    assert(PQftype(rows, column) == OID_UUID);
    struct span s = raw(rows, row, column);
    ret[0] = '\0';
    if (s.size != 16) {
        return;
    }
    struct sink out;
    sink_init(&out, ret, 36);
    static const size_t parts[5] = {4, 2, 2, 2, 6};
    size_t at = 0;
    for (size_t i = 0; i < 5; i++) {
        if (i > 0) {
            sink_byte(&out, '-');
        }
        sink_hex(&out, span_of(s.data + at, parts[i]));
        at += parts[i];
    }
    assert(!out.overflow && out.size == 36);
    ret[36] = '\0';
}

int64_t pg_get_touched(const PGresult *rows)
{
    /* PQcmdTuples wants a mutable pointer but does not write. */
    union {
        const PGresult *in;
        PGresult *out;
    } same = {.in = rows};
    int64_t n = 0;
    for (const char *at = PQcmdTuples(same.out); *at >= '0' && *at <= '9'; at++) {
        n = n * 10 + (*at - '0');
    }
    return n;
}
