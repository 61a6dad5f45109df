#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file.h"
#include "flash_io.h"
#include "le.h"

#define LABEL_BYTES 4096 /* before the content, which stays aligned to the disk's blocks */
static const char magic[16] = "endcap flash 1\n";

static enum res failed(struct flash_file *file)
{
    file->last_errno = errno;
    return RES_IO;
}

static enum res read_all(struct flash_file *file, uint8_t *data, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t got = pread(file->fd, data, size, at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got == 0) {
            errno = EIO; /* shorter than its label says */
        }
        if (got <= 0) {
            return failed(file);
        }
        data += got;
        size -= (size_t)got;
        at += got;
    }
    return RES_OK;
}

static enum res write_all(struct flash_file *file, const uint8_t *data, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t put = pwrite(file->fd, data, size, at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return failed(file);
        }
        data += put;
        size -= (size_t)put;
        at += put;
    }
    return RES_OK;
}

static bool inside(const struct flash_file *file, uint32_t offset, uint32_t size)
{
    uint32_t bytes = file->flash.sector_bytes * file->flash.sector_count;
    return offset <= bytes && size <= bytes - offset;
}

static enum res file_flash_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    struct flash_file *file = context;
    if (!inside(file, offset, size)) {
        return RES_INVALID;
    }
    return read_all(file, data, size, LABEL_BYTES + (off_t)offset);
}

static enum res file_flash_program(void *context, uint32_t offset, const void *data, uint32_t size)
{
    struct flash_file *file = context;
    uint8_t seen[FLASH_IO_PAGE_BYTES];
    if (!inside(file, offset, size) || size == 0 || size > sizeof seen ||
        offset % file->flash.program_bytes != 0 || size % file->flash.program_bytes != 0) {
        return RES_INVALID;
    }
    enum res r = read_all(file, seen, size, LABEL_BYTES + (off_t)offset);
    for (uint32_t i = 0; r == RES_OK && i < size; i++) {
        if (seen[i] != 0xff) {
            return RES_INVALID;
        }
    }
    if (r == RES_OK) {
        r = write_all(file, data, size, LABEL_BYTES + (off_t)offset);
    }
    if (r == RES_OK && !file->relaxed && fdatasync(file->fd) != 0) {
        r = failed(file);
    }
    return r;
}

static enum res fill_blank(struct flash_file *file, off_t at, uint64_t size)
{
    uint8_t blank[4096];
    memset(blank, 0xff, sizeof blank);
    while (size > 0) {
        size_t part = size < sizeof blank ? (size_t)size : sizeof blank;
        enum res r = write_all(file, blank, part, at);
        if (r != RES_OK) {
            return r;
        }
        size -= part;
        at += (off_t)part;
    }
    return RES_OK;
}

static enum res file_flash_erase(void *context, uint32_t sector)
{
    struct flash_file *file = context;
    if (sector >= file->flash.sector_count) {
        return RES_INVALID;
    }
    off_t at = LABEL_BYTES + (off_t)sector * file->flash.sector_bytes;
    enum res r = fill_blank(file, at, file->flash.sector_bytes);
    if (r == RES_OK && !file->relaxed && fdatasync(file->fd) != 0) {
        r = failed(file);
    }
    return r;
}

static void write_label(const struct flash *flash, uint8_t label[LABEL_BYTES])
{
    memset(label, 0, LABEL_BYTES);
    memcpy(label, magic, sizeof magic);
    le_put_u32(label + 16, flash->sector_bytes);
    le_put_u32(label + 20, flash->sector_count);
    le_put_u32(label + 24, flash->program_bytes);
}

static enum res sync_directory(const char *path)
{
    char directory[FILE_PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    if (file_path(directory, NULL, "%.*s", size, slash == NULL ? "." : path) != RES_OK) {
        return RES_IO;
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return RES_IO;
    }
    int synced = fsync(fd);
    close(fd);
    return synced == 0 ? RES_OK : RES_IO;
}

/* Complete under a name of its own first: a half-made flash is never opened. */
static enum res create(struct flash_file *file, const char *path, struct err *why)
{
    char draft[FILE_PATH_BYTES_MAX];
    uint8_t label[LABEL_BYTES];
    enum res r = file_path(draft, why, "%s.new", path);
    if (r != RES_OK) {
        return r;
    }
    file->fd = open(draft, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        err_set(why, "cannot create flash %s: %s", draft, strerror(errno));
        return file_res_of_errno(errno);
    }
    write_label(&file->flash, label);
    uint64_t bytes = (uint64_t)file->flash.sector_bytes * file->flash.sector_count;
    r = write_all(file, label, sizeof label, 0);
    if (r == RES_OK) {
        r = fill_blank(file, LABEL_BYTES, bytes);
    }
    if (r == RES_OK && (fsync(file->fd) != 0 || rename(draft, path) != 0)) {
        r = failed(file);
    }
    if (r == RES_OK) {
        r = sync_directory(path);
    }
    if (r != RES_OK) {
        r = file_res_of_errno(file->last_errno);
        err_set(why, "cannot create flash %s of %llu bytes: %s; make room or choose another folder",
                path, (unsigned long long)bytes, strerror(file->last_errno));
        close(file->fd);
        file->fd = -1;
        unlink(draft);
    }
    return r;
}

static enum res check_label(struct flash_file *file, const char *path, struct err *why)
{
    uint8_t wanted[LABEL_BYTES];
    uint8_t label[LABEL_BYTES];
    write_label(&file->flash, wanted);
    enum res r = read_all(file, label, sizeof label, 0);
    if (r != RES_OK || memcmp(label, magic, sizeof magic) != 0) {
        err_set(why, "%s is not a flash file; name another path", path);
        return RES_INVALID;
    }
    if (memcmp(label, wanted, sizeof label) != 0) {
        err_set(
            why,
            "flash %s has %u sectors of %u bytes programmed by %u, not the %u of %u by %u asked "
            "for; use that geometry or another path",
            path, le_get_u32(label + 20), le_get_u32(label + 16), le_get_u32(label + 24),
            file->flash.sector_count, file->flash.sector_bytes, file->flash.program_bytes);
        return RES_INVALID;
    }
    return RES_OK;
}

enum res flash_file_open(struct flash_file *file, const char *path, uint32_t sector_bytes,
                         uint32_t sector_count, uint32_t program_bytes, struct err *why)
{
    *file = (struct flash_file){
        .flash =
            {
                .context = file,
                .sector_bytes = sector_bytes,
                .sector_count = sector_count,
                .program_bytes = program_bytes,
                .read = file_flash_read,
                .program = file_flash_program,
                .erase = file_flash_erase,
            },
        .fd = -1,
    };
    if (flash_io_geometry(&file->flash) != RES_OK) {
        err_set(why, "flash %s: %u sectors of %u bytes programmed by %u are not a possible chip",
                path, sector_count, sector_bytes, program_bytes);
        return RES_INVALID;
    }
    enum res r = RES_OK;
    file->fd = open(path, O_RDWR | O_CLOEXEC);
    if (file->fd < 0 && errno == ENOENT) {
        r = create(file, path, why);
    } else if (file->fd < 0) {
        r = file_res_of_errno(errno);
        err_set(why, "cannot open flash %s: %s", path, strerror(errno));
    }
    if (r != RES_OK) {
        return r;
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(why, "flash %s is in use by another process; stop that device first", path);
        r = RES_CONFLICT;
    } else {
        r = check_label(file, path, why);
    }
    if (r != RES_OK) {
        flash_file_close(file);
    }
    return r;
}

void flash_file_close(struct flash_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}
