#include <getopt.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "commands.h"
#include "install_keys.h"
#include "install_settings.h"
#include "pki_ca.h"
#include "pki_identity.h"
#include "pki_x509.h"
#include "timestamp.h"

static const char help[] =
    "usage: endcap ca init [--data DIR]\n"
    "       endcap ca show [--data DIR]\n\n"
    "init makes the certificate authority that every device trusts, the platform's signing key "
    "and\n"
    "the certificates of the broker and the services. A CA that is there is never replaced.\n"
    "`endcap up` does the same when there is none. show tells its name, fingerprint and end.\n\n"
    "  --data DIR  the installation (default $ENDCAP_DATA or ./endcap-data)\n";

static int complain(const struct err *why)
{
    (void)fprintf(stderr, "endcap ca: %s\n", why->text);
    return COMMAND_FAILED;
}

static int misuse(const char *words)
{
    return command_line_misuse("ca", words);
}

static enum res make_folders(const char *root, struct err *why)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"ca", 0700}, {"secrets", 0700}, {"broker", 0755}};
    enum res r = RES_OK;
    for (size_t i = 0; r == RES_OK && i < sizeof folders / sizeof *folders; i++) {
        char path[FILE_PATH_BYTES_MAX];
        r = file_path(path, why, "%s/%s", root, folders[i].name);
        if (r == RES_OK) {
            r = file_make_directory(path, folders[i].mode, why);
        }
    }
    return r;
}

static enum res refuse_existing(const char *root, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    enum res r = file_path(path, why, "%s/ca/ca.crt", root);
    if (r == RES_OK && access(path, F_OK) == 0) {
        err_set(why, "%s is there already; every device trusts it, so it is not replaced", path);
        r = RES_CONFLICT;
    }
    return r;
}

/* A certificate's SHA-256, as other tools print it: compare it with what a device has pinned. */
static void print_fingerprint(const X509 *certificate)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
        printf("fingerprint  SHA-256 ");
        for (unsigned i = 0; i < size; i++) {
            printf("%s%02X", i == 0 ? "" : ":", digest[i]);
        }
        printf("\n");
    }
}

static void print_ca(const struct pki_ca *ca)
{
    X509 *certificate = pki_ca_certificate(ca);
    char name[PKI_SUBJECT_BYTES_MAX + 1];
    char end[TIMESTAMP_TEXT_BYTES + 1] = "";
    int64_t end_ms = 0;
    struct sink s;
    pki_identity_subject(certificate, name, sizeof name);
    sink_init(&s, end, TIMESTAMP_TEXT_BYTES);
    if (pki_x509_time_ms(X509_get0_notAfter(certificate), &end_ms) == RES_OK) {
        timestamp_write(&s, end_ms);
    }
    printf("name         %s\nvalid until  %s\n", name, end);
    print_fingerprint(certificate);
}

static int show(const char *data)
{
    struct err why = {""};
    struct pki_ca *ca = NULL;
    char root[FILE_PATH_BYTES_MAX];
    char directory[FILE_PATH_BYTES_MAX];
    enum res r = install_settings_root(data, false, root, &why);
    if (r == RES_OK) {
        r = file_path(directory, &why, "%s/ca", root);
    }
    if (r == RES_OK) {
        r = pki_ca_open(directory, &ca, &why);
    }
    if (r != RES_OK) {
        return complain(&why);
    }
    print_ca(ca);
    pki_ca_close(ca);
    return 0;
}

static int init(const char *data)
{
    struct err why = {""};
    struct settings settings;
    char root[FILE_PATH_BYTES_MAX];
    enum res r = install_settings_root(data, true, root, &why);
    if (r == RES_OK) {
        r = install_settings_load(root, &settings, &why);
    }
    if (r == RES_OK) {
        r = refuse_existing(root, &why);
    }
    if (r == RES_OK) {
        r = make_folders(root, &why);
    }
    if (r == RES_OK) {
        r = install_keys_ensure(root, &settings, &why);
    }
    return r == RES_OK ? show(data) : complain(&why);
}

int cmd_ca(int argc, char **argv)
{
    static const struct option options[] = {{"data", required_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *data = NULL;
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(help, stdout);
            return 0;
        }
        if (option != 'd') {
            return command_line_bad_option("ca", argv, option);
        }
        data = optarg;
    }
    if (optind + 1 != argc) {
        return misuse("the subcommands are init and show");
    }
    if (strcmp(argv[optind], "init") == 0) {
        return init(data);
    }
    return strcmp(argv[optind], "show") == 0 ? show(data)
                                             : misuse("the subcommands are init and show");
}
