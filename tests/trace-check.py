#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""trace-check.py TRACE REPORT: is TRACE (gmemtop report --trace) a trace in the documented form of Chrome's JSON traces, which
Perfetto reads, and does it show what REPORT (gmemtop report --json) says of the same recording?

The form: an object with traceEvents; every event has ph, name and pid; C and X have ts in microseconds; X has dur
and tid; arguments of C are numbers; slices of a thread nest; each process has a name."""

import json
import sys

BAD = []


def check(what, good):
    """Collect what is wrong."""
    if not good:
        BAD.append(what)


def is_number(value):
    """JSON numbers; true is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_event(event):
    """One event by itself."""
    check("keys: %s" % event, isinstance(event.get("name"), str) and isinstance(event.get("pid"), int))
    kind = event.get("ph")
    check("phase: %s" % event, kind in ("M", "C", "X"))
    if kind == "M":
        check("metadata: %s" % event, event["name"] in ("process_name", "thread_name")
              and isinstance(event["args"]["name"], str) and (event["name"] == "process_name" or "tid" in event))
        return
    check("ts: %s" % event, is_number(event.get("ts")) and event["ts"] >= 0)
    if kind == "C":
        check("args: %s" % event, event["args"] and all(is_number(value) and value >= 0 for value in event["args"].values()))
    else:
        check("slice: %s" % event, is_number(event.get("dur")) and event["dur"] >= 0 and isinstance(event.get("tid"), int))


def check_nesting(slices):
    """Slices of one thread: each is within another one, or beside it."""
    stack = []
    for begin, negative, name in sorted((round(s["ts"] * 1000), -round(s["dur"] * 1000), s["name"]) for s in slices):
        end = begin - negative
        while stack and stack[-1] <= begin:
            stack.pop()
        check("%s overlaps another slice" % name, not stack or end <= stack[-1])
        stack.append(end)


def main():
    """Check both."""
    trace = json.load(open(sys.argv[1]))
    report = json.load(open(sys.argv[2]))
    events = trace["traceEvents"]
    for event in events:
        check_event(event)
    named = {event["pid"] for event in events if event["name"] == "process_name"}
    check("processes without a name", {event["pid"] for event in events} <= named)
    threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    slices = {}
    for event in events:
        if event["ph"] == "X":
            slices.setdefault((event["pid"], event["tid"]), []).append(event)
    check("threads without a name", set(slices) <= threads)
    for thread in slices.values():
        check_nesting(thread)
    lives = [event for event in events if event["name"] == "VM"]
    check("%u lives, %u VMs" % (len(lives), report["vms_seen"]), len(lives) == report["vms_seen"])
    if not report["begins_in_the_middle"] and "convert" not in report["missing"]:
        counters = report["host"]["counters"]
        check("conversions", sum(life["args"]["conversions"] for life in lives)
              == counters["to_private"] + counters["to_shared"])
    # A trace begins with the first frame.
    slowest = [one for one in report["slowest"] if one["time_ns"] >= report["first_ns"]]
    if slowest:
        shown = max(e["dur"] for e in events if e["ph"] == "X" and e["name"] in ("to_private", "to_shared"))
        check("the slowest conversion", round(shown * 1000) == slowest[0]["phases_ns"]["total"])
    for what in BAD[:10]:
        print("trace-check: " + what)
    print("trace-check: %u events, %u faults" % (len(events), len(BAD)))
    return bool(BAD)


if __name__ == "__main__":
    sys.exit(main())
