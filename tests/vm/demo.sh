#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh: boot the patched lane, let the workload run in it and show its events as they come.
# demo.sh guest: the part inside the VM. One check per kind of event: it was seen, and as often as
# the workload says that it did the operation where that is a plain count.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${DEMO_SECONDS:-15}
width=$(stty size 2>/dev/null | cut -d ' ' -f 2 || true)

# A line of trace_pipe without the task's columns, cut to the terminal's width.
show()
{
	sed -uE 's/^ *([^ ]+)-[0-9]+ +\[[0-9]+\] [^ ]+ +([0-9.]+): kvm_gmem_([a-z_]+): vm=0*([0-9a-f]{4})[0-9a-f]*/\2  vm \4  \3 /
		s/ dev=[0-9:]+//; s/duration_ns=([0-9]+)/\1 ns/' |
		awk '{ $3 = $3; printf "%12s %s %s %-12s", $1, $2, $3, $4; $1 = $2 = $3 = $4 = ""; sub(/^ +/, " "); print; fflush() }' |
		cut -c "1-${COLUMNS:-132}"
}

guest()
{
	local tracing=/sys/kernel/tracing events='' event name ok n passed=0 failed='' status=0 pipe

	for event in "$tracing"/events/kvm/kvm_gmem_*; do
		[ -e "$event/enable" ] || die 1 "this kernel has no kvm_gmem_* tracepoints"
		echo 1 >"$event/enable"
		events="$events ${event##*/kvm_gmem_}"
	done
	stdbuf -oL tee "$LAB_OUT/events" <"$tracing/trace_pipe" | show &
	pipe=$!
	build/tests/gmem-workload --vms 3 --flags mmap --rate 4 --duration "${seconds}000" --ops 0 \
		--mix convert:4,hypercall:2,redundant:1,touch:3,prefault:1,allocate:1,punch:1,host-touch:1 \
		>"$LAB_OUT/workload.json" || status=$?
	sleep 1
	kill "$(pgrep -x tee)" 2>/dev/null || true
	wait $pipe || true

	echo
	echo "What the workload did (build/demo/workload.json) and what the kernel's tracepoints saw:"
	printf '  %-12s %9s %9s\n' operation workload events
	for name in create bind convert allocate mmap guest_fault host_fault unbind release; do
		case " $events " in
		*" $name "*) ;;
		*) continue ;;
		esac
		n=$(grep -c " kvm_gmem_$name: " "$LAB_OUT/events" || true)
		ok=$(python3 -c '
import json, sys
doc = json.load(open(sys.argv[1]))
print(sum(c.get("ok", 0) + sum(c.get("failed", {}).values())
          for vm in doc["vms"] for k, c in vm["counts"].items() if k == sys.argv[2]))' \
			"$LAB_OUT/workload.json" "$name")
		printf '  %-12s %9s %9s\n' "$name" "$ok" "$n"
		if [ "$n" -gt 0 ] && [ "$n" = "$ok" ]; then
			passed=$((passed + 1))
		else
			failed="$failed $name"
		fi
	done
	if [ $status = 0 ]; then
		passed=$((passed + 1))
	else
		failed="$failed workload"
	fi
	echo "$passed $failed" >"$LAB_OUT/result"
}

if [ "${1:-}" = guest ]; then
	guest
	exit
fi

mkdir -p "$root/build/demo"
rm -f "$root/build/demo/result"
echo "Booting the patched kernel; three VMs with private memory then run for $seconds s."
status=0
LANE=patched LAB_DIR=$root/build/demo TIMEOUT=$((seconds + 120)) ICOUNT='' TTY='' \
	CMD="export COLUMNS=${width:-132} DEMO_SECONDS=$seconds; tests/vm/demo.sh guest" \
	"$root/tests/vm/lab.sh" || status=$?
read -r passed failed <"$root/build/demo/result" 2>/dev/null || failed='' passed=0
# shellcheck disable=SC2086	# a list of words
set -- $failed
[ $status = 0 ] || set -- "$@" boot
for name in "$@"; do
	echo "FAILED $name, log: build/demo/console.log, build/demo/events, build/demo/workload.json"
done
echo "$passed passed, $# failed, 0 skipped"
[ $# = 0 ]
