#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# units-test.sh: systemd accepts every unit, and the exposure of each service (systemd-analyze security) is
# no higher than docs/fleet.md states.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
checks=0 bad=0

fail()
{
	echo "units-test: $*" >&2
	bad=$((bad + 1))
}

for unit in contrib/systemd/*.service contrib/systemd/*.socket contrib/systemd/*.path; do
	sed "s|@SBINDIR@|$PWD/build|" "$unit" >"$tmp/${unit##*/}"
done

for unit in "$tmp"/gmem*; do
	checks=$((checks + 1))
	SYSTEMD_UNIT_PATH=$tmp: systemd-analyze verify --man=no "$unit" >"$tmp/log" 2>&1 ||
		fail "systemd-analyze verify ${unit##*/}: $(cat "$tmp/log")"
	[ ! -s "$tmp/log" ] || fail "${unit##*/}: $(cat "$tmp/log")"
done

for unit in "$tmp"/gmem*.service; do
	name=${unit##*/}
	checks=$((checks + 1))
	bound=$(sed -n "s/^| \`$name\` | \([0-9.]*\) |.*/\1/p" docs/fleet.md)
	[ -n "$bound" ] || fail "docs/fleet.md states no exposure of $name"
	score=$(systemd-analyze security --offline=true --no-pager "$unit" 2>"$tmp/log" |
		sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
	awk -v score="${score:-11}" -v bound="${bound:-0}" 'BEGIN { exit !(score <= bound) }' ||
		fail "exposure of $name: ${score:-none, $(cat "$tmp/log")}, docs/fleet.md states $bound"
done
echo "$((checks - bad)) passed, $bad failed, 0 skipped"
[ "$bad" = 0 ]
