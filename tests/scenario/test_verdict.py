#!/usr/bin/env python3
"""The demonstration's verdict sees each thing that can go wrong: a platform that is played here
loses, repeats, changes, reorders and invents events. Usage: test_verdict.py BUILD_DIRECTORY"""
import hashlib
import json
import pathlib
import sys
import tempfile
import unittest

from scenario import demo

verify = demo.verify
CART = "CART-000001"


def event(counter, raw=None, epoch=1):
    return {"epoch": epoch, "counter": counter, "raw": raw or f"body {counter}"}


class Verdict(unittest.TestCase):
    def setUp(self):
        self.events = [event(1), event(2), event(3)]
        self.on_disk = None
        self.sessions = [{"status": "complete", "reconcileState": "reconciled"}]
        kept = verify.get
        self.addCleanup(setattr, verify, "get", kept)
        verify.get = self.get

    def get(self, _, path):
        if path.startswith("/api/telemetry/totals"):
            return {"events": len(self.events) if self.on_disk is None else self.on_disk}
        items = {"/api/telemetry": self.events, "/api/sessions": self.sessions,
                 "/api/dead-letters": []}[path.split("?")[0]]
        return {"items": items, "nextCursor": None}

    def judge(self):
        with tempfile.TemporaryDirectory() as directory:
            journal = pathlib.Path(directory) / "journal"
            lines = [json.dumps({"cartId": CART, "epoch": 1, "counter": n, "type": "scan",
                                 "digest": hashlib.sha256(f"body {n}".encode()).hexdigest()})
                     for n in (1, 2, 3)]
            # A power cut left half a line, and a restart wrote one again.
            journal.write_text("\n".join([*lines, lines[2]]) + "\n" + lines[0][:20])
            result = verify.compare("", [CART], [journal])
        return {name for name in verify.ZERO if result[name] != 0}, result

    def test_a_good_run_is_all_zeros(self):
        wrong, result = self.judge()
        self.assertEqual(wrong, set())
        self.assertEqual((result["trips"], result["scans"], result["events_sent"],
                          result["events_stored"]), (1, 3, 3, 3))

    def test_a_missing_event_is_lost(self):
        del self.events[1]
        self.assertEqual(self.judge()[0], {"lost"})

    def test_another_body_is_lost(self):
        self.events[1]["raw"] = "changed"
        self.assertEqual(self.judge()[0], {"lost"})

    def test_a_row_given_twice_is_a_duplicate(self):
        self.events.insert(1, event(1))
        self.assertEqual(self.judge()[0], {"duplicates"})

    def test_a_row_stored_twice_but_given_once_is_a_duplicate(self):
        self.on_disk = 4
        self.assertEqual(self.judge()[0], {"duplicates"})

    def test_disorder_is_seen(self):
        self.events.reverse()
        self.assertEqual(self.judge()[0], {"out_of_order"})

    def test_an_event_that_no_cart_made_is_seen(self):
        self.events.append(event(4))
        self.assertEqual(self.judge()[0], {"unknown"})

    def test_a_session_that_is_not_reconciled_is_seen(self):
        self.sessions.append({"status": "complete", "reconcileState": "mismatch"})
        self.assertEqual(self.judge()[0], {"unreconciled"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
