#include "alert.h"

enum res alert_raise(struct pg_conn *c, const struct alert_raise *alert, struct err *why)
{
    const struct alert_kind_entry *kind = alert_kind_entry(alert->kind);
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, alert->store_id);
    pg_params_cstr(&p, kind->name);
    pg_params_cstr(&p, alert_kind_severity_name(kind->severity));
    pg_params_cstr(&p, alert->device_id);
    pg_params_cstr(&p, alert->product_id);
    pg_params_cstr(&p, alert->cause);
    pg_params_cstr(&p, alert->message);
    return pg_conn_run(c, "SELECT raise_alert($1, $2, $3, $4, $5, $6, $7)", &p, NULL, why);
}

enum res alert_resolve(struct pg_conn *c, const char *store_id, const char *cause, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_cstr(&p, cause);
    return pg_conn_run(c, "SELECT resolve_alert($1, $2)", &p, NULL, why);
}
