#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dashboard.py FILE: is this dashboard one that Grafana can show, as far as that is known without Grafana?

Each panel has an id of its own, a place in the grid of 24 columns that no other panel covers, a title, a
description and queries with different refIds; panels and queries name the data source that is chosen; each
variable that a query uses exists, and each that exists is used. The queries are printed as rules, with
values for the variables, so that `promtool check rules` parses them. Exit status: 0, or 1 after the reasons.
"""
import json
import re
import sys

COLUMNS = 24
TYPES = {"stat", "timeseries", "heatmap", "table"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana itself defines, and what a query with a variable may look like.
BUILT_IN = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}


def cells(panel):
    at = panel["gridPos"]
    return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}


def check_panel(panel, bad):
    what = f"panel '{panel.get('title')}'"
    for key in ("title", "description", "gridPos", "targets"):
        if not panel.get(key):
            bad.append(f"{what} has no {key}")
    if panel.get("type") not in TYPES:
        bad.append(f"{what}: type {panel.get('type')}")
    if panel["gridPos"]["x"] + panel["gridPos"]["w"] > COLUMNS:
        bad.append(f"{what} is wider than the grid")
    refs = [target.get("refId") for target in panel["targets"]]
    if None in refs or len(set(refs)) != len(refs):
        bad.append(f"{what}: refIds {refs}")
    for thing in [panel] + panel["targets"]:
        if thing.get("datasource") != SOURCE:
            bad.append(f"{what}: data source {thing.get('datasource')}")


def queries(dashboard):
    """Every PromQL expression, of panels and of variables."""
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            found.append(match[1] if match else variable["query"]["query"])
    return found


def check(dashboard):
    bad, covered, ids = [], set(), set()
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        check_panel(panel, bad)
        if panel["id"] in ids or covered & cells(panel):
            bad.append(f"panel '{panel['title']}' has the id or the place of another one")
        ids.add(panel["id"])
        covered |= cells(panel)
    used = {"datasource"} if SOURCE["uid"] in json.dumps(dashboard["panels"]) else set()
    for query in queries(dashboard):
        used |= set(re.findall(r"\$\{?(\w+)", query))
    bad += [f"there is no variable {name}" for name in used - variables - set(BUILT_IN)]
    bad += [f"variable {name} is not used" for name in variables - used]
    return bad


def main():
    with open(sys.argv[1], encoding="utf-8") as text:
        dashboard = json.load(text)
    bad = check(dashboard)
    print("groups:\n  - name: dashboard\n    rules:")
    for number, query in enumerate(queries(dashboard)):
        query = re.sub(r"\$\{?(\w+)\}?", lambda match: BUILT_IN.get(match[1], ".*"), query)
        print(f"      - record: panel:{number}\n        expr: {json.dumps(query)}")
    for reason in bad:
        print(f"{sys.argv[1]}: {reason}", file=sys.stderr)
    return bool(bad)


sys.exit(main())
