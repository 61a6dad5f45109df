"""The labels of the demonstration: 200 in one `endcap-fleet`, bound to products, whose prices change
while carts shop."""
import datetime
import json
import math
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.request

import shelf_truth
import verify

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/fleet"))
import fleet  # noqa: E402  (the path comes first)

# What must be 0 for a run to be good, beside verify.ZERO.
ZERO = ("wrong_on_shelf", "pending", "price_refused", "label_events_lost")
LANGUAGES = ("en", "hi", "ta", "te", "bn", "mr")  # an aisle each
FIRST = "ESP32-000001"
PAUSE_SECONDS = 0.25  # between two price changes
BULK_EVERY = 20       # price changes
QUIET_SECONDS = 150   # a label's longest pause between attempts is 66 s


def send(api, method, path, value):
    request = urllib.request.Request(api + path, method=method, data=json.dumps(value).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Labels:
    """The labels of one store and what is done to them."""

    def __init__(self, platform, build, store, count, seed):
        self.platform, self.store, self.count = platform, store, count
        self.home = platform.data / "labels"
        platform.run("device", "provision", "--kind", "label", "--store", store, "--device", FIRST,
                     "--count", str(count), "--out", self.home)
        self.ids = sorted(path.stem for path in self.home.glob("ESP32-*.crt"))
        self.fleet = fleet.Fleet.of_installation(
            build, platform.data, labels=self.home, state=self.home / "state", home=self.home,
            seed=seed)
        self.stop_pricing = threading.Event()
        self.pricing = None
        self.changes = self.refused = self.missed = 0
        self.since = ""

    def hang(self, products, rng):
        """Every label gets a place and a product; an aisle speaks one language."""
        api = self.platform.api
        for number, language in enumerate(LANGUAGES, 1):
            send(api, "PUT", f"/api/stores/{self.store}/sections/{number}", {"language": language})
        for index, label in enumerate(self.ids):
            send(api, "PUT", f"/api/devices/{label}/location",
                 {"aisle": str(1 + index % len(LANGUAGES)), "shelf": str(1 + index // 60),
                  "position": str(1 + index // len(LANGUAGES) % 10)})
        # Every product of the first ones twice: a price has to come to more than one label.
        shown = rng.sample(products, min(len(products), (self.count * 2 + 2) // 3))
        send(api, "POST", "/api/devices/bind", {"storeId": self.store, "bindings": [
            {"deviceId": label, "productId": shown[index % len(shown)]}
            for index, label in enumerate(self.ids)]})
        self.products = shown

    def start(self):
        self.fleet.start()
        self.fleet.wait(connected=True, synced=True, seconds=60)

    # --- prices ---

    def begin_pricing(self, rng):
        self.since = datetime.datetime.now(datetime.UTC).isoformat("T", "milliseconds")
        self.pricing = threading.Thread(target=self.change_prices, args=(rng,), daemon=True)
        self.pricing.start()

    def end_pricing(self):
        self.stop_pricing.set()
        if self.pricing:
            self.pricing.join()

    def change_prices(self, rng):
        facts = {p["productId"]: p for p in
                 verify.pages(self.platform.api, f"/api/products?storeId={self.store}")}
        turn = 0
        while not self.stop_pricing.wait(PAUSE_SECONDS):
            turn += 1
            some = rng.sample(self.products, 30 if turn % BULK_EVERY == 0 else 1)
            updates = [{"productId": p, "price": price_for(facts[p], rng)} for p in some]
            self.change(updates)

    def change(self, updates):
        try:
            if len(updates) == 1:
                send(self.platform.api, "POST", "/api/pricing/update",
                     {"storeId": self.store, **updates[0]})
            else:
                send(self.platform.api, "POST", "/api/pricing/bulk-update",
                     {"storeId": self.store, "updates": updates})
            self.changes += len(updates)
        except urllib.error.HTTPError as error:
            # Under chaos the database may be away: said with 503, and then nothing was changed.
            self.refused += error.code < 500
            self.missed += error.code >= 500
        except OSError:
            self.missed += 1

    # --- trouble ---

    def wreak(self, rng):
        """One piece of bad luck for some of them; its name."""
        what = rng.choice(["brownout", "cut", "offline", "loss", "delay", "sleep", "reboot",
                           "clock", "fleet"])
        if what == "fleet":
            self.fleet.kill()
            self.fleet.start()
            return "labels off and on"
        parameters = {"brownout": {"writes": rng.randint(1, 40)}, "cut": {"ms": 4000},
                      "offline": {"ms": 6000}, "loss": {"up": 20, "down": 20},
                      "delay": {"least": 0, "most": 400}, "sleep": {"ms": 5000}, "reboot": {},
                      "clock": {"ahead": rng.choice([3600000, 86400000])}}[what]
        self.fleet.act("10%", what, **parameters)
        return f"label {what}"

    # --- the verdict ---

    def settle(self):
        """Once prices rest: heals every label, waits until no delivery is under way, and compares."""
        self.fleet.act("all", "heal")
        end = time.monotonic() + QUIET_SECONDS
        while True:
            try:
                result = self.verdict()
                if all(result[name] == 0 for name in ZERO) or time.monotonic() > end:
                    return result
            except OSError as error:  # the platform may still be coming back
                if getattr(error, "code", 503) < 500 or time.monotonic() > end:
                    raise
            time.sleep(1)

    def verdict(self):
        devices = self.fleet.dump("labels")
        shown = {name: label["digest"] for name, label in devices.items()}
        wrong = shelf_truth.wrong(self.platform.api, self.store, shown)
        counts, p99_ms = shelf_truth.deliveries(self.platform.api, self.store,
                                                    self.since)
        self.events, lost = shelf_truth.label_events(self.platform.api, {
            name: (label["epoch"], label["lastCounter"]) for name, label in devices.items()})
        self.wrong = wrong
        return {
            "labels": len(shown),
            "price_changes": self.changes,
            "price_refused": self.refused,
            "price_updates": sum(counts.values()),
            "displayed": counts.get("displayed", 0),
            "superseded": counts.get("superseded", 0),
            "pending": sum(counts.get(state, 0) for state in ("queued", "sent", "pending")),
            "failed": counts.get("failed", 0),
            "label_events": self.events,
            "label_events_lost": lost,
            "wrong_on_shelf": len(wrong),
            "p99_display_ms": p99_ms,
        }


def price_for(product, rng):
    """A whole or half rupee between half and all of the MRP."""
    most = product["mrp"] or product["price"] * 1.2
    return max(0.5, math.floor(rng.uniform(0.5, 1.0) * most * 2) / 2)
