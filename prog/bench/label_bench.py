#!/usr/bin/env python3
"""The label targets (P10, P12, P14 to P17), each figure beside a baseline of the same run.

A private `endcap up` of the release build, fsync on; one store, 10,000 products, and a label for
each over mutual TLS. The labels run on the same cores: their TLS and MQTT is part of what a machine
has to do here, their own checks of signatures are not (--verify: they are).
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import label_floor
from bench_table import Table
from label_world import OURS, ROOT, STORE, Trouble, World, check_limits

PASSES = ("P14", "P10", "P12", "P17", "P16", "P15")  # the last leaves much to settle
BULK_SECONDS = 300
BULK_ROUNDS = 2  # of a rise and a fall each
CYCLE = re.compile(r'"productId":"([^"]*)".*?"version":(\d+|null)')


def say(text):
    print(f"label bench: {text}", file=sys.stderr, flush=True)


def options():
    parser = argparse.ArgumentParser(prog="script/bench labels",
                                     description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--labels", type=int, default=10000, help="how many (10000)")
    parser.add_argument("--only", nargs="+", choices=PASSES, default=PASSES,
                        help="these targets only")
    parser.add_argument("--seconds", type=float, default=20, help="of steady load (20)")
    parser.add_argument("--idle-seconds", type=float, default=60, help="of P16 (60)")
    parser.add_argument("--verify", action="store_true",
                        help="labels check signatures, 60 us each on these cores")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        help="the build directory")
    parser.add_argument("--keep", type=pathlib.Path,
                        help="the installation: made here, or used again")
    return parser.parse_args()


def percentile(values, share):
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else float("nan")


def rounded(figures, digits=1):
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in figures.items())


class Bench:
    def __init__(self, chosen, world, table):
        self.chosen, self.world, self.table = chosen, world, table
        self.count = chosen.labels
        row = world.sql("SELECT min(price_minor), max(price_minor) FROM item")[0]
        self.lowest, self.highest = map(int, row)  # of the prices products have or had
        self.floor = {}

    # --- P14 ---

    def memory(self):
        self.world.settle()
        figures = self.world.memory()
        held = {name: figures[name][0] for name in (*OURS, "broker")}
        shares = sum(figures[name][1] for name in held)
        self.table.add(
            "P14", f"memory with {self.count} labels connected", "MB resident, broker and platform",
            sum(held.values()), "PostgreSQL beside them, proportional share",
            figures["postgres"][1], 500, 300,
            f"{rounded(held)}; {shares:.0f} MB with shared pages counted once; broker "
            f"{held['broker'] * 1000 / self.count:.1f} KB a label")

    # --- P15 ---

    def restart(self):
        world = self.world
        before = world.cpu()
        world.fleet.stats(reset=True)
        os.kill(world.pid("broker"), 9)
        begun = time.monotonic()
        while world.fleet.stats()["losses"] < self.count:  # each has noticed
            time.sleep(0.01)
        world.fleet.wait(connected=True, seconds=300)
        took = time.monotonic() - begun
        world.fleet.wait(connected=True, synced=True, seconds=300)
        synced = time.monotonic() - begun
        after = world.cpu()
        spent = {name: after[name] - before[name] for name in after if name != "broker"}
        spent["broker"] = after["broker"]
        floor = self.count * 2 * self.floor["handshake_cpu_us"] / 1e6 / os.cpu_count()
        self.table.add(
            "P15", f"{self.count} labels back after kill -9 of the broker", "seconds",
            took, "handshakes alone: 4 signatures and checks and 2 agreements each, on all cores",
            floor, 15, 8, f"caught up with their shadows after {synced:.1f} s; CPU seconds "
            f"{rounded(spent)}: the fleet's part would be the labels' own")

    # --- P16 ---

    def idle(self):
        world = self.world
        world.settle()
        time.sleep(5)
        before, begun = world.cpu(), time.monotonic()
        time.sleep(self.chosen.idle_seconds)
        took = time.monotonic() - begun
        after = world.cpu()
        share = {name: 100 * (after[name] - before[name]) / took for name in after}
        ours = {name: share[name] for name in OURS}
        self.table.add(
            "P16", f"CPU with {self.count} idle labels", "% of a core, platform's processes",
            sum(ours.values()), "the broker's own", share["broker"], 3, 1,
            f"{rounded(ours, 2)}; beside them PostgreSQL {share['postgres']:.2f}, fleet "
            f"{share['fleet']:.2f}; {took:.0f} s")

    # --- P10 ---

    def next_price(self, direction):
        """In minor units: a rise, or a fall, for every product."""
        if direction == "rise":
            self.highest += 100
            return self.highest
        self.lowest -= 100
        return self.lowest

    def bulk_once(self, price_minor):
        """Seconds from the POST to the last recorded display, and CPU of each process."""
        world = self.world
        world.settle()
        updates = [{"productId": p, "price": price_minor / 100} for p in world.products]
        before, begun = world.cpu(), time.time()
        world.ask("POST", "/api/pricing/bulk-update", {"storeId": STORE, "updates": updates})
        posted = time.time() - begun
        until = time.monotonic() + BULK_SECONDS
        ask = ("SELECT count(*) FILTER (WHERE d.state = 'displayed'), extract(epoch FROM "
               f"max(d.finished_at)) FROM delivery d WHERE d.created_at >= to_timestamp({begun})")
        done, last = 0, 0.0
        while done < self.count:
            if time.monotonic() > until:
                raise Trouble(f"{done} of {self.count} displays after {BULK_SECONDS} s")
            time.sleep(0.1)
            row = world.sql(ask)[0]
            done, last = int(row[0]), float(row[1] or 0)
        after = world.cpu()
        return last - begun, posted, {name: after[name] - before[name] for name in after}

    def bulk(self):
        best = None
        for direction in ("rise", "fall") * BULK_ROUNDS:
            took, posted, cpu = self.bulk_once(self.next_price(direction))
            say(f"P10 {direction}: {self.count / took:.0f}/s, POST {posted:.2f} s of {took:.2f} s; "
                f"CPU s {rounded(cpu, 2)}")
            if best is None or took < best[1]:
                best = (direction, took, posted, cpu)
        direction, took, posted, cpu = best
        f = self.floor
        each = {"a signature": f["sign_us"], "two passages of the bare broker":
                2 * f["passage_cpu_us"], "six durable row changes in batches": 6 * f["row_us"]}
        if self.chosen.verify:
            each["a check"] = f["verify_us"]
        floor = os.cpu_count() * 1e6 / sum(each.values())
        spent = {name: value * 1e6 / self.count for name, value in cpu.items()}
        self.table.add(
            "P10", f"bulk of {self.count} prices, API to recorded display", "updates/s",
            self.count / took, "cores / (" + " + ".join(f"{k} {v:.0f} us" for k, v in each.items())
            + ")", floor, 5000, 10000,
            f"{direction}, best of {2 * BULK_ROUNDS}; the POST answered after {posted:.2f} s; CPU "
            f"us an update: {rounded(spent, 0)}; all {sum(spent.values()):.0f}")

    # --- P12 ---

    def steady(self, rate, direction):
        """(POST to recorded display in ms, POST's own in ms, failed)"""
        world, seconds = self.world, self.chosen.seconds
        world.settle()
        total = int(rate * seconds) + 64
        bodies = []
        for i in range(total):
            if i % self.count == 0:
                price_minor = self.next_price(direction)
            bodies.append(json.dumps({"storeId": STORE, "price": price_minor / 100,
                                      "productId": world.products[i % self.count]}))
        lines = self.load(seconds, [{"name": direction, "method": "POST", "rate": rate,
                                     "target": "/api/pricing/update", "bodies": bodies,
                                     "connections": 64}])
        begun = min(float(line[1]) for line in lines) / 1000
        world.settle()
        shown = {(sku, version): float(at) for sku, version, at in world.sql(
            "SELECT i.sku, p.version, 1000 * extract(epoch FROM d.finished_at) FROM delivery d "
            "JOIN price p USING (price_id) JOIN item i ON i.item_id = p.item_id WHERE "
            f"d.state = 'displayed' AND d.created_at >= to_timestamp({begun - 1})")}
        display, post, failed, unseen = [], [], 0, 0
        for _, due, took, status, body in lines:
            match = CYCLE.search(body)
            post.append(float(took))
            if status != "200" or match is None:
                failed += 1
            elif match.groups() in shown:
                display.append(shown[match.groups()] - float(due))
            else:
                unseen += 1
        return display, post, failed, unseen

    def load(self, seconds, plan):
        """The lines of endcap-rest-load's log, split."""
        home = self.world.home
        (home / "plan.json").write_text(json.dumps(plan))
        done = subprocess.run([self.world.build / "prog/bench/endcap-rest-load",
                               str(self.world.ports["api"]), str(seconds), home / "plan.json",
                               home / "load.log"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"endcap-rest-load: {done.stderr.strip()}")
        text = (home / "load.log").read_text(errors="replace")
        return [line.split(" ", 4) for line in text.split("\n") if line.count(" ") >= 4]

    def single(self):
        for rate in (100, 1000):
            for direction in ("rise", "fall"):
                before = self.world.cpu()
                display, post, failed, unseen = self.steady(rate, direction)
                after = self.world.cpu()
                spent = {n: (after[n] - before[n]) / self.chosen.seconds for n in after}
                note = (f"p50 {percentile(display, 0.5):.1f} ms, max "
                        f"{max(display, default=0):.0f}; POST alone p50 "
                        f"{percentile(post, 0.5):.1f}, p99 {percentile(post, 0.99):.1f}; "
                        f"{len(display)} displays, {failed} POSTs failed, {unseen} overtaken by a "
                        f"newer price; cores {rounded(spent, 2)}")
                self.table.add(
                    "P12", f"one price at {rate}/s, {direction}s: POST to display, p99",
                    "ms", percentile(display, 0.99), "round trip of the bare broker p99 + fsync",
                    self.floor["round_trip_p99_ms"] + self.floor["fsync_ms"], 100, 40, note)
                say(f"P12 {rate}/s {direction}: p99 {percentile(display, 0.99):.1f} ms, {note}")

    # --- P17 ---

    def endpoints(self):
        world = self.world
        label = "ESP32-000001"
        lists = {
            "devices": f"/api/devices?storeId={STORE}&limit=20", "device": f"/api/devices/{label}",
            "shadow": f"/api/devices/{label}/shadow", "products":
            f"/api/products?storeId={STORE}&limit=20", "price":
            f"/api/pricing/current/{world.products[0]}?storeId={STORE}", "history":
            f"/api/pricing/history/{world.products[0]}?storeId={STORE}", "deliveries":
            f"/api/pricing/deliveries?storeId={STORE}&limit=20", "alerts":
            f"/api/alerts?storeId={STORE}&limit=20", "jobs":
            f"/api/bulk-jobs?storeId={STORE}&limit=20",
            "telemetry": "/api/dead-letters?limit=20"}
        lists = {name: path for name, path in lists.items() if self.answers(path)}
        base = self.load(self.chosen.seconds / 2, [
            {"name": "health", "method": "GET", "target": "/healthz", "rate": 1000,
             "connections": 40}])
        base_ms = [float(line[2]) for line in base]
        before = world.cpu()
        lines = self.load(self.chosen.seconds, [
            {"name": name, "method": "GET", "target": path, "rate": 100, "connections": 4}
            for name, path in lists.items()])
        after = world.cpu()
        every = [float(line[2]) for line in lines]
        by_name = {name: percentile([float(n[2]) for n in lines if n[0] == name], 0.99)
                   for name in lists}
        failed = sum(line[3] != "200" for line in lines)
        spent = {n: (after[n] - before[n]) / self.chosen.seconds for n in ("api", "postgres")}
        self.table.add(
            "P17", f"{len(lists)} endpoints x 100 requests/s, p99", "ms", percentile(every, 0.99),
            "/healthz at 1,000/s, p99", percentile(base_ms, 0.99), 50, 20,
            f"p50 {percentile(every, 0.5):.1f}; p99 of each: {rounded(by_name)}; {failed} of "
            f"{len(lines)} failed; cores {rounded(spent, 2)}")

    def answers(self, path):
        try:
            self.world.ask("GET", path)
            return True
        except OSError as error:
            say(f"P17: {path} is left out: {error}")
            return False

    def run(self):
        self.floor = label_floor.measure(self.world)
        say(f"floors {self.floor}")
        steps = {"P14": self.memory, "P15": self.restart, "P16": self.idle, "P10": self.bulk,
                 "P12": self.single, "P17": self.endpoints}
        for name in PASSES:
            if name in self.chosen.only:
                say(name)
                steps[name]()


def measure(chosen, home, table):
    world = World(chosen.build.resolve(), home, chosen.labels,
                  ["--quiet"] + ([] if chosen.verify else ["--trust-platform"]))
    try:
        world.start()
        if not world.label_home.exists():
            say(f"furnished, seconds: {rounded(world.furnish())}")
        say(f"all connected and caught up after {world.connect():.1f} s")
        Bench(chosen, world, table).run()
    finally:
        world.stop()


def main():
    chosen, table = options(), Table()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped
    load = os.getloadavg()[0]
    try:
        check_limits(chosen.labels)
        if chosen.keep:
            chosen.keep.mkdir(parents=True, exist_ok=True)
            chosen.keep.chmod(0o755)
            measure(chosen, chosen.keep.resolve(), table)
        else:
            with tempfile.TemporaryDirectory(prefix="endcap-bench-") as home:
                os.chmod(home, 0o755)
                measure(chosen, pathlib.Path(home), table)
    except Trouble as trouble:
        say(trouble)
        return 1
    conditions = f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after; fsync on"
    if chosen.json:
        table.print_json(conditions=conditions)
    else:
        print(conditions)
        table.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
