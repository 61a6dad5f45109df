#include "face_words.h"

#include <assert.h>

#define WORD_BYTES_MAX 200

static const char *const words[FACE_WORDS][SHELF_LANGUAGES] = {
    [FACE_WORD_SALE] = {"Sale", "छूट", "தள்ளுபடி", "తగ్గింపు", "ছাড়", "सवलत"},
    [FACE_WORD_PER_KG] = {"per kg", "प्रति किग्रा", "ஒரு கிலோ", "కిలోకు", "প্রতি কেজি", "प्रति किलो"},
    [FACE_WORD_MRP] = {"MRP", "एमआरपी", "எம்.ஆர்.பி", "ఎమ్మార్పీ", "এমআরপি", "एमआरपी"},
    [FACE_WORD_NOT_FOR_SALE] = {"Not for sale", "बिक्री के लिए नहीं", "விற்பனைக்கு இல்லை", "అమ్మకానికి లేదు",
                                "বিক্রয়ের জন্য নয়", "विक्रीसाठी नाही"},
    [FACE_WORD_ASK_STAFF] = {"Please ask our staff", "कृपया कर्मचारी से पूछें", "ஊழியரிடம் கேளுங்கள்",
                             "దయచేసి సిబ్బందిని అడగండి", "অনুগ্রহ করে কর্মীকে জিজ্ঞাসা করুন",
                             "कृपया कर्मचाऱ्यांना विचारा"},
    [FACE_WORD_NO_PRODUCT] = {"No product", "कोई उत्पाद नहीं", "பொருள் இல்லை", "ఉత్పత్తి లేదు",
                              "কোনো পণ্য নেই", "उत्पादन नाही"},
    [FACE_WORD_BIND] = {"Bind this label to a product", "इस लेबल को किसी उत्पाद से जोड़ें",
                        "இந்த லேபிளை ஒரு பொருளுடன் இணைக்கவும்", "ఈ లేబుల్\u200cకు ఉత్పత్తిని జోడించండి",
                        "এই লেবেলটি একটি পণ্যের সঙ্গে যুক্ত করুন", "हे लेबल एका उत्पादनाशी जोडा"},
};

struct span face_words(enum shelf_language language, enum face_word word)
{
    assert(language < SHELF_LANGUAGES && word < FACE_WORDS);
    return span_text(words[word][language], WORD_BYTES_MAX);
}
