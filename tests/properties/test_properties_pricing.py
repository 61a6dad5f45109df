#!/usr/bin/env python3
"""Properties of prices (P7 to P12) with 220 labels and 100 more that never confirm, over the
platform as it is shipped. Usage: test_properties_pricing.py BUILD_DIRECTORY"""
import select
import statistics
import threading
import time

from shelf_world import (CASES, LANGUAGES, Feed, Properties, main, minor, parallel, proved,
                         wait_for)
import label_client

STORE = "STORE-PRICE"
SHELF = CASES          # products with two or three labels each
AISLES = 6
PAUSES_S = (1, 2, 4)   # before the first, second and third retry
REASONS = ("manual", "correction", "competitor_match")


class Silent(label_client.Label):
    """A label that, once `mute`, says nothing more: it keeps what it is told, and when."""

    def __init__(self, *words):
        super().__init__(*words)
        self.mute, self.heard = False, []

    def is_done(self):
        """It shows a product and has said so."""
        return (self.synced and self.display and "productId" in self.display
                and self.sent == self.next_counter - 1)

    def take(self, topic, payload, signature):
        if not self.mute:
            super().take(topic, payload, signature)
        elif topic.endswith("/price/update"):
            self.heard.append((time.monotonic(), payload))

    def has_read_all(self):
        return (not self.link.socket.pending()
                and not select.select([self.link.socket], [], [], 0)[0])

    def listen(self):
        self.link.pump(0)
        messages, self.link.messages = self.link.messages, []
        for message in messages:
            self.take(*message, message.user.get("endcap-signature", ""))


