/* install_settings.h: an installation is a data directory; this reads its endcap.conf.
 *
 * Every command that takes --data opens it here, so that a mistyped setting stops all of them with
 * the same words.
 */
#ifndef INSTALL_SETTINGS_H
#define INSTALL_SETTINGS_H

#include <stdbool.h>

#include "file.h"
#include "settings.h"

#define INSTALL_ENVIRONMENT "ENDCAP_DATA"
#define INSTALL_DIRECTORY   "./endcap-data"

/* The table of every setting, for help texts. */
const struct settings_entry *install_settings_table(void);

/* `data` as given with --data; NULL: $ENDCAP_DATA, else ./endcap-data. Absolute in ret_root,
 * without links. With `make` the directory is made; without it RES_NOT_FOUND says to run `endcap
 * up`. */
MUST_CHECK enum res install_settings_root(const char *data, bool make,
                                          char ret_root[FILE_PATH_BYTES_MAX], struct err *why);
/* What the table cannot say: the members of a choice. After the command line has been read too. */
MUST_CHECK enum res install_settings_check(const struct settings *s, struct err *why);
MUST_CHECK enum res install_settings_load(const char *root, struct settings *ret, struct err *why);

#endif
