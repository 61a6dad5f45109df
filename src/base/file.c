#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum res file_res_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return RES_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return RES_DENIED;
    case ENOSPC:
    case EDQUOT:
        return RES_FULL;
    case ENOMEM:
        return RES_NO_MEMORY;
    case EEXIST:
        return RES_CONFLICT;
    default:
        return RES_IO;
    }
}

static enum res failed(struct err *why, const char *doing, const char *path)
{
    int error = errno;
    const char *advice = "";
    if (error == ENOSPC || error == EDQUOT) {
        advice = "; free some space there";
    } else if (error == EACCES || error == EPERM) {
        advice = "; give this user the right to it, or choose another place";
    } else if (error == EROFS) {
        advice = "; its disk is mounted read-only";
    } else if (error == ENOENT) {
        advice = "; check the path";
    }
    err_set(why, "cannot %s %s: %s%s", doing, path, strerror(error), advice);
    return file_res_of_errno(error);
}

enum res file_path(char ret_path[FILE_PATH_BYTES_MAX], struct err *why, const char *format, ...)
{
    char path[FILE_PATH_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof path) {
        err_set(why, "the path %.60s... is longer than %d bytes; choose a shorter directory", path,
                FILE_PATH_BYTES_MAX - 1);
        return RES_LIMIT;
    }
    memcpy(ret_path, path, (size_t)size + 1);
    return RES_OK;
}

enum res file_make_directory(const char *path, mode_t mode, struct err *why)
{
    char at[FILE_PATH_BYTES_MAX];
    enum res r = file_path(at, why, "%s", path);
    if (r != RES_OK) {
        return r;
    }
    for (char *slash = strchr(at + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(at, 0755) != 0 && errno != EEXIST) {
            return failed(why, "make the directory", at);
        }
        *slash = '/';
    }
    if (mkdir(at, mode) == 0) {
        return RES_OK;
    }
    struct stat status;
    if (errno == EEXIST && stat(at, &status) == 0 && !S_ISDIR(status.st_mode)) {
        err_set(why, "%s is not a directory; move it away or choose another place", path);
        return RES_CONFLICT;
    }
    return errno == EEXIST ? RES_OK : failed(why, "make the directory", path);
}

static enum res read_all(int fd, const char *path, char *ret_data, size_t size_max,
                         size_t *ret_size, struct err *why)
{
    size_t size = 0;
    for (;;) {
        ssize_t n = read(fd, ret_data + size, size_max - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failed(why, "read", path);
        }
        size += (size_t)n;
        if (n == 0) {
            ret_data[size] = '\0';
            *ret_size = size;
            return RES_OK;
        }
        if (size == size_max) {
            err_set(why, "%s is larger than %zu bytes; is it the right file?", path, size_max - 1);
            return RES_LIMIT;
        }
    }
}

enum res file_read(const char *path, char *ret_data, size_t size_max, size_t *ret_size,
                   struct err *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(why, "read", path);
    }
    enum res r = read_all(fd, path, ret_data, size_max, ret_size, why);
    (void)close(fd);
    return r;
}

enum res file_read_secret(const char *path, char *ret_data, size_t size_max, size_t *ret_size,
                          struct err *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(why, "read", path);
    }
    struct stat status;
    enum res r = RES_OK;
    if (fstat(fd, &status) != 0) {
        r = failed(why, "read", path);
    } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        err_set(why, "%s is secret and can be read by others; run: chmod 600 %s", path, path);
        r = RES_DENIED;
    } else {
        r = read_all(fd, path, ret_data, size_max, ret_size, why);
    }
    (void)close(fd);
    return r;
}

static enum res write_all(int fd, const char *data, size_t size, const char *path, struct err *why)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failed(why, "write", path);
        }
        data += n;
        size -= (size_t)n;
    }
    return fsync(fd) == 0 ? RES_OK : failed(why, "write", path);
}

static enum res sync_directory_of(const char *path, struct err *why)
{
    char directory[FILE_PATH_BYTES_MAX];
    enum res r = file_path(directory, why, "%s", path);
    if (r != RES_OK) {
        return r;
    }
    char *slash = strrchr(directory, '/');
    if (slash == NULL) {
        memcpy(directory, ".", 2);
    } else {
        slash[slash == directory ? 1 : 0] = '\0';
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed(why, "open", directory);
    }
    r = fsync(fd) == 0 ? RES_OK : failed(why, "write", directory);
    (void)close(fd);
    return r;
}

/* renameat2's flags say whether an old file is replaced. The draft's name is its own: two who write
 * the same file do not write into each other's. */
static enum res write_whole(const char *path, const void *data, size_t size, mode_t mode,
                            unsigned flags, struct err *why)
{
    char draft[FILE_PATH_BYTES_MAX];
    enum res r = file_path(draft, why, "%s.XXXXXX", path);
    if (r != RES_OK) {
        return r;
    }
    int fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0) {
        return failed(why, "write", draft);
    }
    /* The mode whatever the umask. */
    r = fchmod(fd, mode) == 0 ? RES_OK : failed(why, "set the mode of", draft);
    if (r == RES_OK) {
        r = write_all(fd, data, size, draft, why);
    }
    if (close(fd) != 0 && r == RES_OK) {
        r = failed(why, "write", draft);
    }
    if (r == RES_OK && renameat2(AT_FDCWD, draft, AT_FDCWD, path, flags) != 0) {
        r = failed(why, "replace", path);
        if (r == RES_CONFLICT) {
            err_set(why, "%s exists already and is kept; move it away to make a new one", path);
        }
    }
    if (r != RES_OK) {
        (void)unlink(draft);
        return r;
    }
    return sync_directory_of(path, why);
}

enum res file_write(const char *path, const void *data, size_t size, mode_t mode, struct err *why)
{
    return write_whole(path, data, size, mode, 0, why);
}

enum res file_create(const char *path, const void *data, size_t size, mode_t mode, struct err *why)
{
    return write_whole(path, data, size, mode, RENAME_NOREPLACE, why);
}
