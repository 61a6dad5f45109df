#include "label_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "shelf.h"

static const char help[] =
    "Usage: endcap-label --label ID --broker HOST:PORT --ca F --cert F --key F\n"
    "                    --platform-key F --state DIR [options]\n"
    "\n"
    "One virtual shelf label: the firmware's own core with its flash in a file, a panel of 296 x "
    "128\n"
    "dots that is drawn as a PNG or in the terminal, and a real connection to the broker. It "
    "shows\n"
    "what the platform sends it until SIGTERM comes, then prints one line of JSON with what it "
    "shows\n"
    "and did. Killed at any moment, it continues from its state directory at the next start.\n"
    "\n"
    "Identity and connection:\n"
    "  --label ID           the label, ESP32- and 3 to 12 of A-Z 0-9; also its certificate's name\n"
    "  --store S            the store it hangs in; only said again in the last line\n"
    "  --broker HOST:PORT   MQTT over TLS\n"
    "  --ca F --cert F --key F   the CA, the label's certificate and private key, PEM\n"
    "  --platform-key F     the platform's public key, PEM, that signs what it sends\n"
    "  --state DIR          made when absent: flash.bin (the flash), epoch (the secure element's\n"
    "                       counter), tag.ndef (the NFC tag), renewal-N.key and .crt (a renewed\n"
    "                       certificate, which then takes the place of --cert and --key)\n"
    "\n"
    "What it shows:\n"
    "  --png F              the panel; replaced as a whole at each refresh. A panel that is not\n"
    "                       there at the start is drawn again\n"
    "  --terminal           the panel in words on standard output at each refresh, and the lamp\n"
    "  --journal F          appends a JSON line for each thing shown, kept, repeated, configured,\n"
    "                       flashing, stopped, refused, dropped, renewed, and each sleep and wake\n"
    "\n"
    "Trouble on purpose:\n"
    "  --battery PCT        at the start (90)\n"
    "  --drain PCT          of the battery, an hour (0)\n"
    "  --loss P             share of messages that get lost, each way, 0 to 1 (0)\n"
    "  --replay P           share of its messages that are published once more later (0)\n"
    "  --cut-ms MS          SIGUSR1 cuts the network for so long (5000)\n"
    "  --seed N             of everything that is left to chance (1)\n"
    "\n"
    "End:\n"
    "  --seconds N          ends by itself after so long (0: never)\n"
    "  --relaxed-flash      does not force each flash operation to the disk: survives a kill of "
    "the\n"
    "                       label, not a power cut of this machine; for many labels on one disk\n"
    "  --help               this text\n"
    "\n"
    "Signals: SIGTERM and SIGINT end it; SIGUSR1 cuts the network; SIGKILL is a power cut. Exit\n"
    "status: 0 ended in order, 1 could not run, 2 the command line is wrong.\n";

enum {
    OPT_LABEL = 256,
    OPT_STORE,
    OPT_BROKER,
    OPT_CA,
    OPT_CERT,
    OPT_KEY,
    OPT_PLATFORM,
    OPT_STATE,
    OPT_PNG,
    OPT_TERMINAL,
    OPT_JOURNAL,
    OPT_BATTERY,
    OPT_DRAIN,
    OPT_LOSS,
    OPT_REPLAY,
    OPT_CUT,
    OPT_SEED,
    OPT_SECONDS,
    OPT_RELAXED,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"label", required_argument, NULL, OPT_LABEL},
    {"store", required_argument, NULL, OPT_STORE},
    {"broker", required_argument, NULL, OPT_BROKER},
    {"ca", required_argument, NULL, OPT_CA},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"platform-key", required_argument, NULL, OPT_PLATFORM},
    {"state", required_argument, NULL, OPT_STATE},
    {"png", required_argument, NULL, OPT_PNG},
    {"terminal", no_argument, NULL, OPT_TERMINAL},
    {"journal", required_argument, NULL, OPT_JOURNAL},
    {"battery", required_argument, NULL, OPT_BATTERY},
    {"drain", required_argument, NULL, OPT_DRAIN},
    {"loss", required_argument, NULL, OPT_LOSS},
    {"replay", required_argument, NULL, OPT_REPLAY},
    {"cut-ms", required_argument, NULL, OPT_CUT},
    {"seed", required_argument, NULL, OPT_SEED},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"relaxed-flash", no_argument, NULL, OPT_RELAXED},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static enum res read_number(struct label_options *o, int opt, const char *name, const char *text,
                            struct err *why)
{
    const struct {
        int opt;
        int64_t least;
        int64_t most;
        int64_t *to;
    } numbers[] = {
        {OPT_BATTERY, 0, 100, &o->battery_pct},
        {OPT_DRAIN, 0, 360000, &o->drain_pct},
        {OPT_CUT, 1, 86400000, &o->cut_ms},
        {OPT_SECONDS, 0, 31536000, &o->seconds},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].opt == opt) {
            return option_text_int(name, text, numbers[i].least, numbers[i].most, numbers[i].to,
                                   why);
        }
    }
    if (opt == OPT_LOSS || opt == OPT_REPLAY) {
        return option_text_share(name, text, opt == OPT_LOSS ? &o->loss : &o->replay, why);
    }
    int64_t seed = 0;
    enum res r = option_text_int(name, text, 0, INT64_MAX, &seed, why);
    o->seed = (uint64_t)seed;
    return r;
}

static enum res read_option(void *options, int opt, const char *name, const char *text,
                            struct err *why)
{
    struct label_options *o = options;
    const struct {
        int opt;
        const char **to;
    } texts[] = {
        {OPT_LABEL, &o->label_id},       {OPT_STORE, &o->store_id},
        {OPT_CA, &o->ca_file},           {OPT_CERT, &o->certificate_file},
        {OPT_KEY, &o->key_file},         {OPT_PLATFORM, &o->platform_key_file},
        {OPT_STATE, &o->state_dir},      {OPT_PNG, &o->png_file},
        {OPT_JOURNAL, &o->journal_file},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].opt == opt) {
            *texts[i].to = text;
            return RES_OK;
        }
    }
    if (opt == OPT_TERMINAL) {
        o->terminal = true;
        return RES_OK;
    }
    if (opt == OPT_RELAXED) {
        o->relaxed_flash = true;
        return RES_OK;
    }
    return opt == OPT_BROKER ? option_text_broker(text, o->host, &o->port, why)
                             : read_number(o, opt, name, text, why);
}

static enum res check(const struct label_options *o, struct err *why)
{
    const struct {
        const char *name;
        const char *value;
    } needed[] = {
        {"label", o->label_id},  {"broker", o->host[0] == '\0' ? NULL : o->host},
        {"ca", o->ca_file},      {"cert", o->certificate_file},
        {"key", o->key_file},    {"platform-key", o->platform_key_file},
        {"state", o->state_dir},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (needed[i].value == NULL) {
            err_set(why, "--%s is missing; see endcap-label --help", needed[i].name);
            return RES_INVALID;
        }
    }
    if (!shelf_id_is_valid(span_text(o->label_id, SHELF_ID_BYTES_MAX + 1))) {
        err_set(why, "--label %s: give ESP32- and 3 to 12 of A-Z and 0-9", o->label_id);
        return RES_INVALID;
    }
    return o->store_id != NULL ? option_text_store(o->store_id, why) : RES_OK;
}

enum res label_options_read(struct label_options *o, int argc, char **argv, struct err *why)
{
    memset(o, 0, sizeof *o);
    o->battery_pct = 90;
    o->cut_ms = 5000;
    o->seed = 1;
    const struct option_text_line line = {.program = "endcap-label",
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
