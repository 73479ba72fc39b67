#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh [--json]   measures everything in tests/bench/bounds.h, prints it beside its bounds, and fails
#                     if a bound is broken or something was not measured
# bench.sh --check    the same in less time: without 10,000 VMs, seconds, empty programs and bpftrace
# bench.sh --twice    does what --check does, measures again, and fails if a number differs by more than 0.5 %, or
#                     by more than 3 % where it depends on what was allocated before (exec, load, bind)
# The lab counts instructions, so a lane is measured once. The results are left in build/bench.
set -eu
cd "$(dirname "$0")/../.."
out=build/bench
inexact='\.(exec|bind_unbind)|^load\.' sizes='10 100 1000 10000' quick='' mode=${1:-}
case $mode in
'' | --json) ;;
--check | --twice) sizes='10 100 1000' quick=-q ;;
*)
	echo "usage: bench.sh [--json | --check | --twice]" >&2
	exit 2
	;;
esac

# lab NAME LANE ICOUNT COMMAND: leaves the output in $out/NAME. Without randomized addresses, page tables and
# trees of mappings are the same in each run.
lab()
{
	mkdir -p "$out/$1.lab"
	LAB_DIR=$out/$1.lab LANE=$2 ICOUNT=$3 CMD=$4 APPEND=norandmaps TIMEOUT=${TIMEOUT:-600} tests/vm/lab.sh >"$out/$1"
}

# measure SUFFIX
measure()
{
	lab "vanilla$1" vanilla 1 "tests/bench/lane.sh $quick -k 1000"
	lab "patched$1" patched 1 "tests/bench/lane.sh $quick -p $sizes"
}

measure ''
lanes=(vanilla="$out/vanilla" patched="$out/patched")
case $mode in
--check) exec build/tests/bench_costs --check "${lanes[@]}" ;;
--twice)
	measure .again
	bad=0
	build/tests/bench_costs --check "${lanes[@]}" || bad=1
	for lane in vanilla patched; do
		for run in "$out/$lane" "$out/$lane.again"; do
			grep -vE "$inexact" "$run" >"$run.exact"
			grep -E "$inexact" "$run" >"$run.inexact" || true
		done
		build/tests/bench_table --max 0.5 "$lane=$out/$lane.exact" "again=$out/$lane.again.exact" || bad=1
		[ ! -s "$out/$lane.inexact" ] ||
			build/tests/bench_table --max 3 "$lane=$out/$lane.inexact" "again=$out/$lane.again.inexact" ||
			bad=1
	done
	exit $bad
	;;
esac
# Seconds are those of the emulator without counting. The least of three counts, because other work on the
# machine adds to them, which is also why the check has no bound in seconds.
lab lab patched '' "set -e; build/tests/bench_refresh -s 100 100 100 | sed 's/^/gmemtop./'; build/tests/bench_refresh -f 10000 | sed 's/^/gmemtop./'"
exec build/tests/bench_costs "$@" "${lanes[@]}" lab="$out/lab"
