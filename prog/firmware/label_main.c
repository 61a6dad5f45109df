/* The label on the bench: it shows what its flash knows and waits for a network. */
#include "label_bench.h"
#include "stand_in.h"
#include "startup.h"
#include "uart_mps2.h"

static struct label label;

int main(void)
{
    uart_mps2_init();
    enum res r = label_bench_start(&label, &stand_in_secure, &stand_in_network);
    if (r != RES_OK) {
        stand_in_say(res_name(r), 0);
        return 1;
    }
    for (int64_t due_ms = 0;;) {
        if (startup_uptime_ms() >= due_ms) {
            due_ms = label_step(&label, startup_uptime_ms());
        }
        /* A message from the radio's driver would come here. */
        if (uart_mps2_read() >= 0) {
            label_message(&label, startup_uptime_ms(), SPAN_NONE, SPAN_NONE, SPAN_NONE);
        }
    }
}
