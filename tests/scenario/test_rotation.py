#!/usr/bin/env python3
"""A label's certificate is renewed while it hangs in the store: the shipped programs, the power of a
label cut at each stage of it, the worker killed meanwhile. Usage: test_rotation.py BUILD_DIRECTORY"""
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import sys
import time
import unittest
import urllib.request
import uuid

from scenario import BUILD, demo, directory

STORE = "STORE-MUM-01"
# Which label's power is cut, and when: what is on its disk or in its shadow by then.
CUTS = {
    "ESP32-000001": None,
    "ESP32-000002": lambda label: (label.state / "renewal-1.key").exists(),
    "ESP32-000003": lambda label: (label.state / "renewal-1.crt").exists(),
    "ESP32-000004": lambda label: (label.state / "renewal.present").exists(),
    "ESP32-000005": lambda label: "der" in label.shadow()["desired"].get("certificate", {}),
}


def call(api, method, path, value=None, key=None):
    headers = {"Content-Type": "application/json"} if value is not None else {}
    if key is not None:
        headers["Idempotency-Key"] = key
    request = urllib.request.Request(api + path, method=method, headers=headers,
                                     data=None if value is None else json.dumps(value).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.load(answer)


class Label:
    """One `endcap-label`, with what REST gave it."""

    def __init__(self, platform, device_id):
        self.platform, self.id = platform, device_id
        self.home = platform.data / device_id
        self.state = self.home / "state"
        self.home.mkdir()
        status, made = call(platform.api, "POST", "/api/devices",
                            {"kind": "label", "storeId": STORE, "deviceId": device_id})
        assert status == 201, status
        self.first_serial = made["serial"]
        for name, member in (("first.crt", "certificate"), ("first.key", "privateKey"),
                             ("ca.crt", "caCertificate"), ("platform.pub", "platformPublicKey")):
            (self.home / name).write_text(made[member])
        self.first_pair = (self.home / "first.crt", self.home / "first.key")
        self.process = None
        self.killed = False

    def start(self):
        home = self.home
        with open(home / "log", "ab") as log:
            self.process = demo.begin(
                [BUILD / "prog/label/endcap-label", "--label", self.id, "--ca", home / "ca.crt",
                 "--broker", f"localhost:{self.platform.ports['broker']}", "--state", self.state,
                 "--cert", home / "first.crt", "--key", home / "first.key", "--platform-key",
                 home / "platform.pub", "--journal", home / "journal"], stdout=log, stderr=log)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def device(self):
        return call(self.platform.api, "GET", f"/api/devices/{self.id}")[1]

    def shadow(self):
        return call(self.platform.api, "GET", f"/api/devices/{self.id}/shadow")[1]["state"]

    def renewed(self):
        return self.device()["certificate"]["serial"] != self.first_serial and \
            f"{self.first_serial} {self.id}" in \
            (self.platform.data / "broker/revoked.list").read_text()


def connect(label, certificate, key):
    """The broker's word to a CONNECT with this certificate: 0, a reason, or None where the
    connection does not even stand."""
    context = ssl.create_default_context(cafile=label.home / "ca.crt")
    context.load_cert_chain(certificate, key)
    name = label.id.encode()
    body = b"\0\4MQTT\4\2\0\x1e" + struct.pack(">H", len(name)) + name
    try:
        with socket.create_connection(("localhost", label.platform.ports["broker"]), 5) as plain, \
                context.wrap_socket(plain, server_hostname="localhost") as line:
            line.sendall(bytes([0x10, len(body)]) + body)
            answer = line.recv(4)
            return answer[3] if len(answer) == 4 else None
    except OSError:
        return None


class Rotation(unittest.TestCase):
    def setUp(self):
        self.data = directory()
        self.platform = demo.Platform(BUILD, self.data)
        self.labels = []
        self.addCleanup(self.leave)
        self.platform.start()
        self.platform.run("store", "create", "--store", STORE, "--partner", "ACME", "--name", "A",
                          "--master", "platform")
        goods = self.data / "goods.csv"
        goods.write_text("sku,name,price,mrp\nSKU-1,Rice 1 kg,75.00,99.00\n")
        self.platform.run("catalog", "import", goods, "--store", STORE)

    def leave(self):
        for label in self.labels:
            label.kill()
        self.platform.stop()
        if self._outcome.success:
            shutil.rmtree(self.data, ignore_errors=True)
        else:
            print(f"what happened is in {self.data}", file=sys.stderr)

    def wait(self, condition, what, seconds=25, meanwhile=lambda: None):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain: {what}")
            meanwhile()
            time.sleep(0.02)

    def cut_power(self):
        """Of each label once, where CUTS says; it is switched on again at once."""
        for label in self.labels:
            if not label.killed and CUTS[label.id] is not None and CUTS[label.id](label):
                label.killed = True
                label.kill()
                label.start()

    def rotate(self):
        for label in self.labels:
            key = str(uuid.uuid4())
            path = f"/api/devices/{label.id}/rotate-certificate"
            first = call(self.platform.api, "POST", path, key=key)
            self.assertEqual(first, (202, {"deviceId": label.id, "number": 1}))
            self.assertEqual(call(self.platform.api, "POST", path, key=key), first)

    def check_pairs(self, label):
        """The pair in use is one the label made; what provisioning gave is of no more use."""
        crt, key = label.state / "renewal-1.crt", label.state / "renewal-1.key"
        self.assertNotEqual(key.read_text(), (label.home / "first.key").read_text())
        label.kill()
        self.assertEqual(connect(label, crt, key), 0)
        self.assertNotEqual(connect(label, *label.first_pair), 0)

    def test_a_certificate_is_renewed_and_the_old_one_shut_out(self):
        api = self.platform.api
        self.labels = [Label(self.platform, device_id) for device_id in CUTS]
        for label in self.labels:
            self.assertEqual(connect(label, *label.first_pair), 0)
            label.start()
            call(api, "PUT", f"/api/devices/{label.id}/product", {"productId": "SKU-1"})
        self.wait(lambda: all(label.device()["inSync"] for label in self.labels), "all show it")
        self.rotate()
        self.wait(lambda: any("csr" in label.shadow()["reported"].get("certificate", {})
                              for label in self.labels), "a signing request", meanwhile=self.cut_power)
        os.kill(self.platform.pid_of("worker"), signal.SIGKILL)
        self.wait(lambda: all(label.renewed() for label in self.labels),
                  "all are renewed, and the old ones revoked", meanwhile=self.cut_power)
        self.assertEqual([label.id for label in self.labels if label.killed], list(CUTS)[1:])
        # the one that is in use is the one that was issued, and the label lives on
        call(api, "POST", "/api/pricing/update",
             {"storeId": STORE, "productId": "SKU-1", "price": 65})
        self.wait(lambda: all((label.device()["shown"] or {}).get("price") == 65
                              for label in self.labels), "the new price on all")
        for label in self.labels:
            self.assertEqual(label.shadow()["desired"]["certificate"], {"number": 1})
            self.assertEqual(label.shadow()["reported"]["certificate"], {"number": 1})
            self.check_pairs(label)


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
