#include "pg_conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct statement {
    char *sql; /* owned */
    bool prepared;
    unsigned generation; /* part of its name on the server */
};

struct pg_conn {
    PGconn *pq;
    char *place;
    char *user;
    char *password_file;
    char *application;
    char *options;
    int statement_timeout_ms;
    struct statement statements[PG_STATEMENTS_MAX];
    size_t statement_count;
    char sqlstate[6];
    char constraint[64];
    /* what the server still owes us in pipeline mode, in order */
    size_t owed;
    bool owed_is_prepare[PG_PIPELINE_MAX * 2];
    size_t queries;
};

static char *copy_of(const char *text)
{
    return strdup(text == NULL ? "" : text);
}

static void trim_line_end(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) {
        text[--n] = '\0';
    }
}

static enum res read_password(const char *path, char *password, size_t size, struct err *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set(why, "cannot read the password file %s: %s; check that it exists and is readable",
                path, strerror(errno));
        return RES_IO;
    }
    ssize_t n = read(fd, password, size - 1);
    int saved = errno;
    (void)close(fd);
    if (n <= 0) {
        err_set(why, "cannot read the password file %s: %s", path,
                n < 0 ? strerror(saved) : "it is empty");
        return RES_IO;
    }
    password[n] = '\0';
    trim_line_end(password);
    return RES_OK;
}

/* libpq's messages end in a newline and may have several lines: a sentence has one. */
static void words(struct err *why, const char *what, const char *message)
{
    char line[360];
    (void)snprintf(line, sizeof line, "%s", message);
    trim_line_end(line);
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\t') {
            *at = ' ';
        }
    }
    err_set(why, "%s: %s", what, line[0] != '\0' ? line : "no reason given");
}

/* libpq would print the server's notices on standard error. */
static void pass_over(void *user, const char *message)
{
    (void)user;
    (void)message;
}

static enum res connect_now(struct pg_conn *c, struct err *why)
{
    char password[256] = "";
    if (c->password_file[0] != '\0') {
        enum res r = read_password(c->password_file, password, sizeof password, why);
        if (r != RES_OK) {
            return r;
        }
    }
    char timeout[16];
    char options[512];
    (void)snprintf(timeout, sizeof timeout, "%d", PG_CONNECT_TIMEOUT_S);
    int n = snprintf(options, sizeof options, "-c statement_timeout=%d %s", c->statement_timeout_ms,
                     c->options);
    assert(n > 0 && (size_t)n < sizeof options);
    /* libpq takes an empty password as none. */
    const char *const keys[] = {"dbname",          "user",    "password",        "application_name",
                                "connect_timeout", "options", "client_encoding", NULL};
    const char *const values[] = {c->place, c->user, password, c->application,
                                  timeout,  options, "UTF8",   NULL};
    c->pq = PQconnectdbParams(keys, values, 1);
    OPENSSL_cleanse(password, sizeof password);
    if (c->pq == NULL) {
        err_set(why, "out of memory while connecting to PostgreSQL");
        return RES_NO_MEMORY;
    }
    if (PQstatus(c->pq) != CONNECTION_OK) {
        bool refused =
            PQconnectionNeedsPassword(c->pq) == 1 || PQconnectionUsedPassword(c->pq) == 1;
        char what[128];
        (void)snprintf(what, sizeof what, "PostgreSQL cannot be reached as %.64s", c->user);
        words(why, what, PQerrorMessage(c->pq));
        PQfinish(c->pq);
        c->pq = NULL;
        return refused ? RES_DENIED : RES_UNAVAILABLE;
    }
    (void)PQsetNoticeProcessor(c->pq, pass_over, NULL);
    return RES_OK;
}

enum res pg_conn_open(const struct pg_conn_settings *settings, struct pg_conn **ret,
                      struct err *why)
{
    struct pg_conn *c = calloc(1, sizeof *c);
    enum res r = RES_NO_MEMORY;
    if (c == NULL) {
        goto out;
    }
    c->place = copy_of(settings->place);
    c->user = copy_of(settings->user);
    c->password_file = copy_of(settings->password_file);
    c->application = copy_of(settings->application);
    c->options = copy_of(settings->options);
    c->statement_timeout_ms = settings->statement_timeout_ms;
    if (c->place == NULL || c->user == NULL || c->password_file == NULL || c->application == NULL ||
        c->options == NULL) {
        goto out;
    }
    r = connect_now(c, why);
    if (r == RES_OK) {
        *ret = c;
        c = NULL;
    }
out:
    if (r == RES_NO_MEMORY) {
        err_set(why, "out of memory while connecting to PostgreSQL");
    }
    pg_conn_close(c);
    return r;
}

void pg_conn_close(struct pg_conn *c)
{
    if (c == NULL) {
        return;
    }
    if (c->pq != NULL) {
        PQfinish(c->pq);
    }
    for (size_t i = 0; i < c->statement_count; i++) {
        free(c->statements[i].sql);
    }
    free(c->place);
    free(c->user);
    free(c->password_file);
    free(c->application);
    free(c->options);
    free(c);
}

