#include "wire_catalog.h"

#include <assert.h>

#include "json.h"
#include "money.h"
#include "timestamp.h"

#define COUNTER_MAX JSON_INT_MAX
#define COUNT(a)    (sizeof(a) / sizeof(a)[0])
#define FIELDS(a)                                                                                  \
    {                                                                                              \
        a, COUNT(a)                                                                                \
    }
/* 999,999.99 for one unit: the dearest thing in a supermarket. */
#define PRICE_MAX 99999999
/* Grams: what a platform scale under a cart can see at all. */
#define GRAMS_MAX       1000000
#define ITEMS_MAX       9999
#define CATALOG_VER_MAX 999999999
#define CHUNKS_MAX      1000
#define COORD_MAX       1000000

#ifdef WIRE_CATALOG_DOCS
#define DOC(text)  text
#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})
#else
#define DOC(text)  NULL
#define RULES(...) NULL
#endif

static const char *const transitions[] = {"start", "hold", "resume", NULL};
static const char *const outcomes[] = {"complete", "voided", "abandoned", NULL};
static const char *const hold_reasons[] = {"customer", "staff", "payment", "idle", NULL};
static const char *const price_sources[] = {"cache", "response", "embedded", NULL};
static const char *const weights[] = {"ok", "mismatch", "unstable", "unknown", NULL};
static const char *const methods[] = {"loyalty", "payment-card", "app-qr", NULL};
static const char *const payment_statuses[] = {"approved", "declined", NULL};
static const char *const modes[] = {"active", "idle", "sleeping", NULL};
static const char *const links[] = {"wifi", "lte", NULL};
static const char *const fault_codes[] = {
    "scanner-jam", "payment-failed", "battery-cliff", "scale", "flash",
    "clock",       "command",        "gap",           "other", NULL};
static const char *const severities[] = {"low", "medium", "high", NULL};
static const char *const boot_reasons[] = {"power", "watchdog", "command", "update", "crash", NULL};
static const char *const command_kinds[] = {"sleep",     "wake",     "customer-override",
                                            "pause",     "cancel",   "restart",
                                            "catalogue", "firmware", NULL};
static const char *const command_outcomes[] = {"done", "ignored", "expired", "refused", NULL};
static const char *const payment_outcomes[] = {"accepted", "refused", NULL};

static_assert(COUNT(fault_codes) == WIRE_FAULT_OTHER + 2, "a name for each code and the end");
static_assert(COUNT(command_kinds) == WIRE_CMD_FIRMWARE + 2, "a name for each kind and the end");
static_assert(COUNT(boot_reasons) == WIRE_BOOT_CRASH + 2, "a name for each reason and the end");

/* Rows: struct, name, kind, required, member, min, max, sentence. */
#define ROW(s, name_, kind_, required_, member, min_, max_, doc_)                                  \
    {                                                                                              \
        .name = (name_), .kind = WIRE_KIND_##kind_, .required = (required_),                       \
        .offset = offsetof(struct s, member), .min = (min_), .max = (max_), .doc = DOC(doc_)       \
    }
#define ROW_ENUM(s, name_, required_, member, names_, doc_)                                        \
    {                                                                                              \
        .name = (name_), .kind = WIRE_KIND_ENUM, .required = (required_),                          \
        .offset = offsetof(struct s, member), .max = COUNT(names_) - 2, .names = (names_),         \
        .doc = DOC(doc_)                                                                           \
    }

static const struct wire_field event_header[] = {
    ROW(wire_event, "cartId", CART_ID, true, cart_id, 9, 17,
        "The cart that speaks: its certificate's common name and the topic's second level."),
    ROW(wire_event, "epoch", INT, true, epoch, 1, WIRE_EPOCH_MAX,
        "Rises when the cart has lost its counter (new board, erased flash); a stream of its own."),
    ROW(wire_event, "counter", INT, true, counter, 1, COUNTER_MAX,
        "Starts at 1 in each epoch and is one more with each event, whatever its type."),
    ROW(wire_event, "time", TIME, true, time_ms, 0, TIMESTAMP_MS_MAX,
        "When it happened by the cart's clock; stays the same when the event is sent again."),
};

