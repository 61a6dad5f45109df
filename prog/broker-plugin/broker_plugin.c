/* The broker's doorman: a Mosquitto 2 plugin that decides who gets in (basic-auth event), who may
 * use which topic (acl event, src/broker/broker_acl.c), and drops whom the platform revoked (tick
 * event). It denies by default and writes everything it refuses to broker/security.log.
 */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "broker_acl.h"
#include "live_sessions.h"
#include "pki_identity.h"
#include "presence.h"
#include "revocation.h"
#include "security_log.h"
#include "tls_watch.h"

#define PATH_BYTES_MAX 1024
#define TICK_MS        500
#define DROPS_AT_ONCE  64
/* One session writes so many lines, then every so manieth: the rest of the log is for others. */
#define REFUSED_LINES_MAX 1000
#define DESCRIPTORS_OWN   64 /* listener, logs, and what Mosquitto keeps for itself */

/* Mosquitto looks these three up by name; everything else stays inside. */
#define EXPORT __attribute__((visibility("default")))

static mosquitto_plugin_id_t *plugin_id;
/* Its refusal is in the log; its disconnect event comes next. */
static const struct mosquitto *just_refused;

static int64_t now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

/* A device has one session, under its own name. A service may have several, each for a load of its
 * own that must not wait for another: "service:ingest" and "service:ingest/labels". */
static bool is_named(const struct live_session *s, const char *client_id)
{
    size_t size = strlen(s->identity.id);
    if (client_id == NULL || strncmp(client_id, s->identity.id, size) != 0) {
        return false;
    }
    bool device = s->kind == BROKER_CART || s->kind == BROKER_LABEL;
    return client_id[size] == '\0' ||
           (!device && client_id[size] == '/' && client_id[size + 1] != '\0' &&
            strlen(client_id) <= LIVE_SESSION_CLIENT_ID_BYTES_MAX);
}

/* Fills in the session, or answers why not. */
static const char *examine(const struct mosquitto *client, const X509 *certificate,
                           struct live_session *ret_session)
{
    const char *client_id = mosquitto_client_id(client);
    struct live_session s = {.client = client};
    if (pki_identity_read(certificate, &s.identity) != RES_OK) {
        return "the certificate's subject is not one of ours";
    }
    struct span id = span_text(s.identity.id, sizeof s.identity.id);
    const char *ou = pki_identity_kind_name(s.identity.kind);
    if (broker_acl_kind(span_text(ou, 16), id, &s.kind) != RES_OK) {
        return "this service has no business with the broker";
    }
    if (!is_named(&s, client_id)) {
        return "the client id is not the certificate's name";
    }
    memcpy(s.client_id, client_id, strlen(client_id) + 1);
    if (!mosquitto_client_clean_session(client)) {
        return "only clean sessions are taken: the broker keeps nothing for the absent";
    }
    if (revocation_has(s.identity.serial)) {
        return "certificate revoked";
    }
    s.not_after_s = seconds_of(X509_get0_notAfter(certificate));
    if (s.not_after_s <= now_s()) {
        return "certificate has expired";
    }
    *ret_session = s;
    return NULL;
}

static void log_connection(const struct mosquitto *client, const X509 *certificate,
                           const char *what, const char *reason)
{
    char device[PKI_ID_BYTES_MAX + 1] = "";
    char subject[PKI_SUBJECT_BYTES_MAX + 1] = "";
    char serial[PKI_SERIAL_TEXT_MAX + 1] = "";
    if (certificate != NULL) {
        pki_identity_common_name(certificate, device, sizeof device);
        pki_identity_subject(certificate, subject, sizeof subject);
        pki_identity_serial(certificate, serial, sizeof serial);
    }
    security_log_write(&(struct security_line){.what = what,
                                               .reason = reason,
                                               .device = device,
                                               .subject = subject,
                                               .serial = serial,
                                               .client = mosquitto_client_id(client),
                                               .address = mosquitto_client_address(client)});
}

/* Called for each CONNECT, and on SIGHUP once more for everyone who is connected. */
static int on_basic_auth(int event, void *data, void *user)
{
    (void)event;
    (void)user;
    struct mosquitto_evt_basic_auth *request = data;
    struct live_session session;
    const char *client_id = mosquitto_client_id(request->client);
    bool again = client_id != NULL && live_sessions_find(request->client, client_id) != NULL;
    X509 *certificate = mosquitto_client_certificate(request->client);
    const char *refusal =
        certificate == NULL ? "no certificate" : examine(request->client, certificate, &session);
    if (refusal == NULL && !again && live_sessions_has(session.client_id)) {
        log_connection(request->client, certificate, "session_replaced",
                       "the same client connected again: a lost connection or a second holder of "
                       "its key");
    }
    if (refusal == NULL && (mosquitto_set_username(request->client, session.identity.id) != 0 ||
                            live_sessions_put(&session) != RES_OK)) {
        refusal = "no memory";
    }
    if (refusal != NULL) {
        log_connection(request->client, certificate,
                       again ? "session_dropped" : "connection_refused", refusal);
        just_refused = again ? NULL : request->client;
    } else if (!again) {
        presence_tell(&session, true);
    }
    X509_free(certificate);
    return refusal == NULL ? MOSQ_ERR_SUCCESS : MOSQ_ERR_AUTH;
}

