#!/usr/bin/env python3
"""A label that was written from docs/label-wire.md alone meets the platform as it is shipped.
Usage: test_label_client.py BUILD_DIRECTORY"""
import base64
import json
import pathlib
import random
import shutil
import sys
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/scenario"))
from scenario import BUILD, directory, demo  # noqa: E402  (the path comes first)
import label_client  # noqa: E402
import p256  # noqa: E402
from test_wire_client import SKIPPED, missing  # noqa: E402

STORE = "STORE-PY-02"
RICE, SACK, POHA = "1001", "1002", "1004"


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = json.loads((ROOT / "docs/label-vectors.json").read_text())
        cls.private = int(cls.all["privateKey"], 16)
        cls.public = p256.public_key(cls.private)
        cls.signed = [v for v in cls.all["messages"] if "signature" in v]

    def test_every_message_verifies_and_is_signed_again_to_the_same(self):
        self.assertGreater(len(self.signed), 9)
        for v in self.signed:
            with self.subTest(v["title"]):
                payload = v["payload"].encode()
                label_client.open_message(self.public, v["topic"], payload, v["signature"])
                raw = p256.sign(self.private, v["topic"].encode() + b"\n" + payload)
                self.assertEqual(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
                                 v["signature"])

    def test_a_changed_bit_and_another_topic_are_refused(self):
        for v in self.signed:
            payload = bytearray(v["payload"].encode())
            at = random.randrange(8 * len(payload))
            payload[at // 8] ^= 1 << at % 8
            for topic, body in ((v["topic"], bytes(payload)),
                                (v["topic"].replace("7Q4K2M", "7Q4K2N"), v["payload"].encode())):
                with self.subTest(v["title"]), self.assertRaises(label_client.Refused):
                    label_client.open_message(self.public, topic, body, v["signature"])

    def test_the_digest_is_that_of_the_canonical_text(self):
        for v in (v for v in self.signed if "digest" in v):
            with self.subTest(v["title"]):
                display = label_client.open_message(self.public, v["topic"], v["payload"].encode(),
                                                    v["signature"])
                self.assertEqual(label_client.canonical(display).decode(), v["canonical"])
                self.assertEqual(label_client.digest_of(display), v["digest"])


class Shelf(unittest.TestCase):
    """One platform for all tests; each has labels of its own."""

    @classmethod
    def setUpClass(cls):
        cls.data = directory()
        cls.addClassCleanup(shutil.rmtree, cls.data, ignore_errors=True)
        cls.platform = demo.Platform(BUILD, cls.data)
        cls.addClassCleanup(cls.platform.stop)
        cls.platform.start()
        cls.platform.run("store", "create", "--store", STORE, "--partner", "PY", "--name",
                         "Python", "--currency", "INR")
        cls.platform.run("catalog", "import", ROOT / "demo/catalog.csv", "--store", STORE)

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.platform.api + path, method=method, headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def ask(self, method, path, body=None):
        return json.loads(self.call(method, path, body))

    def device(self, label):
        return self.ask("GET", f"/api/devices/{label.device_id}")

    def label(self, name):
        """Provisioned over REST and connected."""
        papers = self.ask("POST", "/api/devices",
                          {"kind": "label", "storeId": STORE, "deviceId": name})
        home = self.data / name
        home.mkdir()
        (home / "ca.crt").write_text(papers["caCertificate"])
        (home / "platform.pub").write_text(papers["platformPublicKey"])
        (home / f"{name}.crt").write_text(papers["certificate"])
        (home / f"{name}.key").write_text(papers["privateKey"])
        label = label_client.Label(name, home)
        self.connect(label)
        return label

    def connect(self, label):
        label.connect("127.0.0.1", self.platform.ports["broker"])
        self.addCleanup(label.link.close)
        label.run_until(lambda: label.synced, what="the answer to shadow/get")

    def reach(self, label, condition, what):
        asked = [0.0]

        def holds():
            if time.monotonic() < asked[0]:
                return False
            asked[0] = time.monotonic() + 0.2
            return condition()
        label.run_until(holds, what=what)

    def bind(self, label, sku):
        self.ask("PUT", f"/api/devices/{label.device_id}/product", {"productId": sku})

    def shows(self, label, sku):
        label.run_until(lambda: label.display and label.display.get("productId") == sku,
                        what=f"product {sku}")
        self.reach(label, lambda: self.device(label)["inSync"], "the confirmation")

    def test_a_new_label_is_told_that_it_has_no_product(self):
        label = self.label("ESP32-PYNEW1")
        label.run_until(lambda: label.display and label.config, what="content and configuration")
        self.assertEqual(label.display["template"], "unassigned")
        self.assertEqual(label.config["ledBrightness"], 80)
        self.reach(label, lambda: self.device(label)["online"], "online")
        self.reach(label, lambda: self.device(label)["inSync"], "in step")
        self.assertEqual(label.refused, [])

    def test_a_product_is_shown_and_confirmed(self):
        label = self.label("ESP32-PYBIND")
        self.bind(label, RICE)
        self.shows(label, RICE)
        self.assertEqual(str(label.display["price"]), "142.00")
        self.assertEqual(str(label.display["mrp"]), "165.00")
        shown = self.device(label)["shown"]
        self.assertEqual((shown["price"], shown["productId"], shown["digest"]),
                         (142, RICE, label.display["digest"]))
        self.assertEqual(self.device(label)["pending"], [])
        path = f"/api/devices/{label.device_id}/preview.png"
        picture = self.call("GET", path + "?state=shown")
        self.assertEqual(picture[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(picture, self.call("GET", path))
        self.assertEqual(label.refused, [])

    def test_the_labels_language_decides(self):
        label = self.label("ESP32-PYHIN1")
        self.bind(label, RICE)
        self.shows(label, RICE)
        self.ask("PUT", f"/api/devices/{label.device_id}/config", {"language": "hi"})
        label.run_until(lambda: label.display["language"] == "hi", what="Hindi")
        self.assertIn("चावल", label.display["displayText"]["hi"])
        label.run_until(lambda: label.config["language"] == "hi", what="its own words in Hindi")
        self.reach(label, lambda: self.device(label)["inSync"], "the confirmation")

    def test_a_label_that_was_away_shows_the_newest_only(self):
        label = self.label("ESP32-PYAWAY")
        self.bind(label, RICE)
        self.shows(label, RICE)
        label.disconnect()
        self.reach_offline(label)
        before = label.refreshes
        for sku in (SACK, RICE, POHA):
            self.bind(label, sku)
        self.connect(label)
        self.shows(label, POHA)
        self.assertEqual(label.refreshes, before + 1)

    def reach_offline(self, label):
        end = time.monotonic() + 20
        while self.device(label)["online"]:
            self.assertLess(time.monotonic(), end, "the platform does not see that it is gone")
            time.sleep(0.1)

    def test_events_are_forgotten_when_they_are_stored_and_not_before(self):
        label = self.label("ESP32-PYEVT1")
        for _ in range(20):
            label.status("interval")
        label.run_until(lambda: label.sent == label.next_counter - 1, what="all sent")
        self.assertEqual(len(label.events), label.next_counter - 1)

        def released():
            label.ask()
            return not label.events
        self.reach(label, released, "released")
        label.disconnect()
        again = label_client.Label(label.device_id, label.home)  # flash rolled back: all of it again
        again.events = {n: ("status", {"reason": "interval", "batteryLevel": 85,
                                       "signalStrength": -61, "displayType": "eink",
                                       "firmwareVersion": "py-1", "epoch": 1, "counter": n})
                        for n in range(1, 6)}
        again.next_counter = label.next_counter
        self.connect(again)
        self.assertEqual({n for n in again.events if n <= 5}, set())

    def test_the_led_is_lit_and_goes_dark(self):
        label = self.label("ESP32-PYLED1")
        path = f"/api/devices/{label.device_id}/flash"
        self.ask("POST", path, {"pattern": "blink", "durationSeconds": 60, "color": "green"})
        label.run_until(lambda: label.lamp, what="the light")
        self.assertEqual((label.lamp["flashPattern"], label.lamp["color"]), ("blink", "green"))
        self.call("DELETE", path)
        label.run_until(lambda: not label.lamp, what="darkness")
        self.assertEqual(label.refused, [])

    def test_nobody_else_can_speak_to_a_label(self):
        label = self.label("ESP32-PYFORG")
        other = self.label("ESP32-PYEVIL")
        self.bind(label, RICE)
        self.shows(label, RICE)
        forged = {**label.display, "version": 1000, "price": 1}
        label.take(label.topic("price/update"), label_client.encode(forged), "A" * 86)
        self.assertEqual(label.refused, ["not signed by the platform"])
        for topic in (label.topic("price/update"), label.topic("status")):
            code = other.link.publish(topic, label_client.encode(forged))
            other.run_until(lambda used=code: used in other.link.answers, what="the broker's answer")
            self.assertGreaterEqual(other.link.answers[code], 0x80)
        self.assertEqual(str(label.display["price"]), "142.00")


if __name__ == "__main__":
    if missing():
        print(f"SKIPPED: {missing()}; the label's client was not tested", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1])
