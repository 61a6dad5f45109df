#include "fleet_control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOK_EVERY_MS   10 /* at what is waited for */
#define READ_BYTES      65536
#define WAIT_MS_DEFAULT 30000
#define WAIT_MS_MAX     3600000
#define MISSING_TOLD    20 /* ids in an answer */

/* A wait that is going on; a client asks for one at a time. */
struct waiting {
    json_t *request; /* NULL: none */
    struct fleet_device **devices;
    struct fleet_report_wish *wishes; /* one, or with `expect` one a device */
    size_t wish_count;
    size_t count;
    size_t next; /* those before it held when they were looked at */
    int64_t begun_ms;
    int64_t until_ms;
};

struct client {
    struct fleet_loop_source source; /* first */
    struct fleet_control *control;
    char *in;
    size_t in_size;
    size_t in_room;
    char *out;
    size_t out_size;
    size_t out_sent;
    struct waiting waiting;
};

struct fleet_control {
    struct fleet_loop_source source; /* first */
    struct fleet_world *world;
    struct fleet_action_plan *plan;
    char path[108];
    struct client clients[FLEET_CONTROL_CLIENTS_MAX];
    bool over;
};

/* --- a client --- */

static void forget_wait(struct client *c)
{
    json_decref(c->waiting.request);
    free(c->waiting.devices);
    free(c->waiting.wishes);
    c->waiting = (struct waiting){.request = NULL};
}

static void hang_up(struct client *c)
{
    int fd = c->source.fd;
    if (fd >= 0) {
        fleet_loop_forget(&c->control->world->loop, &c->source);
        (void)close(fd);
    }
    forget_wait(c);
    free(c->in);
    free(c->out);
    c->in = NULL;
    c->out = NULL;
    c->in_size = 0;
    c->in_room = 0;
    c->out_size = 0;
    c->out_sent = 0;
}

static void push(struct client *c)
{
    while (c->out_sent < c->out_size) {
        ssize_t wrote = send(c->source.fd, c->out + c->out_sent, c->out_size - c->out_sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && (errno == EAGAIN || errno == EINTR)) {
            fleet_loop_change(&c->control->world->loop, &c->source, EPOLLIN | EPOLLOUT);
            return;
        }
        if (wrote < 0) {
            hang_up(c);
            return;
        }
        c->out_sent += (size_t)wrote;
    }
    free(c->out);
    c->out = NULL;
    c->out_size = 0;
    c->out_sent = 0;
    fleet_loop_change(&c->control->world->loop, &c->source, EPOLLIN);
}

/* Adds a line that was written into a memory stream, and frees it. */
static void answer(struct client *c, char *line, size_t size)
{
    char *out = line == NULL ? NULL : realloc(c->out, c->out_size + size + 1);
    if (out == NULL) {
        free(line);
        hang_up(c);
        return;
    }
    c->out = out;
    memcpy(out + c->out_size, line, size);
    out[c->out_size + size] = '\n';
    c->out_size += size + 1;
    free(line);
    push(c);
}

static void refuse(struct client *c, const char *words)
{
    json_t *said = json_pack("{s:b,s:s}", "ok", 0, "error", words);
    char *line = json_dumps(said, JSON_COMPACT);
    json_decref(said);
    answer(c, line, line == NULL ? 0 : strlen(line));
}

/* --- requests --- */

struct reply {
    char *line;
    size_t size;
    FILE *out;
};

static bool begin_reply(struct client *c, struct reply *ret)
{
    *ret = (struct reply){.line = NULL};
    ret->out = open_memstream(&ret->line, &ret->size);
    if (ret->out == NULL) {
        hang_up(c);
    }
    return ret->out != NULL;
}

static void end_reply(struct client *c, struct reply *r)
{
    (void)fclose(r->out);
    answer(c, r->line, r->size);
}

static void put_ids(FILE *out, struct fleet_device *const *devices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s\"%s\"", i == 0 ? "" : ",", devices[i]->identity->id);
    }
}

