#!/usr/bin/env python3
"""The rules of STYLE.md that a program can check.

usage: tidy.py [--root DIR] [RULE ...]

Prints one line a breach, `file:line: rule: what`, and exits 1 when there is any. Exceptions stand in
tests/tidy/exceptions.txt, `rule path [name] limit reason`: each is a ratchet, refused when it is
no longer needed or larger than it has to be.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
BANNED = {
    "strcpy": "span_copy_text or snprintf", "strcat": "a sink", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "gets": "read", "strtok": "spans", "atoi": "strtoll with its checks",
    "atol": "strtoll with its checks", "atof": "integers", "alloca": "an arena",
    "system": "posix_spawn or fork and execv", "popen": "fork and execv", "tmpnam": "mkdtemp",
    "mktemp": "mkdtemp", "rand": "rng.h, or RAND_bytes for keys", "strncpy": "span_copy_text",
    "strncat": "a sink", "scanf": "a reader of its own", "sscanf": "a reader of its own",
    "gmtime": "timestamp.h", "localtime": "timestamp.h", "asctime": "timestamp.h",
    "ctime": "timestamp.h", "setjmp": "goto out", "longjmp": "goto out",
}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b|not implemented|lorem ipsum", re.I)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:wo" r"rk|home/\w+|root|tmp/(?!endcap))/")
# Freestanding: what firmware, server and simulator all run. These may include nothing of the
# hosted C library (string.h is allowed: the compiler itself emits memcpy and memset).
FREESTANDING_DIRS = ("src/wire", "src/queue", "src/cart", "src/shelf")
FREESTANDING_BASE = {"arena", "money", "result", "span", "timestamp", "rng", "json"}
HOSTED = {"stdio.h", "stdlib.h", "time.h", "unistd.h", "errno.h", "pthread.h", "locale.h",
          "fcntl.h", "signal.h"}
HOSTED_OK = re.compile(r"(^|/)(test_\w*|fuzz_\w*|\w+_docs\w*|main)\.[ch]$|_server\.[ch]$|_http\.[ch]$")


# Headers whose symbols carry another prefix than the file's name, on purpose.
PREFIXES = {"result": ("res_",), "span": ("span_", "sink_")}


class Tree:
    def __init__(self, root):
        self.root = root
        names = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                               check=True, capture_output=True, text=True).stdout.split("\n")
        self.files = [n for n in sorted(set(names)) if n and (root / n).is_file()]
        self.c = [n for n in self.files if n.endswith((".c", ".h"))]
        self.cache = {}

    def text(self, name):
        if name not in self.cache:
            self.cache[name] = (self.root / name).read_text(errors="replace")
        return self.cache[name]

    def lines(self, name):
        return self.text(name).split("\n")


def without_comments(text):
    """Comments and texts blanked out, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def folder_of(name):
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in ("src", "prog", "tests") and len(parts) > 2 else None


def rule_banned(tree):
    call = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for name in tree.c:
        for number, line in enumerate(without_comments(tree.text(name)).split("\n"), 1):
            for match in call.finditer(line):
                yield name, number, f"{match.group(1)} is banned; use {BANNED[match.group(1)]}"


def rule_file_length(tree):
    for name in tree.files:
        if name.endswith((".c", ".h", ".py", ".sh", ".ts", ".tsx")):
            count = tree.text(name).count("\n")
            if count > FILE_LINES_MAX:
                yield name, 1, f"{count} lines; at most {FILE_LINES_MAX}"


def functions(tree, name):
    """(name, first line, lines) of each function; relies on the formatter's brace in column 0."""
    lines = tree.lines(name)
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            head = start - 1
            while head > 1 and lines[head - 2] and not lines[head - 2].endswith((";", "}", "*/")) \
                    and not lines[head - 2].startswith("#"):
                head -= 1
            match = re.search(r"(\w+)\(", " ".join(lines[head - 1:start - 1]))
            yield (match.group(1) if match else "?"), head, number - start + 1
            start = None


