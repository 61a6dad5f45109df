#!/usr/bin/env python3
"""A cart that was written from docs/wire.md alone meets the platform as it is shipped.
Usage: test_wire_client.py BUILD_DIRECTORY"""
import decimal
import glob
import hashlib
import json
import pathlib
import random
import shutil
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/scenario"))
from scenario import BUILD, directory, demo  # noqa: E402  (the path comes first)
import mqtt  # noqa: E402
import p256  # noqa: E402
import wire_client  # noqa: E402

SKIPPED = 77
STORE, CURRENCY = "STORE-PY-01", "INR"
RICE, POHA, MANGO = "0400000010014", "0400000010045", "0201104000006"
NOBODYS = "4006381333931"


def missing():
    """What this machine lacks, in words, or None."""
    if not (shutil.which("mosquitto") or pathlib.Path("/usr/sbin/mosquitto").exists()):
        return "mosquitto is not installed"
    if not (shutil.which("postgres") or glob.glob("/usr/lib/postgresql/*/bin/postgres")):
        return "PostgreSQL is not installed"
    return None


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = json.loads((ROOT / "docs/wire-vectors.json").read_text())
        cls.private = int(cls.all["privateKey"], 16)
        cls.public = p256.public_key(cls.private)
        cls.frames = [(v, bytes.fromhex(v["frame"])) for v in cls.all["events"] + cls.all["platform"]]

    def test_the_public_key_belongs_to_the_private_key(self):
        x, y = self.public
        self.assertEqual(f"04{x:064x}{y:064x}", self.all["publicKey"])

    def test_every_frame_verifies_and_is_made_again_byte_for_byte(self):
        self.assertEqual(len(self.frames), 34)
        for vector, frame in self.frames:
            with self.subTest(vector["title"]):
                self.assertEqual(frame, vector["body"].encode() + bytes.fromhex(vector["signature"]))
                chunk = vector["topic"].startswith("store/")
                body = wire_client.open_frame(frame, self.public, 16384 if chunk else 800)
                self.assertEqual(wire_client.pad(wire_client.encode(body)), frame[:-64])
                self.assertEqual(p256.sign(self.private, frame[:-64]), frame[-64:])
                if not chunk:
                    self.assertEqual(wire_client.make_frame(self.private, body), frame)
                    self.assertEqual(vector["topic"].split("/")[1], body["cartId"])

    def test_a_changed_bit_and_a_high_s_are_refused(self):
        for vector, frame in self.frames:
            with self.subTest(vector["title"]):
                at = random.randrange(8 * len(frame))
                broken = bytearray(frame)
                broken[at // 8] ^= 1 << at % 8
                s = int.from_bytes(frame[-32:], "big")
                high = frame[:-32] + (p256.N - s).to_bytes(32, "big")
                for bad in (bytes(broken), high):
                    with self.assertRaisesRegex(wire_client.BadFrame, "bad_signature"):
                        wire_client.open_frame(bad, self.public, 16384)

    def test_a_trip_adds_up_to_what_its_end_says(self):
        trips = {}
        for vector in self.all["events"]:
            body = wire_client.parse(vector["body"].encode())
            if body["type"] == "scan":
                trip = trips.setdefault(body["sessionId"], wire_client.Trip(body["sessionId"]))
                trip.add(vector["body"].encode(), body)
            elif body["type"] == "session-end":
                trip = trips.pop(body["sessionId"], wire_client.Trip(body["sessionId"]))
                figures = trip.figures(CURRENCY)
                self.assertEqual(figures, {name: body[name] for name in figures})
        self.assertEqual(trips, {})


class Small(unittest.TestCase):
    def test_bodies_that_this_wire_forbids_are_refused(self):
        for body in (b'{"v":1,"v":1}', b'{"v":1,"price":1e3}', b'{"v":1,"price":1.001}',
                     b'{"v":1,"name":null}', b'{"v":1,"name":""}', b'{"v":2}', b'{"v":1}\n', b'[1]',
                     b'{"v":1,"epoch":01}', b'{"v":1,"epoch":9007199254740992}',
                     b'{"v":1,"name":"\xff"}'):
            with self.subTest(body), self.assertRaises(wire_client.BadFrame):
                wire_client.parse(body)

    def test_a_member_without_a_name_on_the_page_is_tolerated(self):
        for extra in (b"null", b'""', b'"\\u0041"', b"1e3", b"[[]]", b"9007199254740993"):
            self.assertEqual(wire_client.parse(b'{"v":1,"shelf":' + extra + b"}  ")["v"], 1)

    def test_a_cart_waits_longer_after_each_failure(self):
        backoff = wire_client.Backoff()
        for longest in (1, 2, 4, 8, 16, 32, 60, 60, 60, 300, 300):
            wait = backoff.failed()
            self.assertTrue(longest * 0.75 <= wait <= longest, (wait, longest))
        backoff.accepted()
        self.assertLessEqual(backoff.failed(), 1)

    def test_a_variable_measure_code_is_looked_up_without_its_value(self):
        self.assertEqual(wire_client.catalogue_key("2101234061251"), ("02101234000007", "06125"))
        self.assertEqual(wire_client.catalogue_key("0201104061251")[0], MANGO.zfill(14))
        self.assertEqual(wire_client.catalogue_key("8901058000290"), ("08901058000290", None))
        self.assertEqual(wire_client.catalogue_key("036000241457"), ("00036000241457", None))


class Installation(unittest.TestCase):
    """One platform for all tests; each has a cart of its own. They are provisioned together,
    because ingest learns of a new cart within a second or so."""
    CARTS = ()
    platform = None

    @classmethod
    def setUpClass(cls):
        if not Installation.platform:
            Installation.data = directory()
            unittest.addModuleCleanup(shutil.rmtree, cls.data, ignore_errors=True)
            Installation.platform = demo.Platform(BUILD, cls.data)
            unittest.addModuleCleanup(cls.platform.stop)
            cls.platform.start()
            cls.platform.run("store", "create", "--store", STORE, "--partner", "PY", "--name",
                             "Python", "--currency", CURRENCY)
            cls.platform.run("catalog", "import", ROOT / "demo/catalog.csv", "--store", STORE)
            for name in (name for kind in Installation.__subclasses__() for name in kind.CARTS):
                cls.platform.run("device", "provision", "--kind", "cart", "--store", STORE,
                                 "--device", name, "--out", cls.data / name)

    def cart(self, name, version=5):
        """A cart that is connected, has booted and has the catalogue."""
        cart = wire_client.Cart(name, STORE, self.data / name, CURRENCY)
        self.connect(cart, version)
        cart.boot()
        cart.run_until(lambda: cart.catalogue.version, what="a catalogue")
        return cart

    def connect(self, cart, version=5):
        cart.connect("127.0.0.1", self.platform.ports["broker"], version)
        self.addCleanup(cart.link.close)

    def get(self, path):
        return demo.verify.get(self.platform.api, path)

    def reach(self, cart, condition, what, seconds=20):
        """Runs the cart until a condition on REST holds, which is asked a few times a second."""
        asked = [0.0]

        def holds():
            if time.monotonic() < asked[0]:
                return False
            asked[0] = time.monotonic() + 0.2
            return condition()
        cart.run_until(holds, seconds, what)

    def stored(self, name):
        """{(epoch, counter): body} of what telemetry holds, none twice, as signed."""
        found = {}
        for event in demo.verify.pages(self.platform.api, f"/api/telemetry?device={name}"):
            identity = event["epoch"], event["counter"]
            self.assertNotIn(identity, found)
            found[identity] = event["raw"].encode()
        return found

    def assert_stored_exactly(self, cart, bodies):
        self.assertEqual(self.stored(cart.cart_id),
                         {(cart.epoch, n): body for n, body in bodies.items()})

    def reconciled(self, cart, session_id):
        """The session as REST shows it once it is reconciled."""
        def settled():
            return self.get(f"/api/sessions/{session_id}")["reconcileState"] not in ("open",
                                                                                    "pending")
        self.reach(cart, settled, "the session is looked at")
        session = self.get(f"/api/sessions/{session_id}")
        self.assertEqual((session["reconcileState"], session["reconcileReasons"]),
                         ("reconciled", []))
        return session

    def remember(self, cart):
        """Everything that the cart ever makes, by counter, also after the commit-ack."""
        bodies = {n: frame[:-64] for n, (_, frame) in cart.flash.items()}
        keep = cart.keep

        def also(counter, topic, frame):
            bodies[counter] = frame[:-64]
            keep(counter, topic, frame)
        cart.keep = also
        return bodies

    def forget_product(self, cart, gtin):
        return cart.catalogue.items.pop(gtin.zfill(14))


class Trips(Installation):
    CARTS = ("CART-PYTRIP", "CART-PYNONE", "CART-PYLATE", "CART-PYASK1", "CART-PYTWICE",
             "CART-PYHELD", "CART-PYPOWER")

    def assert_same_figures(self, session, said):
        """What the cart said, what REST says it said, and what the platform computed."""
        for name in ("itemCount", "scanCount", "unpriced", "currency"):
            self.assertEqual(session[name], said[name], name)
        self.assertEqual(session["computedItemCount"], said["itemCount"])
        self.assertEqual(session["computedScanCount"], said["scanCount"])
        for name in ("total", "computedTotal", "runningTotal"):
            self.assertEqual(decimal.Decimal(str(session[name])), said["total"], name)

    def test_a_paid_trip_with_everything_in_it_is_reconciled(self):
        cart = self.cart("CART-PYTRIP")
        cart.settle()
        made = self.remember(cart)
        price = decimal.Decimal(self.forget_product(cart, POHA)["price"])
        session_id = cart.start()
        rice = cart.scan(RICE, 3)
        poha = cart.scan(POHA, 2)
        cart.run_until(lambda: "price" in cart.trip.lines[poha].goods, what="a product answer")
        self.assertEqual(cart.trip.lines[poha].goods["price"], price)
        cart.identify("app-qr", "tok_9vQmXbRzKfHwYpLcTnGd")
        cart.take_out(rice)
        cart.hold("customer")
        cart.settle()
        self.reach(cart, lambda: self.get(f"/api/sessions/{session_id}")["status"] == "paused",
                   "the session is held")
        cart.resume()
        cart.scan(MANGO[:7] + "06125" + str(wire_client.check_digit(MANGO[:7] + "06125")))
        cart.fault("scanner-jam", sessionId=session_id, detail="cleaned by hand")
        end = cart.end(token="auth_Kq3ZtWmPxVbYsRdLhNcJ")
        cart.health()
        cart.run_until(lambda: end in cart.payments, what="the payment answer")
        cart.settle()
        self.assertEqual(cart.payments[end]["outcome"], "accepted")
        self.assertEqual(cart.payments[end]["token"], "auth_Kq3ZtWmPxVbYsRdLhNcJ")
        self.assertEqual(cart.through, cart.counter)
        self.assertEqual(cart.dropped, [])
        said = wire_client.parse(made[end])
        session = self.reconciled(cart, session_id)
        self.assertEqual((session["status"], session["endCounter"]), ("complete", end))
        self.assertEqual((session["identityMethod"], session["payment"]["outcome"]),
                         ("app-qr", "accepted"))
        self.assert_same_figures(session, said)
        mine = {n: body for n, body in made.items() if session_id.encode() in body}
        self.assertEqual([(s["counter"], s["line"]) for s in session["scans"]],
                         [(n, wire_client.parse(b)["line"]) for n, b in mine.items()
                          if b'"type":"scan"' in b])
        found = demo.verify.pages(self.platform.api, f"/api/telemetry?session={session_id}")
        self.assertEqual({e["counter"]: e["raw"].encode() for e in found}, mine)
        self.assertEqual(list(demo.verify.pages(
            self.platform.api, f"/api/dead-letters?device={cart.cart_id}")), [])

    def test_what_stays_without_a_price_is_counted_and_not_summed(self):
        cart = self.cart("CART-PYNONE", version=4)
        session_id = cart.start()
        line = cart.scan(NOBODYS, 2)
        cart.scan(POHA)
        cart.run_until(lambda: cart.trip.lines[line].hopeless, what="a product answer")
        cart.take_out(line)
        end = cart.end(token="auth_Zq3ZtWmPxVbYsRdLhNcJ")
        said = wire_client.parse(cart.flash[end][1][:-64])
        self.assertEqual((said["unpriced"], said["itemCount"]), (1, 2))
        cart.settle()
        self.assert_same_figures(self.reconciled(cart, session_id), said)

    def test_a_line_priced_after_something_was_taken_out_counts_what_is_left(self):
        cart = self.cart("CART-PYLATE")
        self.forget_product(cart, POHA)
        session_id = cart.start()
        line = cart.scan(POHA, 3)
        cart.take_out(line)
        cart.run_until(lambda: "price" in cart.trip.lines[line].goods, what="a product answer")
        cart.take_out(line)
        end = cart.end(token="auth_Yq3ZtWmPxVbYsRdLhNcJ")
        said = wire_client.parse(cart.flash[end][1][:-64])
        self.assertEqual((said["itemCount"], said["unpriced"]), (1, 0))
        cart.settle()
        self.assert_same_figures(self.reconciled(cart, session_id), said)

    def test_a_product_is_asked_for_again_when_the_answer_was_lost(self):
        cart = self.cart("CART-PYASK1")
        self.forget_product(cart, POHA)
        session_id = cart.start()
        line = cart.scan(POHA)
        cart.trip.asked.clear()
        cart.run_until(lambda: "price" in cart.trip.lines[line].goods, what="a second answer")
        end = cart.end(token="auth_Xq3ZtWmPxVbYsRdLhNcJ")
        said = wire_client.parse(cart.flash[end][1][:-64])
        self.assertEqual(said["itemCount"], 1)
        self.assertGreaterEqual(said["scanCount"], 3)
        cart.settle()
        self.assert_same_figures(self.reconciled(cart, session_id), said)

    def test_a_token_pays_one_session_only(self):
        cart = self.cart("CART-PYTWICE")
        token = "auth_Wq3ZtWmPxVbYsRdLhNcJ"
        answers = []
        for _ in range(2):
            cart.start()
            cart.scan(RICE)
            end = cart.end(token=token)
            cart.run_until(lambda: end in cart.payments, what="a payment answer")
            answers.append((cart.payments[end]["outcome"], cart.payments[end].get("reason")))
        self.assertEqual(answers, [("accepted", None), ("refused", "token_reused")])

    def test_a_held_trip_takes_scans_on_a_line_that_exists_and_its_end(self):
        cart = self.cart("CART-PYHELD")
        session_id = cart.start()
        line = cart.scan(RICE)
        cart.hold("idle")
        goods = cart.trip.lines[line].goods
        cart.make("scan", sessionId=session_id, line=line, gtin=RICE, quantity=2, weight="unknown",
                  **goods)
        end = cart.end(token="auth_Tq3ZtWmPxVbYsRdLhNcJ")
        said = wire_client.parse(cart.flash[end][1][:-64])
        self.assertEqual(said["total"], 3 * decimal.Decimal(goods["price"]))
        cart.settle()
        session = self.reconciled(cart, session_id)
        self.assertEqual(session["status"], "complete")
        self.assert_same_figures(session, said)

    def test_the_trip_goes_on_after_a_power_cut(self):
        cart = self.cart("CART-PYPOWER")
        session_id = cart.start()
        cart.scan(RICE)
        cart.disconnect()
        cart.scan(POHA)
        boot = cart.boot("crash")
        self.assertIn(session_id.encode(), cart.flash[boot][1])
        self.connect(cart, version=4)
        cart.scan(RICE)
        end = cart.end(token="auth_Vq3ZtWmPxVbYsRdLhNcJ")
        said = wire_client.parse(cart.flash[end][1][:-64])
        cart.settle()
        self.assert_same_figures(self.reconciled(cart, session_id), said)


class Delivery(Installation):
    CARTS = ("CART-PYMIX", "CART-PYMANY", "CART-PYGAP", "CART-PYEPOCH")

    def test_events_that_are_repeated_and_reordered_count_once(self):
        cart = self.cart("CART-PYMIX")
        cart.settle()
        boot = cart.counter
        cart.silent = True
        made = self.remember(cart)
        session_id = cart.start()
        lines = [cart.scan(random.choice((RICE, POHA)), random.randint(1, 5)) for _ in range(8)]
        cart.take_out(lines[3])
        cart.identify("loyalty", "tok_8vQmXbRzKfHwYpLcTnGd")
        end = cart.end(token="auth_Uq3ZtWmPxVbYsRdLhNcJ")
        frames = 3 * [cart.flash[n] for n in range(boot + 1, end + 1)]
        random.shuffle(frames)
        for topic, frame in frames:
            cart.run_until(cart.link.has_room)
            cart.link.publish(topic, frame)
        cart.settle()
        for topic, frame in frames[:5]:  # and again, after the commit-ack
            cart.link.publish(topic, frame)
        seen = len(cart.received)
        cart.run_until(lambda: any(m["type"] == "commit-ack" and m["through"] == end
                                   for m in cart.received[seen:]), what="a commit-ack again")
        session = self.reconciled(cart, session_id)
        said = wire_client.parse(made[end])
        self.assertEqual((session["computedItemCount"], session["computedScanCount"]),
                         (said["itemCount"], said["scanCount"]))
        self.assertEqual(decimal.Decimal(str(session["computedTotal"])), said["total"])
        stored = self.stored(cart.cart_id)
        stored.pop((cart.epoch, boot))
        self.assertEqual(stored, {(cart.epoch, n): body for n, body in made.items()})

    def test_more_than_a_window_is_delivered_over_a_reconnect(self):
        cart = self.cart("CART-PYMANY")
        cart.settle()
        made = self.remember(cart)
        first = cart.counter
        cart.disconnect()
        for _ in range(80):
            cart.health()
        self.connect(cart)
        self.assertLessEqual(cart.sent, cart.through + 32)
        cart.run_until(lambda: cart.through > first + 32)
        cart.disconnect()
        self.connect(cart, version=4)
        cart.settle()
        self.assertEqual(cart.through, first + 80)
        stored = self.stored(cart.cart_id)
        self.assertEqual({n: stored[cart.epoch, n] for n in made}, made)

    def test_damaged_flash_is_told_and_the_watermark_passes(self):
        cart = self.cart("CART-PYGAP")
        cart.settle()
        cart.disconnect()
        first = cart.counter + 1
        for _ in range(40):
            cart.health()
        cart.silent = True
        self.connect(cart)
        gap = cart.lose(first, first + 1)
        cart.silent = False
        cart.settle()
        self.assertEqual(cart.through, gap)

    def test_a_new_epoch_starts_again_at_one_and_the_oldest_is_refused(self):
        cart = self.cart("CART-PYEPOCH")
        cart.settle()
        boards = [cart]
        for epoch in (2, 3):
            board = wire_client.Cart(cart.cart_id, STORE, cart.keys, CURRENCY, epoch)
            boards[-1].disconnect()
            self.connect(board)
            board.boot()
            board.settle()
            self.assertEqual(board.through, 1)
            boards.append(board)
        stale = wire_client.make_frame(cart.private, {
            "v": 1, "type": "fault", "cartId": cart.cart_id, "epoch": 1, "counter": 2,
            "time": wire_client.time_text(wire_client.now()), "code": "clock", "severity": "low"})
        board.link.publish(f"cart/{cart.cart_id}/fault", stale)
        self.reach(board, lambda: [d["reason"] for d in self.get(
            f"/api/dead-letters?device={cart.cart_id}")["items"]] == ["stale_epoch"],
            "the stale event's dead letter")


class Refusals(Installation):
    CARTS = ("CART-PYBAD", "CART-PYFALSE", "CART-PYOTHER", "CART-PYGONE")

    # What is done to the text of a sound fault: these count as accounted for.
    COUNTED = {
        "duplicate_key": (b'"code"', b'"code":"other","code"'),
        "bad_json": (b"}", b",}"),
        "bad_utf8": (b"warm", b"\xffarm"),
        "too_deep": (b"}", b',"x":' + b"[" * 8 + b"]" * 8 + b"}"),
        "too_many_fields": (b"{", b"{" + b"".join(b'"%x":1,' % n for n in range(58))),
        "bad_version": (b'"v":1', b'"v":2'),
        "unknown_type": (b'"fault"', b'"fright"'),
        "missing_field": (b',"severity":"low"', b""),
        "bad_type": (b'"clock"', b"5"),
        "out_of_range": (b'"too warm"', b'"' + b"x" * 65 + b'"'),
        "bad_format": (b'"too warm"', b'"too \\u0077arm"'),
        "bad_combination": (b"{", b'{"gapFrom":0,'),
        "card_number": (b'"too warm"', b'"4111 1111 1111 1111"'),
    }

    def sound(self, cart, **changed):
        return wire_client.encode({
            "v": 1, "type": "fault", "cartId": cart.cart_id, "epoch": cart.epoch,
            "counter": cart.counter + 1, "time": wire_client.time_text(wire_client.now()),
            "code": "clock", "severity": "low", "detail": "too warm", **changed})

    def letters(self, cart):
        """[(counter, reason)] of the cart's dead letters, oldest first."""
        path = f"/api/dead-letters?device={cart.cart_id}"
        items = sorted(demo.verify.pages(self.platform.api, path), key=lambda d: d["deadLetterId"])
        return [(item["counter"], item["reason"]) for item in items]

    def refuse(self, cart, reason, frame, kind="fault"):
        """Publishes a frame that the platform never counts; its dead letter comes."""
        before = len(self.letters(cart))
        cart.link.publish(f"cart/{cart.cart_id}/{kind}", frame)
        self.reach(cart, lambda: len(self.letters(cart)) > before, f"a dead letter for {reason}")
        self.assertEqual([r for _, r in self.letters(cart)[before:]], [reason])

    def test_what_is_wrong_but_signed_is_refused_by_name_and_accounted_for(self):
        cart = self.cart("CART-PYBAD")
        cart.settle()
        expected = []
        for reason, (old, new) in self.COUNTED.items():
            sound = self.sound(cart)
            self.assertIn(old, sound)
            body = wire_client.pad(sound.replace(old, new, 1))
            expected.append((cart.counter + 1, reason))
            cart.keep(cart.counter + 1, f"cart/{cart.cart_id}/fault",
                      body + p256.sign(cart.private, body))
        cart.start()
        cart.hold("customer")
        expected.append((cart.counter + 1, "illegal_transition"))
        cart.hold("customer")
        cart.scan(RICE)
        expected.append((cart.counter + 1, "bad_check_digit"))
        cart.scan(RICE[:-1] + "5")
        cart.flush()
        cart.settle()
        self.assertEqual(cart.through, cart.counter)
        self.reach(cart, lambda: len(self.letters(cart)) >= len(expected), "all dead letters")
        self.assertEqual(sorted(self.letters(cart)), expected)
        before = len(expected)
        body = wire_client.pad(self.sound(cart, counter=cart.counter))
        self.refuse(cart, "equivocation", body + p256.sign(cart.private, body))
        self.assertEqual(len(self.letters(cart)), before + 1)

    def test_what_is_not_the_carts_own_never_counts(self):
        cart = self.cart("CART-PYFALSE")
        cart.settle()
        body = wire_client.pad(self.sound(cart))
        signature = p256.sign(cart.private, body)
        s = int.from_bytes(signature[32:], "big")
        self.refuse(cart, "bad_signature", body + p256.sign(cart.private + 1, body))
        self.refuse(cart, "bad_signature", body.replace(b"warm", b"cold") + signature)
        self.refuse(cart, "high_s", body + signature[:32] + (p256.N - s).to_bytes(32, "big"))
        short = b'{"v":1}'.ljust(wire_client.FRAME_MIN - 65)
        self.refuse(cart, "too_short", short + p256.sign(cart.private, short))
        long = body.ljust(wire_client.FRAME_MAX - 63)
        self.refuse(cart, "too_long", long + p256.sign(cart.private, long))
        self.refuse(cart, "topic_mismatch", body + signature, kind="health")
        for reason, made in (("topic_mismatch", self.sound(cart, cartId="CART-PYBAD")),
                             ("not_an_object", b"[" + self.sound(cart) + b"]"),
                             ("missing_field", self.sound(cart).replace(b'"counter"', b'"count"'))):
            made = wire_client.pad(made)
            self.refuse(cart, reason, made + p256.sign(cart.private, made))
        self.assertEqual(cart.through, cart.counter)
        known = self.letters(cart)
        cart.keep(cart.counter + 1, f"cart/{cart.cart_id}/fault", body + signature)
        cart.flush()
        cart.settle()  # the counter was free: the sound event is taken, no equivocation
        self.assertEqual(self.letters(cart), known)
        self.assertEqual(self.stored(cart.cart_id)[cart.epoch, cart.counter], body)

    def test_another_carts_topics_are_denied(self):
        cart = self.cart("CART-PYOTHER")
        forged = wire_client.make_frame(cart.private, {
            "v": 1, "type": "fault", "cartId": "CART-PYBAD", "epoch": 9, "counter": 1, "code": "clock",
            "time": wire_client.time_text(wire_client.now()), "severity": "low"})
        for topic in ("cart/CART-PYBAD/fault", "cart/CART-PYOTHER/response", "reject/CART-PYOTHER"):
            used = cart.link.publish(topic, forged)
            cart.run_until(lambda: used in cart.link.answers, what="the broker's answer")
            self.assertEqual(cart.link.answers[used], 0x87)
        self.assertEqual(cart.link.subscribe(["cart/CART-PYBAD/response", "#"]), [0x87, 0x87])
        cart.disconnect()
        self.connect(cart, version=4)
        self.assertEqual(cart.link.subscribe(["cart/CART-PYBAD/response"]), [0x80])
        self.assertNotIn(9, [s["epoch"] for s in self.get("/api/carts/CART-PYBAD")["streams"]])

    def test_a_revoked_cart_is_not_let_in(self):
        cart = self.cart("CART-PYGONE")
        cart.settle()
        self.platform.run("device", "revoke", "--device", cart.cart_id)
        with self.assertRaises((ConnectionError, mqtt.Refused)):
            cart.run_until(lambda: False, what="the connection's end")
        with self.assertRaises((OSError, mqtt.Refused)):
            self.connect(cart)


class Commands(Installation):
    CARTS = ("CART-PYPAUSE", "CART-PYAWAY", "CART-PYFORGE")

    def command(self, cart, kind, *words):
        number = int(self.platform.run("cart", "command", "--cart", cart.cart_id, "--kind", kind,
                                       *words).split()[-1])
        def state():
            return {c["number"]: c["state"] for c in
                    self.get(f"/api/carts/{cart.cart_id}")["commands"]}[number]
        self.reach(cart, lambda: state() not in ("queued", "sent"), f"{kind} is answered")
        self.assertEqual(cart.command, number)
        self.assertEqual(cart.outcome, state())
        return state()

    def test_a_pause_is_carried_out_and_acknowledged(self):
        cart = self.cart("CART-PYPAUSE")
        self.assertEqual(self.command(cart, "wake"), "ignored")
        session_id = cart.start()
        cart.scan(RICE)
        cart.settle()
        self.assertEqual(self.command(cart, "pause", "--session", session_id, "--reason",
                                      "staff check"), "done")
        self.assertTrue(cart.trip.held)
        session = self.get(f"/api/sessions/{session_id}")
        self.assertEqual((session["status"], session["holdReason"]), ("paused", "staff"))
        self.assertEqual(self.command(cart, "pause"), "ignored")
        self.assertEqual(self.command(cart, "customer-override", "--reason", "go on"), "done")
        self.assertFalse(cart.trip.held)
        self.assertEqual(self.command(cart, "cancel", "--session", session_id), "done")
        cart.settle()
        self.assertEqual(self.reconciled(cart, session_id)["status"], "voided")
        self.assertEqual(cart.dropped, [])

    def test_a_command_for_an_absent_cart_waits_for_its_boot(self):
        cart = self.cart("CART-PYAWAY")
        cart.settle()
        cart.disconnect()
        self.platform.run("cart", "command", "--cart", cart.cart_id, "--kind", "sleep")
        self.connect(cart)
        cart.boot()
        cart.run_until(lambda: cart.outcome, what="the command")
        self.assertEqual(cart.outcome, "done")
        self.assertTrue(cart.sleeping)

    def test_a_command_that_is_not_the_platforms_is_dropped(self):
        cart = self.cart("CART-PYFORGE")
        moment = wire_client.now()
        fields = {"v": 1, "type": "command", "cartId": cart.cart_id,
                  "time": wire_client.time_text(moment), "number": 1000,
                  "expires": wire_client.time_text(moment.replace(year=moment.year + 1)),
                  "kind": "sleep"}
        topic = f"cart/{cart.cart_id}/command"
        cart.receive(topic, wire_client.make_frame(cart.private, fields))
        self.assertEqual([reason for *_, reason in cart.dropped], ["bad_signature"])
        self.assertFalse(cart.sleeping)
        code = cart.link.publish(topic, wire_client.make_frame(cart.private, fields))
        cart.run_until(lambda: code in cart.link.answers, what="the broker's answer")
        self.assertGreaterEqual(cart.link.answers[code], 0x80)


if __name__ == "__main__":
    if missing():
        print(f"SKIPPED: {missing()}; the wire's client was not tested", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1])
