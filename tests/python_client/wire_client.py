"""A cart written from docs/wire.md alone: frames, bodies, trips, delivery, commands, catalogue.

Everything happens in the caller's thread: `Cart.run_until` reads, sends again and answers until a
condition holds. "Flash" is this object's memory, which outlives its connections.
"""
import dataclasses
import datetime
import decimal
import hashlib
import json
import random
import re
import time

import mqtt
import p256

FRAME_MIN, FRAME_MAX, CHUNK_MAX, SIGNATURE = 200, 800, 16384, 64
INTEGER_MAX = 2 ** 53 - 1
WINDOW = 32
RESEND_S, RESEND_MAX_S = 5, 60
ASK_S, ASK_MAX_S = 2, 60
ACTIVE_HEALTH_S, IDLE_HEALTH_S = 60, 300
NAMED = {"cartId", "time", "number", "expires", "kind", "sessionId", "version", "reason", "epoch",
         "through", "counter", "gtin", "found", "sku", "name", "price", "currency", "weightG",
         "perKg", "outcome", "token", "storeId", "chunk", "chunks", "items"}
GOODS = ("price", "currency", "priceSource")


class BadFrame(Exception):
    pass


def encode(fields):
    """The body of a message, without padding; money is a Decimal and gets two decimals."""
    def value_of(value):
        if isinstance(value, decimal.Decimal):
            return f"{value:.2f}"
        if isinstance(value, list):
            return "[" + ",".join(encode(v).decode() for v in value) + "]"
        if isinstance(value, str):
            if value == "" or re.search(r'[\x00-\x1f"\\\x7f]', value):
                raise ValueError(f"no text of the wire: {value!r}")
            return f'"{value}"'
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else f"{value:d}"
    return ("{" + ",".join(f'"{k}":{value_of(v)}' for k, v in fields.items()) + "}").encode()


def pad(body):
    return body.ljust(FRAME_MIN - SIGNATURE)


def make_frame(private, fields):
    body = pad(encode(fields))
    if len(body) + SIGNATURE > FRAME_MAX:
        raise ValueError("the event is too long for a frame")
    return body + p256.sign(private, body)


def no_key_twice(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise BadFrame("duplicate_key")
    return dict(pairs)


def check_named(value):
    """What holds for members that the page names; others are tolerated as they are."""
    for name in NAMED & value.keys():
        field = value[name]
        if field is None or field == "":
            raise BadFrame("bad_type")
        if isinstance(field, int) and abs(field) > INTEGER_MAX:
            raise BadFrame("out_of_range")
        if isinstance(field, decimal.Decimal) and not -2 <= field.as_tuple().exponent <= 0:
            raise BadFrame("bad_format")


def parse(body):
    """The object of a body, or BadFrame; integers are int, other numbers Decimal."""
    if not body.rstrip(b" ").endswith(b"}"):
        raise BadFrame("bad_json")
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=no_key_twice,
                           parse_float=decimal.Decimal)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadFrame(str(error)) from error
    if not isinstance(value, dict) or value.get("v") != 1:
        raise BadFrame("bad_version")
    check_named(value)
    return value


def open_frame(frame, public, longest=FRAME_MAX):
    """Size, then signature, then the JSON."""
    if not FRAME_MIN <= len(frame) <= longest:
        raise BadFrame("too_short" if len(frame) < FRAME_MIN else "too_long")
    body, signature = frame[:-SIGNATURE], frame[-SIGNATURE:]
    if not p256.verifies(public, body, signature):
        raise BadFrame("bad_signature")
    return parse(body)


def check_digit(digits):
    """The last digit of a GTIN whose others are given."""
    return -sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits))) % 10


def catalogue_key(gtin):
    """(14 digits to look up, the five value digits or None)."""
    key = gtin.zfill(14)
    if key[0] == "0" and (key[1:3] == "02" or key[1] == "2"):
        stem = key[:8] + "00000"
        return stem + str(check_digit(stem)), key[8:13]
    return key, None


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def time_text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Backoff:
    """Seconds to wait before the next attempt to connect."""

    def __init__(self):
        self.failures = 0

    def failed(self):
        self.failures += 1
        wait = 300 if self.failures >= 10 else min(60, 2 ** (self.failures - 1))
        return wait * (1 - random.random() / 4)

    def accepted(self):
        self.failures = 0