static void log_session(const struct live_session *session, const struct mosquitto *client,
                        const char *what, const char *reason, const char *action, const char *topic)
{
    security_log_write(&(struct security_line){.what = what,
                                               .reason = reason,
                                               .device = session->identity.id,
                                               .serial = session->identity.serial,
                                               .client = session->identity.id,
                                               .action = action,
                                               .topic = topic,
                                               .address = mosquitto_client_address(client)});
}

static const char *refuse_reason(const struct live_session *session, enum broker_action action,
                                 struct span topic, bool retain)
{
    const struct broker_identity who = {
        .kind = session->kind,
        .id = span_text(session->identity.id, sizeof session->identity.id),
        .store_id = span_text(session->identity.store_id, sizeof session->identity.store_id)};
    if (revocation_has(session->identity.serial)) {
        return "certificate revoked";
    }
    if (broker_acl_find(&who, action, topic, retain) != NULL) {
        return NULL;
    }
    return retain && action == BROKER_PUBLISH && broker_acl_find(&who, action, topic, false) != NULL
               ? "no grant to retain a message here"
               : "no grant covers this";
}

static int check_session(struct live_session *session, const struct mosquitto_evt_acl_check *asked)
{
    enum broker_action action = asked->access == MOSQ_ACL_WRITE       ? BROKER_PUBLISH
                                : asked->access == MOSQ_ACL_SUBSCRIBE ? BROKER_SUBSCRIBE
                                                                      : BROKER_RECEIVE;
    struct span topic = span_text(asked->topic, 65535);
    const char *reason = refuse_reason(session, action, topic, asked->retain);
    if (reason == NULL) {
        if (action == BROKER_SUBSCRIBE && span_equal(topic, SPAN_LIT(PRESENCE_FILTER))) {
            presence_wanted();
        }
        return MOSQ_ERR_SUCCESS;
    }
    session->refused++;
    /* What is not delivered was not asked for by this client: a broad filter of its own at most. */
    if (action != BROKER_RECEIVE &&
        (session->refused <= REFUSED_LINES_MAX || session->refused % REFUSED_LINES_MAX == 0)) {
        log_session(session, asked->client, "topic_refused", reason,
                    action == BROKER_PUBLISH ? (asked->retain ? "publish retained" : "publish")
                                             : "subscribe",
                    asked->topic);
    }
    return MOSQ_ERR_ACL_DENIED;
}

static int on_acl_check(int event, void *data, void *user)
{
    (void)event;
    (void)user;
    const struct mosquitto_evt_acl_check *asked = data;
    const char *client_id = mosquitto_client_id(asked->client);
    struct live_session *session =
        client_id == NULL ? NULL : live_sessions_find(asked->client, client_id);
    if (asked->access == MOSQ_ACL_UNSUBSCRIBE) {
        return MOSQ_ERR_SUCCESS;
    }
    if (session != NULL) {
        return check_session(session, asked);
    }
    if (asked->access == MOSQ_ACL_WRITE) { /* see live_sessions.h */
        security_log_write(
            &(struct security_line){.what = "will_refused",
                                    .reason = "nobody is granted a will",
                                    .device = mosquitto_client_username(asked->client),
                                    .client = client_id,
                                    .action = asked->retain ? "will retained" : "will",
                                    .topic = asked->topic,
                                    .address = mosquitto_client_address(asked->client)});
    }
    return MOSQ_ERR_ACL_DENIED;
}

/* Mosquitto itself turns some away before it asks us: a CONNECT it cannot read, no client id, an
 * authentication method. What passed TLS has a certificate; the rest is tls_watch's. */
static void log_early_end(const struct mosquitto *client)
{
    X509 *certificate = mosquitto_client_certificate(client);
    if (certificate != NULL && client != just_refused) {
        log_connection(client, certificate, "connection_refused",
                       "it ended before a login: no CONNECT, or one the broker does not take");
    }
    just_refused = NULL;
    X509_free(certificate);
}

static int on_disconnect(int event, void *data, void *user)
{
    (void)event;
    (void)user;
    const struct mosquitto_evt_disconnect *gone = data;
    const char *client_id = mosquitto_client_id(gone->client);
    const struct live_session *session =
        client_id == NULL ? NULL : live_sessions_find(gone->client, client_id);
    if (client_id == NULL) {
        log_early_end(gone->client);
    } else if (session != NULL) {
        presence_tell(session, false);
        (void)live_sessions_remove(gone->client, client_id);
    }
    return MOSQ_ERR_SUCCESS;
}

