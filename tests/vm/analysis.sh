#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: the steps of docs/analysis.md. Three kinds of trouble, each recorded, found by gmemtop report, and gone
# after what the report advises. The outputs are in $LAB_OUT.
set -u
cd "$(dirname "$0")/../.." || exit
out=${LAB_OUT:-$(mktemp -d)}
checks=0 bad=0

fail()
{
	echo "analysis: $*" >&2
	bad=1
}

# recorded NAME SCENARIO: what a VM does, recorded
recorded()
{
	local i

	build/gmemtop record -d 0.2 --waste --heat --redundant -o "$out/$1.gmem" 2>"$out/recorder" &
	for ((i = 0; i < 600; i++)); do
		! grep -q 'recording to' "$out/recorder" || break
		sleep 0.1
	done
	build/tests/gmem-workload -e "$2" >"$out/$1.workload" || fail "$1: the workload failed"
	kill $!
	wait $! || fail "$1: the recorder ended with $?: $(cat "$out/recorder")"
}

# finds NAME RULE [WORD]: the report has the rule (or, with "not", has not)
finds()
{
	checks=$((checks + 1))
	build/gmemtop report "$out/$1.gmem" >"$out/$1.txt" || fail "report $1"
	build/gmemtop report "$out/$1.gmem" --html -o "$out/$1.html" || fail "report --html $1"
	if grep -q "\[$2\]" "$out/$1.txt"; then
		[ "${3:-}" != not ] || fail "$1: $2 is reported: $(sed -n '/^DIAGNOSIS/,/^TOTALS/p' "$out/$1.txt")"
	else
		[ "${3:-}" = not ] || fail "$1: $2 is not reported: $(sed -n '/^DIAGNOSIS/,/^TOTALS/p' "$out/$1.txt")"
	fi
}

# compares A B STATUS CONDITION
compares()
{
	local status=0

	checks=$((checks + 1))
	build/gmemtop diff "$out/$1.gmem" "$out/$2.gmem" --fail-if "$4" >"$out/$1-$2.txt" || status=$?
	[ "$status" = "$3" ] || fail "diff $1 $2 --fail-if '$4' ends with $status: $(cat "$out/$1-$2.txt")"
}

# --- a boot that takes long: the guest accepts its memory page by page
recorded storm 'create size=32M; bind; start; convert to=private by=hypercall size=4K step=4K times=8192'
finds storm single-pages
recorded ranges 'create size=32M; bind; start; convert to=private by=hypercall size=2M step=2M times=16'
finds ranges single-pages not
compares storm ranges 0 'conversion_time > 0.5x, conversions > 0.1x'
compares ranges storm 6 'conversions > 1.2x'

# --- a host that runs out of memory: what the guest shares stays in the instance
recorded twice 'create size=16M; bind; start; convert to=private size=16M; touch size=16M; convert to=shared size=12M; sleep duration=3000'
finds twice instance-held-twice
recorded freed 'create size=16M; bind; start; convert to=private size=16M; touch size=16M; convert to=shared size=12M; punch size=12M; sleep duration=3000'
finds freed instance-held-twice not
compares twice freed 0 'waste > 0.5x'

# --- a vCPU that makes no progress: the same page, there and back
recorded loop 'create size=16M; bind; start; convert to=private size=4K; touch size=4K; sleep duration=3000; repeat times=1500; convert to=shared size=4K; convert to=private size=4K; touch size=4K; end'
finds loop fault-loop
recorded bounce 'create size=16M; bind; start; convert to=private size=4K; touch size=4K; sleep duration=3000; touch size=4K times=1500'
finds bounce fault-loop not
compares loop bounce 0 'guest_faults > 0.1x'
echo "analysis: $checks checks, $bad failed"
exit $bad
