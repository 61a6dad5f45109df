#include "install_ready.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "broker_config.h"
#include "listen_port.h"
#include "pg_cluster.h"

#define ANSWER_BYTES_MAX 2048
#define ANSWER_MS        2000

enum res install_ready_postgres(void *context, struct err *why)
{
    struct pg_conn *c = NULL;
    enum res r = pg_cluster_connect(context, "postgres", &c, why);
    pg_conn_close(c);
    return r == RES_UNAVAILABLE ? RES_AGAIN : r;
}

enum res install_ready_broker(void *context, struct err *why)
{
    const struct broker_config *broker = context;
    return listen_port_answers(broker->bind_address, broker->port, why);
}

static bool ask(uint16_t port, char answer[ANSWER_BYTES_MAX])
{
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
    size_t size = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool sent = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
                write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1;
    while (sent && size < ANSWER_BYTES_MAX - 1) {
        ssize_t n = read(fd, answer + size, ANSWER_BYTES_MAX - 1 - size);
        if (n <= 0) {
            break;
        }
        size += (size_t)n;
    }
    answer[size] = '\0';
    (void)close(fd);
    return size > 0;
}

enum res install_ready_api(void *context, struct err *why)
{
    const uint16_t *port = context;
    char answer[ANSWER_BYTES_MAX];
    if (!ask(*port, answer)) {
        err_set(why, "nothing answers on port %u", *port);
        return RES_AGAIN;
    }
    if (strncmp(answer, "HTTP/1.1 200", 12) == 0) {
        return RES_OK;
    }
    const char *body = strstr(answer, "\r\n\r\n");
    err_set(why, "not everything is ready: %.300s", body == NULL ? answer : body + 4);
    return RES_AGAIN;
}
