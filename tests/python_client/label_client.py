"""A label written from docs/label-wire.md alone: signature, payloads, digest, events, configuration.

Everything happens in the caller's thread: `Label.run_until` reads, answers and sends again until a
condition holds. "Flash" is this object's memory, which outlives its connections.
"""
import base64
import datetime
import decimal
import hashlib
import json
import time

import mqtt
import p256

DOWN = ("price/update", "flash/command", "config/update", "shadow/get/accepted", "shadow/delta")
DOWN_BYTES_MAX = 4096
EVENTS_MAX = 100
ASK_S, ASK_MAX_S, RELEASE_S, REFUSED_S = 3, 60, 30, 10


class Refused(Exception):
    """Its words are the ack's `why`."""


def no_member_twice(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("invalid")
    return found


def open_message(public, topic, payload, signature):
    """The object that the platform signed for this topic."""
    raw = base64.urlsafe_b64decode(signature + "==") if len(signature) == 86 else b""
    over = topic.encode() + b"\n" + payload
    if len(raw) != 64 or not p256.verifies(public, over, raw):
        raise Refused("not signed by the platform")
    try:
        if len(payload) > DOWN_BYTES_MAX:
            raise ValueError("too long")
        return json.loads(payload, parse_float=decimal.Decimal, object_pairs_hook=no_member_twice)
    except ValueError as error:
        raise Refused("invalid") from error


def canonical(display):
    names = display.get("displayText", {})
    lines = ["endcap-label-1", display["template"], display["language"],
             display.get("productId", ""), names.get(display["language"], names.get("en", ""))]
    lines += [f"{display.get(name, 0):.2f}" for name in ("price", "regularPrice", "mrp")]
    lines += [display["currency"], display.get("unit", "each"),
              "sale" if display["isFlashSale"] else "regular", display.get("url", "")]
    return "".join(line + "\n" for line in lines).encode()


def digest_of(display):
    digest = hashlib.sha256(canonical(display)).hexdigest()
    if digest != display["digest"]:
        raise Refused("digest mismatch")
    return digest


def encode(fields):
    def plain(value):
        if isinstance(value, decimal.Decimal):
            return float(value)  # two decimals: exact enough to be written as they were
        raise TypeError(type(value))
    return json.dumps({k: v for k, v in fields.items() if v is not None}, default=plain,
                      ensure_ascii=False).encode()


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")[:23] + "Z"


class Label:
    def __init__(self, device_id, home, epoch=1):
        self.device_id, self.home, self.epoch = device_id, home, epoch
        self.public = p256.read_public_key(home / "platform.pub")
        self.link = None
        # on flash
        self.display = self.config = None
        self.flash_version = self.shadow_version = 0
        self.next_counter, self.events = 1, {}
        # what a test looks at
        self.refreshes, self.refused, self.lamp, self.certificate = 0, [], None, None

    # --- the connection ---

    def connect(self, host, port):
        self.link = mqtt.Connection(host, port, self.device_id, self.home / "ca.crt",
                                    self.home / f"{self.device_id}.crt",
                                    self.home / f"{self.device_id}.key")
        codes = self.link.subscribe([self.topic(tail) for tail in DOWN])
        assert all(code == 1 for code in codes), codes
        self.synced, self.sent, self.ask_s = False, 0, ASK_S
        self.release_at = float("inf")
        self.ask()

    def disconnect(self):
        self.link.close()

    def topic(self, tail):
        return f"smartshelf/{self.device_id}/{tail}"

    def publish(self, tail, **fields):
        return self.link.publish(self.topic(tail), encode({"deviceId": self.device_id, **fields}))

    def ask(self):
        self.asked_at = time.monotonic()
        self.publish("shadow/get", version=self.shadow_version or None)

    def run_until(self, condition, seconds=20, what="it"):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.device_id}: {what} does not happen")
            self.step()

    def step(self):
        self.link.pump(0.05)
        messages, self.link.messages = self.link.messages, []
        for message in messages:
            self.take(*message, message.user.get("endcap-signature", ""))
        current = time.monotonic()
        if not self.synced and current > self.asked_at + self.ask_s:
            self.ask_s = min(self.ask_s * 2, ASK_MAX_S)
            self.ask()
        if current > self.release_at:
            self.release_at = float("inf")
            self.ask()
        self.send_events()

    # --- what the platform says ---

    def take(self, topic, payload, signature):
        tail = topic.removeprefix(self.topic(""))
        kind = {"config/update": "config", "flash/command": "flash"}.get(tail, "display")
        try:
            body = open_message(self.public, topic, payload, signature)
            if tail not in DOWN or body["deviceId"] != self.device_id:
                raise Refused("for another label")
            {"price/update": self.take_display, "config/update": self.take_config,
             "flash/command": self.take_flash}.get(tail, self.take_state)(body)
        except Refused as refused:
            self.refused.append(str(refused))
            self.publish("ack", kind=kind, status="refused", why=str(refused), timestamp=now())

    def take_display(self, display, asked=False):
        digest = digest_of(display)
        before = self.display
        if before and display["version"] < before["version"]:
            if not asked:
                raise Refused("older")
            return
        if before and display["version"] == before["version"]:
            if (digest, display["updateId"]) != (before["digest"], before["updateId"]):
                raise Refused("version used twice")
            if not asked:
                self.publish("ack", **self.displayed(), timestamp=now())
            return
        refresh = not before or digest != before["digest"]
        self.display = display
        self.refreshes += refresh
        self.keep("ack", **self.displayed(), refreshed=True if refresh else None)

    def displayed(self):
        d = self.display
        return {"kind": "display", "status": "displayed", "updateId": d["updateId"],
                "version": d["version"], "digest": d["digest"], "price": d.get("price"),
                "productId": d.get("productId")}

    def take_config(self, config, asked=False):
        if self.config and config["version"] <= self.config["version"]:
            if not asked and config["version"] < self.config["version"]:
                raise Refused("older")
            return
        self.config = config
        self.keep("ack", kind="config", status="applied", updateId=config["updateId"],
                  version=config["version"])
        self.publish("shadow/update", location=config.get("location"),
                     configVersion=config["version"])

    def take_flash(self, flash):
        if flash["version"] <= self.flash_version:
            raise Refused("older")
        if flash["expires"] < now():
            raise Refused("expired")
        self.flash_version = flash["version"]
        self.lamp = None if flash["flashPattern"] == "stop" else flash
        self.keep("ack", kind="flash", status="started" if self.lamp else "stopped",
                  updateId=flash["updateId"], version=flash["version"])

    def take_state(self, state):
        self.shadow_version = state["version"]
        if "events" in state and state["events"]["epoch"] == self.epoch:
            through = state["events"].get("through", 0)
            self.events = {n: e for n, e in self.events.items() if n > through}
            self.sent = max(self.sent, through)
        if "timestamp" in state and "events" in state or not self.synced:
            self.synced, self.ask_s = True, ASK_S
        if "config" in state:
            self.take_config(state["config"], asked=True)
        if "display" in state:
            self.take_display(state["display"], asked=True)
        self.certificate = state.get("certificate", self.certificate)

    # --- events ---

    def keep(self, tail, **fields):
        assert len(self.events) < EVENTS_MAX
        self.events[self.next_counter] = tail, {**fields, "epoch": self.epoch,
                                                "counter": self.next_counter, "timestamp": now()}
        self.next_counter += 1

    def status(self, reason, **more):
        d = self.display
        shown = d and {"version": d["version"], "digest": d["digest"], "price": d.get("price"),
                       "productId": d.get("productId")}
        self.keep("status", reason=reason, batteryLevel=85, signalStrength=-61, displayType="eink",
                  firmwareVersion="py-1", queued=len(self.events), refreshes=self.refreshes,
                  shown=shown and {k: v for k, v in shown.items() if v is not None}, **more)

    def send_events(self):
        if not self.synced:
            return
        for counter in sorted(n for n in self.events if n > self.sent):
            tail, fields = self.events[counter]
            self.publish(tail, **fields)
            self.sent = counter
            self.release_at = min(self.release_at, time.monotonic() + RELEASE_S)
