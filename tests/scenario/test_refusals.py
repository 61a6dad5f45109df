#!/usr/bin/env python3
"""A price that may not be, by every way in: refused in words that name each bad field, and nothing
is changed: not the price book, an item, a shadow, a delivery, nor what a label shows.

usage: test_refusals.py BUILD_DIRECTORY
"""
import json
import os
import subprocess
import sys

from crowd import MRP, STORE, Answer, Crowd
from scenario import BUILD

LABELS = 12
LEAST, MOST = 10, 90  # of the category
TABLES = ("price", "item", "shadow", "delivery", "catalogue_version", "price_schedule",
          "price_request", "pricing_rule", "category_bound", "bulk_job", "bulk_row", "label")
# What the platform notes of labels and of its own work is no trace of a price.
PASSING = ("last_seen_at", "online", "battery_pct", "signal_dbm", "published_version",
           "published_at", "last_device_time", "row_count")
# (what is wrong, price, currency, code, bad fields)
BAD = (
    ("above the MRP", f"{MRP}.01", "INR", "PRICE_ABOVE_MRP", {"price"}),
    ("negative", "-10", "INR", "INVALID_PRICE", {"price"}),
    ("zero", "0", "INR", "INVALID_PRICE", {"price"}),
    ("three decimals", "12.345", "INR", "INVALID_PRICE", {"price"}),
    ("another currency", "50", "USD", "INVALID_CURRENCY", {"currency"}),
    ("below the bounds", f"{LEAST - 1}.99", "INR", "PRICE_OUT_OF_BOUNDS", {"price"}),
    ("above the bounds", f"{MOST}.01", "INR", "PRICE_OUT_OF_BOUNDS", {"price"}),
    ("all at once", "-1.005", "USD", "INVALID_PRICE", {"price", "currency"}),
)
# Ways that take in more than a price have a code of their own.
OF_THE_WHOLE = {"a new product": ("INVALID_PRICE", "INVALID_PARAMETER"),
                "a till's CSV": ("POS_ROWS_REFUSED",), "a till's JSON": ("POS_ROWS_REFUSED",)}
GOOD = "55"  # the row beside a bad one: it must not get in either


def check(truth, what):
    if not truth:
        raise SystemExit(f"test_refusals: {what}")


class Store:
    """A crowd whose state can be taken as one value."""

    def __init__(self, crowd):
        self.crowd = crowd
        self.sku, self.other = crowd.skus[0], crowd.skus[1]
        self.bad_files = 0
        data = crowd.data
        self.psql = ["psql", "-X", "-q", "-t", "-A", "-h", data / "run/pg", "-U", "postgres", "-d",
                     "endcap", "-v", "ON_ERROR_STOP=1"]
        ports = next((data / "run/pg").glob(".s.PGSQL.*[0-9]"), None)
        self.psql += ["-p", ports.name.rpartition(".")[2]]
        secret = (data / "secrets/pg-postgres.password").read_text().strip()
        self.environment = {**os.environ, "PGPASSWORD": secret}

    def sql(self, text):
        return subprocess.run([*self.psql, "-c", text], env=self.environment, check=True,
                              capture_output=True, text=True).stdout.strip()

    def state(self):
        """Every row of what a price is in, and every panel."""
        digests = self.sql(" UNION ALL ".join(
            f"SELECT '{table} ' || count(*) || ' ' || coalesce(md5(string_agg(r, '' ORDER BY r)), "
            f"'') FROM (SELECT (to_jsonb(t) - '{{{','.join(PASSING)}}}'::text[])::text AS r "
            f"FROM endcap.{table} t) x" for table in TABLES))
        rows = {line.split(" ")[0]: line for line in digests.split("\n")}
        panels = {label: (panel["digest"], panel["version"], panel["times"])
                  for label, panel in self.crowd.labels.dump("labels").items()}
        return rows, panels

    def settled(self):
        """Once nothing is on its way."""
        self.crowd.until("labels to rest", lambda: self.sql(
            "SELECT count(*) FROM endcap.delivery WHERE finished_at IS NULL") == "0")
        self.crowd.until("the catalogue is published", lambda: self.sql(
            "SELECT count(*) FROM endcap.catalogue_version WHERE published_version < version OR "
            "published_version IS NULL") == "0")

    def is_same(self, before, what):
        rows, panels = self.state()
        changed = [table for table in TABLES if rows[table] != before[0][table]]
        check(not changed, f"{what} changed {', '.join(changed)}")
        check(panels == before[1], f"{what} changed what a label shows")


def fields_of(error):
    details = error["details"]
    details = details if isinstance(details, list) else [details]
    return {d["field"].rpartition(".")[2] for d in details}


def refused(store, name, path, body, kind, bad):
    """By REST: the envelope, with every bad field."""
    what, _, _, code, fields = bad
    try:
        answer = store.crowd.ask("POST", path, body.encode(), kind)
    except Answer as error:
        words = f"{name}, {what}: {error}"
        check(error.status == 400, words)
        envelope = error.body["error"]
        check(envelope["message"] and envelope["requestId"] and envelope["timestamp"], words)
        check(envelope["code"] in OF_THE_WHOLE.get(name, (code,)), words)
        check(fields_of(envelope) == fields, words)
    else:
        check(False, f"{name}, {what}: taken: {answer}")


