#include "nfc_file.h"

static enum res write_message(void *context, struct span message)
{
    const struct nfc_file *file = context;
    return file_write(file->path, message.data, message.size, 0644, NULL) == RES_OK ? RES_OK
                                                                                    : RES_IO;
}

enum res nfc_file_init(struct nfc_file *file, const char *path, struct err *why)
{
    file->nfc = (struct nfc){.context = file, .write = write_message};
    return file_path(file->path, why, "%s", path);
}
