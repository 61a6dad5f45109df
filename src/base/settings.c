#include "settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define SETTINGS_FILE_BYTES_MAX 65536

static size_t index_of(const struct settings *s, const char *key)
{
    size_t i = 0;
    while (s->table[i].key != NULL && strcmp(s->table[i].key, key) != 0) {
        i++;
    }
    return i;
}

static enum res parse_number(const struct settings_entry *entry, const char *value,
                             int64_t *ret_number, const char *where, struct err *why)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || number < entry->least ||
        number > entry->most) {
        err_set(why, "%s: `%s` must be a whole number from %lld to %lld, not `%s`", where,
                entry->key, (long long)entry->least, (long long)entry->most, value);
        return RES_INVALID;
    }
    *ret_number = number;
    return RES_OK;
}

enum res settings_set(struct settings *s, const char *key, const char *value, const char *where,
                      struct err *why)
{
    size_t i = index_of(s, key);
    const struct settings_entry *entry = &s->table[i];
    if (entry->key == NULL) {
        err_set(why, "%s: there is no setting `%s`; `endcap up --help` lists them", where, key);
        return RES_INVALID;
    }
    size_t size = strlen(value);
    if (entry->kind == SETTINGS_NUMBER) {
        enum res r = parse_number(entry, value, &s->number[i], where, why);
        if (r != RES_OK) {
            return r;
        }
    } else if ((int64_t)size < entry->least || (int64_t)size > entry->most ||
               size >= SETTINGS_TEXT_BYTES_MAX) {
        err_set(why, "%s: `%s` must have %lld to %lld characters", where, key,
                (long long)entry->least, (long long)entry->most);
        return RES_INVALID;
    }
    if (size < SETTINGS_TEXT_BYTES_MAX) {
        memcpy(s->text[i], value, size + 1);
    }
    return RES_OK;
}

void settings_init(struct settings *s, const struct settings_entry *table)
{
    memset(s, 0, sizeof *s);
    s->table = table;
    for (size_t i = 0; table[i].key != NULL; i++) {
        assert(i < SETTINGS_MAX);
        enum res r = settings_set(s, table[i].key, table[i].initial, "initial value", NULL);
        assert(r == RES_OK);
        (void)r;
    }
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) {
        end--;
    }
    *end = '\0';
    return text;
}

static enum res load_line(struct settings *s, char *line, const char *where, struct err *why)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#') {
        return RES_OK;
    }
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        err_set(why, "%s: expected `key = value`", where);
        return RES_INVALID;
    }
    *equals = '\0';
    char *key = trim(text);
    size_t i = index_of(s, key);
    if (s->table[i].key != NULL && s->given[i] != 0) {
        err_set(why, "%s: `%s` is given twice; keep one", where, key);
        return RES_INVALID;
    }
    enum res r = settings_set(s, key, trim(equals + 1), where, why);
    if (r == RES_OK) {
        s->given[i] = 1;
    }
    return r;
}

enum res settings_load(struct settings *s, const char *path, struct err *why)
{
    char *content = malloc(SETTINGS_FILE_BYTES_MAX);
    if (content == NULL) {
        err_set(why, "no memory to read %s", path);
        return RES_NO_MEMORY;
    }
    size_t size = 0;
    enum res r = file_read(path, content, SETTINGS_FILE_BYTES_MAX, &size, why);
    if (r == RES_NOT_FOUND) {
        r = RES_OK;
        goto out;
    }
    if (r != RES_OK) {
        goto out;
    }
    unsigned number = 1;
    for (char *line = content; line != NULL && r == RES_OK; number++) {
        char *next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        char where[FILE_PATH_BYTES_MAX + 16];
        (void)snprintf(where, sizeof where, "%s line %u", path, number);
        r = load_line(s, line, where, why);
        line = next;
    }
out:
    free(content);
    return r;
}

int64_t settings_number(const struct settings *s, const char *key)
{
    size_t i = index_of(s, key);
    assert(s->table[i].key != NULL && s->table[i].kind == SETTINGS_NUMBER);
    return s->number[i];
}

const char *settings_text(const struct settings *s, const char *key)
{
    size_t i = index_of(s, key);
    assert(s->table[i].key != NULL);
    return s->text[i];
}
