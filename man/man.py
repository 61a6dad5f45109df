#!/usr/bin/env python3
"""Writes a man page from what a program says of itself, so that the two cannot differ.

usage: man.py endcap ENDCAP VERSION OUT | man.py endcap-cart|-label|-fleet PROGRAM VERSION OUT
       man.py check OUT...   fails when groff has a warning about one
"""
import re
import subprocess
import sys

ENDCAP_MORE = r"""
.SH FILES
An installation is one directory, given with \-\-data:
.TP
.I endcap.conf
settings, one \(lqkey = value\(rq a line; \(lqendcap up \-\-help\(rq lists them
.TP
.I ca/ secrets/
the certificate authority, the platform's keys, service keys and passwords
.TP
.I pg/ telemetry/ objects/
what is true now, what happened, what is large
.TP
.I run/ log/
ports and process ids, the processes' logs
.SH ENVIRONMENT
.TP
.B ENDCAP_DATA
the installation when \-\-data is not given
.TP
.B NO_COLOR
no colours in \(lqendcap watch\(rq
.SH EXIT STATUS
0 done; 1 failed, one sentence on standard error says why and what to do; 2 wrong usage.
.SH SEE ALSO
.BR endcap-cart (1),
.BR endcap-label (1),
.BR endcap-fleet (1)
"""
DEVICES = {"endcap-cart": "one virtual smart cart", "endcap-label": "one virtual shelf label",
           "endcap-fleet": "thousands of virtual labels and carts"}
DEVICE_MORE = """
.SH SEE ALSO
.BR endcap (1)
"""


def said(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def roff(text):
    """Literal text: nothing in it is a command of roff."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def literal(text):
    return ".nf\n" + roff(text.rstrip("\n")) + "\n.fi\n"


def head(name, version, summary):
    return f".TH {name.upper()} 1 \"\" \"endcap {version}\"\n.SH NAME\n{roff(name)} \\- {summary}\n"


def endcap_page(program, version):
    first = said(program, "--help")
    page = head("endcap", version, "runs the connected store: smart carts and shelf labels")
    page += ".SH SYNOPSIS\n.B endcap\nCOMMAND [options]\n.SH DESCRIPTION\n" + literal(first)
    commands = re.findall(r"^  ([a-z]+) {2,}\S", first, flags=re.M)
    if len(commands) < 5:
        raise SystemExit("man.py: `endcap --help` does not list its commands as expected")
    for command in commands:
        page += f".SH \"ENDCAP {command.upper()}\"\n" + literal(said(program, command, "--help"))
    return page + ENDCAP_MORE.lstrip("\n")


def device_page(name, program, version):
    page = head(name, version, DEVICES[name])
    return page + ".SH DESCRIPTION\n" + literal(said(program, "--help")) + DEVICE_MORE.lstrip("\n")


def check(pages):
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", *pages], check=True,
                          capture_output=True, text=True)
    sys.stderr.write(done.stderr)
    sys.exit(1 if done.stderr else 0)


def main():
    if sys.argv[1] == "check":
        check(sys.argv[2:])
    kind, program, version, out = sys.argv[1:]
    page = (endcap_page(program, version) if kind == "endcap"
            else device_page(kind, program, version))
    with open(out, "w", encoding="utf-8") as file:
        file.write(page)


if __name__ == "__main__":
    main()
