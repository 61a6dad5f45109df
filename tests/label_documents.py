#!/usr/bin/env python3
"""The label's documents against each other, by code that shares nothing with the C code.

usage: label_documents.py ROOT

Every message of the platform verifies over `topic LF payload`, fits its schema and has the canonical
text and digest that docs/label-wire.md says; every reference of the AsyncAPI document leads somewhere.
"""
import base64
import hashlib
import json
import pathlib
import sys

import wire_documents


def canonical(payload):
    display = json.loads(payload)
    names = display.get("displayText", {})
    amounts = [f"{display.get(name, 0):.2f}" for name in ("price", "regularPrice", "mrp")]
    lines = ["endcap-label-1", display["template"], display["language"],
             display.get("productId", ""), names.get(display["language"], names.get("en", "")),
             *amounts, display["currency"], display.get("unit", "each"),
             "sale" if display["isFlashSale"] else "regular", display.get("url", "")]
    return "".join(line + "\n" for line in lines)


def check_display(vector):
    text = canonical(vector["payload"])
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert text == vector["canonical"], vector["title"]
    assert digest == vector["digest"] == json.loads(vector["payload"])["digest"], vector["title"]


def main():
    docs = pathlib.Path(sys.argv[1]) / "docs"
    vectors = json.loads((docs / "label-vectors.json").read_text())
    asyncapi = json.loads((docs / "label-asyncapi.json").read_text())
    wire_documents.follow(asyncapi, asyncapi)
    point = bytes.fromhex(vectors["publicKey"])
    key = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    page = (docs / "label-wire.md").read_text()
    channels = {c["address"].split("{deviceId}/")[1]: c for c in asyncapi["channels"].values()}
    signed = 0
    for vector in vectors["messages"]:
        head, device, tail = vector["topic"].split("/", 2)
        payload = vector["payload"]
        name = next(iter(channels[tail]["messages"]))
        message = asyncapi["components"]["messages"][name]
        assert head == "smartshelf" and json.loads(payload)["deviceId"] == device, vector["title"]
        assert len(payload.encode()) <= message["x-bytesMax"], vector["title"]
        wire_documents.fits(message["payload"], json.loads(payload), name)
        assert payload in page, f"{vector['title']} is not in the page"
        assert ("signature" in vector) == ("x-signature" in message), vector["title"]
        if "signature" in vector:
            raw = base64.urlsafe_b64decode(vector["signature"] + "==")
            over = vector["topic"].encode() + b"\n" + payload.encode()
            assert len(raw) == 64 and wire_documents.verifies(key, over, raw), vector["title"]
            signed += 1
        if name == "display":
            check_display(vector)
    for vector in vectors["refused"]:
        assert f"| {vector['title']} |" in page and f"`{vector['field']}`" in page, vector["title"]
    print(f"{len(vectors['messages'])} messages, {signed} of them signed")


if __name__ == "__main__":
    main()
