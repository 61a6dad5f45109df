#include "fleet_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help_use[] =
    "usage: endcap-fleet --broker HOST:PORT --ca FILE --platform-key FILE --labels DIR [options]\n"
    "\n"
    "Thousands of virtual labels and carts in one process, each with the core that ships, over a\n"
    "connection of its own with mutual TLS.\n"
    "\n"
    "  --labels DIR         labels: DIR/{id}.crt and .key of `endcap device provision --out DIR`\n"
    "  --carts DIR          carts, the same way; they shop as soon as a catalogue has come\n"
    "  --broker HOST:PORT   the broker\n"
    "  --ca FILE            the authority that must have signed the broker's certificate\n"
    "  --platform-key FILE  platform.pub: whose signature is obeyed\n"
    "  --state FILE         what devices keep without power (carts: FILE.carts), so that a fleet\n"
    "                       that was killed goes on where it was; without: in memory\n"
    "  --trace FILE         appends a line for each content that reaches a label: id, by (update,\n"
    "                       shadow; panel: drawn), updateId, version, digest\n"
    "  --control PATH       a Unix socket that takes the requests below\n"
    "  --script FILE        requests with `at`, one a line\n"
    "  --report FILE        writes the figures at the end, as one JSON object\n"
    "  --json               prints the same on standard output at the end\n"
    "  --seconds N          ends after so long (0: until SIGTERM or SIGINT)\n"
    "  --off                devices wait for {\"do\":\"on\"}\n"
    "  --connect-rate N     at most N connection attempts a second (0: as fast as they go)\n"
    "  --handshakes N       at most N attempts at a time (50)\n"
    "  --keep-alive S       seconds, 0 to 300 (60)\n"
    "  --seed N             of everything that is left to chance (1)\n"
    "  --trust-platform     does not check the platform's signatures: for load generators only,\n"
    "                       saves 60 us a message\n"
    "  --quiet              no progress on a terminal\n"
    "  --help               this text\n"
    "\n"
    "Shoppers of the carts:\n"
    "  --pace MS            between two things a shopper does (1000)\n"
    "  --trips-max N        trips of each cart (0: without end)\n"
    "  --identify P --mismatch P --decline P   shares from 0 to 1 (0)\n";

static const char help_protocol[] =
    "\n"
    "Requests are JSON objects, one a line; so are the answers, in order, {\"ok\":true,...} or\n"
    "{\"ok\":false,\"error\":\"...\"}.\n"
    "\n"
    "{\"do\":VERB,\"on\":WHOM,...} does something; answers count (with \"ids\":true the ids, "
    "too).\n"
    "  WHOM: \"all\" (default), \"labels\", \"carts\", an id, [ids], \"5%\" or 20 (so many, at "
    "random)\n"
    "  with \"at\":S it is done in S seconds, with \"every\":S again and again, WHOM chosen anew\n"
    "  on, off                 power; off: RAM is lost, the broker is not told\n"
    "  brownout ms             off for so long (0), then from flash; \"writes\":N: in the middle "
    "of\n"
    "                          the N-th write to flash from now\n"
    "  reboot                  in order, and at once again\n"
    "  sleep ms, wake          deep sleep as if of its own will; it wakes by itself\n"
    "  disconnect              the connection ends; the device comes back by itself\n"
    "  offline ms, online      out of reach for so long (without ms: until online)\n"
    "  cut ms                  as offline, but TCP dies silently: nobody is told\n"
    "  loss up down            percent of messages lost on purpose\n"
    "  delay least most        milliseconds a message is under way, each its own: they overtake\n"
    "  mute what               swallows what it says: ack, shown (ack and status, the default),\n"
    "                          all, or none to end it\n"
    "  refuse yes              finds every platform signature wrong (\"yes\":false ends it)\n"
    "  clock ahead ppm utc     its clock jumps ahead by ms and gains ppm; utc: ms its calendar is\n"
    "                          wrong (carts)\n"
    "  battery pct signal      what its board measures\n"
    "  heal                    ends every trouble, power included\n"
    "\n"
    "{\"get\":\"dump\",\"on\":WHOM} answers devices: id, kind, state (running, asleep, down, "
    "off),\n"
    "  connected, why; of a label what is on its panel (drawn, digest, version, priceMinor,\n"
    "  language, template, productId, updateId, times, drawnAt) and what its core says (synced,\n"
    "  pending, configVersion, shadowVersion, queued, dropped, refreshes, led, lowBattery, ...).\n"
    "{\"get\":\"stats\",\"reset\":true} answers stats: connected, attempts, handshakes, failures,\n"
    "  losses, messagesIn, messagesOut, handshakeMs, displayMs (p50, p90, p99, max: from an\n"
    "  update's timestamp to its picture, by our clock), cpuMs, residentKb, ...; reset begins "
    "anew.\n"
    "{\"wait\":{...},\"on\":WHOM,\"ms\":N} answers done when all named are so at one moment, or "
    "after N\n"
    "  ms with those missing: state, connected, synced, drawn, pending, digest, productId, "
    "language,\n"
    "  priceMinor, version, configVersion and times (at least), queued (at most).\n"
    "{\"expect\":{ID:{...},...},\"ms\":N} the same, for each device its own.\n"
    "{\"get\":\"end\"} ends the fleet as SIGTERM does.\n"
    "\n"
    "Each device costs a descriptor; the soft limit of open files is raised to the hard one.\n"
    "Exit status: 0 ended in order, 1 could not run, 2 the command line is wrong.\n";

