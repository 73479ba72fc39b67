#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests that bench_costs fails for every bound that is broken by a fifth and for every number that is missing.
# The cases are generated from its own table and from tests/bench/recorded, which has the results of a run of
# "make bench" (build/bench/{vanilla,patched,lab}). The number of rows is here too, so that a row cannot be
# deleted unnoticed.
set -eu
cd "$(dirname "$0")/../.."
rows=118
recorded=tests/bench/recorded
costs=build/tests/bench_costs
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0 cases=0

# expect STATUS REGEX [OPTION | LANE | LANE=FILE]...: runs bench_costs on the lanes in $tmp
expect()
{
	local status=0 want=$1 regex=$2 lane args=()

	shift 2
	for lane; do
		case $lane in
		--* | *=*) args+=("$lane") ;;
		*) args+=("$lane=$tmp/$lane") ;;
		esac
	done
	cases=$((cases + 1))
	"$costs" "${args[@]}" >"$tmp/out" 2>&1 || status=$?
	if [ $status != "$want" ] || ! grep -qE -- "$regex" "$tmp/out"; then
		echo "bench_costs ${args[*]}: expected status $want and '$regex', got status $status and:"
		grep -vE '^ |^$' "$tmp/out" || cat "$tmp/out"
		bad=1
	fi
}

reset()
{
	cp "$recorded/vanilla" "$recorded/patched" "$recorded/lab" "$tmp/"
}

# change LANE/NAME [VALUE]: gives a number another value, or removes it
change()
{
	local lane=${1%%/*}

	awk -v name="${1#*/}" -v value="${2:-}" '
		$1 != name { print; next }
		{ found = 1 }
		value != "" { print $1 "\t" $2 "\t" $3 "\t" value }
		END { exit !found }' "$tmp/$lane" >"$tmp/new" || { echo "no number $1 is recorded"; bad=1; }
	mv "$tmp/new" "$tmp/$lane"
}

number()
{
	awk -v name="${1#*/}" '$1 == name && (!n++ || $4 < least) { least = $4 } END { print least }' \
		"$tmp/${1%%/*}"
}

# The number with which a row of the given form has the given value, others being as they are recorded.
solve()
{
	local form=$1 value=$2 scale=$3

	shift 3
	# shellcheck disable=SC2046	# one number a word
	awk -v form="$form" -v v="$value" -v scale="$scale" -v names="$*" \
		-v numbers="$(for key; do number "$key"; done | tr '\n' ' ')" '
		BEGIN {
			split(numbers, n, " ")
			split(names, name, " ")
			for (i in name)
				sub(/.*_/, "", name[i])
			if (form == "value") x = v * scale
			else if (form == "added") x = n[2] + v
			else if (form == "percent") x = n[2] * (1 + v / 100)
			else if (form == "times") x = n[2] * v
			else if (form == "growth")
				x = n[3] + v * (n[2] - n[1]) / (name[2] - name[1]) * (name[4] - name[3])
			else exit 1
			printf "%.6f\n", x
		}'
}

all=(vanilla patched lab)
reset
"$costs" --list >"$tmp/list"
nr=$(wc -l <"$tmp/list")
[ "$nr" = $rows ] || { echo "the table has $nr bounds, $rows are meant"; bad=1; }
checked=$(awk '$2 == "check"' "$tmp/list" | wc -l)
expect 0 "^$rows bounds: .*, broken 0, not measured 0; numbers without a bound: 0\$" "${all[@]}"
expect 0 "^$checked bounds: .*, broken 0, not measured 0; numbers without a bound: 0\$" --check vanilla patched
# The results were recorded with the present table: otherwise nothing below means much.
[ $bad = 0 ] || { echo "run make bench, and copy its results to $recorded if they are right"; exit 1; }

# A bound that is broken by a fifth, in each row.
while IFS=$'	' read -r id set form max scale keys; do
	read -ra keys <<<"$keys"
	changed=${keys[0]}
	[ "$form" != growth ] || changed=${keys[3]}
	reset
	value=$(awk -v max="$max" 'BEGIN { print max * 1.2 }')
	change "$changed" "$(solve "$form" "$value" "$scale" "${keys[@]}")"
	expect 1 "^broken: $id: " "${all[@]}"
	[ "$set" = whole ] || expect 1 "^broken: $id: " --check vanilla patched
done <"$tmp/list"

# Each number that is not there.
for lane in "${all[@]}"; do
	while read -r name; do
		reset
		change "$lane/$name"
		expect 1 "^not measured: .*: $lane/$name\$" "${all[@]}"
		if grep -q "	check	.*	$lane/$name\(	\|$\)" "$tmp/list"; then
			expect 1 "^not measured: .*: $lane/$name\$" --check vanilla patched
		fi
	done < <(sed -n 's/^\([^#[:space:]][^[:space:]]*\).*/\1/p' "$recorded/$lane" | sort -u)
done

# Nothing was measured at all; a lane is missing.
for lane in "${all[@]}"; do
	reset
	: >"$tmp/$lane"
	expect 1 'not measured: ' "${all[@]}"
done
reset
expect 1 'not measured: .*: vanilla/' patched lab
expect 1 'not measured: .*: vanilla/' --check patched

# bpftrace may be absent if the reason is there, in each lane for itself.
for lane in vanilla patched; do
	reset
	sed -i '/^bpftrace\./d; /^# no bpftrace/d' "$tmp/$lane"
	expect 1 "not measured: .*: $lane/bpftrace\\." "${all[@]}"
	echo '# no bpftrace: it is not installed' >>"$tmp/$lane"
	expect 0 "^no bpftrace in lane $lane: it is not installed" "${all[@]}"
done

# A number without a bound, numbers twice, and lines that lane.sh does not print.
reset
printf 'idle.new\t1\t1\t1\n' >>"$tmp/patched"
expect 1 '^no bound: patched/idle.new: ' "${all[@]}"
for line in "$(grep -m 1 ^idle "$recorded/patched")" 'what is this' 'idle.new 1 1 nan' 'idle.new 1 1 2 3' 'idle.new 1'; do
	reset
	echo "$line" >>"$tmp/patched"
	expect 1 'is not a line of lane.sh' "${all[@]}"
done
reset
expect 1 'no/such/file: No such file' "${all[@]}" vanilla=no/such/file
[ $bad = 0 ] && echo "$cases cases, all right"
exit $bad
