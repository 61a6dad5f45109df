#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catalog_import.h"
#include "catalog_list.h"
#include "command_line.h"
#include "commands.h"
#include "install_settings.h"
#include "json.h"
#include "model.h"

#define VALUE_BYTES_MAX 80

static void help(void)
{
    (void)printf(
        "usage: endcap catalog import FILE.csv --store S [options]\n"
        "       endcap catalog list --store S [--data DIR]\n\n"
        "Loads a catalogue (\"-\" reads standard input). The first line names the columns: name,\n"
        "price, and gtin or sku are needed; name_hi, category, brand, mrp, weight_g, per_kg, "
        "stock\n"
        "and others are used. Rows that are refused are listed; the rest is loaded.\n"
        "list prints the store's items as CSV that import reads back.\n\n"
        "  --store S     the store\n"
        "  --full        the file is the whole catalogue: items it lacks are marked deleted\n"
        "  --json        refused rows and the summary as JSON, one object a line\n"
        "  --quiet       do not list refused rows\n"
        "  --data DIR    data directory (default $ENDCAP_DATA or ./endcap-data)\n");
}

struct output {
    bool json;
    bool quiet;
};

static struct span cut(struct span value)
{
    if (value.size > VALUE_BYTES_MAX) {
        value.size = VALUE_BYTES_MAX;
        while (value.size > 0 && (value.data[value.size] & 0xC0) == 0x80) {
            value.size--;
        }
    }
    return value;
}

static void print_refusal(void *user, const struct catalog_refusal *refusal)
{
    const struct output *o = user;
    struct span value = cut(refusal->value);
    if (o->quiet) {
        return;
    }
    if (!o->json) {
        (void)fprintf(stderr, "line %zu: %s%s%.*s%s %s\n", refusal->line, refusal->field,
                      value.size > 0 ? " \"" : "", (int)value.size, (const char *)value.data,
                      value.size > 0 ? "\"" : "", refusal->reason);
        return;
    }
    char line[1024];
    struct sink s;
    bool first = true;
    sink_init(&s, line, sizeof line);
    sink_text(&s, "{");
    json_write_key(&s, &first, "line");
    sink_u64(&s, refusal->line);
    json_write_key(&s, &first, "field");
    json_write_text(&s, span_text(refusal->field, 64));
    json_write_key(&s, &first, "value");
    json_write_text(&s, json_utf8_is_valid(value) ? value : SPAN_NONE);
    json_write_key(&s, &first, "reason");
    json_write_text(&s, span_text(refusal->reason, 200));
    sink_text(&s, "}\n");
    (void)fwrite(line, 1, s.size, stdout);
}

static void print_summary(const struct output *o, const struct catalog_import_summary *s)
{
    const struct {
        const char *key;
        int64_t value;
    } figures[] = {{"read", s->read},         {"refused", s->refused},
                   {"added", s->added},       {"changed", s->changed},
                   {"repriced", s->repriced}, {"deleted", s->deleted},
                   {"items", s->item_count},  {"catalogueVersion", s->version}};
    for (size_t i = 0; o->json && i < sizeof figures / sizeof figures[0]; i++) {
        (void)printf("%s\"%s\":%" PRId64, i == 0 ? "{" : ",", figures[i].key, figures[i].value);
    }
    if (o->json) {
        (void)printf("}\n");
        return;
    }
    (void)printf("%" PRId64 " rows read: %" PRId64 " added, %" PRId64 " changed (%" PRId64
                 " repriced), %" PRId64 " deleted, %" PRId64 " refused; %" PRId64
                 " items, catalogue version %" PRId64 "\n",
                 s->read, s->added, s->changed, s->repriced, s->deleted, s->refused, s->item_count,
                 s->version);
}

struct options {
    struct catalog_import_settings import;
    struct output output;
    const char *data;
    bool help;
};

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"store", required_argument, NULL, 's'},
        {"full", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},
        {"quiet", no_argument, NULL, 'q'},
        {"data", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int letter = 0;
    while ((letter = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        switch (letter) {
        case 's':
            o->import.store_id = optarg;
            break;
        case 'f':
            o->import.full = true;
            break;
        case 'j':
            o->output.json = true;
            break;
        case 'q':
            o->output.quiet = true;
            break;
        case 'd':
            o->data = optarg;
            break;
        case 'h':
            o->help = true;
            break;
        default:
            return command_line_bad_option("catalog", argv, letter);
        }
    }
    return -1;
}

static enum res connect_admin(const char *data, struct pg_conn **ret, struct err *why)
{
    char root[FILE_PATH_BYTES_MAX];
    enum res r = install_settings_root(data, false, root, why);
    return r == RES_OK ? model_connect_admin(root, ret, why) : r;
}

static enum res import_file(const char *path, struct options *o, struct err *why)
{
    bool standard_input = strcmp(path, "-") == 0;
    FILE *in = standard_input ? stdin : fopen(path, "re");
    if (in == NULL) {
        err_set(why, "cannot read %s: %s", path, strerror(errno));
        return RES_IO;
    }
    struct pg_conn *c = NULL;
    struct catalog_import_summary summary;
    enum res r = connect_admin(o->data, &c, why);
    if (r == RES_OK) {
        r = catalog_import(c, in, &o->import, &summary, why);
    }
    if (r == RES_OK) {
        print_summary(&o->output, &summary);
    }
    pg_conn_close(c);
    if (!standard_input) {
        (void)fclose(in);
    }
    return r;
}

static enum res list(const struct options *o, struct err *why)
{
    struct pg_conn *c = NULL;
    enum res r = connect_admin(o->data, &c, why);
    if (r == RES_OK) {
        r = catalog_list(c, o->import.store_id, stdout, why);
    }
    pg_conn_close(c);
    return r;
}

int cmd_catalog(int argc, char **argv)
{
    struct options o = {.data = NULL};
    int code = read_options(argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    if (o.help) {
        help();
        return 0;
    }
    const char *verb = optind < argc ? argv[optind] : "";
    bool listing = strcmp(verb, "list") == 0 && optind + 1 == argc;
    bool importing = strcmp(verb, "import") == 0 && optind + 2 == argc;
    if (!listing && !importing) {
        return command_line_misuse("catalog",
                                   "say `import FILE.csv --store S` or `list --store S`");
    }
    if (o.import.store_id == NULL) {
        return command_line_misuse("catalog", "--store is needed");
    }
    o.import.changed_by = "catalog-import";
    o.import.refused = print_refusal;
    o.import.user = &o.output;
    struct err why = {""};
    enum res r = listing ? list(&o, &why) : import_file(argv[optind + 1], &o, &why);
    if (r != RES_OK) {
        (void)fprintf(stderr, "endcap catalog: %s\n", why.text);
        return COMMAND_FAILED;
    }
    return 0;
}
