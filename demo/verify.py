"""What the carts made against what the platform holds."""
import hashlib
import json
import urllib.request


# What must be 0 for a run to be good.
ZERO = ("lost", "duplicates", "out_of_order", "unreconciled", "unknown")


def get(base, path):
    with urllib.request.urlopen(base + path, timeout=30) as answer:
        return json.load(answer)


def pages(base, path):
    """Every item of a list endpoint, following its cursors."""
    cursor = ""
    while True:
        page = get(base, f"{path}{'&' if '?' in path else '?'}limit=1000{cursor}")
        yield from page["items"]
        if not page.get("nextCursor"):
            return
        cursor = "&cursor=" + page["nextCursor"]


def read_journals(paths):
    """{(cart, epoch, counter): (type, digest)} of everything the carts put on flash."""
    truth = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):  # a power cut may leave half a line
                    event = json.loads(line)
                    key = (event["cartId"], event["epoch"], event["counter"])
                    truth[key] = (event["type"], event["digest"])
    return truth


def read_stored(base, carts):
    """(rows, {identity: digest}, inversions): rows counts every stored event, repeated or not;
    an inversion is a pair that the platform gives back in another order than it was made."""
    rows, stored, inversions = 0, {}, 0
    for cart in carts:
        last = (0, 0)
        for event in pages(base, f"/api/telemetry?device={cart}"):
            rows += 1
            at = (event["epoch"], event["counter"])
            stored[(cart, *at)] = hashlib.sha256(event["raw"].encode()).hexdigest()
            inversions += at < last
            last = at
    return rows, stored, inversions


def compare(base, carts, journals, label_events=None):
    """label_events: how many of the labels' are stored beside the carts'; None: there are no labels."""
    truth = read_journals(journals)
    rows, stored, inversions = read_stored(base, carts)
    wrong = sum(1 for key, (_, digest) in truth.items()
                if key in stored and stored[key] != digest)
    sessions = list(pages(base, "/api/sessions"))
    totals = get(base, "/api/telemetry/totals")
    # Lists give each identity once; the totals count what lies on disk, where a label's event may lie
    # twice: when ingest dies between telemetry and PostgreSQL the label sends it again.
    on_disk = totals["events"] if label_events is None else rows
    return {
        "trips": sum(1 for s in sessions if s["status"] == "complete"),
        "scans": sum(1 for kind, _ in truth.values() if kind == "scan"),
        "events_sent": len(truth),
        "events_stored": on_disk,
        "lost": len(truth.keys() - stored.keys()) + wrong,
        "duplicates": max(rows, on_disk) - len(stored),
        "label_events_repeated": 0 if label_events is None else
                                 totals["events"] - rows - label_events,
        "out_of_order": inversions,
        "rejected": sum(d["occurrences"] for d in pages(base, "/api/dead-letters")),
        "unreconciled": sum(1 for s in sessions if s["reconcileState"] != "reconciled"),
        "unknown": len(stored.keys() - truth.keys()),  # that no cart made
    }
