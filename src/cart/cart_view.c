#include "cart_core.h"

void cart_view_line(struct cart *c, enum display_kind kind, struct span text, int64_t line,
                    int64_t quantity, int64_t price_minor)
{
    struct display_view view = {
        .kind = kind,
        .text = text,
        .line = line,
        .quantity = quantity,
        .price_minor = price_minor,
        .item_count = c->ledger.trip.item_count,
        .total_minor = c->ledger.trip.total_minor,
        .unpriced = c->ledger.trip.unpriced,
    };
    c->ports.display->show(c->ports.display->context, &view);
}

void cart_view_show(struct cart *c, enum display_kind kind, const char *text)
{
    cart_view_line(c, kind, span_text(text, 96), 0, 0, 0);
}
