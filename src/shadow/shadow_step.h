/* shadow_step.h: tells labels what changed of their desired state without a delivery:
 * smartshelf/{id}/shadow/delta, for every shadow whose delta_version says that it is due.
 *
 * Whoever changes desired beside src/delivery (REST, certificate renewal) sets delta_version to the
 * new version in the same statement. A label that is not online is not told: it asks when it comes
 * back, and the answer holds everything.
 */
#ifndef SHADOW_STEP_H
#define SHADOW_STEP_H

#include "pg_conn.h"
#include "platform_signer.h"

#define SHADOW_STEP_MAX 100 /* shadows a step */

struct shadow_outlet {
    struct platform_signer *signer;
    void *user;
    /* QoS 1, never retained, with `signature` as the user property SHELF_SIGNATURE_PROPERTY. Not
     * RES_OK: it is tried again with the next step. */
    enum res (*publish)(void *user, const char *topic, struct span payload, struct span signature);
};

/* Publishes what is due, in a transaction of its own; any number of workers may run it. A crash
 * tells the same again. Errors as pg_conn_run. */
MUST_CHECK enum res shadow_step(struct pg_conn *c, const struct shadow_outlet *outlet,
                                int64_t now_ms, struct err *why);

#endif
