#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command_line.h"
#include "commands.h"
#include "file.h"
#include "fleet_first.h"
#include "install_settings.h"
#include "model.h"
#include "pki_registry.h"
#include "timestamp.h"

static const char help[] =
    "usage: endcap device provision --kind cart|label --store S [--device ID] [options]\n"
    "       endcap device revoke --device ID [--reason TEXT]\n"
    "       endcap device list [--store S]\n\n"
    "Gives a device its certificate, takes it away, shows who has one.\n\n"
    "  --data DIR        the installation (default $ENDCAP_DATA or ./endcap-data)\n"
    "  --kind KIND       cart or label\n"
    "  --store S         the device's store\n"
    "  --device ID       CART-[A-Z0-9]{4,12} or ESP32-[A-Z0-9]{3,12}, and of the store's own\n"
    "                    pattern (provision: default a new one)\n"
    "  --count N         provision: so many at once, 1 to 100000; --device is the first and its\n"
    "                    digits count up (default ESP32-000001, CART-000001)\n"
    "  --csr FILE        a PKCS#10 request; only its P-256 key is taken (without: a key is made)\n"
    "  --serial TEXT     a cart's hardware serial (default: its id)\n"
    "  --days N          validity, 1 to 3650 (default 730)\n"
    "  --out DIR         where ID.crt, ID.key, ca.crt and platform.pub go (default: ID)\n"
    "  --json            answer as one JSON object a line\n";

#define COUNT_MAX 100000
#define BATCH_MAX FLEET_FIRST_MAX /* devices of one transaction */

static const char subcommands[] = "the subcommands are provision, revoke and list";

struct arguments {
    const char *data;
    const char *kind;
    const char *store;
    const char *device;
    const char *csr;
    const char *serial;
    const char *out;
    const char *reason;
    long days;
    long count; /* 0: not given */
    bool json;
    char new_id[PKI_ID_BYTES_MAX + 1]; /* where device points when none was given */
};

/* What every subcommand works on. */
struct desk {
    char ca_directory[FILE_PATH_BYTES_MAX];
    char broker_directory[FILE_PATH_BYTES_MAX];
    struct pki_ca *ca;
    struct pg_conn *connection;
    struct pki_registry registry;
};

static struct span span_or_none(const char *text)
{
    return text == NULL ? SPAN_NONE : span_of(text, strlen(text));
}

static enum res desk_open(struct desk *d, const struct arguments *a, struct err *why)
{
    char root[FILE_PATH_BYTES_MAX];
    *d = (struct desk){.ca = NULL};
    enum res r = install_settings_root(a->data, false, root, why);
    if (r == RES_OK) {
        r = file_path(d->ca_directory, why, "%s/ca", root);
    }
    if (r == RES_OK) {
        r = file_path(d->broker_directory, why, "%s/broker", root);
    }
    if (r == RES_OK) {
        r = pki_ca_open(d->ca_directory, &d->ca, why);
    }
    if (r == RES_OK) {
        r = model_connect_admin(root, &d->connection, why);
    }
    d->registry = (struct pki_registry){.connection = d->connection,
                                        .ca = d->ca,
                                        .ca_directory = d->ca_directory,
                                        .broker_directory = d->broker_directory};
    return r;
}

static void desk_close(struct desk *d)
{
    pg_conn_close(d->connection);
    pki_ca_close(d->ca);
}

static int complain(const struct err *why)
{
    (void)fprintf(stderr, "endcap device: %s\n", why->text);
    return COMMAND_FAILED;
}

static int misuse(const char *words)
{
    return command_line_misuse("device", words);
}

/* DIR/NAME from the installation's ca folder. */
static enum res copy_file(const struct desk *d, const char *directory, const char *name,
                          struct err *why)
{
    char from[FILE_PATH_BYTES_MAX];
    char to[FILE_PATH_BYTES_MAX];
    char content[PKI_PEM_BYTES_MAX];
    size_t size = 0;
    enum res r = file_path(from, why, "%s/%s", d->ca_directory, name);
    if (r == RES_OK) {
        r = file_path(to, why, "%s/%s", directory, name);
    }
    if (r == RES_OK) {
        r = file_read(from, content, sizeof content, &size, why);
    }
    return r == RES_OK ? file_write(to, content, size, 0644, why) : r;
}

