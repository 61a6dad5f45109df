/* What only a driver on files of its own can be asked: damage, death and a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "block_codec.h"
#include "telemetry_fixture.h"
#include "timestamp.h"

#define NOON_MS INT64_C(1795262400000)
#define FILE_OF "2026-11-21.telemetry"

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes read_file(const char *directory, const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    struct bytes b = {malloc((size_t)about.st_size), (size_t)about.st_size};
    assert_non_null(b.data);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(b.data, 1, b.size, file), b.size);
    (void)fclose(file);
    return b;
}

static void write_file(const char *directory, const char *name, struct bytes b)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b.data, 1, b.size, file), b.size);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *directory, const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    (void)unlink(path);
}

static void fill(struct telemetry_fixture *x, struct telemetry *t, size_t blocks)
{
    struct telemetry_fixture_event events[12];
    for (size_t b = 0; b < blocks; b++) {
        for (size_t i = 0; i < 12; i++) {
            size_t n = x->count + i;
            telemetry_fixture_event_of(&events[i], (unsigned)(n % 5), 1, (int64_t)(n / 5) + 1,
                                       NOON_MS + (int64_t)n * 10);
        }
        telemetry_fixture_append(x, t, events, 12, NOON_MS);
    }
}

/* Everything the port can be asked. RES_OK and *ret_wrong, or the first error. */
static enum res ask_everything(struct telemetry_fixture *x, struct telemetry *t, bool *ret_wrong,
                               struct err *why)
{
    const struct telemetry_filter all = {.from_ms = 0};
    const struct telemetry_filter session = {.session_id = SPAN_LIT("CART-0002.1.21")};
    const struct telemetry_filter store = {.store_id = SPAN_LIT("STORE-1"), .type_mask = 9};
    bool wrong[5] = {false};
    enum res r = telemetry_fixture_check_stream(x, t, "CART-0003", 1, 0, 1000, &wrong[0], why);
    if (r == RES_OK) {
        r = telemetry_fixture_check_query(x, t, &session, 100, &wrong[1], why);
    }
    if (r == RES_OK) {
        r = telemetry_fixture_check_query(x, t, &store, 1000, &wrong[2], why);
    }
    if (r == RES_OK) {
        r = telemetry_fixture_check_query(x, t, &all, 1000, &wrong[3], why);
    }
    if (r == RES_OK) {
        struct telemetry_totals totals;
        r = telemetry_totals(t, &totals, why);
        wrong[4] = r == RES_OK && totals.events != (int64_t)x->count;
    }
    *ret_wrong = wrong[0] || wrong[1] || wrong[2] || wrong[3] || wrong[4];
    return r;
}

static enum res open_reader(const char *directory, struct telemetry **ret, struct err *why)
{
    const struct telemetry_settings settings = {directory, NULL, TELEMETRY_SYNC_OFF};
    return telemetry_open(&settings, ret, why);
}

/* R7: one flipped bit anywhere in the file is found or does no harm; never a wrong answer. */
static void never_answers_wrongly_after_one_flipped_bit(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, telemetry_fixture_seed());
    struct telemetry_fixture x;
    struct telemetry_fixture copy;
    telemetry_fixture_init(&x);
    telemetry_fixture_init(&copy);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    fill(&x, t, 270); /* merged blocks in an index segment, and blocks beyond it */
    telemetry_close(t);
    struct bytes file = read_file(x.directory, FILE_OF);
    int found = 0;
    for (int i = 0; i < 600; i++) {
        /* half of them where SQLite keeps its own: the start of a page */
        size_t at = rng_below(&rng, file.size);
        if (i % 2 != 0) {
            at = at / 4096 * 4096 + rng_below(&rng, 128);
        }
        uint8_t bit = (uint8_t)(1u << rng_below(&rng, 8));
        struct err why = {""};
        bool wrong = false;
        struct telemetry *reader = NULL;
        file.data[at] ^= bit;
        write_file(copy.directory, FILE_OF, file);
        file.data[at] ^= bit;
        enum res r = open_reader(copy.directory, &reader, &why);
        if (r == RES_OK) {
            r = ask_everything(&x, reader, &wrong, &why);
        }
        telemetry_close(reader);
        remove_file(copy.directory, FILE_OF "-wal");
        remove_file(copy.directory, FILE_OF "-shm");
        if (wrong || (r != RES_OK && (r != RES_CORRUPT || strstr(why.text, FILE_OF) == NULL))) {
            fail_msg("byte %zu bit %u: %s %s %s", at, bit, res_name(r), why.text,
                     wrong ? "wrong answer" : "");
        }
        found += r == RES_CORRUPT;
    }
    print_message("%d of 600 flips found, the others did no harm\n", found);
    assert_true(found > 100);
    free(file.data);
    telemetry_fixture_deinit(&copy);
    telemetry_fixture_deinit(&x);
}

