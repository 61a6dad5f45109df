/* What the database's own catalogue says about the model. With ENDCAP_RENEW=1 the two files that
 * describe it (docs/entities.md, src/model/privileges.txt) are written anew instead of compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg_fixture.h"

static struct pg_fixture fixture;
static struct pg_conn *super;
static const char *source_root;

#define TABLES                                                                                     \
    "SELECT c.oid, c.relname AS name FROM pg_class c "                                             \
    "WHERE c.relnamespace = 'endcap'::regnamespace AND c.relkind IN ('r', 'p')"

enum rule {
    RULE_TENANT_TABLE_WITHOUT_A_POLICY_BY_STORE,
    RULE_ROLE_WITH_TOO_MUCH_POWER,
    RULE_OWNED_BY_A_LOGIN_ROLE,
    RULE_FUNCTION_WITH_BORROWED_POWER,
    RULE_ROLE_THAT_IS_A_MEMBER_OF_ANOTHER,
    RULE_FOREIGN_KEY_WITHOUT_AN_INDEX,
    RULE_TABLE_WITHOUT_A_COMMENT,
    RULE_COLUMN_WITHOUT_A_UNIT,
    RULE_PERSONAL_DATA_OUTSIDE_ACCOUNT,
    RULE_ACCOUNT_COLUMN_WITHOUT_A_CLASS,
    RULE_TENANT_TABLE_WITHOUT_FORCED_ROW_SECURITY,
    RULE_POLICY_FOR_EVERYBODY,
    RULES
};

/* Each asks for breaches; the first column names one. */
static const struct {
    const char *what;
    const char *sql;
} rules[RULES] = {
    [RULE_PERSONAL_DATA_OUTSIDE_ACCOUNT] =
        {"personal data outside account",
         "SELECT t.name || '.' || a.attname FROM (" TABLES ") t JOIN pg_attribute a ON "
         "a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE t.name <> 'account' "
         "AND (coalesce(col_description(t.oid, a.attnum), '') LIKE 'pii:%' OR "
         "(a.attname ~ '(^|_)(e?mail|phone|mobile|name|surname|address|street|birth|dob|card|pan|"
         "iban|aadhaar|passport|loyalty|gender|photo|ip|user_agent)(_|$)' "
         "AND (t.name, a.attname) NOT IN (('partner', 'name'), ('store', 'name'), "
         "('item', 'name'), ('schema_migration', 'name'), ('process_metric', 'name'))))"},
    [RULE_ACCOUNT_COLUMN_WITHOUT_A_CLASS] =
        {"account column without a class",
         "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'endcap.account'::regclass "
         "AND a.attnum > 0 AND a.attname ~ '(_sealed|_digests?|password_hash)$' "
         "AND coalesce(col_description(a.attrelid, a.attnum), '') NOT LIKE 'pii:%'"},
    [RULE_TENANT_TABLE_WITHOUT_FORCED_ROW_SECURITY] =
        {"tenant table without forced row security",
         "SELECT t.name FROM (" TABLES ") t JOIN pg_class c USING (oid) WHERE EXISTS "
         "(SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname IN ('store_id', "
         "'partner_id', 'account_id') AND NOT a.attisdropped) AND t.name <> 'idempotency_key' "
         "AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"},
    [RULE_POLICY_FOR_EVERYBODY] =
        {"policy for everybody",
         "SELECT polname || ' on ' || polrelid::regclass FROM pg_policy WHERE polroles = '{0}'"},
    [RULE_TENANT_TABLE_WITHOUT_A_POLICY_BY_STORE] =
        {"tenant table without a policy by store",
         "SELECT t.name FROM (" TABLES ") t WHERE EXISTS (SELECT FROM pg_attribute a "
         "WHERE a.attrelid = t.oid AND a.attname = 'store_id') AND NOT EXISTS "
         "(SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = 'by_store')"},
    [RULE_ROLE_WITH_TOO_MUCH_POWER] =
        {"role with too much power",
         "SELECT rolname FROM pg_roles WHERE rolname LIKE 'endcap%' AND (rolsuper OR "
         "rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)"},
    [RULE_OWNED_BY_A_LOGIN_ROLE] =
        {"owned by a login role",
         "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
         "WHERE r.rolcanlogin AND c.relnamespace = 'endcap'::regnamespace"},
    [RULE_FUNCTION_WITH_BORROWED_POWER] =
        {"function owned by a login role or run as its owner",
         "SELECT p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner "
         "WHERE p.pronamespace = 'endcap'::regnamespace AND (r.rolcanlogin OR p.prosecdef)"},
    [RULE_ROLE_THAT_IS_A_MEMBER_OF_ANOTHER] =
        {"role that is a member of another",
         "SELECT m.member::regrole::text FROM pg_auth_members m "
         "WHERE m.member::regrole::text LIKE 'endcap%'"},
    [RULE_FOREIGN_KEY_WITHOUT_AN_INDEX] =
        {"foreign key without an index",
         "SELECT k.conrelid::regclass || '.' || k.conname FROM pg_constraint k "
         "WHERE k.contype = 'f' AND k.connamespace = 'endcap'::regnamespace AND NOT EXISTS "
         "(SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indpred IS NULL "
         "AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)"},
    [RULE_TABLE_WITHOUT_A_COMMENT] = {"table without a comment",
                                      "SELECT t.name FROM (" TABLES ") t WHERE "
                                      "obj_description(t.oid, 'pg_class') IS NULL"},
    [RULE_COLUMN_WITHOUT_A_UNIT] =
        {"a quantity without a unit in its name, or a type that rounds",
         "SELECT t.name || '.' || a.attname FROM (" TABLES ") t JOIN pg_attribute a ON "
         "a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped "
         "WHERE a.attname ~ '(^|_)(price|amount|total|battery|signal|weight)$' "
         "OR a.atttypid IN ('money'::regtype, 'real'::regtype, 'timestamp'::regtype)"},
};

