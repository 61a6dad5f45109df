/* Bodies on their way to a handler: numbers as written, objects and lists, bodies taken raw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http_openapi.h"
#include "http_request_state.h"
#include "rng.h"

#define RAW_BYTES_MAX 1000

static char seen[RAW_BYTES_MAX + 64]; /* what the handler was given */

static void take_price(struct http_request *q, void *context)
{
    (void)context;
    const json_t *names = http_request_json(q, "names");
    const json_t *ids = http_request_json(q, "ids");
    const char *price = http_request_text(q, "price");
    (void)snprintf(seen, sizeof seen, "%s %d %d", price == NULL ? "none" : price,
                   names == NULL ? -1 : (int)json_object_size(names),
                   ids == NULL ? -1 : (int)json_array_size(ids));
    http_reply_json(q, json_object());
}

static void take_raw(struct http_request *q, void *context)
{
    (void)context;
    struct span body = http_request_body(q);
    (void)snprintf(seen, sizeof seen, "%zu:%.*s", http_request_media(q), (int)body.size,
                   (const char *)body.data);
    json_t *details = json_array();
    for (int i = 0; i < 40; i++) {
        (void)json_array_append_new(details, json_pack("{s:i, s:s}", "row", i, "field", "price"));
    }
    http_reply_error_details(q, HTTP_ERROR_PARAMETER, "INVALID_PRICE", "Forty rows are wrong.",
                             details);
}

static const struct http_field price_fields[] = {
    {.name = "price", .type = HTTP_MONEY, .summary = "A price."},
    {.name = "names", .type = HTTP_OBJECT, .summary = "By language."},
    {.name = "ids", .type = HTTP_LIST, .summary = "Several."},
    {.name = NULL}};
static const struct http_schema price_schema = {"NewPrice", "A price to be.", price_fields};
static const char *const media[] = {"text/csv", "application/json", NULL};
static const struct http_route routes[] = {{.method = HTTP_POST,
                                            .path = "/price",
                                            .operation = "price",
                                            .summary = ".",
                                            .tag = "t",
                                            .body = &price_schema,
                                            .content_type = "application/json",
                                            .handle = take_price},
                                           {.method = HTTP_POST,
                                            .path = "/raw",
                                            .operation = "raw",
                                            .summary = ".",
                                            .tag = "t",
                                            .media = media,
                                            .body = &price_schema,
                                            .body_bytes_max = RAW_BYTES_MAX,
                                            .content_type = "application/json",
                                            .handle = take_raw},
                                           HTTP_ROUTE_END};
static const struct http_group groups[] = {{routes, NULL}};
static const struct http_table table = {groups, 1};

static const char *header(void *user, const char *name)
{
    return strcmp(name, "Content-Type") == 0 ? user : NULL;
}

/* The request's whole way; http_request_state_free it. */
static struct http_request *send_body(const char *path, char *type, const char *body, size_t size)
{
    struct http_request *q = http_request_state_new(NULL);
    assert_non_null(q);
    seen[0] = '\0';
    http_request_state_begin(q, &table, "POST", path, header, type);
    http_request_state_body(q, body, size / 2);
    http_request_state_body(q, body + size / 2, size - size / 2);
    http_request_state_end(q);
    http_request_state_run(q);
    return q;
}

static void gives(const char *body, const char *expected)
{
    char type[] = "application/json";
    struct http_request *q = send_body("/price", type, body, strlen(body));
    assert_string_equal(seen, expected);
    http_request_state_free(q);
}

static void refuses(const char *body, const char *field, const char *constraint)
{
    char type[] = "application/json";
    struct http_request *q = send_body("/price", type, body, strlen(body));
    assert_int_equal(q->reply.status, 400);
    assert_string_equal(seen, "");
    assert_non_null(strstr(q->reply.text, field));
    assert_non_null(strstr(q->reply.text, constraint));
    http_request_state_free(q);
}

static void a_number_comes_as_it_was_written(void **state)
{
    (void)state;
    gives("{\"price\": 12.345}", "12.345 -1 -1");
    gives("{\"ids\": [1, {\"price\": 5}], \"price\":-0.10 }", "-0.10 -1 2");
    gives("{\"names\": {\"price\": 7}}", "none 1 -1");
    gives("{\"pr\\u0069ce\": 1e3}", "1e3 -1 -1");
}

