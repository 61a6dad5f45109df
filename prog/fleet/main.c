/* endcap-fleet: thousands of virtual devices; its text is in fleet_options.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "fleet_control.h"
#include "fleet_options.h"
#include "log.h"

#define TURN_MS_MAX 1000
#define PROGRESS_MS 500

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static struct world {
    struct fleet_options options;
    struct fleet_world fleet;
    struct fleet_action_plan plan;
    struct fleet_control *control;
} world;

static enum res take_signals(struct err *why)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGPIPE, &ignored, NULL) != 0) {
        err_set(why, "cannot install signal handlers: %s", strerror(errno));
        return RES_IO;
    }
    return RES_OK;
}

static void show_progress(struct world *w, int64_t *last_ms, bool end)
{
    int64_t now_ms = w->fleet.loop.now_ms;
    if (w->options.quiet || isatty(STDERR_FILENO) != 1 ||
        (!end && now_ms - *last_ms < PROGRESS_MS)) {
        return;
    }
    *last_ms = now_ms;
    (void)fputs("\r\033[K", stderr);
    fleet_report_line(&w->fleet, stderr);
    (void)fputs(end ? "\n" : "", stderr);
    (void)fflush(stderr);
}

static bool is_over(const struct world *w)
{
    int64_t passed_ms = w->fleet.loop.now_ms - w->fleet.begun_ms;
    return stop_asked != 0 || (w->control != NULL && fleet_control_is_over(w->control)) ||
           (w->options.seconds > 0 && passed_ms >= w->options.seconds * 1000);
}

static void run(struct world *w)
{
    int64_t shown_ms = 0;
    while (!is_over(w)) {
        int64_t wait_ms = fleet_action_step(&w->plan, &w->fleet);
        int64_t control_ms = w->control == NULL ? INT64_MAX : fleet_control_step(w->control);
        wait_ms = control_ms < wait_ms ? control_ms : wait_ms;
        fleet_world_turn(&w->fleet, wait_ms < TURN_MS_MAX ? wait_ms : TURN_MS_MAX);
        show_progress(w, &shown_ms, false);
    }
    show_progress(w, &shown_ms, true);
}

static enum res report(const struct world *w, struct err *why)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        err_set(why, "no memory for the report");
        return RES_NO_MEMORY;
    }
    fleet_report_stats(&w->fleet, out);
    (void)fputc('\n', out);
    (void)fclose(out);
    enum res r = RES_OK;
    if (w->options.json) {
        (void)fputs(text, stdout);
    }
    if (w->options.report_file != NULL) {
        r = file_write(w->options.report_file, text, size, 0644, why);
    }
    free(text);
    return r;
}

static enum res open_all(struct world *w, struct err *why)
{
    enum res r = take_signals(why);
    if (r == RES_OK) {
        r = fleet_world_open(&w->fleet, &w->options.world, why);
    }
    if (r == RES_OK && w->options.script_file != NULL) {
        r = fleet_action_script(&w->plan, &w->fleet, w->options.script_file, why);
    }
    if (r == RES_OK && w->options.control_path != NULL) {
        r = fleet_control_open(w->options.control_path, &w->fleet, &w->plan, &w->control, why);
    }
    return r;
}

int main(int argc, char **argv)
{
    struct err why = {""};
    struct world *w = &world;
    enum res r = fleet_options_read(&w->options, argc, argv, &why);
    if (r == RES_NOT_FOUND) {
        return 0;
    }
    if (r != RES_OK) {
        (void)fprintf(stderr, "endcap-fleet: %s\n", why.text);
        return 2;
    }
    log_init("endcap-fleet", LOG_INFO);
    r = open_all(w, &why);
    if (r == RES_OK) {
        run(w);
        r = report(w, &why);
    }
    fleet_control_close(w->control);
    fleet_action_forget(&w->plan);
    fleet_world_close(&w->fleet);
    if (r != RES_OK) {
        (void)fprintf(stderr, "endcap-fleet: %s\n", why.text);
        return 1;
    }
    return 0;
}
