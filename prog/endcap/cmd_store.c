#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command_line.h"
#include "commands.h"
#include "install_settings.h"
#include "json.h"
#include "model.h"
#include "store_admin.h"

static void help(void)
{
    (void)printf(
        "usage: endcap store create --store S --partner P --name N [options]\n"
        "       endcap store list [--json]\n\n"
        "  --store S           the store's id, e.g. STORE-MUM-01\n"
        "  --partner P         the chain that owns it, e.g. ACME; made when it does not exist\n"
        "  --partner-name N    name of a new partner (default: its id)\n"
        "  --name N            the store's name\n"
        "  --region R          country or part of one (default IN)\n"
        "  --timezone Z        IANA name (default Asia/Kolkata)\n"
        "  --currency C        ISO 4217 code (default INR)\n"
        "  --language L        of displays: en, hi, ta, te, bn, mr (default: the region's)\n"
        "  --master M          who decides prices: pos, the till system (default), or platform\n"
        "  --data DIR          data directory (default $ENDCAP_DATA or ./endcap-data)\n"
        "  --json              list as JSON, one object a line\n");
}

struct options {
    struct store_admin_new store;
    const char *data;
    bool json;
    bool help;
};

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"store", required_argument, NULL, 's'},
        {"partner", required_argument, NULL, 'p'},
        {"partner-name", required_argument, NULL, 'P'},
        {"name", required_argument, NULL, 'n'},
        {"region", required_argument, NULL, 'r'},
        {"timezone", required_argument, NULL, 'z'},
        {"currency", required_argument, NULL, 'c'},
        {"language", required_argument, NULL, 'l'},
        {"master", required_argument, NULL, 'm'},
        {"data", required_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const struct {
        int letter;
        const char **to;
    } texts[] = {
        {'s', &o->store.store_id}, {'p', &o->store.partner_id}, {'P', &o->store.partner_name},
        {'n', &o->store.name},     {'r', &o->store.region},     {'z', &o->store.timezone},
        {'c', &o->store.currency}, {'l', &o->store.language},   {'d', &o->data},
        {'m', &o->store.master},
    };
    int letter = 0;
    while ((letter = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        bool taken = letter == 'j' || letter == 'h';
        o->json = o->json || letter == 'j';
        o->help = o->help || letter == 'h';
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            if (texts[i].letter == letter) {
                *texts[i].to = optarg;
                taken = true;
            }
        }
        if (!taken) {
            return command_line_bad_option("store", argv, letter);
        }
    }
    return -1;
}

static void print_row(void *user, const struct store_admin_row *row)
{
    const bool *json = user;
    if (!*json) {
        (void)printf("%-24.*s %-12.*s %-8.*s %5lld carts %7lld items  %.*s\n",
                     (int)row->store_id.size, (const char *)row->store_id.data,
                     (int)row->partner_id.size, (const char *)row->partner_id.data,
                     (int)row->region.size, (const char *)row->region.data, (long long)row->carts,
                     (long long)row->items, (int)row->name.size, (const char *)row->name.data);
        return;
    }
    char line[4096];
    struct sink s;
    bool first = true;
    sink_init(&s, line, sizeof line);
    sink_text(&s, "{");
    const struct {
        const char *key;
        struct span text;
    } texts[] = {{"storeId", row->store_id},  {"partnerId", row->partner_id},
                 {"name", row->name},         {"region", row->region},
                 {"timezone", row->timezone}, {"currency", row->currency}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_write_key(&s, &first, texts[i].key);
        json_write_text(&s, texts[i].text);
    }
    json_write_key(&s, &first, "carts");
    sink_i64(&s, row->carts);
    json_write_key(&s, &first, "items");
    sink_i64(&s, row->items);
    json_write_key(&s, &first, "catalogueVersion");
    sink_i64(&s, row->catalogue_version);
    sink_text(&s, "}\n");
    (void)fwrite(line, 1, s.size, stdout);
}

int cmd_store(int argc, char **argv)
{
    struct options o = {.store = {.region = "IN", .timezone = "Asia/Kolkata", .currency = "INR"},
                        .data = NULL};
    int code = read_options(argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    if (o.help) {
        help();
        return 0;
    }
    const char *verb = optind < argc ? argv[optind] : "";
    bool create = strcmp(verb, "create") == 0;
    if (optind + 1 != argc || (!create && strcmp(verb, "list") != 0)) {
        return command_line_misuse("store", "the subcommands are create and list");
    }
    if (create &&
        (o.store.store_id == NULL || o.store.partner_id == NULL || o.store.name == NULL)) {
        return command_line_misuse("store", "--store, --partner and --name are needed");
    }
    struct pg_conn *c = NULL;
    struct err why = {""};
    char root[FILE_PATH_BYTES_MAX];
    enum res r = install_settings_root(o.data, false, root, &why);
    if (r == RES_OK) {
        r = model_connect_admin(root, &c, &why);
    }
    if (r == RES_OK && create) {
        r = store_admin_create(c, &o.store, &why);
    } else if (r == RES_OK) {
        r = store_admin_list(c, print_row, &o.json, &why);
    }
    pg_conn_close(c);
    if (r != RES_OK) {
        (void)fprintf(stderr, "endcap store: %s\n", why.text);
        return COMMAND_FAILED;
    }
    if (create) {
        (void)printf("store %s made\n", o.store.store_id);
    }
    return 0;
}
