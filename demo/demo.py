#!/usr/bin/env python3
"""A store in a terminal: virtual carts shop, prices change on 200 labels, and what is left is checked.

The last line is one JSON object; the exit code is 0 only when nothing was lost, counted twice, out
of order or left unreconciled, and every label shows what the price book says.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error

import labels
import shopping
import verify

ROOT = pathlib.Path(__file__).resolve().parents[1]
STORE = "STORE-MUM-01"
DRAIN_SECONDS = 90
PROVISIONED_SECONDS = 1.5  # ingest learns of new devices each second


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failed(Exception):
    pass


def options():
    parser = argparse.ArgumentParser(prog="script/demo", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, help="end by itself after so long")
    parser.add_argument("--chaos", action="store_true",
                        help="kill broker, ingest, worker and database, cut networks and power, "
                        "repeat and reorder")
    parser.add_argument("--carts", type=int, default=20, help="how many (20)")
    parser.add_argument("--labels", type=int, default=200, help="how many (200; 0: none)")
    parser.add_argument("--pace-ms", type=int, default=400, help="between two scans (400)")
    parser.add_argument("--baskets", type=pathlib.Path, default=ROOT / "demo/baskets.csv")
    parser.add_argument("--catalog", type=pathlib.Path, default=ROOT / "demo/catalog.csv")
    parser.add_argument("--data", type=pathlib.Path,
                        help="keep the installation here (else a temporary directory)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        help="the build directory to run from")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    for path in (chosen.baskets, chosen.catalog):
        if not path.is_file():
            parser.error(f"{path} cannot be read; name another file")
    if not 1 <= chosen.carts <= 500:
        parser.error("--carts must be from 1 to 500")
    if not 0 <= chosen.labels <= 10000:
        parser.error("--labels must be from 0 to 10000")
    return chosen


def begin(argv, **files):
    """A process in a group of its own: Ctrl-C reaches this script alone, which then stops things
    in order."""
    return subprocess.Popen(argv, process_group=0, stdin=subprocess.DEVNULL, **files)


class Platform:
    """`endcap up` in a data directory, and the commands that go with it."""

    def __init__(self, build, data):
        self.endcap = build / "prog/endcap/endcap"
        self.data = data
        self.process = None

    def run(self, *words):
        done = subprocess.run([self.endcap, *words, "--data", self.data], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise Failed(f"endcap {' '.join(map(str, words[:2]))}: {done.stderr.strip()}")
        return done.stdout

    def start(self, broker_port=0, api_port=0):
        ready = self.data / "run/ports.json"
        ready.unlink(missing_ok=True)  # of one that was killed
        with open(self.data / "up.log", "ab") as log:
            self.process = begin(
                [self.endcap, "up", "--data", self.data, "--broker-port", str(broker_port),
                 "--api-port", str(api_port)], stdout=subprocess.DEVNULL, stderr=log)
        while not ready.exists():
            if self.process.poll() is not None:
                words = (self.data / "up.log").read_text(errors="replace").strip().split("\n")
                raise Failed(f"endcap up ended: {words[-1]}")
            time.sleep(0.05)
        self.ports = json.loads(ready.read_text())
        self.api = f"http://127.0.0.1:{self.ports['api']}"

    def pid_of(self, name):
        return json.loads((self.data / "run/pids.json").read_text()).get(name, 0)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)


class Cart:
    """One `endcap-cart` process; power() is a cut and a return."""

    def __init__(self, number, platform, build, trips, chosen):
        self.name = f"CART-{number:06d}"
        self.home = platform.data / "carts" / self.name
        self.home.mkdir(parents=True)
        platform.run("device", "provision", "--kind", "cart", "--store", STORE,
                     "--device", self.name, "--out", self.home)
        self.journal = self.home / "journal.jsonl"
        self.journal.touch()
        self.argv = [build / "prog/cart/endcap-cart", "--cart", self.name, "--store", STORE,
                     "--broker", f"127.0.0.1:{platform.ports['broker']}",
                     "--ca", platform.data / "ca/ca.crt",
                     "--cert", self.home / f"{self.name}.crt",
                     "--key", self.home / f"{self.name}.key",
                     "--platform-key", platform.data / "ca/platform.pub",
                     "--state", self.home / "state", "--trips", trips, "--loop",
                     "--journal", self.journal, "--pace", str(chosen.pace_ms),
                     "--decline", "0.05", "--mismatch", "0.05", "--identify", "0.4"]
        if chosen.chaos:
            self.argv += ["--replay", "0.1", "--reorder", "0.1", "--drop", "0.05"]
        self.seed = chosen.seed * 1000 + number
        self.process = None

    def start(self):
        self.seed += 500
        with open(self.home / "cart.out", "ab") as out, open(self.home / "cart.log", "ab") as log:
            self.process = begin([*self.argv, "--seed", str(self.seed)], stdout=out, stderr=log)

    def cut_power(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def cut_network(self):
        self.process.send_signal(signal.SIGUSR1)

    def ask_to_finish(self):
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def wreak(platform, carts, shelf, rng, counts):
    """One piece of bad luck."""
    what = rng.choice(["broker", "ingest", "worker", "postgres", "network", "network", "power",
                       "power"] + ["labels"] * 5 * (shelf is not None))
    if what == "labels":
        what = shelf.wreak(rng)
        counts[what] = counts.get(what, 0) + 1
        return
    counts[what] = counts.get(what, 0) + 1
    if what == "network":
        for cart in rng.sample(carts, max(1, len(carts) // 4)):
            cart.cut_network()
    elif what == "power":
        rng.choice(carts).cut_power()
    else:
        pid = platform.pid_of(what)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def check_alive(platform, carts, shelf=None):
    if platform.process.poll() is not None:
        raise Failed("endcap up ended by itself; its log is up.log")
    if shelf is not None and not shelf.fleet.is_running():
        raise Failed(f"the labels ended by themselves; their log is {shelf.fleet.log}")
    for cart in carts:
        if cart.process.poll() is not None:
            raise Failed(f"{cart.name} ended by itself; its log is {cart.home}/cart.log")


def shop(platform, carts, shelf, chosen):
    """Until time is up or Ctrl-C; the live view is `endcap watch` itself."""
    rng = random.Random(chosen.seed)
    counts = {}
    watch = subprocess.Popen([platform.endcap, "watch", "--data", platform.data],
                             stdout=sys.stderr.fileno())
    end = time.monotonic() + chosen.seconds if chosen.seconds else None
    trouble = time.monotonic() + 3
    if shelf is not None:
        shelf.begin_pricing(random.Random(chosen.seed + 1))
    try:
        while end is None or time.monotonic() < end:
            time.sleep(0.1)
            check_alive(platform, carts, shelf)
            if chosen.chaos and time.monotonic() > trouble:
                wreak(platform, carts, shelf, rng, counts)
                trouble = time.monotonic() + rng.uniform(0.5, 4)
    except KeyboardInterrupt:
        say("stopping: the carts finish their trips (Ctrl-C again leaves at once)")
    finally:
        if shelf is not None:
            shelf.end_pricing()
        watch.terminate()
        watch.wait()
    return counts


def drain(carts):
    """Every cart ends its trip and waits until all it made is acknowledged."""
    for cart in carts:
        cart.ask_to_finish()
    end = time.monotonic() + DRAIN_SECONDS
    late = []
    for cart in carts:
        try:
            if cart.process.wait(timeout=max(0.1, end - time.monotonic())) != 0:
                late.append(cart.name)
        except subprocess.TimeoutExpired:
            cart.process.kill()
            cart.process.wait()
            late.append(cart.name)
    return late


def settle(platform, carts, label_events=None):
    """The verdict once sessions are reconciled: the last step may lag a moment."""
    end = time.monotonic() + 20
    while True:
        try:
            result = verify.compare(platform.api, [c.name for c in carts],
                                    [c.journal for c in carts], label_events)
            if result["unreconciled"] == 0 and result["lost"] == 0:
                return result
        except (urllib.error.URLError, ConnectionError) as error:
            result = {"error": str(error)}
        if time.monotonic() > end:
            return result
        time.sleep(0.5)


def open_store(platform, chosen, data, carts):
    """Starts the platform, fills a store, and appends its carts, already shopping."""
    platform.start()
    platform.run("store", "create", "--store", STORE, "--partner", "DEMO", "--name",
                 "Endcap demo, Andheri", "--region", "IN-MH", "--timezone", "Asia/Kolkata",
                 "--currency", "INR", "--master", "platform")
    say(platform.run("catalog", "import", chosen.catalog, "--store", STORE).strip()
        .split("\n")[-1])
    products = data / "products.csv"
    products.write_text(platform.run("catalog", "list", "--store", STORE))
    shelf = shopping.Shelf(shopping.read_products(products))
    baskets = shopping.read_baskets(chosen.baskets)
    rng = random.Random(chosen.seed)
    for number in range(1, chosen.carts + 1):
        trips = data / f"trips-{number}.txt"
        rng.shuffle(baskets)
        shopping.write_trips(trips, baskets, shelf, chosen.seed + number)
        carts.append(Cart(number, platform, chosen.build, trips, chosen))
    time.sleep(PROVISIONED_SECONDS)
    for cart in carts:
        cart.start()


def open_shelf(platform, chosen):
    """The store's labels, hung, connected and showing what they should; None for none."""
    if chosen.labels == 0:
        return None
    shelf = labels.Labels(platform, chosen.build, STORE, chosen.labels, chosen.seed)
    products = [p["productId"] for p in
                verify.pages(platform.api, f"/api/products?storeId={STORE}")]
    shelf.hang(products, random.Random(chosen.seed))
    shelf.start()
    return shelf