enum {
    OPT_LABELS = 256,
    OPT_CARTS,
    OPT_BROKER,
    OPT_CA,
    OPT_PLATFORM,
    OPT_STATE,
    OPT_TRACE,
    OPT_CONTROL,
    OPT_SCRIPT,
    OPT_REPORT,
    OPT_JSON,
    OPT_SECONDS,
    OPT_OFF,
    OPT_RATE,
    OPT_HANDSHAKES,
    OPT_KEEP_ALIVE,
    OPT_SEED,
    OPT_TRUST,
    OPT_QUIET,
    OPT_PACE,
    OPT_TRIPS_MAX,
    OPT_IDENTIFY,
    OPT_MISMATCH,
    OPT_DECLINE,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"labels", required_argument, NULL, OPT_LABELS},
    {"carts", required_argument, NULL, OPT_CARTS},
    {"broker", required_argument, NULL, OPT_BROKER},
    {"ca", required_argument, NULL, OPT_CA},
    {"platform-key", required_argument, NULL, OPT_PLATFORM},
    {"state", required_argument, NULL, OPT_STATE},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"script", required_argument, NULL, OPT_SCRIPT},
    {"report", required_argument, NULL, OPT_REPORT},
    {"json", no_argument, NULL, OPT_JSON},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"off", no_argument, NULL, OPT_OFF},
    {"connect-rate", required_argument, NULL, OPT_RATE},
    {"handshakes", required_argument, NULL, OPT_HANDSHAKES},
    {"keep-alive", required_argument, NULL, OPT_KEEP_ALIVE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"trust-platform", no_argument, NULL, OPT_TRUST},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"pace", required_argument, NULL, OPT_PACE},
    {"trips-max", required_argument, NULL, OPT_TRIPS_MAX},
    {"identify", required_argument, NULL, OPT_IDENTIFY},
    {"mismatch", required_argument, NULL, OPT_MISMATCH},
    {"decline", required_argument, NULL, OPT_DECLINE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static enum res read_number(struct fleet_options *o, int opt, const char *name, const char *text,
                            struct err *why)
{
    const struct {
        int opt;
        int64_t least;
        int64_t most;
    } limits[] = {{OPT_SECONDS, 0, 31536000},    {OPT_RATE, 0, 1000000},
                  {OPT_HANDSHAKES, 1, 1000},     {OPT_KEEP_ALIVE, 0, 300},
                  {OPT_SEED, 0, INT64_MAX},      {OPT_PACE, 0, 3600000},
                  {OPT_TRIPS_MAX, 0, 1000000000}};
    int64_t value = 0;
    enum res r = RES_INVALID;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (limits[i].opt == opt) {
            r = option_text_int(name, text, limits[i].least, limits[i].most, &value, why);
        }
    }
    if (r != RES_OK) {
        return r;
    }
    switch (opt) {
    case OPT_SECONDS:
        o->seconds = value;
        break;
    case OPT_RATE:
        o->world.link.rate_max = (uint32_t)value;
        break;
    case OPT_HANDSHAKES:
        o->world.link.handshakes_max = (uint32_t)value;
        break;
    case OPT_KEEP_ALIVE:
        o->world.link.keep_alive_s = (uint16_t)value;
        break;
    case OPT_SEED:
        o->world.seed = (uint64_t)value;
        break;
    case OPT_PACE:
        o->world.habits.pace_ms = value;
        break;
    default:
        o->world.habits.trips_max = value;
        break;
    }
    return RES_OK;
}