class Prices(Properties):
    @classmethod
    def open_shop(cls):
        w = cls.world
        w.make_store(STORE)
        skus = w.make_products(STORE, 2 * CASES)
        cls.shelf, cls.deaf = skus[:SHELF], skus[SHELF:]
        wanted = [sku for sku in cls.shelf for _ in range(w.rng.randint(2, 3))]
        labels = w.provision(STORE, "ESP32-000001", len(wanted))
        for number, language in enumerate(LANGUAGES):
            w.ask("PUT", f"/api/stores/{STORE}/sections/{number}", {"language": language})
        w.rng.shuffle(wanted)
        cls.bound = dict(zip(labels, wanted))
        cls.language = {label: index % AISLES for index, label in enumerate(labels)}
        parallel(lambda label: w.place(label, str(cls.language[label])), labels)
        w.bind(STORE, cls.bound)
        cls.open_deaf()
        w.open_fleet()
        w.all_there()
        w.shown(cls.truth())
        w.settled(STORE)

    @classmethod
    def open_deaf(cls):
        """The labels that will be silent show their products first, as all do."""
        w = cls.world
        home = w.data / "silent"
        names = w.provision(STORE, "ESP32-MU0001", CASES, home)
        cls.silent = {}
        for sku, name in zip(cls.deaf, names):
            label = cls.silent[sku] = Silent(name, home)
            label.connect("127.0.0.1", w.platform.ports["broker"])
        w.bind(STORE, {label.device_id: sku for sku, label in cls.silent.items()})
        for label in cls.silent.values():
            label.run_until(label.is_done, what="its product")

    @classmethod
    def truth(cls):
        return cls.world.expected(STORE, cls.bound, lambda label: LANGUAGES[cls.language[label]])

    def labels_of(self, sku):
        return [label for label, bound in self.bound.items() if bound == sku]

    def change(self, product, price, reason="manual"):
        return self.world.ask("POST", "/api/pricing/update",
                              {"storeId": STORE, "productId": product["productId"],
                               "price": price, "reason": reason})

    def test_1_a_price_comes_to_every_label_and_each_confirms_what_it_shows(self):
        """Feature: smartshelf-india, Property 7: Price Update Delivery to All Devices
        Feature: smartshelf-india, Property 8: Price Update Acknowledgment"""
        w = self.world
        before = w.fleet.dump("labels")
        asked = {sku: w.other_price(p) for sku, p in w.products(STORE).items() if sku in self.shelf}
        facts = w.products(STORE)
        answers = parallel(lambda sku: self.change(facts[sku], asked[sku]), self.shelf)
        for sku, answer in zip(self.shelf, answers):
            self.assertEqual(answer["outcome"], "changed")
            self.assertEqual(answer["labels"], len(self.labels_of(sku)))
        panels = w.shown(self.truth())
        for label, panel in panels.items():
            self.assertEqual(panel["priceMinor"], minor(asked[self.bound[label]]))
            self.assertEqual(panel["times"], before[label]["times"] + 1)
        proved(7, len(self.shelf))

        w.settled(STORE)
        deliveries = {d["deliveryId"]: d for d in
                      w.pages(f"/api/pricing/deliveries?storeId={STORE}&state=displayed")}
        for (label, panel), events in zip(panels.items(), parallel(w.events, panels)):
            confirmed = [body for _, _, body in events if body.get("kind") == "display"
                         and body["updateId"] == panel["updateId"]]
            self.assertEqual([(c["status"], c["digest"], c["version"], minor(c["price"]))
                              for c in confirmed],
                             [("displayed", panel["digest"], panel["version"],
                               panel["priceMinor"])])
            delivery = deliveries[panel["updateId"]]
            self.assertEqual((delivery["deviceId"], delivery["digest"]),
                             (label, panel["digest"]))
        proved(8, len(panels))

    def test_2_every_change_is_in_the_products_history(self):
        """Feature: smartshelf-india, Property 12: Price History Logging"""
        w = self.world

        def change_one(case):
            product, price, reason = case
            path = f"/api/pricing/history/{product['productId']}?storeId={STORE}"
            old = w.pages(path)
            answer = self.change(product, price, reason)
            return old, answer, w.pages(path)
        cases = [(product, w.other_price(product), w.rng.choice(REASONS))
                 for sku, product in w.products(STORE).items() if sku in self.shelf]
        for (product, price, reason), (old, answer, new) in zip(cases, parallel(change_one, cases)):
            self.assertEqual([{**entry, "until": None} for entry in new[1:]],
                             [{**entry, "until": None} for entry in old])
            entry = new[0]
            self.assertEqual((minor(entry["price"]), minor(entry["previousPrice"])),
                             (minor(price), minor(product["price"])))
            self.assertEqual((entry["changeReason"], entry["version"], entry["currency"]),
                             (reason, answer["version"], "INR"))
            self.assertEqual(entry["version"], old[0]["version"] + 1)
            self.assertTrue(entry["changedBy"])
            self.assertGreater(entry["timestamp"], old[0]["timestamp"])
            self.assertEqual((entry["until"], new[1]["until"]), (None, entry["timestamp"]))
        w.shown(self.truth())
        proved(12, len(cases))

    def test_3_a_bulk_waits_for_nobody_and_silence_is_retried_and_told(self):
        """Feature: smartshelf-india, Property 9: Price Update Retry with Exponential Backoff
        Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting
        Feature: smartshelf-india, Property 11: Bulk Update Parallel Processing

        100 uploads at once; each has one product whose label never confirms, and others."""
        w = self.world
        w.settled(STORE)
        facts = w.products(STORE)
        uploads = [[sku] for sku in self.deaf]
        for index, sku in enumerate(self.shelf):
            uploads[index].append(sku)
        for rows in uploads:
            w.rng.shuffle(rows)
        asked = {sku: w.other_price(facts[sku]) for sku in facts}
        feed = Feed(w, STORE)
        with self.listening():
            jobs = parallel(lambda rows: w.ask(
                "POST", f"/api/pricing/bulk-update?storeId={STORE}",
                {"storeId": STORE, "updates": [{"productId": sku, "price": asked[sku]}
                                               for sku in rows]}), uploads)
            wait_for(lambda: {sku: p["price"] for sku, p in w.products(STORE).items()} == asked,
                     "the price book has all of them")
            w.shown(self.truth())
            failed = self.wait_for_failures()
            self.check_parallel(jobs, uploads)
            alerts = w.alerts(STORE, "price_update_failed")
            time.sleep(2)  # a fourth retry would come now
        self.check_retries()
        self.check_failures(failed, alerts, feed)

    def listening(self):
        """A thread that reads for all silent labels."""
        labels = list(self.silent.values())

        class Listening:
            def __enter__(self):
                for label in labels:
                    label.run_until(label.has_read_all, what="the end of what came before")
                    label.mute = True
                self.over = threading.Event()
                self.thread = threading.Thread(target=self.run)
                self.thread.start()

            def run(self):
                sockets = {label.link.socket: label for label in labels}
                while not self.over.is_set():
                    for socket in select.select(sockets, [], [], 0.1)[0]:
                        sockets[socket].listen()

            def __exit__(self, *_):
                self.over.set()
                self.thread.join()
        return Listening()

    def wait_for_failures(self):
        path = f"/api/pricing/deliveries?storeId={STORE}&state=failed"

        def all_failed():
            found = self.world.pages(path)
            return found if len(found) >= CASES else None
        return wait_for(all_failed, "100 failed deliveries", 40, 0.5)

    def check_parallel(self, jobs, uploads):
        """In every upload the others were confirmed before the silent one was given up; one after
        the other in the order of the rows, those behind it could not have been."""
        w = self.world

        def outcome(job):
            wait_for(lambda: w.get(f"/api/bulk-jobs/{job['jobId']}")["state"] == "done",
                     "the job is done")
            return (w.pages(f"/api/bulk-jobs/{job['jobId']}/rows"),
                    w.pages(f"/api/pricing/deliveries?storeId={STORE}&jobId={job['jobId']}"))
        for (rows, deliveries), upload in zip(parallel(outcome, jobs), uploads):
            self.assertEqual([(row["target"], row["state"]) for row in rows],
                             [(sku, "failed" if sku in self.silent else "succeeded")
                              for sku in upload])
            given_up, = (d["finishedAt"] for d in deliveries if d["state"] == "failed")
            others = [d for d in deliveries if d["state"] == "displayed"]
            self.assertEqual(len(others), len(deliveries) - 1)
            self.assertTrue(others)
            for delivery in others:
                self.assertLess(delivery["finishedAt"], given_up)
        proved(11, len(jobs))

    def check_retries(self):
        """The wire itself: one send and three retries of the same bytes, ever later. What a busy
        machine adds to a pause differs; the typical one is nearest to its own."""
        pauses = []
        for label in self.silent.values():
            self.assertEqual(len(label.heard), 4, (label.device_id, label.heard))
            self.assertEqual(len({payload for _, payload in label.heard}), 1)
            at = [when for when, _ in label.heard]
            pauses.append([later - earlier for earlier, later in zip(at, at[1:])])
        for index, nominal in enumerate(PAUSES_S):
            typical = statistics.median(p[index] for p in pauses)
            self.assertEqual(min(PAUSES_S, key=lambda p: abs(p - typical)), nominal, typical)
        proved(9, len(pauses))

    def check_failures(self, failed, alerts, feed):
        names = sorted(label.device_id for label in self.silent.values())
        self.assertEqual(sorted(d["deviceId"] for d in failed), names)
        for delivery in failed:
            self.assertEqual(delivery["attempts"], 4)
            self.assertTrue(delivery["detail"] and delivery["finishedAt"])
        self.assertEqual(sorted(alert["deviceId"] for alert in alerts), names)
        for alert in alerts:
            self.assertEqual(alert["productId"], next(
                sku for sku, label in self.silent.items() if label.device_id == alert["deviceId"]))
        # What a dashboard that is open was told.
        wait_for(lambda: {a["deviceId"] for a in feed.alerts("price_update_failed")} == set(names),
                 "all alerts on the feed")
        proved(10, len(failed))


if __name__ == "__main__":
    main()
