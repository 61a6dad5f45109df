#include "shelf.h"

#include <assert.h>
#include <string.h>

#include "money.h"
#include "shelf_table.h"

#define ID_HEAD     SPAN_LIT("ESP32-")
#define ID_TAIL_MIN 3
#define ID_TAIL_MAX 12
#define TOPIC_HEAD  SPAN_LIT("smartshelf/")

const char *shelf_language_name(enum shelf_language l)
{
    assert(l < SHELF_LANGUAGES);
    return shelf_table_languages[l];
}

enum res shelf_language_read(struct span text, enum shelf_language *ret)
{
    for (enum shelf_language l = SHELF_EN; l < SHELF_LANGUAGES; l++) {
        if (span_equal(text, span_text(shelf_table_languages[l], 2))) {
            *ret = l;
            return RES_OK;
        }
    }
    return RES_INVALID;
}

const char *shelf_template_name(enum shelf_template t)
{
    assert(t < SHELF_TEMPLATES);
    return shelf_table_templates[t];
}

const char *shelf_pattern_name(enum shelf_pattern p)
{
    assert(p <= SHELF_STOP);
    return shelf_table_patterns[p];
}

const char *shelf_ack_kind_name(enum shelf_ack_kind k)
{
    assert(k <= SHELF_ACK_FLASH);
    return shelf_table_ack_kinds[k];
}

bool shelf_id_is_valid(struct span id)
{
    struct span head = ID_HEAD;
    if (id.size < head.size + ID_TAIL_MIN || id.size > head.size + ID_TAIL_MAX ||
        memcmp(id.data, head.data, head.size) != 0) {
        return false;
    }
    for (size_t i = head.size; i < id.size; i++) {
        uint8_t c = id.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return true;
}

void shelf_topic_write(struct span id, enum shelf_topic t, char ret_topic[SHELF_TOPIC_BYTES])
{
    struct sink s;
    assert(id.size <= SHELF_ID_BYTES_MAX);
    sink_init(&s, ret_topic, SHELF_TOPIC_BYTES);
    sink_bytes(&s, TOPIC_HEAD);
    sink_bytes(&s, id);
    sink_byte(&s, '/');
    sink_text(&s, shelf_table_message(t)->tail);
    sink_byte(&s, '\0');
    assert(!s.overflow);
}

enum res shelf_topic_read(struct span topic, struct span *ret_id, enum shelf_topic *ret)
{
    struct span head = TOPIC_HEAD;
    if (topic.size <= head.size || memcmp(topic.data, head.data, head.size) != 0) {
        return RES_INVALID;
    }
    const uint8_t *start = topic.data + head.size;
    const uint8_t *slash = memchr(start, '/', topic.size - head.size);
    if (slash == NULL) {
        return RES_INVALID;
    }
    struct span id = span_of(start, (size_t)(slash - start));
    struct span tail = span_of(slash + 1, topic.size - head.size - id.size - 1);
    if (!shelf_id_is_valid(id)) {
        return RES_INVALID;
    }
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        const char *name = shelf_table_message(t)->tail;
        if (span_equal(tail, span_of(name, strlen(name)))) {
            *ret_id = id;
            *ret = t;
            return RES_OK;
        }
    }
    return RES_INVALID;
}

static void line(struct sink *s, struct span text)
{
    sink_bytes(s, text);
    sink_byte(s, '\n');
}

static void word_line(struct sink *s, const char *text)
{
    sink_text(s, text);
    sink_byte(s, '\n');
}

static void money_line(struct sink *s, int64_t minor)
{
    money_write(s, minor);
    sink_byte(s, '\n');
}

void shelf_display_canonical(const struct shelf_display *d, struct sink *s)
{
    word_line(s, "endcap-label-1");
    word_line(s, shelf_template_name(d->template));
    word_line(s, shelf_language_name(d->language));
    line(s, d->product_id);
    line(s, d->name);
    money_line(s, d->price_minor);
    money_line(s, d->regular_minor);
    money_line(s, d->mrp_minor);
    line(s, span_text(d->currency, sizeof d->currency - 1));
    word_line(s, d->per_kg ? "kg" : "each");
    word_line(s, d->is_flash_sale ? "sale" : "regular");
    line(s, d->url);
}