static void names_the_block_that_is_damaged(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    fill(&x, t, 3);
    telemetry_close(t);
    struct bytes file = read_file(x.directory, FILE_OF);
    size_t at = 0;
    int seen = 0;
    while (at + 4 < file.size && !(memcmp(file.data + at, "BLK1", 4) == 0 && ++seen == 2)) {
        at++;
    }
    uint8_t number = file.data[at + 12];
    file.data[at + 60] ^= 1;
    write_file(x.directory, FILE_OF, file);
    struct err why = {""};
    bool wrong = false;
    char words[32];
    struct telemetry *reader = NULL;
    assert_int_equal(open_reader(x.directory, &reader, &why), RES_OK);
    assert_int_equal(ask_everything(&x, reader, &wrong, &why), RES_CORRUPT);
    (void)snprintf(words, sizeof words, "block %u ", number);
    assert_non_null(strstr(why.text, words));
    telemetry_close(reader);
    free(file.data);
    telemetry_fixture_deinit(&x);
}

static void refuses_a_file_that_was_cut_short_or_emptied(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
    fill(&x, t, 20);
    telemetry_close(t);
    struct bytes file = read_file(x.directory, FILE_OF);
    const size_t sizes[] = {0, 100, 4096, file.size / 2, file.size - 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct err why = {""};
        bool wrong = false;
        struct telemetry *reader = NULL;
        write_file(x.directory, FILE_OF, (struct bytes){file.data, sizes[i]});
        enum res r = open_reader(x.directory, &reader, &why);
        if (r == RES_OK) {
            r = ask_everything(&x, reader, &wrong, &why);
        }
        assert_int_equal(r, RES_CORRUPT);
        telemetry_close(reader);
        const struct telemetry_settings settings = {x.directory, "ingest-1", TELEMETRY_SYNC_OFF};
        struct telemetry *writer = NULL;
        if (sizes[i] < file.size / 2) {
            assert_int_equal(telemetry_open(&settings, &writer, &why), RES_CORRUPT);
        }
        remove_file(x.directory, FILE_OF "-wal");
        remove_file(x.directory, FILE_OF "-shm");
    }
    free(file.data);
    telemetry_fixture_deinit(&x);
}

/* ---- death of the writer ---- */

/* Appends for ever; says each acknowledged position on the pipe. */
static void append_until_killed(struct telemetry_fixture *x, int pipe_fd)
{
    struct telemetry *t = telemetry_fixture_open(x, "ingest-1");
    for (;;) {
        fill(x, t, 1);
        telemetry_position position = x->events[x->count - 1].position;
        if (write(pipe_fd, &position, sizeof position) != (ssize_t)sizeof position) {
            _exit(1);
        }
    }
}

/* Forks a writer, lets it acknowledge `batches`, kills it somewhere in the next; brings x up to
 * date with what was acknowledged. */
