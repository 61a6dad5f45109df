#include "uart_mps2.h"

struct uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupt;
    volatile uint32_t baud_divider;
};

#define UART           ((struct uart *)0x40004000u)
#define TX_FULL        1u
#define RX_FULL        2u
#define TX_AND_RX      3u
#define DIVIDER_115200 217u /* of the board's 25 MHz */

void uart_mps2_init(void)
{
    UART->baud_divider = DIVIDER_115200;
    UART->control = TX_AND_RX;
}

void uart_mps2_write(struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        while ((UART->state & TX_FULL) != 0) {
        }
        UART->data = bytes.data[i];
    }
}

int uart_mps2_read(void)
{
    return (UART->state & RX_FULL) == 0 ? -1 : (int)(UART->data & 0xff);
}