@dataclasses.dataclass
class Line:
    """A line of the basket; `goods` has price, currency and priceSource once they are known."""
    gtin: str
    first: int
    read: int
    quantity: int = 0
    goods: dict = dataclasses.field(default_factory=dict)
    unit_g: int = 0
    hopeless: bool = False
    asked_at: float = 0
    ask_again_s: float = ASK_S


class Trip:
    """What a cart must know of its session to be able to end it."""

    def __init__(self, session_id):
        self.session_id, self.held = session_id, False
        self.lines, self.scans, self.asked = {}, [], {}
        self.digest = bytes(32)

    def add(self, body, fields):
        """A scan that is on flash, as signed and as fields."""
        self.digest = hashlib.sha256(self.digest + hashlib.sha256(body).digest()).digest()
        self.scans.append(fields["counter"])
        line = self.lines.setdefault(
            fields["line"], Line(fields["gtin"], fields["counter"], fields["quantity"]))
        if "resolves" not in fields:
            line.quantity += fields["quantity"]
        for name in (*GOODS, "sku"):
            if name in fields:
                line.goods[name] = fields[name]
        if "price" not in fields and fields["quantity"] > 0:
            self.asked[line.first] = fields["line"]
            line.asked_at = time.monotonic()

    def figures(self, currency):
        lines = self.lines.values()
        return {"itemCount": sum(line.quantity for line in lines), "scanCount": len(self.scans),
                "unpriced": sum(line.quantity for line in lines if "price" not in line.goods),
                "firstScan": min(self.scans, default=0), "lastScan": max(self.scans, default=0),
                "total": sum((line.goods["price"] * line.quantity for line in lines
                              if "price" in line.goods), decimal.Decimal(0)),
                "currency": currency, "digest": self.digest.hex()}


class Catalogue:
    """The store's products: the version in use, and the one that is being collected."""

    def __init__(self, store_id):
        self.store_id, self.version, self.currency, self.items = store_id, 0, None, {}
        self.coming, self.chunks = 0, {}

    def take(self, topic, body):
        chunk = body["chunk"]
        if body["storeId"] != self.store_id or \
                topic != f"store/{self.store_id}/catalogue/{chunk}" or chunk >= body["chunks"]:
            raise BadFrame("topic_mismatch")
        if body["version"] < max(self.coming, self.version):
            return
        if body["version"] > self.coming:
            self.coming, self.chunks = body["version"], {}
        self.chunks[chunk] = body["items"]
        if len(self.chunks) < body["chunks"]:
            return
        items = [item for n in sorted(self.chunks) for item in self.chunks[n]]
        codes = [item["gtin"] for item in items]
        if codes != sorted(set(codes)):
            raise BadFrame("bad_combination")
        self.version, self.currency = self.coming, body["currency"]
        self.items = dict(zip(codes, items))