static bool read_flag(struct fleet_options *o, int opt)
{
    const struct {
        int opt;
        bool *to;
    } flags[] = {{OPT_JSON, &o->json},
                 {OPT_OFF, &o->world.start_off},
                 {OPT_TRUST, &o->world.trusting},
                 {OPT_QUIET, &o->quiet}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].opt == opt) {
            *flags[i].to = true;
            return true;
        }
    }
    return false;
}

static enum res read_option(void *options, int opt, const char *name, const char *text,
                            struct err *why)
{
    struct fleet_options *o = options;
    const struct {
        int opt;
        const char **to;
    } texts[] = {{OPT_LABELS, &o->world.label_directory},
                 {OPT_CARTS, &o->world.cart_directory},
                 {OPT_CA, &o->world.link.ca_file},
                 {OPT_PLATFORM, &o->world.platform_file},
                 {OPT_STATE, &o->world.state_file},
                 {OPT_TRACE, &o->world.trace_file},
                 {OPT_CONTROL, &o->control_path},
                 {OPT_SCRIPT, &o->script_file},
                 {OPT_REPORT, &o->report_file}};
    const struct {
        int opt;
        double *to;
    } shares[] = {{OPT_IDENTIFY, &o->world.habits.identify},
                  {OPT_MISMATCH, &o->world.habits.mismatch},
                  {OPT_DECLINE, &o->world.habits.decline}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].opt == opt) {
            *texts[i].to = text;
            return RES_OK;
        }
    }
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (shares[i].opt == opt) {
            return option_text_share(name, text, shares[i].to, why);
        }
    }
    if (read_flag(o, opt)) {
        return RES_OK;
    }
    return opt == OPT_BROKER ? option_text_broker(text, o->host, &o->world.link.port, why)
                             : read_number(o, opt, name, text, why);
}

static enum res check(const struct fleet_options *o, struct err *why)
{
    const struct {
        const char *name;
        const char *value;
    } needed[] = {{"broker", o->host[0] == '\0' ? NULL : o->host},
                  {"ca", o->world.link.ca_file},
                  {"platform-key", o->world.platform_file}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i].value == NULL) {
            err_set(why, "--%s is missing; see endcap-fleet --help", needed[i].name);
            return RES_INVALID;
        }
    }
    if (o->world.label_directory == NULL && o->world.cart_directory == NULL) {
        err_set(why, "--labels or --carts is needed; see endcap-fleet --help");
        return RES_INVALID;
    }
    return RES_OK;
}

enum res fleet_options_read(struct fleet_options *o, int argc, char **argv, struct err *why)
{
    memset(o, 0, sizeof *o);
    o->world.seed = 1;
    o->world.link.handshakes_max = 50;
    o->world.link.keep_alive_s = 60;
    o->world.habits.pace_ms = 1000;
    const struct option_text_line line = {.program = "endcap-fleet",
                                          .known = long_options,
                                          .help = OPT_HELP,
                                          .take = read_option,
                                          .options = o};
    enum res r = option_text_read(&line, argc, argv, why);
    if (r == RES_NOT_FOUND) {
        (void)fputs(help_use, stdout);
        (void)fputs(help_protocol, stdout);
    }
    if (r != RES_OK) {
        return r;
    }
    o->world.link.host = o->host;
    return check(o, why);
}