static void do_action(struct client *c, const json_t *request)
{
    struct fleet_world *w = c->control->world;
    struct err why = {""};
    struct fleet_action action;
    struct fleet_device **devices = NULL;
    size_t count = 0;
    struct reply reply;
    enum res r = RES_OK;
    if (json_object_get(request, "at") != NULL || json_object_get(request, "every") != NULL) {
        r = fleet_action_plan(c->control->plan, w, request, &why);
    } else {
        r = fleet_action_read(request, &action, &why);
        if (r == RES_OK) {
            r = fleet_action_select(w, json_object_get(request, "on"), &devices, &count, &why);
        }
    }
    if (r != RES_OK) {
        refuse(c, why.text);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        fleet_action_do(&action, devices[i]);
    }
    if (begin_reply(c, &reply)) {
        fprintf(reply.out, "{\"ok\":true,\"count\":%zu,\"ids\":[", count);
        put_ids(reply.out, devices, json_is_true(json_object_get(request, "ids")) ? count : 0);
        fputs("]}", reply.out);
        end_reply(c, &reply);
    }
    free(devices);
}

static void dump(struct client *c, const json_t *request)
{
    struct fleet_world *w = c->control->world;
    struct err why = {""};
    struct fleet_device **devices = NULL;
    size_t count = 0;
    struct reply reply;
    if (fleet_action_select(w, json_object_get(request, "on"), &devices, &count, &why) != RES_OK) {
        refuse(c, why.text);
        return;
    }
    if (begin_reply(c, &reply)) {
        fputs("{\"ok\":true,\"devices\":[", reply.out);
        for (size_t i = 0; i < count; i++) {
            fputs(i == 0 ? "" : ",", reply.out);
            fleet_report_device(w, devices[i], reply.out);
        }
        fputs("]}", reply.out);
        end_reply(c, &reply);
    }
    free(devices);
}

static void stats(struct client *c, const json_t *request)
{
    struct reply reply;
    if (begin_reply(c, &reply)) {
        fputs("{\"ok\":true,\"stats\":", reply.out);
        fleet_report_stats(c->control->world, reply.out);
        fputc('}', reply.out);
        end_reply(c, &reply);
    }
    if (json_is_true(json_object_get(request, "reset"))) {
        fleet_report_reset(c->control->world);
    }
}

static void agree(struct client *c)
{
    struct reply reply;
    if (begin_reply(c, &reply)) {
        fputs("{\"ok\":true}", reply.out);
        end_reply(c, &reply);
    }
}

/* --- waiting --- */

static bool holds(const struct client *c, size_t i)
{
    const struct waiting *wait = &c->waiting;
    return fleet_report_wish_holds(c->control->world, wait->devices[i],
                                   &wait->wishes[wait->wish_count == 1 ? 0 : i]);
}

/* All at this moment; what held once may not hold any more. */
static bool all_hold(struct client *c)
{
    struct waiting *wait = &c->waiting;
    while (wait->next < wait->count && holds(c, wait->next)) {
        wait->next++;
    }
    if (wait->next < wait->count) {
        return false;
    }
    for (wait->next = 0; wait->next < wait->count; wait->next++) {
        if (!holds(c, wait->next)) {
            return false;
        }
    }
    return true;
}

static void end_wait(struct client *c, bool done)
{
    const struct waiting *wait = &c->waiting;
    struct reply reply;
    size_t missing = 0;
    if (!begin_reply(c, &reply)) {
        return;
    }
    fprintf(reply.out, "{\"ok\":true,\"done\":%s,\"ms\":%lld,\"count\":%zu,\"missing\":[",
            done ? "true" : "false", (long long)(c->control->world->loop.now_ms - wait->begun_ms),
            wait->count);
    for (size_t i = 0; !done && i < wait->count; i++) {
        if (!holds(c, i)) {
            if (missing++ < MISSING_TOLD) {
                fprintf(reply.out, "%s\"%s\"", missing == 1 ? "" : ",",
                        wait->devices[i]->identity->id);
            }
        }
    }
    fprintf(reply.out, "],\"missingCount\":%zu}", missing);
    forget_wait(c);
    end_reply(c, &reply);
}

