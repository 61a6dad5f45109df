#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alert_kind.h"
#include "json.h"

static void every_kind_has_a_name_an_end_and_six_different_titles(void **state)
{
    (void)state;
    for (int k = 0; k < ALERT_KINDS; k++) {
        const struct alert_kind_entry *e = alert_kind_entry((enum alert_kind)k);
        enum alert_kind back = ALERT_KINDS;
        assert_non_null(e->name);
        assert_int_equal(alert_kind_read(span_text(e->name, 64), &back), RES_OK);
        assert_int_equal(back, k);
        assert_true(strlen(e->ends) > 0);
        for (size_t i = 0; i < ALERT_LANGUAGES; i++) {
            assert_non_null(e->title[i]);
            assert_true(json_utf8_is_valid(span_text(e->title[i], 200)));
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(e->title[i], e->title[j]);
            }
        }
    }
    enum alert_kind none = ALERT_KINDS;
    assert_int_equal(alert_kind_read(SPAN_LIT("low"), &none), RES_NOT_FOUND);
}

static void a_language_that_is_not_ours_gets_english(void **state)
{
    (void)state;
    assert_string_equal(alert_kind_title(ALERT_LOW_BATTERY, SPAN_LIT("fr")), "Low battery");
    assert_string_equal(alert_kind_title(ALERT_LOW_BATTERY, SPAN_LIT("hi")), "बैटरी कम है");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name_an_end_and_six_different_titles),
        cmocka_unit_test(a_language_that_is_not_ours_gets_english),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
