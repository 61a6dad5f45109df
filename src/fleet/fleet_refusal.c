#include "fleet_refusal.h"

#include <stdio.h>

void fleet_refusal_init(struct fleet_refusal *r)
{
    r->list = json_array();
    r->count = 0;
}

void fleet_refusal_deinit(struct fleet_refusal *r)
{
    json_decref(r->list);
    r->list = NULL;
}

/* Printable ASCII; the rest as '?'. */
static json_t *shown(struct span value)
{
    char text[HTTP_ERROR_VALUE_BYTES_MAX + 1];
    size_t size = value.size < HTTP_ERROR_VALUE_BYTES_MAX ? value.size : HTTP_ERROR_VALUE_BYTES_MAX;
    for (size_t i = 0; i < size; i++) {
        text[i] = (char)(value.data[i] >= 0x20 && value.data[i] < 0x7f ? value.data[i] : '?');
    }
    return json_stringn(text, size);
}

void fleet_refusal_add(struct fleet_refusal *r, size_t row, const char *field, struct span value,
                       const char *constraint)
{
    if (++r->count > FLEET_REFUSAL_LISTED_MAX) {
        return;
    }
    json_t *one = json_pack("{s:s, s:o, s:s}", "field", field, "value", shown(value), "constraint",
                            constraint);
    if (row > 0) {
        (void)json_object_set_new(one, "row", json_integer((json_int_t)row));
    }
    (void)json_array_append_new(r->list, one);
}

bool fleet_refusal_reply(const struct fleet_refusal *r, struct http_request *q)
{
    char message[120];
    if (r->count == 0) {
        return false;
    }
    (void)snprintf(message, sizeof message, "%zu value%s break%s a rule; nothing was done.",
                   r->count, r->count == 1 ? "" : "s", r->count == 1 ? "s" : "");
    json_t *details = r->count == 1 ? json_array_get(r->list, 0) : r->list;
    http_reply_error_details(q, HTTP_ERROR_PARAMETER, "INVALID_PARAMETER", message,
                             json_incref(details));
    return true;
}
