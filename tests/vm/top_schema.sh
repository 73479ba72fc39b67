#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: the frames and the events that gmemtop writes as JSON match contrib/gmemtop.schema.json, a
# report of the frames matches contrib/gmemtop-report.schema.json, and the first schema tells a line that
# lacks a field, has it by another name, or has one more. tests/tui-test.sh does the same with recordings,
# tests/report-test.sh with reports.
# top_schema.sh [WORKLOAD_OPTION...]
set -u
cd "$(dirname "$0")/../.." || exit
tmp=$(mktemp -d)
checks=0 bad=0

fail()
{
	echo "top_schema: $*"
	bad=1
}

matches()
{
	checks=$((checks + 1))
	tests/schema.py contrib/gmemtop.schema.json <"$1" || fail "$1: see above"
}

# has EXPRESSION FILE: true of the list of its lines, d
has()
{
	checks=$((checks + 1))
	python3 -c 'import json, sys
d = [json.loads(line) for line in open(sys.argv[2])]
sys.exit(not eval(sys.argv[1]))' "$1" "$2" || fail "not $1 in: $(head -c 500 "$2")"
}

# differs WHAT FILE SED: no line of the file with this change matches
differs()
{
	checks=$((checks + 1))
	sed "$3" "$2" >"$tmp/changed"
	cmp -s "$2" "$tmp/changed" && fail "$1: nothing was changed"
	while IFS= read -r line; do
		tests/schema.py contrib/gmemtop.schema.json <<<"$line" 2>/dev/null && fail "$1 matches: $line"
	done <"$tmp/changed"
}

build/gmemtop events --json -e all --stack -d 6 >"$tmp/events" 2>"$tmp/err" &
events=$!
build/gmemtop --json -n 8 -d 0.5 -i --bindings --holders --waste --heat --latency >"$tmp/frames" &
frames=$!
for ((i = 0; i < 300; i++)); do
	[ -s "$tmp/events" ] && [ -s "$tmp/frames" ] && break
	sleep 0.1
done
build/tests/gmem-workload --vms 2 --ops 0 --duration 2000 --pause 2000 "$@" >"$tmp/report" ||
	fail "the workload: $(cat "$tmp/report")"
wait $frames || fail "gmemtop ends with $?"
wait $events || fail "gmemtop events ends with $?: $(cat "$tmp/err")"
matches "$tmp/frames"
has 'len(d) == 8 and any(vm["instance_list"] and vm["holder_list"] for frame in d for vm in frame["vms"])' "$tmp/frames"
has 'any(vm["state"] == "live" for frame in d for vm in frame["vms"])' "$tmp/frames"
[ $# != 0 ] || has 'any(vm["phases"]["total"]["count"] and vm["vcpu_list"] and vm["slowest"] for frame in d for vm in frame["vms"])' \
	"$tmp/frames"
matches "$tmp/events"
has '"stream" in d[0] and "summary" in d[-1] and {"create", "guest_fault"} <= {e.get("event") for e in d}' \
	"$tmp/events"
build/gmemtop --json --once >"$tmp/once"
matches "$tmp/once"
# What is recorded lacks the rates, and without gmemtop it can be read by zstdcat.
build/gmemtop record -n 2 -d 0.1 -i --bindings --holders --waste --heat --latency -o "$tmp/recording" 2>"$tmp/err" ||
	fail "record: $(cat "$tmp/err")"
zstdcat <"$tmp/recording" >"$tmp/recorded"
matches "$tmp/recorded"
has 'len(d) == 2 and not any("rates" in frame["host"] for frame in d)' "$tmp/recorded"
# The workload of before has ended: one that stays, so that the ledger has an account.
build/tests/gmem-workload --ops 0 --duration 60000 --pause 2000 "$@" >"$tmp/report" &
workload=$!
for ((i = 0; i < 200; i++)); do
	build/gmemtop memory --json >"$tmp/memory" || fail "memory ends with $?"
	grep -q '"charges":\[{' "$tmp/memory" && break
	sleep 0.1
done
kill $workload
wait $workload
matches "$tmp/memory"
has 'd[0]["accounts"] and d[0]["payers"] and d[0]["accounts"][0]["charges"]' "$tmp/memory"
build/gmemtop report --json "$tmp/frames" >"$tmp/report"
checks=$((checks + 1))
tests/schema.py contrib/gmemtop-report.schema.json <"$tmp/report" || fail "the report: see above"
has 'd[0]["frames"] == 8 and d[0]["vms"]' "$tmp/report"
[ $# != 0 ] || has 'd[0]["host"]["phases"]["total"]["count"] and d[0]["slowest"]' "$tmp/report"
build/gmemtop --json --pid 4000000 2>"$tmp/error" && fail 'a process that is not there'
matches "$tmp/error"

grep -m 1 '"event":"create"' "$tmp/events" >"$tmp/event"
head -n 1 "$tmp/events" >"$tmp/stream"
tail -n 1 "$tmp/events" >"$tmp/summary"
differs 'a frame without a member' "$tmp/once" 's/"lower_bounds":[a-z]*,//'
differs 'a frame with a renamed member' "$tmp/once" 's/"interval_ns"/"interval"/'
differs 'a frame with one more' "$tmp/once" 's/"kernel"/"more":1,"kernel"/'
differs 'a frame of another version' "$tmp/once" 's/"version":2/"version":1/'
differs 'a ledger without a line' "$tmp/memory" 's/"slab_bytes":[0-9]*,//'
differs 'an account with one more' "$tmp/memory" 's/"folios":/"more":1,"folios":/'
differs 'an event without a member' "$tmp/event" 's/"monotonic_ns":[0-9]*,//'
differs 'an event without a field' "$tmp/event" 's/"fd":[0-9]*,//'
differs 'an event with a renamed field' "$tmp/event" 's/"fd":/"file":/'
differs 'an event with one more' "$tmp/event" 's/"fd":/"more":1,"fd":/'
differs 'an event by another name' "$tmp/event" 's/"event":"create"/"event":"make"/'
differs 'a stream with one more' "$tmp/stream" 's/"kernel"/"more":1,"kernel"/'
differs 'a summary without a member' "$tmp/summary" 's/"shown":[0-9]*,//'
echo "top_schema: $checks checks, $bad failed"
exit $bad
