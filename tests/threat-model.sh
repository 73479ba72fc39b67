#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every case of the bypass suite that docs/threat-model.md names (#1, #28b, #F50) is one, and every
# case stands there.
set -eu
cd "$(dirname "$0")/.."

named=$(grep -oE '#F?[0-9]+[a-z]?\b' docs/threat-model.md | tr -d '#' | sort -u)
cases=$(build/tests/bypass --list | cut -f 1 | sort)
bad=0

twice=$(uniq -d <<<"$cases")
if [ -n "$twice" ]; then
	echo "threat-model: numbers of two cases: ${twice//$'\n'/ }" >&2
	bad=1
fi
unknown=$(comm -23 <(echo "$named") <(sort -u <<<"$cases"))
if [ -n "$unknown" ]; then
	echo "threat-model: named in docs/threat-model.md, but no case: ${unknown//$'\n'/ }" >&2
	bad=1
fi
missing=$(comm -13 <(echo "$named") <(sort -u <<<"$cases"))
if [ -n "$missing" ]; then
	echo "threat-model: cases that docs/threat-model.md does not name: ${missing//$'\n'/ }" >&2
	bad=1
fi
exit $bad
