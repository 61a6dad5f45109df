#include "http_transact.h"

#include "http_request_state.h"
#include "http_rows.h"

static enum res transact(struct http_request *q, struct pg_conn *c, http_once_work work,
                         json_t **ret_answer, struct err *why)
{
    json_t *answer = NULL;
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    r = work(q, c, &answer, why);
    if (r == RES_OK) {
        r = pg_conn_command(c, "COMMIT", why);
    } else {
        enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
        (void)undone; /* a connection that cannot roll back is dead, and so is its transaction */
    }
    if (r == RES_OK) {
        *ret_answer = answer;
    } else {
        json_decref(answer);
    }
    return r;
}

void http_transact_run(struct http_request *q, struct pg_pool *pool, http_once_work work)
{
    struct pg_conn *c = NULL;
    struct err why = {""};
    json_t *answer = NULL;
    if (http_once_is_asked(q)) {
        http_once_run(q, pool, work);
        return;
    }
    enum res r = pg_pool_take(pool, &c, &why);
    if (r == RES_OK) {
        r = transact(q, c, work, &answer, &why);
        pg_pool_give(pool, c);
    }
    if (q->reply.ready) {
        return; /* a refusal */
    }
    if (r == RES_OK) {
        http_reply_json(q, answer);
    } else {
        http_rows_fail(q, r, &why);
    }
}
