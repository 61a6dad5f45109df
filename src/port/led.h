/* led.h: one lamp, as a port. Freestanding. The driver keeps a pattern going by itself (a PWM
 * peripheral does); its owner says when it ends.
 */
#ifndef LED_H
#define LED_H

#include <stdint.h>

enum led_pattern { LED_OFF, LED_SOLID, LED_BLINK, LED_PULSE, LED_PATTERNS };
enum led_colour { LED_BLUE, LED_RED, LED_GREEN, LED_YELLOW, LED_WHITE, LED_COLOURS };

struct led {
    void *context;
    /* From now on, in place of what it did before. brightness_pct: 1..100, 0 with LED_OFF. */
    void (*set)(void *context, enum led_pattern pattern, enum led_colour colour,
                int32_t brightness_pct);
};

#endif
