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
rm -f "$out/result"
demo="build/tests/demo /run/lab $columns build/tests/gmem-workload --vms 3 --flags mmap --rate 4"
demo="$demo --duration ${seconds}000 --ops 0 --mix $mix >/run/lab/shown"
export LANE=patched LAB_DIR=$out TIMEOUT=$((seconds + 120)) ICOUNT='' TTY=''
echo "Booting the patched kernel; three VMs with private memory then run for $seconds s."
status=0
if [ -t 0 ] && [ -t 1 ]; then
	echo "gmemtop shows them: q ends it, h helps."
	TTY=1 TIMEOUT=0 CMD="$demo & build/gmemtop; wait" "$root/tests/vm/lab.sh" || status=$?
else
	CMD="$demo & sleep 1; build/gmemtop -b -d 3 -n $((seconds / 3)); wait" \
		"$root/tests/vm/lab.sh" || status=$?
fi
sed -n '/^What the workload says/,$p' "$out/shown"
touch "$out/result"
[ "$status" = 0 ] || echo "FAILED demo (exit status $status)" >>"$out/result"
passed=$(grep -c '^ok ' "$out/result" || true)
failed=$(grep -c '^FAILED ' "$out/result" || true)
grep '^FAILED ' "$out/result" | sed 's|$|, log: build/demo/console.log, events, workload.json|' || true
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
