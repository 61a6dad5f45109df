#!/usr/bin/env python3
"""Properties of configuration (P56 to P60), languages (P61 to P65) and energy (P66 to P70) with 320
labels over the platform as it is shipped. Usage: test_properties_configuration.py BUILD_DIRECTORY"""
import collections
import csv
import datetime
import io
import os
import random
import signal

from shelf_world import (CASES, LANGUAGES, Properties, main, minor, parallel, proved, wait_for)

STORE = "STORE-CONFIG"
LABELS = 2 * CASES    # of that store: two for each upload
AISLES = 20
ROUNDS = 5            # of new languages for every aisle
OFFSET_MINUTES = 330  # Asia/Kolkata
# A store each. Official languages, as the states' acts have them.
REGIONS = {"IN-MH": "mr", "IN-TN": "ta", "IN-TG": "te", "IN-WB": "bn", "IN-DL": "hi",
           "IN-KA": "en", "IN-UP": "hi", "IN-PY": "ta"}
COLUMNS = {  # in CSV: (right, wrong)
    "refreshIntervalSeconds": (("0", "3600", "17"), ("3601", "-1", "1.5", "x")),
    "ledBrightness": (("1", "100", "55"), ("0", "101", "80%")),
    "idleTimeoutSeconds": (("0", "86400", "60"), ("86401", "five")),
    "syncIntervalPeakSeconds": (("5", "300", "86400"), ("4", "0", "9999999")),
    "syncIntervalOffPeakSeconds": (("5", "1800"), ("4", "5s", "86401")),
    "peakFrom": (("00:00", "23:59", "08:30"), ("24:00", "8:30", "0830")),
    "peakTo": (("00:00", "22:00"), ("12:7", "aa:bb")),
    "language": (LANGUAGES, ("fr", "HI", "h")),
}
QUIET = {"refreshIntervalSeconds": 0, "idleTimeoutSeconds": 0, "ledBrightness": 80,
         "syncIntervalPeakSeconds": 3600, "syncIntervalOffPeakSeconds": 3600,
         "peakFrom": "08:00", "peakTo": "22:00"}


