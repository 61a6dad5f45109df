#!/usr/bin/env python3
"""Properties of devices (P1 to P6) and of being offline (P41 to P45) with 110 labels over the
platform as it is shipped. Usage: test_properties_devices.py BUILD_DIRECTORY"""
import collections
import datetime
import json
import random
import re
import ssl
import subprocess

from shelf_world import (CASES, Feed, LANGUAGES, Properties, main, minor, parallel, proved,
                         wait_for)
import forged
import mqtt

STORE = "STORE-DEVICES"
STRANGERS = "STORE-PAPERS"  # of devices that only knock
LABELS = 110
PRODUCTS = 60
LOW_PCT, ENOUGH_PCT = 20, 25
FLAWS = {"expired": "certificate has expired", "not yet valid": "certificate is not yet valid",
         "of a stranger": "", "self-signed": "self-signed certificate",
         "revoked": "certificate revoked"}
PRESENCE_SECONDS = 30  # the worker looks every 10 s


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Devices(Properties):
    @classmethod
    def open_shop(cls):
        w = cls.world
        w.make_store(STORE)
        w.make_store(STRANGERS)
        skus = w.make_products(STORE, PRODUCTS)
        names = w.provision(STORE, "ESP32-000001", LABELS)
        for number, language in enumerate(LANGUAGES):
            w.ask("PUT", f"/api/stores/{STORE}/sections/{number}", {"language": language})
        cls.places = {}
        cls.bound = {label: skus[index % PRODUCTS] for index, label in enumerate(names)}
        cls.aisle = {label: w.rng.randrange(len(LANGUAGES)) for label in names}
        for label, answer in zip(names, parallel(lambda n: w.place(n, str(cls.aisle[n])), names)):
            cls.places[label] = answer["location"]
        w.bind(STORE, cls.bound)
        w.open_fleet("--keep-alive", "5")  # so that the broker soon knows who lost power
        w.all_there()
        w.shown(cls.truth())
        w.settled(STORE)

    @classmethod
    def truth(cls):
        return cls.world.expected(STORE, cls.bound, lambda label: LANGUAGES[cls.aisle[label]])

    def device(self, label):
        return self.world.get(f"/api/devices/{label}")

    # --- certificates ---

    def provision(self, number):
        """A device of either kind over REST, with what it needs to connect."""
        kind = self.world.rng.choice(("cart", "label"))
        papers = self.world.ask("POST", "/api/devices", {"kind": kind, "storeId": STRANGERS})
        home = self.world.data / "papers"
        home.mkdir(exist_ok=True)
        (home / f"{number}.crt").write_text(papers["certificate"])
        (home / f"{number}.key").write_text(papers["privateKey"])
        return papers

    def connect(self, device, certificate, key, rng):
        return mqtt.Connection("127.0.0.1", self.world.platform.ports["broker"], device,
                               self.world.data / "ca/ca.crt", certificate, key,
                               version=rng.choice((4, 5)),
                               tls_most=rng.choice((ssl.TLSVersion.TLSv1_2, None)))

    def test_1_a_device_with_a_certificate_of_ours_gets_in_and_no_two_are_alike(self):
        """Feature: smartshelf-india, Property 1: Device Authentication with Valid Certificates
        Feature: smartshelf-india, Property 6: Unique Certificate Generation on Provisioning"""
        w = self.world
        self.assertTrue(all(panel["connected"] for panel in w.fleet.dump("labels").values()))
        self.assertEqual(w.fleet.stats()["failures"], 0)
        type(self).papers = parallel(self.provision, range(CASES))
        for number, papers in enumerate(self.papers):
            home = w.data / "papers"
            link = self.connect(papers["deviceId"], home / f"{number}.crt", home / f"{number}.key",
                                w.rng)
            self.assertIn(link.socket.version(), ("TLSv1.2", "TLSv1.3"))
            self.assertRegex(link.socket.cipher()[0], "GCM|CHACHA20")
            name = papers["deviceId"]
            topic = f"cart/{name}/command" if name.startswith("CART") else \
                f"smartshelf/{name}/price/update"
            self.assertEqual(link.subscribe([topic]), [1])
            link.close()
        proved(1, CASES + LABELS)

        texts = "".join(path.read_text() for path in w.home.glob("ESP32-*.crt"))
        bundle = w.data / "bundle.pem"
        bundle.write_text(texts + "".join(p["certificate"] for p in self.papers))
        told = subprocess.run(["openssl", "storeutl", "-noout", "-certs", "-text", bundle],
                              capture_output=True, text=True, check=True).stdout
        serials = re.findall(r"Serial Number:\s*([0-9a-f:]+|\d+ \(0x[0-9a-f]+\))", told)
        subjects = re.findall(r"Subject: (.+)", told)
        count = CASES + LABELS
        self.assertEqual((len(serials), len(subjects)), (count, count))
        self.assertEqual((len(set(serials)), len(set(subjects))), (count, count))
        for papers in self.papers:
            self.assertIn(papers["serial"].lower(), [s.replace(":", "") for s in serials])
        proved(6, count)

    def test_2_a_certificate_that_is_not_good_is_refused_and_written_down(self):
        """Feature: smartshelf-india, Property 2: Device Authentication Rejection for Invalid
        Certificates"""
        w = self.world
        forger = forged.Forger(w.data / "forged", w.data)
        cases = [(list(FLAWS)[index % len(FLAWS)], papers)
                 for index, papers in enumerate(self.papers)]
        for flaw, papers in cases:
            if flaw == "revoked":
                w.ask("POST", f"/api/devices/{papers['deviceId']}/revoke-certificate",
                      {"reason": "lost"})
        log = w.data / "broker/security.log"
        self.wait_for_revocations(cases)
        for number, (flaw, papers) in enumerate(cases):
            device, home = papers["deviceId"], w.data / "papers"
            files = (home / f"{number}.crt", home / f"{number}.key") if flaw == "revoked" else \
                forger.make(flaw, device, STRANGERS, w.rng)
            size, since = log.stat().st_size, datetime.datetime.now(datetime.timezone.utc)
            with self.assertRaises((ssl.SSLError, ConnectionError, mqtt.Refused), msg=flaw):
                self.connect(device, *files, w.rng).close()

            def told():
                with open(log, encoding="utf-8") as file:
                    file.seek(size)
                    lines = [json.loads(line) for line in file if line.endswith("\n")]
                return [line for line in lines if line.get("device") == device]
            line = wait_for(told, f"a line of {device}, {flaw}", pause=0.01)[0]
            self.assertEqual(line["what"], "connection_refused")
            self.assertIn(FLAWS[flaw], line["reason"])
            self.assertLess(abs(moment(line["time"]) - since), datetime.timedelta(seconds=30))
        proved(2, len(cases))

    def wait_for_revocations(self, cases):
        listed = self.world.data / "broker/revoked.list"
        names = [papers["deviceId"] for flaw, papers in cases if flaw == "revoked"]
        wait_for(lambda: all(f" {name}\n" in listed.read_text() for name in names),
                 "the broker's list of revoked certificates")

    # --- what is known of a device ---

    def test_3_shadow_and_status_say_all_of_a_label_and_a_weak_battery_is_told(self):
        """Feature: smartshelf-india, Property 3: Device Shadow State Completeness
        Feature: smartshelf-india, Property 4: Device Status API Completeness
        Feature: smartshelf-india, Property 5: Low Battery Alert Generation"""
        w = self.world
        feed = Feed(w, STORE)
        levels = {label: w.rng.choice((w.rng.randint(0, 100), w.rng.randint(15, 24)))
                  for label in w.labels}
        self.report(levels)
        panels = w.fleet.dump("labels")
        for label, shadow in zip(w.labels, parallel(
                lambda name: w.get(f"/api/devices/{name}/shadow"), w.labels)):
            reported, panel = shadow["state"]["reported"], panels[label]
            self.assertEqual(
                [reported[name] for name in ("batteryLevel", "online", "productId", "location",
                                             "language")],
                [levels[label], True, self.bound[label], self.places[label], panel["language"]])
            self.assertEqual(minor(reported["lastPrice"]), panel["priceMinor"])
        proved(3, len(w.labels))

        away = w.fleet.act(40, "offline")
        wait_for(lambda: not any(self.device(label)["online"] for label in away), "they are away")
        for label, device in zip(w.labels, parallel(self.device, w.labels)):
            state = "offline" if label in away else "online"
            self.assertEqual((device["online"], device["state"]), (state == "online", state))
            self.assertEqual((device["batteryLevel"], device["productId"], device["location"]),
                             (levels[label], self.bound[label], self.places[label]))
            drawn = datetime.datetime.fromtimestamp(panels[label]["drawnAt"] / 1000,
                                                    datetime.timezone.utc)
            self.assertLess(abs(moment(device["lastUpdate"]) - drawn),
                            datetime.timedelta(seconds=5))
        w.fleet.act("labels", "heal")
        w.all_there()
        proved(4, len(w.labels))

        low = {label for label, level in levels.items() if level < LOW_PCT}
        self.assertEqual({a["deviceId"] for a in w.alerts(STORE, "low_battery")}, low)
        wait_for(lambda: {a["deviceId"] for a in feed.alerts("low_battery")} == low,
                 "staff who watch the feed are told")
        self.report({label: 100 for label in w.labels})
        self.assertEqual(w.alerts(STORE, "low_battery"), [])
        proved(5, len(w.labels))

    def report(self, levels):
        """The labels' batteries are so, and they say it as they boot."""
        w = self.world
        by_level = collections.defaultdict(list)
        for label, level in levels.items():
            by_level[level].append(label)
        for level, labels in by_level.items():
            w.fleet.act(labels, "battery", pct=level)
        w.fleet.act(list(levels), "reboot")
        wait_for(lambda: {d["deviceId"]: d["batteryLevel"] for d in w.pages(
            f"/api/devices?storeId={STORE}&kind=label") if d["deviceId"] in levels} == levels,
            "all levels are known")
        w.all_there()

    # --- offline ---

    def test_4_a_label_keeps_its_picture_while_away_and_shows_the_newest_when_back(self):
        """Feature: smartshelf-india, Property 41: Display Persistence During Offline
        Feature: smartshelf-india, Property 42: Shadow Synchronization on Reconnection
        Feature: smartshelf-india, Property 43: Latest Update Application After Offline"""
        w = self.world
        w.settled(STORE)
        trouble = {label: w.rng.choice(("offline", "offline", "off", "cut")) for label in w.labels}
        before = w.fleet.dump("labels")
        for what in set(trouble.values()):
            w.fleet.act([label for label in w.labels if trouble[label] == what], what)
        gone = [label for label in w.labels if trouble[label] != "cut"]
        wait_for(lambda: not {d["deviceId"] for d in w.pages(
            f"/api/devices?storeId={STORE}&state=online&kind=label")} & set(gone),
            "the platform knows who is away")
        changes = self.change_prices()
        away = w.fleet.dump("labels")
        for label in w.labels:
            for what in ("digest", "times", "version", "priceMinor", "productId", "drawnAt"):
                self.assertEqual(away[label][what], before[label][what], (label, what))
        proved(41, len(w.labels))

        w.fleet.act("labels", "heal")
        w.shown(self.truth(), 60)
        w.all_there()
        after = w.fleet.dump("labels")
        for label in w.labels:
            asked = after[label]["queries"] - (0 if trouble[label] == "off"
                                               else away[label]["queries"])
            self.assertGreaterEqual(asked, 1, label)
            self.assertTrue(after[label]["synced"])
        proved(42, len(w.labels))

        for label in w.labels:
            self.assertEqual(after[label]["times"], before[label]["times"] + 1, label)
            self.assertEqual(after[label]["version"],
                             before[label]["version"] + changes[self.bound[label]], label)
        self.check_deliveries(gone, changes)
        proved(43, len(w.labels))

    def change_prices(self):
        """Each product's price changes two to four times; how often."""
        w = self.world
        facts, rng = w.products(STORE), random.Random(w.rng.random())
        changes = {sku: rng.randint(2, 4) for sku in facts}

        def change(sku):
            chain = [minor(facts[sku]["price"])]
            for _ in range(changes[sku]):
                while True:
                    price = w.other_price(facts[sku])
                    if minor(price) not in chain:
                        break
                chain.append(minor(price))
                w.ask("POST", "/api/pricing/update",
                      {"storeId": STORE, "productId": sku, "price": price})
        parallel(change, facts)
        return changes

    def check_deliveries(self, gone, changes):
        """Of a label that was known to be away only the newest was ever sent."""
        w = self.world
        w.settled(STORE)

        def of(label):
            path = f"/api/pricing/deliveries?storeId={STORE}&deviceId={label}"
            return [d for d in w.pages(path) if d["kind"] == "display"]
        for label, deliveries in zip(gone, parallel(of, gone)):
            newest, *older = deliveries[:changes[self.bound[label]]]
            self.assertEqual(newest["state"], "displayed")
            for delivery in older:
                self.assertEqual((delivery["state"], delivery["attempts"]), ("superseded", 0))

    def test_5_what_happened_while_away_is_told_when_back(self):
        """Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection"""
        w = self.world
        w.fleet.act("labels", "offline")
        w.fleet.wait(connected=False)
        times = {label: w.rng.randint(1, 6) for label in w.labels}
        for turn in range(max(times.values())):
            w.fleet.act([n for n in w.labels if times[n] > turn],
                        w.rng.choice(("reboot", "brownout")))
            w.fleet.wait("labels", state="running")
        away = w.fleet.dump("labels")
        for label in w.labels:
            self.assertFalse(away[label]["connected"])
            self.assertGreaterEqual(away[label]["queued"], times[label], label)
        known = dict(zip(w.labels, parallel(w.events, w.labels)))
        w.fleet.act("labels", "online")
        w.all_there()
        for label in w.labels:
            panel = away[label]

            def all_told(label=label, panel=panel):
                there = [n for epoch, n, _ in w.events(label) if epoch == panel["epoch"]]
                return there if set(there) >= set(range(1, panel["lastCounter"] + 1)) else None
            there = wait_for(all_told, f"all events of {label}")
            self.assertEqual(len(there), len(set(there)), label)
            self.assertGreaterEqual(len(there), len(known[label]) + times[label])
        proved(45, len(w.labels))

    def test_6_more_than_a_day_away_is_flagged_until_it_is_back(self):
        """Feature: smartshelf-india, Property 44: Extended Offline Flagging

        A day is not waited for: what the platform noted as each label's last word is moved back."""
        w = self.world
        w.fleet.act("labels", "offline")
        wait_for(lambda: not w.pages(f"/api/devices?storeId={STORE}&state=online&kind=label"),
                 "the platform knows that all are away")
        minutes = {label: 24 * 60 + w.rng.choice((-1, 1)) * w.rng.choice(
            (w.rng.randint(2, 10), w.rng.randint(10, 1200))) for label in w.labels}
        w.sql("UPDATE label l SET last_seen_at = now() - make_interval(mins => v.m) FROM (VALUES "
              + ", ".join(f"('{label}', {m})" for label, m in minutes.items())
              + ") v (id, m) WHERE l.label_id = v.id")
        late = {label for label, m in minutes.items() if m > 24 * 60}
        wait_for(lambda: {a["deviceId"] for a in w.alerts(STORE, "offline_24h")} == late,
                 "an alert of each that is away for so long", PRESENCE_SECONDS)
        flagged = w.pages(f"/api/devices?storeId={STORE}&kind=label&needsInspection=true")
        self.assertEqual({d["deviceId"] for d in flagged}, late)
        for label, device in zip(w.labels, parallel(self.device, w.labels)):
            self.assertEqual(device["needsInspection"], label in late, label)
        w.fleet.act("labels", "online")
        w.all_there()
        wait_for(lambda: not w.alerts(STORE, "offline_24h"), "they are back", PRESENCE_SECONDS)
        self.assertEqual(
            w.pages(f"/api/devices?storeId={STORE}&kind=label&needsInspection=true"), [])
        proved(44, len(w.labels))


if __name__ == "__main__":
    main()
