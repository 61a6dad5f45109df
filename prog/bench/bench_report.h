/* bench_report.h: measured figures, each beside its baseline, as a table and as JSON.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_REPORT_ROWS_MAX 32
#define BENCH_REPORT_TEXT     320

struct bench_report_row {
    const char *id;   /* of the target, "P1" */
    const char *what; /* what was measured */
    const char *unit;
    double value;
    const char *against; /* what the baseline is */
    double baseline;
    double ratio; /* as the target counts it */
    double floor;
    double target;
    bool less_is_better;
    char note[BENCH_REPORT_TEXT]; /* conditions, and why a floor was missed */
};

struct bench_report {
    char machine[BENCH_REPORT_TEXT];
    char versions[BENCH_REPORT_TEXT];
    struct bench_report_row rows[BENCH_REPORT_ROWS_MAX];
    size_t count;
};

void bench_report_init(struct bench_report *r);
/* ratio is value / baseline. */
struct bench_report_row *bench_report_add(struct bench_report *r, const char *id, const char *what,
                                          const char *unit, double value, const char *against,
                                          double baseline, double floor, double target);
void bench_report_note(struct bench_report_row *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bench_report_table(const struct bench_report *r);
void bench_report_json(const struct bench_report *r);

#endif
