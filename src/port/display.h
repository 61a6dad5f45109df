/* display.h: what the shopper sees, as a port. Freestanding.
 *
 * The owner says what happened; words, language and layout are the driver's.
 */
#ifndef DISPLAY_H
#define DISPLAY_H

#include "span.h"

enum display_kind {
    DISPLAY_WELCOME,       /* a trip began */
    DISPLAY_ITEM,          /* added: text, line, quantity, price */
    DISPLAY_ITEM_NO_PRICE, /* added, its price is being asked for: line, quantity */
    DISPLAY_PRICED,        /* the price of a line came: text, line, price */
    DISPLAY_NOT_KNOWN,     /* the store does not know this product: line */
    DISPLAY_REMOVED,       /* line, quantity (positive) */
    DISPLAY_CHECK_WEIGHT,  /* the weight does not match; nothing is blocked: line */
    DISPLAY_BAD_CODE,      /* not a barcode we take, please scan again */
    DISPLAY_NOT_IN_BASKET, /* nothing to remove */
    DISPLAY_NOT_NOW,       /* the trip's state forbids this: text says why */
    DISPLAY_NO_ROOM,       /* this cart cannot take more events now; please use another */
    DISPLAY_HELD,          /* text: why */
    DISPLAY_RESUMED,
    DISPLAY_IDENTIFIED,
    DISPLAY_PAYING,           /* follow the terminal: total */
    DISPLAY_DECLINED,         /* text: why */
    DISPLAY_ENDED,            /* text: complete, voided, abandoned; total */
    DISPLAY_PAYMENT_ACCEPTED, /* the platform confirmed the payment */
    DISPLAY_PAYMENT_REFUSED,  /* text: its reason */
    DISPLAY_PAYMENT_LATER,    /* no answer yet: it will be confirmed later */
    DISPLAY_MESSAGE,          /* text from staff */
    DISPLAY_SLEEPING,
    DISPLAY_AWAKE,
    DISPLAY_KINDS, /* how many */
};

struct display_view {
    enum display_kind kind;
    struct span text; /* UTF-8, gone after the call; empty: none */
    int64_t line;
    int64_t quantity;
    int64_t price_minor;
    /* the trip so far, with every view */
    int64_t item_count;
    int64_t total_minor;
    int64_t unpriced;
};

struct display {
    void *context;
    void (*show)(void *context, const struct display_view *view);
};

#endif
