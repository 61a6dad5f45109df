#!/usr/bin/env python3
"""`endcap api` and `endcap watch` as a person meets them: what they refuse and how, and that they
serve, wait and stop without a database.

usage: check_api_process.py ENDCAP
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ENDCAP = sys.argv.pop(1)


def run(*words, **more):
    return subprocess.run([ENDCAP, *map(str, words)], capture_output=True, text=True, timeout=60,
                          **more)


def get(port, path):
    """(status, body)"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Api(unittest.TestCase):
    def setUp(self):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="endcap-api-"))
        self.addCleanup(shutil.rmtree, self.data)

    def start(self):
        """The port of an `endcap api` that ends with the test."""
        process = subprocess.Popen([ENDCAP, "api", "--data", self.data, "--port", "0"],
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        said = self.data / "run/api.port"
        end = time.monotonic() + 30
        while not said.exists():
            self.assertIsNone(process.poll(), "it ended")
            self.assertLess(time.monotonic(), end, "it does not say its port")
            time.sleep(0.01)
        return process, int(said.read_text())

    def assert_sentence(self, done, words):
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def test_refuses_a_public_address(self):
        done = run("api", "--data", self.data, "--port", 0, "--address", "0.0.0.0")
        self.assert_sentence(done, "without accounts")

    def test_says_when_the_port_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            done = run("api", "--data", self.data, "--port", other.getsockname()[1])
        self.assert_sentence(done, "another port")

    def test_says_when_there_is_no_installation(self):
        for command in ("api", "watch"):
            done = run(command, "--data", self.data / "nowhere")
            self.assert_sentence(done, "endcap up --data")

    def test_says_which_setting_is_wrong(self):
        (self.data / "endcap.conf").write_text("api_prot = 8080\n")
        self.assert_sentence(run("api", "--data", self.data), "api_prot")

    def test_wrong_usage_is_2(self):
        for words in (["api", "--port", "70000"], ["api", "--workers", "0"], ["api", "extra"],
                      ["api", "--log-level", "loud"], ["api", "--what"], ["watch", "--what"],
                      ["watch", "--interval", "0"], ["openapi", "extra"]):
            done = run(*words, "--data", self.data) if words[0] != "openapi" else run(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertNotEqual(done.stderr, "")

    def test_lives_without_a_database_and_stops_when_told(self):
        process, port = self.start()
        self.assertEqual(get(port, "/healthz"), (200, b'{"status":"ok"}'))
        status, body = get(port, "/readyz")
        self.assertEqual(status, 503)
        self.assertFalse(json.loads(body)["ready"])
        status, body = get(port, "/api/carts")
        self.assertEqual(status, 503)
        self.assertEqual(json.loads(body)["error"]["code"], "UNAVAILABLE")
        self.assertEqual(get(port, "/metrics")[0], 200)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)

    def test_watch_says_what_it_sees(self):
        missed = run("watch", "--data", self.data, "--once", "--json")
        self.assertEqual(missed.returncode, 1)
        self.assertFalse(json.loads(missed.stdout)["reachable"])
        _, port = self.start()
        seen = run("watch", "--data", self.data, "--once", "--json")
        self.assertEqual(seen.returncode, 0)
        self.assertTrue(json.loads(seen.stdout)["reachable"])
        self.assertFalse(json.loads(seen.stdout)["components"]["postgresql"])
        line = run("watch", "--port", port, "--once")
        self.assertEqual((line.stdout.count("\n"), "\x1b" in line.stdout), (1, False))

    def test_watch_draws_in_place_on_a_terminal(self):
        _, port = self.start()
        for colour in (True, False):
            main, side = os.openpty()
            env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
            env.update({} if colour else {"NO_COLOR": "1"})
            process = subprocess.Popen([ENDCAP, "watch", "--port", str(port)], stdout=side, env=env)
            os.close(side)
            text = b""
            while text.count(b"\x1b[J") < 1:
                text += os.read(main, 4096)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(30), 0)
            os.close(main)
            self.assertEqual(b"\x1b[31m" in text, colour)


if __name__ == "__main__":
    unittest.main()
