#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "commands.h"
#include "install_up.h"
#include "log.h"

#define STEP_MS 250

static volatile int stop_asked;

static void ask_to_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static void help(void)
{
    printf(
        "usage: endcap up [--data DIR] [--KEY VALUE ...]\n\n"
        "Starts PostgreSQL, the broker, ingest, worker and api in one data directory, and\n"
        "watches over them until Ctrl-C or SIGTERM.\n\n"
        "  --data DIR              the installation ($ENDCAP_DATA, else ./endcap-data)\n\n"
        "Settings, from DIR/endcap.conf (`key = value`) or as options (`--broker-port 8884`):\n");
    for (const struct settings_entry *e = install_settings_table(); e->key != NULL; e++) {
        printf("  %-22s  %s%s%s%s\n", e->key, e->summary, e->initial[0] == '\0' ? "" : " (",
               e->initial, e->initial[0] == '\0' ? "" : ")");
    }
}

/* "--broker-port 8884" and "--broker-port=8884" set `broker_port`. */
static enum res read_options(int argc, char **argv, const char **ret_data, struct settings *s,
                             bool apply, struct err *why)
{
    for (int i = 1; i < argc; i++) {
        char key[64];
        const char *word = argv[i];
        size_t size = strcspn(word, "=");
        if (strncmp(word, "--", 2) != 0 || size - 2 >= sizeof key) {
            err_set(why, "`%s` is not an option; `endcap up --help` lists them", word);
            return RES_INVALID;
        }
        const char *value = word[size] == '=' ? word + size + 1 : argv[++i];
        if (value == NULL) {
            err_set(why, "`%s` needs a value", word);
            return RES_INVALID;
        }
        memcpy(key, word + 2, size - 2);
        key[size - 2] = '\0';
        for (char *c = key; *c != '\0'; c++) {
            *c = *c == '-' ? '_' : *c;
        }
        if (strcmp(key, "data") == 0) {
            *ret_data = value;
            continue;
        }
        enum res r = apply ? settings_set(s, key, value, "command line", why) : RES_OK;
        if (r != RES_OK) {
            return r;
        }
    }
    return RES_OK;
}

static void tell(const char *step)
{
    fprintf(stderr, "starting %s\n", step);
}

static void ended(void *context, const struct supervise_service *service, int status)
{
    (void)context;
    log_event(LOG_ERROR, "service_ended", LOG_TEXT("service", service->name),
              LOG_TEXT("how", WIFSIGNALED(status) ? "signal" : "exit"),
              LOG_INT("code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
              LOG_TEXT("log", service->log_path), LOG_END);
}

static enum res run(const char *root, const struct settings *settings, struct err *why)
{
    static struct install_up up;
    enum res r = install_up_init(&up, root, settings, why);
    if (r == RES_OK) {
        r = install_up_start(&up, tell, &stop_asked, why);
    }
    if (r == RES_OK) {
        fprintf(stderr,
                "endcap is up: REST http://127.0.0.1:%u, broker %s:%u, data %s; Ctrl-C stops it\n",
                up.api_port, settings_text(settings, "broker_address"), up.broker_port, up.root);
        while (stop_asked == 0) {
            install_up_step(&up, STEP_MS, ended);
        }
        fprintf(stderr, "stopping\n");
    }
    if (!install_up_stop(&up)) {
        log_event(LOG_WARN, "killed_at_stop", LOG_END);
    }
    return r == RES_AGAIN && stop_asked != 0 ? RES_OK : r;
}

int cmd_up(int argc, char **argv)
{
    static struct settings settings;
    struct err why = {0};
    char root[FILE_PATH_BYTES_MAX];
    const char *data = NULL;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        help();
        return 0;
    }
    log_init("up", LOG_INFO);
    struct sigaction action = {.sa_handler = ask_to_stop};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* Twice: where the file is, then the options that stand above it. */
    enum res r = read_options(argc, argv, &data, NULL, false, &why);
    if (r == RES_INVALID) {
        fprintf(stderr, "endcap up: %s\n", why.text);
        return COMMAND_USAGE;
    }
    r = install_settings_root(data, true, root, &why);
    if (r == RES_OK) {
        r = install_settings_load(root, &settings, &why);
    }
    if (r == RES_OK) {
        r = read_options(argc, argv, &data, &settings, true, &why);
    }
    if (r == RES_OK) {
        r = run(root, &settings, &why);
    }
    if (r != RES_OK) {
        fprintf(stderr, "endcap up: %s\n", why.text);
        return COMMAND_FAILED;
    }
    return 0;
}