static const struct wire_field downlink_header[] = {
    ROW(wire_downlink, "cartId", CART_ID, true, cart_id, 9, 17, "The cart that is meant."),
    ROW(wire_downlink, "time", TIME, true, time_ms, 0, TIMESTAMP_MS_MAX,
        "When the platform signed this."),
};

static const struct wire_field catalogue_header[] = {
    ROW(wire_downlink, "time", TIME, true, time_ms, 0, TIMESTAMP_MS_MAX,
        "When the platform signed this."),
};

static const struct wire_field scan_fields[] = {
    ROW(wire_scan, "sessionId", SESSION_ID, true, session_id, 13, 45, "The session scanned in."),
    ROW(wire_scan, "line", INT, true, line, 1, ITEMS_MAX,
        "Number of the basket line within the session."),
    ROW(wire_scan, "gtin", GTIN, true, gtin, 8, 14,
        "As read, UPC-E expanded to 12 digits; the check digit is valid."),
    ROW(wire_scan, "sku", SKU, false, sku, 1, 32, "The store's own number of the product."),
    ROW(wire_scan, "quantity", INT, true, quantity, -99, 99,
        "How many are put in; negative: taken out. Never 0."),
    ROW(wire_scan, "price", MONEY, false, price, 0, PRICE_MAX,
        "Of one unit, or of the embedded measure, at the moment of the scan."),
    ROW(wire_scan, "currency", CURRENCY, false, currency, 3, 3, "Of the price, ISO 4217."),
    ROW_ENUM(wire_scan, "priceSource", false, price_source, price_sources,
             "Where the price came from: the cart's cache, a product answer, the barcode itself."),
    ROW(wire_scan, "measureG", INT, false, measure_g, 1, GRAMS_MAX,
        "Weight of variable-measure goods, in grams."),
    ROW(wire_scan, "weightExpectedG", INT, false, weight_expected_g, -GRAMS_MAX, GRAMS_MAX,
        "What the weight platform should see change, in grams; negative when goods are taken out."),
    ROW(wire_scan, "weightDeltaG", INT, false, weight_delta_g, -GRAMS_MAX, GRAMS_MAX,
        "What the weight platform saw change, in grams."),
    ROW_ENUM(wire_scan, "weight", true, weight, weights,
             "The cart's judgement of the two; never blocks the session."),
    ROW(wire_scan, "resolves", INT, false, resolves, 1, COUNTER_MAX,
        "Counter of the unpriced scan of the same line that this one prices; without a price it "
        "asks for the answer again."),
};

static const struct wire_field session_start_fields[] = {
    ROW(wire_session_start, "sessionId", SESSION_ID, true, session_id, 13, 45,
        "The session that starts, is held or resumed."),
    ROW_ENUM(wire_session_start, "transition", true, transition, transitions,
             "What happens to it."),
    ROW_ENUM(wire_session_start, "reason", false, reason, hold_reasons, "Why it is held."),
    ROW(wire_session_start, "storeId", STORE_ID, true, store_id, 3, 24, "Where the cart is."),
};

static const struct wire_field session_end_fields[] = {
    ROW(wire_session_end, "sessionId", SESSION_ID, true, session_id, 13, 45,
        "The session that ends."),
    ROW_ENUM(wire_session_end, "outcome", true, outcome, outcomes, "How it ends."),
    ROW(wire_session_end, "itemCount", INT, true, item_count, 0, ITEMS_MAX,
        "Sum of the quantities of its scans without `resolves`."),
    ROW(wire_session_end, "scanCount", INT, true, scan_count, 0, ITEMS_MAX,
        "How many scan messages it has, those with `resolves` too."),
    ROW(wire_session_end, "unpriced", INT, true, unpriced, 0, ITEMS_MAX,
        "Quantity that has no price yet."),
    ROW(wire_session_end, "firstScan", INT, true, first_scan, 0, COUNTER_MAX,
        "Counter of its first scan; 0: it has none."),
    ROW(wire_session_end, "lastScan", INT, true, last_scan, 0, COUNTER_MAX,
        "Counter of its last scan; 0: it has none."),
    ROW(wire_session_end, "total", MONEY, true, total, 0, MONEY_MINOR_MAX,
        "Sum of price times quantity over its priced lines."),
    ROW(wire_session_end, "currency", CURRENCY, true, currency, 3, 3, "Of the total, ISO 4217."),
    ROW(wire_session_end, "digest", DIGEST, true, digest, 64, 64,
        "SHA-256 chain over the bodies of its scans, in counter order."),
    ROW(wire_session_end, "paymentToken", TOKEN, false, payment_token, 16, 64,
        "The terminal's opaque authorisation token; absent: not paid at the cart."),
    ROW(wire_session_end, "paymentAmount", MONEY, false, payment_amount, 0, MONEY_MINOR_MAX,
        "What the terminal authorised."),
    ROW_ENUM(wire_session_end, "paymentStatus", false, payment_status, payment_statuses,
             "What the terminal said."),
};

