#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define TARGET_BYTES_MAX 4096

void http_client_reply_deinit(struct http_client_reply *r)
{
    free(r->text);
    *r = (struct http_client_reply){.status = 0};
}

/* Waits for the event; RES_EXPIRED after the deadline. */
static enum res wait_for(int fd, short event, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_monotonic_ms();
        struct pollfd p = {.fd = fd, .events = event};
        int n = left <= 0 ? 0 : poll(&p, 1, (int)left);
        if (n > 0) {
            return RES_OK;
        }
        if (n == 0) {
            return RES_EXPIRED;
        }
        if (errno != EINTR) {
            return RES_IO;
        }
    }
}

static enum res open_socket(const char *address, uint16_t port, int64_t deadline_ms, int *ret_fd)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        return RES_INVALID;
    }
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return RES_IO;
    }
    int rc = is_v4 ? connect(fd, (const struct sockaddr *)&v4, sizeof v4)
                   : connect(fd, (const struct sockaddr *)&v6, sizeof v6);
    enum res r = rc == 0 ? RES_OK : RES_UNAVAILABLE;
    if (rc != 0 && errno == EINPROGRESS) {
        r = wait_for(fd, POLLOUT, deadline_ms);
        int error = 0;
        socklen_t size = sizeof error;
        if (r == RES_OK &&
            (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)) {
            r = RES_UNAVAILABLE;
        }
    }
    if (r != RES_OK) {
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    return RES_OK;
}

static enum res send_all(int fd, struct span bytes, int64_t deadline_ms)
{
    while (bytes.size > 0) {
        ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (n > 0) {
            bytes = span_of(bytes.data + n, bytes.size - (size_t)n);
        } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            enum res r = wait_for(fd, POLLOUT, deadline_ms);
            if (r != RES_OK) {
                return r;
            }
        } else {
            return RES_OK; /* the peer has closed its ear; it may have said something before */
        }
    }
    return RES_OK;
}

enum res http_client_header(const struct http_client_reply *r, const char *name, char *text,
                            size_t size)
{
    size_t name_size = strlen(name);
    const char *line = strstr(r->text, "\r\n");
    for (; line != NULL && line < r->body - 2; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, name_size) == 0 && at[name_size] == ':') {
            at += name_size + 1;
            at += strspn(at, " ");
            return span_copy_text(span_of(at, strcspn(at, "\r")), text, size);
        }
    }
    return RES_NOT_FOUND;
}

/* Sets body and status once the headers are there. */
static enum res read_head(struct http_client_reply *r)
{
    const char *end = strstr(r->text, "\r\n\r\n");
    if (end == NULL) {
        return RES_AGAIN;
    }
    if (strncmp(r->text, "HTTP/1.", 7) != 0 || r->size < 12) {
        return RES_INVALID;
    }
    r->status = (unsigned)strtoul(r->text + 9, NULL, 10);
    r->body = end + 4;
    r->body_size = r->size - (size_t)(r->body - r->text);
    return RES_OK;
}

static bool is_whole(struct http_client_reply *r)
{
    char length[24];
    return read_head(r) == RES_OK && r->status != 100 &&
           http_client_header(r, "Content-Length", length, sizeof length) == RES_OK &&
           r->body_size >= strtoull(length, NULL, 10);
}

static enum res read_all(int fd, int64_t deadline_ms, struct http_client_reply *r)
{
    size_t room = 0;
    for (;;) {
        if (room - r->size < 2) {
            room = room == 0 ? 8192 : room * 2;
            char *grown = room > HTTP_CLIENT_REPLY_BYTES_MAX ? NULL : realloc(r->text, room);
            if (grown == NULL) {
                return RES_LIMIT;
            }
            r->text = grown;
        }
        ssize_t n = recv(fd, r->text + r->size, room - r->size - 1, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            enum res w = wait_for(fd, POLLIN, deadline_ms);
            if (w != RES_OK) {
                return w;
            }
            continue;
        }
        r->size += n > 0 ? (size_t)n : 0;
        r->text[r->size] = '\0';
        if (n <= 0) {
            return r->size == 0 ? RES_UNAVAILABLE : RES_OK;
        }
        if (is_whole(r)) {
            return RES_OK;
        }
    }
}

enum res http_client_exchange(const char *address, uint16_t port, struct span request,
                              unsigned timeout_ms, struct http_client_reply *ret, struct err *why)
{
    struct http_client_reply reply = {.status = 0};
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int fd = -1;
    enum res r = open_socket(address, port, deadline_ms, &fd);
    if (r == RES_OK) {
        r = send_all(fd, request, deadline_ms);
    }
    if (r == RES_OK) {
        r = read_all(fd, deadline_ms, &reply);
    }
    if (r == RES_OK && read_head(&reply) != RES_OK) {
        r = RES_INVALID;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (r != RES_OK) {
        err_set(why, "no answer from %s port %u (%s); is the server running?", address,
                (unsigned)port, res_name(r));
        http_client_reply_deinit(&reply);
        return r;
    }
    *ret = reply;
    return RES_OK;
}

enum res http_client_get(const char *address, uint16_t port, const char *target,
                         unsigned timeout_ms, struct http_client_reply *ret, struct err *why)
{
    char request[TARGET_BYTES_MAX + 128];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    if (size < 0 || (size_t)size >= sizeof request) {
        err_set(why, "the request target is longer than %d bytes", TARGET_BYTES_MAX);
        return RES_LIMIT;
    }
    return http_client_exchange(address, port, span_of(request, (size_t)size), timeout_ms, ret,
                                why);
}