static void kill_a_writer(struct telemetry_fixture *x, size_t batches, struct rng *rng)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        append_until_killed(x, ends[1]);
    }
    (void)close(ends[1]);
    size_t acknowledged = 0;
    telemetry_position position = 0;
    struct telemetry_fixture_event *made = calloc(12, sizeof *made);
    assert_non_null(made);
    while (read(ends[0], &position, sizeof position) == (ssize_t)sizeof position) {
        for (size_t i = 0; i < 12; i++) {
            size_t n = x->count + i;
            telemetry_fixture_event_of(&made[i], (unsigned)(n % 5), 1, (int64_t)(n / 5) + 1,
                                       NOON_MS + (int64_t)n * 10);
            made[i].position = position;
            made[i].order = n;
        }
        x->events = realloc(x->events, (x->count + 12) * sizeof *x->events);
        assert_non_null(x->events);
        memcpy(x->events + x->count, made, 12 * sizeof *made);
        x->count += 12;
        x->room = x->count;
        if (++acknowledged == batches) {
            for (uint64_t spin = rng_below(rng, 300000); spin > 0; spin--) {
                __asm__ volatile("");
            }
            assert_int_equal(kill(child, SIGKILL), 0);
        }
    }
    (void)close(ends[0]);
    free(made);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

struct extra {
    struct telemetry_fixture_check check;
    size_t beyond; /* whole batches that were durable but not yet acknowledged */
};

static enum res visit_with_extra(void *user, const struct telemetry_event *event,
                                 telemetry_position position)
{
    struct extra *e = user;
    if (e->check.seen == e->check.count) {
        e->beyond++;
        return RES_OK;
    }
    return telemetry_fixture_visit(&e->check, event, position);
}

static void loses_no_acknowledged_batch_to_kill_9(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, telemetry_fixture_seed());
    for (int round = 0; round < 25; round++) {
        struct telemetry_fixture x;
        telemetry_fixture_init(&x);
        size_t batches = 1 + rng_below(&rng, round % 8 == 0 ? 150 : 20);
        kill_a_writer(&x, batches, &rng);
        size_t *wanted = calloc(x.count, sizeof *wanted);
        assert_non_null(wanted);
        for (size_t i = 0; i < x.count; i++) {
            wanted[i] = i;
        }
        struct err why = {""};
        struct extra extra = {.check = {.x = &x, .wanted = wanted, .count = x.count}};
        struct telemetry *t = telemetry_fixture_open(&x, "ingest-1");
        assert_int_equal(telemetry_tail(t, "ingest-1", 0, visit_with_extra, &extra, &why), RES_OK);
        assert_int_equal(extra.check.seen, x.count);
        assert_false(extra.check.wrong);
        assert_true(extra.beyond == 0 || extra.beyond == 12); /* all of a batch or nothing */
        telemetry_position last = x.events[x.count - 1].position;
        fill(&x, t, 1);
        assert_true(x.events[x.count - 1].position > last);
        free(wanted);
        telemetry_close(t);
        telemetry_fixture_deinit(&x);
    }
}

/* SQLite ends a log at its first damaged frame without a word; whoever remembers an acknowledged
 * position, as PostgreSQL does, learns of it from telemetry_tail. */
