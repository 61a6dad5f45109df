#include "label_core.h"

#include "base64.h"

#define CERTIFICATE_BYTES_MAX 2048

static void begin_trial(struct label *l)
{
    l->trial = true;
    l->trial_selected = true;
    label_link_renew(l);
}

void label_renew_take(struct label *l, const struct shelf_certificate *c)
{
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    struct sink der;
    const struct renewal *renewal = l->ports.renewal;
    if (renewal == NULL || c->number <= l->memory.certificate_number || l->trial) {
        return;
    }
    if (c->number != l->trial_number) {
        l->trial_number = c->number;
        l->trials = 0;
    }
    if (c->der.size == 0) {
        l->csr_number = c->number;
        l->report_due = true;
        return;
    }
    if (l->trials >= LABEL_TRIALS_MAX) {
        return;
    }
    sink_init(&der, bytes, sizeof bytes);
    enum res r = base64_read(c->der, &der);
    if (r == RES_OK) {
        r = renewal->install(renewal->context, c->number, sink_span(&der));
    }
    if (r == RES_OK) {
        begin_trial(l);
    } else if (r != RES_IO) {
        l->trials = LABEL_TRIALS_MAX;
        label_note(l, LABEL_NOTE_RENEWED, "no certificate for its key");
    }
}

enum res label_renew_request(struct label *l, struct sink *base64)
{
    uint8_t bytes[RENEWAL_CSR_BYTES_MAX];
    struct sink csr;
    const struct renewal *renewal = l->ports.renewal;
    if (l->csr_number <= l->memory.certificate_number) {
        return RES_OK;
    }
    sink_init(&csr, bytes, sizeof bytes);
    enum res r = renewal->request(renewal->context, l->csr_number, &csr);
    if (r == RES_OK) {
        base64_write(base64, sink_span(&csr));
    }
    return r;
}

/* The pair that connected first is the one that is taken: a network that is away refuses both. */
void label_renew_connected(struct label *l)
{
    const struct renewal *renewal = l->ports.renewal;
    if (!l->trial) {
        return;
    }
    l->trial = false;
    if (!l->trial_selected) {
        l->trials++;
        label_note(l, LABEL_NOTE_RENEWED, "the new certificate was refused");
        return;
    }
    if (renewal->commit(renewal->context, l->trial_number) != RES_OK) {
        l->trials++;
        label_note(l, LABEL_NOTE_RENEWED, "the new certificate could not be kept");
        label_link_renew(l);
        return;
    }
    l->memory.certificate_number = l->trial_number;
    l->csr_number = 0;
    l->unsaved = label_save(l) != RES_OK;
    l->report_due = true;
    label_note(l, LABEL_NOTE_RENEWED, "");
}

void label_renew_failed(struct label *l)
{
    if (l->trial) {
        l->trial_selected = !l->trial_selected;
    }
}
