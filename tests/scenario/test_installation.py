#!/usr/bin/env python3
"""`endcap up` as an operator meets it: stop and start again, and one clear sentence for everything
that can be wrong. Usage: test_installation.py BUILD_DIRECTORY"""
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import unittest

from scenario import BUILD, ROOT, Store, demo, directory

ENDCAP = BUILD / "prog/endcap/endcap"


def up(data, *options):
    """(exit code, last line of standard error) of an `endcap up` that should not get far."""
    done = subprocess.run([ENDCAP, "up", "--data", data, *options], capture_output=True, text=True,
                          timeout=60)
    lines = done.stderr.strip().split("\n")
    return done.returncode, lines[-1]


class Words(unittest.TestCase):
    """What the other commands say when they cannot: one line, telling what to do."""

    def setUp(self):
        self.data = directory()
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def says(self, code, words, line, program=ENDCAP):
        with self.subTest(line=line):
            done = subprocess.run([program, *line.split()], capture_output=True, text=True,
                                  cwd=self.data, timeout=30)
            self.assertEqual(done.stdout, "")
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertRegex(done.stderr, f"^{re.escape(program.name)}.*: ")
            self.assertIn(words, done.stderr)
            self.assertEqual(done.returncode, code)

    def test_a_wrong_option_names_itself_and_where_to_look(self):
        for command in ("ca", "store", "catalog", "cart", "ingest", "worker", "api", "watch"):
            hint = f"`endcap {command} --help`"
            self.says(2, f"endcap {command}: `--speed` is not an option; {hint}",
                      f"{command} --speed 11")
            self.says(2, f"endcap {command}: `--data` needs a value; {hint}", f"{command} --data")
        self.says(2, "`--speed` is not an option", "device list --speed")
        self.says(2, "`--json=yes` takes no value", "device list --json=yes")
        self.says(2, "`--speed` is no option", "--speed", BUILD / "prog/bench/endcap-bench")
        self.says(2, "`0` is no option, or its value", "--carts 0",
                  BUILD / "prog/bench/endcap-bench")

    def test_a_command_cut_short_says_what_is_missing(self):
        self.says(2, "the subcommands are provision, revoke and list", "device")
        self.says(2, "the subcommands are create and list", "store")
        self.says(2, "--store, --partner and --name are needed", "store create --store STORE-A")
        self.says(2, "`import FILE.csv --store S`", "catalog import")
        self.says(2, "--store is needed", "catalog list")
        self.says(2, "--workers is ingest's", "worker --workers 2")

    def test_a_command_for_a_cart_is_checked_before_it_is_queued(self):
        cart = "cart command --cart CART-000001 --kind"
        self.says(2, "--kind is sleep, wake,", f"{cart} dance")
        self.says(2, "--version is a whole number", f"{cart} catalogue --version x")
        self.says(2, "--session goes with pause,", f"{cart} sleep --session CART-000001.1.1")
        self.says(2, "--reason is 1 to 64", f"{cart} sleep --reason {'x' * 65}")

    def test_where_no_installation_is(self):
        for line in ("ca show", "store list", "device list", "catalog list --store STORE-A",
                     "cart command --cart CART-000001 --kind sleep", "ingest", "worker", "api",
                     "watch"):
            self.says(1, "start one with `endcap up --data './nowhere'`",
                      f"{line} --data ./nowhere")

    def test_where_an_installation_does_not_run(self):
        self.assertEqual(subprocess.run([ENDCAP, "ca", "init", "--data", "made"], cwd=self.data,
                                        stdout=subprocess.DEVNULL).returncode, 0)
        for line in ("store list", "device list", "catalog list --store STORE-A",
                     "cart command --cart CART-000001 --kind sleep"):
            self.says(1, f"Endcap is not running in {self.data}/made; start it with `endcap up",
                      f"{line} --data made")

    def test_watch_says_that_nobody_answers(self):
        done = subprocess.run([ENDCAP, "watch", "--once", "--data", self.data],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not answer; is `endcap up` running?", done.stdout)

    def test_a_directory_without_a_name(self):
        for command in ("up", "watch"):
            done = subprocess.run([ENDCAP, command, "--data", ""], capture_output=True, text=True,
                                  timeout=30)
            self.assertIn("name is empty", done.stderr)
            self.assertNotEqual(done.returncode, 0)

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_a_directory_that_is_not_ours_to_write(self):
        closed = self.data / "closed"
        closed.mkdir(mode=0o500)
        for command in ("up", "ca init"):
            self.says(1, "Permission denied; give this user the right to it",
                      f"{command} --data closed/data")


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

    def test_an_unknown_log_level_names_the_setting(self):
        (self.data / "endcap.conf").write_text("log_level = loud\n")
        self.refuse("`log_level` must be debug, info, warn or error")

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

    def test_a_broken_certificate_of_the_broker(self):
        self.assertEqual(subprocess.run([ENDCAP, "ca", "init", "--data", self.data],
                                        stdout=subprocess.DEVNULL).returncode, 0)
        for name in ("server.crt", "server.key"):
            path = self.data / "broker" / name
            kept = path.read_bytes()
            path.write_text("garbage")
            self.refuse("remove both, and the next start makes new ones", "--broker-port", "0",
                        "--api-port", "0")
            path.write_bytes(kept)

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


class Names(unittest.TestCase):
    def test_the_brokers_certificate_follows_its_names(self):
        data = directory()
        self.addCleanup(shutil.rmtree, data, ignore_errors=True)

        def certificate():
            platform = demo.Platform(BUILD, data)
            try:
                platform.start()
            finally:
                platform.stop()
            return subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in",
                                   data / "broker/server.crt"], capture_output=True, text=True,
                                  check=True).stdout
        first = certificate()
        self.assertNotIn("store.example", first)
        self.assertEqual(certificate(), first)
        (data / "endcap.conf").write_text("broker_names = localhost,store.example\n")
        self.assertIn("store.example", certificate())


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
            platform.run("device", "provision", "--kind", "cart", "--store", "STORE-MUM-01",
                         "--device", "CART-GONE", "--out", store.data / "gone")
            platform.run("device", "revoke", "--device", "CART-GONE")
            platform.stop()
            self.assertEqual(platform.process.returncode, 0)
            # as after a restore: the database knows who is revoked
            (store.data / "broker/revoked.list").unlink()
            (store.data / "broker/crl.pem").write_text("garbage")
            for pid in pids:
                with self.assertRaises(ProcessLookupError):
                    os.kill(pid, 0)
            platform.start(broker_port=ports["broker"], api_port=ports["api"])
            self.assertIn(" CART-GONE\n", (store.data / "broker/revoked.list").read_text())
            result = store.finish()
            print(result)
            self.assertGreater(result["trips"], 3)
            self.assertEqual([name for name in demo.verify.ZERO if result[name] != 0], [])

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


