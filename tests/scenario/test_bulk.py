#!/usr/bin/env python3
"""A bulk of prices, and in the middle of it one of the servers, or all labels, are killed:
afterwards every label is displayed, pending or failed truthfully, and nothing was sent twice with
another content.

usage: test_bulk.py BUILD_DIRECTORY [--labels N] [--victims NAME,...]
"""
import argparse
import collections
import json
import os
import random
import signal
import sys
import time

from crowd import STORE, Crowd, shelf_truth
from scenario import BUILD, SEED

LABELS = 400
VICTIMS = ("worker", "ingest", "broker", "postgres", "fleet")
TROUBLED = 0.02  # of the labels are out of reach, and as many do not say what they show
OPEN = ("queued", "sent")


def check(truth, what):
    if not truth:
        raise SystemExit(f"test_bulk: {what}")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--labels", type=int, default=LABELS)
    parser.add_argument("--victims", default=",".join(VICTIMS))
    return parser.parse_args()


class Round:
    """One bulk and one victim."""

    def __init__(self, crowd, number, victim, rng):
        self.crowd, self.number, self.victim = crowd, number, victim
        some = rng.sample(crowd.ids, 2 * max(2, int(crowd.count * TROUBLED)))
        self.away = set(some[::2])
        # A failure takes 11 s: a short run has some twice, for a retry and for a late word.
        self.silent = set(some[1::2] if number <= 2 or crowd.count > LABELS else [])
        self.patience = 60 + crowd.count / 25

    def job(self):
        return self.crowd.get(f"/api/bulk-jobs/{self.job_id}")

    def trouble(self):
        labels = self.crowd.labels
        labels.act(sorted(self.away), "offline")
        if self.silent:
            labels.act(sorted(self.silent), "mute", what="shown")
        labels.wait(sorted(self.away), connected=False)

    def begin(self):
        """Each item gets a price it did not have: some rise, some fall."""
        updates = [{"productId": sku, "price": 20 + (i + 13 * self.number) % 60}
                   for i, sku in enumerate(self.crowd.skus)]
        self.begun = time.monotonic()
        self.job_id = self.crowd.ask("POST", "/api/pricing/bulk-update",
                                     {"storeId": STORE, "updates": updates})["jobId"]

    def is_midway(self, job):
        """Who applies, and where: killed while rows are applied; who tells: while labels answer."""
        if self.victim in ("worker", "postgres"):
            return job["queued"] < job["rows"]
        return job["succeeded"] > 0

    def kill(self):
        job = self.crowd.until("the bulk begins", lambda: (
            lambda job: self.is_midway(job) and job)(self.job()))
        self.at_kill = {name: job[name] for name in ("queued", "running", "succeeded")}
        if self.victim == "fleet":
            self.crowd.labels.kill()
            self.crowd.labels.start()
            self.trouble()
            return
        platform = self.crowd.platform
        pid = platform.pid_of(self.victim)
        os.kill(pid, signal.SIGKILL)
        self.crowd.until(f"{self.victim} is started again",
                         lambda: platform.pid_of(self.victim) not in (0, pid))

    def deliveries(self, job_id=None):
        """{label: its delivery of this job}"""
        found = {}
        for d in self.crowd.pages(f"/api/pricing/deliveries?jobId={job_id or self.job_id}"):
            check(d["deviceId"] not in found, f"two deliveries of one job to {d['deviceId']}")
            found[d["deviceId"]] = d
        return found

    def is_quiet(self):
        job = self.job()
        if job["state"] != "done":
            return None
        found = self.deliveries()
        # Who lost the connection and was not told of yet may be told as failed until it is back.
        late = [label for label, d in found.items() if d["state"] in OPEN or
                (d["state"] == "pending" and label not in self.away) or
                (d["state"] == "failed" and label not in self.silent)]
        return None if late else found

    # --- the truth ---

    def judge(self, found, troubled):
        """What REST tells of each label against what the label itself shows."""
        crowd = self.crowd
        check(set(found) == set(crowd.ids), f"{len(found)} deliveries for {crowd.count} labels")
        panels = crowd.labels.dump("labels")
        wanted = crowd.expected()
        for label, d in found.items():
            panel = panels[label]
            # The same content under a new id is confirmed, not drawn again.
            version = panel.get("coreVersion", panel.get("version"))  # none while it has no power
            shows = (panel["digest"], version) == (d["digest"], d["version"])
            words = f"{label} ({d}) shows {panel}"
            check(d["digest"] == wanted[label], f"not the price book's: {words}")
            truth = {"displayed": shows,
                     "pending": troubled and label in self.away and not shows,
                     "failed": troubled and label in self.silent}
            check(truth.get(d["state"], False), f"not true: {words}")
        return collections.Counter(d["state"] for d in found.values())

    def judge_report(self, found):
        """The job's rows come to say the same as its deliveries, and its counts add up."""
        crowd = self.crowd
        name = {"displayed": "succeeded", "failed": "failed", "pending": "offline"}
        wanted = {crowd.sku_of[label]: name[d["state"]] for label, d in found.items()}
        path = f"/api/bulk-jobs/{self.job_id}"
        crowd.until("the report says what became of the labels", lambda: wanted == {
            row["target"]: row["state"] for row in crowd.pages(path + "/rows")})
        job, counts = self.job(), collections.Counter(wanted.values())
        check(job["rows"] == crowd.count, f"{job} is not of all")
        for state in ("queued", "running", "succeeded", "failed", "offline"):
            check(job[state] == counts[state], f"{job} says otherwise than its rows {counts}")
        return {target for target, state in wanted.items() if state == "failed"}

    def retry(self, failed):
        """A retry is of the failed rows and no others."""
        again = self.crowd.ask("POST", f"/api/bulk-jobs/{self.job_id}/retry")
        targets = [row["target"] for row in
                   self.crowd.pages(f"/api/bulk-jobs/{again['jobId']}/rows")]
        check(sorted(targets) == sorted(failed), f"a retry of {failed} has the rows {targets}")
        self.again_id = again["jobId"]

    def heal(self, failed):
        """All are there and speak: every label is displayed, and no alert is left."""
        crowd = self.crowd
        crowd.labels.act("all", "heal")
        crowd.labels.act(sorted(self.away), "reboot")  # not in a minute, at once
        again = bool(failed) and self.number % 2 == 1
        if again:
            self.retry(failed)
        elif self.silent:  # a late word is enough: they tell what they show when they are back
            crowd.labels.act(sorted(self.silent), "disconnect")

        def quiet():
            latest = self.deliveries()
            if again:
                latest.update(self.deliveries(self.again_id))
            return latest if all(d["state"] == "displayed" for d in latest.values()) else None
        found = crowd.until("labels that came back show their prices", quiet, self.patience)
        self.judge(found, troubled=False)
        if again:
            crowd.until("the retry ends", lambda: crowd.get(
                f"/api/bulk-jobs/{self.again_id}")["state"] == "done")
        crowd.until("alerts are resolved", lambda: not list(crowd.pages(
            f"/api/alerts?storeId={STORE}&status=open&kind=price_update_failed")))

    def run(self):
        self.trouble()
        self.begin()
        self.kill()
        found = self.crowd.until("the bulk comes to rest", self.is_quiet, self.patience)
        took = time.monotonic() - self.begun
        states = self.judge(found, troubled=True)
        failed = self.judge_report(found)
        self.heal(failed)
        done = [d for d in found.values() if d["state"] == "displayed"]
        print(json.dumps({
            "victim": self.victim, "atKill": self.at_kill, "restSeconds": round(took, 1),
            "displayedSeconds": max(shelf_truth.milliseconds(d["createdAt"], d["finishedAt"])
                                    for d in done) / 1000,
            **states, "sendsTooMany": sum(max(0, d["attempts"] - 1) for d in found.values()),
            "healedSeconds": round(time.monotonic() - self.begun, 1),
            "memoryMb": self.crowd.memory()}), flush=True)


