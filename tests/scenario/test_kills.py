#!/usr/bin/env python3
"""R6 gate: ingest, broker and PostgreSQL killed twenty times under load; nothing is lost or counted
twice, and what was acknowledged is there. Usage: test_kills.py BUILD_DIRECTORY"""
import itertools
import os
import signal
import sys
import time
import unittest

from scenario import Store, demo

KILLS = 20
VICTIMS = ("ingest", "broker", "postgres", "ingest", "worker")


class Kills(unittest.TestCase):
    def test_nothing_is_lost_when_servers_are_killed_under_load(self):
        with Store(carts=6, pace_ms=40) as store:
            victims = itertools.cycle(VICTIMS)
            killed = 0
            while killed < KILLS:
                store.assert_alive()
                name = next(victims)
                pid = store.platform.pid_of(name)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                    store.wait_for(lambda: store.platform.pid_of(name) not in (0, pid),
                                   f"{name} is started again")
                time.sleep(0.4)
            result = store.finish()
            print(result)
            self.assertGreater(result["events_sent"], 200)
            self.assertEqual([name for name in demo.verify.ZERO if result[name] != 0], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
