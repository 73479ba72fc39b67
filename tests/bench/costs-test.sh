#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the table of costs tell a bound that is met from one that is not?
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# expect STATUS TEXT: what bench_costs says of the two files
expect()
{
	local status=0

	build/tests/bench_costs --check vanilla="$tmp/vanilla" patched="$tmp/patched" >"$tmp/out" 2>&1 ||
		status=$?
	if [ $status != "$1" ] || ! grep -q -- "$2" "$tmp/out"; then
		echo "wanted status $1 and '$2', got status $status and:"
		cat "$tmp/out"
		bad=1
	fi
}

lane()
{
	printf '%s 1 1 %s\n' "idle.${4:-convert}" "$2" "gmemtop.${4:-convert}" "$3" >"$tmp/$1"
}

lane vanilla 7000 7450
lane patched 7070 7370
expect 0 '3 bounds, 0 broken'
lane vanilla 7000 7451
expect 1 'missed: convert, gmemtop on vanilla: 451'
lane vanilla 7000 7450
lane patched 7070 7371
expect 1 'missed: convert, gmemtop on patched: 301'
lane patched 7071 7371
expect 1 'missed: convert, patched kernel over vanilla, nothing attached: 1.01'
# Known not to be met, and said.
lane vanilla 7000 7450 convert_unbound
lane patched 7071 7371 convert_unbound
expect 0 'missed: convert_unbound, patched kernel over vanilla, nothing attached: 1.01.*known'
lane vanilla 7000 7450
lane patched 7070 7370
# Too dear only where there is a bound for it; beyond linear; what cannot be read.
printf '%s 1 1 %s\n' gmemtop.refresh_10 300000 gmemtop.refresh_1000 19000000 >>"$tmp/patched"
expect 0 'per VM'
printf '%s 1 1 %s\n' gmemtop.refresh_10000 250000000 >>"$tmp/patched"
expect 1 'NOT LINEAR'
lane patched 7070 7370
echo 'gmemtop.refresh_1000 1 1 20000001' >>"$tmp/patched"
expect 1 'missed: refresh, per VM with 1,000 VMs:'
echo 'gmemtop.private_refresh_1000 1 1 20000001' >>"$tmp/vanilla"
expect 1 'missed: refresh, per VM with 1,000 VMs whose private pages are counted'
lane vanilla 7000 7450
lane patched 7070 7370
# Policies: what they add, what 1,024 rules add to that, what is no instance, and a load.
policies()
{
	lane patched 7070 7370
	printf '%s 1 1 %s\n' policy_any.convert "$1" policy_1.convert 10000 policy_1024.convert "$2" \
		idle.read_file 1000 empty_lsm.read_file 1100 policy_1024.read_file "$3" \
		load.first_1024 90000000 load.later_1024 "$4" \
		idle.chmod 2000 empty_lock.chmod 2200 locked.chmod "${5:-2860}" >>"$tmp/patched"
}
policies 7470 10500 1430 50000000
expect 0 '8 bounds, 0 broken'
policies 7471 10500 1430 50000000
expect 1 'missed: convert, a policy in force: 401'
policies 7470 10501 1430 50000000
expect 1 'missed: convert, 1,024 rules over 1 rule: 1.05'
policies 7470 10500 1431 50000000
expect 1 'missed: read_file, a policy over empty LSM programs: 1.30'
policies 7470 10500 1430 50000001
expect 1 'missed: load, 1,024 rules: 50000001'
policies 7470 10500 1430 50000000 2861
expect 1 'missed: chmod, a locked policy over empty LSM programs: 1.30'
echo 'what is this' >>"$tmp/patched"
expect 1 'is not what lane.sh prints'
[ $bad = 0 ] && echo "all verdicts are right"
exit $bad
