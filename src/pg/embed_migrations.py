#!/usr/bin/env python3
"""Turns NNNN_name.sql files into a C list for pg_migrate.h.

embed_migrations.py OUT.c SYMBOL FILE...
"""
import hashlib
import os
import re
import sys


def literal(line):
    text = line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    return '    "%s\\n"\n' % text


def main():
    out, symbol, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    entries = []
    for path in files:
        match = re.fullmatch(r"(\d{4})_([a-z][a-z0-9_]*)\.sql", os.path.basename(path))
        if not match:
            sys.exit("%s: a migration is named NNNN_name.sql" % path)
        with open(path, "rb") as f:
            raw = f.read()
        entries.append((int(match[1]), match[2], raw))
    entries.sort(key=lambda entry: entry[0])
    for place, (number, name, _) in enumerate(entries, 1):
        if number != place:
            sys.exit("migration %04d_%s: numbers must run 0001, 0002, ... without a hole" % (number, name))
    with open(out, "w", encoding="utf-8") as f:
        f.write('#include "%s.h"\n\n' % symbol)
        f.write("const struct pg_migration %s_list[] = {\n" % symbol)
        for number, name, raw in entries:
            f.write('    {%d, "%s",\n    "%s",\n' % (number, name, hashlib.sha256(raw).hexdigest()))
            for line in raw.decode("utf-8").splitlines():
                f.write(literal(line))
            f.write("    },\n")
        f.write("};\nconst size_t %s_count = %d;\n" % (symbol, len(entries)))


main()