enum res pg_conn_reconnect(struct pg_conn *c, struct err *why)
{
    if (c->pq != NULL) {
        PQfinish(c->pq);
        c->pq = NULL;
    }
    for (size_t i = 0; i < c->statement_count; i++) {
        c->statements[i].prepared = false;
    }
    c->owed = 0;
    c->queries = 0;
    return connect_now(c, why);
}

bool pg_conn_alive(const struct pg_conn *c)
{
    return c->pq != NULL && PQstatus(c->pq) == CONNECTION_OK;
}

PGconn *pg_conn_handle(struct pg_conn *c)
{
    return c->pq;
}

const char *pg_conn_sqlstate(const struct pg_conn *c)
{
    return c->sqlstate;
}

const char *pg_conn_constraint(const struct pg_conn *c)
{
    return c->constraint;
}

static enum res res_of_sqlstate(const char *s)
{
    static const struct {
        const char *prefix;
        enum res res;
    } table[] = {
        {"23505", RES_CONFLICT},    {"23P01", RES_CONFLICT},  {"23", RES_INVALID},
        {"22", RES_INVALID},        {"42501", RES_DENIED},    {"28", RES_DENIED},
        {"40", RES_AGAIN},          {"57014", RES_EXPIRED},   {"55P03", RES_AGAIN},
        {"53", RES_FULL},           {"57P", RES_UNAVAILABLE}, {"08", RES_UNAVAILABLE},
        {"25006", RES_UNAVAILABLE}, /* a standby */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strncmp(s, table[i].prefix, strlen(table[i].prefix)) == 0) {
            return table[i].res;
        }
    }
    return RES_IO;
}

/* Keeps what went wrong and says it. `rows` may be NULL: the connection broke. */
static enum res fail(struct pg_conn *c, const PGresult *rows, struct err *why)
{
    const char *state = rows == NULL ? NULL : PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    const char *name = rows == NULL ? NULL : PQresultErrorField(rows, PG_DIAG_CONSTRAINT_NAME);
    (void)snprintf(c->sqlstate, sizeof c->sqlstate, "%s", state == NULL ? "" : state);
    (void)snprintf(c->constraint, sizeof c->constraint, "%s", name == NULL ? "" : name);
    const char *primary = rows == NULL ? NULL : PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);
    if (primary == NULL) {
        primary = rows != NULL && PQresultErrorMessage(rows)[0] != '\0' ? PQresultErrorMessage(rows)
                                                                        : PQerrorMessage(c->pq);
    }
    if (state == NULL) {
        words(why, "PostgreSQL does not answer", primary);
        return PQstatus(c->pq) == CONNECTION_OK ? RES_IO : RES_UNAVAILABLE;
    }
    words(why, "PostgreSQL refused", primary);
    return res_of_sqlstate(state);
}

static enum res not_connected(struct err *why)
{
    err_set(why, "PostgreSQL is not connected; try again when it is back");
    return RES_UNAVAILABLE;
}

static enum res statement_of(struct pg_conn *c, const char *sql, size_t *ret, struct err *why)
{
    for (size_t i = 0; i < c->statement_count; i++) {
        if (strcmp(c->statements[i].sql, sql) == 0) {
            *ret = i;
            return RES_OK;
        }
    }
    if (c->statement_count == PG_STATEMENTS_MAX) {
        err_set(why, "more than %d different queries on one connection", PG_STATEMENTS_MAX);
        return RES_LIMIT;
    }
    char *own = strdup(sql);
    if (own == NULL) {
        err_set(why, "out of memory while preparing a query");
        return RES_NO_MEMORY;
    }
    c->statements[c->statement_count] = (struct statement){.sql = own};
    *ret = c->statement_count++;
    return RES_OK;
}

static void statement_name(const struct pg_conn *c, size_t at, char *name, size_t size)
{
    (void)snprintf(name, size, "s%zu_%u", at, c->statements[at].generation);
}

static const struct pg_params none;

static enum res check_params(const struct pg_params *p, struct err *why)
{
    if (p->texts_used > sizeof p->texts) {
        err_set(why, "the texts of one query exceed %zu bytes", sizeof p->texts);
        return RES_LIMIT;
    }
    return RES_OK;
}

enum res pg_conn_run(struct pg_conn *c, const char *sql, const struct pg_params *params,
                     PGresult **ret_rows, struct err *why)
{
    if (c->pq == NULL) {
        return not_connected(why);
    }
    const struct pg_params *p = params == NULL ? &none : params;
    c->sqlstate[0] = '\0'; /* of this query, not of one before */
    c->constraint[0] = '\0';
    size_t at = 0;
    enum res r = check_params(p, why);
    if (r == RES_OK) {
        r = statement_of(c, sql, &at, why);
    }
    if (r != RES_OK) {
        return r;
    }
    char name[32];
    statement_name(c, at, name, sizeof name);
    PGresult *rows = NULL;
    if (!c->statements[at].prepared) {
        rows = PQprepare(c->pq, name, sql, 0, NULL);
        if (PQresultStatus(rows) != PGRES_COMMAND_OK) {
            r = fail(c, rows, why);
            goto out;
        }
        c->statements[at].prepared = true;
        PQclear(rows);
    }
    rows = PQexecPrepared(c->pq, name, p->count, p->values, p->lengths, p->formats, 1);
    ExecStatusType status = PQresultStatus(rows);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        r = fail(c, rows, why);
        goto out;
    }
    if (ret_rows != NULL) {
        *ret_rows = rows;
        rows = NULL;
    }
