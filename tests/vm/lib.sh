# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the lab's scripts share: where things are, and how they speak.

# shellcheck disable=SC2034	# used by those who source this file
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gmem-lab
me=$(basename "$0" .sh)
lanes='vanilla patched debug stock-7 stock-6.12'

say()
{
	printf '%s: %s\n' "$me" "$*" >&2
}

# die STATUS MESSAGE...
die()
{
	local status=$1

	shift
	say "$*"
	exit "$status"
}

check_lane()
{
	case " $lanes " in
	*" ${1:-none} "*) ;;
	*) die 2 "unknown LANE '${1:-}': choose one of ${lanes// /, }" ;;
	esac
}

# need_space DIRECTORY MEBIBYTES PURPOSE
need_space()
{
	local free

	mkdir -p "$1" || die 1 "cannot make $1: see the message above"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die 1 "no space left: $1 has $free MiB free, $3 needs $2 MiB; make room or set XDG_CACHE_HOME"
}
