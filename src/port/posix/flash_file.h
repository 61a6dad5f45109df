/* flash_file.h: flash in a file, for virtual devices. Same rules as a chip: a program of a unit
 * that is not erased is RES_INVALID. Durable on return (fdatasync). One process holds the file at a
 * time.
 *
 * The file begins with a page that names its geometry and holds its full size from the start, so
 * that a disk that fills up later cannot stop a device.
 */
#ifndef FLASH_FILE_H
#define FLASH_FILE_H

#include "err.h"
#include "flash.h"

struct flash_file {
    struct flash flash; /* use this; do not move the struct while it is open */
    int fd;
    /* Set after opening: operations are not forced to the disk. They outlive the process then, not
     * a power cut of the machine. */
    bool relaxed;
    int last_errno; /* of the last RES_IO, 0 when there was none */
};

/* Opens, or creates blank, the flash at path. RES_INVALID: not a flash file, or of another
 * geometry; RES_CONFLICT: another process has it; RES_FULL: no room on the disk, nothing is left
 * behind; RES_NOT_FOUND, RES_DENIED, RES_IO. */
MUST_CHECK enum res flash_file_open(struct flash_file *file, const char *path,
                                    uint32_t sector_bytes, uint32_t sector_count,
                                    uint32_t program_bytes, struct err *why);
void flash_file_close(struct flash_file *file);

#endif
