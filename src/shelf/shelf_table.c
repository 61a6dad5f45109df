#include "shelf_table.h"

#include <assert.h>

#include "json.h"
#include "timestamp.h"

#define COUNT(a)      (sizeof(a) / sizeof(a)[0])
#define FIELDS(table) (&(const struct shelf_fields){table, COUNT(table)})
#define COUNTER_MAX   JSON_INT_MAX
#define EPOCH_MAX     INT32_MAX
#define PRICE_MAX     99999999 /* 999,999.99 */
#define DAY_MINUTES   1440
#define BASE64_MAX    1400

#ifdef SHELF_TABLE_DOCS
#define DOC(text)  text
#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})
#else
#define DOC(text)  NULL
#define RULES(...) NULL
#endif

const char *const shelf_table_languages[] = {"en", "hi", "ta", "te", "bn", "mr", NULL};
const char *const shelf_table_templates[] = {"standard", "sale", "unassigned", "withdrawn", NULL};
const char *const shelf_table_patterns[] = {"pulse", "blink", "solid", "stop", NULL};
const char *const shelf_table_colours[] = {"blue", "red", "green", "yellow", "white", NULL};
const char *const shelf_table_reasons[] = {"boot", "wake", "interval", "sleep", "changed", NULL};
const char *const shelf_table_ack_kinds[] = {"display", "config", "flash", NULL};
const char *const shelf_table_ack_statuses[] = {"displayed", "applied", "started",
                                                "stopped",   "refused", NULL};
static const char *const screens[] = {"eink", "tft", NULL};
static const char *const units[] = {"each", "kg", NULL};

static_assert(COUNT(shelf_table_languages) == SHELF_LANGUAGES + 1, "a name for each");
static_assert(COUNT(shelf_table_templates) == SHELF_TEMPLATES + 1, "a name for each");
static_assert(COUNT(shelf_table_patterns) == SHELF_STOP + 2, "a name for each");
static_assert(COUNT(shelf_table_colours) == SHELF_COLOURS + 1, "a name for each");
static_assert(COUNT(shelf_table_reasons) == SHELF_REASONS + 1, "a name for each");
static_assert(COUNT(shelf_table_ack_statuses) == SHELF_REFUSED + 2, "a name for each");

/* struct, member, path, kind, required, min, max, sentence */
#define AT(s, member)                                                                              \
    .offset = offsetof(struct s, member), .size = sizeof(((struct s *)NULL)->member)
#define ROW_IN(s, member, object_, name_, kind_, required_, min_, max_, doc_)                      \
    {                                                                                              \
        .path = object_ name_, .name_at = sizeof(object_) - 1, .kind = SHELF_KIND_##kind_,         \
        .required = (required_), AT(s, member), .min = (min_), .max = (max_), .doc = DOC(doc_)     \
    }
#define ROW(s, member, name_, kind_, required_, min_, max_, doc_)                                  \
    ROW_IN(s, member, "", name_, kind_, required_, min_, max_, doc_)
#define ROW_WORD(s, member, name_, required_, names_, absent_, doc_)                               \
    {                                                                                              \
        .path = (name_), .kind = SHELF_KIND_ENUM, .required = (required_), AT(s, member),          \
        .max = COUNT(names_) - 2, .names = (names_), .absent = (absent_), .doc = DOC(doc_)         \
    }
#define ROW_ENUM(s, member, name_, names_, doc_) ROW_WORD(s, member, name_, true, names_, -1, doc_)
#define ROW_OBJECT_AT(name_, fields_, offset_, flag_, doc_)                                        \
    {                                                                                              \
        .path = (name_), .kind = SHELF_KIND_OBJECT, .object = FIELDS(fields_),                     \
        .offset = (offset_), .flag_offset = (flag_), .doc = DOC(doc_)                              \
    }
#define ROW_OBJECT(name_, fields_, doc_) ROW_OBJECT_AT(name_, fields_, 0, 0, doc_)
#define ROW_DEVICE(s, member, doc_)                                                                \
    ROW(s, member, "deviceId", ID, true, 9, SHELF_ID_BYTES_MAX, doc_)
