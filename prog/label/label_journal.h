/* label_journal.h: what a virtual label did, on record outside its flash: one JSON object a line,
 * {"at": ms since 1970, "label", "note", "why"?, and what it shows: version, updateId, digest,
 * price (minor units), product, refreshes; queued, battery}. A line is one write.
 */
#ifndef LABEL_JOURNAL_H
#define LABEL_JOURNAL_H

#include "err.h"
#include "label.h"

struct label_journal {
    struct label_observer observer; /* use this; do not move the struct while it is open */
    const struct label *label;
    const char *label_id;
    int fd;         /* -1: none is kept */
    int last_errno; /* of a write that failed, 0: none */
};

/* path NULL: keeps none. RES_IO. */
MUST_CHECK enum res label_journal_open(struct label_journal *j, const char *path,
                                       const char *label_id, const struct label *label,
                                       struct err *why);
void label_journal_close(struct label_journal *j);
/* The members of a view that a journal's line and the last line of the program share. */
void label_journal_write_view(struct sink *s, const struct label_view *view);

#endif
