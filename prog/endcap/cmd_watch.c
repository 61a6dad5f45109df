#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "command_line.h"
#include "commands.h"
#include "install_settings.h"
#include "watch_view.h"

#define TIMEOUT_MS     3000
#define INTERVAL_S_MAX 3600

struct options {
    const char *data;
    long port; /* 0: as the installation says */
    long interval_s;
    bool once;
    bool json;
};

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static void help(void)
{
    printf("usage: endcap watch [--data DIR] [options]\n\n"
           "Shows what a running installation does: trips, events, rejected messages, alerts and\n"
           "the state of its parts. Redrawn in place on a terminal, a line a reading elsewhere.\n\n"
           "  --data DIR      the installation ($ENDCAP_DATA, else ./endcap-data)\n"
           "  --port N        its REST port (default: what DIR/run/api.port says)\n"
           "  --interval S    seconds between readings (1)\n"
           "  --once          one reading; exit code 1 when the REST face does not answer\n"
           "  --json          one JSON object a reading\n\n"
           "NO_COLOR in the environment turns colours off.\n");
}

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {{"data", required_argument, NULL, 'd'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"interval", required_argument, NULL, 'i'},
                                          {"once", no_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c = 0;
    while ((c = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        bool fine = true;
        switch (c) {
        case 'd':
            o->data = optarg;
            break;
        case 'p':
            fine = command_line_number(optarg, 1, 65535, &o->port);
            break;
        case 'i':
            fine = command_line_number(optarg, 1, INTERVAL_S_MAX, &o->interval_s);
            break;
        case 'o':
            o->once = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            help();
            return 0;
        default:
            return command_line_bad_option("watch", argv, c);
        }
        if (!fine) {
            fprintf(stderr, "endcap watch: \"%s\" is out of range; see `endcap watch --help`\n",
                    optarg);
            return COMMAND_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "endcap watch: \"%s\" is not an option; see `endcap watch --help`\n",
                argv[optind]);
        return COMMAND_USAGE;
    }
    return -1;
}

/* What the running REST face wrote, asked again at every reading: a restart may move it. 0: nothing
 * is there yet. */
static uint16_t find_port(const struct options *o, const char *root)
{
    char path[FILE_PATH_BYTES_MAX];
    char text[16];
    size_t size = 0;
    long port = o->port;
    if (port == 0 && file_path(path, NULL, "%s/run/api.port", root) == RES_OK &&
        file_read(path, text, sizeof text, &size, NULL) == RES_OK) {
        port = strtol(text, NULL, 10);
    }
    return port > 0 && port <= 65535 ? (uint16_t)port : 0;
}

/* no-color.org: set and not empty. */
static bool colour_wanted(void)
{
    const char *no = getenv("NO_COLOR");
    return no == NULL || no[0] == '\0';
}

/* A terminal that does not say is taken for a usual one. */
static bool is_wide(void)
{
    struct winsize size = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
           size.ws_col >= WATCH_VIEW_COLUMNS;
}

/* Over what was drawn before. */
static void draw(const struct watch_data *d, const struct watch_data *before, struct sink *s)
{
    static unsigned drawn;
    if (drawn > 0) {
        sink_text(s, "\x1b[");
        sink_i64(s, drawn);
        sink_text(s, "A\x1b[J");
    }
    /* Without wrapping: a line cut short on a narrow terminal is still one line to go up. */
    sink_text(s, "\x1b[?7l");
    drawn = watch_view_block(d, before, is_wide(), colour_wanted(), s);
    sink_text(s, "\x1b[?7h");
}

static bool print(const struct options *o, const struct watch_data *d,
                  const struct watch_data *before, bool in_place)
{
    char text[WATCH_VIEW_BYTES_MAX];
    struct sink s;
    sink_init(&s, text, sizeof text);
    if (o->json) {
        watch_view_json(d, before, &s);
    } else if (in_place) {
        draw(d, before, &s);
    } else {
        watch_view_line(d, before, &s);
    }
    return fwrite(text, 1, s.size, stdout) == s.size && fflush(stdout) == 0;
}

static int watch(const struct options *o, const char *root)
{
    bool in_place = !o->json && isatty(STDOUT_FILENO) == 1;
    struct watch_data before;
    struct watch_data now;
    bool first = true;
    while (stop_asked == 0) {
        uint16_t port = find_port(o, root);
        watch_data_read(port, TIMEOUT_MS, &now);
        if (!print(o, &now, first ? NULL : &before, in_place)) {
            return COMMAND_FAILED; /* whoever read us has gone */
        }
        if (o->once) {
            return now.reachable ? 0 : COMMAND_FAILED;
        }
        before = now;
        first = false;
        struct timespec pause = {o->interval_s, 0};
        (void)nanosleep(&pause, NULL); /* a signal ends it early */
    }
    return 0;
}

int cmd_watch(int argc, char **argv)
{
    struct options o = {.interval_s = 1};
    char root[FILE_PATH_BYTES_MAX] = "";
    struct err why = {.text = ""};
    int code = read_options(argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    if (o.port == 0 && install_settings_root(o.data, false, root, &why) != RES_OK) {
        fprintf(stderr, "endcap watch: %s\n", why.text);
        return COMMAND_FAILED;
    }
    /* A second signal ends it at once, should a reading hang. */
    struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    return watch(&o, root);
}