static const struct wire_field identify_fields[] = {
    ROW(wire_identify, "sessionId", SESSION_ID, true, session_id, 13, 45,
        "The session that gets a customer."),
    ROW_ENUM(wire_identify, "method", true, method, methods, "How the customer identified."),
    ROW(wire_identify, "token", TOKEN, true, token, 16, 64,
        "Opaque reference that the platform resolves; never a card, loyalty or phone number."),
};

static const struct wire_field health_fields[] = {
    ROW_ENUM(wire_health, "mode", true, mode, modes, "What the cart is doing."),
    ROW(wire_health, "batteryPct", INT, true, battery_pct, 0, 100, "Battery, percent."),
    ROW(wire_health, "signalDbm", INT, true, signal_dbm, -127, 0, "Radio signal, dBm."),
    ROW(wire_health, "laserDeciC", INT, true, laser_deci_c, -500, 1500,
        "Temperature of the scanner's laser, tenths of a degree Celsius."),
    ROW(wire_health, "driftG", INT, true, drift_g, -GRAMS_MAX, GRAMS_MAX,
        "Drift of the weight platform since its last calibration, in grams."),
    ROW_ENUM(wire_health, "link", true, link, links, "Which radio carries this."),
    ROW(wire_health, "xCm", INT, false, x_cm, -COORD_MAX, COORD_MAX,
        "Place on the store's floor plan, centimetres."),
    ROW(wire_health, "yCm", INT, false, y_cm, -COORD_MAX, COORD_MAX,
        "Place on the store's floor plan, centimetres."),
    ROW(wire_health, "queued", INT, true, queued, 0, COUNTER_MAX, "Events waiting on flash."),
    ROW(wire_health, "catalogVersion", INT, true, catalog_version, 0, CATALOG_VER_MAX,
        "Version of the product cache; 0: none."),
    ROW(wire_health, "commandNumber", INT, false, command_number, 1, COUNTER_MAX,
        "The command that this acknowledges."),
    ROW_ENUM(wire_health, "commandOutcome", false, command_outcome, command_outcomes,
             "What became of that command."),
};

static const struct wire_field fault_fields[] = {
    ROW_ENUM(wire_fault, "code", true, code, fault_codes, "What went wrong."),
    ROW_ENUM(wire_fault, "severity", true, severity, severities, "How bad it is."),
    ROW(wire_fault, "sessionId", SESSION_ID, false, session_id, 13, 45, "The session it hit."),
    ROW(wire_fault, "detail", WORDS, false, detail, 1, 64,
        "Words for the technician; no run of 12 digits or more."),
    ROW(wire_fault, "gapFrom", INT, false, gap_from, 0, COUNTER_MAX,
        "First counter whose event was damaged on flash and is lost; 0: none."),
    ROW(wire_fault, "gapTo", INT, false, gap_to, 0, COUNTER_MAX,
        "Last counter whose event was damaged on flash and is lost; 0: none."),
    ROW(wire_fault, "gapHealth", INT, false, gap_health, 0, COUNTER_MAX,
        "Health events dropped for lack of flash; they never had a counter."),
    ROW(wire_fault, "gapFault", INT, false, gap_fault, 0, COUNTER_MAX,
        "Fault events dropped for lack of flash; they never had a counter."),
    ROW(wire_fault, "gapScan", INT, false, gap_scan, 0, COUNTER_MAX,
        "Scans dropped for lack of flash; they never had a counter."),
};

