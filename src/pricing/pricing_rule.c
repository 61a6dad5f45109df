#include "pricing_rule.h"

#include <assert.h>
#include <string.h>

#include "json.h"
#include "money.h"

#define WHOLE       INT64_C(10000) /* 100 % in hundredths */
#define TIME_BYTES  5              /* "18:30" */
#define AGE_DEFAULT 24

static const char *const kind_names[] = {"match", "percent", "min_margin", "schedule"};
static const char *const of_names[] = {"base", "mrp", "cost"};
static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

enum res pricing_rule_kind_read(struct span name, enum pricing_kind *ret)
{
    for (size_t i = 0; i < PRICING_KINDS; i++) {
        if (span_equal(name, span_text(kind_names[i], 16))) {
            *ret = (enum pricing_kind)i;
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

/* ---- parameters ---- */

enum form { PERCENT, HOURS, OF, DAYS, TIME };
struct parameter {
    const char *name;
    enum form form;
    bool required;
    int64_t min; /* of hundredths or hours */
    int64_t max;
    size_t offset; /* of its int64_t in the rule; OF and DAYS have their own */
    const char *constraint;
};
#define AT(member) offsetof(struct pricing_rule, member)
#define MOVE                                                                                       \
    {"percent",                                                                                    \
     PERCENT,                                                                                      \
     true,                                                                                         \
     -9000,                                                                                        \
     50000,                                                                                        \
     AT(percent_hundredths),                                                                       \
     "-90 to 500, with at "                                                                        \
     "most 2 decimals"},                                                                           \
    {                                                                                              \
        "of", OF, false, 0, 0, 0, "base, mrp or cost"                                              \
    }
#define MARGIN_RULE "0 to 95, with at most 2 decimals"
static const struct parameter match[] = {
    {"adjustPercent", PERCENT, false, -5000, 5000, AT(percent_hundredths),
     "-50 to 50, with at most 2 decimals"},
    {"minMarginPercent", PERCENT, false, 0, 9500, AT(margin_hundredths), MARGIN_RULE},
    {"maxAgeHours", HOURS, false, 1, 720, AT(max_age_hours), "a whole number, 1 to 720"},
    {.name = NULL}};
static const struct parameter percent[] = {MOVE, {.name = NULL}};
static const struct parameter min_margin[] = {
    {"marginPercent", PERCENT, true, 0, 9500, AT(margin_hundredths), MARGIN_RULE}, {.name = NULL}};
static const struct parameter schedule[] = {
    MOVE,
    {"days", DAYS, true, 0, 0, 0, "a list of mon, tue, wed, thu, fri, sat, sun, each once"},
    {"from", TIME, true, 0, 0, AT(from_min), "a time of day, 00:00 to 23:59"},
    {"to", TIME, true, 0, 0, AT(to_min), "a time of day, 00:00 to 23:59"},
    {.name = NULL}};
static const struct parameter *const parameters[] = {match, percent, min_margin, schedule};
#define PARAMETERS_MAX 8

static void put(char *text, size_t size, struct span from)
{
    struct sink s;
    sink_init(&s, text, size - 1);
    sink_bytes(&s, span_of(from.data, from.size < size - 1 ? from.size : size - 1));
    text[s.size] = '\0';
}

static void add_fault(struct pricing_rule_faults *f, struct span field, struct span value,
                      const char *constraint)
{
    if (f->count < PRICING_RULE_FAULTS_MAX) {
        struct pricing_rule_fault *one = &f->items[f->count++];
        put(one->field, sizeof one->field, field);
        put(one->value, sizeof one->value, value);
        put(one->constraint, sizeof one->constraint,
            span_text(constraint, sizeof one->constraint - 1));
    }
}

static bool name_among(struct span name, const char *const *names, size_t count, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (span_equal(name, span_text(names[i], 8))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool read_time(struct span text, int64_t *ret_min)
{
    if (text.size != TIME_BYTES || text.data[2] != ':') {
        return false;
    }
    int digits[TIME_BYTES];
    for (size_t i = 0; i < TIME_BYTES; i++) {
        digits[i] = text.data[i] - '0';
        if (i != 2 && (digits[i] < 0 || digits[i] > 9)) {
            return false;
        }
    }
    int hour = digits[0] * 10 + digits[1];
    int minute = digits[3] * 10 + digits[4];
    *ret_min = hour * 60 + minute;
    return hour < 24 && minute < 60;
}

/* The list's begin was read; reads to its end. */
static bool read_days(struct json *j, unsigned *ret_days)
{
    struct span value = SPAN_NONE;
    unsigned days = 0;
    bool fine = true;
    enum json_token token;
    while ((token = json_next(j, &value)) != JSON_ARRAY_END && token != JSON_FAULT) {
        size_t day = 0;
        if (token == JSON_STRING && name_among(value, day_names, 7, &day) &&
            (days & 1U << day) == 0) {
            days |= 1U << day;
        } else {
            fine = false;
            if (!json_skip(j, token)) {
                return false;
            }
        }
    }
    *ret_days = days;
    return fine && days != 0;
}

/* A broken text shows at the next token. */
static void skip(struct json *j, enum json_token first)
{
    bool whole = json_skip(j, first);
    (void)whole;
}

static bool read_one(const struct parameter *p, struct json *j, enum json_token token,
                     struct span value, struct pricing_rule *rule)
{
    int64_t number = 0;
    size_t of = 0;
    bool fine = false;
    switch (p->form) {
    case PERCENT:
        fine = token == JSON_NUMBER && money_read(value, &number) == RES_OK && number >= p->min &&
               number <= p->max;
        break;
    case HOURS:
        fine = token == JSON_NUMBER && json_read_int(value, &number) == RES_OK &&
               number >= p->min && number <= p->max;
        break;
    case TIME:
        fine = token == JSON_STRING && read_time(value, &number);
        break;
    case OF:
        fine = token == JSON_STRING && name_among(value, of_names, PRICING_OFS, &of);
        if (fine) {
            rule->of = (enum pricing_of)of;
            return true;
        }
        break;
    case DAYS:
        if (token == JSON_ARRAY_BEGIN) {
            return read_days(j, &rule->days);
        }
        break;
    }
    if (fine) {
        memcpy((char *)rule + p->offset, &number, sizeof number);
        return true;
    }
    skip(j, token);
    return false;
}

static size_t parameter_named(const struct parameter *list, struct span name)
{
    size_t i = 0;
    while (list[i].name != NULL && !span_equal(name, span_text(list[i].name, 32))) {
        i++;
    }
    return i;
}

static void read_members(struct json *j, const struct parameter *list, struct pricing_rule *rule,
                         bool given[PARAMETERS_MAX], struct pricing_rule_faults *faults)
{
    struct span name = SPAN_NONE;
    while (json_next(j, &name) == JSON_KEY) {
        struct span value = SPAN_NONE;
        enum json_token token = json_next(j, &value);
        size_t i = parameter_named(list, name);
        if (token == JSON_FAULT) {
            return;
        }
        if (list[i].name == NULL) {
            add_fault(faults, name, SPAN_NONE, "not a parameter of this kind of rule");
            skip(j, token);
            continue;
        }
        given[i] = true;
        if (!read_one(&list[i], j, token, value, rule)) {
            add_fault(faults, name, token == JSON_ARRAY_BEGIN ? SPAN_NONE : value,
                      list[i].constraint);
        }
    }
}

enum res pricing_rule_read(enum pricing_kind kind, struct span json, struct pricing_rule *ret,
                           struct pricing_rule_faults *ret_faults)
{
    assert(kind < PRICING_KINDS);
    struct pricing_rule rule = {.kind = kind, .max_age_hours = AGE_DEFAULT};
    struct pricing_rule_faults faults = {.count = 0};
    const struct parameter *list = parameters[kind];
    bool given[PARAMETERS_MAX] = {false};
    struct json j;
    struct span value = SPAN_NONE;
    json_init(&j, json);
    if (json_next(&j, &value) == JSON_OBJECT_BEGIN) {
        read_members(&j, list, &rule, given, &faults);
    }
    if (json_next(&j, &value) != JSON_END) {
        add_fault(&faults, SPAN_LIT("parameters"), SPAN_NONE, "a JSON object");
    }
    for (size_t i = 0; list[i].name != NULL; i++) {
        if (list[i].required && !given[i]) {
            add_fault(&faults, span_text(list[i].name, 32), SPAN_NONE, "required");
        }
    }
    if (kind == PRICING_SCHEDULE && faults.count == 0 && rule.from_min == rule.to_min) {
        add_fault(&faults, SPAN_LIT("to"), SPAN_NONE, "another time than from");
    }
    if ((kind == PRICING_SCHEDULE || kind == PRICING_PERCENT) && faults.count == 0 &&
        rule.percent_hundredths == 0) {
        add_fault(&faults, SPAN_LIT("percent"), SPAN_LIT("0"), "not 0");
    }
    if (faults.count > 0) {
        *ret_faults = faults;
        return RES_INVALID;
    }
    *ret = rule;
    return RES_OK;
}

/* ---- prices ---- */

/* Minor units stay far below where this could overflow: 10^8 x 60,000. */
static int64_t moved(int64_t minor, int64_t hundredths)
{
    return (minor * (WHOLE + hundredths) + WHOLE / 2) / WHOLE;
}

/* cost / (1 - margin), rounded up; 0 without a cost. */
static int64_t floor_of(int64_t cost_minor, int64_t margin_hundredths)
{
    int64_t left = WHOLE - margin_hundredths;
    return (cost_minor * WHOLE + left - 1) / left;
}

static bool matched(const struct pricing_rule *rule, const struct pricing_item *item,
                    int64_t *ret_minor)
{
    int64_t lowest = 0;
    for (size_t i = 0; i < item->competitor_count; i++) {
        int64_t price = item->competitors[i].price_minor;
        if (item->competitors[i].age_hours < rule->max_age_hours &&
            (lowest == 0 || price < lowest)) {
            lowest = price;
        }
    }
    if (lowest == 0) {
        return false;
    }
    int64_t price = moved(lowest, rule->percent_hundredths);
    int64_t least = floor_of(item->cost_minor, rule->margin_hundredths);
    if (item->max_minor > 0 && price > item->max_minor) {
        price = item->max_minor;
    }
    if (item->min_minor > least) {
        least = item->min_minor;
    }
    *ret_minor = price < least ? least : price;
    return true;
}

/* A window over midnight belongs to the day on which it begins. */
static bool in_window(const struct pricing_rule *rule, const struct pricing_moment *m)
{
    bool today = (rule->days & 1U << m->weekday) != 0;
    bool yesterday = (rule->days & 1U << (m->weekday + 6) % 7) != 0;
    if (rule->from_min < rule->to_min) {
        return today && m->minute >= rule->from_min && m->minute < rule->to_min;
    }
    return (today && m->minute >= rule->from_min) || (yesterday && m->minute < rule->to_min);
}

static bool moved_from(const struct pricing_rule *rule, const struct pricing_item *item,
                       int64_t *ret_minor)
{
    int64_t from = rule->of == PRICING_OF_MRP    ? item->mrp_minor
                   : rule->of == PRICING_OF_COST ? item->cost_minor
                                                 : item->base_minor;
    if (from == 0) {
        return false;
    }
    *ret_minor = moved(from, rule->percent_hundredths);
    return true;
}

/* The price this one rule gives; false: none now. */
static bool price_of(const struct pricing_rule *rule, const struct pricing_item *item,
                     const struct pricing_moment *moment, int64_t *ret_minor)
{
    switch (rule->kind) {
    case PRICING_MATCH:
        return matched(rule, item, ret_minor);
    case PRICING_PERCENT:
        return moved_from(rule, item, ret_minor);
    case PRICING_SCHEDULE:
        return in_window(rule, moment) && moved_from(rule, item, ret_minor);
    case PRICING_MIN_MARGIN:
    case PRICING_KINDS:
        break;
    }
    return false;
}

static void raise_to_floor(const struct pricing_rule *const *rules, size_t count,
                           const struct pricing_item *item, struct pricing_decision *d)
{
    for (size_t i = 0; i < count; i++) {
        if (rules[i]->kind == PRICING_MIN_MARGIN) {
            int64_t least = floor_of(item->cost_minor, rules[i]->margin_hundredths);
            if (least > d->price_minor) {
                *d = (struct pricing_decision){.price_minor = least, .rule = i};
            }
        }
    }
}

bool pricing_rule_decide(const struct pricing_rule *const *rules, size_t count,
                         const struct pricing_item *item, const struct pricing_moment *moment,
                         struct pricing_decision *ret)
{
    struct pricing_decision d = {.price_minor =
                                     item->by_rule ? item->base_minor : item->price_minor,
                                 .rule = PRICING_RULE_NONE};
    for (size_t i = 0; i < count; i++) {
        if (price_of(rules[i], item, moment, &d.price_minor)) {
            d.rule = i;
            break;
        }
    }
    raise_to_floor(rules, count, item, &d);
    if (item->mrp_minor > 0 && d.price_minor > item->mrp_minor) {
        d.price_minor = item->mrp_minor;
    }
    if (d.price_minor == item->price_minor) {
        return false;
    }
    *ret = d;
    return true;
}
