"""What every label should show, worked out from the price book, and what it shows.

The digest is computed here a second time, from docs/label-wire.md and not from the platform's code.
"""
import datetime
import hashlib
import json

import verify


def money(value):
    """The decimal of JSON as the wire writes it; none is 0.00."""
    return f"{round((value or 0) * 100) / 100:.2f}"


def digest(product, language, url):
    """Of the content of a label for this product, as /api/products gives it."""
    sale = bool(product["isFlashSale"])
    name = product["name"].get(language) or product["name"]["en"]
    lines = ["endcap-label-1", "sale" if sale else "standard", language, product["productId"], name,
             money(product["flashSalePrice"] if sale else product["price"]),
             money(product["price"] if sale else 0),
             money(product["mrp"]), product["currency"], "kg" if product["perKg"] else "each",
             "sale" if sale else "regular", url]
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def wrong(api, store, shown):
    """Labels whose panel differs from the price book; `shown`: {label: digest} as the labels
    themselves say."""
    products = {p["productId"]: p for p in verify.pages(api, f"/api/products?storeId={store}")}
    found = []
    for device in verify.pages(api, f"/api/devices?storeId={store}&kind=label"):
        label = device["deviceId"]
        desired = verify.get(api, f"/api/devices/{label}/shadow")["state"]["desired"]["display"]
        product = products.get(device["productId"])
        if product is None:
            continue  # not bound: it shows its own id
        language = desired["language"]
        expected = digest(product, language, desired["url"])
        if shown.get(label) != expected:
            found.append({"deviceId": label, "productId": product["productId"],
                          "expected": expected, "desired": desired["digest"],
                          "shown": shown.get(label), "state": device["state"]})
    return found


def label_events(api, labels):
    """(stored, lost): the labels' own events; `labels`: {id: (epoch, last counter)} of what each
    wrote on its flash. A counter that a gap record names was lost on flash, and said so."""
    stored = lost = 0
    for label, (epoch, last) in labels.items():
        there = set()
        for event in verify.pages(api, f"/api/telemetry?device={label}"):
            stored += 1
            if event["epoch"] == epoch:
                there.add(event["counter"])
                gap = json.loads(event["raw"]).get("gap") or {}
                there.update(range(gap.get("from", 1), gap.get("to", 0) + 1))
        lost += last - len(there & set(range(1, last + 1)))
    return stored, lost


def milliseconds(start, end):
    """Between two times of the REST face."""
    return round((datetime.datetime.fromisoformat(end[:-1]) -
                  datetime.datetime.fromisoformat(start[:-1])).total_seconds() * 1000)


def deliveries(api, store, since):
    """How the deliveries ended, and the milliseconds that 99 of 100 displayed took at most, of those
    made since then (the first contents wait for labels that are not there yet)."""
    counts, waits = {}, []
    for d in verify.pages(api, f"/api/pricing/deliveries?storeId={store}"):
        if d["kind"] != "display":
            continue
        counts[d["state"]] = counts.get(d["state"], 0) + 1
        if d["state"] == "displayed" and d["createdAt"] >= since:
            waits.append(milliseconds(d["createdAt"], d["finishedAt"]))
    waits.sort()
    return counts, waits[len(waits) * 99 // 100] if waits else 0
