#include "http_number.h"

#include "json.h"

void http_number_text(struct span body, struct span name, char *text, size_t size)
{
    struct json j;
    struct span value;
    bool ours = false;
    text[0] = '\0';
    json_init(&j, body);
    for (enum json_token t = json_next(&j, &value); t != JSON_END && t != JSON_FAULT;
         t = json_next(&j, &value)) {
        if (t == JSON_KEY && json_depth(&j) == 1) {
            ours = json_text_equal(value, name);
        } else if (t == JSON_NUMBER && json_depth(&j) == 1 && ours) {
            if (span_copy_text(value, text, size) != RES_OK) {
                text[0] = '\0';
            }
            return;
        }
    }
}
