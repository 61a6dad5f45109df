/* csv.h: a strict streaming reader of comma-separated values (RFC 4180), without allocation.
 *
 *   csv_init(&csv, buffer, sizeof buffer);
 *   while (bytes come) {
 *       while ((got = csv_feed(&csv, &chunk)) != CSV_MORE) { look at csv.fields or csv.fault }
 *   }
 *   got = csv_finish(&csv);
 *
 * Accepted: fields in quotes with doubled quotes, commas and line ends inside; CRLF or LF; a UTF-8
 * byte order mark at the start; blank lines, which are passed over; a last line without an end.
 * Refused, each as a fault of that record only: a quote inside an unquoted field, anything but a
 * comma behind a closing quote, a CR without LF, NUL, too many fields, a record larger than the
 * buffer. After a fault the reader goes on behind the next line end.
 */
#ifndef CSV_H
#define CSV_H

#include "span.h"

#define CSV_FIELDS_MAX 64

enum csv_got {
    CSV_MORE,   /* the chunk is used up */
    CSV_RECORD, /* fields[0..field_count), valid until the next call */
    CSV_FAULT,  /* see fault; line tells where the record began */
    CSV_END,    /* csv_finish only: nothing was left */
};

enum csv_fault {
    CSV_FINE,
    CSV_STRAY_QUOTE,
    CSV_AFTER_QUOTE,
    CSV_BARE_CR,
    CSV_NUL,
    CSV_TOO_MANY_FIELDS,
    CSV_TOO_LONG,
    CSV_OPEN_QUOTE, /* the input ended inside quotes */
};

struct csv {
    struct span fields[CSV_FIELDS_MAX];
    size_t field_count;
    size_t line; /* from 1, where the record (or fault) began */
    enum csv_fault fault;
    /* private */
    char *buffer;
    size_t buffer_size;
    size_t used;
    size_t field_start;
    size_t lines_seen;
    size_t bytes_seen;
    unsigned char state;
    bool record_has_quote;
    bool done;
};

/* The buffer bounds one record: its fields without quotes. */
void csv_init(struct csv *c, void *buffer, size_t size);
/* Takes bytes from the front of *chunk. */
enum csv_got csv_feed(struct csv *c, struct span *chunk);
/* The end of the input: CSV_RECORD, CSV_FAULT or CSV_END. */
enum csv_got csv_finish(struct csv *c);
/* One clause for people: "a quote inside an unquoted field". */
const char *csv_fault_words(enum csv_fault fault);

#endif
