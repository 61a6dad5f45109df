/* session_changes.h: sessions, payments and weight mismatches in PostgreSQL.
 *
 * Changes of a batch are gathered and then added to the caller's pipeline, which is one transaction
 * with the stream's watermark: that is what makes each change happen exactly once. Writes the
 * tables session, payment and weight_mismatch.
 */
#ifndef SESSION_CHANGES_H
#define SESSION_CHANGES_H

#include "pg_rows.h"
#include "session.h"

struct session_changes {
    struct pg_rows ended;  /* first, so that a cart never has two open sessions */
    struct pg_rows starts; /* then whatever else is open on the cart is abandoned */
    struct pg_rows open;
    struct pg_rows late;
    struct pg_rows payments;
    struct pg_rows answers;
    struct pg_rows mismatches;
};

struct session_place {
    struct span cart_id;
    struct span store_id;
};

/* A payment as the cart's session-end carries it. */
struct session_payment {
    struct span session_id;
    struct span store_id;
    struct span token;
    int64_t amount_minor;
    struct span currency;
    bool approved;
    int64_t counter;
    int64_t device_ms;
};

void session_changes_init(struct session_changes *c);
void session_changes_deinit(struct session_changes *c);
void session_changes_reset(struct session_changes *c);
bool session_changes_any(const struct session_changes *c);

/* The row of a session as it is now. A session is put at most once between two resets. */
void session_changes_put(struct session_changes *c, const struct session_place *place,
                         const struct session *s);
/* An event came for a session that is not open: counted when it exists and has ended. */
void session_changes_late(struct session_changes *c, struct span session_id);
void session_changes_mismatch(struct session_changes *c, const struct session_place *place,
                              const struct wire_event *scan);
/* Records the payment unless its token or its session has one already. */
void session_changes_pay(struct session_changes *c, const struct session_payment *p);
/* Asks for the answer that (session, token) gets; `index` comes back with it. */
void session_changes_ask(struct session_changes *c, int64_t index, struct span session_id,
                         struct span token);

/* Adds the statements, at most SESSION_STATEMENTS_MAX, to the pipeline. *ret_answers is the number
 * in the pipeline, counted from `first`, of the statement whose rows session_changes_answer reads,
 * or SIZE_MAX; *ret_count is how many were added. */
#define SESSION_STATEMENTS_MAX 8
MUST_CHECK enum res session_changes_add(struct session_changes *c, struct pg_conn *conn,
                                        size_t first, size_t *ret_answers, size_t *ret_count,
                                        struct err *why);

/* One answer of the rows of the asking statement; reason is "" when accepted, and lives as long as
 * the rows or is static. */
struct session_answer {
    int64_t index;
    bool accepted;
    struct span reason;
};
struct session_answer session_changes_answer(const PGresult *rows, int row);

/* The open sessions of these carts (a text array, pg_array_close): (cart_id, epoch, start_counter,
 * first_received_at). */
MUST_CHECK enum res session_changes_load_open(struct pg_conn *conn, const char *cart_ids,
                                              PGresult **ret_rows, struct err *why);

#endif
