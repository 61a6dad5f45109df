#include "security_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "span.h"
#include "timestamp.h"

#define LINE_BYTES_MAX 2048
/* A claimed text may be anything; a line stays a line. */
#define TEXT_BYTES_MAX 256

static int log_fd = -1;
static int64_t tokens = SECURITY_LOG_BURST;
static int64_t refilled_s;
static uint64_t left_out;

enum res security_log_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return errno == EACCES || errno == EPERM ? RES_DENIED : RES_IO;
    }
    log_fd = fd;
    return RES_OK;
}

void security_log_close(void)
{
    if (log_fd >= 0) {
        (void)close(log_fd);
        log_fd = -1;
    }
}

/* Everything outside printable ASCII is escaped as if it were Latin-1: what a stranger sent need
 * not be UTF-8, and the line must be JSON all the same. */
static void write_field(struct sink *s, const char *name, const char *text)
{
    if (text == NULL) {
        return;
    }
    sink_text(s, ",\"");
    sink_text(s, name);
    sink_text(s, "\":\"");
    for (size_t i = 0; i < TEXT_BYTES_MAX && text[i] != '\0'; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c == '"' || c == '\\') {
            sink_byte(s, '\\');
            sink_byte(s, c);
        } else if (c < 0x20 || c >= 0x7f) {
            sink_text(s, "\\u00");
            sink_hex(s, span_of(&c, 1));
        } else {
            sink_byte(s, c);
        }
    }
    sink_byte(s, '"');
}

static bool may_write(int64_t now_s)
{
    struct stat status;
    if (now_s > refilled_s) {
        tokens += (now_s - refilled_s) * SECURITY_LOG_PER_SECOND;
        tokens = tokens > SECURITY_LOG_BURST ? SECURITY_LOG_BURST : tokens;
        refilled_s = now_s;
    }
    if (log_fd < 0 || tokens == 0 || fstat(log_fd, &status) != 0 ||
        status.st_size > SECURITY_LOG_BYTES_MAX) {
        left_out++;
        return false;
    }
    tokens--;
    return true;
}

void security_log_write(const struct security_line *line)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!may_write((int64_t)now.tv_sec)) {
        return;
    }
    char text[LINE_BYTES_MAX + 4];
    struct sink s;
    sink_init(&s, text, LINE_BYTES_MAX);
    sink_text(&s, "{\"time\":\"");
    timestamp_write(&s, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    sink_byte(&s, '"');
    const struct {
        const char *name;
        const char *text;
    } fields[] = {
        {"what", line->what},       {"reason", line->reason}, {"device", line->device},
        {"serial", line->serial},   {"client", line->client}, {"action", line->action},
        {"address", line->address}, {"topic", line->topic},   {"subject", line->subject},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t before = s.size;
        write_field(&s, fields[i].name, fields[i].text);
        if (s.overflow) { /* left out whole, so that the line stays JSON */
            s.size = before;
            s.overflow = false;
        }
    }
    if (left_out > 0 && LINE_BYTES_MAX - s.size > 64) {
        sink_text(&s, ",\"left_out\":");
        sink_u64(&s, left_out);
        left_out = 0;
    }
    text[s.size++] = '}';
    text[s.size++] = '\n';
    ssize_t written = write(log_fd, text, s.size);
    (void)written; /* nobody left to tell */
}
