#include "label_presence.h"

#include "json.h"

static bool is_serial(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return text.size >= 2 && text.size <= LABEL_PRESENCE_SERIAL_BYTES_MAX;
}

static enum res read_time(enum json_token token, struct span value, int64_t *ret)
{
    return token == JSON_NUMBER ? json_read_int(value, ret) : RES_INVALID;
}

static enum res read_member(struct json *j, struct span key, struct label_presence *p)
{
    struct span value;
    enum json_token token = json_next(j, &value);
    if (span_equal(key, SPAN_LIT("online"))) {
        p->online = token == JSON_TRUE;
        return token == JSON_TRUE || token == JSON_FALSE ? RES_OK : RES_INVALID;
    }
    if (span_equal(key, SPAN_LIT("at"))) {
        return read_time(token, value, &p->at_ms);
    }
    if (span_equal(key, SPAN_LIT("started"))) {
        return read_time(token, value, &p->started_ms);
    }
    if (span_equal(key, SPAN_LIT("counted"))) {
        return read_time(token, value, &p->counted_ms);
    }
    if (span_equal(key, SPAN_LIT("serial"))) {
        p->serial = token == JSON_STRING ? value : SPAN_NONE;
        return token == JSON_STRING && is_serial(value) ? RES_OK : RES_INVALID;
    }
    return json_skip(j, token) ? RES_OK : RES_INVALID;
}

enum res label_presence_decode(struct span payload, struct label_presence *ret)
{
    struct json j;
    struct span key;
    struct label_presence p = {.online = false};
    json_init(&j, payload);
    if (json_next(&j, &key) != JSON_OBJECT_BEGIN) {
        return RES_INVALID;
    }
    enum json_token token = json_next(&j, &key);
    while (token == JSON_KEY) {
        if (read_member(&j, key, &p) != RES_OK) {
            return RES_INVALID;
        }
        token = json_next(&j, &key);
    }
    if (token != JSON_OBJECT_END || json_next(&j, &key) != JSON_END || p.at_ms < 0 ||
        p.started_ms < 0 || p.counted_ms < 0) {
        return RES_INVALID;
    }
    *ret = p;
    return RES_OK;
}
