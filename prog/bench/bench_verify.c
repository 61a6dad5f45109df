#include "bench_verify.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "bench_clock.h"

#define TURN_MESSAGES 500
#define KEYS          32
#define CORES_MAX     64

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "endcap-bench: verify: %s\n", what);
    exit(1);
}

/* `openssl speed` as the program itself reports it: the last number of its last line. 0: there is
 * no such program, or it was asked in vain. */
static double openssl_speed(unsigned run_seconds)
{
    int ends[2];
    char seconds[16];
    char text[4096];
    size_t size = 0;
    (void)snprintf(seconds, sizeof seconds, "%u", run_seconds);
    if (pipe(ends) != 0) {
        return 0;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(STDERR_FILENO);
        (void)execlp("openssl", "openssl", "speed", "-seconds", seconds, "ecdsap256", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    ssize_t n = 0;
    while (child > 0 && size < sizeof text - 1 &&
           (n = read(ends[0], text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)n;
    }
    (void)close(ends[0]);
    if (child > 0) {
        (void)waitpid(child, NULL, 0);
    }
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        size--;
    }
    text[size] = '\0';
    const char *last = strrchr(text, ' ');
    return last == NULL ? 0 : strtod(last, NULL);
}

/* What `openssl speed ecdsap256` does: one key, one digest, one DER signature. */
struct raw {
    EVP_PKEY_CTX *context;
    uint8_t digest[32];
    uint8_t der[80];
    size_t der_size;
};

static void raw_init(struct raw *raw)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *signer = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
    raw->context = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
    raw->der_size = sizeof raw->der;
    memset(raw->digest, 0x42, sizeof raw->digest);
    if (signer == NULL || raw->context == NULL || EVP_PKEY_sign_init(signer) != 1 ||
        EVP_PKEY_sign(signer, raw->der, &raw->der_size, raw->digest, sizeof raw->digest) != 1 ||
        EVP_PKEY_verify_init(raw->context) != 1) {
        die("OpenSSL cannot sign");
    }
    EVP_PKEY_CTX_free(signer);
    EVP_PKEY_free(key);
}

static double raw_turn(struct raw *raw)
{
    double start = bench_clock_cpu();
    for (int i = 0; i < TURN_MESSAGES; i++) {
        if (EVP_PKEY_verify(raw->context, raw->der, raw->der_size, raw->digest,
                            sizeof raw->digest) != 1) {
            die("OpenSSL refuses its own signature");
        }
    }
    return bench_clock_cpu() - start;
}

static double our_turn(struct ecdsa_public *const *keys, size_t key_count,
                       const struct bench_load_run *run, size_t *at)
{
    double start = bench_clock_cpu();
    for (int i = 0; i < TURN_MESSAGES;) {
        const struct bench_load_message *m = &run->messages[*at];
        *at = (*at + 1) % run->count;
        if (m->cart >= key_count) {
            continue;
        }
        struct span body = span_of(m->frame, m->size - (size_t)WIRE_SIGNATURE_BYTES);
        struct span signature = span_of(m->frame + body.size, WIRE_SIGNATURE_BYTES);
        if (ecdsa_verify(keys[m->cart], body, signature) != RES_OK) {
            die("a signature made before is refused");
        }
        i++;
    }
    return bench_clock_cpu() - start;
}

double bench_verify_run(const struct bench_load_cart *carts, size_t cart_count,
                        const struct bench_load_run *run, double seconds,
                        struct bench_report *report)
{
    struct ecdsa_public *keys[KEYS] = {NULL};
    size_t key_count = 0;
    for (; key_count < KEYS && key_count < cart_count; key_count++) {
        if (ecdsa_public_new(span_of(carts[key_count].point, ECDSA_POINT_BYTES),
                             &keys[key_count]) != RES_OK) {
            die("no memory");
        }
    }
    struct raw raw;
    raw_init(&raw);
    double program = openssl_speed(3);
    double ours = 0;
    double theirs = 0;
    double turns = 0;
    size_t at = 0;
    while (ours < seconds) {
        ours += our_turn(keys, key_count, run, &at);
        theirs += raw_turn(&raw);
        turns++;
    }
    double v = turns * TURN_MESSAGES / theirs;
    double we = turns * TURN_MESSAGES / ours;
    struct bench_report_row *row =
        bench_report_add(report, "P1", "our verify loop, one core", "messages/s", we,
                         "EVP_PKEY_verify as openssl speed does, in turns", v, 0.95, 0.98);
    bench_report_note(row,
                      "ours hashes a body of %.0f bytes too, %zu keys; the openssl program "
                      "says %.0f/s",
                      run->bytes / (double)run->count - WIRE_SIGNATURE_BYTES, key_count, program);
    EVP_PKEY_CTX_free(raw.context);
    for (size_t i = 0; i < key_count; i++) {
        ecdsa_public_free(keys[i]);
    }
    return v;
}

struct core {
    pthread_t thread;
    double until;
    double verified;
};

static void *run_core(void *user)
{
    struct core *c = user;
    struct raw raw;
    raw_init(&raw);
    while (bench_clock_wall() < c->until) {
        (void)raw_turn(&raw);
        c->verified += TURN_MESSAGES;
    }
    EVP_PKEY_CTX_free(raw.context);
    return NULL;
}

double bench_verify_cores(size_t cores, double seconds)
{
    struct core all[CORES_MAX];
    double verified = 0;
    double start = bench_clock_wall();
    cores = cores > CORES_MAX ? CORES_MAX : cores;
    for (size_t i = 0; i < cores; i++) {
        all[i] = (struct core){.until = start + seconds};
        if (pthread_create(&all[i].thread, NULL, run_core, &all[i]) != 0) {
            die("no thread");
        }
    }
    for (size_t i = 0; i < cores; i++) {
        (void)pthread_join(all[i].thread, NULL);
        verified += all[i].verified;
    }
    return verified / (bench_clock_wall() - start);
}
