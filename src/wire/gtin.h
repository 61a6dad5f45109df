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

/* Restricted circulation, prefixes 02 and 20..29 (GS1 General Specifications, sections 2.1.12 and
 * 7.9): the store's own layout tells whether the value is a price or a weight, and whether a
 * verifier digit stands before it. Layouts: PP IIIII VVVVV C, or PP IIII K VVVVV C, where K is the
 * verifier of VVVVV.
 */
enum gtin_measure {
    GTIN_MEASURE_NONE,
    GTIN_MEASURE_PRICE,
    GTIN_MEASURE_WEIGHT,
    GTIN_MEASURE_PRICE_VERIFIED,  /* with a verifier digit */
    GTIN_MEASURE_WEIGHT_VERIFIED, /* with a verifier digit */
};
struct gtin_variable {
    enum gtin_measure measure;         /* NONE, PRICE or WEIGHT */
    char item_gtin14[GTIN_DIGITS + 1]; /* the same code with value (and verifier) 0: the
                                          catalogue's key; with NONE the code itself */
    int64_t value;                     /* minor units, or grams; 0 with NONE */
};
/* prefix_measure[10]: the store's choice for 20..29; 02 is always a weight without verifier; a
 * code outside these prefixes gives GTIN_MEASURE_NONE. RES_INVALID: not 13 digits, a check digit
 * or a verifier that is wrong. */
MUST_CHECK enum res gtin_variable_read(struct span digits13,
                                       const enum gtin_measure prefix_measure[10],
                                       struct gtin_variable *ret);
/* The verifier digit of a five-digit price or weight (section 7.9.4). */
char gtin_verifier_digit(struct span digits5);

/* True when text holds a Luhn-valid run of 13..19 digits, separators (one space or dash) allowed
 * between digits (R18, ISO/IEC 7812-1 annex B). Every stretch of a longer run counts, so that a
 * digit put before or behind hides nothing. */
bool gtin_looks_like_card(struct span text);

#endif
