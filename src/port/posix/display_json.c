#include "display_json.h"

static const char *const kinds[DISPLAY_KINDS] = {
    [DISPLAY_WELCOME] = "welcome",
    [DISPLAY_ITEM] = "item",
    [DISPLAY_ITEM_NO_PRICE] = "item_no_price",
    [DISPLAY_PRICED] = "priced",
    [DISPLAY_NOT_KNOWN] = "not_known",
    [DISPLAY_REMOVED] = "removed",
    [DISPLAY_CHECK_WEIGHT] = "check_weight",
    [DISPLAY_BAD_CODE] = "bad_code",
    [DISPLAY_NOT_IN_BASKET] = "not_in_basket",
    [DISPLAY_NOT_NOW] = "not_now",
    [DISPLAY_NO_ROOM] = "no_room",
    [DISPLAY_HELD] = "held",
    [DISPLAY_RESUMED] = "resumed",
    [DISPLAY_IDENTIFIED] = "identified",
    [DISPLAY_PAYING] = "paying",
    [DISPLAY_DECLINED] = "declined",
    [DISPLAY_ENDED] = "ended",
    [DISPLAY_PAYMENT_ACCEPTED] = "payment_accepted",
    [DISPLAY_PAYMENT_REFUSED] = "payment_refused",
    [DISPLAY_PAYMENT_LATER] = "payment_later",
    [DISPLAY_MESSAGE] = "message",
    [DISPLAY_SLEEPING] = "sleeping",
    [DISPLAY_AWAKE] = "awake",
};

/* Texts are UTF-8 from signed messages or our own words; only what JSON forbids is escaped. */
static void write_text(FILE *out, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte < 0x20) {
            fprintf(out, "\\u%04x", byte);
        } else {
            if (byte == '"' || byte == '\\') {
                fputc('\\', out);
            }
            fputc(byte, out);
        }
    }
}

static void show(void *context, const struct display_view *view)
{
    const struct display_json *json = context;
    if (json->out == NULL) {
        return;
    }
    fprintf(json->out, "{\"show\":\"%s\",\"text\":\"", kinds[view->kind]);
    write_text(json->out, view->text);
    fprintf(json->out,
            "\",\"line\":%lld,\"quantity\":%lld,\"priceMinor\":%lld,\"items\":%lld,"
            "\"totalMinor\":%lld,\"unpriced\":%lld}\n",
            (long long)view->line, (long long)view->quantity, (long long)view->price_minor,
            (long long)view->item_count, (long long)view->total_minor, (long long)view->unpriced);
}

void display_json_init(struct display_json *json, FILE *out)
{
    *json = (struct display_json){.display = {.context = json, .show = show}, .out = out};
}
