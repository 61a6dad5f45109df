#include "option_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum res option_text_int(const char *name, const char *text, int64_t least, int64_t most,
                         int64_t *ret, struct err *why)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        err_set(why, "--%s %s: give a number from %lld to %lld", name, text, (long long)least,
                (long long)most);
        return RES_INVALID;
    }
    *ret = value;
    return RES_OK;
}

enum res option_text_share(const char *name, const char *text, double *ret, struct err *why)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 1)) {
        err_set(why, "--%s %s: give a share from 0 to 1", name, text);
        return RES_INVALID;
    }
    *ret = value;
    return RES_OK;
}

enum res option_text_broker(const char *text, char ret_host[OPTION_TEXT_HOST_BYTES],
                            uint16_t *ret_port, struct err *why)
{
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    if (colon == NULL || colon == text || colon - text >= OPTION_TEXT_HOST_BYTES ||
        option_text_int("broker", colon + 1, 1, 65535, &port, NULL) != RES_OK) {
        err_set(why, "--broker %s: give HOST:PORT, e.g. localhost:8883", text);
        return RES_INVALID;
    }
    snprintf(ret_host, OPTION_TEXT_HOST_BYTES, "%.*s", (int)(colon - text), text);
    *ret_port = (uint16_t)port;
    return RES_OK;
}

enum res option_text_store(const char *text, struct err *why)
{
    size_t length = strlen(text);
    if (length < 3 || length > 24 ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != length) {
        err_set(why, "--store %s: give 3 to 24 of A-Z, 0-9 and -", text);
        return RES_INVALID;
    }
    return RES_OK;
}

enum res option_text_read(const struct option_text_line *line, int argc, char **argv,
                          struct err *why)
{
    opterr = 0;
    for (;;) {
        int index = 0;
        int opt = getopt_long(argc, argv, "", line->known, &index);
        if (opt == -1) {
            break;
        }
        if (opt == line->help) {
            return RES_NOT_FOUND;
        }
        if (opt == '?' || opt == ':') {
            err_set(why, "%s is unknown or lacks its value; see %s --help", argv[optind - 1],
                    line->program);
            return RES_INVALID;
        }
        enum res r = line->take(line->options, opt, line->known[index].name, optarg, why);
        if (r != RES_OK) {
            return r;
        }
    }
    if (optind < argc) {
        err_set(why, "%s is no option; see %s --help", argv[optind], line->program);
        return RES_INVALID;
    }
    return RES_OK;
}
