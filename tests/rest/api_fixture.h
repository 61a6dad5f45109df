/* api_fixture.h: for tests of the REST face: a PostgreSQL with a store that has something of
 * everything, a telemetry store, and the server twice: for every store, and for STORE-B alone.
 */
#ifndef API_FIXTURE_H
#define API_FIXTURE_H

#include <jansson.h>

#include "api.h"
#include "http_client.h"
#include "pg_fixture.h"

struct api_fixture {
    struct pg_fixture pg;
    struct api *api;      /* of every store */
    struct api *api_of_b; /* of STORE-B only */
};

/* Starts the database; false: there is no PostgreSQL on this machine. */
bool api_fixture_possible(struct api_fixture *x);
bool api_fixture_start(struct api_fixture *x);
void api_fixture_stop(struct api_fixture *x);

/* ENDCAP_SEED or the clock; printed. */
uint64_t api_fixture_seed(void);
struct http_client_reply api_fixture_ask(const struct api *api, const char *request);
struct http_client_reply api_fixture_get(const struct api *api, const char *target);
/* Of a 200; the caller decrefs. */
json_t *api_fixture_json(const struct api *api, const char *target);
/* Checks the envelope (code NULL: any) and ends the reply. */
void api_fixture_is_error(struct http_client_reply reply, unsigned status, const char *code);

#endif
