#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The bypass suite, docs/threat-model.md, docs/bypass-ideas.md and tests/suite name the same cases:
# - every case that the documents name (#1, #28b, #F50) exists, and they name every case that exists;
# - every table of cases in tests/vm/bypass is an area of the suite (BYPASS_AREAS);
# - for every case and lane, some entry of the suite runs the case where the same is expected; for cases of the
#   areas near_..., which are many and stop where their neighbours do, an entry of tests/suite.long may do it;
# - the same for entries with --falsify, for all cases that --falsify does not leave out.
set -eu
cd "$(dirname "$0")/.."

bypass=build/tests/bypass
model=${THREAT_MODEL:-docs/threat-model.md docs/bypass-ideas.md} # others: to see this test fail
suite=${SUITE:-tests/suite}
long=${SUITE_LONG:-tests/suite.long}
lanes='patched vanilla stock-7 stock-6.12'
bad=0

# complain WHAT LIST: an error if the list is not empty
complain()
{
	[ -n "$2" ] || return 0
	echo "threat-model: $1: ${2//$'\n'/, }" >&2
	bad=1
}

# shellcheck disable=SC2086 # two files
named=$(grep -ohE '#F?[0-9]+[a-z]?\b' $model | tr -d '#' | sort -u)
cases=$($bypass --list | cut -f 1 | sort)
complain 'numbers of two cases' "$(uniq -d <<<"$cases")"
complain "named in $model, but no case" "$(comm -23 <(echo "$named") <(sort -u <<<"$cases"))"
complain "cases that $model does not name" "$(comm -13 <(echo "$named") <(sort -u <<<"$cases"))"

tables=$(sed -n 's/^const struct bypass_case bypass_\([a-z_]*\)\[\].*/\1/p' tests/vm/bypass/*.c)
areas=$($bypass --list | cut -f 3)
complain 'tables of cases that are not in BYPASS_AREAS' \
	"$(comm -23 <(sort -u <<<"$tables") <(sort -u <<<"$areas"))"

# runs WITH SUITE: what it runs (WITH empty) or falsifies (--falsify), as "CASE TAB EXPECTED". An
# entry's lane is its second column, up to a colon or plus sign; a plus sign alone is the lane before.
runs()
{
	local where lane command args with

	grep -h '^[^#]' "$2" | while read -r _ where _ command; do
		[ "$where" = + ] || lane=${where%%[:+]*}
		[[ $command == *$bypass* ]] || continue
		grep -oE "${bypass}[^&|;'\")]*" <<<"$command" | while read -r _ args; do
			with=
			[[ " $args " != *' --falsify '* ]] || with=--falsify
			[ "$with" = "$1" ] || continue
			# shellcheck disable=SC2086 # arguments
			LANE=$lane $bypass --list $args || echo "! $lane: bypass $args"
		done
	done | cut -f 1,4 | sort -u
}

near=$($bypass --list --area near | cut -f 1 | sort -u | paste -sd '|')

# check WITH WHAT
check()
{
	local run

	run=$(runs "$1" "$suite"; runs "$1" "$long" | grep -E "^($near)	" || true)
	run=$(sort -u <<<"$run")
	complain 'entries of the suite that select no case' "$(grep '^!' <<<"$run" || true)"
	for lane in $lanes; do
		# shellcheck disable=SC2086 # may be nothing
		complain "cases that no entry of the suite $2 as lane $lane expects them" \
			"$(LANE=$lane $bypass --list $1 | cut -f 1,4 | sort -u |
				comm -13 <(echo "$run") - | cut -f 1)"
	done
}

check '' runs
check --falsify falsifies
exit $bad
