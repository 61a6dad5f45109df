"""A small store for scenario tests: the shipped programs, real servers, private ports, a directory
of its own that is removed."""
import argparse
import pathlib
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))
import demo  # noqa: E402  (the path comes first)
import shopping  # noqa: E402

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/debug").resolve()
SEED = 20261121


def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="endcap-scenario-"))
    path.chmod(0o755)  # PostgreSQL and the broker run as users of their own
    return path


class Store:
    def __init__(self, carts, pace_ms, chaos=False):
        self.chosen = argparse.Namespace(
            build=BUILD, pace_ms=pace_ms, chaos=chaos, seed=SEED,
            baskets=ROOT / "demo/baskets.csv", catalog=ROOT / "demo/catalog.csv", carts=carts)
        self.carts = []

    def __enter__(self):
        self.data = directory()
        self.platform = demo.Platform(BUILD, self.data)
        try:
            demo.open_store(self.platform, self.chosen, self.data, self.carts)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        for cart in self.carts:
            cart.kill()
        self.platform.stop()
        if kind is None:
            shutil.rmtree(self.data, ignore_errors=True)
        else:
            print(f"what happened is in {self.data}", file=sys.stderr)

    def assert_alive(self):
        demo.check_alive(self.platform, self.carts)

    def wait_for(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain: {what}")
            time.sleep(0.02)

    def trips(self):
        return sum(s["status"] == "complete"
                   for s in demo.verify.pages(self.platform.api, "/api/sessions"))

    def finish(self):
        late = demo.drain(self.carts)
        if late:
            raise AssertionError(f"not drained: {late}")
        return demo.settle(self.platform, self.carts)


__all__ = ["BUILD", "ROOT", "Store", "directory", "demo", "shopping"]
