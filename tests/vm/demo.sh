#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boot the patched lane, let the workload run in it and show its events as they come; tests/demo.c is
# what runs inside. Ends with one line: N passed, N failed, N skipped.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${DEMO_SECONDS:-15}
columns=$( (stty size 2>/dev/null || echo 24 132) | cut -d ' ' -f 2)
out=$root/build/demo
mix=convert:4,hypercall:2,redundant:1,touch:3,prefault:1,allocate:1,punch:1,host-touch:1

mkdir -p "$out"
rm -f "$out/result"
echo "Booting the patched kernel; three VMs with private memory then run for $seconds s."
status=0
LANE=patched LAB_DIR=$out TIMEOUT=$((seconds + 120)) ICOUNT='' TTY='' CMD="
	build/tests/demo /run/lab $columns build/tests/gmem-workload --vms 3 --flags mmap --rate 4 \
		--duration ${seconds}000 --ops 0 --mix $mix" "$root/tests/vm/lab.sh" || status=$?
touch "$out/result"
[ "$status" = 0 ] || echo "FAILED demo (exit status $status)" >>"$out/result"
passed=$(grep -c '^ok ' "$out/result" || true)
failed=$(grep -c '^FAILED ' "$out/result" || true)
grep '^FAILED ' "$out/result" | sed 's|$|, log: build/demo/console.log, events, workload.json|' || true
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
