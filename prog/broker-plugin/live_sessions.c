#include "live_sessions.h"

#include <stdlib.h>
#include <string.h>

/* Chains stay short at the 12,000 connections the broker takes. */
#define BUCKETS 16384

static struct live_session **buckets;

enum res live_sessions_init(void)
{
    buckets = calloc(BUCKETS, sizeof *buckets);
    return buckets == NULL ? RES_NO_MEMORY : RES_OK;
}

void live_sessions_deinit(void)
{
    for (size_t i = 0; buckets != NULL && i < BUCKETS; i++) {
        while (buckets[i] != NULL) {
            struct live_session *gone = buckets[i];
            buckets[i] = gone->next;
            free(gone);
        }
    }
    free(buckets);
    buckets = NULL;
}

/* FNV-1a. Ids come from our own CA, so nobody picks them to collide. */
static struct live_session **place_of(const char *id)
{
    uint32_t hash = 2166136261U;
    for (; *id != '\0'; id++) {
        hash = (hash ^ (uint8_t)*id) * 16777619U;
    }
    return &buckets[hash % BUCKETS];
}

/* The link that points to the session of this id, or to NULL at the chain's end. */
static struct live_session **link_of(const char *id)
{
    struct live_session **link = place_of(id);
    while (*link != NULL && strcmp((*link)->client_id, id) != 0) {
        link = &(*link)->next;
    }
    return link;
}

enum res live_sessions_put(const struct live_session *session)
{
    struct live_session **link = link_of(session->client_id);
    struct live_session *next = NULL;
    if (*link == NULL) {
        *link = malloc(sizeof **link);
    } else {
        next = (*link)->next;
    }
    if (*link == NULL) {
        return RES_NO_MEMORY;
    }
    **link = *session;
    (*link)->next = next;
    return RES_OK;
}

struct live_session *live_sessions_find(const struct mosquitto *client, const char *id)
{
    struct live_session *session = *link_of(id);
    return session != NULL && session->client == client ? session : NULL;
}

bool live_sessions_has(const char *id)
{
    return *link_of(id) != NULL;
}

bool live_sessions_remove(const struct mosquitto *client, const char *id)
{
    struct live_session **link = link_of(id);
    bool found = *link != NULL && (*link)->client == client;
    if (found) {
        struct live_session *gone = *link;
        *link = gone->next;
        free(gone);
    }
    return found;
}

void live_sessions_each(void (*visit)(const struct live_session *session))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct live_session *s = buckets[i]; s != NULL; s = s->next) {
            visit(s);
        }
    }
}

size_t live_sessions_collect(bool (*ends)(const struct live_session *session),
                             struct live_session *ret_sessions, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct live_session *s = buckets[i]; s != NULL && count < room; s = s->next) {
            if (ends(s)) {
                ret_sessions[count++] = *s;
            }
        }
    }
    return count;
}
