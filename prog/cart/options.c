#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "option_text.h"

static const char help[] =
    "Usage: endcap-cart --cart ID --store S --broker HOST:PORT --ca F --cert F --key F\n"
    "                   --platform-key F --state DIR --trips FILE [options]\n"
    "\n"
    "One virtual smart cart: the firmware's own core with its flash in a file, a simulated "
    "shopper,\n"
    "terminal and scale, and a real connection to the broker. It shops until its trips are over "
    "or\n"
    "SIGTERM comes; then it ends the trip, sends what it has until the platform has acknowledged "
    "it,\n"
    "and prints one line of JSON with what it did. Killed at any moment, it continues from its "
    "state\n"
    "directory at the next start.\n"
    "\n"
    "Identity and connection:\n"
    "  --cart ID            the cart, CART- and 4 to 12 of A-Z 0-9; also its certificate's name\n"
    "  --store S            the store it belongs to\n"
    "  --broker HOST:PORT   MQTT over TLS\n"
    "  --ca F --cert F --key F   the CA, the cart's certificate and private key, PEM\n"
    "  --platform-key F     the platform's public key, PEM, that signs what it sends\n"
    "  --state DIR          made when absent: flash.bin (the flash), epoch (the secure element's\n"
    "                       counter)\n"
    "\n"
    "Shopping:\n"
    "  --trips FILE         one trip a line: codes between commas; CODE*N for N of it, -CODE to "
    "take\n"
    "                       it out, ?hold ?resume ?identify ?cancel ?finish ?pay ?wait=MS; a trip\n"
    "                       that does not say how it ends is paid\n"
    "  --trips-max N        stop after N trips\n"
    "  --loop               trips of the file at random, without end; otherwise each once\n"
    "  --pace MS            between two scans (1000)\n"
    "  --seed N             of everything that is left to chance (1)\n"
    "  --decline P          share of payments the terminal declines, 0 to 1 (0)\n"
    "  --mismatch P         share of scans whose weight is wrong (0)\n"
    "  --identify P         share of trips that identify a customer (0)\n"
    "  --terminal MS        the terminal takes so long (200)\n"
    "  --currency CODE      until a catalogue names one (INR)\n"
    "  --show               what the display shows, one JSON object a line\n"
    "\n"
    "Trouble on purpose, by published message, 0 to 1 (0):\n"
    "  --replay P           an old message is published once more\n"
    "  --reorder P          a message is held back and sent after others\n"
    "  --drop P             the network loses a message\n"
    "  --cut-ms MS          SIGUSR1 cuts the network for so long (5000)\n"
    "\n"
    "Truth and end:\n"
    "  --journal F          appends a JSON line for each event made: cartId, epoch, counter, "
    "type,\n"
    "                       digest (SHA-256 of the body)\n"
    "  --drain MS           at the end, wait so long for the last acknowledgement (30000)\n"
    "  --flash-sectors N    of 4096 bytes, 192 to 512 (320)\n"
    "  --relaxed-flash      does not force each flash operation to the disk: survives a kill of "
    "the\n"
    "                       cart, not a power cut of this machine; for many carts on one disk\n"
    "  --help               this text\n"
    "\n"
    "Signals: SIGTERM and SIGINT end the trip and drain; SIGUSR1 cuts the network; SIGKILL is a\n"
    "power cut. Exit status: 0 ended in order (what is unacknowledged then is in the last line "
    "and\n"
    "stays on flash), 1 could not run, 2 the command line is wrong.\n";