#define ROW_UPDATE(s, member)                                                                      \
    ROW(s, member, "updateId", UUID, true, SHELF_UPDATE_ID_BYTES, SHELF_UPDATE_ID_BYTES,           \
        "Of this delivery; the ack repeats it. One id has only ever one content.")
#define ROW_PLACE(s, member, name_)                                                                \
    ROW_IN(s, member, "location.", name_, NAME, false, 1, SHELF_PLACE_BYTES_MAX,                   \
           "Part of the place.")
#define ROW_TEXT(language, name_)                                                                  \
    ROW_IN(shelf_display_body, texts.names[language], "displayText.", name_, NAME, false, 1,       \
           SHELF_NAME_BYTES_MAX, "The product's name in this language.")

static const struct shelf_field display_texts[] = {
    ROW_TEXT(SHELF_EN, "en"), ROW_TEXT(SHELF_HI, "hi"), ROW_TEXT(SHELF_TA, "ta"),
    ROW_TEXT(SHELF_TE, "te"), ROW_TEXT(SHELF_BN, "bn"), ROW_TEXT(SHELF_MR, "mr"),
};
static const struct shelf_field display_fields[] = {
    ROW_DEVICE(shelf_display_body, display.device_id, "The label that is meant."),
    ROW_UPDATE(shelf_display_body, display.update_id),
    ROW(shelf_display_body, display.version, "version", INT, true, 1, COUNTER_MAX,
        "Rises with each content of this label; a lower one than it has is ignored."),
    ROW_ENUM(shelf_display_body, display.template, "template", shelf_table_templates,
             "What kind of face: standard, sale, unassigned (no product bound), withdrawn "
             "(may not be sold)."),
    ROW_ENUM(shelf_display_body, display.language, "language", shelf_table_languages,
             "The label's language; its name is in displayText, else English stands."),
    ROW(shelf_display_body, display.product_id, "productId", SKU, false, 1, SHELF_PRODUCT_BYTES_MAX,
        "The store's number of the product (SKU)."),
    ROW_OBJECT("displayText", display_texts, "The product's name by language."),
    ROW(shelf_display_body, display.price_minor, "price", MONEY, false, 1, PRICE_MAX,
        "What the shopper pays now, for the unit."),
    ROW(shelf_display_body, display.regular_minor, "regularPrice", MONEY, false, 1, PRICE_MAX,
        "The price without the sale, shown struck through."),
    ROW(shelf_display_body, display.mrp_minor, "mrp", MONEY, false, 1, PRICE_MAX,
        "Maximum retail price."),
    ROW(shelf_display_body, display.currency, "currency", CURRENCY, true, 3, 3, "ISO 4217."),
    ROW_WORD(shelf_display_body, display.per_kg, "unit", false, units, 0,
             "What the price is for: one piece, or one kilogram."),
    ROW(shelf_display_body, display.is_flash_sale, "isFlashSale", BOOL, true, 0, 1,
        "True with template sale only."),
    ROW(shelf_display_body, display.url, "url", URL, false, 8, SHELF_URL_BYTES_MAX,
        "The NFC tag's URI record; ends in the product's identifier."),
    ROW(shelf_display_body, display.timestamp_ms, "timestamp", TIME, true, 0, TIMESTAMP_MS_MAX,
        "When this content was made."),
    ROW(shelf_display_body, display.digest, "digest", DIGEST, true, 64, 64,
        "SHA-256 of the canonical text of the content; the label computes it again.")};

#define PLACE_ROWS(s)                                                                              \
    ROW_PLACE(s, aisle, "aisle"), ROW_PLACE(s, shelf, "shelf"), ROW_PLACE(s, position, "position")
