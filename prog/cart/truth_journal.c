#include "truth_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 256

static void note(void *context, int64_t epoch, int64_t counter, struct span body)
{
    struct truth_journal *j = context;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char line[LINE_BYTES_MAX];
    struct wire_event event;
    struct wire_detail why;
    unsigned unknown;
    struct sink s;
    if (j->fd < 0 || epoch < j->epoch || (epoch == j->epoch && counter <= j->counter)) {
        return;
    }
    if (EVP_Digest(body.data, body.size, digest, NULL, EVP_sha256(), NULL) != 1 ||
        wire_event_decode(body, &event, &unknown, &why) != WIRE_FINE) {
        j->last_errno = EINVAL; /* our own core made it */
        return;
    }
    sink_init(&s, line, sizeof line);
    sink_text(&s, "{\"cartId\":\"");
    sink_text(&s, j->cart_id);
    sink_text(&s, "\",\"epoch\":");
    sink_i64(&s, epoch);
    sink_text(&s, ",\"counter\":");
    sink_i64(&s, counter);
    sink_text(&s, ",\"type\":\"");
    sink_text(&s, wire_type_name(event.type));
    sink_text(&s, "\",\"digest\":\"");
    sink_hex(&s, span_of(digest, 32));
    sink_text(&s, "\"}\n");
    if (write(j->fd, line, s.size) != (ssize_t)s.size) {
        j->last_errno = errno != 0 ? errno : EIO;
    }
    j->epoch = epoch;
    j->counter = counter;
}

/* The whole number after `name` in a line of ours. */
static bool read_member(struct span line, const char *name, int64_t *ret_number)
{
    size_t size = strlen(name);
    const uint8_t *found = memmem(line.data, line.size, name, size);
    int64_t number = 0;
    if (found == NULL) {
        return false;
    }
    const uint8_t *end = line.data + line.size;
    const uint8_t *at = found + size;
    const uint8_t *first = at;
    for (; at < end && at - first < 18 && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
    }
    *ret_number = number;
    return at > first;
}

/* Finds the last whole line and cuts off what follows it. */
static enum res find_end(struct truth_journal *j)
{
    char tail[2 * LINE_BYTES_MAX + 1];
    off_t size = lseek(j->fd, 0, SEEK_END);
    off_t from = size > 2 * LINE_BYTES_MAX ? size - 2 * LINE_BYTES_MAX : 0;
    ssize_t got = size < 0 ? -1 : pread(j->fd, tail, sizeof tail - 1, from);
    if (got < 0) {
        return RES_IO;
    }
    while (got > 0 && tail[got - 1] != '\n') {
        got--;
    }
    if (ftruncate(j->fd, from + got) != 0 || lseek(j->fd, 0, SEEK_END) < 0) {
        return RES_IO;
    }
    if (got == 0) {
        return from == 0 ? RES_OK : RES_CORRUPT;
    }
    ssize_t begin = got - 1;
    while (begin > 0 && tail[begin - 1] != '\n') {
        begin--;
    }
    int64_t epoch;
    int64_t counter;
    struct span line = span_of(tail + begin, (size_t)(got - begin));
    if (!read_member(line, "\"epoch\":", &epoch) || !read_member(line, "\"counter\":", &counter)) {
        return RES_CORRUPT;
    }
    j->epoch = epoch;
    j->counter = counter;
    return RES_OK;
}

enum res truth_journal_open(struct truth_journal *j, const char *path, const char *cart_id,
                            struct err *why)
{
    memset(j, 0, sizeof *j);
    j->fd = -1;
    j->cart_id = cart_id;
    j->observer = (struct cart_observer){.context = j, .event = note};
    if (path == NULL) {
        return RES_OK;
    }
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0) {
        err_set(why, "cannot open the journal %s: %s; check its directory", path, strerror(errno));
        return RES_IO;
    }
    enum res r = find_end(j);
    if (r != RES_OK) {
        err_set(why, "%s is no journal of a cart; name another file", path);
        truth_journal_close(j);
    }
    return r;
}

void truth_journal_close(struct truth_journal *j)
{
    if (j->fd >= 0) {
        if (close(j->fd) != 0 && j->last_errno == 0) {
            j->last_errno = errno;
        }
        j->fd = -1;
    }
}
