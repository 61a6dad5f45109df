#include "service.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "command_line.h"
#include "commands.h"
#include "install_settings.h"

#define KEEP_ALIVE_S 30
#define IN_FLIGHT    1000
#define QUEUED       50000
#define RETRY_MS     500
#define WORKERS_MAX  64

static void help(const char *about, const struct service_options *o)
{
    printf("usage: endcap %s [--data DIR] [options]\n\n%s\n"
           "  --data DIR          the installation ($ENDCAP_DATA, else ./endcap-data)\n"
           "  --instance NAME     its name among its like (%s)\n"
           "  --broker-host NAME  where the broker is, as its certificate says (%s)\n"
           "  --broker-port N     its port (default: broker_port of endcap.conf)\n"
           "%s"
           "  --log-level LEVEL   debug, info, warn or error (info)\n",
           o->command, about, o->instance, o->broker_host,
           o->verifies ? "  --workers N         threads that verify signatures, 0: one a core (0)\n"
                       : "");
}

static bool take_option(int c, struct service_options *o)
{
    switch (c) {
    case 'd':
        o->data = optarg;
        return true;
    case 'i':
        o->instance = optarg;
        return strlen(optarg) > 0 && strlen(optarg) <= 40;
    case 'o':
        o->broker_host = optarg;
        return true;
    case 'b':
        return command_line_number(optarg, 0, 65535, &o->broker_port);
    case 'w':
        return command_line_number(optarg, 0, WORKERS_MAX, &o->workers);
    case 'l':
        return command_line_level(optarg, &o->level);
    default:
        return false;
    }
}

int service_read_options(int argc, char **argv, const char *about, struct service_options *o)
{
    static const struct option known[] = {{"data", required_argument, NULL, 'd'},
                                          {"instance", required_argument, NULL, 'i'},
                                          {"broker-host", required_argument, NULL, 'o'},
                                          {"broker-port", required_argument, NULL, 'b'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"log-level", required_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c = 0;
    while ((c = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (c == 'h') {
            help(about, o);
            return 0;
        }
        if (c == '?' || c == ':') {
            return command_line_bad_option(o->command, argv, c);
        }
        if (c == 'w' && !o->verifies) {
            return command_line_misuse(o->command, "--workers is ingest's");
        }
        if (!take_option(c, o)) {
            fprintf(stderr, "endcap %s: \"%s\" is out of range; see `endcap %s --help`\n",
                    o->command, optarg, o->command);
            return COMMAND_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "endcap %s: \"%s\" is not an option; see `endcap %s --help`\n", o->command,
                argv[optind], o->command);
        return COMMAND_USAGE;
    }
    return -1;
}

enum res service_open(const struct service_options *o, struct service *ret, struct err *why)
{
    static struct settings conf;
    struct service *s = ret;
    memset(s, 0, sizeof *s);
    s->options = *o;
    enum res r = install_settings_root(o->data, false, s->root, why);
    if (r == RES_OK) {
        r = install_settings_load(s->root, &conf, why);
    }
    if (r == RES_OK) {
        r = model_place(s->root, NULL, &s->place, why);
    }
    const struct {
        char *path;
        const char *name;
    } paths[] = {{s->telemetry, "telemetry"},
                 {s->platform_key, "ca/platform.key"},
                 {s->ca_file, "ca/ca.crt"}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && r == RES_OK; i++) {
        r = file_path(paths[i].path, why, "%s/%s", s->root, paths[i].name);
    }
    if (r == RES_OK) {
        r = file_path(s->certificate, why, "%s/secrets/service-%s.crt", s->root, o->command);
    }
    if (r == RES_OK) {
        r = file_path(s->key, why, "%s/secrets/service-%s.key", s->root, o->command);
    }
    if (r == RES_OK) {
        long port =
            o->broker_port > 0 ? o->broker_port : (long)settings_number(&conf, "broker_port");
        s->broker_port = (uint16_t)port;
        (void)snprintf(s->client_id, sizeof s->client_id, "service:%s", o->command);
    }
    return r;
}

enum res service_open_when_there(enum res (*open)(void *user, struct err *why), void *user,
                                 int *ret_signal, struct err *why)
{
    bool told = false;
    for (;;) {
        enum res r = open(user, why);
        *ret_signal = 0;
        if (r != RES_UNAVAILABLE) {
            return r;
        }
        if (!told) {
            log_event(LOG_WARN, "waits_for_database", LOG_TEXT("why", why->text), LOG_END);
            told = true;
        }
        *ret_signal = service_wait(RETRY_MS);
        if (*ret_signal != 0) {
            return RES_OK;
        }
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    (void)context;
    if (answer->reason >= 0x80) {
        log_event(LOG_WARN, answer->subscription ? "subscription_refused" : "publish_refused",
                  LOG_INT("reason", answer->reason), LOG_END);
    }
}

void service_mqtt(const struct service *s, struct mqtt_client_settings *ret)
{
    *ret = (struct mqtt_client_settings){.host = s->options.broker_host,
                                         .port = s->broker_port,
                                         .ca_file = s->ca_file,
                                         .certificate_file = s->certificate,
                                         .key_file = s->key,
                                         .client_id = s->client_id,
                                         .keep_alive_s = KEEP_ALIVE_S,
                                         .send_max = IN_FLIGHT,
                                         .receive_max = IN_FLIGHT,
                                         .queued_max = QUEUED,
                                         .on_answer = on_answer,
                                         .threaded = true};
}

static void stop_signals(sigset_t *ret)
{
    (void)sigemptyset(ret);
    (void)sigaddset(ret, SIGINT);
    (void)sigaddset(ret, SIGTERM);
}

void service_block_signals(void)
{
    sigset_t ends;
    stop_signals(&ends);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
}

int service_wait(long timeout_ms)
{
    sigset_t ends;
    stop_signals(&ends);
    struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    int got = sigtimedwait(&ends, NULL, &t);
    return got > 0 ? got : 0;
}