class Demonstration(unittest.TestCase):
    """demo/demo.py in a terminal, ended with Ctrl-C."""

    def shop(self, data):
        """(exit code, what the terminal showed, the services that ran)"""
        words = [sys.executable, ROOT / "demo/demo.py", "--build", BUILD, "--data", data,
                 "--carts", "3", "--pace-ms", "50"]
        ours, theirs = pty.openpty()
        process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs,
                                   start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        shown = b""
        services = {}
        try:
            end = time.monotonic() + 100
            while time.monotonic() < end:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the last one who had the terminal open has gone
                    break
                if not services and re.search(rb"complete +[1-9]", shown):
                    services = json.loads((data / "run/pids.json").read_text())
                    os.write(ours, b"\x03")
            return process.wait(timeout=5), shown.decode(errors="replace"), services
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def test_the_carts_finish_and_then_everything_stops(self):
        data = directory()
        self.addCleanup(shutil.rmtree, data, ignore_errors=True)
        code, shown, services = self.shop(data)
        self.assertEqual(code, 0, shown)
        result = json.loads(shown.strip().split("\n")[-1])
        self.assertGreater(result["trips"], 0)
        self.assertEqual(result["lost"], 0)
        self.assertEqual(len(services), 5)
        for name, pid in services.items():
            self.assertFalse(pathlib.Path(f"/proc/{pid}").exists(), name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
