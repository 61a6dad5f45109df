#include "pos_step.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "pos_sync.h"

#define NAME_BYTES_MAX  200 /* with what is put before and behind it, below NAME_MAX */
#define STORE_BYTES_MAX 24
#define FULL_ENDING     ".full.csv"
#define ENDING          ".csv"
#define FOLDER_MODE     0750

struct drop {
    struct pg_conn *c;
    int64_t now_ms;
    const char *store_id;
    const char *directory; /* of the store */
    int folder;            /* the same, open */
    const char *name;
    int file;
    struct stat stat;
    struct err *why;
};

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name);
    size_t tail = strlen(ending);
    return size > tail && strcmp(name + size - tail, ending) == 0;
}

static enum res fail(struct drop *d, const char *what)
{
    int error = errno;
    err_set(d->why, "cannot %s %s/%.200s: %s", what, d->directory, d->name, strerror(error));
    return RES_IO;
}

/* ---- the report and the move ---- */

/* In quotes; what a spreadsheet would take for a formula gets an apostrophe in front. */
static void put_field(FILE *out, const char *text)
{
    (void)fputc('"', out);
    if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL) {
        (void)fputc('\'', out);
    }
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            (void)fputc('"', out);
        }
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

static void print_report(FILE *out, const struct pos_sync_result *result)
{
    const struct catalog_import_summary *s = &result->summary;
    size_t i = 0;
    json_t *row = NULL;
    (void)fprintf(out,
                  "state,read,added,changed,repriced,deleted,refused\r\n"
                  "%s,%lld,%lld,%lld,%lld,%lld,%lld\r\n\r\nline,field,value,constraint\r\n",
                  pos_sync_state_name(result->state), (long long)s->read, (long long)s->added,
                  (long long)s->changed, (long long)s->repriced, (long long)s->deleted,
                  (long long)s->refused);
    json_array_foreach(result->refusals, i, row)
    {
        (void)fprintf(out, "%lld,", (long long)json_integer_value(json_object_get(row, "line")));
        put_field(out, json_string_value(json_object_get(row, "field")));
        (void)fputc(',', out);
        put_field(out, json_string_value(json_object_get(row, "value")));
        (void)fputc(',', out);
        put_field(out, json_string_value(json_object_get(row, "constraint")));
        (void)fputs("\r\n", out);
    }
}

static enum res write_report(struct drop *d, const char *path, const struct pos_sync_result *result)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        err_set(d->why, "out of memory for a report");
        return RES_NO_MEMORY;
    }
    print_report(out, result);
    enum res r = fclose(out) == 0 ? file_write(path, text, size, 0640, d->why) : RES_NO_MEMORY;
    free(text);
    return r;
}

/* The report first: a file in done/ or refused/ always has its own. */
static enum res put_away(struct drop *d, const struct pos_sync_result *result)
{
    const char *folder = result->state == POS_SYNC_REFUSED ? "refused" : "done";
    char path[FILE_PATH_BYTES_MAX];
    char name[NAME_BYTES_MAX + 64];
    (void)snprintf(name, sizeof name, "%s/%lld-%s", folder, (long long)d->now_ms, d->name);
    enum res r = file_path(path, d->why, "%s/%s", d->directory, folder);
    if (r == RES_OK) {
        r = file_make_directory(path, FOLDER_MODE, d->why);
    }
    if (r == RES_OK) {
        r = file_path(path, d->why, "%s/%s.report.csv", d->directory, name);
    }
    if (r == RES_OK) {
        r = write_report(d, path, result);
    }
    if (r == RES_OK && renameat(d->folder, d->name, d->folder, name) != 0) {
        r = fail(d, "move");
    }
    return r;
}

/* ---- one file ---- */

static struct pos_sync_result refused_whole(const char *constraint)
{
    return (struct pos_sync_result){.state = POS_SYNC_REFUSED,
                                    .summary = {.refused = 1},
                                    .refusals =
                                        json_pack("[{s:i, s:s, s:s, s:s}]", "line", 1, "field",
                                                  "row", "value", "", "constraint", constraint)};
}

