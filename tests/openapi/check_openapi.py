#!/usr/bin/env python3
"""docs/openapi.json is what the program says, and is a sound OpenAPI 3.1 document.

usage: check_openapi.py ENDCAP docs/openapi.json
"""
import json
import re
import subprocess
import sys

TYPES = {"string", "integer", "number", "boolean", "object", "array", "null"}
SCHEMA_KEYS = {"type", "description", "properties", "required", "items", "enum", "pattern", "format",
               "minimum", "maximum", "minLength", "maxLength", "default", "anyOf", "$ref",
               "multipleOf", "additionalProperties"}
wrong = []


def check(fine, words):
    if not fine:
        wrong.append(words)


def check_ref(document, ref, where):
    node = document
    for part in ref.removeprefix("#/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    check(ref.startswith("#/") and node is not None, f"{where}: {ref} leads nowhere")


def check_schema(document, schema, where):
    check(isinstance(schema, dict) and schema, f"{where}: no schema")
    check(set(schema) <= SCHEMA_KEYS, f"{where}: unknown keys {set(schema) - SCHEMA_KEYS}")
    if "$ref" in schema:
        check_ref(document, schema["$ref"], where)
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    check(kinds or "anyOf" in schema, f"{where}: no type")
    check(set(kinds) <= TYPES, f"{where}: types {kinds}")
    if "pattern" in schema:
        re.compile(schema["pattern"])
    check(schema.get("minimum", 0) <= schema.get("maximum", schema.get("minimum", 0)),
          f"{where}: minimum above maximum")
    properties = schema.get("properties", {})
    check(set(schema.get("required", [])) <= set(properties), f"{where}: required, not declared")
    for name, inner in properties.items():
        check_schema(document, inner, f"{where}.{name}")
    for inner in schema.get("anyOf", []):
        check_schema(document, inner, where)
    if "array" in kinds:
        check_schema(document, schema.get("items"), f"{where}[]")


def check_content(document, content, where):
    for media, body in content.items():
        check("/" in media, f"{where}: media type {media}")
        check_schema(document, body.get("schema"), where)


def check_response(document, response, where):
    if "$ref" in response:
        check_ref(document, response["$ref"], where)
        return
    check(response.get("description"), f"{where}: no description")
    check_content(document, response.get("content", {}), where)


def check_operation(document, path, method, operation):
    where = f"{method} {path}"
    check(operation.get("summary"), f"{where}: no summary")
    in_path = set()
    for parameter in operation["parameters"]:
        at = f"{where} {parameter['name']}"
        check(parameter["in"] in ("path", "query", "header"), f"{at}: in")
        check(parameter.get("description"), f"{at}: no description")
        check_schema(document, parameter["schema"], at)
        if parameter["in"] == "path":
            in_path.add(parameter["name"])
            check(parameter["required"] is True, f"{at}: a path parameter is required")
    check(in_path == set(re.findall(r"{(\w+)}", path)), f"{where}: path parameters {in_path}")
    statuses = operation["responses"]
    check(any(s.startswith("2") for s in statuses), f"{where}: no success")
    check({"500", "503"} <= set(statuses), f"{where}: failures are not documented")
    for status, response in statuses.items():
        check(re.fullmatch(r"[1-5]\d\d", status), f"{where}: status {status}")
        check_response(document, response, f"{where} {status}")
    if "requestBody" in operation:
        check_content(document, operation["requestBody"]["content"], where)


def main():
    program, path = sys.argv[1:]
    said = subprocess.run([program, "openapi"], check=True, capture_output=True, text=True).stdout
    with open(path, encoding="utf-8") as file:
        written = file.read()
    check(said == written, f"{path} differs from `endcap openapi`: write it anew")
    document = json.loads(said)
    check(re.fullmatch(r"3\.1\.\d+", document["openapi"]), "not OpenAPI 3.1")
    check({"title", "version"} <= set(document["info"]), "info is not whole")
    names = []
    for route, methods in document["paths"].items():
        check(route.startswith("/"), f"path {route}")
        for method, operation in methods.items():
            names.append(operation["operationId"])
            check_operation(document, route, method, operation)
    check(len(names) == len(set(names)), "an operationId is used twice")
    check(len(names) >= 12, "operations are missing")
    for name, schema in document["components"]["schemas"].items():
        check_schema(document, schema, name)
    for name, response in document["components"]["responses"].items():
        check_response(document, response, name)
    for words in wrong:
        print(words, file=sys.stderr)
    print(f"{len(names)} operations, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
