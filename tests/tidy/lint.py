#!/usr/bin/env python3
"""Runs cppcheck and clang-tidy over the C files of the tree; script/lint is its face.

usage: lint.py [--quick] [-j N] [FILE.c ...]

Needs build/debug. A file that was clean is looked at again when it, a header it includes, its flags
or .clang-tidy change; what was clean stands in build/lint.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/debug"
STATE = ROOT / "build/lint"
# How far clang's analyzer, nine tenths of the time, follows a function with --quick: with so many
# states most functions are followed to their end, at a fifth of the time.
SHALLOW = ["--extra-arg=-Xclang", "--extra-arg=-analyzer-config", "--extra-arg=-Xclang",
           "--extra-arg=max-nodes=20000"]
# The firmware is built by rules of its own, which no compilation database holds.
DEVICE = re.compile(r"prog/firmware/|src/port/mps2/")
DEVICE_COMMAND = (
    "clang-14 --target=arm-none-eabi -mcpu=cortex-m3 -mthumb -std=gnu17 -ffreestanding -Wall "
    "-Wextra -Iprog/firmware/include -Isrc/base -Isrc/port -Isrc/port/mps2 -Isrc/wire "
    "-Isrc/shelf -Isrc/queue -Isrc/cart -Isrc/label -isystem /usr/lib/arm-none-eabi/include -c ")
DEVICE_HEADER = pathlib.Path("/usr/lib/arm-none-eabi/include/string.h")


def program(name):
    found = shutil.which(name + "-14") or shutil.which(name)
    return found or sys.exit(f"lint: {name} is not installed; run script/setup")


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT,
                          check=True, capture_output=True, text=True).stdout.split()


def database():
    """{name: command}, one a file; written for both programs to read."""
    source = BUILD / "compile_commands.json"
    if not source.exists():
        sys.exit("lint: there is no build/debug; run script/build debug")
    entries = {}
    for entry in json.loads(source.read_text()):
        path = (BUILD / entry["file"]).resolve()
        if path.is_file() and ROOT in path.parents and BUILD not in path.parents:
            words = shlex.split(entry["command"])
            words = [w for w in words if w != "-Werror" and not w.endswith("ccache")]
            entries.setdefault(str(path.relative_to(ROOT)), (BUILD, shlex.join(words)))
    for name in tracked("*.c") if DEVICE_HEADER.exists() else []:
        if DEVICE.match(name) and name not in entries:
            entries[name] = (ROOT, DEVICE_COMMAND + name)
    STATE.mkdir(parents=True, exist_ok=True)
    (STATE / "compile_commands.json").write_text(json.dumps(
        [{"directory": str(where), "file": str(ROOT / name), "command": command}
         for name, (where, command) in entries.items()]))
    return {name: command for name, (_, command) in entries.items()}


class Digests:
    """Of a file with everything it includes between quotes: header names are unique in the tree."""

    def __init__(self):
        self.headers = {pathlib.Path(name).name: name for name in tracked("*.h")}
        self.common = (ROOT / ".clang-tidy").read_text() + program("clang-tidy")
        self.texts = {}

    def closure(self, name, seen):
        if name not in seen:
            seen.add(name)
            if name not in self.texts:
                self.texts[name] = (ROOT / name).read_text()
            for header in re.findall(r'^#include "(?:.*/)?(.+)"', self.texts[name], re.M):
                if header in self.headers:
                    self.closure(self.headers[header], seen)
        return seen

    def of(self, name, command):
        parts = [self.texts[n] for n in sorted(self.closure(name, set()))]
        return hashlib.sha256("\0".join([self.common, command, *parts]).encode()).hexdigest()


def cppcheck(names, jobs):
    (STATE / "cppcheck").mkdir(exist_ok=True)
    filters = [f"--file-filter={ROOT / name}" for name in names]
    return subprocess.run(
        [program("cppcheck"), f"--project={STATE}/compile_commands.json", *filters, "--quiet",
         "--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1",
         f"--suppressions-list={ROOT}/tests/tidy/cppcheck.txt", f"-j{jobs}",
         f"--cppcheck-build-dir={STATE}/cppcheck", f"--relative-paths={ROOT}"],
        cwd=ROOT).returncode == 0


def clang_tidy(name, deep):
    run = subprocess.run([program("clang-tidy"), "--quiet", f"-p={STATE}",
                          *([] if deep else SHALLOW), name], cwd=ROOT, capture_output=True,
                         text=True)
    if run.returncode != 0:
        print(re.sub(r"\S*/\.\./\.\./|\.\./\.\./", "", run.stdout or run.stderr), flush=True)
    return run.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="clang's analyzer follows long functions less far (script/test)")
    parser.add_argument("-j", type=int, default=os.cpu_count(), help="files at a time")
    parser.add_argument("files", nargs="*", metavar="FILE.c", help="only these; default: all")
    options = parser.parse_args()
    commands = database()
    names = [str(pathlib.Path(f).resolve().relative_to(ROOT)) for f in options.files]
    unknown = [name for name in names if name not in commands]
    if unknown:
        sys.exit(f"lint: {unknown[0]} is no C file that the build knows")
    clean = cppcheck(names, options.j)
    state = STATE / "clean.json"
    known = json.loads(state.read_text()) if state.exists() else {}
    digests = Digests()
    work = {}
    for name in names or sorted(commands):
        deep = not options.quick
        digest = digests.of(name, commands[name])
        if known.get(name) not in ([digest, True], [digest, deep]):
            work[name] = [digest, deep]
    try:
        with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
            results = pool.map(lambda name: clang_tidy(name, work[name][1]), work)
            for name, good in zip(work, results):
                clean = clean and good
                if good:
                    known[name] = work[name]
    finally:  # what was clean stays so when somebody ends us
        state.write_text(json.dumps({n: v for n, v in known.items() if n in commands}))
    print(f"lint: {len(names or commands)} files, {len(work)} new to clang-tidy, "
          f"{'clean' if clean else 'NOT clean'}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
