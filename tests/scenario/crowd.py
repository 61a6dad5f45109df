"""A store of many items with a label each, for scenarios of the label half: `endcap up` as shipped,
the labels in one `endcap-fleet` that traces every content it is sent."""
import json
import pathlib
import shutil
import sys
import time
import urllib.error
import urllib.request

from scenario import ROOT, demo, directory

sys.path.insert(0, str(ROOT / "tests/fleet"))
import fleet  # noqa: E402  (the path comes first)
import shelf_truth  # noqa: E402

STORE = "STORE-CROWD-1"
MRP = 100
COLUMNS = "gtin,sku,name,category,price,mrp,weight_g,per_kg,stock,currency"
BACK_SECONDS = 120


def gtin(number):
    digits = f"02{number:010d}"
    total = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits))
    return f"{digits}{-total % 10}"


def first_price(number):
    return 20 + number % 60


class Answer(Exception):
    """What the platform refused, and its words."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {json.dumps(body)[:2000]}")
        self.status, self.body = status, body


class Crowd:
    """`count` items and labels; use as a context manager."""

    def __init__(self, build, count, master="platform"):
        self.build, self.count, self.master = build, count, master
        self.labels = None

    def __enter__(self):
        self.data = directory()
        self.platform = demo.Platform(self.build, self.data)
        try:
            self.platform.start()
            self.open()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if self.labels is not None:
            self.labels.kill()
        self.platform.stop()
        if kind is None:
            shutil.rmtree(self.data, ignore_errors=True)
        else:
            print(f"what happened is in {self.data}", file=sys.stderr)

    def open(self):
        self.platform.run("store", "create", "--store", STORE, "--partner", "CROWD", "--name",
                          "Crowd", "--region", "IN-MH", "--timezone", "Asia/Kolkata",
                          "--currency", "INR", "--master", self.master)
        self.skus = [f"SKU-{i:05d}" for i in range(self.count)]
        table = self.data / "items.csv"
        table.write_text("".join([COLUMNS + "\n"] + [
            f"{gtin(i)},{sku},Thing {i},Things,{first_price(i)},{MRP},100,no,5,INR\n"
            for i, sku in enumerate(self.skus)]))
        self.platform.run("catalog", "import", table, "--store", STORE)
        home = self.data / "labels"
        self.platform.run("device", "provision", "--kind", "label", "--store", STORE, "--device",
                          "ESP32-000001", "--count", str(self.count), "--out", home)
        self.ids = sorted(path.stem for path in home.glob("ESP32-*.crt"))
        self.sku_of = dict(zip(self.ids, self.skus, strict=True))
        self.ask("POST", "/api/devices/bind", {"storeId": STORE, "bindings": [
            {"deviceId": label, "productId": sku} for label, sku in self.sku_of.items()]})
        self.trace = home / "trace.jsonl"
        self.labels = fleet.Fleet.of_installation(
            self.build, self.data, labels=home, state=home / "state", home=home,
            more=["--trace", self.trace])
        self.labels.start()
        self.labels.wait(connected=True, synced=True, seconds=60 + self.count / 20)
        self.faces = {label: self.face(label) for label in self.ids}

    def face(self, label):
        """What of a label's content does not follow from its item."""
        display = self.get(f"/api/devices/{label}/shadow")["state"]["desired"]["display"]
        return display["language"], display["url"]

    # --- REST, through outages ---

    def ask(self, method, path, value=None, kind="application/json", seconds=BACK_SECONDS):
        body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        request = urllib.request.Request(self.platform.api + path, method=method, data=body,
                                         headers={"Content-Type": kind})
        end = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code < 500 or time.monotonic() > end:
                    raise Answer(error.code, json.load(error)) from None
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)

    def get(self, path):
        return self.ask("GET", path)

    def pages(self, path):
        cursor = ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000{cursor}")
            yield from page["items"]
            if not page.get("nextCursor"):
                return
            cursor = "&cursor=" + page["nextCursor"]

    def expected(self):
        """{label: digest} of what the price book says each should show."""
        products = {p["productId"]: p for p in self.pages(f"/api/products?storeId={STORE}")}
        return {label: shelf_truth.digest(products[self.sku_of[label]], *self.faces[label])
                for label in self.ids}

    def until(self, what, condition, seconds=BACK_SECONDS):
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
            time.sleep(0.1)

    def memory(self):
        """{process: resident MB}"""
        pids = json.loads((self.data / "run/pids.json").read_text())
        pids["fleet"] = self.labels.process.pid
        found = {}
        for name, pid in pids.items():
            try:
                pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
                found[name] = int(pages) * 4 // 1024
            except OSError:
                found[name] = None
        return found

    def traced(self):
        """Every content that reached a label or was drawn, in order."""
        with open(self.trace, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("}\n")]


__all__ = ["Answer", "Crowd", "MRP", "STORE", "first_price", "gtin", "shelf_truth"]
