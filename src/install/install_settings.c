#include "install_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct settings_entry table[] = {
    {"broker_address", SETTINGS_TEXT, 7, 15, "127.0.0.1",
     "IPv4 address where devices connect; 0.0.0.0 lets the store's network in"},
    {"broker_port", SETTINGS_NUMBER, 0, 65535, "8883", "its port; 0 lets the system choose"},
    {"broker_names", SETTINGS_TEXT, 0, 255, "localhost",
     "names and addresses in the broker's certificate, separated by commas"},
    {"api_port", SETTINGS_NUMBER, 0, 65535, "8080",
     "REST port on 127.0.0.1; 0 lets the system choose"},
    {"mosquitto", SETTINGS_TEXT, 1, 255, "/usr/sbin/mosquitto", "the broker's program"},
    {"broker_plugin", SETTINGS_TEXT, 0, 255, "",
     "our plugin for it; empty: looked for beside this program"},
    {"log_level", SETTINGS_TEXT, 4, 5, "info", "debug, info, warn or error"},
    {NULL, SETTINGS_TEXT, 0, 0, NULL, NULL},
};

const struct settings_entry *install_settings_table(void)
{
    return table;
}

enum res install_settings_root(const char *data, bool make, char ret_root[FILE_PATH_BYTES_MAX],
                               struct err *why)
{
    if (data == NULL) {
        const char *said = getenv(INSTALL_ENVIRONMENT);
        data = said != NULL && said[0] != '\0' ? said : INSTALL_DIRECTORY;
    }
    if (data[0] == '\0') {
        err_set(why, "the data directory's name is empty; give --data DIR");
        return RES_INVALID;
    }
    if (make) {
        /* 0711: the broker and PostgreSQL run as users of their own and pass through. */
        enum res r = file_make_directory(data, 0711, why);
        if (r != RES_OK) {
            return r;
        }
    }
    char *absolute = realpath(data, NULL);
    if (absolute == NULL) {
        int error = errno;
        if (error == ENOENT) {
            err_set(why, "there is no installation in %s; start one with `endcap up --data '%s'`",
                    data, data);
        } else {
            err_set(why, "cannot open %s: %s", data, strerror(error));
        }
        return file_res_of_errno(error);
    }
    enum res r = file_path(ret_root, why, "%s", absolute);
    free(absolute);
    return r;
}

enum res install_settings_load(const char *root, struct settings *ret, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    enum res r = file_path(path, why, "%s/endcap.conf", root);
    if (r != RES_OK) {
        return r;
    }
    settings_init(ret, table);
    return settings_load(ret, path, why);
}

enum res install_settings_check(const struct settings *s, struct err *why)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const char *level = settings_text(s, "log_level");
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(level, levels[i]) == 0) {
            return RES_OK;
        }
    }
    err_set(why, "`log_level` must be debug, info, warn or error, not `%s`", level);
    return RES_INVALID;
}
