#!/usr/bin/env python3
"""Measures endcap-fleet against a bare broker: handshakes a second, memory, what idling costs.

usage: measure.py BUILD [LABELS [IDLE_SECONDS]]

Prints one JSON object. The broker is Mosquitto with our plugin and the settings of an installation
that was made for this and is stopped again, so that nobody answers: labels connect, subscribe and
wait. Run it on an otherwise idle machine.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from fleet import Fleet

STORE = "STORE-FLEET-01"


def run(endcap, data, *words):
    subprocess.run([endcap, *words, "--data", data], check=True, stdout=subprocess.DEVNULL)


def installation(endcap, data, labels, count):
    """An installation with so many labels, not running; how long provisioning took."""
    up = subprocess.Popen([endcap, "up", "--data", data, "--broker-port", "0", "--api-port", "0"],
                          process_group=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready = data / "run/ports.json"
    try:
        while not ready.exists():
            if up.poll() is not None:
                raise SystemExit("measure: `endcap up` ended")
            time.sleep(0.05)
        run(endcap, data, "store", "create", "--store", STORE, "--partner", "FLEET",
            "--name", "Fleet")
        begun = time.monotonic()
        run(endcap, data, "device", "provision", "--kind", "label", "--store", STORE,
            "--count", str(count), "--out", labels)
        took = time.monotonic() - begun
        port = json.loads(ready.read_text())["broker"]
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(timeout=60)
    return port, took


def usage(pid):
    """(CPU seconds, resident KB) of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return ((int(fields[11]) + int(fields[12])) / ticks,
            int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024)


def broker(data):
    return subprocess.Popen(["/usr/sbin/mosquitto", "-c", data / "broker/mosquitto.conf"],
                            process_group=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(build, data, labels, count, idle_seconds):
    port, provisioning = installation(build / "prog/endcap/endcap", data, labels, count)
    server = broker(data)
    time.sleep(1)
    fleet = Fleet(build, f"127.0.0.1:{port}", data / "ca/ca.crt", data / "ca/platform.pub",
                  labels=labels, more=["--off"])
    try:
        begun = time.monotonic()
        fleet.start()
        loading = time.monotonic() - begun
        empty = usage(fleet.process.pid)
        broker_empty = usage(server.pid)
        begun = time.monotonic()
        fleet.act("all", "on")
        fleet.wait(connected=True, seconds=600)
        connecting = time.monotonic() - begun
        time.sleep(5)
        full, broker_full = usage(fleet.process.pid), usage(server.pid)
        stats = fleet.stats(reset=True)
        time.sleep(idle_seconds)
        idle, broker_idle = usage(fleet.process.pid), usage(server.pid)
        quiet = fleet.stats(reset=True)
        server.kill()
        server.wait()
        server = broker(data)
        begun = time.monotonic()
        time.sleep(0.5)
        fleet.wait(connected=True, seconds=600)
        back = time.monotonic() - begun
        return {
            "labels": count, "provisionSeconds": round(provisioning, 1),
            "loadSeconds": round(loading, 2), "connectSeconds": round(connecting, 2),
            "handshakesPerSecond": round(count / connecting), "handshakeMs": stats["handshakeMs"],
            "connectCpuUsPerLabel": round((full[0] - empty[0]) * 1e6 / count),
            "brokerCpuUsPerLabel": round((broker_full[0] - broker_empty[0]) * 1e6 / count),
            "emptyKb": empty[1], "connectedKb": full[1],
            "kbPerLabel": round((full[1] - empty[1]) / count, 1),
            "brokerKbPerLabel": round((broker_full[1] - broker_empty[1]) / count, 1),
            "idleSeconds": idle_seconds,
            "idleCpuPercent": round(100 * (idle[0] - full[0]) / idle_seconds, 2),
            "brokerIdleCpuPercent": round(100 * (broker_idle[0] - broker_full[0]) / idle_seconds, 2),
            "idleMessagesOut": quiet["messagesOut"], "backSeconds": round(back, 2),
        }
    finally:
        fleet.kill()
        server.kill()
        server.wait()


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    idle = float(sys.argv[3]) if len(sys.argv) > 3 else 60
    with tempfile.TemporaryDirectory(prefix="endcap-measure-") as home:
        os.chmod(home, 0o755)
        print(json.dumps(measure(build, pathlib.Path(home) / "data", pathlib.Path(home) / "labels",
                                 count, idle)))


if __name__ == "__main__":
    main()
