"""Starts `endcap-fleet` and speaks its control protocol (`endcap-fleet --help`).

    fleet = Fleet(build, broker="127.0.0.1:8883", ca=..., platform_key=..., labels=DIR)
    fleet.start()
    fleet.wait(connected=True, synced=True)
    fleet.act("5%", "brownout", ms=500)
    fleet.wait_shown({"ESP32-000001": {"digest": "...", "version": 3}}, seconds=10)
    fleet.dump()["ESP32-000001"]["priceMinor"]
    report = fleet.stop()

Every call raises Refused with the fleet's own words when it refuses, and Gone when it is not there.
"""
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import time


class Refused(Exception):
    """The fleet does not take a request; its words say why."""


class Gone(Exception):
    """The fleet does not run; what it said last is in the words."""


class Fleet:
    """One `endcap-fleet` process.

    build: the build directory. labels, carts: what `endcap device provision --out` wrote.
    state: a file that outlives a kill. home: where control socket, report and log go (else a
    temporary directory). more: further options, e.g. ["--connect-rate", "500"].
    """

    def __init__(self, build, broker, ca, platform_key, labels=None, carts=None, state=None,
                 home=None, seed=1, more=()):
        self.own_home = tempfile.TemporaryDirectory(prefix="endcap-fleet-") if home is None else None
        self.home = pathlib.Path(self.own_home.name if home is None else home)
        # A Unix socket's path has at most 107 bytes: a deep home gets one elsewhere.
        self.socket_home = tempfile.TemporaryDirectory(prefix="endcap-fleet-")
        self.control = pathlib.Path(self.socket_home.name) / "control"
        self.report = self.home / "fleet.json"
        self.log = self.home / "fleet.log"
        self.argv = [build / "prog/fleet/endcap-fleet", "--broker", broker, "--ca", ca,
                     "--platform-key", platform_key, "--control", self.control,
                     "--report", self.report, "--seed", str(seed)]
        for option, value in (("--labels", labels), ("--carts", carts), ("--state", state)):
            if value is not None:
                self.argv += [option, value]
        self.argv += list(more)
        self.process = None
        self.connection = None

    @classmethod
    def of_installation(cls, build, data, **rest):
        """For a running `endcap up --data DATA`."""
        data = pathlib.Path(data)
        ports = json.loads((data / "run/ports.json").read_text())
        return cls(build, f"127.0.0.1:{ports['broker']}", data / "ca/ca.crt",
                   data / "ca/platform.pub", **rest)

    # --- life ---

    def start(self, seconds=60):
        """Runs it and waits until it takes requests."""
        self.report.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in self.argv], process_group=0,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=log)
        until = time.monotonic() + seconds
        while True:
            try:
                self.connection = self.connect()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Gone(f"endcap-fleet does not start: {self.last_words()}") from None
                time.sleep(0.02)

    def connect(self):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.connect(str(self.control))
        except OSError:
            link.close()
            raise
        stream = link.makefile("rwb")
        link.close()  # ends with the stream
        return stream

    def last_words(self):
        return self.log.read_text(errors="replace").strip().rpartition("\n")[2]

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a power cut of the whole fleet; start() again goes on from `state`."""
        if self.is_running():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=60)
        self.hang_up()

    def stop(self, seconds=60):
        """Ends it in order; its report as a dict."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=seconds)
        self.hang_up()
        if self.process is not None and self.process.returncode != 0:
            raise Gone(f"endcap-fleet ended with {self.process.returncode}: {self.last_words()}")
        return json.loads(self.report.read_text())

    def hang_up(self):
        if self.connection is not None:
            try:
                self.connection.close()
            except OSError:
                pass
            self.connection = None

    def __enter__(self):
        return self if self.is_running() else self.start()

    def __exit__(self, *what):
        self.kill()

    # --- requests ---

    def ask(self, request, connection=None):
        """Sends one request and returns its answer."""
        connection = connection or self.connection
        if connection is None:
            raise Gone("endcap-fleet was not started")
        try:
            connection.write(json.dumps(request).encode() + b"\n")
            connection.flush()
            line = connection.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise Gone(f"endcap-fleet is gone: {self.last_words()}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer

    def act(self, whom, verb, **parameters):
        """Does something to devices; the ids of those it was done to. whom: "all", "labels",
        "carts", an id, a list of ids, "5%", or a number (so many at random). With at=S or every=S
        it is planned instead."""
        return self.ask({"do": verb, "on": whom, "ids": True, **parameters})["ids"]

    def dump(self, whom="all"):
        """{id: {...}} of those devices, as they are."""
        devices = self.ask({"get": "dump", "on": whom})["devices"]
        return {device["id"]: device for device in devices}

    def stats(self, reset=False):
        return self.ask({"get": "stats", "reset": reset})["stats"]

    def wait(self, whom="all", seconds=30, **wish):
        """Until all of them are so at one moment: connected=True, synced=True, version=3, ... Raises
        TimeoutError that names some who are not."""
        return self.done(self.ask({"wait": wish, "on": whom, "ms": int(seconds * 1000)}), wish)

    def wait_shown(self, wanted, seconds=30):
        """{id: digest} or {id: {"digest": ..., "version": ..., "priceMinor": ...}}: until each shows
        its own. The milliseconds it took."""
        expect = {name: wish if isinstance(wish, dict) else {"digest": wish}
                  for name, wish in wanted.items()}
        return self.done(self.ask({"expect": expect, "ms": int(seconds * 1000)}), "their pictures")

    @staticmethod
    def done(answer, what):
        if not answer["done"]:
            raise TimeoutError(f"{answer['missingCount']} of {answer['count']} devices do not come "
                               f"to {what}: {', '.join(answer['missing'])}")
        return answer["ms"]
