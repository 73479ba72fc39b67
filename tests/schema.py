#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""schema.py SCHEMA [REPORT...] <LINES: does each line of standard input match a JSON schema?

Without REPORT any report will do; with it the n-th line must be the n-th report (member "report" or
"event", "frame", or the only member). Exit status: 0, 1 if a line does not match or there is none.

Knows the keywords that contrib/*.schema.json use, and refuses others, so that a schema cannot say what
is not checked.
"""
import json
import re
import sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
ANNOTATIONS = {"$schema", "$comment", "$defs", "title", "description", "x-kind", "x-unit"}


class Mismatch(Exception):
    pass


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def check_type(value, wanted, schema, root, at):
    names = wanted if isinstance(wanted, list) else [wanted]
    if not any(is_type(value, name) for name in names):
        raise Mismatch(f"{at}: {json.dumps(value)} is not of type {' or '.join(names)}")


def check_const(value, wanted, schema, root, at):
    if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
        raise Mismatch(f"{at}: {json.dumps(value)} is not {json.dumps(wanted)}")


def check_enum(value, wanted, schema, root, at):
    if value not in wanted:
        raise Mismatch(f"{at}: {json.dumps(value)} is none of {json.dumps(wanted)}")


def check_minimum(value, wanted, schema, root, at):
    if is_type(value, "number") and value < wanted:
        raise Mismatch(f"{at}: {value} is less than {wanted}")


def check_pattern(value, wanted, schema, root, at):
    if isinstance(value, str) and not re.search(wanted, value):
        raise Mismatch(f"{at}: {json.dumps(value)} does not match {wanted}")


def check_required(value, wanted, schema, root, at):
    missing = [name for name in wanted if isinstance(value, dict) and name not in value]
    if missing:
        raise Mismatch(f"{at}: without {', '.join(missing)}")


def check_properties(value, wanted, schema, root, at):
    for name in value if isinstance(value, dict) else ():
        if name in wanted:
            check(value[name], wanted[name], root, f"{at}.{name}")


def check_additional(value, wanted, schema, root, at):
    for name in value if isinstance(value, dict) else ():
        if name in schema.get("properties", {}):
            continue
        if wanted is False:
            raise Mismatch(f"{at}: the member {name} is not in the schema")
        check(value[name], wanted, root, f"{at}.{name}")


def check_items(value, wanted, schema, root, at):
    for i, item in enumerate(value if isinstance(value, list) else ()):
        check(item, wanted, root, f"{at}[{i}]")


def check_ref(value, wanted, schema, root, at):
    check(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, at)


def depth(error):
    return str(error).split(":")[0].count(".") + str(error).split(":")[0].count("[")


def check_one_of(value, wanted, schema, root, at):
    errors = []
    for one in wanted:
        try:
            check(value, one, root, at)
        except Mismatch as error:
            errors.append(error)
    if len(errors) == len(wanted):
        # What came furthest is what was meant.
        raise max(errors, key=depth)
    if len(errors) + 1 != len(wanted):
        raise Mismatch(f"{at}: matches more than one of what it can be")


KEYWORDS = {
    "type": check_type,
    "const": check_const,
    "enum": check_enum,
    "minimum": check_minimum,
    "pattern": check_pattern,
    "required": check_required,
    "properties": check_properties,
    "additionalProperties": check_additional,
    "items": check_items,
    "$ref": check_ref,
    "oneOf": check_one_of,
}


def check(value, schema, root, at):
    for keyword, wanted in schema.items():
        if keyword not in ANNOTATIONS:
            KEYWORDS[keyword](value, wanted, schema, root, at)


def report_of(value):
    for name in ("report", "event"):
        if name in value:
            return value[name]
    return "frame" if "frame" in value else next(iter(value))


def check_report(value, root):
    """Against the schema of this report alone, for errors that say what is wrong."""
    name = report_of(value)
    for one in root["oneOf"]:
        if "$ref" in one:
            one = root["$defs"][one["$ref"].removeprefix("#/$defs/")]
        if report_of({key: form.get("const") for key, form in one["properties"].items()}) == name:
            return check(value, one, root, name)
    raise Mismatch(f"{name}: there is no such report")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        root = json.load(file)
    wanted, bad, n = sys.argv[2:], 0, 0
    for n, line in enumerate(sys.stdin, 1):
        value = json.loads(line)
        try:
            check_report(value, root)
            check(value, root, root, "")
            if wanted and (n > len(wanted) or report_of(value) != wanted[n - 1]):
                raise Mismatch(f"line {n} is the report {report_of(value)}")
        except Mismatch as error:
            print(f"schema: {error}\n  in {line.rstrip()}", file=sys.stderr)
            bad = 1
    if n < max(len(wanted), 1):
        print(f"schema: {n} lines, {max(len(wanted), 1)} are wanted", file=sys.stderr)
        bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
