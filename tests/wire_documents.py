#!/usr/bin/env python3
"""The wire's documents against each other, by an arithmetic that shares nothing with the C code.

usage: wire_documents.py ROOT

Every vector verifies with its key, has a legal size and fits its JSON Schema; the digest chain of the
worked example comes out; every reference of the AsyncAPI document leads somewhere.
"""
import hashlib
import json
import pathlib
import re
import sys

# SEC 2, section 2.4.2: P-256.
P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def add(p, q):
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def verifies(key, body, signature):
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    if not (0 < r < N and 0 < s <= N // 2):
        return False
    w = pow(s, -1, N)
    e = int.from_bytes(hashlib.sha256(body).digest(), "big")
    return add(times(e * w % N, G), times(r * w % N, key))[0] % N == r


def fits(schema, value, where):
    """The few words of JSON Schema that ours use; raises AssertionError."""
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], where
    kind = schema.get("type")
    if kind in ("integer", "number"):
        assert isinstance(value, int if kind == "integer" else (int, float)), where
        assert schema["minimum"] <= value <= schema["maximum"], where
    elif kind == "boolean":
        assert isinstance(value, bool), where
    elif kind == "string":
        assert isinstance(value, str) and re.search(schema["pattern"], value), where
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 99), where
    elif kind == "array":
        assert schema["minItems"] <= len(value) <= schema["maxItems"], where
        for i, element in enumerate(value):
            fits(schema["items"], element, f"{where}[{i}]")
    elif kind == "object":
        for name in schema["required"]:
            assert name in value, f"{where}: no {name}"
        for name, member in value.items():
            assert name in schema["properties"], f"{where}: {name} is not in the schema"
            fits(schema["properties"][name], member, f"{where}.{name}")


def follow(document, node):
    if isinstance(node, dict):
        if str(node.get("$ref", "")).startswith("#/"):
            target = document
            for step in node["$ref"][2:].split("/"):
                target = target[step]
        for child in node.values():
            follow(document, child)
    elif isinstance(node, list):
        for child in node:
            follow(document, child)


def main():
    docs = pathlib.Path(sys.argv[1]) / "docs"
    vectors = json.loads((docs / "wire-vectors.json").read_text())
    point = bytes.fromhex(vectors["publicKey"])
    key = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    assert times(int(vectors["privateKey"], 16), G) == key
    rows = re.findall(r"^\| \d+ \| \d+ \| `(\w{64})` \| `(\w{64})` \|",
                      (docs / "wire.md").read_text(), re.M)
    chain, scans = bytes(32), 0
    for vector in vectors["events"] + vectors["platform"]:
        frame = bytes.fromhex(vector["frame"])
        body, signature = frame[:-64], frame[-64:]
        assert 200 <= len(frame) <= 800 and signature.hex() == vector["signature"], vector["title"]
        assert body == vector["body"].encode() and verifies(key, body, signature), vector["title"]
        message = json.loads(body)
        schema = json.loads((docs / "schema" / f"{message['type']}.json").read_text())
        fits(schema, message, message["type"])
        if message["type"] == "scan":
            digest = hashlib.sha256(body).digest()
            chain = hashlib.sha256(chain + digest).digest()
            assert rows[scans] == (digest.hex(), chain.hex()), f"row {scans + 1} of the chain"
            scans += 1
        elif message["type"] == "session-end" and message["outcome"] == "complete":
            assert message["digest"] == chain.hex() and message["scanCount"] == scans
    assert scans == len(rows) > 0
    asyncapi = json.loads((docs / "asyncapi.json").read_text())
    follow(asyncapi, asyncapi)
    for message in asyncapi["components"]["messages"].values():
        assert (docs / message["payload"]["$ref"]).is_file(), message["name"]
    print(f"{len(vectors['events'] + vectors['platform'])} vectors, {scans} scans chained")


if __name__ == "__main__":
    main()