static enum res sync_content(struct drop *d, struct span content, struct pos_sync_result *ret)
{
    const struct pos_sync_order order = {.store_id = d->store_id,
                                         .channel = POS_SYNC_DROP,
                                         .full = ends_with(d->name, FULL_ENDING),
                                         .content = content,
                                         .csv = content};
    enum res r = pos_sync_run(d->c, &order, ret, d->why);
    if (r == RES_NOT_FOUND) { /* a folder for a store there is not */
        *ret = refused_whole(d->why->text);
        r = RES_OK;
    }
    return r;
}

static enum res take_file(struct drop *d)
{
    struct pos_sync_result result = {.refusals = NULL};
    size_t size = (size_t)d->stat.st_size;
    enum res r = RES_OK;
    if (size > POS_STEP_BYTES_MAX) {
        result = refused_whole("the file is larger than 64 MiB");
    } else if (size == 0) {
        r = sync_content(d, SPAN_LIT(""), &result);
    } else {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, d->file, 0);
        if (data == MAP_FAILED) {
            return fail(d, "read");
        }
        r = sync_content(d, span_of(data, size), &result);
        (void)munmap(data, size);
    }
    if (r == RES_OK) {
        r = put_away(d, &result);
    }
    pos_sync_result_deinit(&result);
    return r;
}

/* Locked, still at its name, a plain file, and settled. RES_AGAIN: not now. */
static enum res open_file(struct drop *d)
{
    struct stat now;
    d->file = openat(d->folder, d->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (d->file < 0) {
        return errno == ENOENT || errno == ELOOP ? RES_AGAIN : fail(d, "open");
    }
    if (flock(d->file, LOCK_EX | LOCK_NB) != 0 || fstat(d->file, &d->stat) != 0 ||
        fstatat(d->folder, d->name, &now, AT_SYMLINK_NOFOLLOW) != 0 ||
        now.st_ino != d->stat.st_ino || !S_ISREG(d->stat.st_mode)) {
        return RES_AGAIN;
    }
    int64_t written_ms = (int64_t)d->stat.st_mtim.tv_sec * 1000 + d->stat.st_mtim.tv_nsec / 1000000;
    return d->now_ms - written_ms < POS_STEP_SETTLED_MS ? RES_AGAIN : RES_OK;
}

/* *ret_taken: it was this file's turn. */
static enum res try_file(struct drop *d, bool *ret_taken)
{
    enum res r = open_file(d);
    *ret_taken = r == RES_OK;
    if (r == RES_OK) {
        r = take_file(d);
    }
    if (d->file >= 0) {
        (void)close(d->file);
    }
    return r == RES_AGAIN && !*ret_taken ? RES_OK : r;
}

/* ---- folders ---- */

static int is_upload(const struct dirent *e)
{
    return e->d_name[0] != '.' && strlen(e->d_name) <= NAME_BYTES_MAX &&
           ends_with(e->d_name, ENDING);
}

static int is_store(const struct dirent *e)
{
    size_t size = strspn(e->d_name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    return size >= 3 && size <= STORE_BYTES_MAX && e->d_name[size] == '\0';
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

static enum res take_store(struct drop *d, int *files)
{
    struct dirent **names = NULL;
    d->folder = open(d->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->folder < 0) {
        return RES_OK; /* a file that is named like a store, or gone meanwhile */
    }
    int count = scandir(d->directory, &names, is_upload, alphasort);
    enum res r = RES_OK;
    for (int i = 0; r == RES_OK && i < count && *files < POS_STEP_FILES_MAX; i++) {
        bool taken = false;
        d->name = names[i]->d_name;
        r = try_file(d, &taken);
        *files += taken ? 1 : 0;
    }
    free_names(names, count < 0 ? 0 : count);
    (void)close(d->folder);
    return r;
}

enum res pos_step(const char *directory, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct dirent **stores = NULL;
    int count = scandir(directory, &stores, is_store, alphasort);
    if (count < 0) {
        return RES_OK; /* nobody drops anything */
    }
    enum res r = RES_OK;
    int files = 0;
    for (int i = 0; r == RES_OK && i < count && files < POS_STEP_FILES_MAX; i++) {
        char path[FILE_PATH_BYTES_MAX];
        struct drop d = {.c = c, .now_ms = now_ms, .store_id = stores[i]->d_name, .why = why};
        r = file_path(path, why, "%s/%s", directory, stores[i]->d_name);
        d.directory = path;
        if (r == RES_OK) {
            r = take_store(&d, &files);
        }
    }
    free_names(stores, count);
    return r;
}
