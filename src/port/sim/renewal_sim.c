#include "renewal_sim.h"

#define CERTIFICATE_BYTES 40

static enum res request(void *context, int64_t number, struct sink *csr)
{
    struct renewal_sim *sim = context;
    sim->requested = number;
    sink_text(csr, "request ");
    sink_i64(csr, number);
    return RES_OK;
}

static enum res install(void *context, int64_t number, struct span certificate)
{
    struct renewal_sim *sim = context;
    uint8_t bytes[CERTIFICATE_BYTES];
    struct sink expected;
    sink_init(&expected, bytes, sizeof bytes);
    sink_text(&expected, "certificate ");
    sink_i64(&expected, number);
    if (sim->requested != number || !span_equal(certificate, sink_span(&expected))) {
        return RES_INVALID;
    }
    sim->installed = number;
    return RES_OK;
}

static void select_pair(void *context, bool renewed)
{
    struct renewal_sim *sim = context;
    sim->renewed_selected = renewed;
}

static enum res commit(void *context, int64_t number)
{
    struct renewal_sim *sim = context;
    if (sim->installed != number) {
        return RES_IO;
    }
    sim->present = number;
    sim->commits++;
    return RES_OK;
}

void renewal_sim_init(struct renewal_sim *sim)
{
    *sim = (struct renewal_sim){.renewal = {.context = sim,
                                            .request = request,
                                            .install = install,
                                            .select = select_pair,
                                            .commit = commit}};
}