def rule_function_length(tree):
    for name in tree.c:
        if not name.endswith(".c"):
            continue
        for function, number, count in functions(tree, name):
            if count > FUNCTION_LINES_MAX:
                yield name, number, f"{function} has {count} lines; at most {FUNCTION_LINES_MAX}"


def rule_typedef_struct(tree):
    for name in tree.c:
        for number, line in enumerate(tree.lines(name), 1):
            if re.match(r"\s*typedef\s+(struct|union|enum)\b[^(]*$", line):
                yield name, number, "no typedef for structs, unions and enums"


def rule_header_names(tree):
    seen = {}
    for name in tree.c:
        if name.endswith(".h") and name.startswith(("src/", "tests/", "prog/")):
            base = name.rsplit("/", 1)[1]
            if base in seen:
                yield name, 1, f"{seen[base]} has the same name; header names are unique"
            seen[base] = name


def private_headers(tree):
    """Headers that only their own folder includes: they may declare for the folder's other files."""
    owner = {n.rsplit("/", 1)[1]: folder_of(n) for n in tree.c if n.endswith(".h")}
    public = set()
    for name in tree.c:
        for header in re.findall(r'^#include "([\w.]+)"', tree.text(name), re.M):
            if owner.get(header) != folder_of(name):
                public.add(header)
    return set(owner) - public


def rule_symbol_prefix(tree):
    """A function declared in x.h begins with x_ (or is named x); in a folder's private header, with
    the folder's name."""
    private = private_headers(tree)
    proto = re.compile(r"^(?!typedef|static|return|else|#)[a-z][\w \t]*?[ \*](\w+)\(", re.M)
    for name in tree.c:
        if not name.endswith(".h") or not name.startswith("src/"):
            continue
        prefix = name.rsplit("/", 1)[1][:-2]
        text = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", without_comments(tree.text(name)))
        text = text.replace("MUST_CHECK", "")
        wanted = PREFIXES.get(prefix, (prefix + "_",))
        if name.rsplit("/", 1)[1] in private:
            wanted += (name.split("/")[1] + "_",)
        depth = 0
        for number, line in enumerate(text.split("\n"), 1):
            match = proto.match(line.strip()) if depth == 0 else None
            if match and not (match.group(1) + "_").startswith(wanted):
                yield name, number, f"{match.group(1)} does not begin with {prefix}_"
            depth += line.count("{") - line.count("}")


def include_graph(tree):
    owner = {n.rsplit("/", 1)[1]: folder_of(n) for n in tree.c if n.endswith(".h")}
    edges = {}
    for name in tree.c:
        here = folder_of(name)
        if not here or not here.startswith("src/") or "/test_" in name or "/fuzz_" in name:
            continue
        for number, line in enumerate(tree.lines(name), 1):
            match = re.match(r'#include "([\w.]+)"', line)
            there = owner.get(match.group(1)) if match else None
            if there and there != here:
                edges.setdefault(here, {}).setdefault(there, (name, number))
    return edges


def rule_cycles(tree):
    edges = include_graph(tree)

    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for there in edges.get(todo.pop(), {}):
                if there not in seen:
                    seen.add(there)
                    todo.append(there)
        return seen
    reachable = {folder: reach(folder) for folder in edges}
    for here, targets in sorted(edges.items()):
        for there, (name, number) in sorted(targets.items()):
            if here in reachable.get(there, set()):
                yield name, number, f"{here} and {there} include each other (perhaps through others)"
            if not there.startswith("src/"):
                yield name, number, f"{here} includes from {there}: libraries never use programs"


def rule_horizontal(tree):
    # "label" and "session" are words of Prometheus, TLS and MQTT as well.
    domain = re.compile(r"\b(cart|shelf|basket|shopper|price|gtin|sku|planogram)s?\b",
                        re.I)
    for name in tree.c:
        if name.startswith(("src/base/", "src/pg/", "src/http/", "src/mqtt/")) and \
                "/test_" not in name:
            for number, line in enumerate(without_comments(tree.text(name)).split("\n"), 1):
                if domain.search(line):
                    yield name, number, "a domain word in a horizontal folder"