static const struct wire_field boot_fields[] = {
    ROW(wire_boot, "firmware", VERSION, true, firmware, 1, 32, "Version that runs now."),
    ROW(wire_boot, "hardware", VERSION, true, hardware, 1, 32, "Board and revision."),
    ROW_ENUM(wire_boot, "reason", true, reason, boot_reasons, "Why it started."),
    ROW(wire_boot, "slot", SLOT, true, slot, 1, 1, "Firmware bank that runs, A or B."),
    ROW(wire_boot, "securityCounter", INT, true, security_counter, 0, CATALOG_VER_MAX,
        "Least firmware security counter that this cart still accepts."),
    ROW(wire_boot, "catalogVersion", INT, true, catalog_version, 0, CATALOG_VER_MAX,
        "Version of the product cache; 0: none."),
    ROW(wire_boot, "commandNumber", INT, true, command_number, 0, COUNTER_MAX,
        "Highest command number ever accepted; 0: none."),
    ROW(wire_boot, "sessionId", SESSION_ID, false, session_id, 13, 45,
        "The session that was open when it stopped and goes on now."),
};

static const struct wire_field command_fields[] = {
    ROW(wire_command, "number", INT, true, number, 1, COUNTER_MAX,
        "Rises with each command to this cart, over all epochs."),
    ROW(wire_command, "expires", TIME, true, expires_ms, 0, TIMESTAMP_MS_MAX,
        "From this time on the command must not be carried out."),
    ROW_ENUM(wire_command, "kind", true, kind, command_kinds, "What to do."),
    ROW(wire_command, "sessionId", SESSION_ID, false, session_id, 13, 45,
        "The session meant; a cart with another session open ignores the command."),
    ROW(wire_command, "version", INT, false, version, 1, CATALOG_VER_MAX,
        "The catalogue version to have."),
    ROW(wire_command, "reason", WORDS, false, reason, 1, 64, "Words for the cart's log."),
};

static const struct wire_field commit_ack_fields[] = {
    ROW(wire_commit_ack, "epoch", INT, true, epoch, 1, WIRE_EPOCH_MAX, "The epoch meant."),
    ROW(wire_commit_ack, "through", INT, true, through, 0, COUNTER_MAX,
        "Every event of this epoch up to and including this counter is on disk."),
};

static const struct wire_field product_fields[] = {
    ROW(wire_product, "epoch", INT, true, epoch, 1, WIRE_EPOCH_MAX, "Of the scan answered."),
    ROW(wire_product, "counter", INT, true, counter, 1, COUNTER_MAX, "Of the scan answered."),
    ROW(wire_product, "gtin", GTIN, true, gtin, 8, 14, "As in that scan."),
    ROW(wire_product, "found", BOOL, true, found, 0, 1, "Whether the store knows the product."),
    ROW(wire_product, "sku", SKU, false, sku, 1, 32, "The store's own number of the product."),
    ROW(wire_product, "name", NAME, false, name, 1, 96, "For the cart's display."),
    ROW(wire_product, "price", MONEY, false, price, 0, PRICE_MAX,
        "Of one unit; with perKg of one kilogram."),
    ROW(wire_product, "currency", CURRENCY, false, currency, 3, 3, "Of the price, ISO 4217."),
    ROW(wire_product, "weightG", INT, false, weight_g, 0, GRAMS_MAX,
        "Expected weight of one unit, in grams; 0: unknown."),
    ROW(wire_product, "perKg", BOOL, false, per_kg, 0, 1, "Whether the price is of a kilogram."),
};

static const struct wire_field payment_fields[] = {
    ROW(wire_payment, "epoch", INT, true, epoch, 1, WIRE_EPOCH_MAX, "Of the session-end answered."),
    ROW(wire_payment, "counter", INT, true, counter, 1, COUNTER_MAX,
        "Of the session-end answered: the correlation id."),
    ROW_ENUM(wire_payment, "outcome", true, outcome, payment_outcomes,
             "Whether the platform takes this payment."),
    ROW(wire_payment, "reason", CODE, false, reason, 1, 32, "Why it is refused, a stable name."),
    ROW(wire_payment, "token", TOKEN, true, token, 16, 64, "As in that session-end."),
};