out:
    PQclear(rows);
    return r;
}

enum res pg_conn_command(struct pg_conn *c, const char *sql, struct err *why)
{
    if (c->pq == NULL) {
        return not_connected(why);
    }
    PGresult *rows = PQexec(c->pq, sql);
    ExecStatusType status = PQresultStatus(rows);
    enum res r =
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY
            ? RES_OK
            : fail(c, rows, why);
    PQclear(rows);
    return r;
}

enum res pg_conn_end(struct pg_conn *c, enum res r, struct err *why)
{
    if (r == RES_OK) {
        return pg_conn_command(c, "COMMIT", why);
    }
    enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
    (void)undone; /* a connection that cannot roll back is dead, and so is its transaction */
    return r;
}

enum res pg_conn_pipeline_begin(struct pg_conn *c, struct err *why)
{
    if (c->pq == NULL) {
        return not_connected(why);
    }
    if (PQenterPipelineMode(c->pq) != 1) {
        return fail(c, NULL, why);
    }
    c->owed = 0;
    c->queries = 0;
    return RES_OK;
}

enum res pg_conn_pipeline_add(struct pg_conn *c, const char *sql, const struct pg_params *params,
                              struct err *why)
{
    if (c->pq == NULL) {
        return not_connected(why);
    }
    if (c->queries == PG_PIPELINE_MAX) {
        err_set(why, "more than %d queries in one pipeline", PG_PIPELINE_MAX);
        return RES_FULL;
    }
    const struct pg_params *p = params == NULL ? &none : params;
    size_t at = 0;
    enum res r = check_params(p, why);
    if (r == RES_OK) {
        r = statement_of(c, sql, &at, why);
    }
    if (r != RES_OK) {
        return r;
    }
    char name[32];
    statement_name(c, at, name, sizeof name);
    if (!c->statements[at].prepared) {
        if (PQsendPrepare(c->pq, name, sql, 0, NULL) != 1) {
            return fail(c, NULL, why);
        }
        c->owed_is_prepare[c->owed++] = true;
        c->statements[at].prepared = true;
    }
    if (PQsendQueryPrepared(c->pq, name, p->count, p->values, p->lengths, p->formats, 1) != 1) {
        return fail(c, NULL, why);
    }
    c->owed_is_prepare[c->owed++] = false;
    c->queries++;
    return RES_OK;
}

/* After a failed pipeline we cannot tell which of its new statements the server has: they get new
 * names. The old ones are dropped where the transaction allows it. */
static void forget_statements(struct pg_conn *c)
{
    for (size_t i = 0; i < c->statement_count; i++) {
        c->statements[i].prepared = false;
        c->statements[i].generation++;
    }
    if (pg_conn_alive(c) && PQtransactionStatus(c->pq) == PQTRANS_IDLE) {
        PQclear(PQexec(c->pq, "DEALLOCATE ALL"));
    }
}

static enum res collect(struct pg_conn *c, pg_conn_visit visit, void *user, struct err *why)
{
    enum res r = RES_OK;
    size_t index = 0;
    for (size_t i = 0; i < c->owed; i++) {
        PGresult *rows = PQgetResult(c->pq);
        ExecStatusType status = rows == NULL ? PGRES_FATAL_ERROR : PQresultStatus(rows);
        if (r == RES_OK && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            r = fail(c, rows, why);
        } else if (r == RES_OK && !c->owed_is_prepare[i] && visit != NULL) {
            r = visit(user, index, rows);
        }
        index += c->owed_is_prepare[i] ? 0 : 1;
        PQclear(rows);
        if (rows != NULL) {
            PGresult *end = PQgetResult(c->pq); /* NULL ends one query's results */
            assert(end == NULL || PQstatus(c->pq) != CONNECTION_OK);
            PQclear(end);
        }
    }
    return r;
}

enum res pg_conn_pipeline_finish(struct pg_conn *c, pg_conn_visit visit, void *user,
                                 struct err *why)
{
    if (c->pq == NULL) {
        return not_connected(why);
    }
    if (PQpipelineSync(c->pq) != 1) {
        return fail(c, NULL, why);
    }
    enum res r = collect(c, visit, user, why);
    PGresult *sync = PQgetResult(c->pq);
    if (r == RES_OK && PQresultStatus(sync) != PGRES_PIPELINE_SYNC) {
        r = fail(c, sync, why);
    }
    PQclear(sync);
    if (PQexitPipelineMode(c->pq) != 1 && r == RES_OK) {
        r = fail(c, NULL, why);
    }
    c->owed = 0;
    c->queries = 0;
    if (r != RES_OK) {
        forget_statements(c);
    }
    return r;
}