static int breaches(enum rule rule, bool tell)
{
    struct err why = {""};
    PGresult *rows = NULL;
    if (pg_conn_run(super, rules[rule].sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", rules[rule].what, why.text);
    }
    int count = PQntuples(rows);
    for (int i = 0; tell && i < count; i++) {
        struct span name = pg_get_span(rows, i, 0);
        print_message("%s: %.*s\n", rules[rule].what, (int)name.size, (const char *)name.data);
    }
    PQclear(rows);
    return count;
}

static void expect_rule(enum rule rule)
{
    assert_int_equal(breaches(rule, true), 0);
}

static int64_t number(struct pg_conn *c, const char *sql)
{
    struct err why = {""};
    PGresult *rows = NULL;
    if (pg_conn_run(c, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", sql, why.text);
    }
    int64_t n = pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

static void installs_the_model_once(void **state)
{
    (void)state;
    struct err why = {""};
    size_t migrations = 99;
    assert_int_equal(model_install(&fixture.cluster, &migrations, &why), RES_OK);
    assert_int_equal(migrations, 0);
}

/* C-023, C-107, C-175: a column that is tagged as personal, or is named like personal data, stands
 * in account only. The names of companies, shops and products are not people's. */
static void personal_data_is_in_account_only(void **state)
{
    (void)state;
    expect_rule(RULE_PERSONAL_DATA_OUTSIDE_ACCOUNT);
    expect_rule(RULE_ACCOUNT_COLUMN_WITHOUT_A_CLASS);
    /* and the tag is not simply unused */
    assert_true(number(super, "SELECT count(*) FROM pg_attribute WHERE attrelid = "
                              "'endcap.account'::regclass AND "
                              "col_description(attrelid, attnum) LIKE 'pii:%'") >= 10);
}

static void every_tenant_table_forces_row_security(void **state)
{
    (void)state;
    expect_rule(RULE_TENANT_TABLE_WITHOUT_FORCED_ROW_SECURITY);
    expect_rule(RULE_TENANT_TABLE_WITHOUT_A_POLICY_BY_STORE);
    expect_rule(RULE_POLICY_FOR_EVERYBODY);
}

static void login_roles_own_nothing_and_bypass_nothing(void **state)
{
    (void)state;
    expect_rule(RULE_ROLE_WITH_TOO_MUCH_POWER);
    expect_rule(RULE_OWNED_BY_A_LOGIN_ROLE);
    expect_rule(RULE_FUNCTION_WITH_BORROWED_POWER);
    expect_rule(RULE_ROLE_THAT_IS_A_MEMBER_OF_ANOTHER);
    assert_int_equal(number(super, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'endcap\\_%' "
                                   "AND rolcanlogin"),
                     MODEL_ROLES);
    assert_int_equal(number(super, "SELECT count(*) FROM pg_roles WHERE rolname = 'endcap_owner' "
                                   "AND NOT rolcanlogin"),
                     1);
}

static void every_foreign_key_has_an_index(void **state)
{
    (void)state;
    expect_rule(RULE_FOREIGN_KEY_WITHOUT_AN_INDEX);
}

static void every_table_says_what_it_is(void **state)
{
    (void)state;
    expect_rule(RULE_TABLE_WITHOUT_A_COMMENT);
    expect_rule(RULE_COLUMN_WITHOUT_A_UNIT);
}

/* A rule that can't fail checks nothing: each finds its breach when there is one. */
static void every_rule_finds_its_breach(void **state)
{
    (void)state;
    pg_fixture_sql(super, "BEGIN;"
                          "CREATE TABLE endcap.bad (store_id text REFERENCES endcap.store, "
                          "customer_email text, price real);"
                          "ALTER TABLE endcap.bad OWNER TO endcap_api;"
                          "CREATE POLICY all_see ON endcap.bad USING (true);"
                          "CREATE FUNCTION endcap.bad() RETURNS int LANGUAGE sql SECURITY DEFINER "
                          "RETURN 1;"
                          "ALTER ROLE endcap_api BYPASSRLS; GRANT endcap_owner TO endcap_api;"
                          "ALTER TABLE endcap.account ADD fax_sealed bytea");
    for (int rule = 0; rule < RULES; rule++) {
        if (breaches((enum rule)rule, false) == 0) {
            fail_msg("the rule \"%s\" found nothing", rules[rule].what);
        }
    }
    pg_fixture_sql(super, "ROLLBACK");
}

static void migrations_are_recorded_with_their_digest(void **state)
{
    (void)state;
    assert_true(number(super, "SELECT count(*) FROM endcap.schema_migration "
                              "WHERE sha256 ~ '^[0-9a-f]{64}$'") >= 16);
}

/* Compares a text the database makes with a committed file, or renews the file. */
static void expect_file(const char *path, const char *sql)
{
    struct err why = {""};
    PGresult *rows = NULL;
    char full[1024];
    static char committed[256 * 1024];
    (void)snprintf(full, sizeof full, "%s/%s", source_root, path);
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    struct span text = pg_get_span(rows, 0, 0);
    bool renew = getenv("ENDCAP_RENEW") != NULL;
    FILE *f = fopen(full, renew ? "w" : "r");
    if (f == NULL) {
        fail_msg("cannot open %s", full);
    }
    if (renew) {
        assert_int_equal(fwrite(text.data, 1, text.size, f), text.size);
    } else {
        size_t size = fread(committed, 1, sizeof committed, f);
        if (!span_equal(text, span_of(committed, size))) {
            fail_msg("%s is not what the database says; look at the difference and renew it with "
                     "ENDCAP_RENEW=1 meson test model",
                     path);
        }
    }
    (void)fclose(f);
    PQclear(rows);
}

static void privileges_are_the_committed_ones(void **state)
{
    (void)state;
    expect_file("src/model/privileges.txt",
                "SELECT '# What each role may do with each table: Select, Insert, Update, Delete.' "
                "|| E'\\n'"
                " || string_agg(format('%-22s ingest=%-4s worker=%-4s api=%-4s admin=%s', t.name, "
                "pg_temp.has(t.oid, 'endcap_ingest'), pg_temp.has(t.oid, 'endcap_worker'), "
                "pg_temp.has(t.oid, 'endcap_api'), "
                "pg_temp.has(t.oid, 'endcap_admin')) || E'\\n', '' ORDER BY t.name) FROM (" TABLES
                ") t");
}

static void the_entity_page_is_what_the_database_says(void **state)
{
    (void)state;
    expect_file(
        "docs/entities.md",
        "SELECT E'# Entities\\n\\nMade from the database''s own catalogue; the migrations in "
        "`src/*/NNNN_name.sql` are the source.\\n' || string_agg(format(E'\\n## %s\\n\\n%s\\n\\n"
        "| column | type | | meaning |\\n|---|---|---|---|\\n%s%s', t.name, "
        "obj_description(t.oid, 'pg_class'), columns.rows, rules.rows), '' ORDER BY t.name) "
        "FROM (" TABLES ") t, LATERAL (SELECT string_agg(format(E'| %s | %s | %s | %s |\\n', "
        "a.attname, regexp_replace(format_type(a.atttypid, a.atttypmod), '^endcap\\.', ''), "
        "CASE WHEN a.attnotnull THEN '' ELSE 'optional' END, "
        "coalesce(replace(col_description(t.oid, a.attnum), '|', '\\|'), '')), '' ORDER BY "
        "a.attnum)"
        " AS rows FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 "
        "AND NOT a.attisdropped) columns, LATERAL (SELECT coalesce(E'\\n' || string_agg(format("
        "E'- `%s`\\n', replace(pg_get_constraintdef(k.oid), 'endcap.', '')), '' "
        "ORDER BY k.contype DESC, k.conname), '') AS rows FROM pg_constraint k "
        "WHERE k.conrelid = t.oid AND k.contype IN ('p', 'f', 'u')) rules");
}

static void a_foreign_store_shows_no_rows(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_conn *api = pg_fixture_connect(&fixture, MODEL_API);
    pg_fixture_store(super, "STORE-ONE");
    pg_fixture_store(super, "STORE-TWO");
    pg_fixture_cart(super, "STORE-ONE", "CART-ONE1");
    pg_fixture_cart(super, "STORE-TWO", "CART-TWO1");
    assert_int_equal(number(api, "SELECT count(*) FROM cart"), 2);
    assert_int_equal(model_scope(api, "stores", "STORE-TWO", NULL, &why), RES_OK);
    assert_int_equal(number(api, "SELECT count(*) FROM cart"), 1);
    assert_int_equal(number(api, "SELECT count(*) FROM cart WHERE cart_id = 'CART-ONE1'"), 0);
    assert_int_equal(number(api, "SELECT count(*) FROM store"), 1);
    PGresult *rows = NULL;
    assert_int_equal(pg_conn_run(api,
                                 "UPDATE cart SET maintenance = 'repair', maintenance_by = 'x', "
                                 "maintenance_at = now() WHERE cart_id = 'CART-ONE1'",
                                 NULL, &rows, &why),
                     RES_OK);
    assert_int_equal(pg_get_touched(rows), 0);
    PQclear(rows);
    assert_int_equal(pg_conn_run(api,
                                 "INSERT INTO audit_event (store_id, actor, action, target_kind, "
                                 "target) VALUES ('STORE-ONE', 'x', 'a.b', 'cart', 'c')",
                                 NULL, NULL, &why),
                     RES_DENIED);
    assert_int_equal(model_scope(api, "", "", NULL, &why), RES_OK);
    assert_int_equal(number(api, "SELECT count(*) FROM cart"), 0);
    assert_int_equal(number(api, "SELECT count(*) FROM store"), 0);
    assert_int_equal(number(api, "SELECT count(*) FROM partner"), 0);
    pg_conn_close(api);
    /* a connection that was never told sees nothing either */
    assert_int_equal(model_connect(&fixture.place, MODEL_API, "test", 0, &api, &why), RES_OK);
    assert_int_equal(number(api, "SELECT count(*) FROM cart"), 0);
    pg_conn_close(api);
}

static void no_tenant_table_shows_a_foreign_row(void **state)
{
    (void)state;
    /* Every table with a store_id, asked one by one with a store that has nothing. */
    struct err why = {""};
    PGresult *tables = NULL;
    struct pg_conn *api = pg_fixture_connect(&fixture, MODEL_API);
    assert_int_equal(model_scope(api, "stores", "STORE-NIL", NULL, &why), RES_OK);
    assert_int_equal(
        pg_conn_run(super,
                    "SELECT t.name, has_table_privilege('endcap_api', t.oid, 'SELECT') "
                    "FROM (" TABLES ") t WHERE EXISTS (SELECT FROM pg_attribute a "
                    "WHERE a.attrelid = t.oid AND a.attname = 'store_id')",
                    NULL, &tables, &why),
        RES_OK);
    assert_true(PQntuples(tables) > 40);
    for (int i = 0; i < PQntuples(tables); i++) {
        char sql[128];
        struct span name = pg_get_span(tables, i, 0);
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %.*s", (int)name.size,
                       (const char *)name.data);
        if (pg_get_bool(tables, i, 1)) {
            assert_int_equal(number(api, sql), 0);
        }
    }
    PQclear(tables);
    pg_conn_close(api);
}

static void a_process_may_not_touch_what_it_does_not_need(void **state)
{
    (void)state;
    static const char *const ingest[] = {"SELECT * FROM account", "SELECT * FROM membership",
                                         "DELETE FROM session",   "UPDATE payment SET token = ''",
                                         "SELECT * FROM partner", "CREATE TABLE mine (x int)",
                                         "SET ROLE endcap_owner"};
    static const char *const worker[] = {
        "SELECT * FROM account", "INSERT INTO payment DEFAULT VALUES",
        "UPDATE cart_stream SET watermark = 0", "ALTER TABLE cart DISABLE ROW LEVEL SECURITY"};
    struct err why = {""};
    struct pg_conn *c = pg_fixture_connect(&fixture, MODEL_INGEST);
    for (size_t i = 0; i < sizeof ingest / sizeof ingest[0]; i++) {
        assert_int_equal(pg_conn_command(c, ingest[i], &why), RES_DENIED);
    }
    pg_conn_close(c);
    c = pg_fixture_connect(&fixture, MODEL_WORKER);
    for (size_t i = 0; i < sizeof worker / sizeof worker[0]; i++) {
        assert_int_equal(pg_conn_command(c, worker[i], &why), RES_DENIED);
    }
    pg_conn_close(c);
}

int main(int argc, char **argv)
{
    source_root = argc > 1 ? argv[1] : ".";
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&fixture);
    pg_fixture_sql(super,
                   "SET search_path = endcap;"
                   "CREATE FUNCTION pg_temp.has(which oid, who name) RETURNS text LANGUAGE sql "
                   "RETURN coalesce(nullif(concat("
                   "CASE WHEN has_table_privilege(who, which, 'SELECT') THEN 'S' END, "
                   "CASE WHEN has_table_privilege(who, which, 'INSERT') THEN 'I' END, "
                   "CASE WHEN has_table_privilege(who, which, 'UPDATE') THEN 'U' END, "
                   "CASE WHEN has_table_privilege(who, which, 'DELETE') THEN 'D' END), ''), '-')");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_the_model_once),
        cmocka_unit_test(personal_data_is_in_account_only),
        cmocka_unit_test(every_tenant_table_forces_row_security),
        cmocka_unit_test(login_roles_own_nothing_and_bypass_nothing),
        cmocka_unit_test(every_foreign_key_has_an_index),
        cmocka_unit_test(every_table_says_what_it_is),
        cmocka_unit_test(every_rule_finds_its_breach),
        cmocka_unit_test(migrations_are_recorded_with_their_digest),
        cmocka_unit_test(privileges_are_the_committed_ones),
        cmocka_unit_test(the_entity_page_is_what_the_database_says),
        cmocka_unit_test(a_foreign_store_shows_no_rows),
        cmocka_unit_test(no_tenant_table_shows_a_foreign_row),
        cmocka_unit_test(a_process_may_not_touch_what_it_does_not_need),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    pg_fixture_stop(&fixture);
    return failed;
}