static enum res read_expectations(struct client *c, const json_t *expect, struct err *why)
{
    struct waiting *wait = &c->waiting;
    const size_t count = json_object_size(expect);
    const char *id;
    json_t *wish;
    wait->devices = calloc(count + 1, sizeof(struct fleet_device *));
    wait->wishes = calloc(count + 1, sizeof *wait->wishes);
    if (wait->devices == NULL || wait->wishes == NULL) {
        err_set(why, "no memory");
        return RES_NO_MEMORY;
    }
    json_object_foreach((json_t *)(uintptr_t)expect, id, wish)
    {
        struct fleet_device *d = fleet_world_find(c->control->world, id);
        if (d == NULL) {
            err_set(why, "`%.40s` is none of this fleet's devices", id);
            return RES_NOT_FOUND;
        }
        wait->devices[wait->count] = d;
        enum res r = fleet_report_wish_read(wish, &wait->wishes[wait->count], why);
        if (r != RES_OK) {
            return r;
        }
        wait->count++;
    }
    wait->wish_count = wait->count;
    return RES_OK;
}

static enum res read_wait(struct client *c, const json_t *request, struct err *why)
{
    struct waiting *wait = &c->waiting;
    const json_t *expect = json_object_get(request, "expect");
    if (json_is_object(expect)) {
        return read_expectations(c, expect, why);
    }
    wait->wishes = calloc(1, sizeof *wait->wishes);
    wait->wish_count = 1;
    if (wait->wishes == NULL) {
        err_set(why, "no memory");
        return RES_NO_MEMORY;
    }
    enum res r = fleet_report_wish_read(json_object_get(request, "wait"), wait->wishes, why);
    return r != RES_OK ? r
                       : fleet_action_select(c->control->world, json_object_get(request, "on"),
                                             &wait->devices, &wait->count, why);
}

static void begin_wait(struct client *c, json_t *request)
{
    struct err why = {""};
    const json_t *ms = json_object_get(request, "ms");
    int64_t for_ms = json_is_integer(ms) ? json_integer_value(ms) : WAIT_MS_DEFAULT;
    int64_t now_ms = c->control->world->loop.now_ms;
    if (c->waiting.request != NULL || for_ms < 0 || for_ms > WAIT_MS_MAX) {
        refuse(c, "one wait at a time on a connection, of at most an hour");
        return;
    }
    c->waiting = (struct waiting){.begun_ms = now_ms, .until_ms = now_ms + for_ms};
    c->waiting.request = json_incref(request);
    if (read_wait(c, request, &why) != RES_OK) {
        forget_wait(c);
        refuse(c, why.text);
    } else if (all_hold(c)) {
        end_wait(c, true);
    }
}

/* --- lines --- */

static void serve(struct client *c, const char *line, size_t size)
{
    json_error_t fault;
    json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &fault);
    const char *get = json_string_value(json_object_get(request, "get"));
    if (!json_is_object(request)) {
        refuse(c, "a request is one JSON object on a line");
    } else if (json_object_get(request, "do") != NULL) {
        do_action(c, request);
    } else if (json_object_get(request, "wait") != NULL ||
               json_object_get(request, "expect") != NULL) {
        begin_wait(c, request);
    } else if (get != NULL && strcmp(get, "dump") == 0) {
        dump(c, request);
    } else if (get != NULL && strcmp(get, "stats") == 0) {
        stats(c, request);
    } else if (get != NULL && strcmp(get, "end") == 0) {
        c->control->over = true;
        agree(c);
    } else {
        refuse(c, "say `do`, `wait`, `expect`, or `get` with dump, stats or end");
    }
    json_decref(request);
}

