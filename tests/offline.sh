# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of the commands without a kernel share. A test sources it, defines functions test_* and ends
# with run_tests.
# shellcheck disable=SC2034	# the variables are used by the scripts that source this file
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
gmemctl=$PWD/build/gmemctl
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0
me=$(basename "$0" .sh)

fail()
{
	echo "$me: $*" >&2
	bad=1
}

# status WANTED COMMAND...: run it, keep what it says, compare its exit status
status()
{
	local wanted=$1 got

	shift
	"$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ "$got" = "$wanted" ] || fail "$* ends with $got instead of $wanted: $(cat "$dir/out" "$dir/err")"
}

# says FILE TEXT: the last command has written it
says()
{
	grep -qF -- "$2" "$dir/$1" || fail "no '$2' in: $(cat "$dir/$1")"
}

# json FILE EXPRESSION: true of the JSON that the last command has written
json()
{
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' \
		"$dir/$1" "$2" || fail "not $2 in: $(cat "$dir/$1")"
}

# Every function test_* runs, so that a new one cannot be left out of a list.
run_tests()
{
	local tests name

	mapfile -t tests < <(declare -F | sed -n 's/^declare -f \(test_.*\)/\1/p')
	for name in "${tests[@]}"; do
		"$name"
	done
	[ "$bad" = 0 ] && echo "$me: ${#tests[@]} tests passed"
	exit "$bad"
}
