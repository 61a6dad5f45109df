#include "label_ndef.h"

#include <assert.h>
#include <string.h>

#define ONLY_RECORD 0xd0 /* begins and ends the message, short */
#define WELL_KNOWN  0x01 /* kind of name: NFC Forum's */

/* RTD-URI, table 3; the first that fits is the longest of its kind. */
static const struct {
    const char *prefix;
    uint8_t code;
} abbreviations[] = {{"http://www.", 1}, {"https://www.", 2}, {"http://", 3}, {"https://", 4}};

void label_ndef_write(struct span url, struct sink *message)
{
    uint8_t code = 0;
    assert(url.size <= SHELF_URL_BYTES_MAX);
    if (url.size == 0) {
        const uint8_t empty[] = {ONLY_RECORD, 0, 0};
        sink_bytes(message, span_of(empty, sizeof empty));
        return;
    }
    for (size_t i = 0; i < sizeof abbreviations / sizeof abbreviations[0] && code == 0; i++) {
        size_t size = strlen(abbreviations[i].prefix);
        if (url.size >= size && memcmp(url.data, abbreviations[i].prefix, size) == 0) {
            code = abbreviations[i].code;
            url = span_of(url.data + size, url.size - size);
        }
    }
    const uint8_t header[] = {ONLY_RECORD | WELL_KNOWN, 1, (uint8_t)(url.size + 1), 'U', code};
    sink_bytes(message, span_of(header, sizeof header));
    sink_bytes(message, url);
}