static bool read_more(struct client *c)
{
    if (c->in_room - c->in_size < READ_BYTES) {
        char *more = realloc(c->in, c->in_room + 2 * READ_BYTES + c->in_room / 2);
        if (more == NULL) {
            return false;
        }
        c->in = more;
        c->in_room += 2 * READ_BYTES + c->in_room / 2;
    }
    ssize_t got = recv(c->source.fd, c->in + c->in_size, READ_BYTES, MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    c->in_size += (size_t)got;
    return got > 0 && c->in_size <= FLEET_CONTROL_LINE_BYTES_MAX;
}

static void on_client(struct fleet_loop_source *source, uint32_t events)
{
    struct client *c = (struct client *)source;
    size_t at = 0;
    if ((events & EPOLLOUT) != 0) {
        push(c);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || c->source.fd < 0) {
        return;
    }
    if (!read_more(c)) {
        hang_up(c);
        return;
    }
    while (c->source.fd >= 0) {
        const char *end = memchr(c->in + at, '\n', c->in_size - at);
        if (end == NULL) {
            memmove(c->in, c->in + at, c->in_size - at);
            c->in_size -= at;
            return;
        }
        size_t size = (size_t)(end - (c->in + at));
        serve(c, c->in + at, size);
        at += size + 1;
    }
}

static void on_connect(struct fleet_loop_source *source, uint32_t events)
{
    struct fleet_control *control = (struct fleet_control *)source;
    (void)events;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    for (int i = 0; i < FLEET_CONTROL_CLIENTS_MAX; i++) {
        struct client *c = &control->clients[i];
        if (c->source.fd < 0) {
            c->source.ready = on_client;
            if (fleet_loop_watch(&control->world->loop, &c->source, fd, EPOLLIN) == RES_OK) {
                return;
            }
            break;
        }
    }
    (void)close(fd);
}

/* --- life --- */

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return yes;
}

static enum res listen_at(struct fleet_control *c, struct err *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, c->path, sizeof address.sun_path);
    if (somebody_listens(&address)) {
        err_set(why, "another fleet listens at %s; give each its own control socket", c->path);
        c->path[0] = '\0'; /* not ours to remove */
        return RES_CONFLICT;
    }
    (void)unlink(c->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)umask(before);
    if (!bound || listen(fd, FLEET_CONTROL_CLIENTS_MAX) != 0 ||
        fleet_loop_watch(&c->world->loop, &c->source, fd, EPOLLIN) != RES_OK) {
        err_set(why, "cannot listen at %s: %s", c->path, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return RES_IO;
    }
    return RES_OK;
}

enum res fleet_control_open(const char *path, struct fleet_world *w, struct fleet_action_plan *plan,
                            struct fleet_control **ret, struct err *why)
{
    struct fleet_control *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_set(why, "no memory");
        return RES_NO_MEMORY;
    }
    c->world = w;
    c->plan = plan;
    c->source.fd = -1;
    c->source.ready = on_connect;
    for (int i = 0; i < FLEET_CONTROL_CLIENTS_MAX; i++) {
        c->clients[i].source.fd = -1;
        c->clients[i].control = c;
    }
    enum res r = RES_LIMIT;
    if (strlen(path) >= sizeof c->path) {
        err_set(why, "the control socket's path has more than %zu bytes", sizeof c->path - 1);
    } else {
        (void)snprintf(c->path, sizeof c->path, "%s", path);
        r = listen_at(c, why);
    }
    if (r != RES_OK) {
        fleet_control_close(c);
        return r;
    }
    *ret = c;
    return RES_OK;
}

void fleet_control_close(struct fleet_control *c)
{
    if (c == NULL) {
        return;
    }
    for (int i = 0; i < FLEET_CONTROL_CLIENTS_MAX; i++) {
        hang_up(&c->clients[i]);
    }
    if (c->source.fd >= 0) {
        int fd = c->source.fd;
        fleet_loop_forget(&c->world->loop, &c->source);
        (void)close(fd);
        (void)unlink(c->path);
    }
    free(c);
}

int64_t fleet_control_step(struct fleet_control *c)
{
    int64_t wait_ms = INT64_MAX;
    for (int i = 0; i < FLEET_CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &c->clients[i];
        if (client->waiting.request == NULL) {
            continue;
        }
        wait_ms = LOOK_EVERY_MS;
        if (all_hold(client)) {
            end_wait(client, true);
        } else if (c->world->loop.now_ms >= client->waiting.until_ms) {
            end_wait(client, false);
        }
    }
    return wait_ms;
}

bool fleet_control_is_over(const struct fleet_control *c)
{
    return c->over;
}