static const struct shelf_field config_place[] = {PLACE_ROWS(shelf_config)};
static const struct shelf_field config_fields[] = {
    ROW_DEVICE(shelf_config, device_id, "The label that is meant."),
    ROW_UPDATE(shelf_config, update_id),
    ROW(shelf_config, version, "version", INT, true, 1, COUNTER_MAX,
        "Rises with each configuration of this label; a lower one is ignored."),
    ROW_ENUM(shelf_config, language, "language", shelf_table_languages,
             "Of the words that the label itself chooses."),
    ROW_OBJECT("location", config_place, "Where the label hangs, as the platform knows it."),
    ROW(shelf_config, refresh_interval_s, "refreshIntervalSeconds", INT, true, 0, 3600,
        "Least time between two refreshes of the screen."),
    ROW(shelf_config, led_brightness_pct, "ledBrightness", INT, true, 1, 100,
        "Of the LED, per cent."),
    ROW(shelf_config, idle_timeout_s, "idleTimeoutSeconds", INT, true, 0, 86400,
        "Nothing pending for so long: deep sleep. 0: never."),
    ROW(shelf_config, sync_peak_s, "syncPeakSeconds", INT, true, 5, 86400,
        "Comes by unasked at least so often, in peak hours."),
    ROW(shelf_config, sync_off_peak_s, "syncOffPeakSeconds", INT, true, 5, 86400,
        "The same outside peak hours."),
    ROW(shelf_config, peak_from_min, "peakFromMinute", INT, true, 0, DAY_MINUTES - 1,
        "Minute of the store's day at which peak hours begin."),
    ROW(shelf_config, peak_to_min, "peakToMinute", INT, true, 0, DAY_MINUTES - 1,
        "Minute at which they end; before peakFromMinute: after midnight."),
    ROW(shelf_config, utc_offset_min, "utcOffsetMinutes", INT, true, -840, 840,
        "The store's time less UTC."),
    ROW(shelf_config, timestamp_ms, "timestamp", TIME, true, 0, TIMESTAMP_MS_MAX,
        "When this configuration was made.")};

static const struct shelf_field flash_fields[] = {
    ROW_DEVICE(shelf_flash, device_id, "The label that is meant."),
    ROW_UPDATE(shelf_flash, update_id),
    ROW(shelf_flash, version, "version", INT, true, 1, COUNTER_MAX,
        "Rises with each flash command of this label; a lower or equal one is ignored."),
    ROW_ENUM(shelf_flash, pattern, "flashPattern", shelf_table_patterns,
             "How the LED lights; stop: it goes dark now."),
    ROW(shelf_flash, duration_s, "duration", INT, false, 1, 600, "Seconds; not with stop."),
    ROW_WORD(shelf_flash, colour, "color", false, shelf_table_colours, -1,
             "Of the LED, where it has colours; blue when not said."),
    ROW(shelf_flash, expires_ms, "expires", TIME, true, 0, TIMESTAMP_MS_MAX,
        "Not begun after this."),
    ROW(shelf_flash, timestamp_ms, "timestamp", TIME, true, 0, TIMESTAMP_MS_MAX,
        "When it was asked for."),
};

static const struct shelf_field state_certificate[] = {
    ROW_IN(shelf_state_body, state.certificate.number, "certificate.", "number", INT, true, 1,
           COUNTER_MAX, "Rises by one with each renewal."),
    ROW_IN(shelf_state_body, state.certificate.der, "certificate.", "der", BASE64, false, 4,
           BASE64_MAX,
           "The new certificate, DER in base64; not there: a request (CSR) is awaited."),
};
static const struct shelf_field state_events[] = {
    ROW_IN(shelf_state_body, state.events_epoch, "events.", "epoch", INT, true, 1, EPOCH_MAX,
           "The label's stream of events that is meant."),
    ROW_IN(shelf_state_body, state.events_through, "events.", "through", INT, false, 0, COUNTER_MAX,
           "Its events through this counter are stored and may be forgotten."),
};
static const struct shelf_field state_fields[] = {
    ROW_DEVICE(shelf_state_body, state.device_id, "The label that is meant."),
    ROW(shelf_state_body, state.version, "version", INT, true, 1, COUNTER_MAX,
        "Of the shadow; rises with every change of it."),
    ROW(shelf_state_body, state.time_ms, "timestamp", TIME, true, 0, TIMESTAMP_MS_MAX,
        "The platform's clock; a label without one keeps time by it."),
    ROW_OBJECT_AT("display", display_fields, offsetof(struct shelf_state_body, display),
                  offsetof(struct shelf_state_body, state.has_display),
                  "What the label shall show: the same object as in price/update."),
    ROW_OBJECT_AT("config", config_fields, offsetof(struct shelf_state_body, state.config),
                  offsetof(struct shelf_state_body, state.has_config),
                  "How the label shall behave: the same object as in config/update."),
    ROW_OBJECT("certificate", state_certificate, "A renewed certificate on its way."),
    ROW_OBJECT("events", state_events, "What the label may forget."),
};

