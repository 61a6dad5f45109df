#include "day_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "timestamp.h"

#define HEAD_KIND      "DAY1"
#define SUFFIX         ".telemetry"
#define NAME_BYTES     10 /* YYYY-MM-DD */
#define BUSY_WAIT_MS   10000
#define CACHE_KIB      "512"
#define CHECKPOINT_MAX "2000" /* pages in the log before they move into the file */

/* The exact text SQLite keeps of each table: compared at open, so that damage to the schema cannot
 * change what a query means. */
static const char *const schema[] = {
    "CREATE TABLE block(number INTEGER PRIMARY KEY, record BLOB NOT NULL)",
    "CREATE TABLE page(number INTEGER PRIMARY KEY, record BLOB NOT NULL)",
    "CREATE TABLE segment(number INTEGER PRIMARY KEY, record BLOB NOT NULL)",
    "CREATE TABLE head(number INTEGER PRIMARY KEY, record BLOB NOT NULL)",
};
#define SCHEMA_TABLES (sizeof schema / sizeof schema[0])
#define TABLE_HEAD    DAY_FILE_TABLES /* index of the head's statements */

static const char *const table_names[] = {"block", "page", "segment", "head"};
static const char *const record_kinds[] = {BLOCK_CODEC_KIND, BLOCK_INDEX_PAGE_KIND,
                                           BLOCK_INDEX_SEGMENT_KIND, HEAD_KIND};

enum control { BEGIN_READ, BEGIN_WRITE, COMMIT, ROLLBACK, CONTROLS };
static const char *const control_texts[] = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"};

struct day_file {
    sqlite3 *db;
    int64_t day;
    char path[PATH_MAX];
    sqlite3_stmt *get[SCHEMA_TABLES];
    sqlite3_stmt *put[SCHEMA_TABLES];
    sqlite3_stmt *remove;
    sqlite3_stmt *control[CONTROLS];
    struct sealed_buffer head;
};

enum res day_file_path(const char *directory, int64_t day, char *path, size_t size)
{
    int year = 0;
    unsigned month = 0;
    unsigned of_month = 0;
    timestamp_civil(day, &year, &month, &of_month);
    int length = snprintf(path, size, "%s/%04d-%02u-%02u" SUFFIX, directory, year, month, of_month);
    return length > 0 && (size_t)length < size ? RES_OK : RES_LIMIT;
}

bool day_file_day(const char *name, int64_t *ret_day)
{
    if (strlen(name) != NAME_BYTES + sizeof SUFFIX - 1 || strcmp(name + NAME_BYTES, SUFFIX) != 0) {
        return false;
    }
    char text[TIMESTAMP_TEXT_BYTES + 1];
    int64_t time_ms = 0;
    (void)snprintf(text, sizeof text, "%.10sT00:00:00.000Z", name);
    if (timestamp_read(span_text(text, sizeof text - 1), &time_ms) != RES_OK) {
        return false;
    }
    *ret_day = time_ms / TIMESTAMP_DAY_MS;
    return true;
}

int64_t day_file_number(const struct day_file *f)
{
    return f->day;
}

enum res day_file_corrupt(const struct day_file *f, enum day_file_table table, int64_t number,
                          struct err *why)
{
    err_set(why,
            "%s is damaged: its %s %lld is missing or fails its check; restore the file from a "
            "backup or its archive",
            f->path, table_names[table], (long long)number);
    return RES_CORRUPT;
}

/* One result and one sentence for what SQLite says. It keeps the errno of a failed commit to
 * itself: the callers clear errno before a step. */
