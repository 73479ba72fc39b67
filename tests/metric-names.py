#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""metric-names.py TABLE FILE...: does each file name only metrics that exist, with labels that they have?

TABLE is the output of `gmemtop export --metrics`: name, type and labels, separated by tabs. FILE is rules,
a dashboard or a document. Names that a `record:` in one of the files defines exist as well. Prints each
unknown name or label, and how many were checked. Exit status: 0, or 1 if a name is unknown or a file names
no metric at all.
"""
import re
import sys

# Labels that Prometheus or the rules add to any metric.
TARGET_LABELS = {"job", "instance", "le", "severity", "alertname", "alertstate", "__name__"}
NAME = re.compile(r"(?<![\w:/.-])((?:[a-z]\w*:)?gmem_\w+(?::\w+)?)(?![\w:(/.-]*\.(?:yml|json|service|socket))(\{[^{}\n]*\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\\?\"")


def read_table(path):
    table = {}
    for line in open(path, encoding="utf-8"):
        name, kind, labels = line.rstrip("\n").split("\t")[:3]
        labels = set(filter(None, labels.split(",")))
        table[name] = labels
        if kind == "counter":
            table[name.removesuffix("_total") + "_created"] = labels
        if kind == "histogram":
            for suffix in ("_bucket", "_sum", "_count", "_created"):
                table[name + suffix] = labels
    return table


def main():
    table = read_table(sys.argv[1])
    texts = {path: open(path, encoding="utf-8").read() for path in sys.argv[2:]}
    for text in texts.values():
        for name in re.findall(r"record: (\S+)", text):
            table[name] = None
    bad = checked = 0
    for path, text in texts.items():
        text = re.sub(r"^\s*#(?!\s*HELP).*$", "", text, flags=re.M) if path.endswith(".yml") else text
        # gmem_NAME in a text is no metric.
        found = [match for match in NAME.findall(text) if match[0].islower()]
        if not found:
            print(f"{path}: names no metric")
            bad += 1
        for name, selector in found:
            checked += 1
            if name not in table:
                print(f"{path}: there is no metric {name}")
                bad += 1
                continue
            for label in MATCHER.findall(selector):
                if table[name] is not None and label not in table[name] | TARGET_LABELS:
                    print(f"{path}: {name} has no label {label}")
                    bad += 1
    print(f"{checked} names of metrics, {bad} wrong")
    return bad > 0 or not checked


sys.exit(main())
