#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define POLL_MS       20
#define EXIT_NO_EXEC  127
#define EXIT_NO_SETUP 126

static void sleep_ms(int64_t ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become_service(const struct supervise_service *service, const struct passwd *user,
                           int log_fd, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    /* A terminal's Ctrl-C reaches the supervisor alone, which stops us in order. */
    (void)setpgid(0, 0);
    if (user != NULL && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
                         setuid(user->pw_uid) != 0 || setuid(0) == 0)) {
        _exit(EXIT_NO_SETUP);
    }
    /* After setuid, which would clear it. */
    if (prctl(PR_SET_PDEATHSIG, service->stop_signal) != 0 || getppid() != parent) {
        _exit(EXIT_NO_SETUP);
    }
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0) {
        _exit(EXIT_NO_SETUP);
    }
    if (service->become != NULL) {
        service->become(service->context);
        _exit(EXIT_NO_EXEC);
    }
    /* execv takes char *const[] for history's sake; it does not write to them. */
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = service->argv};
    (void)execv(service->argv[0], argv.out);
    _exit(EXIT_NO_EXEC);
}

static enum res spawn(struct supervise_service *service, struct err *why)
{
    struct passwd *user = NULL;
    if (service->user != NULL && geteuid() == 0) {
        user = getpwnam(service->user);
        if (user == NULL) {
            err_set(why, "there is no system user `%s` to run %s as; run script/setup",
                    service->user, service->name);
            return RES_NOT_FOUND;
        }
    }
    if (service->become == NULL && access(service->argv[0], X_OK) != 0) {
        err_set(why, "cannot run %s: %s: %s; run script/setup or name another in endcap.conf",
                service->name, service->argv[0], strerror(errno));
        return RES_UNAVAILABLE;
    }
    int log_fd = open(service->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log_fd < 0) {
        err_set(why, "cannot write %s: %s", service->log_path, strerror(errno));
        return RES_IO;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_service(service, user, log_fd, parent);
    }
    int error = errno;
    (void)close(log_fd);
    if (pid < 0) {
        err_set(why, "cannot start %s: %s", service->name, strerror(error));
        return RES_UNAVAILABLE;
    }
    service->pid = pid;
    service->started_ms = clock_monotonic_ms();
    return RES_OK;
}

static bool has_ended(struct supervise_service *service, int *ret_status)
{
    pid_t reaped;
    do {
        reaped = waitpid(service->pid, ret_status, WNOHANG);
    } while (reaped < 0 && errno == EINTR);
    return reaped != 0;
}

#define LAST_WORDS_MAX 300

/* The last line a service wrote, which is usually its reason for ending. */
static void last_words(const char *path, char ret_line[LAST_WORDS_MAX])
{
    char tail[LAST_WORDS_MAX];
    ret_line[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)sizeof tail - 1 ? end - ((off_t)sizeof tail - 1) : 0;
    ssize_t size = pread(fd, tail, sizeof tail - 1, from);
    (void)close(fd);
    while (size > 0 && tail[size - 1] == '\n') {
        size--;
    }
    if (size <= 0) {
        return;
    }
    tail[size] = '\0';
    const char *newline = strrchr(tail, '\n');
    const char *line = newline == NULL ? tail : newline + 1;
    memcpy(ret_line, line, strlen(line) + 1);
}

static void explain_end(const struct supervise_service *service, struct err *why)
{
    char line[LAST_WORDS_MAX];
    last_words(service->log_path, line);
    err_set(why, "%s ended at its start, saying: %s (its log is %s)", service->name,
            line[0] == '\0' ? "nothing" : line, service->log_path);
}

bool supervise_ended_early(struct supervise_service *services, size_t count, struct err *why)
{
    for (size_t i = 0; i < count; i++) {
        int status = 0;
        if (services[i].pid > 0 && has_ended(&services[i], &status)) {
            services[i].pid = 0;
            explain_end(&services[i], why);
            return true;
        }
    }
    return false;
}

enum res supervise_start(struct supervise_service *service, const volatile int *stop,
                         struct err *why)
{
    service->restart_delay_ms = SUPERVISE_RESTART_MS_LEAST;
    enum res r = spawn(service, why);
    if (r != RES_OK) {
        return r;
    }
    struct err last = {.text = "it did not answer"};
    while (clock_monotonic_ms() - service->started_ms < service->ready_ms_max) {
        int status = 0;
        if (has_ended(service, &status)) {
            service->pid = 0;
            explain_end(service, why);
            return RES_UNAVAILABLE;
        }
        if (stop != NULL && *stop != 0) {
            err_set(why, "stopped while %s was starting", service->name);
            return RES_AGAIN;
        }
        r = service->ready == NULL ? RES_OK : service->ready(service->context, &last);
        if (r != RES_AGAIN) {
            if (r != RES_OK && why != NULL) {
                *why = last;
            }
            return r;
        }
        sleep_ms(POLL_MS);
    }
    err_set(why, "%s was not ready after %lld s (%.200s); the end of %s says more", service->name,
            (long long)(service->ready_ms_max / 1000), last.text, service->log_path);
    return RES_UNAVAILABLE;
}

static void plan_restart(struct supervise_service *service)
{
    int64_t now = clock_monotonic_ms();
    if (now - service->started_ms >= SUPERVISE_STEADY_MS) {
        service->restart_delay_ms = SUPERVISE_RESTART_MS_LEAST;
    }
    service->pid = 0;
    service->restarts++;
    service->restart_at_ms = now + service->restart_delay_ms;
    service->restart_delay_ms *= 2;
    if (service->restart_delay_ms > SUPERVISE_RESTART_MS_MOST) {
        service->restart_delay_ms = SUPERVISE_RESTART_MS_MOST;
    }
}

void supervise_step(struct supervise_service *services, size_t count, int64_t wait_ms,
                    supervise_tell ended, void *context)
{
    int64_t until = clock_monotonic_ms() + wait_ms;
    do {
        for (size_t i = 0; i < count; i++) {
            struct supervise_service *service = &services[i];
            int status = 0;
            if (service->pid > 0 && has_ended(service, &status)) {
                plan_restart(service);
                if (ended != NULL) {
                    ended(context, service, status);
                }
            }
            if (service->pid == 0 && service->restart_at_ms > 0 &&
                clock_monotonic_ms() >= service->restart_at_ms && spawn(service, NULL) != RES_OK) {
                service->started_ms = clock_monotonic_ms();
                plan_restart(service);
            }
        }
        int64_t left = until - clock_monotonic_ms();
        sleep_ms(left > POLL_MS ? POLL_MS : left > 0 ? left : 0);
    } while (clock_monotonic_ms() < until);
}

bool supervise_stop(struct supervise_service *services, size_t count)
{
    bool orderly = true;
    for (size_t i = count; i-- > 0;) {
        struct supervise_service *service = &services[i];
        if (service->pid <= 0) {
            continue;
        }
        (void)kill(service->pid, service->stop_signal);
        int64_t until = clock_monotonic_ms() + SUPERVISE_STOP_MS;
        int status = 0;
        bool gone = has_ended(service, &status);
        while (!gone && clock_monotonic_ms() < until) {
            sleep_ms(POLL_MS);
            gone = has_ended(service, &status);
        }
        if (!gone) {
            orderly = false;
            (void)kill(service->pid, SIGKILL);
            (void)waitpid(service->pid, &status, 0);
        }
        service->pid = 0;
        service->restart_at_ms = 0;
    }
    return orderly;
}
