#include "key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum res open_failed(const char *path, struct err *why)
{
    int number = errno;
    if (number == ENOENT || number == ENOTDIR) {
        err_set(why, "The key file %s does not exist; create it, or name another in the settings",
                path);
        return RES_NOT_FOUND;
    }
    err_set(why, "Cannot open the key file %s: %s; check its owner and permissions", path,
            strerror(number));
    return number == EACCES || number == EPERM ? RES_DENIED : RES_IO;
}

static enum res read_all(int fd, const char *path, uint8_t *buffer, size_t size_max,
                         size_t *ret_size, struct err *why)
{
    size_t size = 0;
    for (;;) {
        uint8_t beyond;
        bool full = size == size_max;
        ssize_t n = full ? read(fd, &beyond, 1) : read(fd, buffer + size, size_max - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            err_set(why, "Cannot read the key file %s: %s", path, strerror(errno));
            return RES_IO;
        }
        if (n == 0) {
            *ret_size = size;
            return RES_OK;
        }
        if (full) {
            err_set(why, "The key file %s is larger than %zu bytes; it is not a key", path,
                    size_max);
            return RES_INVALID;
        }
        size += (size_t)n;
    }
}

enum res key_file_read(const char *path, bool secret, void *buffer, size_t size_max,
                       size_t *ret_size, struct err *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return open_failed(path, why);
    }
    struct stat about;
    enum res r = RES_OK;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        err_set(why, "The key file %s is not a regular file", path);
        r = RES_INVALID;
    } else if (secret && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        err_set(why, "The private key %s can be read by others; run: chmod 600 %s", path, path);
        r = RES_DENIED;
    } else {
        r = read_all(fd, path, buffer, size_max, ret_size, why);
    }
    (void)close(fd);
    return r;
}

static bool write_all(int fd, struct span content)
{
    while (content.size > 0) {
        ssize_t n = write(fd, content.data, content.size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        content = span_of(content.data + n, content.size - (size_t)n);
    }
    return fsync(fd) == 0;
}

/* A name lives in its directory: without this a power cut may forget the file. */
static bool sync_parent(const char *path)
{
    char parent[PATH_MAX];
    (void)snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        (void)snprintf(parent, sizeof parent, ".");
    } else {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool good = fsync(fd) == 0;
    (void)close(fd);
    return good;
}

static enum res write_failed(const char *path, int number, struct err *why)
{
    if (number == EEXIST) {
        err_set(why, "The key file %s exists already and is kept; move it away to make a new key",
                path);
        return RES_CONFLICT;
    }
    err_set(why, "Cannot write the key file %s: %s", path, strerror(number));
    return number == ENOSPC || number == EDQUOT ? RES_FULL : RES_IO;
}

static enum res write_whole(const char *path, struct span content, mode_t mode, unsigned flags,
                            struct err *why)
{
    char draft[PATH_MAX];
    int length = snprintf(draft, sizeof draft, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof draft) {
        return write_failed(path, ENAMETOOLONG, why);
    }
    int fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0) {
        return write_failed(path, errno, why);
    }
    int number = 0;
    if (fchmod(fd, mode) != 0 || !write_all(fd, content)) {
        number = errno;
    }
    if (close(fd) != 0 && number == 0) {
        number = errno;
    }
    if (number == 0 && renameat2(AT_FDCWD, draft, AT_FDCWD, path, flags) != 0) {
        number = errno;
    }
    if (number != 0) {
        (void)unlink(draft);
        return write_failed(path, number, why);
    }
    return sync_parent(path) ? RES_OK : write_failed(path, errno, why);
}

enum res key_file_create(const char *path, struct span content, struct err *why)
{
    return write_whole(path, content, S_IRUSR | S_IWUSR, RENAME_NOREPLACE, why);
}

enum res key_file_replace(const char *path, struct span content, struct err *why)
{
    return write_whole(path, content, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, 0, why);
}
