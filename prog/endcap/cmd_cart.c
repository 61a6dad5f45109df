#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "install_settings.h"
#include "model.h"

#define TTL_DEFAULT_S 300
#define TTL_MAX_S     604800
#define TRIES_MAX     5 /* another command took the number: ours is the next */

struct options {
    const char *data;
    const char *cart;
    const char *kind;
    const char *session;
    const char *reason;
    const char *version;
    long ttl_s;
};

static void help(void)
{
    printf("usage: endcap cart command --cart CART --kind KIND [options]\n\n"
           "Queues a command for a cart; the worker sends it until the cart answers or it\n"
           "expires. Prints the command's number.\n\n"
           "  --kind KIND     sleep, wake, customer-override, pause, cancel, restart, catalogue\n"
           "  --session ID    the session meant (pause, cancel, restart)\n"
           "  --version N     the catalogue to have (catalogue; default: the store's)\n"
           "  --reason TEXT   words for the log, up to 64 characters\n"
           "  --ttl S         seconds until it expires, 1 to %d (%d)\n"
           "  --data DIR      the installation ($ENDCAP_DATA, else ./endcap-data)\n",
           TTL_MAX_S, TTL_DEFAULT_S);
}

static bool read_ttl(const char *text, long *ret)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > TTL_MAX_S) {
        return false;
    }
    *ret = n;
    return true;
}

static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {{"data", required_argument, NULL, 'd'},
                                          {"cart", required_argument, NULL, 'c'},
                                          {"kind", required_argument, NULL, 'k'},
                                          {"session", required_argument, NULL, 's'},
                                          {"reason", required_argument, NULL, 'r'},
                                          {"version", required_argument, NULL, 'v'},
                                          {"ttl", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char **texts[256] = {['d'] = &o->data,    ['c'] = &o->cart,   ['k'] = &o->kind,
                               ['s'] = &o->session, ['r'] = &o->reason, ['v'] = &o->version};
    int c = 0;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'h') {
            help();
            return 0;
        }
        if (c == '?') {
            return COMMAND_USAGE;
        }
        if (c == 't' && !read_ttl(optarg, &o->ttl_s)) {
            fprintf(stderr, "endcap cart: a ttl of \"%s\" is out of range; see --help\n", optarg);
            return COMMAND_USAGE;
        }
        if (c != 't') {
            *texts[c] = optarg;
        }
    }
    bool right = optind + 1 == argc && strcmp(argv[optind], "command") == 0 && o->cart != NULL &&
                 o->kind != NULL;
    if (!right) {
        fprintf(stderr, "endcap cart: say `endcap cart command --cart CART --kind KIND`; see "
                        "`endcap cart --help`\n");
        return COMMAND_USAGE;
    }
    return -1;
}

static const char insert_sql[] =
    "INSERT INTO command (cart_id, number, store_id, kind, session_id, version, reason, issued_by, "
    "expires_at) SELECT c.cart_id, coalesce((SELECT max(number) FROM command n "
    "WHERE n.cart_id = c.cart_id), 0) + 1, c.store_id, $2::text, $3::text, CASE WHEN $2::text = "
    "'catalogue' THEN coalesce($4::text::bigint, (SELECT version FROM catalogue_version v "
    "WHERE v.store_id = c.store_id)) END, $5::text, 'command-line', "
    "now() + interval '1 s' * $6::float8 FROM cart c WHERE c.cart_id = $1 RETURNING number";

static enum res insert(struct pg_conn *conn, const struct options *o, struct err *why)
{
    enum res r = RES_CONFLICT;
    for (int i = 0; i < TRIES_MAX && r == RES_CONFLICT; i++) {
        struct pg_params params;
        PGresult *rows = NULL;
        pg_params_init(&params);
        pg_params_cstr(&params, o->cart);
        pg_params_cstr(&params, o->kind);
        pg_params_cstr(&params, o->session);
        pg_params_cstr(&params, o->version);
        pg_params_cstr(&params, o->reason);
        pg_params_double(&params, (double)o->ttl_s);
        r = pg_conn_run(conn, insert_sql, &params, &rows, why);
        if (r == RES_OK && PQntuples(rows) == 0) {
            err_set(why, "there is no cart %s; `endcap device list` shows all", o->cart);
            r = RES_NOT_FOUND;
        } else if (r == RES_OK) {
            printf("%lld\n", (long long)pg_get_i64(rows, 0, 0));
        }
        PQclear(rows);
    }
    return r;
}

static enum res queue(const struct options *o, struct err *why)
{
    char root[FILE_PATH_BYTES_MAX];
    struct model_place place;
    struct pg_conn *conn = NULL;
    enum res r = install_settings_root(o->data, false, root, why);
    if (r == RES_OK) {
        r = model_place(root, NULL, &place, why);
    }
    if (r == RES_OK) {
        r = model_connect(&place, MODEL_ADMIN, "endcap cart", 0, &conn, why);
    }
    if (r == RES_OK) {
        r = model_scope(conn, "operator", NULL, NULL, why);
    }
    if (r == RES_OK) {
        r = insert(conn, o, why);
    }
    pg_conn_close(conn);
    return r;
}

int cmd_cart(int argc, char **argv)
{
    struct options o = {.ttl_s = TTL_DEFAULT_S};
    struct err why = {.text = ""};
    int code = read_options(argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    if (queue(&o, &why) != RES_OK) {
        fprintf(stderr, "endcap cart: %s\n", why.text);
        return COMMAND_FAILED;
    }
    return 0;
}