/* Before anything is registered: a certificate that cannot be written down would be lost. */
static enum res prepare_out(const struct arguments *a, struct err *why)
{
    enum res r = file_make_directory(a->out, 0700, why);
    if (r == RES_OK && access(a->out, W_OK | X_OK) != 0) {
        err_set(why, "cannot write into %s: %s", a->out, strerror(errno));
        r = RES_DENIED;
    }
    return r;
}

static enum res write_out(const struct desk *d, const struct arguments *a,
                          const struct pki_certificate *made, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    enum res r = RES_OK;
    if (made->key_pem[0] != '\0') {
        r = file_path(path, why, "%s/%s.key", a->out, made->identity.id);
        if (r == RES_OK) {
            r = file_write(path, made->key_pem, strlen(made->key_pem), 0600, why);
        }
    }
    if (r == RES_OK) {
        r = file_path(path, why, "%s/%s.crt", a->out, made->identity.id);
    }
    if (r == RES_OK) {
        r = file_write(path, made->pem, strlen(made->pem), 0644, why);
    }
    if (r == RES_OK) {
        r = copy_file(d, a->out, "ca.crt", why);
    }
    if (r == RES_OK) {
        r = copy_file(d, a->out, "platform.pub", why);
    }
    if (r != RES_OK) {
        err_prefix(why,
                   "%s is registered, but its files could not be written (revoke it and "
                   "provision again)",
                   made->identity.id);
    }
    return r;
}

static void time_text(int64_t time_ms, char ret_text[TIMESTAMP_TEXT_BYTES + 1])
{
    struct sink s;
    sink_init(&s, ret_text, TIMESTAMP_TEXT_BYTES);
    timestamp_write(&s, time_ms);
    ret_text[s.size] = '\0';
}

/* Ids, stores, serials and subjects are of our own alphabets: nothing in them needs escaping. */
static void print_made(const struct arguments *a, const struct pki_certificate *made)
{
    char end[TIMESTAMP_TEXT_BYTES + 1];
    time_text(made->not_after_ms, end);
    if (a->json) {
        printf("{\"deviceId\":\"%s\",\"kind\":\"%s\",\"storeId\":\"%s\",\"serial\":\"%s\","
               "\"subject\":\"%s\",\"notAfter\":\"%s\"}\n",
               made->identity.id, pki_identity_kind_name(made->identity.kind),
               made->identity.store_id, made->identity.serial, made->subject, end);
    } else {
        printf("%s of store %s: certificate %s until %s, in %s\n", made->identity.id,
               made->identity.store_id, made->identity.serial, end, a->out);
    }
}

static enum res read_csr(const struct arguments *a, char *ret_text, size_t size,
                         struct span *ret_csr, struct err *why)
{
    size_t length = 0;
    if (a->csr == NULL) {
        *ret_csr = SPAN_NONE;
        return RES_OK;
    }
    enum res r = file_read(a->csr, ret_text, size, &length, why);
    if (r == RES_OK) {
        *ret_csr = span_of(ret_text, length);
    }
    return r;
}

/* --- many at once --- */

