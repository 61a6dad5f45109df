#include "pg_migrate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SQL_MAX 1024
/* Any number that nobody else uses for pg_advisory_lock: "migr" in ASCII. */
#define LOCK_KEY "1835624306"

static enum res command(struct pg_conn *c, struct err *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum res command(struct pg_conn *c, struct err *why, const char *format, ...)
{
    char sql[SQL_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof sql) {
        err_set(why, "a schema or role name is too long");
        return RES_LIMIT;
    }
    return pg_conn_command(c, sql, why);
}

static enum res prepare_schema(struct pg_conn *c, const struct pg_migrations *m, struct err *why)
{
    enum res r = command(c, why, "SET client_min_messages = warning");
    if (r == RES_OK) {
        r = command(c, why, "CREATE SCHEMA IF NOT EXISTS %s AUTHORIZATION %s", m->schema, m->owner);
    }
    if (r == RES_OK) {
        r = command(c, why,
                    "SET ROLE %s; CREATE TABLE IF NOT EXISTS %s.schema_migration ("
                    "number integer PRIMARY KEY, name text NOT NULL, "
                    "sha256 char(64) NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"
                    "COMMENT ON TABLE %s.schema_migration IS "
                    "'Migrations that were applied, with the SHA-256 of each file.'; RESET ROLE",
                    m->owner, m->schema, m->schema);
    }
    return r;
}

/* How many of the list are applied; they must be its beginning, unchanged. */
static enum res check_applied(struct pg_conn *c, const struct pg_migrations *m, size_t *ret_applied,
                              struct err *why)
{
    char sql[SQL_MAX];
    (void)snprintf(sql, sizeof sql,
                   "SELECT number, name, sha256 FROM %s.schema_migration ORDER BY number",
                   m->schema);
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, sql, NULL, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    int applied = PQntuples(rows);
    for (int i = 0; i < applied && r == RES_OK; i++) {
        int64_t number = pg_get_i64(rows, i, 0);
        struct span name = pg_get_span(rows, i, 1);
        struct span sha256 = pg_get_span(rows, i, 2);
        const struct pg_migration *mine = (size_t)i < m->count ? &m->list[i] : NULL;
        if (mine == NULL || mine->number != number) {
            err_set(why,
                    "migration %04lld_%.*s was applied to this database but is not in this "
                    "program; use the program version that wrote it, or a newer one",
                    (long long)number, (int)name.size, (const char *)name.data);
            r = RES_CORRUPT;
        } else if (!span_equal(sha256, span_text(mine->sha256, 64))) {
            err_set(why,
                    "migration %04d_%s was changed after it had been applied to this database; "
                    "restore the file and put the change into a new migration",
                    mine->number, mine->name);
            r = RES_CORRUPT;
        }
    }
    PQclear(rows);
    if (r == RES_OK) {
        *ret_applied = (size_t)applied;
    }
    return r;
}

static enum res apply(struct pg_conn *c, const struct pg_migrations *m,
                      const struct pg_migration *one, struct err *why)
{
    enum res r = command(c, why, "BEGIN; SET LOCAL ROLE %s; SET LOCAL search_path = %s", m->owner,
                         m->schema);
    if (r == RES_OK) {
        r = pg_conn_command(c, one->sql, why);
    }
    if (r == RES_OK) {
        r = command(c, why,
                    "INSERT INTO %s.schema_migration (number, name, sha256) "
                    "VALUES (%d, '%s', '%s'); COMMIT",
                    m->schema, one->number, one->name, one->sha256);
    }
    if (r != RES_OK) {
        err_prefix(why, "migration %04d_%s", one->number, one->name);
        enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
        (void)undone; /* the first failure is the one to tell */
    }
    return r;
}

enum res pg_migrate(struct pg_conn *c, const struct pg_migrations *m, size_t *ret_applied,
                    struct err *why)
{
    /* Held by the session: creating the schema is inside too. */
    enum res r = pg_conn_command(c, "SELECT pg_advisory_lock(" LOCK_KEY ")", why);
    if (r != RES_OK) {
        return r;
    }
    size_t applied = 0;
    size_t done = 0;
    r = prepare_schema(c, m, why);
    if (r == RES_OK) {
        r = check_applied(c, m, &applied, why);
    }
    for (size_t i = applied; r == RES_OK && i < m->count; i++) {
        r = apply(c, m, &m->list[i], why);
        done += r == RES_OK ? 1 : 0;
    }
    enum res unlocked = pg_conn_command(c, "SELECT pg_advisory_unlock(" LOCK_KEY ")", NULL);
    (void)unlocked; /* a lost connection has released it */
    if (r == RES_OK) {
        *ret_applied = done;
    }
    return r;
}
