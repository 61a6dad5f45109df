#include "http_once.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "http_request_state.h"
#include "http_rows.h"

#define DIGEST_BYTES 32
#define HEADER       "Idempotency-Key"
/* Until there are accounts there is one principal; the key's digest is of both. */
#define PRINCIPAL "operator"

static enum res digest_two(struct span first, struct span second, uint8_t ret[DIGEST_BYTES])
{
    EVP_MD_CTX *x = EVP_MD_CTX_new();
    bool fine = x != NULL && EVP_DigestInit_ex(x, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(x, first.data, first.size) == 1 &&
                EVP_DigestUpdate(x, "", 1) == 1 && /* a NUL: where the first ends is part of it */
                (second.size == 0 || EVP_DigestUpdate(x, second.data, second.size) == 1) &&
                EVP_DigestFinal_ex(x, ret, NULL) == 1;
    EVP_MD_CTX_free(x);
    return fine ? RES_OK : RES_NO_MEMORY;
}

struct once {
    uint8_t key[DIGEST_BYTES];
    uint8_t request[DIGEST_BYTES];
};

static enum res digests(const struct http_request *q, struct once *ret, struct err *why)
{
    const char *key = http_request_text(q, HEADER);
    enum res r = digest_two(SPAN_LIT(PRINCIPAL), span_text(key, HTTP_UUID_BYTES), ret->key);
    if (r == RES_OK) {
        r = digest_two(span_text(q->target, HTTP_TARGET_BYTES_MAX), span_of(q->body, q->body_size),
                       ret->request);
    }
    if (r != RES_OK) {
        err_set(why, "out of memory for a digest");
    }
    return r;
}

/* *ret_first: nobody has used the key; otherwise the first answer is replied. A first request that
 * still runs holds the row: this one waits for its end. */
static enum res claim(struct http_request *q, struct pg_conn *c, const struct once *o,
                      bool *ret_first, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_bytes(&p, span_of(o->key, sizeof o->key));
    pg_params_cstr(&p, http_route_method_name(q->route->method));
    pg_params_cstr(&p, q->route->path);
    pg_params_bytes(&p, span_of(o->request, sizeof o->request));
    enum res r = pg_conn_run(c,
                             "INSERT INTO idempotency_key (key_digest, method, path, "
                             "request_digest) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                             &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    *ret_first = pg_get_touched(rows) == 1;
    PQclear(rows);
    if (*ret_first) {
        return RES_OK;
    }
    pg_params_init(&p);
    pg_params_bytes(&p, span_of(o->key, sizeof o->key));
    rows = NULL;
    r = pg_conn_run(c,
                    "SELECT request_digest, status::bigint, answer FROM idempotency_key "
                    "WHERE key_digest = $1",
                    &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    json_t *answer = NULL;
    if (PQntuples(rows) == 1 && !pg_get_is_null(rows, 0, 2)) {
        struct span text = pg_get_span(rows, 0, 2);
        answer = json_loadb((const char *)text.data, text.size, 0, NULL);
    }
    if (answer == NULL) {
        r = RES_AGAIN; /* it was removed, or its first use left no answer */
        err_set(why, "the first answer to an idempotency key is gone");
    } else if (!span_equal(pg_get_span(rows, 0, 0), span_of(o->request, sizeof o->request))) {
        json_decref(answer);
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "IDEMPOTENCY_CONFLICT",
                              "This Idempotency-Key was used for another request.");
    } else {
        http_reply_json_status(q, (unsigned)pg_get_i64(rows, 0, 1), answer);
    }
    PQclear(rows);
    return r;
}

/* `answer` NULL: the work replied itself. */
static enum res keep(const struct http_request *q, struct pg_conn *c, const struct once *o,
                     const json_t *answer, struct err *why)
{
    struct pg_params p;
    unsigned usual = q->route->status != 0 ? q->route->status : 200;
    char *text = NULL;
    struct span kept = q->reply.status < 300 ? span_of(q->reply.text, q->reply.size) : SPAN_NONE;
    if (answer != NULL) {
        text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(15));
        kept = span_text(text == NULL ? "" : text, SIZE_MAX);
    }
    if (kept.size == 0) {
        err_set(why, "out of memory for an answer");
        return RES_NO_MEMORY;
    }
    pg_params_init(&p);
    pg_params_bytes(&p, span_of(o->key, sizeof o->key));
    pg_params_i64(&p, answer == NULL ? q->reply.status : usual);
    pg_params_bytes(&p, kept);
    enum res r = pg_conn_run(c,
                             "UPDATE idempotency_key SET status = $2::bigint, answer = $3 "
                             "WHERE key_digest = $1",
                             &p, NULL, why);
    free(text);
    return r;
}

static enum res transact(struct http_request *q, struct pg_conn *c, http_once_work work,
                         json_t **ret_answer, struct err *why)
{
    struct once o;
    bool first = false;
    json_t *answer = NULL;
    enum res r = digests(q, &o, why);
    if (r == RES_OK) {
        r = pg_conn_command(c, "BEGIN", why);
    }
    if (r == RES_OK) {
        r = claim(q, c, &o, &first, why);
    }
    if (r == RES_OK && first) {
        r = work(q, c, &answer, why);
        if (r == RES_OK) {
            r = keep(q, c, &o, answer, why);
        }
    }
    if (r == RES_OK) {
        r = pg_conn_command(c, "COMMIT", why);
    } else {
        struct err ignored; /* the first failure is the one to tell */
        enum res undone = pg_conn_command(c, "ROLLBACK", &ignored);
        (void)undone; /* a connection that cannot roll back is dead, and so is its transaction */
    }
    if (r == RES_OK) {
        *ret_answer = answer;
    } else {
        json_decref(answer);
        if (q->reply.ready && q->reply.status < 300) { /* told too early: it did not come true */
            free(q->reply.text);
            q->reply = (struct http_reply){.ready = false};
        }
    }
    return r;
}

bool http_once_is_asked(const struct http_request *q)
{
    const struct http_param *params = q->route->params;
    for (size_t i = 0; params != NULL && params[i].field.name != NULL; i++) {
        if (strcmp(params[i].field.name, HEADER) == 0) {
            return http_request_has(q, HEADER);
        }
    }
    return false;
}

void http_once_run(struct http_request *q, struct pg_pool *pool, http_once_work work)
{
    struct pg_conn *c = NULL;
    struct err why;
    json_t *answer = NULL;
    enum res r = pg_pool_take(pool, &c, &why);
    if (r == RES_OK) {
        r = transact(q, c, work, &answer, &why);
        pg_pool_give(pool, c);
    }
    if (q->reply.ready) {
        return; /* a repeat, or a refusal */
    }
    if (r == RES_OK) {
        http_reply_json(q, answer);
    } else {
        http_rows_fail(q, r, &why);
    }
}
