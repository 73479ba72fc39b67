#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lane.sh [-q] [N...]
# In the VM: what the operations of bench_ops cost with nothing attached (idle), with an empty program
# wherever gmemtop has one (empty), with gmemtop, and with bpftrace; then what gmemtop itself costs with N
# VMs. A line each, as of bench_ops, with WATCHER. before the name. -q leaves out empty and bpftrace.
set -eu
tests=build/tests
quick=
if [ "${1:-}" = -q ]; then
	quick=1
	shift
fi
err=$(mktemp)

measure()
{
	"$tests/bench_ops" | sed -u "s/^/$1./"
}

# watched NAME COMMAND...: the operations while COMMAND runs, which prints a line when it is attached and
# ends when its standard input does, or by SIGINT. What it prints afterwards is left in $said.
watched()
{
	local name=$1 pid in out line

	shift
	coproc "$@" 2>"$err"
	pid=$COPROC_PID in=${COPROC[1]} out=${COPROC[0]}
	while IFS= read -r line <&"$out"; do
		case $line in
		Attaching*) ;;
		*) break ;;
		esac
	done
	if [ -z "$line" ]; then
		echo "lane.sh: $name did not start: $(tail -n 3 "$err")" >&2
		return 1
	fi
	measure "$name"
	exec {in}>&-
	kill -INT "$pid" 2>/dev/null || true
	said=$(cat <&"$out")
	wait "$pid" 2>/dev/null || true
}

why_no_bpftrace()
{
	if ! command -v bpftrace >/dev/null; then
		echo "it is not installed (Debian's package bpftrace)"
	elif ! watched bpftrace bpftrace tests/bench/convert.bt >"$err.ops"; then
		echo "it cannot be used here: $(tail -n 1 "$err")"
	elif ! grep -q '^@conversions\[' <<<"$said"; then
		echo "it counted nothing"
	fi
}

measure idle
watched gmemtop build/gmemtop --json -d 100000
if [ -z "$quick" ]; then
	watched empty "$tests/bench_floor"
	why=$(why_no_bpftrace)
	if [ -z "$why" ]; then
		cat "$err.ops"
	else
		echo "lane.sh: no bpftrace in the table: $why" >&2
	fi
fi
[ $# = 0 ] || "$tests/bench_refresh" "$@" | sed -u 's/^/gmemtop./'
