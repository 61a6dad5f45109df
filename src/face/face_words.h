/* face_words.h: the words that stand on a label beside the product's own, in the six languages. */
#ifndef FACE_WORDS_H
#define FACE_WORDS_H

#include "shelf.h"

enum face_word {
    FACE_WORD_SALE,
    FACE_WORD_PER_KG,
    FACE_WORD_MRP,
    FACE_WORD_NOT_FOR_SALE, /* withdrawn */
    FACE_WORD_ASK_STAFF,
    FACE_WORD_NO_PRODUCT, /* unassigned */
    FACE_WORD_BIND,       /* what staff has to do then */
    FACE_WORDS,
};

/* UTF-8, never empty. */
struct span face_words(enum shelf_language language, enum face_word word);

#endif
