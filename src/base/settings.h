/* settings.h: a file of `key = value` lines, read against a table of what may stand in it.
 *
 * Blank lines and lines beginning with # are passed over. A key the table does not know, a value
 * outside its limits or a key given twice is refused with the line's number: a setting that is
 * silently ignored is worse than none. Server code only.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define SETTINGS_TEXT_BYTES_MAX 256
#define SETTINGS_MAX            64

enum settings_kind { SETTINGS_NUMBER, SETTINGS_TEXT };

struct settings_entry {
    const char *key; /* NULL ends the table */
    enum settings_kind kind;
    int64_t least; /* of a number; of a text: its least length */
    int64_t most;
    const char *initial; /* the value when nothing is said */
    const char *summary; /* one line for `--help` and the generated file */
};

struct settings {
    const struct settings_entry *table;
    char text[SETTINGS_MAX][SETTINGS_TEXT_BYTES_MAX];
    int64_t number[SETTINGS_MAX];
    uint8_t given[SETTINGS_MAX];
};

/* All initial values. The table outlives `s` and has at most SETTINGS_MAX entries. */
void settings_init(struct settings *s, const struct settings_entry *table);
/* One value, as from a command line; `where` begins the words of a refusal. RES_INVALID. */
MUST_CHECK enum res settings_set(struct settings *s, const char *key, const char *value,
                                 const char *where, struct err *why);
/* A file that does not exist leaves everything as it is. */
MUST_CHECK enum res settings_load(struct settings *s, const char *path, struct err *why);
/* The key must be in the table. */
int64_t settings_number(const struct settings *s, const char *key);
const char *settings_text(const struct settings *s, const char *key);

#endif
