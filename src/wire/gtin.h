/* gtin.h: GS1 identification keys (GS1 General Specifications, sections 2.1 and 7.9). Freestanding.
 */
#ifndef GTIN_H
#define GTIN_H

#include "span.h"

#define GTIN_DIGITS 14

/* 8, 12, 13 or 14 digits with a valid check digit (modulo 10, weights 3 and 1). UPC-E (8 digits,
 * number system 0 or 1) cannot be told from EAN-8 by its digits: the scanner's symbology says it,
 * and gtin_from_upc_e expands it first. */
bool gtin_is_valid(struct span digits);
/* Zero-padded to 14 digits: two reads of one product compare equal. RES_INVALID. */
MUST_CHECK enum res gtin_normalise(struct span digits, char ret_gtin14[GTIN_DIGITS + 1]);
MUST_CHECK enum res gtin_from_upc_e(struct span digits, char ret_gtin12[13]);
/* The check digit character of `digits` (which lacks it). */
char gtin_check_digit(struct span digits);

/* Restricted circulation, prefixes 02 and 20..29: the store's own layout tells whether the value
 * is a price or a weight. Layout: PP IIIII VVVVV C, or PP IIII K VVVVV C with a price check digit.
 */
enum gtin_measure { GTIN_MEASURE_NONE, GTIN_MEASURE_PRICE, GTIN_MEASURE_WEIGHT };
struct gtin_variable {
    enum gtin_measure measure;
    char item_gtin14[GTIN_DIGITS + 1]; /* the same code with value 00000: the catalogue's key */
    int64_t value;                     /* minor units, or grams */
};
/* prefix_measure[10]: the store's choice for 20..29; 02 is always a weight; a code outside these
 * prefixes gives GTIN_MEASURE_NONE. */
MUST_CHECK enum res gtin_variable_read(struct span digits13,
                                       const enum gtin_measure prefix_measure[10],
                                       struct gtin_variable *ret);

/* Luhn-valid run of 13..19 digits, separators (space, dash) allowed between digits (R18). */
bool gtin_looks_like_card(struct span text);

#endif