static enum res failed(sqlite3 *db, const char *path, int code, struct err *why)
{
    int number = db == NULL || sqlite3_system_errno(db) == 0 ? errno : sqlite3_system_errno(db);
    int primary = code & 0xff;
    if (primary == SQLITE_FULL ||
        (primary == SQLITE_IOERR && (number == ENOSPC || number == EDQUOT || number == EFBIG ||
                                     code == SQLITE_IOERR_SHMSIZE))) {
        err_set(why,
                "The disk is full, so %s cannot grow; free space or move the telemetry directory "
                "(nothing of this batch was written)",
                path);
        return RES_FULL;
    }
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_ERROR ||
        primary == SQLITE_MISMATCH || primary == SQLITE_FORMAT || primary == SQLITE_CONSTRAINT ||
        code == SQLITE_IOERR_SHORT_READ) {
        err_set(why, "%s is damaged (%s); restore it from a backup or its archive", path,
                db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db));
        return RES_CORRUPT;
    }
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
        err_set(why, "Another writer holds %s for more than %d ms; try again", path, BUSY_WAIT_MS);
        return RES_AGAIN;
    }
    if (primary == SQLITE_NOMEM) {
        err_set(why, "Not enough memory to use %s", path);
        return RES_NO_MEMORY;
    }
    if (primary == SQLITE_PERM || primary == SQLITE_READONLY || number == EACCES) {
        err_set(why, "May not open or write %s; check the owner and permissions of its directory",
                path);
        return RES_DENIED;
    }
    err_set(why, "Cannot read or write %s: %s%s%s; check the disk", path, sqlite3_errstr(code),
            number != 0 ? ", " : "", number != 0 ? strerror(number) : "");
    return RES_IO;
}

static enum res run(sqlite3 *db, const char *path, const char *sql, struct err *why)
{
    errno = 0;
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? RES_OK : failed(db, path, sqlite3_extended_errcode(db), why);
}

static enum res encode_head(struct sealed_buffer *b, int64_t day, const struct day_file_head *head)
{
    enum res r = sealed_start(b, HEAD_KIND);
    if (r == RES_OK) {
        r = sealed_buffer_reserve(b, 11 * 8 + sizeof head->archive);
    }
    if (r != RES_OK) {
        return r;
    }
    const int64_t numbers[] = {head->blocks,   head->indexed,  head->pages,
                               head->segments, head->events,   head->body_bytes,
                               head->time_min, head->time_max, head->archived_events};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sealed_put_fixed(b, (uint64_t)numbers[i]);
    }
    sealed_put(b, span_text(head->archive, sizeof head->archive - 1));
    return sealed_finish(b, day, 1);
}

static enum res decode_head(struct span content, struct day_file_head *ret)
{
    struct sealed_reader in = sealed_reader_of(content);
    struct day_file_head head = {0};
    int64_t *const numbers[] = {&head.blocks,   &head.indexed,  &head.pages,
                                &head.segments, &head.events,   &head.body_bytes,
                                &head.time_min, &head.time_max, &head.archived_events};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        *numbers[i] = (int64_t)sealed_get_fixed(&in);
    }
    size_t rest = (size_t)(in.end - in.at);
    if (in.bad ||
        span_copy_text(sealed_get(&in, rest), head.archive, sizeof head.archive) != RES_OK) {
        return RES_CORRUPT;
    }
    *ret = head;
    return RES_OK;
}

/* ---- making a file ---- */

static enum res fill_new(const char *path, int64_t day, struct err *why)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *put = NULL;
    struct sealed_buffer b = {0};
    const struct day_file_head head = {0};
    enum res r = encode_head(&b, day, &head);
    if (r != RES_OK) {
        err_set(why, "Not enough memory to make %s", path);
        return r;
    }
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    r = code == SQLITE_OK ? RES_OK : failed(db, path, code, why);
    if (r == RES_OK) {
        r = run(db, path, "PRAGMA page_size=4096; PRAGMA synchronous=FULL; BEGIN IMMEDIATE", why);
    }
    for (size_t i = 0; i < SCHEMA_TABLES && r == RES_OK; i++) {
        r = run(db, path, schema[i], why);
    }
    if (r == RES_OK) {
        code = sqlite3_prepare_v2(db, "INSERT INTO head VALUES(1, ?)", -1, &put, NULL);
        if (code == SQLITE_OK) {
            code = sqlite3_bind_blob(put, 1, b.data, (int)b.size, SQLITE_STATIC);
        }
        if (code != SQLITE_OK || sqlite3_step(put) != SQLITE_DONE) {
            r = failed(db, path, sqlite3_extended_errcode(db), why);
        }
        (void)sqlite3_finalize(put);
    }
    if (r == RES_OK) {
        r = run(db, path, "COMMIT; PRAGMA journal_mode=WAL", why);
    }
    if (db != NULL && sqlite3_close(db) != SQLITE_OK && r == RES_OK) {
        r = RES_IO;
    }
    sealed_buffer_deinit(&b);
    return r;
}

