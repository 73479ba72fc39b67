#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lane.sh [-q] [-p] [-k K] [N...]
# In the VM: what the operations of bench_ops cost with nothing attached (idle), with an empty program
# wherever gmemtop has one (empty), with gmemtop, and with bpftrace; then what gmemtop itself costs with N
# VMs. A line each, as of bench_ops, with WATCHER. before the name. -q leaves out empty and bpftrace.
# -p: and with policies of gmemctl in force (any: one rule without conditions, 1, 1024: so many with all
# kinds of them), with empty LSM programs where policies have theirs (empty_lsm), and what it costs to load
# such policies. Last, since it stays: with a locked policy (locked) over empty programs (empty_lock).
# -k: what gmemtop costs with K VMs that keep private pages.
set -eu
tests=build/tests
quick='' policies='' keep=''
while getopts qpk: option; do
	case $option in
	q) quick=1 ;;
	p) policies=1 ;;
	k) keep=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
err=$(mktemp)
instances=(bench_ops convert convert_unbound convert_redundant create_close mmap_munmap host_fault guest_fault)
files=(bench_files)
decided=(bench_ops convert create_close mmap_munmap host_fault punch bind_unbind receive_close)

# measure NAME PROGRAM [OPERATION...]
measure()
{
	"$tests/$2" "${@:3}" | sed -u "s/^/$1./"
}

# watched NAME COMMAND...: ${operations[@]} while COMMAND runs, which prints a line when it is attached and
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
	measure "$name" "${operations[@]}"
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

# policy N [any | lock]: N rules for as many users, of which the last allows this program what it does; without
# any, each rule looks at everything that rules can look at. lock: gmemctl is the manager.
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

measure_policies()
{
	local dir

	dir=$(mktemp -d)
	policy 1 any >"$dir/any"
	policy 1 >"$dir/1"
	policy 1024 >"$dir/1024"
	for n in 1 1024; do
		"$tests/bench_run" "load.first_$n" build/gmemctl load "$dir/$n"
		"$tests/bench_run" "load.later_$n" build/gmemctl load "$dir/$n"
		measure "policy_$n" "${decided[@]}"
		[ $n = 1 ] || measure "policy_$n" "${files[@]}"
		build/gmemctl unload >&2
	done
	build/gmemctl load "$dir/any" >&2
	measure policy_any "${decided[@]}"
	build/gmemctl unload >&2
	operations=("${files[@]}")
	watched empty_lsm "$tests/bench_floor_lsm"
}

measure_lock()
{
	local file

	operations=("${files[@]}")
	watched empty_lock "$tests/bench_floor_lsm" --lock
	file=$(mktemp)
	policy 1 lock >"$file"
	build/gmemctl load --lock "$file" >&2
	measure locked "${files[@]}"
}

measure idle "${instances[@]}"
if [ -n "$policies" ]; then
	measure idle bench_ops punch bind_unbind receive_close
	measure idle "${files[@]}"
fi
operations=("${instances[@]}")
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
[ -z "$policies" ] || measure_policies
[ -z "$keep" ] || "$tests/bench_refresh" -p "$keep" | sed -u 's/^/gmemtop./'
[ $# = 0 ] || "$tests/bench_refresh" "$@" | sed -u 's/^/gmemtop./'
[ -z "$policies" ] || measure_lock