def judge_trace(crowd):
    """One update id is one content and one label's; a panel never goes back."""
    contents, newest, last = {}, {}, {}
    for line in crowd.traced():
        content = (line["id"], line["version"], line["digest"])
        if line["updateId"] == "":
            continue  # a new label's own face
        check(contents.setdefault(line["updateId"], content) == content,
              f"update {line['updateId']} has two contents: {content} and another")
        if line["by"] == "panel":
            check(line["version"] >= newest.get(line["id"], 0), f"a panel goes back: {line}")
            newest[line["id"]] = line["version"]
            last[line["id"]] = line["digest"]
    wanted = crowd.expected()
    wrong = [label for label in crowd.ids if last.get(label) != wanted[label]]
    check(not wrong, f"{len(wrong)} labels drew something else last: {wrong[:5]}")
    return len(contents)


def judge_history(crowd, rounds):
    """One version of a price for each change, whatever was killed."""
    for i, sku in enumerate(crowd.skus):
        history = crowd.get(f"/api/pricing/history/{sku}?storeId={STORE}")["items"]
        prices = [20 + i % 60] + [20 + (i + 13 * n) % 60 for n in range(1, rounds + 1)]
        check([h["price"] for h in reversed(history)] == prices and
              [h["version"] for h in reversed(history)] == list(range(1, rounds + 2)),
              f"the history of {sku} is {history}, not {prices}")


def main():
    chosen = options()
    rng = random.Random(SEED)
    begun = time.monotonic()
    with Crowd(BUILD, chosen.labels) as crowd:
        print(f"{crowd.count} labels show their prices after {time.monotonic() - begun:.0f} s",
              flush=True)
        victims = chosen.victims.split(",")
        for number, victim in enumerate(victims, 1):
            Round(crowd, number, victim, rng).run()
        contents = judge_trace(crowd)
        judge_history(crowd, len(victims))
        print(f"{contents} contents, each with one id; {time.monotonic() - begun:.0f} s",
              flush=True)


if __name__ == "__main__":
    sys.exit(main())
