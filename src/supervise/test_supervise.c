#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "supervise.h"

static char directory[] = "/tmp/endcap-supervise-XXXXXX";
static char log_path[FILE_PATH_BYTES_MAX];

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ||
           file_path(log_path, NULL, "%s/service.log", directory) != RES_OK;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(log_path);
    return rmdir(directory);
}

static struct supervise_service shell(const char *const argv[])
{
    return (struct supervise_service){.name = "shell",
                                      .argv = argv,
                                      .stop_signal = SIGTERM,
                                      .log_path = log_path,
                                      .ready_ms_max = 2000};
}

static void starts_again_what_was_killed(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/sleep", "60", NULL};
    struct supervise_service service = shell(argv);
    assert_int_equal(supervise_start(&service, NULL, NULL), RES_OK);
    pid_t first = service.pid;
    assert_int_equal(kill(first, SIGKILL), 0);
    for (int i = 0; i < 100 && (service.pid == first || service.pid == 0); i++) {
        supervise_step(&service, 1, 50, NULL, NULL);
    }
    assert_int_not_equal(service.pid, 0);
    assert_int_not_equal(service.pid, first);
    assert_int_equal(service.restarts, 1);
    pid_t second = service.pid;
    assert_true(supervise_stop(&service, 1));
    assert_int_equal(kill(second, 0), -1); /* nothing is left */
}

static enum res never_ready(void *context, struct err *why)
{
    (void)context;
    err_set(why, "nobody listens");
    return RES_AGAIN;
}

static void an_early_end_names_the_log(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/false", NULL};
    struct supervise_service service = shell(argv);
    service.ready = never_ready;
    struct err why = {0};
    assert_int_equal(supervise_start(&service, NULL, &why), RES_UNAVAILABLE);
    assert_non_null(strstr(why.text, log_path));
    assert_int_equal(service.pid, 0);
}

static void an_early_end_gives_the_last_words(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/sh", "-c", "echo first; echo the disk is full; exit 1",
                                       NULL};
    struct supervise_service services[2] = {shell(argv), shell(argv)};
    services[0].ready = never_ready;
    struct err why = {0};
    assert_int_equal(supervise_start(&services[0], NULL, &why), RES_UNAVAILABLE);
    assert_non_null(strstr(why.text, "saying: the disk is full"));
    /* Started without waiting, and found to have ended by whoever waits next. */
    assert_int_equal(supervise_start(&services[1], NULL, NULL), RES_OK);
    bool found = false;
    for (int i = 0; i < 200 && !found; i++) {
        struct timespec moment = {.tv_nsec = 10000000};
        (void)nanosleep(&moment, NULL);
        memset(&why, 0, sizeof why);
        found = supervise_ended_early(services, 2, &why);
    }
    assert_true(found);
    assert_non_null(strstr(why.text, "saying: the disk is full"));
}

static void a_service_that_never_serves_is_reported(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/sleep", "60", NULL};
    struct supervise_service service = shell(argv);
    service.ready = never_ready;
    service.ready_ms_max = 100;
    struct err why = {0};
    assert_int_equal(supervise_start(&service, NULL, &why), RES_UNAVAILABLE);
    assert_non_null(strstr(why.text, "nobody listens"));
    assert_true(supervise_stop(&service, 1));
}

static void a_missing_program_is_one_sentence(void **state)
{
    (void)state;
    static const char *const argv[] = {"/nonexistent/server", NULL};
    struct supervise_service service = shell(argv);
    struct err why = {0};
    assert_int_equal(supervise_start(&service, NULL, &why), RES_UNAVAILABLE);
    assert_non_null(strstr(why.text, "/nonexistent/server"));
}

static void stops_every_service(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/sleep", "60", NULL};
    struct supervise_service services[2] = {shell(argv), shell(argv)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(supervise_start(&services[i], NULL, NULL), RES_OK);
    }
    pid_t pids[2] = {services[0].pid, services[1].pid};
    assert_true(supervise_stop(services, 2));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(services[i].pid, 0);
        assert_int_equal(kill(pids[i], 0), -1);
    }
}

static void children_end_with_a_killed_supervisor(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t supervisor = fork();
    assert_true(supervisor >= 0);
    if (supervisor == 0) {
        static const char *const argv[] = {"/bin/sleep", "60", NULL};
        struct supervise_service service = shell(argv);
        if (supervise_start(&service, NULL, NULL) != RES_OK ||
            write(pipe_fds[1], &service.pid, sizeof service.pid) != sizeof service.pid) {
            _exit(1);
        }
        (void)pause();
        _exit(0);
    }
    pid_t child = 0;
    assert_int_equal(read(pipe_fds[0], &child, sizeof child), sizeof child);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    struct timespec moment = {.tv_nsec = 10000000};
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++) {
        /* A zombie waiting for init still answers kill; its status file tells. */
        char path[64];
        char status[512] = "";
        size_t size = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
        gone = file_read(path, status, sizeof status, &size, NULL) != RES_OK ||
               strstr(status, ") Z ") != NULL;
        (void)nanosleep(&moment, NULL);
    }
    assert_true(gone);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_again_what_was_killed),
        cmocka_unit_test(an_early_end_names_the_log),
        cmocka_unit_test(an_early_end_gives_the_last_words),
        cmocka_unit_test(a_service_that_never_serves_is_reported),
        cmocka_unit_test(a_missing_program_is_one_sentence),
        cmocka_unit_test(stops_every_service),
        cmocka_unit_test(children_end_with_a_killed_supervisor),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
