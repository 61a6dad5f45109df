#include "csv.h"

enum state { START, PLAIN, QUOTED, QUOTE_IN_QUOTED, CR, SKIP };

void csv_init(struct csv *c, void *buffer, size_t size)
{
    *c = (struct csv){.buffer = buffer, .buffer_size = size, .line = 1, .state = START};
}

static void begin_record(struct csv *c)
{
    c->field_count = 0;
    c->used = 0;
    c->field_start = 0;
    c->record_has_quote = false;
    c->line = c->lines_seen + 1;
    c->done = false;
    c->state = START;
}

static enum csv_got fault(struct csv *c, enum csv_fault why)
{
    c->fault = why;
    c->state = SKIP;
    return CSV_FAULT;
}

static bool end_field(struct csv *c)
{
    if (c->field_count == CSV_FIELDS_MAX) {
        return false;
    }
    c->fields[c->field_count++] = span_of(c->buffer + c->field_start, c->used - c->field_start);
    c->field_start = c->used;
    return true;
}

static enum csv_got end_record(struct csv *c)
{
    bool blank = c->field_count == 0 && c->used == 0 && !c->record_has_quote;
    if (blank) {
        begin_record(c);
        return CSV_MORE;
    }
    c->done = true; /* the fields stay until the next call */
    return end_field(c) ? CSV_RECORD : fault(c, CSV_TOO_MANY_FIELDS);
}

static enum csv_got keep(struct csv *c, uint8_t byte, enum state next)
{
    if (c->used == c->buffer_size) {
        return fault(c, CSV_TOO_LONG);
    }
    c->buffer[c->used++] = (char)byte;
    c->state = (unsigned char)next;
    return CSV_MORE;
}

static enum csv_got comma(struct csv *c)
{
    c->state = START;
    return end_field(c) ? CSV_MORE : fault(c, CSV_TOO_MANY_FIELDS);
}

/* A byte that is neither inside quotes nor being passed over. */
static enum csv_got outside(struct csv *c, uint8_t byte)
{
    if (byte == ',') {
        return comma(c);
    }
    if (byte == '\n') {
        return end_record(c);
    }
    if (byte == '\r') {
        c->state = CR;
        return CSV_MORE;
    }
    if (c->state == QUOTE_IN_QUOTED) {
        return fault(c, CSV_AFTER_QUOTE);
    }
    if (byte == '"') {
        if (c->state != START) {
            return fault(c, CSV_STRAY_QUOTE);
        }
        c->record_has_quote = true;
        c->state = QUOTED;
        return CSV_MORE;
    }
    return keep(c, byte, PLAIN);
}

static enum csv_got take(struct csv *c, uint8_t byte)
{
    switch ((enum state)c->state) {
    case SKIP:
        if (byte == '\n') {
            begin_record(c);
        }
        return CSV_MORE;
    case CR:
        return byte == '\n' ? end_record(c) : fault(c, CSV_BARE_CR);
    case QUOTED:
        if (byte == '"') {
            c->state = QUOTE_IN_QUOTED;
            return CSV_MORE;
        }
        return byte == '\0' ? fault(c, CSV_NUL) : keep(c, byte, QUOTED);
    case QUOTE_IN_QUOTED:
        return byte == '"' ? keep(c, byte, QUOTED) : outside(c, byte);
    case START:
    case PLAIN:
        break;
    }
    return byte == '\0' ? fault(c, CSV_NUL) : outside(c, byte);
}

/* The byte order mark may arrive split over chunks: its three bytes are matched by position. */
static bool is_mark(struct csv *c, uint8_t byte)
{
    static const uint8_t mark[3] = {0xEF, 0xBB, 0xBF};
    return c->bytes_seen < 3 && byte == mark[c->bytes_seen] && c->used == 0 && c->lines_seen == 0;
}

enum csv_got csv_feed(struct csv *c, struct span *chunk)
{
    if (c->done) {
        begin_record(c);
    }
    while (chunk->size > 0) {
        uint8_t byte = chunk->data[0];
        chunk->data++;
        chunk->size--;
        bool mark = is_mark(c, byte);
        c->bytes_seen += c->bytes_seen < 3 ? 1 : 0;
        if (mark) {
            continue;
        }
        c->lines_seen += byte == '\n' ? 1 : 0;
        enum csv_got got = take(c, byte);
        if (got == CSV_FAULT && byte == '\n') {
            c->done = true; /* nothing to pass over */
        }
        if (got != CSV_MORE) {
            return got;
        }
    }
    return CSV_MORE;
}

enum csv_got csv_finish(struct csv *c)
{
    if (c->done) {
        begin_record(c);
    }
    enum state state = (enum state)c->state;
    if (state == SKIP) {
        begin_record(c);
        return CSV_END;
    }
    if (state == QUOTED) {
        enum csv_got got = fault(c, CSV_OPEN_QUOTE);
        c->done = true;
        return got;
    }
    if (state == CR) {
        enum csv_got got = fault(c, CSV_BARE_CR);
        c->done = true;
        return got;
    }
    enum csv_got got = end_record(c);
    return got == CSV_MORE ? CSV_END : got;
}

const char *csv_fault_words(enum csv_fault f)
{
    switch (f) {
    case CSV_STRAY_QUOTE:
        return "a quote inside an unquoted field";
    case CSV_AFTER_QUOTE:
        return "something other than a comma behind a closing quote";
    case CSV_BARE_CR:
        return "a carriage return without a line feed";
    case CSV_NUL:
        return "a NUL byte";
    case CSV_TOO_MANY_FIELDS:
        return "too many fields";
    case CSV_TOO_LONG:
        return "a record longer than the limit";
    case CSV_OPEN_QUOTE:
        return "the file ends inside quotes";
    case CSV_FINE:
        break;
    }
    return "nothing";
}