static void any_number_comes_as_it_was_written(void **state)
{
    (void)state;
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    for (int round = 0; round < 500; round++) {
        char number[HTTP_NUMBER_BYTES + 1];
        int whole = snprintf(number, sizeof number, "%s%llu", rng_below(&rng, 2) ? "-" : "",
                             (unsigned long long)rng_below(&rng, 1000000000));
        if (rng_below(&rng, 3) > 0) {
            (void)snprintf(number + whole, sizeof number - (size_t)whole, ".%0*llu",
                           1 + (int)rng_below(&rng, 9),
                           (unsigned long long)rng_below(&rng, 1000000));
        }
        char body[128];
        char expected[128];
        (void)snprintf(body, sizeof body, "{\"ids\":[],\"price\":%s,\"names\":{}}", number);
        (void)snprintf(expected, sizeof expected, "%s 0 0", number);
        gives(body, expected);
    }
}

static void another_type_is_refused_by_name(void **state)
{
    (void)state;
    refuses("{\"price\": \"12\"}", "\"price\"", "a decimal number");
    refuses("{\"price\": [5]}", "\"price\"", "a decimal number");
    refuses("{\"price\": null}", "\"price\"", "a decimal number");
    refuses("{\"price\": 1.00000000000000000000000000000000000000000001}", "\"price\"",
            "a decimal number");
    refuses("{\"names\": []}", "\"names\"", "a JSON object");
    refuses("{\"ids\": {}}", "\"ids\"", "a JSON array");
}

static void a_raw_body_comes_whole_with_its_type(void **state)
{
    (void)state;
    char type[] = "text/csv; charset=utf-8";
    struct http_request *q = send_body("/raw", type, "a,b\r\n1,2\r\n", 10);
    assert_string_equal(seen, "0:a,b\r\n1,2\r\n");
    http_request_state_free(q);
    char json[] = "application/json";
    q = send_body("/raw", json, "{not json", 9);
    assert_string_equal(seen, "1:{not json");
    http_request_state_free(q);
}

static void a_raw_body_keeps_its_limit_and_types(void **state)
{
    (void)state;
    char type[] = "text/csv";
    char body[RAW_BYTES_MAX + 1];
    memset(body, 'x', sizeof body);
    struct http_request *q = send_body("/raw", type, body, RAW_BYTES_MAX);
    assert_int_equal(strlen(seen), RAW_BYTES_MAX + 2);
    http_request_state_free(q);
    q = send_body("/raw", type, body, RAW_BYTES_MAX + 1);
    assert_int_equal(q->reply.status, 413);
    http_request_state_free(q);
    char other[] = "text/csvx";
    q = send_body("/raw", other, body, 3);
    assert_int_equal(q->reply.status, 415);
    assert_non_null(strstr(q->reply.text, "text/csv or application/json"));
    http_request_state_free(q);
}

static void every_detail_is_listed(void **state)
{
    (void)state;
    char type[] = "text/csv";
    struct http_request *q = send_body("/raw", type, "x", 1);
    assert_int_equal(q->reply.status, 400);
    json_t *root = json_loads(q->reply.text, 0, NULL);
    json_t *error = json_object_get(root, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "INVALID_PRICE");
    assert_int_equal(json_array_size(json_object_get(error, "details")), 40);
    json_decref(root);
    http_request_state_free(q);
}

static void the_document_names_the_types_of_a_raw_body(void **state)
{
    (void)state;
    const struct http_openapi_info info = {.title = "t", .version = "1", .description = "d"};
    json_t *document = http_openapi_document(&info, &table);
    json_t *content = NULL;
    assert_int_equal(json_unpack(document, "{s:{s:{s:{s:{s:o}}}}}", "paths", "/raw", "post",
                                 "requestBody", "content", &content),
                     0);
    assert_int_equal(json_object_size(content), 2);
    assert_non_null(json_object_get(content, "text/csv"));
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_comes_as_it_was_written),
        cmocka_unit_test(any_number_comes_as_it_was_written),
        cmocka_unit_test(another_type_is_refused_by_name),
        cmocka_unit_test(a_raw_body_comes_whole_with_its_type),
        cmocka_unit_test(a_raw_body_keeps_its_limit_and_types),
        cmocka_unit_test(every_detail_is_listed),
        cmocka_unit_test(the_document_names_the_types_of_a_raw_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
