/* Every message both ways: the table does the fields, what stands here is what one field cannot
 * say. The rules are those of shelf_table.c, in its words. */
#include <string.h>

#include "shelf_field.h"

/* --- rules --- */

static enum res check_display(const struct shelf_display *d, struct span english,
                              struct shelf_detail *detail)
{
    bool sells = d->template == SHELF_STANDARD || d->template == SHELF_SALE;
    if (d->template == SHELF_UNASSIGNED) {
        if (d->product_id.size > 0) {
            return shelf_field_refuse(detail, "productId", "is not of an unassigned label");
        }
        if (d->price_minor != 0) {
            return shelf_field_refuse(detail, "price", "is not of an unassigned label");
        }
    } else if (d->product_id.size == 0) {
        return shelf_field_refuse(detail, "productId", "is missing");
    } else if (english.size == 0) {
        return shelf_field_refuse(detail, "displayText.en", "is missing");
    }
    if (sells && d->price_minor == 0) {
        return shelf_field_refuse(detail, "price", "is missing");
    }
    if (d->is_flash_sale != (d->template == SHELF_SALE)) {
        return shelf_field_refuse(detail, "isFlashSale", "must be true with template sale only");
    }
    if (d->mrp_minor > 0 && d->price_minor > d->mrp_minor) {
        return shelf_field_refuse(detail, "price", "is above mrp");
    }
    return RES_OK;
}

static enum res check_flash(const struct shelf_flash *f, struct shelf_detail *detail)
{
    if (f->pattern == SHELF_STOP && f->duration_s != 0) {
        return shelf_field_refuse(detail, "duration", "does not go with stop");
    }
    if (f->pattern != SHELF_STOP && f->duration_s == 0) {
        return shelf_field_refuse(detail, "duration", "is missing");
    }
    return RES_OK;
}

static enum res check_event(int64_t epoch, int64_t counter, struct shelf_detail *detail)
{
    if (epoch == 0 && counter > 0) {
        return shelf_field_refuse(detail, "epoch", "is missing");
    }
    if (epoch > 0 && counter == 0) {
        return shelf_field_refuse(detail, "counter", "is missing");
    }
    return RES_OK;
}

static enum res check_status(const struct shelf_status *st, struct shelf_detail *detail)
{
    if ((st->reason == SHELF_SLEEP) != (st->sleep_s > 0)) {
        return shelf_field_refuse(detail, "sleepSeconds", "comes with reason sleep only");
    }
    if (st->gap_to < st->gap_from) {
        return shelf_field_refuse(detail, "gap.to", "is before gap.from");
    }
    return check_event(st->epoch, st->counter, detail);
}

static bool is_zero(const uint8_t digest[SHELF_DIGEST_BYTES])
{
    static const uint8_t zeros[SHELF_DIGEST_BYTES];
    return memcmp(digest, zeros, sizeof zeros) == 0;
}

static bool status_fits(enum shelf_ack_kind kind, enum shelf_ack_status status)
{
    switch (status) {
    case SHELF_DISPLAYED:
        return kind == SHELF_ACK_DISPLAY;
    case SHELF_APPLIED:
        return kind == SHELF_ACK_CONFIG;
    case SHELF_STARTED:
    case SHELF_STOPPED:
        return kind == SHELF_ACK_FLASH;
    case SHELF_REFUSED:
        break;
    }
    return true;
}

static enum res check_ack(const struct shelf_ack *a, struct shelf_detail *detail)
{
    if (!status_fits(a->kind, a->status)) {
        return shelf_field_refuse(detail, "status", "does not go with this kind");
    }
    if ((a->status == SHELF_REFUSED) != (a->why.size > 0)) {
        return shelf_field_refuse(detail, "why", "comes with refused only");
    }
    if (a->status != SHELF_REFUSED) {
        if (a->update_id.size == 0) {
            return shelf_field_refuse(detail, "updateId", "is missing");
        }
        if (a->version == 0) {
            return shelf_field_refuse(detail, "version", "is missing");
        }
    }
    if (a->status == SHELF_DISPLAYED && is_zero(a->digest)) {
        return shelf_field_refuse(detail, "digest", "is missing");
    }
    return check_event(a->epoch, a->counter, detail);
}

/* --- encoding --- */

static void encode(enum shelf_topic t, const void *body, struct sink *s)
{
    sink_byte(s, '{');
    shelf_field_write(shelf_table_message(t)->fields, body, s);
    sink_byte(s, '}');
}

static void texts_of(const struct shelf_display *d, struct shelf_texts *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->names[SHELF_EN] = d->name_en;
    if (d->language == SHELF_EN || !span_equal(d->name, d->name_en)) {
        ret->names[d->language] = d->name;
    }
}

void shelf_display_encode(const struct shelf_display *d, struct sink *s)
{
    struct shelf_display_body body = {.display = *d};
    texts_of(d, &body.texts);
    encode(SHELF_PRICE_UPDATE, &body, s);
}

void shelf_config_encode(const struct shelf_config *c, struct sink *s)
{
    encode(SHELF_CONFIG_UPDATE, c, s);
}

void shelf_flash_encode(const struct shelf_flash *f, struct sink *s)
{
    encode(SHELF_FLASH_COMMAND, f, s);
}

void shelf_state_encode(const struct shelf_state *st, struct sink *s)
{
    struct shelf_state_body body = {.state = *st, .display.display = st->display};
    texts_of(&st->display, &body.display.texts);
    encode(SHELF_GET_ACCEPTED, &body, s);
}

static void append(struct sink *s, const char *key, struct span object)
{
    if (object.size > 0) {
        sink_text(s, ",\"");
        sink_text(s, key);
        sink_text(s, "\":");
        sink_bytes(s, object);
    }
}