/* Plainly: the batch is forced to the disk as a whole, before it is registered for good. */
static enum res write_plain(const struct arguments *a, const char *id, const char *ending,
                            const char *text, mode_t mode, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    enum res r = file_path(path, why, "%s/%s%s", a->out, id, ending);
    if (r != RES_OK) {
        return r;
    }
    size_t size = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool done = fd >= 0 && fchmod(fd, mode) == 0 && write(fd, text, size) == (ssize_t)size;
    if (!done) {
        err_set(why, "cannot write %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd); /* what a late error would say, force_to_disk says */
    }
    return done ? RES_OK : RES_IO;
}

static enum res force_to_disk(const struct arguments *a, struct err *why)
{
    int fd = open(a->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && syncfs(fd) == 0;
    if (!done) {
        err_set(why, "cannot force %s to the disk: %s", a->out, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return done ? RES_OK : RES_IO;
}

/* The next id: its digits at the end count up. False: they are all nines. */
static bool count_up(char *id)
{
    for (size_t at = strlen(id); at > 0 && id[at - 1] >= '0' && id[at - 1] <= '9'; at--) {
        if (id[at - 1] < '9') {
            id[at - 1]++;
            return true;
        }
        id[at - 1] = '0';
    }
    return false;
}

/* Registered in the open transaction. */
struct joined {
    char id[BATCH_MAX][PKI_ID_BYTES_MAX + 1];
    const char *ids[BATCH_MAX];
    size_t count;
};

static void joined_add(struct joined *j, const char *id)
{
    if (span_copy_text(span_or_none(id), j->id[j->count], sizeof j->id[0]) == RES_OK) {
        j->ids[j->count] = j->id[j->count];
        j->count++;
    }
}

/* In the transaction that the caller ends; `id` becomes the one after them. */
static enum res make_batch(const struct desk *d, const struct arguments *a,
                           struct pki_request *request, char *id, long count, struct err *why)
{
    static struct joined labels; /* for its size */
    struct pki_certificate made;
    enum res r = RES_OK;
    labels.count = 0;
    for (long i = 0; r == RES_OK && i < count; i++) {
        if (id[0] == '\0') {
            err_set(why, "the ids run out of digits; give a --device with a lower number");
            return RES_LIMIT;
        }
        request->id = span_or_none(id);
        r = pki_registry_register(&d->registry, request, SPAN_NONE, SPAN_NONE, &made, why);
        if (r != RES_OK) {
            return r;
        }
        r = write_plain(a, id, ".crt", made.pem, 0644, why);
        if (r == RES_OK) {
            r = write_plain(a, id, ".key", made.key_pem, 0600, why);
        }
        pki_issue_cleanse(&made);
        if (request->kind == PKI_LABEL) {
            joined_add(&labels, id);
        }
        if (!count_up(id)) {
            id[0] = '\0';
        }
    }
    if (r == RES_OK) {
        r = fleet_first_content(d->connection, labels.ids, labels.count, why);
    }
    return r == RES_OK ? force_to_disk(a, why) : r;
}

static enum res end_transaction(const struct desk *d, enum res r, struct err *why)
{
    enum res ended = pg_conn_command(d->connection, r == RES_OK ? "COMMIT" : "ROLLBACK",
                                     r == RES_OK ? why : NULL); /* the first words count */
    return r == RES_OK ? ended : r;
}

/* Transactions of BATCH_MAX: one that fails leaves those before it, and says so. */
static enum res make_all(const struct desk *d, const struct arguments *a,
                         struct pki_request *request, char *id, struct err *why)
{
    long made = 0;
    enum res r = RES_OK;
    while (r == RES_OK && made < a->count) {
        long count = a->count - made < BATCH_MAX ? a->count - made : BATCH_MAX;
        r = pg_conn_command(d->connection, "BEGIN", why);
        if (r == RES_OK) {
            r = end_transaction(d, make_batch(d, a, request, id, count, why), why);
        }
        made += r == RES_OK ? count : 0;
    }
    if (r != RES_OK && made > 0) {
        err_prefix(why, "%ld devices are made, the next are not", made);
    }
    return r;
}

static int provision_many(struct arguments *a, struct pki_request *request)
{
    char id[PKI_ID_BYTES_MAX + 1];
    struct err why = {""};
    struct desk desk;
    if (a->csr != NULL || a->serial != NULL) {
        return misuse("--csr and --serial are of one device, not of --count");
    }
    if (a->device == NULL) {
        a->device = request->kind == PKI_LABEL ? "ESP32-000001" : "CART-000001";
    }
    if (span_copy_text(span_or_none(a->device), id, sizeof id) != RES_OK ||
        !pki_identity_id_valid(request->kind, span_or_none(id))) {
        return misuse("--device is not an id of that kind");
    }
    a->out = a->out == NULL ? a->device : a->out;
    enum res r = desk_open(&desk, a, &why);
    if (r == RES_OK) {
        r = prepare_out(a, &why);
    }
    if (r == RES_OK) {
        r = copy_file(&desk, a->out, "ca.crt", &why);
    }
    if (r == RES_OK) {
        r = copy_file(&desk, a->out, "platform.pub", &why);
    }
    if (r == RES_OK) {
        r = make_all(&desk, a, request, id, &why);
    }
    desk_close(&desk);
    if (r == RES_OK && a->json) {
        printf("{\"made\":%ld,\"kind\":\"%s\",\"storeId\":\"%s\",\"first\":\"%s\"}\n", a->count,
               a->kind, a->store, a->device);
    } else if (r == RES_OK) {
        printf("%ld %ss of store %s, %s the first, in %s\n", a->count, a->kind, a->store, a->device,
               a->out);
    }
    return r == RES_OK ? 0 : complain(&why);
}

/* --- one --- */

/* Its certificate is shown to nobody before the commit. */
static enum res make_one(const struct desk *d, const struct arguments *a,
                         const struct pki_request *request, struct span csr,
                         struct pki_certificate *ret_made, struct err *why)
{
    struct pki_certificate made = {.pem = ""};
    enum res r = pg_conn_command(d->connection, "BEGIN", why);
    if (r == RES_OK) {
        r = pki_registry_register(&d->registry, request, csr, span_or_none(a->serial), &made, why);
        if (r == RES_OK && request->kind == PKI_LABEL) {
            r = fleet_first_content(d->connection, &a->device, 1, why);
        }
        r = end_transaction(d, r, why);
    }
    if (r == RES_OK) {
        *ret_made = made;
    }
    pki_issue_cleanse(&made);
    return r;
}

static int provision(struct arguments *a)
{
    struct pki_request request = {.kind = PKI_CART};
    if (a->kind == NULL || pki_identity_kind_read(span_or_none(a->kind), &request.kind) != RES_OK ||
        request.kind == PKI_SERVICE) {
        return misuse("--kind is cart or label");
    }
    if (a->store == NULL) {
        return misuse("--store is needed");
    }
    if (a->days < 1 || a->days > PKI_DEVICE_DAYS_MAX) {
        return misuse("--days is 1 to 3650");
    }
    request.store_id = span_or_none(a->store);
    pki_issue_period(&request, (unsigned)a->days);
    if (a->count > 0) {
        return provision_many(a, &request);
    }
    if (a->device == NULL) {
        pki_issue_new_id(request.kind, a->new_id);
        a->device = a->new_id;
    }
    request.id = span_or_none(a->device);
    a->out = a->out == NULL ? a->device : a->out;
    struct err why = {""};
    struct desk desk;
    struct pki_certificate made;
    char csr_text[PKI_CSR_BYTES_MAX + 1];
    struct span csr = SPAN_NONE;
    enum res r = desk_open(&desk, a, &why);
    if (r == RES_OK && !pki_identity_id_valid(request.kind, request.id)) {
        err_set(&why, "`%.64s` is not an id of a %s; give %s", a->device, a->kind,
                request.kind == PKI_CART ? "CART- and 4 to 12 of A-Z and 0-9"
                                         : "ESP32- and 3 to 12 of A-Z and 0-9");
        r = RES_INVALID;
    }
    if (r == RES_OK) {
        r = read_csr(a, csr_text, sizeof csr_text, &csr, &why);
    }
    if (r == RES_OK) {
        r = prepare_out(a, &why);
    }
    if (r == RES_OK) {
        r = make_one(&desk, a, &request, csr, &made, &why);
    }
    if (r == RES_OK) {
        r = write_out(&desk, a, &made, &why);
        pki_issue_cleanse(&made);
    }
    if (r == RES_OK) {
        print_made(a, &made);
    }
    desk_close(&desk);
    return r == RES_OK ? 0 : complain(&why);
}

static int revoke_one(const struct arguments *a)
{
    if (a->device == NULL) {
        return misuse("--device is needed");
    }
    struct err why = {""};
    struct desk desk;
    enum res r = desk_open(&desk, a, &why);
    if (r == RES_OK) {
        r = pki_registry_revoke(&desk.registry, span_or_none(a->device), span_or_none(a->reason),
                                &why);
    }
    if (r == RES_OK && a->json) {
        printf("{\"deviceId\":\"%s\",\"revoked\":true}\n", a->device);
    } else if (r == RES_OK) {
        printf("%s is revoked; a live session ends within seconds\n", a->device);
    }
    desk_close(&desk);
    return r == RES_OK ? 0 : complain(&why);
}

static void print_row(void *context, const struct pki_registry_row *row)
{
    const struct arguments *a = context;
    char end[TIMESTAMP_TEXT_BYTES + 1];
    char revoked[TIMESTAMP_TEXT_BYTES + 1];
    bool valid = row->revoked_ms == 0;
    time_text(row->not_after_ms, end);
    time_text(row->revoked_ms, revoked);
    if (a->json) {
        printf("{\"deviceId\":\"%.*s\",\"kind\":\"%.*s\",\"storeId\":\"%.*s\",",
               (int)row->device_id.size, (const char *)row->device_id.data, (int)row->kind.size,
               (const char *)row->kind.data, (int)row->store_id.size,
               (const char *)row->store_id.data);
        printf("\"serial\":\"%.*s\",\"notAfter\":\"%s\",\"revokedAt\":%s%s%s}\n",
               (int)row->serial.size, (const char *)row->serial.data, end, valid ? "" : "\"",
               valid ? "null" : revoked, valid ? "" : "\"");
        return;
    }
    printf("%-18.*s %-6.*s %-24.*s %.*s until %s%s%s\n", (int)row->device_id.size,
           (const char *)row->device_id.data, (int)row->kind.size, (const char *)row->kind.data,
           (int)row->store_id.size, (const char *)row->store_id.data, (int)row->serial.size,
           (const char *)row->serial.data, end, valid ? "" : ", revoked ", valid ? "" : revoked);
}

static int list(struct arguments *a)
{
    struct err why = {""};
    struct desk desk;
    enum res r = desk_open(&desk, a, &why);
    if (r == RES_OK) {
        r = pki_registry_list(&desk.registry, span_or_none(a->store), print_row, a, &why);
    }
    desk_close(&desk);
    return r == RES_OK ? 0 : complain(&why);
}

static bool read_days(const char *text, long *ret_days)
{
    char *end;
    errno = 0;
    long days = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        return false;
    }
    *ret_days = days;
    return true;
}

static int read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {{"data", required_argument, NULL, 'd'},
                                            {"kind", required_argument, NULL, 'k'},
                                            {"store", required_argument, NULL, 's'},
                                            {"device", required_argument, NULL, 'i'},
                                            {"csr", required_argument, NULL, 'c'},
                                            {"serial", required_argument, NULL, 'n'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"reason", required_argument, NULL, 'r'},
                                            {"days", required_argument, NULL, 'y'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"count", required_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        const struct {
            int letter;
            const char **to;
        } texts[] = {{'d', &a->data}, {'k', &a->kind},   {'s', &a->store}, {'i', &a->device},
                     {'c', &a->csr},  {'n', &a->serial}, {'o', &a->out},   {'r', &a->reason}};
        bool known = option == 'j' || (option == 'y' && read_days(optarg, &a->days)) ||
                     (option == 'm' && command_line_number(optarg, 1, COUNT_MAX, &a->count));
        a->json = a->json || option == 'j';
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            if (texts[i].letter == option) {
                *texts[i].to = optarg;
                known = true;
            }
        }
        if (option == 'h') {
            (void)fputs(help, stdout);
            return -1;
        }
        if (option == 'y' && !known) {
            return misuse("--days is 1 to 3650");
        }
        if (option == 'm' && !known) {
            return misuse("--count is 1 to 100000");
        }
        if (!known) {
            return command_line_bad_option("device", argv, option);
        }
    }
    return optind == argc ? 0 : misuse("there is a word too many");
}

int cmd_device(int argc, char **argv)
{
    struct arguments a = {.days = PKI_DEVICE_DAYS_DEFAULT};
    if (argc < 2) {
        return misuse(subcommands);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    int code = read_arguments(argc - 1, argv + 1, &a);
    if (code != 0) {
        return code < 0 ? 0 : code;
    }
    if (strcmp(argv[1], "provision") == 0) {
        return provision(&a);
    }
    if (strcmp(argv[1], "revoke") == 0) {
        return revoke_one(&a);
    }
    if (strcmp(argv[1], "list") == 0) {
        return list(&a);
    }
    return misuse(subcommands);
}