static const struct wire_field item_fields[] = {
    ROW(wire_catalogue_item, "gtin", GTIN14, true, gtin, 14, 14,
        "Zero-padded to 14 digits; the sort key."),
    ROW(wire_catalogue_item, "sku", SKU, true, sku, 1, 32,
        "The store's own number of the product."),
    ROW(wire_catalogue_item, "name", NAME, true, name, 1, 96, "For the cart's display."),
    ROW(wire_catalogue_item, "price", MONEY, true, price, 0, PRICE_MAX,
        "Of one unit; with perKg of one kilogram."),
    ROW(wire_catalogue_item, "weightG", INT, true, weight_g, 0, GRAMS_MAX,
        "Expected weight of one unit, in grams; 0: unknown."),
    ROW(wire_catalogue_item, "perKg", BOOL, true, per_kg, 0, 1,
        "Whether the price is of a kilogram."),
};

static const struct wire_field price_fields[] = {
    ROW(wire_price, "gtin", GTIN14, true, gtin, 14, 14, "Zero-padded to 14 digits; the sort key."),
    ROW(wire_price, "price", MONEY, true, price, 0, PRICE_MAX,
        "Now; of one unit or of one kilogram, as in the catalogue."),
};

static const struct wire_field prices_fields[] = {
    ROW(wire_prices, "storeId", STORE_ID, true, store_id, 3, 24, "The store meant."),
    ROW(wire_prices, "base", INT, true, base, 1, CATALOG_VER_MAX,
        "Version of the whole catalogue that this supplements."),
    ROW(wire_prices, "version", INT, true, version, 1, CATALOG_VER_MAX,
        "What a cart that holds `base` has with it: the version that its health reports."),
    ROW(wire_prices, "currency", CURRENCY, true, currency, 3, 3, "Of all prices, ISO 4217."),
    ROW(wire_prices, "items", PRICES, true, items, 0, WIRE_PRICES_ITEMS_MAX,
        "Everything whose price is another than in `base`, sorted by gtin."),
};

static const struct wire_field catalogue_fields[] = {
    ROW(wire_catalogue, "storeId", STORE_ID, true, store_id, 3, 24, "The store meant."),
    ROW(wire_catalogue, "version", INT, true, version, 1, CATALOG_VER_MAX,
        "Rises with each publication."),
    ROW(wire_catalogue, "chunk", INT, true, chunk, 0, CHUNKS_MAX - 1,
        "Number of this chunk, from 0; also the topic's last level."),
    ROW(wire_catalogue, "chunks", INT, true, chunks, 1, CHUNKS_MAX,
        "How many chunks this version has."),
    ROW(wire_catalogue, "currency", CURRENCY, true, currency, 3, 3, "Of all prices, ISO 4217."),
    ROW(wire_catalogue, "items", ITEMS, true, items, 0, WIRE_CATALOGUE_ITEMS_MAX,
        "Products, sorted by gtin within the chunk and over the chunks."),
};