void shelf_state_encode_ready(const struct shelf_state *st, const struct shelf_ready *ready,
                              struct sink *s)
{
    struct shelf_state_body body = {.state = *st, .display.display = st->display};
    texts_of(&st->display, &body.display.texts);
    body.state.has_display = st->has_display && ready->display.size == 0;
    body.state.has_config = st->has_config && ready->config.size == 0;
    if (ready->certificate.size > 0) {
        body.state.certificate = (struct shelf_certificate){0};
    }
    sink_byte(s, '{');
    shelf_field_write(shelf_table_message(SHELF_GET_ACCEPTED)->fields, &body, s);
    append(s, "display", ready->display);
    append(s, "config", ready->config);
    append(s, "certificate", ready->certificate);
    sink_byte(s, '}');
}

void shelf_status_encode(const struct shelf_status *st, struct sink *s)
{
    encode(SHELF_STATUS, st, s);
}

void shelf_ack_encode(const struct shelf_ack *a, struct sink *s)
{
    encode(SHELF_ACK, a, s);
}

void shelf_get_encode(const struct shelf_get *g, struct sink *s)
{
    encode(SHELF_GET, g, s);
}

void shelf_report_encode(const struct shelf_report *r, struct sink *s)
{
    encode(SHELF_REPORT, r, s);
}

/* --- decoding --- */

static enum res decode(enum shelf_topic t, struct span payload, struct arena *a, void *body,
                       struct shelf_detail *detail)
{
    const struct shelf_message *m = shelf_table_message(t);
    if (payload.size > m->bytes_max) {
        *detail = (struct shelf_detail){"payload", "is too long"};
        return RES_LIMIT;
    }
    return shelf_field_read(m->fields, payload, a, body, detail);
}

static void choose_name(const struct shelf_texts *texts, struct shelf_display *d)
{
    struct span own = texts->names[d->language];
    d->name_en = texts->names[SHELF_EN];
    d->name = own.size > 0 ? own : d->name_en;
}

enum res shelf_display_decode(struct span payload, struct arena *a, struct shelf_display *ret,
                              struct shelf_detail *detail)
{
    struct shelf_display_body body = {0};
    enum res r = decode(SHELF_PRICE_UPDATE, payload, a, &body, detail);
    if (r == RES_OK) {
        choose_name(&body.texts, &body.display);
        r = check_display(&body.display, body.texts.names[SHELF_EN], detail);
    }
    if (r == RES_OK) {
        *ret = body.display;
    }
    return r;
}

enum res shelf_config_decode(struct span payload, struct arena *a, struct shelf_config *ret,
                             struct shelf_detail *detail)
{
    struct shelf_config config = {0};
    enum res r = decode(SHELF_CONFIG_UPDATE, payload, a, &config, detail);
    if (r == RES_OK) {
        *ret = config;
    }
    return r;
}

enum res shelf_flash_decode(struct span payload, struct arena *a, struct shelf_flash *ret,
                            struct shelf_detail *detail)
{
    struct shelf_flash flash = {0};
    enum res r = decode(SHELF_FLASH_COMMAND, payload, a, &flash, detail);
    if (r == RES_OK) {
        r = check_flash(&flash, detail);
    }
    if (r == RES_OK) {
        *ret = flash;
    }
    return r;
}

static enum res check_state(const struct shelf_state_body *body, struct shelf_detail *detail)
{
    const struct shelf_state *st = &body->state;
    if ((st->has_display && !span_equal(st->display.device_id, st->device_id)) ||
        (st->has_config && !span_equal(st->config.device_id, st->device_id))) {
        return shelf_field_refuse(detail, "deviceId", "is not the same in each part");
    }
    return st->has_display
               ? check_display(&st->display, body->display.texts.names[SHELF_EN], detail)
               : RES_OK;
}

enum res shelf_state_decode(struct span payload, struct arena *a, struct shelf_state *ret,
                            struct shelf_detail *detail)
{
    struct shelf_state_body body = {0};
    enum res r = decode(SHELF_GET_ACCEPTED, payload, a, &body, detail);
    if (r == RES_OK) {
        body.state.display = body.display.display;
        choose_name(&body.display.texts, &body.state.display);
        r = check_state(&body, detail);
    }
    if (r == RES_OK) {
        *ret = body.state;
    }
    return r;
}

enum res shelf_status_decode(struct span payload, struct arena *a, struct shelf_status *ret,
                             struct shelf_detail *detail)
{
    struct shelf_status status = {0};
    enum res r = decode(SHELF_STATUS, payload, a, &status, detail);
    if (r == RES_OK) {
        r = check_status(&status, detail);
    }
    if (r == RES_OK) {
        *ret = status;
    }
    return r;
}

enum res shelf_ack_decode(struct span payload, struct arena *a, struct shelf_ack *ret,
                          struct shelf_detail *detail)
{
    struct shelf_ack ack = {0};
    enum res r = decode(SHELF_ACK, payload, a, &ack, detail);
    if (r == RES_OK) {
        r = check_ack(&ack, detail);
    }
    if (r == RES_OK) {
        *ret = ack;
    }
    return r;
}

enum res shelf_get_decode(struct span payload, struct arena *a, struct shelf_get *ret,
                          struct shelf_detail *detail)
{
    struct shelf_get get = {0};
    enum res r = decode(SHELF_GET, payload, a, &get, detail);
    if (r == RES_OK) {
        *ret = get;
    }
    return r;
}

enum res shelf_report_decode(struct span payload, struct arena *a, struct shelf_report *ret,
                             struct shelf_detail *detail)
{
    struct shelf_report report = {0};
    enum res r = decode(SHELF_REPORT, payload, a, &report, detail);
    if (r == RES_OK) {
        *ret = report;
    }
    return r;
}
