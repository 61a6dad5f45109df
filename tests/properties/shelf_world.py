"""A running platform for property tests: `endcap up`, a store, products, and labels in one
`endcap-fleet`; a directory of its own that is removed.

A test that proves a property carries its tag as a docstring and calls `proved` at its end.
"""
import concurrent.futures
import csv
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/scenario"), str(ROOT / "tests/python_client")]
from scenario import BUILD, demo, directory  # noqa: E402  (the path comes first)
from test_wire_client import SKIPPED, missing  # noqa: E402
from titles import TITLES  # noqa: E402
import labels as demo_labels  # noqa: E402
import shelf_truth  # noqa: E402
import verify  # noqa: E402

CASES = 100
LANGUAGES = ("en", "hi", "ta", "te", "bn", "mr")
WORDS = {"en": "Rice Milk Tea Wheat Sugar Salt Oil", "hi": "चावल दूध चाय गेहूँ चीनी नमक तेल",
         "ta": "அரிசி பால் தேநீர் கோதுமை சர்க்கரை உப்பு எண்ணெய்",
         "te": "బియ్యం పాలు టీ గోధుమ చక్కెర ఉప్పు నూనె",
         "bn": "চাল দুধ চা গম চিনি লবণ তেল", "mr": "तांदूळ दूध चहा गहू साखर मीठ तेल"}
HTTP_THREADS = 8
DISPLAY_SECONDS = 40  # two cores may be busy with other tests


def proved(number, cases=CASES):
    """To be called once all that a property asks for was seen."""
    assert cases >= CASES, f"only {cases} cases"
    print(f"Feature: smartshelf-india, Property {number}: {TITLES[number]} ({cases} cases)",
          flush=True)


def parallel(function, items):
    with concurrent.futures.ThreadPoolExecutor(HTTP_THREADS) as pool:
        return list(pool.map(function, items))


