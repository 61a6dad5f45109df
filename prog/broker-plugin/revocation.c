#include "revocation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker_revoked.h"

#define LIST_BYTES_MAX (16 * 1024 * 1024)

static char *list_path;
static uint8_t *content;
static struct broker_revoked list;
static struct stat seen;
static uint64_t generation;

static enum res read_all(int fd, size_t size, uint8_t **ret_content)
{
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return RES_NO_MEMORY;
    }
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, bytes + have, size - have);
        if (got <= 0) {
            free(bytes);
            return RES_IO;
        }
        have += (size_t)got;
    }
    *ret_content = bytes;
    return RES_OK;
}

static enum res load(void)
{
    struct stat status;
    uint8_t *bytes = NULL;
    struct broker_revoked fresh;
    int fd = open(list_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? RES_NOT_FOUND : RES_IO;
    }
    enum res r = fstat(fd, &status) == 0 ? RES_OK : RES_IO;
    if (r == RES_OK && status.st_size > LIST_BYTES_MAX) {
        r = RES_LIMIT;
    }
    if (r == RES_OK) {
        r = read_all(fd, (size_t)status.st_size, &bytes);
    }
    (void)close(fd);
    if (r == RES_OK) {
        r = broker_revoked_init(&fresh, (struct span){bytes, (size_t)status.st_size});
    }
    if (r != RES_OK) {
        free(bytes);
        return r;
    }
    free(content);
    content = bytes;
    list = fresh;
    seen = status;
    return RES_OK;
}

enum res revocation_open(const char *path)
{
    list_path = strdup(path);
    return list_path == NULL ? RES_NO_MEMORY : load();
}

void revocation_close(void)
{
    free(list_path);
    free(content);
    list_path = NULL;
    content = NULL;
    list = (struct broker_revoked){.text = SPAN_NONE};
}

/* The list is replaced by a rename: another file means another inode or time. */
static bool is_changed(const struct stat *now)
{
    return now->st_ino != seen.st_ino || now->st_size != seen.st_size ||
           now->st_mtim.tv_sec != seen.st_mtim.tv_sec ||
           now->st_mtim.tv_nsec != seen.st_mtim.tv_nsec;
}

uint64_t revocation_refresh(void)
{
    struct stat now;
    if (stat(list_path, &now) == 0 && is_changed(&now) && load() == RES_OK) {
        generation++;
    }
    return generation;
}

bool revocation_has(const char *serial)
{
    return broker_revoked_has(&list, span_text(serial, 64));
}
