/* file.h: whole small files, atomically; server code only.
 *
 * Every failure fills `why` with one sentence naming the path and the cause.
 */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

#define FILE_PATH_BYTES_MAX 1024

/* Formats a path; RES_LIMIT when it does not fit in FILE_PATH_BYTES_MAX. */
MUST_CHECK enum res file_path(char ret_path[FILE_PATH_BYTES_MAX], struct err *why,
                              const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Makes the directory and its parents; an existing one is fine and keeps its mode. */
MUST_CHECK enum res file_make_directory(const char *path, mode_t mode, struct err *why);
/* Reads a whole file of at most size_max - 1 bytes and ends it with a NUL. RES_NOT_FOUND,
 * RES_LIMIT, RES_DENIED, RES_IO. */
MUST_CHECK enum res file_read(const char *path, char *ret_data, size_t size_max, size_t *ret_size,
                              struct err *why);
/* The same, and RES_DENIED when anybody but the owner may read it. */
MUST_CHECK enum res file_read_secret(const char *path, char *ret_data, size_t size_max,
                                     size_t *ret_size, struct err *why);
/* Writes a draft beside path, fsyncs it, renames it over path and fsyncs the directory: a reader
 * sees the old or the new content, after a power cut too; of two writers one comes last. RES_FULL
 * when the disk is full. */
MUST_CHECK enum res file_write(const char *path, const void *data, size_t size, mode_t mode,
                               struct err *why);
/* The same, and RES_CONFLICT when path is there already: it is kept. */
MUST_CHECK enum res file_create(const char *path, const void *data, size_t size, mode_t mode,
                                struct err *why);
/* RES_NOT_FOUND, RES_DENIED, RES_FULL or RES_IO for an errno. */
enum res file_res_of_errno(int error);

#endif
