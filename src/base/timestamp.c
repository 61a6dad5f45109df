#include "timestamp.h"

#include <assert.h>

/* Civil-date arithmetic after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t timestamp_days(int year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t shifted_month = month > 2 ? (int64_t)month - 3 : (int64_t)month + 9;
    int64_t day_of_year = (153 * shifted_month + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void timestamp_civil(int64_t days, int *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *ret_day = (unsigned)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = (unsigned)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0));
}

void timestamp_write(struct sink *s, int64_t time_ms)
{
    if (time_ms < 0 || time_ms > TIMESTAMP_MS_MAX) {
        s->overflow = true;
        return;
    }
    int year;
    unsigned month;
    unsigned day;
    timestamp_civil(time_ms / TIMESTAMP_DAY_MS, &year, &month, &day);
    uint64_t in_day = (uint64_t)(time_ms % TIMESTAMP_DAY_MS);
    sink_u64_padded(s, (uint64_t)year, 4);
    sink_byte(s, '-');
    sink_u64_padded(s, month, 2);
    sink_byte(s, '-');
    sink_u64_padded(s, day, 2);
    sink_byte(s, 'T');
    sink_u64_padded(s, in_day / 3600000, 2);
    sink_byte(s, ':');
    sink_u64_padded(s, in_day / 60000 % 60, 2);
    sink_byte(s, ':');
    sink_u64_padded(s, in_day / 1000 % 60, 2);
    sink_byte(s, '.');
    sink_u64_padded(s, in_day % 1000, 3);
    sink_byte(s, 'Z');
}

static bool digits(const uint8_t *at, unsigned count, unsigned *ret)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(at[i] - '0');
    }
    *ret = value;
    return true;
}

enum res timestamp_read(struct span text, int64_t *ret_time_ms)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    static_assert(sizeof shape - 1 == TIMESTAMP_TEXT_BYTES, "the one form we read");
    if (text.size != TIMESTAMP_TEXT_BYTES) {
        return RES_INVALID;
    }
    for (size_t i = 0; i < TIMESTAMP_TEXT_BYTES; i++) {
        if (shape[i] != 'd' && text.data[i] != (uint8_t)shape[i]) {
            return RES_INVALID;
        }
    }
    const uint8_t *t = text.data;
    unsigned year, month, day, hour, minute, second, ms;
    if (!digits(t, 4, &year) || !digits(t + 5, 2, &month) || !digits(t + 8, 2, &day) ||
        !digits(t + 11, 2, &hour) || !digits(t + 14, 2, &minute) || !digits(t + 17, 2, &second) ||
        !digits(t + 20, 3, &ms)) {
        return RES_INVALID;
    }
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 ||
        second > 59) {
        return RES_INVALID;
    }
    int64_t days = timestamp_days((int)year, month, day);
    int y;
    unsigned m, d;
    timestamp_civil(days, &y, &m, &d);
    if (d != day || m != month) {
        return RES_INVALID; /* 31 April rolls over to 1 May */
    }
    *ret_time_ms = days * TIMESTAMP_DAY_MS + (int64_t)hour * 3600000 + (int64_t)minute * 60000 +
                   (int64_t)second * 1000 + (int64_t)ms;
    return RES_OK;
}