def run(chosen, data):
    platform = Platform(chosen.build, data)
    carts = []
    shelf = None
    try:
        say(f"starting the platform in {data}")
        open_store(platform, chosen, data, carts)
        shelf = open_shelf(platform, chosen)
        say(f"{len(carts)} carts are shopping, {chosen.labels} labels show prices; "
            f"REST is at {platform.api}")
        counts = shop(platform, carts, shelf, chosen)
        say("draining: carts finish their trips, labels show the last prices")
        late = drain(carts)
        shown = shelf.settle() if shelf is not None else {}
        result = settle(platform, carts, shown.get("label_events"))
        result.update(shown)
        if shelf is not None:
            for label in shelf.wrong[:10]:
                say("wrong on shelf: " + json.dumps(label))
        if chosen.chaos:
            say("chaos: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
        if late:
            say("not drained: " + ", ".join(late))
        print(json.dumps(result), flush=True)
        zero = verify.ZERO + (() if shelf is None else labels.ZERO)
        return 0 if all(result.get(name, 1) == 0 for name in zero) and not late else 1
    finally:
        if shelf is not None:
            shelf.fleet.kill()
        for cart in carts:
            cart.kill()
        platform.stop()


def leave(_signal, _frame):
    raise KeyboardInterrupt


def main():
    chosen = options()
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    data = chosen.data or pathlib.Path(tempfile.mkdtemp(prefix="endcap-demo-"))
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o755)  # PostgreSQL runs as its own user and must pass through
    try:
        code = run(chosen, data.resolve())
    except Failed as error:
        say(f"script/demo: {error}")
        code = 1
    except KeyboardInterrupt:
        code = 130
    if chosen.data is None and code == 0:
        shutil.rmtree(data, ignore_errors=True)
    elif code != 0:
        say(f"what happened is in {data}")
    return code


if __name__ == "__main__":
    sys.exit(main())
