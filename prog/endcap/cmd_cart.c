#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command_line.h"
#include "commands.h"
#include "install_settings.h"
#include "model.h"

#define TTL_DEFAULT_S 300
#define TTL_MAX_S     604800

#define REASON_BYTES_MAX 64
#define TRIES_MAX        5 /* another command took the number: ours is the next */

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

static bool is_printable(const char *text, size_t most)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return size >= 1 && size <= most;
}

/* The rules between options, as the REST face has them; NULL: all is well. */
static const char *what_is_wrong(const struct options *o)
{
    static const char *const kinds[] = {"sleep",  "wake",    "customer-override", "pause",
                                        "cancel", "restart", "catalogue"};
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        known = known || strcmp(o->kind, kinds[i]) == 0;
    }
    bool version_fits =
        o->version == NULL || (strcmp(o->kind, "catalogue") == 0 &&
                               strspn(o->version, "0123456789") == strlen(o->version) &&
                               strlen(o->version) >= 1 && strlen(o->version) <= 15);
    bool of_session = strcmp(o->kind, "pause") == 0 || strcmp(o->kind, "cancel") == 0 ||
                      strcmp(o->kind, "restart") == 0;
    if (!known) {
        return "--kind is sleep, wake, customer-override, pause, cancel, restart or catalogue";
    }
    if (!version_fits) {
        return "--version is a whole number and goes with --kind catalogue only";
    }
    if (o->session != NULL && !of_session) {
        return "--session goes with pause, cancel and restart only";
    }
    if (o->reason != NULL && !is_printable(o->reason, REASON_BYTES_MAX)) {
        return "--reason is 1 to 64 printable ASCII characters";
    }
    return NULL;
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
    while ((c = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (c == 'h') {
            help();
            return 0;
        }
        if (c == '?' || c == ':') {
            return command_line_bad_option("cart", argv, c);
        }
        if (c == 't' && !command_line_number(optarg, 1, TTL_MAX_S, &o->ttl_s)) {
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
        return command_line_misuse("cart", "say `endcap cart command --cart CART --kind KIND`");
    }
    const char *wrong = what_is_wrong(o);
    return wrong != NULL ? command_line_misuse("cart", wrong) : -1;
}

static const char insert_sql[] =
    "INSERT INTO command (cart_id, number, store_id, kind, session_id, version, reason, issued_by, "
    "expires_at) SELECT c.cart_id, coalesce((SELECT max(number) FROM command n "
    "WHERE n.cart_id = c.cart_id), 0) + 1, c.store_id, $2::text, $3::text, CASE WHEN $2::text = "
    "'catalogue' THEN coalesce($4::text::bigint, (SELECT version FROM catalogue_version v "
    "WHERE v.store_id = c.store_id)) END, $5::text, 'command-line', "
    "now() + interval '1 s' * $6::float8 FROM cart c WHERE c.cart_id = $1 AND ($3::text IS NULL OR "
    "EXISTS (SELECT 1 FROM session s WHERE s.cart_id = c.cart_id AND s.session_id = $3::text)) "
    "RETURNING number";

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
            const char *of = o->session != NULL ? " with a session " : "";
            err_set(why, "there is no cart %s%s%s; `endcap device list` shows all carts", o->cart,
                    of, o->session != NULL ? o->session : "");
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
    struct pg_conn *conn = NULL;
    enum res r = install_settings_root(o->data, false, root, why);
    if (r == RES_OK) {
        r = model_connect_admin(root, &conn, why);
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
