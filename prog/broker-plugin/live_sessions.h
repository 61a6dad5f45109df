/* live_sessions.h: the clients that passed our checks and are connected, at most one per client id.
 *
 * Mosquitto 2.0 does not tell a plugin which publish is a will. But a will is published only after
 * its client was disconnected or replaced: a publish by a client that is not in here is a will.
 */
#ifndef LIVE_SESSIONS_H
#define LIVE_SESSIONS_H

#include "broker_acl.h"
#include "pki_identity.h"

struct mosquitto;

#define LIVE_SESSION_CLIENT_ID_BYTES_MAX 64

struct live_session {
    const struct mosquitto *client;
    char client_id[LIVE_SESSION_CLIENT_ID_BYTES_MAX + 1];
    struct pki_identity identity;
    enum broker_kind kind;
    int64_t not_after_s; /* of its certificate, UTC */
    uint64_t refused;    /* topics, since it connected */
    struct live_session *next;
};

MUST_CHECK enum res live_sessions_init(void);
void live_sessions_deinit(void);
/* Replaces the session of the same id. RES_NO_MEMORY. */
MUST_CHECK enum res live_sessions_put(const struct live_session *session);
/* The session of this id if it is this client's, else NULL. */
struct live_session *live_sessions_find(const struct mosquitto *client, const char *id);
bool live_sessions_has(const char *id);
/* False: the id is another client's by now, or nobody's. */
bool live_sessions_remove(const struct mosquitto *client, const char *id);
void live_sessions_each(void (*visit)(const struct live_session *session));
/* Copies the ids of up to `room` sessions for which `ends` is true; returns how many. */
size_t live_sessions_collect(bool (*ends)(const struct live_session *session),
                             struct live_session *ret_sessions, size_t room);

#endif