static const struct shelf_field shown_fields[] = {
    ROW_IN(shelf_status, display_version, "shown.", "version", INT, true, 1, COUNTER_MAX,
           "Of the content."),
    ROW_IN(shelf_status, display_digest, "shown.", "digest", DIGEST, true, 64, 64,
           "Of the content."),
    ROW_IN(shelf_status, price_minor, "shown.", "price", MONEY, false, 1, PRICE_MAX,
           "The price on the screen."),
    ROW_IN(shelf_status, product_id, "shown.", "productId", SKU, false, 1, SHELF_PRODUCT_BYTES_MAX,
           "The product on the screen."),
};
static const struct shelf_field gap_fields[] = {
    ROW_IN(shelf_status, gap_from, "gap.", "from", INT, true, 1, COUNTER_MAX,
           "First counter that will never come."),
    ROW_IN(shelf_status, gap_to, "gap.", "to", INT, true, 1, COUNTER_MAX, "The last one."),
};

#define EVENT_ROWS(s)                                                                              \
    ROW_DEVICE(s, device_id, "The label that speaks: its certificate's common name."),             \
        ROW(s, epoch, "epoch", INT, false, 1, EPOCH_MAX,                                           \
            "Rises when the label has lost its counter; a stream of its own."),                    \
        ROW(s, counter, "counter", INT, false, 1, COUNTER_MAX,                                     \
            "One more with each event of the epoch, from 1; not there: sent once, never again.")

static const struct shelf_field status_fields[] = {
    EVENT_ROWS(shelf_status),
    ROW_WORD(shelf_status, reason, "reason", false, shelf_table_reasons, SHELF_INTERVAL,
             "Why now; interval when not said."),
    ROW(shelf_status, battery_pct, "batteryLevel", INT, true, 0, 100, "Per cent."),
    ROW(shelf_status, signal_dbm, "signalStrength", INT, true, -127, 0, "RSSI, dBm."),
    ROW_ENUM(shelf_status, tft, "displayType", screens, "What kind of screen."),
    ROW(shelf_status, firmware, "firmwareVersion", VERSION, true, 1, SHELF_FIRMWARE_BYTES_MAX,
        "What runs on it."),
    ROW(shelf_status, last_update_ms, "lastUpdate", TIME, false, 0, TIMESTAMP_MS_MAX,
        "When the screen was last refreshed; not there: never."),
    ROW(shelf_status, sleep_s, "sleepSeconds", INT, false, 1, 86400 * 7,
        "With reason sleep: back within so long."),
    ROW(shelf_status, queued, "queued", INT, false, 0, COUNTER_MAX, "Events waiting."),
    ROW(shelf_status, dropped, "dropped", INT, false, 0, COUNTER_MAX,
        "Events refused for want of room, ever."),
    ROW(shelf_status, refreshes, "refreshes", INT, false, 0, COUNTER_MAX,
        "Refreshes of the screen, ever."),
    ROW_OBJECT_AT("shown", shown_fields, 0, offsetof(struct shelf_status, shows),
                  "What is on the screen; confirms a delivery whose ack was lost."),
    ROW_WORD(shelf_status, language, "language", false, shelf_table_languages, SHELF_EN,
             "The label's language; en when not said."),
    ROW(shelf_status, config_version, "configVersion", INT, false, 1, COUNTER_MAX,
        "Of the configuration in force."),
    ROW_OBJECT("gap", gap_fields, "Counters whose events were dropped or damaged."),
    ROW(shelf_status, time_ms, "timestamp", TIME, false, 0, TIMESTAMP_MS_MAX,
        "The label's clock; not there: it has none yet."),
};