static enum res sync_directory(const char *directory, struct err *why)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum res r = RES_OK;
    if (fd < 0 || fsync(fd) != 0) {
        err_set(why, "Cannot sync the directory %s: %s", directory, strerror(errno));
        r = RES_IO;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return r;
}

static enum res create_failed(const char *path, int number, struct err *why)
{
    if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
        return failed(NULL, path, SQLITE_FULL, why);
    }
    err_set(why, "Cannot create %s: %s; check the directory and its permissions", path,
            strerror(number));
    return number == EACCES || number == EPERM ? RES_DENIED : RES_IO;
}

enum res day_file_create(const char *directory, int64_t day, struct err *why)
{
    char path[PATH_MAX];
    char draft[PATH_MAX];
    enum res r = day_file_path(directory, day, path, sizeof path);
    int length = snprintf(draft, sizeof draft, "%s/new-day.XXXXXX", directory);
    if (r != RES_OK || length < 0 || (size_t)length >= sizeof draft) {
        err_set(why, "The telemetry directory's name %s is too long", directory);
        return RES_LIMIT;
    }
    if (access(path, F_OK) == 0) {
        return RES_OK;
    }
    int fd = mkostemp(draft, O_CLOEXEC); /* mode 0600; the log files take it over */
    if (fd < 0) {
        return create_failed(path, errno, why);
    }
    (void)close(fd);
    r = fill_new(draft, day, why);
    if (r == RES_OK && renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
        if (errno != EEXIST) { /* another writer was first: its file is as good */
            r = create_failed(path, errno, why);
        }
        (void)unlink(draft);
        return r;
    }
    if (r != RES_OK) {
        (void)unlink(draft);
        return r;
    }
    return sync_directory(directory, why);
}

/* ---- opening one ---- */

static enum res check_schema(struct day_file *f, struct err *why)
{
    sqlite3_stmt *list = NULL;
    int code =
        sqlite3_prepare_v2(f->db, "SELECT sql FROM sqlite_schema ORDER BY rowid", -1, &list, NULL);
    if (code != SQLITE_OK) {
        return failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
    }
    size_t same = 0;
    size_t rows = 0;
    while ((code = sqlite3_step(list)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(list, 0);
        same += rows < SCHEMA_TABLES && sql != NULL && strcmp(sql, schema[rows]) == 0;
        rows++;
    }
    enum res r = RES_OK;
    if (code != SQLITE_DONE) {
        r = failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
    } else if (rows != SCHEMA_TABLES || same != SCHEMA_TABLES) {
        err_set(why, "%s is damaged: its tables are not ours; restore it from a backup or archive",
                f->path);
        r = RES_CORRUPT;
    }
    (void)sqlite3_finalize(list);
    return r;
}

static enum res prepare_all(struct day_file *f, bool write, struct err *why)
{
    int code = SQLITE_OK;
    char sql[128];
    for (size_t i = 0; i < SCHEMA_TABLES && code == SQLITE_OK; i++) {
        (void)snprintf(
            sql, sizeof sql,
            "SELECT number, record FROM %s WHERE number <= ? ORDER BY number DESC LIMIT 1",
            table_names[i]);
        code = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &f->get[i], NULL);
        if (code == SQLITE_OK && write) {
            (void)snprintf(sql, sizeof sql, "INSERT %sINTO %s VALUES(?, ?)",
                           i == TABLE_HEAD ? "OR REPLACE " : "", table_names[i]);
            code = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &f->put[i], NULL);
        }
    }
    for (size_t i = 0; i < CONTROLS && code == SQLITE_OK; i++) {
        code = sqlite3_prepare_v3(f->db, control_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &f->control[i], NULL);
    }
    if (code == SQLITE_OK && write) {
        code = sqlite3_prepare_v3(f->db, "DELETE FROM block WHERE number BETWEEN ? AND ?", -1,
                                  SQLITE_PREPARE_PERSISTENT, &f->remove, NULL);
    }
    return code == SQLITE_OK ? RES_OK
                             : failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
}