enum {
    OPT_CART = 256,
    OPT_STORE,
    OPT_BROKER,
    OPT_CA,
    OPT_CERT,
    OPT_KEY,
    OPT_PLATFORM,
    OPT_STATE,
    OPT_TRIPS,
    OPT_TRIPS_MAX,
    OPT_LOOP,
    OPT_PACE,
    OPT_SEED,
    OPT_DECLINE,
    OPT_MISMATCH,
    OPT_IDENTIFY,
    OPT_TERMINAL,
    OPT_CURRENCY,
    OPT_SHOW,
    OPT_REPLAY,
    OPT_REORDER,
    OPT_DROP,
    OPT_CUT,
    OPT_JOURNAL,
    OPT_DRAIN,
    OPT_SECTORS,
    OPT_RELAXED,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"cart", required_argument, NULL, OPT_CART},
    {"store", required_argument, NULL, OPT_STORE},
    {"broker", required_argument, NULL, OPT_BROKER},
    {"ca", required_argument, NULL, OPT_CA},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"platform-key", required_argument, NULL, OPT_PLATFORM},
    {"state", required_argument, NULL, OPT_STATE},
    {"trips", required_argument, NULL, OPT_TRIPS},
    {"trips-max", required_argument, NULL, OPT_TRIPS_MAX},
    {"loop", no_argument, NULL, OPT_LOOP},
    {"pace", required_argument, NULL, OPT_PACE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"decline", required_argument, NULL, OPT_DECLINE},
    {"mismatch", required_argument, NULL, OPT_MISMATCH},
    {"identify", required_argument, NULL, OPT_IDENTIFY},
    {"terminal", required_argument, NULL, OPT_TERMINAL},
    {"currency", required_argument, NULL, OPT_CURRENCY},
    {"show", no_argument, NULL, OPT_SHOW},
    {"replay", required_argument, NULL, OPT_REPLAY},
    {"reorder", required_argument, NULL, OPT_REORDER},
    {"drop", required_argument, NULL, OPT_DROP},
    {"cut-ms", required_argument, NULL, OPT_CUT},
    {"journal", required_argument, NULL, OPT_JOURNAL},
    {"drain", required_argument, NULL, OPT_DRAIN},
    {"flash-sectors", required_argument, NULL, OPT_SECTORS},
    {"relaxed-flash", no_argument, NULL, OPT_RELAXED},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static enum res read_number(struct options *o, int opt, const char *name, const char *text,
                            struct err *why)
{
    const struct {
        int opt;
        int64_t least;
        int64_t most;
        int64_t *to;
    } numbers[] = {
        {OPT_TRIPS_MAX, 0, 1000000000, &o->trips_max}, {OPT_PACE, 0, 3600000, &o->pace_ms},
        {OPT_TERMINAL, 0, 60000, &o->terminal_ms},     {OPT_CUT, 1, 86400000, &o->cut_ms},
        {OPT_DRAIN, 0, 3600000, &o->drain_ms},         {OPT_SECTORS, 192, 512, &o->flash_sectors},
    };
    const struct {
        int opt;
        double *to;
    } shares[] = {
        {OPT_DECLINE, &o->decline}, {OPT_MISMATCH, &o->mismatch}, {OPT_IDENTIFY, &o->identify},
        {OPT_REPLAY, &o->replay},   {OPT_REORDER, &o->reorder},   {OPT_DROP, &o->drop},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].opt == opt) {
            return option_text_int(name, text, numbers[i].least, numbers[i].most, numbers[i].to,
                                   why);
        }
    }
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (shares[i].opt == opt) {
            return option_text_share(name, text, shares[i].to, why);
        }
    }
    int64_t seed = 0;
    enum res r = option_text_int(name, text, 0, INT64_MAX, &seed, why);
    o->seed = (uint64_t)seed;
    return r;
}

static enum res read_option(void *options, int opt, const char *name, const char *text,
                            struct err *why)
{
    struct options *o = options;
    const struct {
        int opt;
        const char **to;
    } texts[] = {
        {OPT_CART, &o->cart_id},         {OPT_STORE, &o->store_id},
        {OPT_CA, &o->ca_file},           {OPT_CERT, &o->certificate_file},
        {OPT_KEY, &o->key_file},         {OPT_PLATFORM, &o->platform_key_file},
        {OPT_STATE, &o->state_dir},      {OPT_TRIPS, &o->trips_file},
        {OPT_JOURNAL, &o->journal_file}, {OPT_CURRENCY, &o->currency},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].opt == opt) {
            *texts[i].to = text;
            return RES_OK;
        }
    }
    if (opt == OPT_LOOP) {
        o->loop = true;
        return RES_OK;
    }
    if (opt == OPT_RELAXED) {
        o->relaxed_flash = true;
        return RES_OK;
    }
    if (opt == OPT_SHOW) {
        o->show = true;
        return RES_OK;
    }
    return opt == OPT_BROKER ? option_text_broker(text, o->host, &o->port, why)
                             : read_number(o, opt, name, text, why);
}

static enum res check(const struct options *o, struct err *why)
{
    const struct {
        const char *name;
        const char *value;
    } needed[] = {
        {"cart", o->cart_id},
        {"store", o->store_id},
        {"broker", o->host[0] == '\0' ? NULL : o->host},
        {"ca", o->ca_file},
        {"cert", o->certificate_file},
        {"key", o->key_file},
        {"platform-key", o->platform_key_file},
        {"state", o->state_dir},
        {"trips", o->trips_file},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (needed[i].value == NULL) {
            err_set(why, "--%s is missing; see endcap-cart --help", needed[i].name);
            return RES_INVALID;
        }
    }
    size_t length = strlen(o->cart_id);
    if (strncmp(o->cart_id, "CART-", 5) != 0 || length < 9 || length > 17 ||
        strspn(o->cart_id + 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != length - 5) {
        err_set(why, "--cart %s: give CART- and 4 to 12 of A-Z and 0-9", o->cart_id);
        return RES_INVALID;
    }
    if (option_text_store(o->store_id, why) != RES_OK) {
        return RES_INVALID;
    }
    if (strlen(o->currency) != 3 || strspn(o->currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3) {
        err_set(why, "--currency %s: give an ISO 4217 code, e.g. INR", o->currency);
        return RES_INVALID;
    }
    return RES_OK;
}

enum res options_read(struct options *o, int argc, char **argv, struct err *why)
{
    memset(o, 0, sizeof *o);
    o->currency = "INR";
    o->pace_ms = 1000;
    o->seed = 1;
    o->cut_ms = 5000;
    o->terminal_ms = 200;
    o->drain_ms = 30000;
    o->flash_sectors = 320;
    const struct option_text_line line = {.program = "endcap-cart",
                                          .known = long_options,
                                          .help = OPT_HELP,
                                          .take = read_option,
                                          .options = o};
    enum res r = option_text_read(&line, argc, argv, why);
    if (r == RES_NOT_FOUND) {
        fputs(help, stdout);
    }
    if (r != RES_OK) {
        return r;
    }
    return check(o, why);
}
