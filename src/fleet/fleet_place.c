#include "fleet_place.h"

#include <stdio.h>
#include <string.h>

static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static void read_member(const char *key, const json_t *value, const char **ret,
                        struct fleet_refusal *wrong)
{
    char field[24];
    (void)snprintf(field, sizeof field, "location.%s", key);
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '\0' || json_string_length(value) > FLEET_PLACE_BYTES_MAX ||
        strlen(text) != json_string_length(value) || !is_clean(text)) {
        fleet_refusal_add(wrong, 0, field, span_text(text != NULL ? text : "", 128),
                          "a text of 1 to 40 bytes without control characters");
    } else {
        *ret = text;
    }
}

void fleet_place_read(const json_t *location, struct fleet_place *ret, struct fleet_refusal *wrong)
{
    static const char *const names[] = {"aisle", "shelf", "position"};
    const char *values[3] = {NULL, NULL, NULL};
    const json_t *members[3];
    size_t known = 0;
    size_t before = wrong->count;
    *ret = (struct fleet_place){NULL, NULL, NULL};
    if (location == NULL) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        members[i] = json_object_get(location, names[i]);
        known += members[i] != NULL;
        if (members[i] != NULL && !json_is_null(members[i])) {
            read_member(names[i], members[i], &values[i], wrong);
        }
    }
    if (json_object_size(location) > known) {
        fleet_refusal_add(wrong, 0, "location", SPAN_NONE, "aisle, shelf and position only");
    }
    if (wrong->count == before && values[0] == NULL) {
        fleet_refusal_add(wrong, 0, "location.aisle", SPAN_NONE, "required");
    }
    if (wrong->count == before && values[1] == NULL && values[2] != NULL) {
        fleet_refusal_add(wrong, 0, "location.shelf", SPAN_NONE, "required with a position");
    }
    *ret = (struct fleet_place){values[0], values[1], values[2]};
}

static const char layout_sql[] =
    "SELECT bool_or(a ->> 'aisle' = $2), bool_or(a ->> 'aisle' = $2 AND ($3::text IS NULL OR "
    "a -> 'shelves' IS NULL OR a -> 'shelves' ? $3)) FROM store s, jsonb_array_elements("
    "CASE jsonb_typeof(s.floor_plan -> 'aisles') WHEN 'array' THEN s.floor_plan -> 'aisles' END) a "
    "WHERE s.store_id = $1";

enum res fleet_place_check(struct pg_conn *c, const char *store_id, const struct fleet_place *place,
                           struct fleet_refusal *wrong, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    if (place->aisle == NULL) {
        return RES_OK;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_cstr(&p, place->aisle);
    pg_params_cstr(&p, place->shelf);
    enum res r = pg_conn_run(c, layout_sql, &p, &rows, why);
    if (r == RES_OK && !pg_get_is_null(rows, 0, 0)) {
        if (!pg_get_bool(rows, 0, 0)) {
            fleet_refusal_add(wrong, 0, "location.aisle", span_text(place->aisle, 128),
                              "an aisle of the store's layout");
        } else if (!pg_get_bool(rows, 0, 1)) {
            fleet_refusal_add(wrong, 0, "location.shelf", span_text(place->shelf, 128),
                              "a shelf of that aisle in the store's layout");
        }
    }
    PQclear(rows);
    return r;
}
