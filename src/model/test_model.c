#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg_fixture.h"

static struct pg_fixture fixture;

static void installs_the_model_once(void **state)
{
    (void)state;
    struct err why = {""};
    size_t migrations = 99;
    assert_int_equal(model_install(&fixture.cluster, &migrations, &why), RES_OK);
    assert_int_equal(migrations, 0);
}

int main(void)
{
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_the_model_once),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_fixture_stop(&fixture);
    return failed;
}
