#include "listen_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum res bind_failed(int error, const char *address, int64_t port, const char *setting,
                            struct err *why)
{
    if (error == EADDRINUSE) {
        err_set(why,
                "port %lld on %s is in use by another program; stop it or choose another with "
                "`%s`",
                (long long)port, address, setting);
        return RES_CONFLICT;
    }
    if (error == EACCES) {
        err_set(why, "port %lld needs more rights; choose one above 1023 with `%s`",
                (long long)port, setting);
        return RES_DENIED;
    }
    err_set(why, "cannot listen on %s port %lld: %s; is it an address of this machine?", address,
            (long long)port, strerror(error));
    return RES_INVALID;
}

enum res listen_port_check(const char *address, int64_t wanted, const char *setting,
                           uint16_t *ret_port, struct err *why)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)wanted)};
    if (wanted < 0 || wanted > UINT16_MAX || inet_pton(AF_INET, address, &at.sin_addr) != 1) {
        err_set(why, "`%s` is not an IPv4 address and port to listen on", address);
        return RES_INVALID;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        err_set(why, "cannot make a socket: %s", strerror(errno));
        return RES_IO;
    }
    int on = 1;
    socklen_t size = sizeof at;
    enum res r = RES_OK;
    /* As the servers do: a port whose last owner has just ended may be taken. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        r = bind_failed(errno, address, wanted, setting, why);
    } else {
        *ret_port = ntohs(at.sin_port);
    }
    (void)close(fd);
    return r;
}

enum res listen_port_answers(const char *address, uint16_t port, struct err *why)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    /* Who listens everywhere answers on the loopback too. */
    const char *reach = strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1" : address;
    if (inet_pton(AF_INET, reach, &at.sin_addr) != 1) {
        err_set(why, "`%s` is not an IPv4 address", address);
        return RES_INVALID;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        err_set(why, "cannot make a socket: %s", strerror(errno));
        return RES_IO;
    }
    enum res r = RES_OK;
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        err_set(why, "nothing answers on %s port %u", reach, port);
        r = RES_AGAIN;
    }
    (void)close(fd);
    return r;
}
