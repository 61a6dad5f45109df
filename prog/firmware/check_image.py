#!/usr/bin/env python3
"""Prints the text and static RAM of a microcontroller image beside target P26, and fails when the
image has grown beyond budget.txt (a ratchet: lower it, never raise it without a reason) or holds
what the device core must do without: allocation, formatted text, the C library's input and output."""
import re
import subprocess
import sys

FLOOR = {"text": 24 * 1024, "ram": 8 * 1024}  # P26
FORBIDDEN = re.compile(
    r"_*(malloc|calloc|realloc|free|sbrk|write|read|open|close|lseek|fstat|isatty|exit|kill|"
    r"v?(f|s|sn|d|as)?i?printf|v?s?scanf|f?puts|f?putc|putchar|f?open|fwrite|fread|fflush|"
    r"(malloc|calloc|realloc|free|sbrk|write|read|exit|puts|printf|fopen)_r|impure_ptr|abort|"
    r"time|gettimeofday|strtok|strcpy|strcat|sprintf)")


def main():
    nm, size, image, budget_file = sys.argv[1:5]
    with open(budget_file, encoding="ascii") as lines:
        budget = {name: int(number) for name, number in (line.split() for line in lines)}
    sections = subprocess.run([size, "-A", image], check=True, capture_output=True, text=True).stdout
    sizes = {f[0]: int(f[1]) for f in map(str.split, sections.splitlines()) if len(f) == 3 and f[1].isdigit()}
    data = sizes.get(".data", 0)
    seen = {"text": sizes[".text"] + sizes.get(".ARM.exidx", 0) + data, "ram": data + sizes.get(".bss", 0)}
    symbols = subprocess.run([nm, image], check=True, capture_output=True, text=True).stdout
    found = sorted({line.split()[-1] for line in symbols.splitlines()
                    if FORBIDDEN.fullmatch(line.split()[-1])})
    failed = bool(found)
    for name in ("text", "ram"):
        print(f"{name}: {seen[name]} bytes; P26 floor {FLOOR[name]}, budget {budget[name]}")
        if seen[name] > budget[name]:
            print(f"{name} is over its budget: shrink it, or say in {budget_file} why it must grow")
            failed = True
    for symbol in found:
        print(f"the image refers to {symbol}: the device core must not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
