#include "label_config.h"

#include <stdio.h>
#include <string.h>

#include "fleet_table.h"

enum form { NUMBER, DAYTIME, LANGUAGE };

static const struct parameter {
    const char *name;
    const char *patch_name;
    enum form form;
    int64_t min;
    int64_t max;
} parameters[LABEL_CONFIG_PARAMETERS] = {
    {"refreshIntervalSeconds", "refreshIntervalSeconds", NUMBER, 0, 3600},
    {"ledBrightness", "ledBrightness", NUMBER, 1, 100},
    {"idleTimeoutSeconds", "idleTimeoutSeconds", NUMBER, 0, 86400},
    {"syncIntervalPeakSeconds", "syncPeakSeconds", NUMBER, 5, 86400},
    {"syncIntervalOffPeakSeconds", "syncOffPeakSeconds", NUMBER, 5, 86400},
    {"peakFrom", "peakFromMinute", DAYTIME, 0, 1439},
    {"peakTo", "peakToMinute", DAYTIME, 0, 1439},
    {"language", NULL, LANGUAGE, 0, 0},
};
const char *const label_config_columns[LABEL_CONFIG_PARAMETERS + 2] = {"deviceId",
                                                                       "refreshIntervalSeconds",
                                                                       "ledBrightness",
                                                                       "idleTimeoutSeconds",
                                                                       "syncIntervalPeakSeconds",
                                                                       "syncIntervalOffPeakSeconds",
                                                                       "peakFrom",
                                                                       "peakTo",
                                                                       "language",
                                                                       NULL};

/* Digits only: no sign, no point, nothing round them. */
static bool read_number(struct span text, int64_t *ret_value)
{
    int64_t value = 0;
    if (text.size == 0 || text.size > 6) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    *ret_value = value;
    return true;
}

static bool read_daytime(struct span text, int64_t *ret_minute)
{
    if (text.size != 5 || text.data[2] != ':') {
        return false;
    }
    int digits[4];
    static const size_t places[] = {0, 1, 3, 4};
    for (size_t i = 0; i < 4; i++) {
        digits[i] = text.data[places[i]] - '0';
        if (digits[i] < 0 || digits[i] > 9) {
            return false;
        }
    }
    int hour = digits[0] * 10 + digits[1];
    int minute = digits[2] * 10 + digits[3];
    *ret_minute = hour * 60 + minute;
    return hour < 24 && minute < 60;
}

static bool is_language(struct span text)
{
    static const char *const known[] = {"en", "hi", "ta", "te", "bn", "mr"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (span_equal(text, span_text(known[i], 2))) {
            return true;
        }
    }
    return false;
}

static void read_one(const struct parameter *p, struct span text, size_t number,
                     struct label_config *ret, struct fleet_refusal *wrong)
{
    char rule[64];
    int64_t value = 0;
    bool fine = false;
    switch (p->form) {
    case NUMBER:
        fine = read_number(text, &value) && value >= p->min && value <= p->max;
        (void)snprintf(rule, sizeof rule, "an integer, %lld to %lld", (long long)p->min,
                       (long long)p->max);
        break;
    case DAYTIME:
        fine = read_daytime(text, &value);
        (void)snprintf(rule, sizeof rule, "HH:MM, 00:00 to 23:59");
        break;
    case LANGUAGE:
        fine = is_language(text);
        (void)snprintf(rule, sizeof rule, "one of en, hi, ta, te, bn, mr");
        break;
    }
    if (!fine) {
        fleet_refusal_add(wrong, number, p->name, text, rule);
    } else if (p->form == LANGUAGE) {
        memcpy(ret->language, text.data, 2);
        ret->language[2] = '\0';
    } else {
        (void)json_object_set_new(ret->patch, p->patch_name, json_integer(value));
    }
}

void label_config_read(const json_t *row, size_t number, struct label_config *ret,
                       struct fleet_refusal *wrong)
{
    char room[32];
    size_t given = 0;
    *ret = (struct label_config){.patch = json_object()};
    for (size_t i = 0; i < LABEL_CONFIG_PARAMETERS; i++) {
        struct span text = fleet_table_text(row, parameters[i].name, room);
        if (text.data != NULL) {
            given++;
            read_one(&parameters[i], text, number, ret, wrong);
        }
    }
    if (given == 0) {
        fleet_refusal_add(wrong, number, "row", SPAN_NONE, "at least one parameter");
    }
}