static enum res set_up(struct day_file *f, bool write, enum telemetry_sync sync, struct err *why)
{
    (void)sqlite3_extended_result_codes(f->db, 1);
    (void)sqlite3_busy_timeout(f->db, BUSY_WAIT_MS);
    (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    enum res r = run(f->db, f->path,
                     "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                     "PRAGMA cache_size=-" CACHE_KIB ";"
                     "PRAGMA wal_autocheckpoint=" CHECKPOINT_MAX,
                     why);
    if (r == RES_OK) {
        r = run(f->db, f->path,
                sync == TELEMETRY_SYNC_OFF ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL",
                why);
    }
    if (r == RES_OK) {
        r = check_schema(f, why);
    }
    return r == RES_OK ? prepare_all(f, write, why) : r;
}

enum res day_file_open(const char *directory, int64_t day, bool write, enum telemetry_sync sync,
                       struct day_file **ret, struct err *why)
{
    struct day_file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        err_set(why, "Not enough memory to open a day of telemetry");
        return RES_NO_MEMORY;
    }
    f->day = day;
    enum res r = day_file_path(directory, day, f->path, sizeof f->path);
    if (r != RES_OK) {
        err_set(why, "The telemetry directory's name %s is too long", directory);
        goto out;
    }
    if (access(f->path, F_OK) != 0) {
        err_set(why, "There is no telemetry of that day: %s does not exist", f->path);
        r = RES_NOT_FOUND;
        goto out;
    }
    errno = 0;
    int flags = (write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(f->path, &f->db, flags, NULL);
    if (code != SQLITE_OK) {
        r = failed(f->db, f->path, code, why);
        goto out;
    }
    r = set_up(f, write, sync, why);
    if (r == RES_OK) {
        *ret = f;
        f = NULL;
    }
out:
    day_file_close(f);
    return r;
}

void day_file_close(struct day_file *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < SCHEMA_TABLES; i++) {
        (void)sqlite3_finalize(f->get[i]);
        (void)sqlite3_finalize(f->put[i]);
    }
    (void)sqlite3_finalize(f->remove);
    for (size_t i = 0; i < CONTROLS; i++) {
        (void)sqlite3_finalize(f->control[i]);
    }
    (void)sqlite3_close(f->db);
    sealed_buffer_deinit(&f->head);
    free(f);
}

/* ---- reading and writing ---- */

static enum res control(struct day_file *f, enum control what, struct err *why)
{
    errno = 0;
    int code = sqlite3_step(f->control[what]);
    enum res r =
        code == SQLITE_DONE ? RES_OK : failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
    (void)sqlite3_reset(f->control[what]);
    return r;
}

enum res day_file_begin(struct day_file *f, bool write, struct err *why)
{
    return control(f, write ? BEGIN_WRITE : BEGIN_READ, why);
}

static void reset_gets(struct day_file *f)
{
    for (size_t i = 0; i < SCHEMA_TABLES; i++) {
        (void)sqlite3_reset(f->get[i]);
    }
}

enum res day_file_commit(struct day_file *f, struct err *why)
{
    reset_gets(f);
    enum res r = control(f, COMMIT, why);
    if (r != RES_OK) {
        day_file_cancel(f);
    }
    return r;
}

void day_file_cancel(struct day_file *f)
{
    reset_gets(f);
    if (sqlite3_get_autocommit(f->db) == 0) { /* else SQLite has rolled back by itself */
        (void)sqlite3_step(f->control[ROLLBACK]);
        (void)sqlite3_reset(f->control[ROLLBACK]);
    }
}

