/* The cart on the bench: codes come in by the serial line, one a line. */
#include "bench.h"
#include "stand_in.h"
#include "startup.h"
#include "uart_mps2.h"

static struct cart cart;

int main(void)
{
    uint8_t code[GTIN_DIGITS];
    size_t size = 0;
    uart_mps2_init();
    enum res r = bench_start(&cart);
    if (r != RES_OK) {
        stand_in_say(res_name(r), 0);
        return 1;
    }
    for (;;) {
        cart_tick(&cart, bench_now());
        for (int byte; (byte = uart_mps2_read()) >= 0;) {
            if (byte == '\r' || byte == '\n') {
                r = cart_scan(&cart, bench_now(), span_of(code, size), CART_EAN, 1);
                stand_in_say(res_name(r), cart_unacknowledged(&cart));
                size = 0;
            } else if (size < sizeof code) {
                code[size++] = (uint8_t)byte;
            }
        }
    }
}
