/* fleet_step.h: what the worker looks after in a fleet, beside what anybody asks for. Each step is
 * its own transactions on a connection of endcap_worker; any number of workers may call them: one
 * works, the others find it busy and go on. Errors as pg_conn_run.
 *
 * A label is silent when it was not heard of for three of its sync intervals, and where it
 * announced deep sleep, when it is an interval overdue. A gateway is down when at least
 * FLEET_STEP_GATEWAY_LABELS of its labels fell silent together (their last words within three sync
 * intervals of each other) and none of its labels is online or asleep; with fewer labels a gateway
 * and a label cannot be told apart, and each label has its own alert. It is up again with the first
 * label that is online.
 */
#ifndef FLEET_STEP_H
#define FLEET_STEP_H

#include "pg_conn.h"

#define FLEET_STEP_MISSED         3 /* intervals */
#define FLEET_STEP_GATEWAY_LABELS 2
#define FLEET_STEP_EXPIRING_DAYS  7  /* S-094 */
#define FLEET_STEP_RENEW_DAYS     30 /* a label's certificate is renewed so long before its end */
#define FLEET_STEP_RETRY_DAYS     7  /* a renewal without an end is asked for again */

/* Silence: labels go offline, gateways up and down; opens and resolves gateway_offline,
 * device_offline (S-235) and offline_24h (P44). Every ten seconds or so. */
MUST_CHECK enum res fleet_step_presence(struct pg_conn *c, int64_t now_ms, struct err *why);
/* battery_days_left of the labels that reported since the last minutes (P68), and the end of what
 * no estimate looks at any more. Every ten minutes. */
MUST_CHECK enum res fleet_step_battery(struct pg_conn *c, int64_t now_ms, struct err *why);
/* certificate_expiring opened and resolved; renewals begun. Every hour. */
MUST_CHECK enum res fleet_step_certificates(struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
