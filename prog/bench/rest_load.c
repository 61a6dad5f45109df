/* endcap-rest-load: asks a REST face at a steady rate and says how long answers took.
 *
 * Latency counts from the moment a request was due, not from when it could be sent: a server that
 * stalls shows its stall (no coordinated omission).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX     64
#define CONNECTIONS_MAX 64
#define REPLY_BYTES_MAX (1024 * 1024)
#define LOG_BYTES       160 /* of each answer's body */

static const char usage[] =
    "usage: endcap-rest-load PORT SECONDS PLAN [LOG]\n"
    "PLAN is a JSON array of {\"name\", \"method\", \"target\", \"rate\", \"connections\", "
    "\"bodies\"}:\n"
    "rate requests a second over so many connections to 127.0.0.1:PORT; bodies, JSON texts, are\n"
    "sent in turn. Prints one JSON object a stream: sent, failed, p50_ms, p99_ms, max_ms.\n"
    "LOG gets a line for each answer: name, wall-clock milliseconds when it was due, latency in\n"
    "milliseconds, status, and the beginning of the body.\n";

struct stream {
    const char *name;
    const char *method;
    const char *target;
    double rate;
    size_t connections;
    const json_t *bodies; /* may be NULL */
};

struct lane { /* one connection */
    const struct stream *stream;
    size_t number;
    pthread_t thread;
    int socket;
    size_t sent;
    size_t failed;
    double *latencies_ms;
    size_t latency_count;
    size_t latency_room;
    char *reply; /* REPLY_BYTES_MAX */
};

