#include "trip_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum trip_action action;
} actions[] = {
    {"hold", TRIP_HOLD},     {"resume", TRIP_RESUME}, {"identify", TRIP_IDENTIFY},
    {"cancel", TRIP_CANCEL}, {"finish", TRIP_FINISH}, {"pay", TRIP_PAY},
};

static bool read_number(struct span digits, int most, int *ret_number)
{
    int number = 0;
    if (digits.size < 1 || digits.size > 7) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        number = number * 10 + (digits.data[i] - '0');
    }
    *ret_number = number;
    return number >= 1 && number <= most;
}

static enum res read_action(struct span text, struct err *why, struct trip_step *step)
{
    static const char wait[] = "wait=";
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (span_equal(text, span_text(actions[i].name, 16))) {
            step->action = actions[i].action;
            return RES_OK;
        }
    }
    if (text.size > 5 && memcmp(text.data, wait, 5) == 0 &&
        read_number(span_of(text.data + 5, text.size - 5), TRIP_WAIT_MS_MAX, &step->wait_ms)) {
        step->action = TRIP_WAIT;
        return RES_OK;
    }
    err_set(why,
            "there is no action ?%.*s; known are hold, resume, identify, cancel, finish, pay "
            "and wait=MS",
            (int)(text.size < 32 ? text.size : 32), (const char *)text.data);
    return RES_INVALID;
}

static enum res read_code(struct span text, struct err *why, struct trip_step *step)
{
    struct span code = text;
    step->quantity = 1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '*') {
            code = span_of(text.data, i);
            if (!read_number(span_of(text.data + i + 1, text.size - i - 1), 99, &step->quantity)) {
                err_set(why, "the quantity after * must be 1 to 99");
                return RES_INVALID;
            }
            break;
        }
    }
    bool digits = code.size > 0;
    for (size_t i = 0; i < code.size; i++) {
        digits = digits && code.data[i] >= '0' && code.data[i] <= '9';
    }
    if (!digits || span_copy_text(code, step->code, sizeof step->code) != RES_OK) {
        err_set(why, "\"%.*s\" is no barcode; write 8 to 14 digits",
                (int)(code.size < 32 ? code.size : 32), (const char *)code.data);
        return RES_INVALID;
    }
    return RES_OK;
}

static enum res read_step(struct span text, struct err *why, struct trip_step *step)
{
    memset(step, 0, sizeof *step);
    if (text.size > 0 && text.data[0] == '?') {
        return read_action(span_of(text.data + 1, text.size - 1), why, step);
    }
    if (text.size > 0 && text.data[0] == '-') {
        step->action = TRIP_REMOVE;
        return read_code(span_of(text.data + 1, text.size - 1), why, step);
    }
    step->action = TRIP_SCAN;
    return read_code(text, why, step);
}

static struct span trim(struct span text)
{
    while (text.size > 0 && strchr(" \t\r", text.data[0]) != NULL) {
        text = span_of(text.data + 1, text.size - 1);
    }
    while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    return text;
}

enum res trip_file_read_line(struct span line, struct err *why, struct trip_step *steps,
                             size_t *ret_count)
{
    size_t count = 0;
    line = trim(line);
    if (line.size == 0 || line.data[0] == '#') {
        *ret_count = 0;
        return RES_OK;
    }
    for (;;) {
        const uint8_t *comma = memchr(line.data, ',', line.size);
        size_t size = comma == NULL ? line.size : (size_t)(comma - line.data);
        if (count == TRIP_STEPS_MAX) {
            err_set(why, "a trip has at most %d steps", TRIP_STEPS_MAX);
            return RES_LIMIT;
        }
        enum res r = read_step(trim(span_of(line.data, size)), why, &steps[count]);
        if (r != RES_OK) {
            return r;
        }
        count++;
        if (comma == NULL) {
            break;
        }
        line = span_of(comma + 1, line.size - size - 1);
    }
    *ret_count = count;
    return RES_OK;
}

static enum res add_trip(struct trip_file *file, const struct trip_step *steps, size_t count)
{
    struct trip *trips = reallocarray(file->trips, file->trip_count + 1, sizeof *trips);
    if (trips == NULL) {
        return RES_NO_MEMORY;
    }
    file->trips = trips;
    struct trip_step *copy = calloc(count, sizeof *copy);
    if (copy == NULL) {
        return RES_NO_MEMORY;
    }
    memcpy(copy, steps, count * sizeof *copy);
    trips[file->trip_count++] = (struct trip){copy, count};
    return RES_OK;
}

static enum res read_lines(FILE *in, const char *path, struct err *why, struct trip_file *file)
{
    enum res r = RES_OK;
    char *line = NULL;
    size_t size = 0;
    unsigned long number = 0;
    ssize_t got;
    struct trip_step *steps = calloc(TRIP_STEPS_MAX, sizeof *steps);
    while (steps != NULL && r == RES_OK && (got = getline(&line, &size, in)) >= 0) {
        size_t count = 0;
        number++;
        size_t length = (size_t)got;
        if (length > 0 && line[length - 1] == '\n') {
            length--;
        }
        r = trip_file_read_line(span_of(line, length), why, steps, &count);
        if (r != RES_OK) {
            err_prefix(why, "%s line %lu", path, number);
        } else if (count > 0) {
            r = add_trip(file, steps, count);
        }
    }
    if (steps == NULL || r == RES_NO_MEMORY) {
        err_set(why, "no memory for the trips of %s; use a shorter file", path);
        r = RES_NO_MEMORY;
    }
    free(steps);
    free(line);
    return r;
}

enum res trip_file_new(const char *path, struct err *why, struct trip_file **ret_file)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        err_set(why, "cannot read the trips file %s: %s; check the path", path, strerror(errno));
        return RES_IO;
    }
    enum res r = RES_NO_MEMORY;
    struct trip_file *file = calloc(1, sizeof *file);
    if (file != NULL) {
        r = read_lines(in, path, why, file);
    }
    fclose(in);
    if (r == RES_OK && file->trip_count == 0) {
        err_set(why, "the trips file %s has no trip; write one a line, e.g. 8901030000003,?pay",
                path);
        r = RES_NOT_FOUND;
    }
    if (r != RES_OK) {
        trip_file_free(file);
        return r;
    }
    *ret_file = file;
    return RES_OK;
}

void trip_file_free(struct trip_file *file)
{
    if (file == NULL) {
        return;
    }
    for (size_t i = 0; i < file->trip_count; i++) {
        free(file->trips[i].steps);
    }
    free(file->trips);
    free(file);
}
