#!/usr/bin/env python3
"""Builds the flavours, runs their tests and prints one count; script/test is its face.

A flavour is a build directory, what is built in it before its tests (everything, or the one target
named; what else a test needs is built for it), its compiler options and the suites that run there.
The last line is `N passed, N failed`, and `, N skipped` behind it when a test found something
missing.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
# ASLR off where the thread sanitizer needs it: Debian 12's runtime cannot map its shadow otherwise.
FLAVOURS = [
    ("debug", [], [], {}),
    ("asan", ["-Db_sanitize=address,undefined"], ["--no-suite", "once"],
     {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "halt_on_error=1",
      "LSAN_OPTIONS": f"suppressions={ROOT}/tests/sanitizer/lsan.supp:print_suppressions=0"}),
    ("tsan", ["build.ninja", "-Db_sanitize=thread"], ["--suite", "threads"],
     {"TSAN_OPTIONS": f"halt_on_error=1:suppressions={ROOT}/tests/sanitizer/tsan.supp"}),
    ("fuzz", ["fuzz-targets", "-Dfuzz=true", "-Dfuzz_seconds=15",
              "-Db_sanitize=address,undefined", "-Db_lundef=false"], ["--suite", "fuzz"],
     {"CC": "clang-14"}),
]


def announce(text):
    print(f"== {text}", flush=True)


def meson_test(name, options, choice, environment):
    """(passed, failed, skipped, names of the failed) of one flavour."""
    announce(f"build {name}")
    start = time.monotonic()
    environment = {**os.environ, **environment}
    if subprocess.run([ROOT / "script/build", name, *options], cwd=ROOT,
                      env=environment).returncode != 0:
        return 0, 1, 0, [f"{name}: the build"]
    announce(f"test {name} (built in {time.monotonic() - start:.0f} s)")
    directory = ROOT / "build" / name
    prefix = ["setarch", "-R"] if name == "tsan" and shutil.which("setarch") else []
    log = directory / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    subprocess.run([*prefix, "meson", "test", "-C", directory, "--print-errorlogs",
                    "--num-processes", "2", *choice], cwd=ROOT, env=environment)
    passed = failed = skipped = 0
    names = []
    for line in log.read_text().splitlines() if log.exists() else []:
        result = json.loads(line)
        if result["result"] == "OK":
            passed += 1
        elif result["result"] == "SKIP":
            skipped += 1
            print(f"SKIPPED {name}: {result['name']}: {result['stdout'].strip()[-200:]}")
        else:
            failed += 1
            names.append(f"{name}: {result['name']}")
    if passed + failed + skipped == 0:
        return 0, 1, 0, [f"{name}: no test ran"]
    return passed, failed, skipped, names


def tidy():
    announce("tidy")
    ok = subprocess.run([sys.executable, ROOT / "tests/tidy/tidy.py"], cwd=ROOT).returncode == 0
    return (1, 0, 0, []) if ok else (0, 1, 0, ["tidy"])


def properties():
    """That every property's tests ran and passed, and that docs/properties.md says so."""
    announce("properties")
    code = subprocess.run([sys.executable, ROOT / "tests/properties/properties.py", "table",
                           ROOT / "build" / FLAVOURS[0][0]], cwd=ROOT).returncode
    if code == 77:
        return 0, 0, 1, []
    return (1, 0, 0, []) if code == 0 else (0, 1, 0, ["properties"])


def lint():
    """Needs the debug build; a minute of one core on a fresh clone, seconds after that."""
    announce("lint")
    ok = subprocess.run([sys.executable, ROOT / "tests/tidy/lint.py", "--quick"],
                        cwd=ROOT).returncode == 0
    return (1, 0, 0, []) if ok else (0, 1, 0, ["lint"])


def main():
    quick = "--quick" in sys.argv[1:]
    totals = [0, 0, 0]
    failures = []
    results = [tidy()]
    for flavour in FLAVOURS[:1] if quick else FLAVOURS:
        results.append(meson_test(*flavour))
        if flavour is FLAVOURS[0]:
            results += [properties(), lint()]
    for passed, failed, skipped, names in results:
        totals = [totals[0] + passed, totals[1] + failed, totals[2] + skipped]
        failures += names
    for name in failures:
        print(f"FAILED {name}")
    tail = f", {totals[2]} skipped" if totals[2] else ""
    print(f"{totals[0]} passed, {totals[1]} failed{tail}")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
