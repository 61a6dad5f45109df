/* uart_mps2.h: the first serial line of the MPS2 board (CMSDK APB UART, DDI 0479). Freestanding. */
#ifndef UART_MPS2_H
#define UART_MPS2_H

#include "span.h"

void uart_mps2_init(void);
void uart_mps2_write(struct span bytes);
/* The next byte, or -1 when none has come. */
int uart_mps2_read(void);

#endif