#define EVENT(name, fields, doc, ...)                                                              \
    {                                                                                              \
        name, FIELDS(event_header), FIELDS(fields##_fields), WIRE_EVENT_BYTES_MAX,                 \
            DOC("cart/{cartId}/" name), DOC(doc), RULES(__VA_ARGS__)                               \
    }
#define DOWNLINK(name, fields, topic, doc, ...)                                                    \
    {                                                                                              \
        name, FIELDS(downlink_header), FIELDS(fields##_fields), WIRE_EVENT_BYTES_MAX, DOC(topic),  \
            DOC(doc), RULES(__VA_ARGS__)                                                           \
    }

#define SESSION_RULE                                                                               \
    "`sessionId` begins with the event's own `cartId`; its epoch is not above the event's, and "   \
    "when it is the same epoch its counter is below the event's"

static const struct wire_message messages[WIRE_TYPES] = {
    [WIRE_SCAN] = EVENT("scan", scan, "One barcode read, one line of the basket.", SESSION_RULE,
                        "`price`, `currency` and `priceSource` come together or not at all",
                        "`quantity` is not 0", "`resolves` is below `counter`",
                        "`weight` \"ok\" or \"mismatch\" needs `weightExpectedG` and "
                        "`weightDeltaG`"),
    [WIRE_SESSION_START] =
        EVENT("session-start", session_start,
              "A shopping trip starts, is held or goes on; a guest's trip is a trip.",
              "with `transition` \"start\" `sessionId` is the event's own "
              "`{cartId}.{epoch}.{counter}`",
              "with another transition " SESSION_RULE,
              "`reason` comes with `transition` \"hold\" and only then"),
    [WIRE_SESSION_END] = EVENT(
        "session-end", session_end, "A shopping trip ends; what the cart believes it held.",
        SESSION_RULE,
        "`scanCount`, `firstScan` and `lastScan` are all 0 or all above 0; with 0 the other "
        "counts and `total` are 0 and `digest` is 64 zeros",
        "`firstScan` <= `lastScan` < `counter` and `scanCount` <= `lastScan` - `firstScan` + 1",
        "`unpriced` <= `itemCount`",
        "`paymentToken`, `paymentAmount` and `paymentStatus` come together or not at all"),
    [WIRE_IDENTIFY] = EVENT("identify", identify, "A customer joins the session.", SESSION_RULE),
    [WIRE_HEALTH] = EVENT(
        "health", health,
        "How the cart is, every 60 s in use and every 5 min idle; also acknowledges commands.",
        "`xCm` and `yCm` come together or not at all",
        "`commandNumber` and `commandOutcome` come together or not at all"),
    [WIRE_FAULT] =
        EVENT("fault", fault, "Something went wrong; with code \"gap\" the signed gap record.",
              SESSION_RULE " (when it is there)",
              "`gapFrom`, `gapTo`, `gapHealth`, `gapFault` and `gapScan` all come with `code` "
              "\"gap\" and none comes with another code; at least one of them is above 0",
              "`gapFrom` and `gapTo` are both 0, or 1 <= `gapFrom` <= `gapTo` < `counter`"),
    [WIRE_BOOT] =
        EVENT("boot", boot, "The firmware has started.", SESSION_RULE " (when it is there)"),
    [WIRE_COMMAND] =
        DOWNLINK("command", command, "cart/{cartId}/command",
                 "Something to do, signed, numbered and with an end.", "`expires` is after `time`",
                 "`sessionId` begins with `cartId` and comes only with `kind` \"pause\", "
                 "\"cancel\", \"restart\" or \"customer-override\"",
                 "`version` comes with `kind` \"catalogue\" and only then"),
    [WIRE_COMMIT_ACK] =
        DOWNLINK("commit-ack", commit_ack, "cart/{cartId}/response",
                 "What the cart may delete from its flash.", "no rule beyond the fields"),
    [WIRE_PRODUCT] =
        DOWNLINK("product", product, "cart/{cartId}/response",
                 "Answer to a scan of a product that the cart did not know.",
                 "`sku`, `name`, `price`, `currency`, `weightG` and `perKg` all come with `found` "
                 "true and none comes with false"),
    [WIRE_PAYMENT] = DOWNLINK("payment", payment, "cart/{cartId}/response",
                              "Answer to a session-end with a payment.",
                              "`reason` comes with `outcome` \"refused\" and only then"),
    [WIRE_CATALOGUE] = {"catalogue", FIELDS(catalogue_header), FIELDS(catalogue_fields),
                        WIRE_PLATFORM_BYTES_MAX, DOC("store/{storeId}/catalogue/{chunk}"),
                        DOC("One chunk of the store's product cache, retained by the broker."),
                        RULES("`chunk` is below `chunks`",
                              "the `gtin` of each item is above the one before it")},
    [WIRE_PRICES] = {"prices", FIELDS(catalogue_header), FIELDS(prices_fields),
                     WIRE_PLATFORM_BYTES_MAX, DOC("store/{storeId}/catalogue/prices"),
                     DOC("Prices that changed since a whole catalogue, retained by the broker."),
                     RULES("`base` is not above `version`",
                           "the `gtin` of each item is above the one before it")},
};

static_assert(2 + COUNT(event_header) + COUNT(scan_fields) <= JSON_KEYS_MAX / 2 &&
                  2 + COUNT(event_header) + COUNT(session_end_fields) <= JSON_KEYS_MAX / 2,
              "a message leaves room for as many members that a newer cart may add");

const struct wire_message *wire_catalog_message(enum wire_type type)
{
    assert((unsigned)type < WIRE_TYPES);
    return &messages[type];
}

struct wire_fields wire_catalog_item_fields(enum wire_kind kind)
{
    return kind == WIRE_KIND_PRICES ? (struct wire_fields)FIELDS(price_fields)
                                    : (struct wire_fields)FIELDS(item_fields);
}

#ifdef WIRE_CATALOG_DOCS
static const struct wire_kind_doc kinds[] = {
    [WIRE_KIND_INT] = {"integer", NULL, "plain digits; no fraction, exponent, leading zero or -0"},
    [WIRE_KIND_MONEY] = {"money", NULL, "a decimal with at most two digits after the point"},
    [WIRE_KIND_TIME] = {"time",
                        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
                        "RFC 3339 in UTC with three decimals and a capital Z, no other form"},
    [WIRE_KIND_BOOL] = {"boolean", NULL, "true or false"},
    [WIRE_KIND_ENUM] = {"name", NULL, "one of the names listed"},
    [WIRE_KIND_CART_ID] = {"cart id", "^CART-[A-Z0-9]{4,12}$", "a cart's identity"},
    [WIRE_KIND_STORE_ID] = {"store id", "^[A-Z0-9][A-Z0-9-]{2,23}$", "a store's identity"},
    [WIRE_KIND_SESSION_ID] = {"session id",
                              "^CART-[A-Z0-9]{4,12}\\.[1-9][0-9]{0,9}\\.[1-9][0-9]{0,15}$",
                              "{cartId}.{epoch}.{counter} of the session's start"},
    [WIRE_KIND_GTIN] = {"gtin", "^([0-9]{8}|[0-9]{12,14})$",
                        "8, 12, 13 or 14 digits, the last a valid GS1 check digit"},
    [WIRE_KIND_GTIN14] = {"gtin14", "^[0-9]{14}$",
                          "14 digits, zero-padded, the last a valid GS1 check digit"},
    [WIRE_KIND_SKU] = {"sku", "^[A-Za-z0-9._/-]{1,32}$",
                       "letters, digits, point, underline, slash and dash; a Luhn-valid run of 13 "
                       "to 19 digits is refused unless the whole text is a valid GTIN"},
    [WIRE_KIND_CURRENCY] = {"currency", "^[A-Z]{3}$", "ISO 4217 code"},
    [WIRE_KIND_TOKEN] = {"token", "^[A-Za-z0-9_-]{16,64}$",
                         "opaque; a Luhn-valid run of 13 to 19 digits is refused"},
    [WIRE_KIND_DIGEST] = {"digest", "^[0-9a-f]{64}$", "SHA-256 in lower-case hexadecimal"},
    [WIRE_KIND_WORDS] = {"words", "^[ !#-\\[\\]-~]+$",
                         "printable ASCII without quotation mark and backslash; a run of 12 digits "
                         "or more, or a Luhn-valid card number, is refused"},
    [WIRE_KIND_NAME] = {"display name", "^[^\\u0000-\\u001f\"\\\\\\u007f]+$",
                        "UTF-8 without control characters, quotation mark and backslash; a "
                        "Luhn-valid run of 13 to 19 digits is refused"},
    [WIRE_KIND_VERSION] = {"version", "^[A-Za-z0-9.+_-]{1,32}$",
                           "letters, digits, point, plus, underline and dash; a Luhn-valid run of "
                           "13 to 19 digits is refused"},
    [WIRE_KIND_SLOT] = {"slot", "^[AB]$", "A or B"},
    [WIRE_KIND_CODE] = {"code", "^[a-z][a-z0-9_]{0,31}$", "a stable name"},
    [WIRE_KIND_ITEMS] = {"items", NULL, "array of objects"},
    [WIRE_KIND_PRICES] = {"prices", NULL, "array of objects"},
};
static_assert(COUNT(kinds) == WIRE_KINDS, "a description for each kind");

const struct wire_kind_doc *wire_catalog_kind(enum wire_kind kind)
{
    return &kinds[kind];
}
#endif

bool wire_catalog_kind_is_free_text(enum wire_kind kind)
{
    return kind == WIRE_KIND_TOKEN || kind == WIRE_KIND_WORDS || kind == WIRE_KIND_NAME ||
           kind == WIRE_KIND_VERSION || kind == WIRE_KIND_SKU;
}
