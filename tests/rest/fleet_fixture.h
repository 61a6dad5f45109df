/* fleet_fixture.h: for tests of labels as a fleet: a PostgreSQL with two stores and products, a
 * certificate authority, and the REST server for every store, and for STORE-B alone.
 */
#ifndef FLEET_FIXTURE_H
#define FLEET_FIXTURE_H

#include <jansson.h>

#include "api.h"
#include "pg_fixture.h"

struct fleet_fixture {
    struct pg_fixture pg;
    struct pg_conn *su; /* past every policy */
    struct api *api;
    struct api *api_of_b;
    char ca_directory[160];
    char broker_directory[160];
};

/* False: there is no PostgreSQL on this machine. Any other failure ends the process. */
bool fleet_fixture_start(struct fleet_fixture *f);
void fleet_fixture_stop(struct fleet_fixture *f);

/* ENDCAP_SEED or the clock; printed. */
uint64_t fleet_fixture_seed(void);
/* One request. `body` NULL: none; `type` NULL: application/json. A POST carries a fresh
 * Idempotency-Key where the route takes one (`once`). The answer's body as JSON, NULL when it is
 * none; decref it. */
json_t *fleet_fixture_ask(const struct api *api, const char *method, const char *target,
                          const char *type, const char *body, bool once, unsigned *ret_status);
/* The same, which must answer `status`. */
json_t *fleet_fixture_do(const struct api *api, const char *method, const char *target,
                         const char *body, unsigned status);
/* An error with this status and code; its details, decref them. */
json_t *fleet_fixture_refused(const struct api *api, const char *method, const char *target,
                              const char *body, unsigned status, const char *code);
/* First column of the first row, as superuser. */
int64_t fleet_fixture_number(const struct fleet_fixture *f, const char *sql);
/* The same as text, cut to size. */
void fleet_fixture_text(const struct fleet_fixture *f, const char *sql, char *ret_text,
                        size_t size);
const char *fleet_fixture_string(const json_t *object, const char *key);

#endif