static const struct shelf_field ack_fields[] = {
    EVENT_ROWS(shelf_ack),
    ROW_ENUM(shelf_ack, kind, "kind", shelf_table_ack_kinds, "Of the message acknowledged."),
    ROW_ENUM(shelf_ack, status, "status", shelf_table_ack_statuses, "What the label has done."),
    ROW(shelf_ack, update_id, "updateId", UUID, false, SHELF_UPDATE_ID_BYTES, SHELF_UPDATE_ID_BYTES,
        "Of the message; not there: it could not be read."),
    ROW(shelf_ack, version, "version", INT, false, 1, COUNTER_MAX, "Of the message."),
    ROW(shelf_ack, digest, "digest", DIGEST, false, 64, 64, "Of what is on the screen now."),
    ROW(shelf_ack, price_minor, "price", MONEY, false, 1, PRICE_MAX, "On the screen now."),
    ROW(shelf_ack, product_id, "productId", SKU, false, 1, SHELF_PRODUCT_BYTES_MAX,
        "On the screen now."),
    ROW(shelf_ack, refreshed, "refreshed", BOOL, false, 0, 1,
        "The screen was refreshed; not there: the same content was on it already."),
    ROW(shelf_ack, why, "why", WORDS, false, 1, SHELF_REASON_BYTES_MAX, "With refused."),
    ROW(shelf_ack, time_ms, "timestamp", TIME, false, 0, TIMESTAMP_MS_MAX, "The label's clock."),
};

static const struct shelf_field get_fields[] = {
    ROW_DEVICE(shelf_get, device_id, "The label that asks."),
    ROW(shelf_get, shadow_version, "version", INT, false, 1, COUNTER_MAX,
        "Of the shadow it last had; not there: none."),
};

static const struct shelf_field report_place[] = {PLACE_ROWS(shelf_report)};
static const struct shelf_field report_certificate[] = {
    ROW_IN(shelf_report, certificate_number, "certificate.", "number", INT, true, 1, COUNTER_MAX,
           "Of the certificate it uses, or asks for with csr."),
    ROW_IN(shelf_report, csr, "certificate.", "csr", BASE64, false, 4, BASE64_MAX,
           "PKCS#10 request for the next certificate, DER in base64."),
};
static const struct shelf_field report_fields[] = {
    ROW_DEVICE(shelf_report, device_id, "The label that speaks."),
    ROW_OBJECT("location", report_place, "Where the label believes to hang."),
    ROW(shelf_report, config_version, "configVersion", INT, false, 1, COUNTER_MAX,
        "Of the configuration in force."),
    ROW_OBJECT("certificate", report_certificate, "Of the label."),
};

#define STATE_RULES RULES("`deviceId` in `display` and `config` is the state's own.")