class Cart:
    def __init__(self, cart_id, store_id, keys, currency, epoch=1):
        """keys: the directory that provisioning wrote."""
        self.cart_id, self.store_id, self.currency = cart_id, store_id, currency
        self.keys, self.epoch = keys, epoch
        self.private = p256.read_private_key(keys / f"{cart_id}.key")
        self.platform = p256.read_public_key(keys / "platform.pub")
        self.flash, self.counter, self.through, self.sent = {}, 0, 0, 0
        self.command, self.outcome = 0, None
        self.catalogue, self.trip, self.sleeping = Catalogue(store_id), None, False
        self.link, self.backoff = None, Backoff()
        self.silent = False  # a test may make events without sending them
        self.received, self.dropped, self.payments = [], [], {}
        self.progress_at, self.resend_s, self.health_at = 0.0, RESEND_S, time.monotonic()

    # Delivery

    def connect(self, host, port, version=5):
        self.link = mqtt.Connection(
            host, port, self.cart_id, self.keys / "ca.crt", self.keys / f"{self.cart_id}.crt",
            self.keys / f"{self.cart_id}.key", version)
        self.backoff.accepted()
        granted = self.link.subscribe([f"cart/{self.cart_id}/command",
                                       f"cart/{self.cart_id}/response", self.catalogue_filter()])
        if any(code > 1 for code in granted):
            raise mqtt.Refused(f"SUBACK {granted}")
        self.rewind()

    def catalogue_filter(self):
        return f"store/{self.store_id}/catalogue/+"

    def disconnect(self):
        self.link.close()
        self.link = None

    def rewind(self):
        self.sent, self.progress_at = self.through, time.monotonic()
        self.flush()

    def make(self, kind, **fields):
        """An event gets its counter, is signed and kept, and goes out as the window allows."""
        counter = self.counter + 1
        fields = {"v": 1, "type": kind, "cartId": self.cart_id, "epoch": self.epoch,
                  "counter": counter, "time": time_text(now()), **fields}
        self.keep(counter, f"cart/{self.cart_id}/{kind}", make_frame(self.private, fields))
        if kind == "scan":
            self.trip.add(self.flash[counter][1][:-SIGNATURE], fields)
        self.flush()
        return counter

    def keep(self, counter, topic, frame):
        self.counter = counter
        self.flash[counter] = topic, frame

    def flush(self):
        while (self.link and self.link.open and not self.silent and self.sent < self.counter
               and self.sent < self.through + WINDOW and self.link.has_room()):
            self.sent += 1
            if self.sent in self.flash:
                self.link.publish(*self.flash[self.sent])

    def lose(self, first, last):
        """Flash is damaged: the gap record goes out although the window may be full."""
        for counter in range(first, last + 1):
            self.flash.pop(counter, None)
        counter = self.fault("gap", "high", gapFrom=first, gapTo=last, gapHealth=0, gapFault=0,
                             gapScan=0)
        if counter > self.sent and self.link and self.link.open:
            self.link.publish(*self.flash[counter])
        return counter

    def tick(self, seconds=0.02):
        """One turn: what has come, what is due."""
        if not self.link.open:
            raise ConnectionError("the broker ended the connection")
        self.link.pump(seconds)
        messages, self.link.messages = self.link.messages, []
        for topic, payload in messages:
            self.receive(topic, payload)
        at = time.monotonic()
        if self.silent:
            return
        if self.flash and at > self.progress_at + self.resend_s:
            self.resend_s = min(RESEND_MAX_S, 2 * self.resend_s)
            self.rewind()
        if at > self.health_at + (ACTIVE_HEALTH_S if self.trip else IDLE_HEALTH_S):
            self.health()
        if self.trip and not self.flash:
            self.ask_again(at)
        self.flush()

    def run_until(self, condition, seconds=20, what="the condition"):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds} s in vain: {what}")
            self.tick()

    def settle(self, seconds=20):
        self.run_until(lambda: not self.flash, seconds, "everything is acknowledged")

    # What the platform says

    def receive(self, topic, frame):
        try:
            catalogue = topic.startswith("store/")
            body = open_frame(frame, self.platform, CHUNK_MAX if catalogue else FRAME_MAX)
            kind = body["type"]
            if not catalogue and body["cartId"] != self.cart_id:
                raise BadFrame("topic_mismatch")
            if catalogue and kind == "catalogue":
                self.catalogue.take(topic, body)
            elif topic == f"cart/{self.cart_id}/command" and kind == "command":
                self.take_command(body)
            elif topic == f"cart/{self.cart_id}/response" and kind in self.RESPONSES:
                self.RESPONSES[kind](self, body)
            else:
                raise BadFrame("topic_mismatch")
            self.received.append(body)
        except (BadFrame, KeyError) as error:
            self.dropped.append((topic, frame, str(error)))

    def take_commit_ack(self, body):
        through = body["through"]
        if body["epoch"] != self.epoch or not self.through < through <= self.counter:
            return
        for counter in range(self.through + 1, through + 1):
            self.flash.pop(counter, None)
        self.through, self.sent = through, max(self.sent, through)
        self.progress_at, self.resend_s = time.monotonic(), RESEND_S

    def take_payment(self, body):
        if body["epoch"] == self.epoch:
            self.payments[body["counter"]] = body

    def take_product(self, body):
        number = self.trip.asked.get(body["counter"]) if self.trip else None
        if number is None or body["epoch"] != self.epoch:
            return
        line = self.trip.lines[number]
        if "price" in line.goods:
            return
        line.hopeless = not body["found"]
        if body["found"]:
            self.make("scan", sessionId=self.trip.session_id, line=number, gtin=line.gtin,
                      sku=body["sku"], quantity=line.read, price=decimal.Decimal(body["price"]),
                      currency=body["currency"], priceSource="response", weight="unknown",
                      resolves=line.first)

    RESPONSES = {"commit-ack": take_commit_ack, "payment": take_payment, "product": take_product}

    def ask_again(self, at):
        for number, line in self.trip.lines.items():
            if "price" in line.goods or line.hopeless or at < line.asked_at + line.ask_again_s:
                continue
            line.asked_at, line.ask_again_s = at, min(ASK_MAX_S, 2 * line.ask_again_s)
            self.make("scan", sessionId=self.trip.session_id, line=number, gtin=line.gtin,
                      quantity=line.read, weight="unknown", resolves=line.first)

    def take_command(self, body):
        number = body["number"]
        if number > self.command:
            late = time_text(now()) >= body["expires"]
            self.command = number
            self.outcome = "expired" if late else self.carry_out(body)
        if number == self.command:
            self.health(commandNumber=number, commandOutcome=self.outcome)

    def carry_out(self, body):
        kind, trip = body["kind"], self.trip
        if "sessionId" in body and (not trip or trip.session_id != body["sessionId"]):
            return "ignored"
        if kind in ("sleep", "wake"):
            if trip:
                return "refused"
            changed = self.sleeping != (kind == "sleep")
            self.sleeping = kind == "sleep"
            return "done" if changed else "ignored"
        if kind == "pause":
            return self.hold("staff") if trip and not trip.held else "ignored"
        if kind == "cancel":
            return self.end("voided") and "done" if trip else "ignored"
        if kind == "customer-override" or kind == "restart" and "sessionId" in body:
            return self.resume() if trip and trip.held else "ignored"
        if kind == "restart":
            return "refused" if trip else self.boot("command") and "done"
        if kind == "catalogue":
            if self.catalogue.version >= body["version"]:
                return "ignored"
            self.link.subscribe([self.catalogue_filter()])
            return "done"
        return "refused"

    # What the cart says

    def boot(self, reason="power"):
        session = {"sessionId": self.trip.session_id} if self.trip else {}
        return self.make("boot", firmware="0.9.1", hardware="python-client", reason=reason,
                         slot="A", securityCounter=0, catalogVersion=self.catalogue.version,
                         commandNumber=self.command, **session)

    def health(self, **acknowledged):
        self.health_at = time.monotonic()
        mode = "active" if self.trip else "sleeping" if self.sleeping else "idle"
        return self.make("health", mode=mode, batteryPct=87, signalDbm=-58, laserDeciC=305,
                         driftG=2, link="wifi", queued=len(self.flash),
                         catalogVersion=self.catalogue.version, **acknowledged)

    def fault(self, code, severity="low", **fields):
        return self.make("fault", code=code, severity=severity, **fields)

    def start(self):
        session_id = f"{self.cart_id}.{self.epoch}.{self.counter + 1}"
        self.trip = Trip(session_id)
        self.make("session-start", sessionId=session_id, transition="start", storeId=self.store_id)
        return session_id

    def hold(self, reason):
        self.make("session-start", sessionId=self.trip.session_id, transition="hold",
                  reason=reason, storeId=self.store_id)
        self.trip.held = True
        return "done"

    def resume(self):
        self.make("session-start", sessionId=self.trip.session_id, transition="resume",
                  storeId=self.store_id)
        self.trip.held = False
        return "done"

    def identify(self, method, token):
        return self.make("identify", sessionId=self.trip.session_id, method=method, token=token)

    def scan(self, gtin, quantity=1):
        """One read; returns the number of the line that it opens."""
        number = len(self.trip.lines) + 1
        key, value = catalogue_key(gtin)
        item = self.catalogue.items.get(key)
        fields = {}
        if item:
            price = decimal.Decimal(int(value)) / 100 if value else decimal.Decimal(item["price"])
            fields = {"sku": item["sku"], "quantity": quantity, "price": price,
                      "currency": self.catalogue.currency,
                      "priceSource": "embedded" if value else "cache"}
        fields.setdefault("quantity", quantity)
        unit_g = item["weightG"] if item and not value else 0
        self.make("scan", sessionId=self.trip.session_id, line=number, gtin=gtin, **fields,
                  **self.weighed(unit_g * quantity))
        self.trip.lines[number].unit_g = unit_g
        return number

    def take_out(self, number, quantity=1):
        line = self.trip.lines[number]
        return self.make("scan", sessionId=self.trip.session_id, line=number, gtin=line.gtin,
                         quantity=-quantity, **line.goods, **self.weighed(-line.unit_g * quantity))

    @staticmethod
    def weighed(grams):
        if not grams:
            return {"weight": "unknown"}
        return {"weightExpectedG": grams, "weightDeltaG": grams + 1, "weight": "ok"}

    def end(self, outcome="complete", token=None):
        figures = self.trip.figures(self.currency)
        paid = {"paymentToken": token, "paymentAmount": figures["total"],
                "paymentStatus": "approved"} if token else {}
        counter = self.make("session-end", sessionId=self.trip.session_id, outcome=outcome,
                            **figures, **paid)
        self.trip = None
        return counter