def rule_freestanding(tree):
    for name in tree.c:
        base = name.rsplit("/", 1)[1]
        pure = name.startswith(tuple(d + "/" for d in FREESTANDING_DIRS)) or \
            (name.startswith("src/base/") and base[:-2] in FREESTANDING_BASE)
        if not pure or HOSTED_OK.search(name):
            continue
        for number, line in enumerate(tree.lines(name), 1):
            match = re.match(r"#include <([\w./]+)>", line)
            if match and match.group(1) in HOSTED:
                yield name, number, f"<{match.group(1)}> in code that must run freestanding"


def rule_design(tree):
    owned = {}
    for name in tree.files:
        parts = name.split("/")
        if parts[0] == "src" and len(parts) > 2 and name.endswith((".c", ".sql")):
            owned.setdefault(parts[1], False)
            owned[parts[1]] |= f"src/{parts[1]}/DESIGN.md" in tree.files
    for folder, has in sorted(owned.items()):
        design = f"src/{folder}/DESIGN.md"
        if not has and folder != "base":
            yield f"src/{folder}", 1, "no DESIGN.md"
        elif has and len(tree.lines(design)) > 130:
            yield design, 1, "longer than two pages"


def rule_unfinished(tree):
    for name in tree.files:
        if name.endswith((".c", ".h", ".py", ".sh", ".md", ".sql", ".build", ".csv", ".1")) and \
                name != "tests/tidy/tidy.py":
            for number, line in enumerate(tree.lines(name), 1):
                if UNFINISHED.search(line):
                    yield name, number, "reads unfinished"


def rule_machine_path(tree):
    for name in tree.files:
        if name.startswith("tests/corpus/"):
            continue
        for number, line in enumerate(tree.lines(name), 1):
            if MACHINE_PATH.search(line):
                yield name, number, "a path of one machine"


def rule_format(tree):
    if shutil.which("clang-format") is None:
        print("SKIPPED format: clang-format is not installed")
        return
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *tree.c], cwd=tree.root,
                         capture_output=True, text=True)
    seen = set()
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error", run.stderr, re.M):
        if match.group(1) not in seen:
            seen.add(match.group(1))
            yield match.group(1), int(match.group(2)), "not formatted; run script/fmt"


def rule_shell(tree):
    for name in tree.files:
        if name.startswith("script/") and tree.text(name).startswith("#!"):
            count = tree.text(name).count("\n")
            if count > 60:
                yield name, 1, f"{count} lines; scripts are short, at most 60"
            if not (tree.root / name).stat().st_mode & 0o111:
                yield name, 1, "not executable"


RULES = {name[5:]: rule for name, rule in list(globals().items()) if name.startswith("rule_")}


def load_exceptions(tree):
    path = tree.root / "tests/tidy/exceptions.txt"
    found = {}
    for line in path.read_text().split("\n") if path.exists() else []:
        if line.strip() and not line.startswith("#"):
            rule, where, limit, reason = line.split(None, 3)
            found[(rule, where)] = [int(limit), reason, 0]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("rules", nargs="*", metavar="RULE")
    options = parser.parse_args()
    tree = Tree(options.root)
    exceptions = load_exceptions(tree)
    breaches = 0
    for name in options.rules or sorted(RULES):
        found = list(RULES[name](tree))
        for where, number, what in found:
            allowed = exceptions.get((name, where))
            if allowed and allowed[2] < allowed[0]:
                allowed[2] += 1
                continue
            print(f"{where}:{number}: {name}: {what}")
            breaches += 1
        for (rule, where), (limit, _, used) in exceptions.items():
            if rule == name and used < limit:
                print(f"tests/tidy/exceptions.txt: {rule} {where}: {used} needed, {limit} allowed; "
                      "lower the ratchet")
                breaches += 1
    print(f"tidy: {len(options.rules or RULES)} rules, {len(tree.c)} C files, {breaches} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