static void tells_who_remembers_a_position_that_the_log_lost_its_end(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, telemetry_fixture_seed());
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    kill_a_writer(&x, 15, &rng);
    telemetry_position last = x.events[x.count - 1].position;
    struct bytes file = read_file(x.directory, FILE_OF);
    struct bytes log = read_file(x.directory, FILE_OF "-wal");
    size_t *wanted = calloc(x.count, sizeof *wanted);
    assert_non_null(wanted);
    for (size_t i = 0; i < x.count; i++) {
        wanted[i] = i;
    }
    for (int i = 0; i < 100; i++) {
        struct err why = {""};
        struct telemetry *reader = NULL;
        struct extra extra = {.check = {.x = &x, .wanted = wanted, .count = x.count}};
        size_t at = rng_below(&rng, log.size);
        write_file(x.directory, FILE_OF, file);
        remove_file(x.directory, FILE_OF "-shm");
        log.data[at] ^= 1;
        write_file(x.directory, FILE_OF "-wal", log);
        log.data[at] ^= 1;
        assert_int_equal(open_reader(x.directory, &reader, &why), RES_OK);
        enum res known = telemetry_tail(reader, "ingest-1", last, visit_with_extra, &extra, &why);
        extra = (struct extra){.check = {.x = &x, .wanted = wanted, .count = x.count}};
        enum res r = telemetry_tail(reader, "ingest-1", 0, visit_with_extra, &extra, &why);
        assert_false(extra.check.wrong);
        if (r != RES_OK || extra.check.seen < x.count) {
            assert_int_equal(known, RES_CORRUPT);
        }
        telemetry_close(reader);
    }
    free(wanted);
    free(file.data);
    free(log.data);
    telemetry_fixture_deinit(&x);
}

/* ---- a full disk ---- */

/* Appends until there is no room, makes room, goes on. Exit status 0: all as it should be. */
static int fill_the_disk(struct telemetry_fixture *x, const struct rlimit *more,
                         const char *ballast)
{
    struct telemetry *t = telemetry_fixture_open(x, "ingest-1");
    struct telemetry_fixture_event e[12];
    struct telemetry_event views[12];
    struct err why = {""};
    enum res r = RES_OK;
    for (int i = 0; i < 5000 && r == RES_OK; i++) {
        telemetry_position position = 0;
        size_t before = x->count;
        for (size_t k = 0; k < 12; k++) {
            telemetry_fixture_event_of(&e[k], (unsigned)k, 1, (int64_t)before + 1, NOON_MS + i);
            views[k] = telemetry_fixture_view(&e[k]);
        }
        r = telemetry_append(t, views, 12, NOON_MS, &position, &why);
        if (r == RES_OK) {
            x->events = realloc(x->events, (x->count + 12) * sizeof *x->events);
            for (size_t k = 0; k < 12; k++) {
                e[k].position = position;
                e[k].order = x->count;
                x->events[x->count++] = e[k];
            }
            x->room = x->count;
        }
    }
    if (r != RES_FULL || x->count < 24 || strstr(why.text, "disk is full") == NULL) {
        (void)fprintf(stderr, "%s after %zu: %s\n", res_name(r), x->count, why.text);
        return 1;
    }
    bool wrong = true;
    const struct telemetry_filter all = {.from_ms = 0};
    if (telemetry_fixture_check_query(x, t, &all, 1000, &wrong, &why) != RES_OK || wrong) {
        (void)fprintf(stderr, "reading when full: %s\n", why.text);
        return 2;
    }
    if (more != NULL) {
        (void)setrlimit(RLIMIT_FSIZE, more);
    }
    if (ballast != NULL) {
        (void)unlink(ballast);
    }
    telemetry_fixture_append(x, t, e, 12, NOON_MS);
    if (telemetry_fixture_check_query(x, t, &all, 1000, &wrong, &why) != RES_OK || wrong) {
        return 3;
    }
    telemetry_close(t);
    t = telemetry_fixture_open(x, "ingest-1");
    if (telemetry_fixture_check_query(x, t, &all, 1000, &wrong, &why) != RES_OK || wrong) {
        return 4;
    }
    telemetry_close(t);
    return 0;
}

static void says_full_when_a_file_may_not_grow_and_goes_on_when_it_may(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit before;
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)getrlimit(RLIMIT_FSIZE, &before);
        struct rlimit less = {600000, before.rlim_max};
        (void)setrlimit(RLIMIT_FSIZE, &less);
        _exit(fill_the_disk(&x, &before, NULL));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    telemetry_fixture_deinit(&x);
}

#define NO_MOUNT 77

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

