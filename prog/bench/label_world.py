"""What the label targets are measured on: a private `endcap up`, one store of many products, a
label for each of them in one `endcap-fleet`, and what /proc and PostgreSQL say about it."""
import csv
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/fleet"))
import fleet  # noqa: E402  (the path comes first)

STORE = "STORE-BENCH-01"
FIRST = "ESP32-000001"
BIND_ROWS = 5000
START_SECONDS = 60
TICK = os.sysconf("SC_CLK_TCK")
OURS = ("up", "ingest", "worker", "api")


class Trouble(Exception):
    """The figures cannot be taken; the words say why."""


def check_limits(labels):
    """Every label is a descriptor in the broker and one in the fleet."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = labels + 500
    if hard < need:
        raise Trouble(f"the open-file limit of {hard} is too low for {labels} labels: broker and "
                      f"fleet need {need} each; raise it (ulimit -n) or choose --labels")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def children(pid):
    """The process and all below it."""
    every = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                every += children(int(child))
        except OSError:
            pass  # it has ended
    return every


def cpu_seconds(pid):
    """Of one process alone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / TICK


def memory_mb(pid):
    """(resident, proportional share), in MB of 10^6 bytes."""
    figures = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n"):
        words = line.split()
        if len(words) == 3 and words[2] == "kB":
            figures[words[0]] = int(words[1]) * 1024 / 1e6
    return figures["Rss:"], figures["Pss:"]


class World:
    """The installation, its store and its labels."""

    def __init__(self, build, home, labels, fleet_options=()):
        self.build, self.home, self.count = build, home, labels
        self.endcap = build / "prog/endcap/endcap"
        self.data = home / "data"
        self.label_home = home / "labels"
        self.fleet_options = list(fleet_options)
        self.up = self.fleet = None
        self.products = [f"P{i:05d}" for i in range(labels)]

    # --- the platform ---

    def run(self, *words):
        done = subprocess.run([self.endcap, *words, "--data", self.data], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"endcap {' '.join(map(str, words[:2]))}: {done.stderr.strip()}")

    def start(self):
        ready = self.data / "run/ports.json"
        ready.unlink(missing_ok=True)  # of one that was killed
        with open(self.home / "up.log", "ab") as log:
            self.up = subprocess.Popen(
                [self.endcap, "up", "--data", self.data, "--broker-port", "0", "--api-port", "0"],
                process_group=0, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self.up.poll() is not None or time.monotonic() > until:
                words = (self.home / "up.log").read_text(errors="replace").strip().split("\n")
                raise Trouble(f"endcap up does not start: {words[-1]}")
            time.sleep(0.05)
        self.ports = json.loads(ready.read_text())

    def stop(self):
        if self.fleet is not None:
            self.fleet.kill()
        if self.up is not None and self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
            self.up.wait(timeout=60)

    def ask(self, method, path, value=None, seconds=120):
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['api']}{path}",
                                         method=method, data=body,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)

    def sql(self, statement):
        """The rows of a query as lists of texts, read as PostgreSQL's owner."""
        password = (self.data / "secrets/pg-postgres.password").read_text().strip()
        done = subprocess.run(
            ["psql", "-X", "-A", "-t", "-F", "\t", "-h", self.data / "run/pg", "-U", "postgres",
             "-d", "endcap", "-c", statement], env={**os.environ, "PGPASSWORD": password},
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"psql: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.split("\n") if line]

    # --- the store ---

    def furnish(self):
        """Products, labels, and each label bound to a product of its own; seconds each took."""
        took = {}
        catalogue = self.home / "catalogue.csv"
        with open(catalogue, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["sku", "name", "price", "mrp"])
            rows.writerows([p, f"Product {p}", "500.00", "999999.99"] for p in self.products)
        self.run("store", "create", "--store", STORE, "--partner", "BENCH", "--name", "Bench",
                 "--master", "platform")
        begun = time.monotonic()
        self.run("catalog", "import", catalogue, "--store", STORE, "--quiet")
        took["import"] = time.monotonic() - begun
        begun = time.monotonic()
        self.run("device", "provision", "--kind", "label", "--store", STORE, "--device", FIRST,
                 "--count", str(self.count), "--out", self.label_home)
        took["provision"] = time.monotonic() - begun
        begun = time.monotonic()
        names = sorted(path.stem for path in self.label_home.glob("ESP32-*.crt"))
        pairs = [{"deviceId": label, "productId": product}
                 for label, product in zip(names, self.products)]
        for at in range(0, len(pairs), BIND_ROWS):
            self.ask("POST", "/api/devices/bind",
                     {"storeId": STORE, "bindings": pairs[at:at + BIND_ROWS]})
        took["bind"] = time.monotonic() - begun
        return took

    def connect(self):
        """Starts the fleet; seconds until all labels were connected and showed their products."""
        # Labels whose flash forgot its counters would tell only what the platform has already.
        self.fleet = fleet.Fleet.of_installation(self.build, self.data, labels=self.label_home,
                                                 home=self.home, state=self.home / "state",
                                                 more=self.fleet_options)
        begun = time.monotonic()
        self.fleet.start()
        self.fleet.wait(connected=True, synced=True, seconds=600)
        return time.monotonic() - begun

    def settle(self, seconds=60):
        """Until no delivery is under way."""
        until = time.monotonic() + seconds
        while True:
            left = int(self.sql("SELECT count(*) FROM delivery WHERE finished_at IS NULL")[0][0])
            if left == 0:
                return
            if time.monotonic() > until:
                raise Trouble(f"{left} deliveries are still under way after {seconds} s")
            time.sleep(0.2)

    # --- what it costs ---

    def pid(self, name):
        if name == "up":
            return self.up.pid
        if name == "fleet":
            return self.fleet.process.pid
        return json.loads((self.data / "run/pids.json").read_text())[name]

    def cpu(self):
        """CPU seconds so far of each process; PostgreSQL with all its own."""
        figures = {name: cpu_seconds(self.pid(name)) for name in (*OURS, "broker", "fleet")}
        figures["postgres"] = sum(map(cpu_seconds, children(self.pid("postgres"))))
        return figures

    def memory(self):
        """{process: (resident, proportional)} in MB."""
        figures = {name: memory_mb(self.pid(name)) for name in (*OURS, "broker", "fleet")}
        shares = [memory_mb(pid) for pid in children(self.pid("postgres"))]
        figures["postgres"] = tuple(sum(column) for column in zip(*shares))
        return figures