def rest_ways(store):
    """(name, path, media type, body of price and currency)"""
    item = f'"productId": "{store.sku}", "price": {{0}}, "currency": "{{1}}"'
    beside = f'{{{{"productId": "{store.other}", "price": {GOOD}}}}}'
    json_kind, csv_kind = "application/json", "text/csv"
    return (
        ("an update", "/api/pricing/update", json_kind, f'{{{{"storeId": "{STORE}", {item}}}}}'),
        ("a schedule", "/api/pricing/update", json_kind,
         f'{{{{"storeId": "{STORE}", {item}, "effectiveAt": "2031-01-02T18:00"}}}}'),
        ("a bulk in JSON", "/api/pricing/bulk-update", json_kind,
         f'{{{{"storeId": "{STORE}", "updates": [{beside}, {{{{{item}}}}}]}}}}'),
        ("a bulk in CSV", f"/api/pricing/bulk-update?storeId={STORE}", csv_kind,
         f"productId,price,currency\n{store.other},{GOOD},INR\n{store.sku},{{0}},{{1}}\n"),
        ("a new product", f"/api/products?storeId={STORE}", json_kind,
         f'{{{{"productId": "NEW-1", "name": {{{{"en": "New"}}}}, "category": "Things", '
         f'"mrp": {MRP}, "price": {{0}}, "currency": "{{1}}"}}}}'),
    )


def pos_csv(store, price, currency):
    """Rows of a till system: a good one and a bad one."""
    return (f"sku,name,category,price,mrp,currency\n{store.other},Thing 1,Things,{GOOD},{MRP},INR\n"
            f"{store.sku},Thing 0,Things,{price},{MRP},{currency}\n")


def pos_ways(store):
    sync = f"/api/pos/{STORE}/sync"
    return (
        ("a till's CSV", sync, "text/csv",
         pos_csv(store, "{0}", "{1}")),
        ("a till's JSON", sync, "application/json",
         f'{{{{"items": [{{{{"productId": "{store.other}", "price": {GOOD}}}}}, {{{{"productId": '
         f'"{store.sku}", "name": {{{{"en": "Thing 0"}}}}, "price": {{0}}, "mrp": {MRP}, '
         f'"currency": "{{1}}"}}}}]}}}}'),
    )


def by_rest(store, ways):
    before = store.state()
    for name, path, kind, body in ways:
        for bad in BAD:
            refused(store, name, path, body.format(bad[1], bad[2]), kind, bad)
            store.is_same(before, f"{name}, {bad[0]},")


def by_drop_folder(store):
    """All files at once; each is moved away with a report that names line and field."""
    crowd = store.crowd
    folder = crowd.data / "pos" / STORE
    folder.mkdir(parents=True, exist_ok=True)
    before = store.state()
    for number, (_, price, currency, _, _) in enumerate(BAD):
        hidden = folder / f"{number}.part"
        hidden.write_text(pos_csv(store, price, currency))
        hidden.rename(folder / f"{number}.csv")
    reports = [folder / f"refused/{number}.csv.report.csv" for number in range(len(BAD))]
    crowd.until("the drop folder is taken", lambda: all(
        len(list((folder / "refused").glob(f"*{number}.csv*"))) >= 2
        for number in range(len(BAD))))
    for number, (what, _, _, _, fields) in enumerate(BAD):
        report = next((folder / "refused").glob(f"*{number}.csv.report.csv")).read_text()
        check(all(f"{field}" in report for field in fields), f"the report of {what}: {report}")
    store.is_same(before, f"the drop folder ({len(reports)} files)")


def by_import(store):
    """The command line says each bad row, and leaves its item alone."""
    crowd = store.crowd
    before = store.state()
    for what, price, currency, _, fields in BAD:
        table = crowd.data / "bad.csv"
        table.write_text("sku,name,category,price,mrp,currency\n"
                         f"{store.sku},Thing 0,Things,{price},{MRP},{currency}\n")
        done = subprocess.run([crowd.platform.endcap, "catalog", "import", table, "--store", STORE,
                               "--data", crowd.data], capture_output=True, text=True)
        said = done.stdout + done.stderr
        check("1 refused" in said and all(f"{field} \"" in said for field in fields),
              f"catalog import, {what}: {done.returncode} {said}")
        store.is_same(before, f"catalog import, {what},")


def by_rules(store):
    """A rule that would lead out of what may be: told as refused, and nothing changes."""
    crowd = store.crowd
    for what, parameters in (("above MRP and bounds", {"percent": 500, "of": "base"}),
                             ("below the bounds", {"percent": -90, "of": "base"})):
        rule = crowd.ask("POST", "/api/pricing/rules", {
            "storeId": STORE, "title": what, "kind": "percent", "category": "Things",
            "priority": 1, "parameters": parameters})
        before = store.state()
        ran = crowd.ask("POST", "/api/pricing/rules/run", {"storeId": STORE, "dryRun": False})
        check(ran["refused"] == ran["changes"] == crowd.count, f"a rule {what}: {ran}")
        store.is_same(before, f"a rule {what}")
        crowd.ask("DELETE", f"/api/pricing/rules/{rule['ruleId']}")


def run(master):
    with Crowd(BUILD, LABELS, master) as crowd:
        store = Store(crowd)
        crowd.ask("PUT", "/api/pricing/bounds/Things",
                  {"storeId": STORE, "min": LEAST, "max": MOST})
        store.settled()
        if master == "platform":
            by_rest(store, rest_ways(store))
            by_rules(store)
        else:
            by_rest(store, pos_ways(store))
            by_drop_folder(store)
        by_import(store)
        print(json.dumps({"master": master, "wrong": 0}), flush=True)


def main():
    for master in ("platform", "pos"):
        run(master)


if __name__ == "__main__":
    sys.exit(main())