/* A mount namespace of our own, and when we are not root a user namespace in which we are. */
static bool leave_the_mounts(void)
{
    char users[32];
    char groups[32];
    if (geteuid() == 0) {
        return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    }
    (void)snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", users) &&
           write_text("/proc/self/gid_map", groups) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* On a disk of its own. */
static int fill_a_small_disk(struct telemetry_fixture *x)
{
    char ballast[128];
    if (!leave_the_mounts() || mount("tmpfs", x->directory, "tmpfs", 0, "size=1500k") != 0) {
        return NO_MOUNT;
    }
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", x->directory);
    int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, 700000) != 0) {
        return 5;
    }
    (void)close(fd);
    return fill_the_disk(x, NULL, ballast);
}

static void says_full_when_the_disk_is_and_goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct telemetry_fixture x;
    telemetry_fixture_init(&x);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(fill_a_small_disk(&x));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_MOUNT) {
        print_message("no mount namespace here: the limit on file size has to do\n");
    } else {
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    telemetry_fixture_deinit(&x);
}

static void says_what_to_do_about_a_directory_it_cannot_use(void **state)
{
    (void)state;
    struct telemetry *t = NULL;
    struct err why = {""};
    const struct telemetry_settings none = {"/nonexistent/telemetry", NULL, TELEMETRY_SYNC_FULL};
    assert_int_equal(telemetry_open(&none, &t, &why), RES_IO);
    assert_non_null(strstr(why.text, "/nonexistent/telemetry"));
    const struct telemetry_settings writer = {"/nonexistent/telemetry", "w", TELEMETRY_SYNC_FULL};
    assert_int_equal(telemetry_open(&writer, &t, &why), RES_IO);
    assert_null(t);
}

/* A type is shifted by when it is looked for: no record may bring one that is out of range. */
static void refuses_a_block_whose_event_has_no_possible_type(void **state)
{
    (void)state;
    struct block_codec *codec = NULL;
    assert_int_equal(block_codec_new(&codec), RES_OK);
    for (unsigned type = 0; type <= UINT8_MAX; type++) {
        struct telemetry_fixture_event made;
        telemetry_fixture_event_of(&made, 1, 1, 1, NOON_MS);
        made.type = (uint8_t)type;
        const struct telemetry_event event = telemetry_fixture_view(&made);
        const struct block_codec_block block = {SPAN_LIT("w"), &event, NULL, 1, 0};
        struct sealed_buffer record = {.data = NULL};
        struct span content = SPAN_NONE;
        struct block_codec_block found;
        assert_int_equal(block_codec_encode(codec, &block, type % 2 == 0, &record), RES_OK);
        assert_int_equal(sealed_finish(&record, 1, 1), RES_OK);
        assert_int_equal(
            sealed_open(span_of(record.data, record.size), BLOCK_CODEC_KIND, 1, 1, &content),
            RES_OK);
        assert_int_equal(block_codec_decode(codec, content, &found),
                         type < TELEMETRY_TYPES_MAX ? RES_OK : RES_CORRUPT);
        sealed_buffer_deinit(&record);
    }
    block_codec_free(codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_answers_wrongly_after_one_flipped_bit),
        cmocka_unit_test(names_the_block_that_is_damaged),
        cmocka_unit_test(refuses_a_file_that_was_cut_short_or_emptied),
        cmocka_unit_test(loses_no_acknowledged_batch_to_kill_9),
        cmocka_unit_test(tells_who_remembers_a_position_that_the_log_lost_its_end),
        cmocka_unit_test(says_full_when_a_file_may_not_grow_and_goes_on_when_it_may),
        cmocka_unit_test(says_full_when_the_disk_is_and_goes_on_when_there_is_room),
        cmocka_unit_test(says_what_to_do_about_a_directory_it_cannot_use),
        cmocka_unit_test(refuses_a_block_whose_event_has_no_possible_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
