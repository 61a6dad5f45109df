#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "command_line.h"
#include "commands.h"
#include "install_settings.h"
#include "log.h"
#include "service.h"

#define WORKERS_MAX  64
#define STOP_LOOK_MS 60000 /* a signal ends it early */

struct options {
    const char *data;
    const char *address;
    long port; /* -1: as the installation's settings say */
    long workers;
    enum log_level level;
};

static void help(void)
{
    printf("usage: endcap api [--data DIR] [options]\n\n"
           "Serves the REST face of an installation; `endcap up` starts it. Until there are\n"
           "accounts it listens on this machine's own addresses only.\n\n"
           "  --data DIR          the installation ($ENDCAP_DATA, else ./endcap-data)\n"
           "  --address ADDRESS   127.0.0.1 (the default) or ::1\n"
           "  --port N            0: one the system chooses (default: api_port of endcap.conf)\n"
           "  --workers N         requests worked on at a time, 1 to %d (32)\n"
           "  --log-level LEVEL   debug, info, warn or error (info)\n\n"
           "The port it listens on is written to DIR/run/api.port.\n",
           WORKERS_MAX);
}

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {{"data", required_argument, NULL, 'd'},
                                          {"address", required_argument, NULL, 'a'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"log-level", required_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c = 0;
    while ((c = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        bool fine = true;
        switch (c) {
        case 'd':
            o->data = optarg;
            break;
        case 'a':
            o->address = optarg;
            break;
        case 'p':
            fine = command_line_number(optarg, 0, 65535, &o->port);
            break;
        case 'w':
            fine = command_line_number(optarg, 1, WORKERS_MAX, &o->workers);
            break;
        case 'l':
            fine = command_line_level(optarg, &o->level);
            break;
        case 'h':
            help();
            return 0;
        default:
            return command_line_bad_option("api", argv, c);
        }
        if (!fine) {
            fprintf(stderr, "endcap api: \"%s\" is out of range; see `endcap api --help`\n",
                    optarg);
            return COMMAND_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "endcap api: \"%s\" is not an option; see `endcap api --help`\n",
                argv[optind]);
        return COMMAND_USAGE;
    }
    return -1;
}

/* One line a request; scrapes and probes would drown the rest, and their answers say it all. */
static void log_access(void *user, const struct http_access *a)
{
    (void)user;
    bool probe = strcmp(a->route, "/healthz") == 0 || strcmp(a->route, "/readyz") == 0 ||
                 strcmp(a->route, "/metrics") == 0 || strcmp(a->route, "/api/summary") == 0;
    enum log_level level = probe ? LOG_DEBUG : a->status >= 500 ? LOG_WARN : LOG_INFO;
    log_event(level, "request", LOG_TEXT("request_id", a->request_id),
              LOG_TEXT("method", a->method), LOG_TEXT("route", a->route),
              LOG_INT("status", a->status), LOG_INT("bytes", (int64_t)a->reply_bytes),
              LOG_INT("duration_us", a->duration_us), LOG_TEXT("why", a->note), LOG_END);
}

static enum res write_port(const char *root, uint16_t port, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    char text[16];
    enum res r = file_path(path, why, "%s/run", root);
    if (r == RES_OK) {
        r = file_make_directory(path, 0711, why);
    }
    if (r == RES_OK) {
        r = file_path(path, why, "%s/run/api.port", root);
    }
    if (r == RES_OK) {
        int size = snprintf(text, sizeof text, "%u\n", (unsigned)port);
        r = file_write(path, text, (size_t)size, 0644, why);
    }
    return r;
}

static enum res serve(const struct options *o, struct err *why)
{
    static struct settings conf;
    char root[FILE_PATH_BYTES_MAX];
    char telemetry[FILE_PATH_BYTES_MAX];
    char ca[FILE_PATH_BYTES_MAX];
    char broker[FILE_PATH_BYTES_MAX];
    struct api_settings settings = {.address = o->address,
                                    .workers = (unsigned)o->workers,
                                    .telemetry_directory = telemetry,
                                    .ca_directory = ca,
                                    .broker_directory = broker,
                                    .on_done = log_access};
    struct api *api = NULL;
    enum res r = install_settings_root(o->data, false, root, why);
    if (r == RES_OK) {
        r = install_settings_load(root, &conf, why);
    }
    if (r == RES_OK) {
        r = file_path(telemetry, why, "%s/telemetry", root);
    }
    if (r == RES_OK) {
        r = file_path(ca, why, "%s/ca", root);
    }
    if (r == RES_OK) {
        r = file_path(broker, why, "%s/broker", root);
    }
    if (r == RES_OK) {
        r = model_place(root, NULL, &settings.place, why);
    }
    if (r == RES_OK) {
        settings.port =
            (uint16_t)(o->port >= 0 ? o->port : (long)settings_number(&conf, "api_port"));
        r = api_start(&settings, &api, why);
    }
    if (r == RES_OK) {
        r = write_port(root, api_port(api), why);
    }
    if (r == RES_OK) {
        log_event(LOG_INFO, "serving", LOG_TEXT("address", o->address),
                  LOG_INT("port", api_port(api)), LOG_END);
        int got = 0;
        while (got == 0) {
            got = service_wait(STOP_LOOK_MS);
        }
        log_event(LOG_INFO, "stopping", LOG_INT("signal", got), LOG_END);
    }
    api_stop(api);
    return r;
}

int cmd_api(int argc, char **argv)
{
    struct options o = {.address = "127.0.0.1", .port = -1, .workers = 32, .level = LOG_INFO};
    struct err why = {.text = ""};
    int code = read_options(argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    service_block_signals();
    log_init("api", o.level);
    if (serve(&o, &why) != RES_OK) {
        fprintf(stderr, "endcap api: %s\n", why.text);
        return COMMAND_FAILED;
    }
    return 0;
}