static uint16_t port;
static double seconds;
static double start_s; /* monotonic */
static FILE *log_file;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static double clock_s(clockid_t which)
{
    struct timespec t;
    (void)clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double at)
{
    struct timespec t = {.tv_sec = (time_t)at};
    t.tv_nsec = (long)((at - (double)t.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static bool lane_connect(struct lane *l)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 30};
    int one = 1;
    l->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->socket < 0) {
        return false;
    }
    (void)setsockopt(l->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(l->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(l->socket, (const struct sockaddr *)&to, sizeof to) == 0) {
        return true;
    }
    (void)close(l->socket);
    l->socket = -1;
    return false;
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* The whole answer by its Content-Length. 0: it broke. */
static unsigned read_reply(struct lane *l, const char **ret_body)
{
    size_t size = 0;
    size_t whole = 0;
    *ret_body = "";
    while (whole == 0 || size < whole) {
        ssize_t n = recv(l->socket, l->reply + size, REPLY_BYTES_MAX - 1 - size, 0);
        if (n <= 0) {
            return 0;
        }
        size += (size_t)n;
        l->reply[size] = '\0';
        const char *end = strstr(l->reply, "\r\n\r\n");
        const char *length = strcasestr(l->reply, "\r\nContent-Length:");
        if (whole == 0 && end != NULL) {
            if (length == NULL || length > end) {
                return 0;
            }
            whole = (size_t)(end + 4 - l->reply) + strtoul(length + 17, NULL, 10);
            if (whole >= REPLY_BYTES_MAX) {
                return 0;
            }
            *ret_body = end + 4;
        }
    }
    return (unsigned)strtoul(l->reply + 9, NULL, 10); /* "HTTP/1.1 200" */
}

static unsigned ask(struct lane *l, size_t turn, const char **ret_body)
{
    const struct stream *s = l->stream;
    size_t bodies = s->bodies == NULL ? 0 : json_array_size(s->bodies);
    size_t index = bodies == 0 ? 0 : (turn * s->connections + l->number) % bodies;
    const char *body = bodies == 0 ? "" : json_string_value(json_array_get(s->bodies, index));
    char head[1024];
    int size = snprintf(head, sizeof head,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        s->method, s->target, strlen(body));
    if (l->socket < 0 && !lane_connect(l)) {
        return 0;
    }
    unsigned status = 0;
    if (send_all(l->socket, head, (size_t)size) && send_all(l->socket, body, strlen(body))) {
        status = read_reply(l, ret_body);
    }
    if (status == 0 || strcasestr(l->reply, "\r\nConnection: close") != NULL) {
        (void)close(l->socket);
        l->socket = -1;
    }
    return status;
}

static void note(struct lane *l, double due, double wall_s, unsigned status, const char *body)
{
    double ms = (clock_s(CLOCK_MONOTONIC) - due) * 1000;
    l->sent++;
    l->failed += status < 200 || status > 299;
    if (l->latency_count < l->latency_room) {
        l->latencies_ms[l->latency_count++] = ms;
    }
    if (log_file != NULL) {
        (void)pthread_mutex_lock(&log_lock);
        (void)fprintf(log_file, "%s %.3f %.3f %u %.*s\n", l->stream->name, wall_s * 1000, ms,
                      status, LOG_BYTES, body);
        (void)pthread_mutex_unlock(&log_lock);
    }
}

static void *run_lane(void *argument)
{
    struct lane *l = argument;
    double gap = (double)l->stream->connections / l->stream->rate;
    double offset = gap * (double)l->number / (double)l->stream->connections;
    double wall_less_monotonic = clock_s(CLOCK_REALTIME) - clock_s(CLOCK_MONOTONIC);
    for (size_t turn = 0;; turn++) {
        double due = start_s + offset + gap * (double)turn;
        const char *body = "";
        if (due > start_s + seconds) {
            return NULL;
        }
        wait_until(due);
        unsigned status = ask(l, turn, &body);
        note(l, due, due + wall_less_monotonic, status, status == 0 ? "" : body);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_stream(const struct stream *s, const struct lane *lanes)
{
    size_t count = 0;
    size_t sent = 0;
    size_t failed = 0;
    for (size_t i = 0; i < s->connections; i++) {
        count += lanes[i].latency_count;
        sent += lanes[i].sent;
        failed += lanes[i].failed;
    }
    double *all = calloc(count + 1, sizeof *all);
    if (all == NULL) {
        exit(1);
    }
    size_t at = 0;
    for (size_t i = 0; i < s->connections; i++) {
        memcpy(all + at, lanes[i].latencies_ms, lanes[i].latency_count * sizeof *all);
        at += lanes[i].latency_count;
    }
    qsort(all, count, sizeof *all, by_value);
    size_t last = count == 0 ? 0 : count - 1;
    printf("{\"name\":\"%s\",\"sent\":%zu,\"failed\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"max_ms\":%.3f}\n",
           s->name, sent, failed, all[count / 2 < count ? count / 2 : last],
           all[count == 0 ? 0 : (count * 99) / 100], all[last]);
    free(all);
}

static size_t read_plan(const char *path, struct stream *streams)
{
    json_error_t error;
    json_t *plan = json_load_file(path, 0, &error); /* kept: streams point into it */
    if (plan == NULL) {
        (void)fprintf(stderr, "endcap-rest-load: %s: %s\n", path, error.text);
        exit(2);
    }
    size_t count = json_array_size(plan);
    for (size_t i = 0; i < count && i < STREAMS_MAX; i++) {
        struct stream *s = &streams[i];
        json_int_t connections = 1;
        json_t *bodies = NULL;
        if (json_unpack_ex(json_array_get(plan, i), &error, 0, "{s:s, s:s, s:s, s:F, s?I, s?o}",
                           "name", &s->name, "method", &s->method, "target", &s->target, "rate",
                           &s->rate, "connections", &connections, "bodies", &bodies) != 0 ||
            connections < 1 || connections > CONNECTIONS_MAX || s->rate <= 0) {
            (void)fprintf(stderr, "endcap-rest-load: stream %zu of the plan: %s\n", i, error.text);
            exit(2);
        }
        s->connections = (size_t)connections;
        s->bodies = bodies;
    }
    return count < STREAMS_MAX ? count : STREAMS_MAX;
}

static struct lane *start_lanes(const struct stream *s)
{
    struct lane *lanes = calloc(s->connections, sizeof *lanes);
    for (size_t i = 0; lanes != NULL && i < s->connections; i++) {
        struct lane *l = &lanes[i];
        l->stream = s;
        l->number = i;
        l->socket = -1;
        l->latency_room = (size_t)(s->rate * seconds / (double)s->connections) + 2;
        l->latencies_ms = calloc(l->latency_room, sizeof *l->latencies_ms);
        l->reply = malloc(REPLY_BYTES_MAX);
        if (l->latencies_ms == NULL || l->reply == NULL ||
            pthread_create(&l->thread, NULL, run_lane, l) != 0) {
            lanes = NULL;
        }
    }
    if (lanes == NULL) {
        (void)fputs("endcap-rest-load: no memory or no thread\n", stderr);
        exit(1);
    }
    return lanes;
}

int main(int argc, char **argv)
{
    static struct stream streams[STREAMS_MAX];
    static struct lane *lanes[STREAMS_MAX];
    if (argc < 4 || argc > 5) {
        (void)fputs(usage, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    seconds = strtod(argv[2], NULL);
    if (port == 0 || !(seconds > 0)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (argc == 5 && (log_file = fopen(argv[4], "w")) == NULL) {
        perror(argv[4]);
        return 1;
    }
    size_t count = read_plan(argv[3], streams);
    start_s = clock_s(CLOCK_MONOTONIC) + 0.2;
    for (size_t i = 0; i < count; i++) {
        lanes[i] = start_lanes(&streams[i]);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < streams[i].connections; k++) {
            (void)pthread_join(lanes[i][k].thread, NULL);
        }
        print_stream(&streams[i], lanes[i]);
    }
    return log_file != NULL && fclose(log_file) != 0 ? 1 : 0;
}
