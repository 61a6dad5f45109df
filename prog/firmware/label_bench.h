/* label_bench.h: the label's core on the bare MPS2 board: its panel writes to the serial line, the
 * rest of its parts are those of stand_in.h. */
#ifndef LABEL_BENCH_H
#define LABEL_BENCH_H

#include "label.h"

/* Mounts the flash and starts the core on it; again: after a power cut. */
MUST_CHECK enum res label_bench_start(struct label *l, const struct secure_element *secure,
                                      const struct network *network);
void label_bench_blank(void); /* erases the whole flash */
/* The version that the panel showed last. */
int64_t label_bench_shown(void);

#endif