static bool is_revoked(const struct live_session *session)
{
    return revocation_has(session->identity.serial);
}

static bool is_expired(const struct live_session *session)
{
    return session->not_after_s <= now_s();
}

static void drop(bool (*ends)(const struct live_session *session), const char *reason)
{
    static struct live_session found[DROPS_AT_ONCE];
    size_t count;
    do {
        count = live_sessions_collect(ends, found, DROPS_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            log_session(&found[i], found[i].client, "session_dropped", reason, NULL, NULL);
            (void)mosquitto_kick_client_by_clientid(found[i].client_id, false);
            if (live_sessions_remove(found[i].client, found[i].client_id)) {
                presence_tell(&found[i], false);
            }
        }
    } while (count == DROPS_AT_ONCE);
}

static int on_tick(int event, void *data, void *user)
{
    (void)event;
    (void)data;
    (void)user;
    static int64_t next_ms;
    static uint64_t acted_on;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (now_ms < next_ms) {
        return MOSQ_ERR_SUCCESS;
    }
    next_ms = now_ms + TICK_MS;
    uint64_t generation = revocation_refresh();
    if (generation != acted_on) {
        acted_on = generation;
        drop(is_revoked, "certificate revoked");
    }
    drop(is_expired, "certificate has expired");
    presence_step();
    return MOSQ_ERR_SUCCESS;
}

static const struct {
    int event;
    MOSQ_FUNC_generic_callback callback;
} callbacks[] = {
    {MOSQ_EVT_BASIC_AUTH, on_basic_auth},
    {MOSQ_EVT_ACL_CHECK, on_acl_check},
    {MOSQ_EVT_DISCONNECT, on_disconnect},
    {MOSQ_EVT_TICK, on_tick},
};

static enum res open_all(const char *directory)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/security.log", directory);
    enum res r = security_log_open(path);
    if (r != RES_OK) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "cannot write %s (%s); check its owner", path,
                             res_name(r));
        return r;
    }
    (void)snprintf(path, sizeof path, "%s/revoked.list", directory);
    r = revocation_open(path);
    if (r != RES_OK) {
        mosquitto_log_printf(MOSQ_LOG_ERR,
                             "cannot read %s (%s); write it with `endcap ca init` or "
                             "`endcap device revoke`",
                             path, res_name(r));
        return r;
    }
    r = live_sessions_init();
    return r == RES_OK ? tls_watch_start() : r;
}

/* Each client costs a descriptor, and shells begin at 1,024. */
static void allow_many_clients(unsigned long clients)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (before < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        limit.rlim_cur = before;
    }
    if (limit.rlim_cur < clients + DESCRIPTORS_OWN) {
        mosquitto_log_printf(MOSQ_LOG_WARNING,
                             "%lu clients are allowed but only %lu open files: raise LimitNOFILE "
                             "or `ulimit -Hn` to %lu, or clients beyond it are turned away",
                             clients, (unsigned long)limit.rlim_cur, clients + DESCRIPTORS_OWN);
    }
}

EXPORT int mosquitto_plugin_version(int count, const int *versions)
{
    for (int i = 0; i < count; i++) {
        if (versions[i] == MOSQ_PLUGIN_VERSION) {
            return MOSQ_PLUGIN_VERSION;
        }
    }
    return -1;
}

EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **user,
                                 struct mosquitto_opt *options, int count)
{
    (void)user;
    const char *directory = NULL;
    unsigned long clients = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(options[i].key, "directory") == 0) {
            directory = options[i].value;
        } else if (strcmp(options[i].key, "clients") == 0) {
            clients = strtoul(options[i].value, NULL, 10);
        }
    }
    if (directory == NULL || strlen(directory) > PATH_BYTES_MAX - 32) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "the plugin needs plugin_opt_directory");
        return MOSQ_ERR_INVAL;
    }
    if (open_all(directory) != RES_OK) {
        return MOSQ_ERR_UNKNOWN;
    }
    allow_many_clients(clients);
    presence_init();
    plugin_id = identifier;
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        int code = mosquitto_callback_register(plugin_id, callbacks[i].event, callbacks[i].callback,
                                               NULL, NULL);
        if (code != MOSQ_ERR_SUCCESS) {
            return code;
        }
    }
    return MOSQ_ERR_SUCCESS;
}

EXPORT int mosquitto_plugin_cleanup(void *user, struct mosquitto_opt *options, int count)
{
    (void)user;
    (void)options;
    (void)count;
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        (void)mosquitto_callback_unregister(plugin_id, callbacks[i].event, callbacks[i].callback,
                                            NULL);
    }
    tls_watch_stop();
    live_sessions_deinit();
    revocation_close();
    security_log_close();
    return MOSQ_ERR_SUCCESS;
}