static enum res get(struct day_file *f, size_t table, int64_t number, int64_t *ret_number,
                    struct span *ret_content, struct err *why)
{
    sqlite3_stmt *s = f->get[table];
    (void)sqlite3_reset(s);
    (void)sqlite3_bind_int64(s, 1, number);
    errno = 0;
    int code = sqlite3_step(s);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
    }
    if (code == SQLITE_DONE || sqlite3_column_type(s, 1) != SQLITE_BLOB) {
        return RES_CORRUPT;
    }
    const void *data = sqlite3_column_blob(s, 1);
    int size = sqlite3_column_bytes(s, 1);
    if (data == NULL) {
        /* no bytes, or no memory for them */
        return sqlite3_errcode(f->db) == SQLITE_NOMEM ? RES_NO_MEMORY : RES_CORRUPT;
    }
    int64_t found = sqlite3_column_int64(s, 0);
    enum res r =
        sealed_open(span_of(data, (size_t)size), record_kinds[table], f->day, found, ret_content);
    if (r == RES_OK) {
        *ret_number = found;
    }
    return r;
}

static enum res put(struct day_file *f, size_t table, int64_t number, struct span record,
                    struct err *why)
{
    sqlite3_stmt *s = f->put[table];
    if (record.size > INT_MAX) {
        return RES_LIMIT;
    }
    (void)sqlite3_bind_int64(s, 1, number);
    (void)sqlite3_bind_blob(s, 2, record.data, (int)record.size, SQLITE_STATIC);
    errno = 0;
    int code = sqlite3_step(s);
    enum res r =
        code == SQLITE_DONE ? RES_OK : failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    return r;
}

enum res day_file_head(struct day_file *f, struct day_file_head *ret, struct err *why)
{
    struct span content = SPAN_NONE;
    int64_t number = 0;
    enum res r = get(f, TABLE_HEAD, 1, &number, &content, why);
    if (r == RES_OK) {
        r = number == 1 ? decode_head(content, ret) : RES_CORRUPT;
    }
    (void)sqlite3_reset(f->get[TABLE_HEAD]);
    if (r == RES_CORRUPT) {
        err_set(why,
                "%s is damaged: its head fails its check; restore the file from a backup or its "
                "archive",
                f->path);
    }
    return r;
}

enum res day_file_put_head(struct day_file *f, const struct day_file_head *head, struct err *why)
{
    enum res r = encode_head(&f->head, f->day, head);
    if (r != RES_OK) {
        err_set(why, "Not enough memory to write %s", f->path);
        return r;
    }
    return put(f, TABLE_HEAD, 1, span_of(f->head.data, f->head.size), why);
}

enum res day_file_get(struct day_file *f, enum day_file_table table, int64_t number,
                      int64_t *ret_number, struct span *ret_content, struct err *why)
{
    enum res r = get(f, table, number, ret_number, ret_content, why);
    return r == RES_CORRUPT ? day_file_corrupt(f, table, number, why) : r;
}

enum res day_file_put(struct day_file *f, enum day_file_table table, int64_t number,
                      struct span record, struct err *why)
{
    return put(f, table, number, record, why);
}

enum res day_file_remove(struct day_file *f, int64_t first, int64_t last, struct err *why)
{
    (void)sqlite3_bind_int64(f->remove, 1, first);
    (void)sqlite3_bind_int64(f->remove, 2, last);
    errno = 0;
    int code = sqlite3_step(f->remove);
    enum res r =
        code == SQLITE_DONE ? RES_OK : failed(f->db, f->path, sqlite3_extended_errcode(f->db), why);
    (void)sqlite3_reset(f->remove);
    return r;
}

void day_file_settle(struct day_file *f)
{
    /* The log is as durable as the file: a reader in the way only delays this. */
    (void)sqlite3_busy_timeout(f->db, 0);
    (void)sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(f->db, BUSY_WAIT_MS);
}
