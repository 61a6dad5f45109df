#include "alert_kind.h"

#include <assert.h>

static const struct alert_kind_entry kinds[ALERT_KINDS] = {
    [ALERT_EMPTY_SHELF] = {"empty_shelf",
                           ALERT_MEDIUM,
                           ALERT_BY_CAUSE,
                           "the shelf is seen filled again",
                           {"Empty shelf", "शेल्फ़ खाली है", "அலமாரி காலியாக உள்ளது", "షెల్ఫ్ ఖాళీగా ఉంది",
                            "তাক খালি", "शेल्फ रिकामे आहे"}},
    [ALERT_LOW_BATTERY] = {"low_battery",
                           ALERT_MEDIUM,
                           ALERT_BY_CAUSE,
                           "the battery is at 25 % or more",
                           {"Low battery", "बैटरी कम है", "பேட்டரி குறைவாக உள்ளது", "బ్యాటరీ తక్కువగా ఉంది",
                            "ব্যাটারি কম", "बॅटरी कमी आहे"}},
    [ALERT_DEVICE_OFFLINE] = {"device_offline",
                              ALERT_MEDIUM,
                              ALERT_BY_CAUSE,
                              "the device is heard of again",
                              {"Device offline", "डिवाइस ऑफ़लाइन है", "சாதனம் ஆஃப்லைனில் உள்ளது",
                               "పరికరం ఆఫ్‌లైన్‌లో ఉంది",
                               "ডিভাইস অফলাইন", "डिव्हाइस ऑफलाइन आहे"}},
    [ALERT_COMPLIANCE_VIOLATION] = {"compliance_violation",
                                    ALERT_MEDIUM,
                                    ALERT_BY_CAUSE,
                                    "the label stands where the planogram has it",
                                    {"Planogram violation", "प्लानोग्राम का उल्लंघन", "பிளானோகிராம் மீறல்",
                                     "ప్లానోగ్రామ్ ఉల్లంఘన", "প্ল্যানোগ্রাম লঙ্ঘন", "प्लॅनोग्रामचे उल्लंघन"}},
    [ALERT_PRICE_UPDATE_FAILED] = {"price_update_failed",
                                   ALERT_HIGH,
                                   ALERT_BY_CAUSE,
                                   "the label confirms, however late, or gets a newer price",
                                   {"Price update failed", "मूल्य अपडेट विफल", "விலை புதுப்பிப்பு தோல்வி",
                                    "ధర నవీకరణ విఫలమైంది", "মূল্য হালনাগাদ ব্যর্থ", "किंमत अद्ययावत अयशस्वी"}},
    [ALERT_EXPIRED_REMOVAL] = {"expired_removal",
                               ALERT_HIGH,
                               ALERT_BY_CAUSE,
                               "staff confirm the removal",
                               {"Remove expired product", "एक्सपायर्ड उत्पाद हटाएँ",
                                "காலாவதியான பொருளை அகற்றவும்", "గడువు ముగిసిన ఉత్పత్తిని తొలగించండి",
                                "মেয়াদোত্তীর্ণ পণ্য সরান", "मुदत संपलेले उत्पादन काढा"}},
    [ALERT_PRICE_GAP] = {"price_gap",
                         ALERT_MEDIUM,
                         ALERT_BY_CAUSE,
                         "no competitor is more than 10 % cheaper",
                         {"Competitor is cheaper", "प्रतिस्पर्धी की कीमत कम है",
                          "போட்டியாளர் விலை குறைவு", "పోటీదారు ధర తక్కువ", "প্রতিযোগীর দাম কম",
                          "स्पर्धकाची किंमत कमी आहे"}},
    [ALERT_MISSING_TRANSLATION] = {"missing_translation",
                                   ALERT_LOW,
                                   ALERT_BY_CAUSE,
                                   "the product has its name in that language",
                                   {"Translation missing", "अनुवाद उपलब्ध नहीं", "மொழிபெயர்ப்பு இல்லை",
                                    "అనువాదం లేదు", "অনুবাদ নেই", "भाषांतर उपलब्ध नाही"}},
    [ALERT_CERTIFICATE_EXPIRING] = {"certificate_expiring",
                                    ALERT_HIGH,
                                    ALERT_BY_CAUSE,
                                    "the device connects with a newer certificate",
                                    {"Certificate expiring", "प्रमाणपत्र समाप्त होने वाला है",
                                     "சான்றிதழ் காலாவதியாகிறது", "సర్టిఫికెట్ గడువు ముగుస్తోంది",
                                     "সার্টিফিকেটের মেয়াদ শেষ হচ্ছে", "प्रमाणपत्राची मुदत संपत आहे"}},
    [ALERT_COMPETITOR_SOURCES_DOWN] = {"competitor_sources_down",
                                       ALERT_MEDIUM,
                                       ALERT_BY_CAUSE,
                                       "a source answers again",
                                       {"Competitor prices unavailable", "प्रतिस्पर्धी मूल्य उपलब्ध नहीं",
                                        "போட்டியாளர் விலைகள் கிடைக்கவில்லை", "పోటీదారుల ధరలు అందుబాటులో లేవు",
                                        "প্রতিযোগীর দাম পাওয়া যাচ্ছে না",
                                        "स्पर्धकांच्या किंमती उपलब्ध नाहीत"}},
    [ALERT_OFFLINE_24H] = {"offline_24h",
                           ALERT_HIGH,
                           ALERT_BY_CAUSE,
                           "the device is heard of again",
                           {"Device offline for 24 hours", "डिवाइस 24 घंटे से ऑफ़लाइन",
                            "சாதனம் 24 மணிநேரமாக ஆஃப்லைன்",
                            "పరికరం 24 గంటలుగా ఆఫ్‌లైన్",
                            "ডিভাইস ২৪ ঘণ্টা অফলাইন", "डिव्हाइस २४ तास ऑफलाइन"}},
    [ALERT_WEIGHT_MISMATCH] = {"weight_mismatch",
                               ALERT_LOW,
                               ALERT_BY_PERSON,
                               "somebody looked into it",
                               {"Weight mismatch", "वज़न मेल नहीं खाता", "எடை பொருந்தவில்லை",
                                "బరువు సరిపోలలేదు", "ওজন মিলছে না", "वजन जुळत नाही"}},
    [ALERT_PAYMENT_FAILED] = {"payment_failed",
                              ALERT_HIGH,
                              ALERT_BY_CAUSE,
                              "the trip ends: paid, voided or abandoned",
                              {"Payment failed", "भुगतान विफल", "கட்டணம் தோல்வியடைந்தது",
                               "చెల్లింపు విఫలమైంది", "পেমেন্ট ব্যর্থ", "पेमेंट अयशस्वी"}},
    [ALERT_SECURITY] = {"security",
                        ALERT_HIGH,
                        ALERT_BY_PERSON,
                        "somebody looked into it",
                        {"Security alert", "सुरक्षा चेतावनी", "பாதுகாப்பு எச்சரிக்கை", "భద్రతా హెచ్చరిక",
                         "নিরাপত্তা সতর্কতা", "सुरक्षा इशारा"}},
    [ALERT_FAULT] = {"fault",
                     ALERT_HIGH,
                     ALERT_BY_PERSON,
                     "somebody repaired it",
                     {"Device fault", "डिवाइस में खराबी", "சாதனக் கோளாறு", "పరికర లోపం", "ডিভাইসে ত্রুটি",
                      "डिव्हाइसमध्ये बिघाड"}},
    [ALERT_EVENT_GAP] = {"event_gap",
                         ALERT_MEDIUM,
                         ALERT_BY_PERSON,
                         "somebody looked into it",
                         {"Events lost", "इवेंट खो गए", "நிகழ்வுகள் இழக்கப்பட்டன",
                          "ఈవెంట్‌లు పోయాయి", "ইভেন্ট হারিয়েছে",
                          "घटना गहाळ झाल्या"}},
    [ALERT_CALIBRATION_DRIFT] = {"calibration_drift",
                                 ALERT_MEDIUM,
                                 ALERT_BY_CAUSE,
                                 "the platform weighs right again",
                                 {"Scale needs calibration", "तराज़ू को कैलिब्रेट करें",
                                  "தராசுக்கு அளவுத்திருத்தம் தேவை", "తూకం కాలిబ్రేట్ చేయాలి",
                                  "দাঁড়িপাল্লা ক্যালিব্রেট করুন", "वजनकाटा कॅलिब्रेट करा"}},
    [ALERT_REORDER] = {"reorder",
                       ALERT_LOW,
                       ALERT_BY_CAUSE,
                       "the stock is above the reorder level",
                       {"Reorder product", "उत्पाद फिर से मँगाएँ", "பொருளை மீண்டும் ஆர்டர் செய்யவும்",
                        "ఉత్పత్తిని మళ్లీ ఆర్డర్ చేయండి", "পণ্য পুনরায় অর্ডার করুন", "उत्पादन पुन्हा मागवा"}},
    [ALERT_SESSION_MISMATCH] = {"session_mismatch",
                                ALERT_MEDIUM,
                                ALERT_BY_PERSON,
                                "somebody looked into it",
                                {"Trip does not add up", "खरीदारी का हिसाब मेल नहीं खाता",
                                 "கொள்முதல் கணக்கு பொருந்தவில்லை", "కొనుగోలు లెక్క సరిపోలలేదు",
                                 "কেনাকাটার হিসাব মিলছে না", "खरेदीचा हिशोब जुळत नाही"}},
    [ALERT_PARKING_LOT] = {"parking_lot",
                           ALERT_MEDIUM,
                           ALERT_BY_CAUSE,
                           "the cart is back in the store",
                           {"Cart outside the store", "ट्रॉली दुकान के बाहर है",
                            "வண்டி கடைக்கு வெளியே உள்ளது", "ట్రాలీ దుకాణం బయట ఉంది", "ট্রলি দোকানের বাইরে",
                            "ट्रॉली दुकानाबाहेर आहे"}},
    [ALERT_ROLLOUT] = {"rollout",
                       ALERT_HIGH,
                       ALERT_BY_PERSON,
                       "somebody stopped or resumed the rollout",
                       {"Firmware rollout in trouble", "फ़र्मवेयर रोलआउट में समस्या",
                        "ஃபர்ம்வேர் வெளியீட்டில் சிக்கல்",
                        "ఫర్మ్‌వేర్ విడుదలలో సమస్య",
                        "ফার্মওয়্যার রোলআউটে সমস্যা", "फर्मवेअर रोलआउटमध्ये अडचण"}},
    [ALERT_PLATFORM] = {"platform",
                        ALERT_HIGH,
                        ALERT_BY_CAUSE,
                        "the part of the platform works again",
                        {"Platform problem", "प्लेटफ़ॉर्म में समस्या", "தளத்தில் சிக்கல்",
                         "ప్లాట్‌ఫారమ్ సమస్య", "প্ল্যাটফর্মে সমস্যা",
                         "प्लॅटफॉर्ममध्ये अडचण"}},
    [ALERT_GATEWAY_OFFLINE] =
        {"gateway_offline",
         ALERT_HIGH,
         ALERT_BY_CAUSE,
         "the gateway is heard of again",
         {"Gateway offline", "गेटवे ऑफ़लाइन है", "கேட்வே ஆஃப்லைனில் உள்ளது",
          "గేట్‌వే ఆఫ్‌లైన్‌లో ఉంది", "গেটওয়ে অফলাইন",
          "गेटवे ऑफलाइन आहे"}},
    [ALERT_POS_SYNC] = {"pos_sync",
                        ALERT_HIGH,
                        ALERT_BY_CAUSE,
                        "the next synchronisation is taken",
                        {"Till synchronisation refused", "पीओएस सिंक अस्वीकृत",
                         "பிஓஎஸ் ஒத்திசைவு நிராகரிக்கப்பட்டது", "పీఓఎస్ సింక్ తిరస్కరించబడింది",
                         "পিওএস সিঙ্ক প্রত্যাখ্যাত", "पीओएस सिंक नाकारले"}},
    [ALERT_RULE_REFUSED] = {"rule_refused",
                            ALERT_MEDIUM,
                            ALERT_BY_CAUSE,
                            "the rule's next price is allowed",
                            {"Pricing rule refused", "मूल्य नियम अस्वीकृत", "விலை விதி நிராகரிக்கப்பட்டது",
                             "ధర నియమం తిరస్కరించబడింది", "মূল্য নিয়ম প্রত্যাখ্যাত", "किंमत नियम नाकारला"}},
};

const struct alert_kind_entry *alert_kind_entry(enum alert_kind kind)
{
    assert(kind < ALERT_KINDS);
    return &kinds[kind];
}

enum res alert_kind_read(struct span name, enum alert_kind *ret)
{
    for (int k = 0; k < ALERT_KINDS; k++) {
        if (span_equal(name, span_text(kinds[k].name, 64))) {
            *ret = (enum alert_kind)k;
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

const char *alert_kind_severity_name(enum alert_severity severity)
{
    static const char *const names[ALERT_SEVERITIES] = {"low", "medium", "high"};
    assert(severity < ALERT_SEVERITIES);
    return names[severity];
}

const char *alert_kind_title(enum alert_kind kind, struct span language)
{
    static const char *const languages[ALERT_LANGUAGES] = {"en", "hi", "ta", "te", "bn", "mr"};
    for (size_t i = 0; i < ALERT_LANGUAGES; i++) {
        if (span_equal(language, span_text(languages[i], 2))) {
            return alert_kind_entry(kind)->title[i];
        }
    }
    return alert_kind_entry(kind)->title[0];
}