def wait_for(condition, what, seconds=DISPLAY_SECONDS, pause=0.1):
    """The first true answer of condition()."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(pause)


def minor(price):
    return round(price * 100)


class World:
    """`fleet` has the labels `labels`; `rng` is where every random thing comes from."""

    def __init__(self):
        self.seed = int(os.environ.get("ENDCAP_SEED") or time.time_ns() % 2**32)
        self.rng = random.Random(self.seed)
        print(f"ENDCAP_SEED={self.seed}", flush=True)
        self.data = directory()
        self.platform = demo.Platform(BUILD, self.data)
        self.fleet = None
        self.labels, self.urls = [], {}

    def start(self):
        self.platform.start()
        self.api = self.platform.api
        return self

    def stop(self, keep=False):
        if self.fleet:
            self.fleet.kill()
        self.platform.stop()
        if keep:
            print(f"what happened is in {self.data}", file=sys.stderr)
        else:
            shutil.rmtree(self.data, ignore_errors=True)

    # --- REST ---

    def ask(self, method, path, body=None, kind="application/json"):
        """The answer's object; urllib.error.HTTPError for a refusal."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, method=method, data=data,
                                         headers={"Content-Type": kind,
                                                  "Idempotency-Key": str(uuid.uuid4())})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def get(self, path):
        return self.ask("GET", path)

    def text(self, path):
        with urllib.request.urlopen(self.api + path, timeout=60) as answer:
            return answer.read().decode()

    def pages(self, path):
        return list(verify.pages(self.api, path))

    def refused(self, method, path, body=None, kind="application/json"):
        """(status, error) of what must be refused."""
        try:
            self.ask(method, path, body, kind)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]
        raise AssertionError(f"{method} {path} was taken, and should be refused")

    def sql(self, text):
        """For what only time brings about: moves the past of the private cluster."""
        password = next((self.data / "secrets").glob("*postgres*")).read_text().strip()
        socket = next(p for p in (self.data / "run").rglob(".s.PGSQL.*") if p.is_socket()).parent
        done = subprocess.run(
            ["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U",
             "postgres", "-d", "endcap", "-c", f"SET search_path = endcap; {text}"],
            env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr}")
        return done.stdout.strip()

    # --- a store and its labels ---

    def make_store(self, store, region="IN-KA", *options):
        self.platform.run("store", "create", "--store", store, "--partner", "PROPERTIES", "--name",
                          store, "--region", region, "--timezone", "Asia/Kolkata", "--currency",
                          "INR", "--master", "platform", *options)

    def random_texts(self, languages):
        return {language: " ".join(self.rng.choices(WORDS[language].split(),
                                                    k=self.rng.randint(1, 4)))
                + f" {self.rng.randint(1, 999)}" for language in languages}

    def some_languages(self):
        """English, and each of the others as often as not."""
        return ["en"] + [name for name in LANGUAGES[1:] if self.rng.random() < 0.5]

    def random_product(self, number):
        mrp = self.rng.randint(1000, 50000)
        return {"productId": f"P-{number:04d}", "name": self.random_texts(self.some_languages()),
                "price": self.rng.randint(500, mrp) / 100, "mrp": mrp / 100,
                "perKg": self.rng.random() < 0.2}

    def make_products(self, store, count):
        """Their SKUs; by an import, which is faster than one request each."""
        made = [self.random_product(n) for n in range(count)]
        with open(self.data / "products.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["sku", "price", "mrp", "per_kg", "weight_g", "name"]
                          + [f"name_{name}" for name in LANGUAGES[1:]])
            for p in made:
                rows.writerow([p["productId"], f"{p['price']:.2f}", f"{p['mrp']:.2f}",
                               "yes" if p["perKg"] else "no", 500]
                              + [p["name"].get(name, "") for name in LANGUAGES])
        self.platform.run("catalog", "import", self.data / "products.csv", "--store", store)
        return [product["productId"] for product in made]

    def products(self, store):
        return {p["productId"]: p for p in self.pages(f"/api/products?storeId={store}")}

    def other_price(self, product):
        """Another one than it has, at most its MRP."""
        while True:
            price = self.rng.randint(50, minor(product["mrp"])) / 100
            if minor(price) != minor(product["price"]):
                return price

    @property
    def home(self):
        return self.data / "labels"

    def provision(self, store, first, count, home=None):
        """Their ids."""
        home = home or self.home
        before = set(home.glob("ESP32-*.crt"))
        self.platform.run("device", "provision", "--kind", "label", "--store", store, "--device",
                          first, "--count", str(count), "--out", home)
        return sorted(path.stem for path in set(home.glob("ESP32-*.crt")) - before)

    def place(self, label, aisle):
        return self.ask("PUT", f"/api/devices/{label}/location",
                        {"aisle": aisle, "shelf": str(self.rng.randint(1, 9)),
                         "position": self.rng.choice(("left", "middle", "right"))})

    def bind(self, store, bindings):
        """{label: SKU}"""
        self.ask("POST", "/api/devices/bind", {"storeId": store, "bindings": [
            {"deviceId": label, "productId": sku} for label, sku in bindings.items()]})

    def open_fleet(self, *more):
        self.fleet = demo_labels.fleet.Fleet.of_installation(
            BUILD, self.data, labels=self.home, state=self.home / "state", home=self.home,
            seed=self.seed % 2**31, more=more)
        self.fleet.start()
        self.labels = sorted(self.fleet.dump("labels"))

    def all_there(self):
        self.fleet.wait(connected=True, synced=True, seconds=60)

    # --- the truth about the shelf ---

    def url(self, label, sku):
        """Of the tag: the product's, told by any label's desired content."""
        if sku not in self.urls:
            display = self.get(f"/api/devices/{label}/shadow")["state"]["desired"]["display"]
            assert display["productId"] == sku, (label, sku, display)
            self.urls[sku] = display["url"]
        return self.urls[sku]

    def expected(self, store, bindings, language):
        """{label: what its panel must say} by the products' own words; `language`: of a label."""
        facts = self.products(store)
        parallel(lambda pair: self.url(*pair), bindings.items())
        return {label: {"digest": shelf_truth.digest(facts[sku], language(label), self.urls[sku]),
                        "priceMinor": minor(facts[sku]["price"])}
                for label, sku in bindings.items()}

    def shown(self, expected, seconds=DISPLAY_SECONDS):
        """Waits until each panel says so, as the panels themselves tell; then the dump."""
        self.fleet.wait_shown(expected, seconds)
        return self.fleet.dump(list(expected))

    def settled(self, store):
        """Waits until no delivery of the store is under way."""
        def under_way():
            return not any(self.get(f"/api/pricing/deliveries?storeId={store}&state={state}"
                                    "&limit=1")["items"] for state in ("queued", "sent", "pending"))
        wait_for(under_way, "no delivery is under way")

    def events(self, label):
        """[(epoch, counter, body)] of a label's own events, as the platform gives them."""
        return [(event["epoch"], event["counter"], json.loads(event["raw"]))
                for event in self.pages(f"/api/telemetry?device={label}")]

    def alerts(self, store, kind, status="open"):
        return self.pages(f"/api/alerts?storeId={store}&kind={kind}&status={status}")


class Feed(threading.Thread):
    """Reads /api/feed; `seen` holds (event, data)."""

    def __init__(self, world, store):
        super().__init__(daemon=True)
        self.stream = urllib.request.urlopen(f"{world.api}/api/feed?storeId={store}", timeout=120)
        self.seen = []
        self.start()

    def run(self):
        event = ""
        try:
            for line in self.stream:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    self.seen.append((event, json.loads(value)))
        except (OSError, ValueError, AttributeError):
            pass  # the platform has stopped

    def alerts(self, kind):
        return [data for event, data in list(self.seen) if event == "alert"
                and data["kind"] == kind]


class Properties(unittest.TestCase):
    """One platform for all tests of a class; tests run in the order of their names."""
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(lambda: cls.world.stop(keep=cls.failed))
        cls.failed = True
        begun = time.monotonic()
        cls.world.start()
        cls.open_shop()
        cls.failed = False
        print(f"opened after {time.monotonic() - begun:.1f} s", flush=True)

    def setUp(self):
        self.world.fleet.act("labels", "heal")  # of what a test that failed left behind
        self.world.all_there()

    def run(self, result=None):
        begun = time.monotonic()
        outcome = super().run(result)
        print(f"{self.id()}: {time.monotonic() - begun:.1f} s", flush=True)
        if outcome and (outcome.failures or outcome.errors):
            type(self).failed = True
        return outcome


def main():
    words = missing() or (None if shutil.which("psql") else "psql is not installed")
    if words:
        print(words)
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])


__all__ = ["CASES", "Feed", "LANGUAGES", "Properties", "World", "main", "minor", "parallel",
           "proved", "shelf_truth", "verify", "wait_for", "urllib"]