def table(rows):
    """CSV of rows that all have the same columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def clock(minute):
    return f"{minute // 60:02d}:{minute % 60:02d}"


def sync_seconds(config):
    """Of a configuration as REST takes it, at this minute in the store."""
    now = datetime.datetime.now(datetime.timezone.utc)
    minute = (now.hour * 60 + now.minute + OFFSET_MINUTES) % 1440
    start, end = (int(config[name][:2]) * 60 + int(config[name][3:])
                  for name in ("peakFrom", "peakTo"))
    peak = start <= minute < end if start < end else not end <= minute < start
    return config["syncIntervalPeakSeconds" if peak else "syncIntervalOffPeakSeconds"]


class Configuration(Properties):
    @classmethod
    def open_shop(cls):
        w = cls.world
        w.make_store(STORE)
        cls.skus = w.make_products(STORE, CASES)
        cls.names = w.provision(STORE, "ESP32-000001", LABELS)
        cls.aisle = {label: f"Aisle {index % AISLES}" for index, label in enumerate(cls.names)}
        cls.language = {f"Aisle {n}": "en" for n in range(AISLES)}
        parallel(lambda label: w.place(label, cls.aisle[label]), cls.names)
        cls.bound = {label: cls.skus[index % CASES] for index, label in enumerate(cls.names)}
        w.bind(STORE, cls.bound)
        cls.regional = {}
        for number, (region, language) in enumerate(REGIONS.items(), 1):
            store = f"STORE-{region}"
            w.make_store(store, region)
            for label in w.provision(store, f"ESP32-{number}00001", -(-CASES // len(REGIONS))):
                cls.regional[label] = language
        parallel(lambda label: w.place(label, "1"), cls.regional)
        # Batteries are set before the platform hears of them: the first level of a day counts.
        w.open_fleet("--off")
        cls.level = {}
        by_level = collections.defaultdict(list)
        for label in w.labels:
            cls.level[label] = w.rng.randrange(50, 101, 5)
            by_level[cls.level[label]].append(label)
        for level, labels in by_level.items():
            w.fleet.act(labels, "battery", pct=level)
        w.fleet.act("labels", "on")
        w.all_there()
        w.shown(cls.truth())
        w.settled(STORE)

    @classmethod
    def truth(cls):
        return cls.world.expected(STORE, cls.bound, lambda label: cls.language[cls.aisle[label]])

    def configure(self, configs):
        """{label: configuration}, by one upload; waits until all have it."""
        w = self.world
        rows = [{"deviceId": label, **config} for label, config in configs.items()]
        job = w.ask("POST", f"/api/devices/bulk-config?storeId={STORE}", {"rows": rows})
        done = self.job_done(job)
        self.assertEqual(done["succeeded"], len(rows), done)

    def job_done(self, job, seconds=40):
        def done():
            found = self.world.get(f"/api/bulk-jobs/{job['jobId']}")
            return found if found["state"] == "done" else None
        return wait_for(done, "the job is done", seconds)

    def device(self, label):
        return self.world.get(f"/api/devices/{label}")

    def shadow(self, label):
        return self.world.get(f"/api/devices/{label}/shadow")

    # --- languages ---

    def test_1_names_and_descriptions_are_kept_in_all_six_languages(self):
        """Feature: smartshelf-india, Property 61: Multi-Language Product Input"""
        w = self.world
        cases = [{**w.random_product(1000 + n), "description": w.random_texts(LANGUAGES)}
                 for n in range(CASES)]
        changed = [{"name": w.random_texts(w.some_languages()),
                    "description": w.random_texts(LANGUAGES)} for _ in cases]
        for case in cases[:CASES // 2]:
            case["name"] = w.random_texts(LANGUAGES)

        def create_and_change(case, texts):
            path = f"/api/products/{case['productId']}"
            w.ask("POST", f"/api/products?storeId={STORE}", case)
            made = w.get(f"{path}?storeId={STORE}")
            w.ask("PUT", f"{path}/texts?storeId={STORE}", texts)
            return made, w.get(f"{path}?storeId={STORE}")
        results = parallel(lambda pair: create_and_change(*pair), list(zip(cases, changed)))
        for (made, later), case, texts in zip(results, cases, changed):
            self.assertEqual((made["name"], made["description"]),
                             (case["name"], case["description"]))
            self.assertEqual((later["name"], later["description"]),
                             (texts["name"], texts["description"]))
            self.assertEqual(set(later["missingTranslations"]), set(LANGUAGES) - set(texts["name"]))
        proved(61, len(cases))

    def test_2_a_label_speaks_its_regions_language(self):
        """Feature: smartshelf-india, Property 62: Regional Language Configuration"""
        w = self.world
        panels = w.fleet.dump(list(self.regional))
        for label, shadow in zip(self.regional, parallel(self.shadow, self.regional)):
            language = self.regional[label]
            self.assertEqual(shadow["state"]["desired"]["config"]["language"], language)
            self.assertEqual(shadow["state"]["reported"]["language"], language)
            self.assertEqual(panels[label]["language"], language)
        proved(62, len(self.regional))

    def test_3_a_sections_language_is_shown_with_the_names_there_are(self):
        """Feature: smartshelf-india, Property 63: Translated Display Content
        Feature: smartshelf-india, Property 64: Translation Fallback to English
        Feature: smartshelf-india, Property 65: Language Setting Propagation"""
        w = self.world
        facts = w.products(STORE)
        changes, translated, missing = 0, set(), set()
        for _ in range(ROUNDS):
            before = w.fleet.dump(self.names)
            for aisle, old in list(self.language.items()):
                self.language[aisle] = w.rng.choice([n for n in LANGUAGES if n != old])
                changes += 1
            told = parallel(lambda aisle: w.ask(
                "PUT", f"/api/stores/{STORE}/sections/{aisle.replace(' ', '%20')}",
                {"language": self.language[aisle]}), self.language)
            self.assertEqual({t["labels"] for t in told}, {LABELS // AISLES})
            panels = w.shown(self.truth())
            w.settled(STORE)
            panels = w.fleet.dump(self.names)
            for label, panel in panels.items():
                language, sku = self.language[self.aisle[label]], self.bound[label]
                self.assertEqual(panel["language"], language)
                self.assertEqual(panel["configVersion"], before[label]["configVersion"] + 1, label)
                there = language in facts[sku]["name"]
                (translated if there else missing).add((sku, language))
        proved(65, changes)
        # The digests that `shown` waited for are those of the right names.
        proved(63, len(translated))
        alerts = w.alerts(STORE, "missing_translation")
        self.assertEqual(collections.Counter(a["productId"] for a in alerts),
                         collections.Counter(sku for sku, _ in missing))
        proved(64, len(missing))

    # --- configuration ---

    def test_4_a_table_is_taken_whole_or_every_bad_field_is_told(self):
        """Feature: smartshelf-india, Property 56: CSV Validation"""
        w = self.world
        versions = self.versions()
        good = 0
        for _ in range(CASES + CASES // 2):
            rows, wrong = self.random_table()
            path = f"/api/devices/bulk-config?storeId={STORE}"
            if not wrong:
                good += 1
                continue  # taken in the next test
            code, error = w.refused("POST", path, table(rows), "text/csv")
            details = error["details"]
            details = details if isinstance(details, list) else [details]
            self.assertEqual(code, 400)
            self.assertEqual(sorted((d["row"], d["field"]) for d in details), sorted(wrong))
        self.assertEqual(w.pages(f"/api/bulk-jobs?storeId={STORE}&kind=config"), [])
        self.assertEqual(self.versions(), versions)
        proved(56, CASES + CASES // 2 - good)

    def versions(self):
        return {label: panel["configVersion"]
                for label, panel in self.world.fleet.dump(self.names).items()}

    def random_table(self):
        """Rows, and [(row, field)] of what is wrong in them."""
        rng = self.world.rng
        columns = rng.sample(list(COLUMNS), rng.randint(1, len(COLUMNS)))
        rows, wrong = [], []
        for number, label in enumerate(rng.sample(self.names, rng.randint(1, 6)), 1):
            device = rng.choices((label, "ESP32-NOBODY", ""), (8, 1, 1))[0]
            if device != label:
                wrong.append((number, "deviceId"))
            row = {"deviceId": device}
            for column in columns:
                bad = rng.random() < 0.15
                row[column] = rng.choice(COLUMNS[column][bad])
                if bad:
                    wrong.append((number, column))
            rows.append(row)
        return rows, wrong

    def random_config(self):
        rng = self.world.rng
        return {"refreshIntervalSeconds": rng.randint(0, 3600),
                "ledBrightness": rng.randint(1, 100), "idleTimeoutSeconds": 0,
                "syncIntervalPeakSeconds": rng.randint(60, 20000),
                "syncIntervalOffPeakSeconds": rng.randint(20001, 40000),
                "peakFrom": clock(rng.randrange(1440)), "peakTo": clock(rng.randrange(1440))}

    def test_5_an_upload_reaches_its_labels_at_once_is_summed_up_and_failures_tried_again(self):
        """Feature: smartshelf-india, Property 57: Step Function Workflow Creation
        Feature: smartshelf-india, Property 58: Device Shadow Configuration Update
        Feature: smartshelf-india, Property 59: Bulk Update Summary Report
        Feature: smartshelf-india, Property 60: Failed Configuration Retry

        100 uploads at once, of two labels each; one of every two never confirms. The execution is a
        bulk job."""
        w = self.world
        state, uploads = {}, []
        for first, second in zip(self.names[::2], self.names[1::2]):
            state[first] = "silent"
            state[second] = w.rng.choice(("there", "there", "there", "silent", "away"))
            uploads.append(w.rng.sample((first, second), 2))
        configs = {label: self.random_config() for label in self.names}
        w.fleet.act([n for n in self.names if state[n] == "silent"], "mute", what="ack")
        away = [n for n in self.names if state[n] == "away"]
        w.fleet.act(away, "offline")
        wait_for(lambda: not any(self.device(label)["online"] for label in away), "they are away")

        jobs = parallel(lambda labels: w.ask(
            "POST", f"/api/devices/bulk-config?storeId={STORE}",
            table([{"deviceId": n, **configs[n]} for n in labels]), "text/csv"), uploads)
        summaries = parallel(self.job_done, jobs)
        rows = parallel(lambda j: w.pages(f"/api/bulk-jobs/{j['jobId']}/rows"), jobs)
        self.check_parallel(jobs, rows, uploads, state)
        self.check_shadows(configs, state)
        self.check_summaries(summaries, rows, uploads, state)
        self.check_retry(jobs, uploads, state)

    def check_parallel(self, jobs, rows, uploads, state):
        """Every device of an upload was begun before any of it was given up."""
        def begun(job):
            return self.world.pages(f"/api/pricing/deliveries?storeId={STORE}&jobId={job['jobId']}")
        for found, deliveries, upload in zip(rows, parallel(begun, jobs), uploads):
            self.assertEqual([row["target"] for row in found], upload)
            self.assertEqual({d["deviceId"] for d in deliveries}, set(upload))
            given_up = min(d["finishedAt"] for d in deliveries if d["state"] == "failed")
            for delivery in deliveries:
                self.assertLess(delivery["createdAt"], given_up)
                if state[delivery["deviceId"]] == "there":
                    self.assertLess(delivery["finishedAt"], given_up)
        proved(57, len(jobs))

    def check_shadows(self, configs, state):
        w = self.world
        panels = w.fleet.dump(self.names)
        for label, shadow in zip(self.names, parallel(self.shadow, self.names)):
            wanted, found = configs[label], shadow["state"]["desired"]["config"]
            self.assertEqual(
                [found[name] for name in ("refreshIntervalSeconds", "ledBrightness",
                                          "syncPeakSeconds", "syncOffPeakSeconds")],
                [wanted[name] for name in ("refreshIntervalSeconds", "ledBrightness",
                                           "syncIntervalPeakSeconds",
                                           "syncIntervalOffPeakSeconds")])
            self.assertEqual((clock(found["peakFromMinute"]), clock(found["peakToMinute"])),
                             (wanted["peakFrom"], wanted["peakTo"]))
            if state[label] == "there":
                self.assertEqual(panels[label]["configVersion"], found["version"], label)
                self.assertEqual(shadow["state"]["reported"]["configVersion"], found["version"])
        proved(58, len(self.names))

    def check_summaries(self, summaries, rows, uploads, state):
        names = {"there": "succeeded", "silent": "failed", "away": "offline"}
        for summary, found, upload in zip(summaries, rows, uploads):
            count = collections.Counter(names[state[label]] for label in upload)
            self.assertEqual({name: summary[name] for name in names.values()},
                             {name: count[name] for name in names.values()})
            self.assertEqual([row["state"] for row in found], [names[state[n]] for n in upload])
        proved(59, len(summaries))

    def check_retry(self, jobs, uploads, state):
        """The others are told apart by words; only the failed ones are tried again."""
        w = self.world

        def retry(job):
            report = w.text(f"/api/bulk-jobs/{job['jobId']}/report")
            again = w.ask("POST", f"/api/bulk-jobs/{job['jobId']}/retry")
            return report, again, w.pages(f"/api/bulk-jobs/{again['jobId']}/rows")
        results = parallel(retry, jobs)
        w.fleet.act("labels", "mute", what="none")
        for (report, again, rows), upload in zip(results, uploads):
            failed = [label for label in upload if state[label] == "silent"]
            self.assertEqual([row["target"] for row in rows], failed)
            words = {row["target"]: row["detail"] for row in csv.DictReader(io.StringIO(report))
                     if row["state"] == "failed"}
            self.assertEqual(set(words), set(failed))
            self.assertTrue(all(words.values()), words)
            done = self.job_done(again)
            self.assertEqual((done["rows"], done["succeeded"]), (len(failed), len(failed)))
        proved(60, len(jobs))

    # --- energy ---

    def test_6_the_same_picture_is_not_drawn_again(self):
        """Feature: smartshelf-india, Property 67: E-Ink Update Optimization

        A price that was changed and changed back while the label was away is a new update of the
        same picture."""
        w = self.world
        self.configure({label: QUIET for label in self.names})
        w.shown(self.truth())
        w.settled(STORE)
        before = w.fleet.dump(self.names)
        w.fleet.act(self.names, "offline")
        wait_for(lambda: not w.pages(f"/api/devices?storeId={STORE}&state=online&kind=label"),
                 "they are away")
        facts = w.products(STORE)
        changed = set(w.rng.sample(self.skus, CASES // 4))  # these are drawn

        def change(sku):
            path, body = "/api/pricing/update", {"storeId": STORE, "productId": sku}
            w.ask("POST", path, {**body, "price": w.other_price(facts[sku])})
            if sku not in changed:
                w.ask("POST", path, {**body, "price": facts[sku]["price"]})
        parallel(change, self.skus)
        w.fleet.act(self.names, "online")
        w.shown(self.truth())
        w.settled(STORE)
        after, kept = w.fleet.dump(self.names), 0
        for label in self.names:
            same = self.bound[label] not in changed
            rise = {name: after[label][name] - before[label][name]
                    for name in ("times", "coreVersion", "kept")}
            self.assertEqual(rise, {"times": 0, "coreVersion": 2, "kept": 1} if same
                             else {"times": 1, "coreVersion": 1, "kept": 0}, label)
            kept += same
        proved(67, kept)

    def test_7_the_days_a_battery_will_last_follow_from_what_it_lost(self):
        """Feature: smartshelf-india, Property 68: Battery Life Estimation

        The worker estimates as it starts and each ten minutes: here it is started anew."""
        w = self.world
        lost = {label: w.rng.randint(0, 30) for label in self.names}
        self.report({label: self.level[label] - lost[label] for label in self.names})
        os.kill(w.platform.pid_of("worker"), signal.SIGKILL)
        wanted = {label: (self.level[label] - lost[label]) // lost[label] if lost[label] else None
                  for label in self.names}
        self.wait_for_devices("batteryDaysLeft", wanted)
        proved(68, len(wanted))

    def report(self, levels):
        w = self.world
        by_level = collections.defaultdict(list)
        for label, level in levels.items():
            by_level[level].append(label)
        for level, labels in by_level.items():
            w.fleet.act(labels, "battery", pct=level)
        w.fleet.act(list(levels), "reboot")
        self.wait_for_devices("batteryLevel", levels)
        w.all_there()

    def wait_for_devices(self, field, wanted):
        w = self.world

        def found():
            return {d["deviceId"]: d[field] for d in
                    w.pages(f"/api/devices?storeId={STORE}&kind=label")}
        wait_for(lambda: found() == wanted, f"{field} of all labels")

    def test_8_intervals_differ_by_the_hour_and_a_weak_battery_spares_light_and_wakes(self):
        """Feature: smartshelf-india, Property 69: Differential Sleep Schedule Configuration
        Feature: smartshelf-india, Property 70: Low Battery Power Saving Mode"""
        w = self.world
        configs = {label: {**self.random_config(), "refreshIntervalSeconds": 0}
                   for label in self.names}
        self.configure(configs)
        panels = self.at_one_minute(lambda: w.fleet.dump(self.names))
        for label, shadow in zip(self.names, parallel(self.shadow, self.names)):
            found, wanted = shadow["state"]["desired"]["config"], configs[label]
            self.assertEqual((found["syncPeakSeconds"], found["syncOffPeakSeconds"]),
                             (wanted["syncIntervalPeakSeconds"],
                              wanted["syncIntervalOffPeakSeconds"]))
            self.assertEqual(panels[label]["syncSeconds"], sync_seconds(wanted), label)
        proved(69, len(self.names))

        levels = {label: w.rng.choice((w.rng.randint(0, 19), w.rng.randint(15, 24),
                                       w.rng.randint(25, 100))) for label in self.names}
        self.report(levels)
        parallel(lambda label: w.ask("POST", f"/api/devices/{label}/flash",
                                     {"pattern": "solid", "durationSeconds": 600}), self.names)
        wait_for(lambda: all(p["led"] == "solid" for p in w.fleet.dump(self.names).values()),
                 "all are lit")
        panels = self.at_one_minute(lambda: w.fleet.dump(self.names))
        low = 0
        for label, panel in panels.items():
            bright, seconds = configs[label]["ledBrightness"], sync_seconds(configs[label])
            if levels[label] < 20:
                low += 1
                self.assertLessEqual(abs(panel["ledPct"] - bright / 2), 1, label)
                self.assertEqual(panel["syncSeconds"], min(4 * seconds, 86400), label)
            else:
                self.assertEqual((panel["ledPct"], panel["syncSeconds"]), (bright, seconds), label)
        self.assertGreater(low, 20)
        proved(70, len(panels))
        parallel(lambda n: w.ask("DELETE", f"/api/devices/{n}/flash"), self.names)

    def at_one_minute(self, look):
        """What look() answers when no minute begins meanwhile: schedules go by the minute."""
        while True:
            minute = datetime.datetime.now().minute
            found = look()
            if datetime.datetime.now().minute == minute:
                return found

    def test_9_an_idle_label_goes_to_sleep_and_one_that_has_to_do_stays_awake(self):
        """Feature: smartshelf-india, Property 66: Deep Sleep Mode Activation"""
        w = self.world
        rng = random.Random(w.rng.random())
        self.report({label: 100 for label in self.names})
        lit = rng.sample(self.names, 20)   # an LED that is on is something to do
        parallel(lambda label: w.ask("POST", f"/api/devices/{label}/flash",
                                     {"pattern": "blink", "durationSeconds": 600}), lit)
        wait_for(lambda: all(p["led"] == "blink" for p in w.fleet.dump(lit).values()), "some are lit")
        idle = {label: rng.choice((0, 1, 2, 3, 4)) for label in self.names}
        sleepers = [n for n in self.names if idle[n] > 0 and n not in lit]
        others = [n for n in self.names if n not in sleepers]
        self.configure({n: {**QUIET, "idleTimeoutSeconds": idle[n]} for n in self.names})
        w.fleet.wait(sleepers, state="asleep", seconds=40)
        for label, panel in w.fleet.dump(others).items():
            self.assertEqual((panel["state"], panel["connected"]), ("running", True), label)
        self.check_naps(sleepers, idle)
        proved(66, len(sleepers))

    def check_naps(self, sleepers, idle):
        """Each said so, not before its time, and is known to be asleep for its sync interval."""
        def told(label):
            return self.device(label)["state"] == "asleep"
        wait_for(lambda: all(parallel(told, sleepers)), "the platform knows that they are asleep")
        for label, events in zip(sleepers, parallel(self.world.events, sleepers)):
            bodies = [body for _, _, body in sorted(events, key=lambda e: (e[0], e[1]))]
            sleep = max(n for n, b in enumerate(bodies) if b.get("reason") == "sleep")
            applied = max(n for n, b in enumerate(bodies[:sleep]) if b.get("status") == "applied")
            self.assertIn(bodies[sleep]["sleepSeconds"], (3600, 4 * 3600))
            awake = self.moment(bodies[sleep]) - self.moment(bodies[applied])
            self.assertGreaterEqual(awake.total_seconds(), idle[label] - 0.05, label)

    @staticmethod
    def moment(body):
        return datetime.datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00"))


if __name__ == "__main__":
    main()