static const struct shelf_message messages[SHELF_TOPICS] = {
    [SHELF_PRICE_UPDATE] =
        {"display", "price/update", FIELDS(display_fields), true, SHELF_DOWN_BYTES_MAX,
         DOC("What the label shall show."),
         RULES("Templates standard and sale need `productId`, `price` and `displayText.en`.",
               "Template withdrawn needs `productId` and `displayText.en`.",
               "Template unassigned has neither `productId` nor `price`.",
               "`isFlashSale` is true exactly with template sale.", "`price` is at most `mrp`.")},
    [SHELF_FLASH_COMMAND] = {"flash", "flash/command", FIELDS(flash_fields), true,
                             SHELF_DOWN_BYTES_MAX, DOC("Light the LED, so that staff finds it."),
                             RULES("`duration` is there exactly when `flashPattern` is not stop.")},
    [SHELF_CONFIG_UPDATE] = {"config", "config/update", FIELDS(config_fields), true,
                             SHELF_DOWN_BYTES_MAX, DOC("How the label shall behave."), RULES(NULL)},
    [SHELF_GET_ACCEPTED] = {"state", "shadow/get/accepted", FIELDS(state_fields), true,
                            SHELF_DOWN_BYTES_MAX,
                            DOC("The answer to shadow/get: all that is wanted of the label."),
                            STATE_RULES},
    [SHELF_DELTA] = {"delta", "shadow/delta", FIELDS(state_fields), true, SHELF_DOWN_BYTES_MAX,
                     DOC("Only what differs from what the label has."), STATE_RULES},
    [SHELF_STATUS] = {"status", "status", FIELDS(status_fields), false, SHELF_UP_BYTES_MAX,
                      DOC("How the label is and what it shows."),
                      RULES("`counter` and `epoch` come together.",
                            "`sleepSeconds` comes with reason sleep, and only then.",
                            "`gap.to` is not before `gap.from`.")},
    [SHELF_ACK] = {"ack", "ack", FIELDS(ack_fields), false, SHELF_UP_BYTES_MAX,
                   DOC("What became of a message of the platform."),
                   RULES("`counter` and `epoch` come together.",
                         "displayed goes with kind display, applied with config, started and "
                         "stopped with flash, refused with each.",
                         "displayed needs `updateId`, `version` and `digest`; applied, started and "
                         "stopped need `updateId` and `version`.",
                         "`why` comes with refused, and only then.")},
    [SHELF_GET] = {"get", "shadow/get", FIELDS(get_fields), false, SHELF_UP_BYTES_MAX,
                   DOC("Asks for all that is wanted."), RULES(NULL)},
    [SHELF_REPORT] = {"report", "shadow/update", FIELDS(report_fields), false, SHELF_UP_BYTES_MAX,
                      DOC("The label's own report into its shadow."), RULES(NULL)},
};

const struct shelf_message *shelf_table_message(enum shelf_topic t)
{
    assert(t < SHELF_TOPICS);
    return &messages[t];
}

#ifdef SHELF_TABLE_DOCS
static const struct shelf_kind_doc kinds[SHELF_KINDS] = {
    [SHELF_KIND_INT] = {"integer", NULL, "Plain digits."},
    [SHELF_KIND_MONEY] = {"money", NULL,
                          "A decimal with at most two digits after the point, no exponent."},
    [SHELF_KIND_TIME] = {"time",
                         "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
                         "RFC 3339, UTC, exactly three digits of a second."},
    [SHELF_KIND_BOOL] = {"boolean", NULL, "true or false."},
    [SHELF_KIND_ENUM] = {"word", NULL, "One of the words listed."},
    [SHELF_KIND_DIGEST] = {"digest", "^[0-9a-f]{64}$", "SHA-256, lower-case hexadecimal."},
    [SHELF_KIND_CURRENCY] = {"currency", "^[A-Z]{3}$", "ISO 4217."},
    [SHELF_KIND_OBJECT] = {"object", NULL, "Its members stand below it."},
    [SHELF_KIND_ID] = {"label id", "^ESP32-[A-Z0-9]{3,12}$", "Of a label."},
    [SHELF_KIND_UUID] = {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
                         "RFC 4122, lower case."},
    [SHELF_KIND_SKU] = {"sku", "^[A-Za-z0-9._/-]+$", "A product's number in the store."},
    [SHELF_KIND_NAME] = {"text", "^[^\\u0000-\\u001f\\u007f]+$",
                         "UTF-8 without control characters."},
    [SHELF_KIND_URL] = {"url", "^https?://[!#-\\[\\]-~]+$", "Printable ASCII."},
    [SHELF_KIND_BASE64] = {"base64", "^[A-Za-z0-9+/]+={0,2}$", "RFC 4648 section 4, padded."},
    [SHELF_KIND_VERSION] = {"version", "^[A-Za-z0-9.+_-]+$", "Of firmware."},
    [SHELF_KIND_WORDS] = {"words", "^[ !#-\\[\\]-~]+$", "Printable ASCII."},
};

const struct shelf_kind_doc *shelf_table_kind(enum shelf_kind kind)
{
    assert(kind < SHELF_KINDS);
    return &kinds[kind];
}
#endif
