#!/usr/bin/env python3
"""Labels and carts of one fleet in an installation as it ships: they come up, carts shop what the
catalogue brought and all of it is acknowledged, a killed fleet goes on where it was.

usage: test_fleet_installation.py BUILD
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from fleet import Fleet, Gone, Refused

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = "STORE-FLEET-01"
LABELS = 40
CARTS = 8
SECONDS = 60


def check(truth, what):
    if not truth:
        raise SystemExit(f"test_fleet_installation: {what}")


def start(endcap, data):
    up = subprocess.Popen([endcap, "up", "--data", data, "--broker-port", "0", "--api-port", "0"],
                          process_group=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready = data / "run/ports.json"
    until = time.monotonic() + SECONDS
    while not ready.exists():
        check(up.poll() is None and time.monotonic() < until, "`endcap up` does not come up")
        time.sleep(0.05)
    return up


def until(what, condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.1)


def shop(fleet):
    ids = fleet.act(3, "brownout", ms=50)
    check(len(ids) == 3, "three at random are three")
    fleet.wait(connected=True, seconds=SECONDS)
    until("the carts do not shop", lambda: fleet.stats()["trips"] > CARTS)
    fleet.act("carts", "cut", ms=300)
    fleet.kill()  # in the middle of everything
    fleet.start()
    fleet.wait(connected=True, seconds=SECONDS)
    until("the carts do not shop again", lambda: fleet.stats()["scans"] > 5)
    carts = fleet.dump("carts")
    check(len(carts) == CARTS and all(c["epoch"] == 1 for c in carts.values()),
          "the carts' flash did not outlive the kill")
    # Health goes on; what was shopped is acknowledged all the same.
    before = {name: cart["acknowledged"] for name, cart in carts.items()}
    until("carts are not acknowledged", lambda: all(
        cart["acknowledged"] > before[name] for name, cart in fleet.dump("carts").items()))


def refusals(fleet):
    for request in ({"do": "fly"}, {"get": "dump", "on": "ESP32-NOBODY"}, {"wait": {"taste": 1}}):
        try:
            fleet.ask(request)
            check(False, f"{request} is taken")
        except Refused:
            pass
    try:
        fleet.wait("carts", seconds=0.1, state="off")
        check(False, "carts are off")
    except TimeoutError:
        pass


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    endcap = build / "prog/endcap/endcap"
    with tempfile.TemporaryDirectory(prefix="endcap-fleet-test-") as home:
        os.chmod(home, 0o755)  # the broker drops its rights
        home = pathlib.Path(home)
        data = home / "data"
        up = start(endcap, data)

        def run(*words):
            subprocess.run([endcap, *words, "--data", data], check=True, stdout=subprocess.DEVNULL)
        fleet = None
        try:
            run("store", "create", "--store", STORE, "--partner", "FLEET", "--name", "Fleet")
            run("catalog", "import", ROOT / "demo/catalog.csv", "--store", STORE)
            run("device", "provision", "--kind", "label", "--store", STORE, "--count", str(LABELS),
                "--out", home / "labels")
            run("device", "provision", "--kind", "cart", "--store", STORE, "--count", str(CARTS),
                "--out", home / "carts")
            fleet = Fleet.of_installation(build, data, labels=home / "labels",
                                          carts=home / "carts", state=home / "state",
                                          more=["--pace", "50"])
            fleet.start()
            fleet.wait(connected=True, seconds=SECONDS)
            fleet.wait("labels", seconds=SECONDS, synced=True)
            check(fleet.stats()["connected"] == LABELS + CARTS, "not all are connected")
            shop(fleet)
            refusals(fleet)
            report = fleet.stop()
            check(report["carts"] == CARTS and report["pubacksRefused"] == 0, json.dumps(report))
            try:
                fleet.stats()
                check(False, "a fleet that ended answers")
            except Gone:
                pass
        finally:
            if fleet is not None:
                fleet.kill()
            up.send_signal(signal.SIGTERM)
            up.wait(timeout=SECONDS)


if __name__ == "__main__":
    main()
