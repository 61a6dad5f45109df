#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen_port.h"

static void a_taken_port_is_refused_with_its_setting(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    uint16_t port = ntohs(at.sin_port);
    uint16_t got = 0;
    struct err why = {0};
    assert_int_equal(listen_port_check("127.0.0.1", port, "broker_port", &got, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "broker_port"));
    assert_int_equal(got, 0);
    assert_int_equal(listen_port_answers("127.0.0.1", port, NULL), RES_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(listen_port_check("127.0.0.1", port, "broker_port", &got, &why), RES_OK);
    assert_int_equal(got, port);
    assert_int_equal(listen_port_answers("127.0.0.1", port, NULL), RES_AGAIN);
}

static void the_kernel_chooses_for_port_zero(void **state)
{
    (void)state;
    uint16_t got = 0;
    assert_int_equal(listen_port_check("127.0.0.1", 0, "api_port", &got, NULL), RES_OK);
    assert_true(got > 0);
}

static void a_foreign_or_malformed_address_is_refused(void **state)
{
    (void)state;
    uint16_t got = 0;
    struct err why = {0};
    assert_int_equal(listen_port_check("192.0.2.1", 0, "x", &got, &why), RES_INVALID);
    assert_int_equal(listen_port_check("localhost.", 0, "x", &got, &why), RES_INVALID);
    assert_int_equal(listen_port_check("127.0.0.1", 65536, "x", &got, &why), RES_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_taken_port_is_refused_with_its_setting),
        cmocka_unit_test(the_kernel_chooses_for_port_zero),
        cmocka_unit_test(a_foreign_or_malformed_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
