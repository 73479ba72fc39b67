#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boot the patched lane, let the workload run in it and watch it with gmemtop: interactive on a
# terminal, some frames otherwise. Meanwhile tests/demo.c compares the kernel's events with what the
# workload says that it did. Ends with one line: N passed, N failed, N skipped.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

default_seconds=15
[ ! -t 1 ] || default_seconds=60
seconds=${DEMO_SECONDS:-$default_seconds}
columns=$( (stty size 2>/dev/null || echo 24 132) | cut -d ' ' -f 2)
out=$root/build/demo
mix=convert:4,hypercall:2,redundant:1,touch:3,prefault:1,allocate:1,punch:1,host-touch:1

mkdir -p "$out"
rm -f "$out/result" "$out/recording" "$out/report.html" "$out/trace.json"
demo="build/tests/demo /run/lab $columns build/tests/gmem-workload --vms 3 --flags mmap --rate 4"
demo="$demo --duration ${seconds}000 --ops 0 --mix $mix >/run/lab/shown"
# A recorder sees the same: it has begun before the workload, and is ended after it.
record="build/gmemtop record -d 0.5 --waste --heat --latency -o /run/lab/recording 2>/run/lab/recorder & recorder=\$!"
record="$record; until grep -q 'recording to' /run/lab/recorder || ! kill -0 \$recorder; do sleep 0.1; done"
export LANE=patched LAB_DIR=$out TIMEOUT=$((seconds + 120)) ICOUNT='' TTY=''
echo "Booting the patched kernel; three VMs with private memory then run for $seconds s."
status=0
if [ -t 0 ] && [ -t 1 ]; then
	echo "gmemtop shows them: q ends it, h helps."
	TTY=1 TIMEOUT=0 CMD="$record; $demo & demo=\$!; build/gmemtop; wait \$demo; kill \$recorder; wait" \
		"$root/tests/vm/lab.sh" || status=$?
else
	CMD="$record; $demo & demo=\$!; sleep 1; build/gmemtop -b -d 3 -n $((seconds / 3)); wait \$demo; kill \$recorder; wait" \
		"$root/tests/vm/lab.sh" || status=$?
fi
sed -n '/^What the workload says/,$p' "$out/shown"
touch "$out/result"
# What it looks like afterwards: one page, and a trace for ui.perfetto.dev.
if "$root/build/gmemtop" report "$out/recording" --html -o "$out/report.html" &&
	"$root/build/gmemtop" report "$out/recording" --trace -o "$out/trace.json" &&
	"$root/build/gmemtop" report "$out/recording" --json >"$out/report.json" &&
	"$root/tests/trace-check.py" "$out/trace.json" "$out/report.json" >"$out/trace-check"; then
	echo "A report of it: build/demo/report.html"
	echo "A trace of it:  build/demo/trace.json (open it in ui.perfetto.dev)"
	echo "ok report" >>"$out/result"
else
	echo "FAILED report: $(cat "$out/recorder" "$out/trace-check" 2>/dev/null)" >>"$out/result"
fi
[ "$status" = 0 ] || echo "FAILED demo (exit status $status)" >>"$out/result"
passed=$(grep -c '^ok ' "$out/result" || true)
failed=$(grep -c '^FAILED ' "$out/result" || true)
grep '^FAILED ' "$out/result" | sed 's|$|, log: build/demo/console.log, events, workload.json|' || true
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
