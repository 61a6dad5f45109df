#!/usr/bin/env python3
"""`endcap up` as an operator meets it: stop and start again, and one clear sentence for everything
that can be wrong. Usage: test_installation.py BUILD_DIRECTORY"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from scenario import BUILD, Store, demo, directory

ENDCAP = BUILD / "prog/endcap/endcap"


def up(data, *options):
    """(exit code, last line of standard error) of an `endcap up` that should not get far."""
    done = subprocess.run([ENDCAP, "up", "--data", data, *options], capture_output=True, text=True,
                          timeout=60)
    lines = done.stderr.strip().split("\n")
    return done.returncode, lines[-1]


class Refusals(unittest.TestCase):
    def setUp(self):
        self.data = directory()
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def refuse(self, words, *options):
        code, line = up(self.data, *options)
        self.assertNotEqual(code, 0)
        self.assertIn(words, line)
        self.assertTrue(line.startswith("endcap up: "), line)

    def test_a_mistyped_setting_names_its_line(self):
        (self.data / "endcap.conf").write_text("# ours\nbroker_prot = 8883\n")
        self.refuse("endcap.conf line 2: there is no setting `broker_prot`")

    def test_a_value_out_of_range_names_its_limits(self):
        (self.data / "endcap.conf").write_text("api_port = 70000\n")
        self.refuse("must be a whole number from 0 to 65535")

    def test_a_port_in_use_names_the_setting(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.refuse("choose another with `broker_port`", "--broker-port", str(port))
            self.refuse("choose another with `api_port`", "--broker-port", "0", "--api-port",
                        str(port))

    def test_a_missing_broker_says_what_to_install(self):
        self.refuse("apt install mosquitto", "--broker-port", "0", "--api-port", "0",
                    "--mosquitto", "/nonexistent/mosquitto")

    def test_a_data_directory_that_is_a_file(self):
        shutil.rmtree(self.data)
        self.data.write_text("not a directory")
        self.addCleanup(self.data.unlink)
        self.refuse("is not a directory")

    def test_an_unreadable_ca(self):
        (self.data / "ca").mkdir()
        (self.data / "ca/ca.crt").write_text("garbage")
        (self.data / "ca/ca.key").write_text("garbage")
        (self.data / "ca/ca.key").chmod(0o600)
        self.refuse("ca", "--broker-port", "0", "--api-port", "0")

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_a_full_disk(self):
        mount = pathlib.Path(tempfile.mkdtemp(prefix="endcap-full-"))
        self.addCleanup(mount.rmdir)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", mount])
        if done.returncode != 0:
            self.skipTest("this machine lets nobody mount")
        self.addCleanup(subprocess.run, ["umount", "-l", mount], check=True)
        code, line = up(mount / "data", "--broker-port", "0", "--api-port", "0")
        self.assertNotEqual(code, 0)
        self.assertRegex(line, "(?i)space|full")

    def test_an_unknown_option_is_usage(self):
        code, line = up(self.data, "--speed", "11")
        self.assertNotEqual(code, 0)
        self.assertIn("there is no setting `speed`", line)


class StopAndStart(unittest.TestCase):
    def test_everything_stops_and_a_second_start_continues(self):
        with Store(carts=3, pace_ms=50) as store:
            platform = store.platform
            pids = [platform.pid_of(n) for n in ("postgres", "broker", "ingest", "worker", "api")]
            self.assertTrue(all(pids), pids)
            second = subprocess.run([ENDCAP, "up", "--data", store.data], capture_output=True,
                                    text=True, timeout=30)
            self.assertEqual(second.returncode, 1)
            self.assertIn("another `endcap up` runs", second.stderr)
            ports = platform.ports
            store.wait_for(lambda: store.trips() >= 3, "three trips are over")
            platform.stop()
            self.assertEqual(platform.process.returncode, 0)
            for pid in pids:
                with self.assertRaises(ProcessLookupError):
                    os.kill(pid, 0)
            platform.start(broker_port=ports["broker"], api_port=ports["api"])
            result = store.finish()
            print(result)
            self.assertGreater(result["trips"], 3)
            for name in ("lost", "duplicates", "out_of_order", "unreconciled"):
                self.assertEqual(result[name], 0, name)

    def test_a_killed_supervisor_leaves_no_process(self):
        with Store(carts=1, pace_ms=100) as store:
            pids = [store.platform.pid_of(n)
                    for n in ("postgres", "broker", "ingest", "worker", "api")]
            store.platform.process.send_signal(signal.SIGKILL)
            store.platform.process.wait()

            def gone():
                return not any(pathlib.Path(f"/proc/{pid}/cmdline").exists()
                               and pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                               for pid in pids)
            store.wait_for(gone, "all children have ended")
            store.platform.start()
            self.assertEqual(demo.verify.get(store.platform.api, "/healthz")["status"], "ok")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
