#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh [--json]   the whole table of costs, from one run per lane
# bench.sh --check    the part with bounds, in less time; fails when one is broken
# The lab counts instructions: a lane is measured once, and measures the same when asked again.
set -eu
cd "$(dirname "$0")/../.."
out=build/bench
sizes='10 100 1000 10000' lane_options='' costs_options=("$@")
case ${1:-} in
'' | --json) ;;
--check) sizes='10 100 1000' lane_options=-q ;;
*)
	echo "usage: bench.sh [--json | --check]" >&2
	exit 2
	;;
esac

# lab NAME LANE ICOUNT COMMAND: what it prints is left in $out/NAME
lab()
{
	mkdir -p "$out/$1.lab"
	LAB_DIR=$out/$1.lab LANE=$2 ICOUNT=$3 CMD=$4 TIMEOUT=${TIMEOUT:-600} tests/vm/lab.sh >"$out/$1"
}

lab vanilla vanilla 1 "tests/bench/lane.sh $lane_options -k 1000"
lab patched patched 1 "tests/bench/lane.sh $lane_options -p $sizes"
lanes=(vanilla="$out/vanilla" patched="$out/patched")
# Seconds are those of the emulator as it is, which counts nothing; three times, because it is not alone.
# What is left to chance even so is no test.
if [ "${1:-}" != --check ]; then
	lab lab patched '' "build/tests/bench_refresh 100 100 100 | sed 's/^/gmemtop./'"
	lanes+=(lab="$out/lab")
fi
exec build/tests/bench_costs "${costs_options[@]}" "${lanes[@]}"
