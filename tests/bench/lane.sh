#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lane.sh [-q] [-p] [-k K] [N...]
# Runs in the VM and measures what bench_ops and bench_files do with nothing attached (idle), with gmemtop
# (gmemtop), with the exporter while it is scraped (export), while it times the phases of conversions (latency),
# with the stream of events (events), with empty
# programs in the same places (empty) and with bpftrace (bpftrace); then what gmemtop itself costs with N VMs. Prints the lines of these programs with the name in brackets and a dot before
# each. tests/bench/bounds.h has a bound for every number.
# -q  for make check: fewer rounds; without empty, bpftrace, bench_many, and bench_files with nothing attached
# -p  also what 64 VMs and a watcher cost each other (bench_many), and policies: with empty LSM programs in the places of a policy's (empty_lsm) and of a locked one's
#     (empty_lock), with one of them that tags new processes (empty_tags), with a rule without conditions (policy_any), with 1 and 1,024 rules with all kinds of
#     conditions (policy_1, policy_1024), with a locked policy (locked), and what loads cost
# -k  also what gmemtop costs with K VMs that keep private pages
set -eu
tests=build/tests
quick='' policies='' keep='' rounds=15
while getopts qpk: option; do
	case $option in
	q) quick=1 rounds=3 ;;
	p) policies=1 ;;
	k) keep=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
err=$(mktemp)
watched_ops=(bench_ops convert convert_unbound convert_redundant create_close mmap_munmap host_fault guest_fault
	guest_convert guest_convert_touch)
decided_ops=(bench_ops convert create_close mmap_munmap host_fault punch bind_unbind receive_close)
files=(bench_files)

# measure NAME PROGRAM [OPERATION...]
measure()
{
	"$tests/$2" -r $rounds "${@:3}" | sed -u "s/^/$1./"
}

# watched NAME COMMAND...: measures ${operations[@]} while COMMAND runs, which prints a line when it is
# attached and ends when its standard input does, or by SIGINT. Its remaining output is left in $said.
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
	measure "$name" "${operations[@]}"
	exec {in}>&-
	kill -INT "$pid" 2>/dev/null || true
	said=$(cat <&"$out")
	wait "$pid" 2>/dev/null || true
}

# The metrics are read and written as for GET; the shell starts no other program for the answer.
scrape()
{
	local http line status=1

	exec {http}<>"/dev/tcp/127.0.0.1/$1" || return
	printf 'HEAD /metrics HTTP/1.0\r\n\r\n' >&"$http"
	while read -r line <&"$http"; do
		case $line in
		*\ 200\ *) status=0 ;;
		esac
	done
	exec {http}>&-
	return $status
}

# The exporter, from which a new frame is read every tenth of a second.
scraped()
{
	local port=9758 exporter

	build/gmemtop export --listen ":$port" --min-interval 0 >&2 &
	exporter=$!
	# The end of the standard input is enough.
	trap '' INT
	until (scrape $port) 2>/dev/null; do
		sleep 0.1
	done
	echo attached
	while read -r -t 0.1 || [ $? -gt 128 ]; do
		scrape $port
	done
	kill "$exporter"
	wait "$exporter"
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

# policy N [any | lock]: N rules for as many users; the last one allows this program its operations. Without
# any or lock, each rule has all conditions that a rule can have. lock: gmemctl is the manager.
policy()
{
	local n=$1 i all='[create, bind, mmap, fault, convert, punch, receive]'
	local none='{ create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, punch: deny, receive: deny }'
	local types='vm-type: [default, software-protected]' directions='direction: [to-private, to-shared]'

	printf 'version: 1\nname: bench\nmode: enforce\ndefault: %s\nsubjects:\n' "$none"
	for ((i = 1; i < n; i++)); do
		printf '  s%d: { uid: [%d] }\n' $i $((1000 + i))
	done
	printf '  bench: { uid: [0], exe: %s }\n' "$PWD/$tests/bench_ops"
	[ "${2:-}" != lock ] || printf '  m: { exe: %s }\nmanager: m\n' "$PWD/build/gmemctl"
	printf 'rules:\n'
	for ((i = 1; i < n; i++)); do
		printf '  - { name: r%d, deny: all, subjects: [s%d], when: { size: ">= %dMiB", range: "%dGiB+1GiB", ' \
			$i $i $((i % 1000)) $((i % 1000))
		printf '%s, %s, prot: [exec] } }\n' "$types" "$directions"
	done
	printf '  - { name: bench, allow: %s, subjects: [bench]' "$all"
	if [ -z "${2:-}" ]; then
		printf ', when: { size: "<= 1GiB", range: "0-1TiB", %s, %s, prot: [read, write] }' \
			"$types" "$directions"
	fi
	printf ' }\n'
}

# A policy's programs are verified once: what has fewer of them comes first, and each load after the first
# one adds those that are missing. That takes 2 billion instructions, and a load as such 11 million.
measure_policies()
{
	local dir

	operations=("${files[@]}")
	watched empty_lsm "$tests/bench_floor_lsm"
	watched empty_lock "$tests/bench_floor_lsm" --lock
	operations=(bench_files fork)
	watched empty_tags "$tests/bench_floor_lsm" --tags
	dir=$(mktemp -d)
	policy 1 any >"$dir/any"
	policy 1 >"$dir/1"
	policy 1024 >"$dir/1024"
	policy 1 lock >"$dir/lock"
	"$tests/bench_run" load.first build/gmemctl load "$dir/any"
	measure policy_any "${decided_ops[@]}"
	build/gmemctl load "$dir/1" >&2
	"$tests/bench_run" load.later_1 build/gmemctl load "$dir/1"
	measure policy_1 "${decided_ops[@]}"
	"$tests/bench_run" load.later_1024 build/gmemctl load "$dir/1024"
	measure policy_1024 "${decided_ops[@]}"
	measure policy_1024 "${files[@]}"
	build/gmemctl load --lock "$dir/lock" >&2
	measure locked "${files[@]}"
}

measure idle bench_ops
[ -n "$quick" ] || [ -z "$policies" ] || measure idle "${files[@]}"
operations=("${watched_ops[@]}")
watched gmemtop build/gmemtop --json -d 100000
operations=(bench_ops convert guest_fault)
# What it attaches is what gmemtop attaches, on each kernel: one lane shows that.
[ -z "$policies" ] || watched export scraped
operations=(bench_ops guest_convert guest_convert_touch guest_fault)
watched latency build/gmemtop --json --latency -d 100000
operations=(bench_ops convert)
watched events build/gmemtop events --json -e convert
operations=("${watched_ops[@]}")
if [ -z "$quick" ]; then
	watched empty "$tests/bench_floor"
	why=$(why_no_bpftrace)
	if [ -z "$why" ]; then
		cat "$err.ops"
	else
		echo "# no bpftrace: $why"
	fi
fi
[ -z "$keep" ] || "$tests/bench_refresh" -p "$keep" | sed -u 's/^/gmemtop./'
[ $# = 0 ] || "$tests/bench_refresh" ${quick:+-q} "$@" | sed -u 's/^/gmemtop./'
[ $# = 0 ] || [ -n "$quick" ] || "$tests/bench_refresh" -r 1000 | sed -u 's/^/gmemtop./'
[ -n "$quick" ] || [ -z "$policies" ] || "$tests/bench_many" 64
[ -z "$policies" ] || "$tests/bench_resident" | sed -u 's/^/gmemtop./'
# Last, since a locked policy stays.
[ -z "$policies" ] || measure_policies
