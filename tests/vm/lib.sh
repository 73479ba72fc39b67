# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the lab's scripts: paths, the list of lanes, messages, scratch directories.

# shellcheck disable=SC2034	# used by the scripts that source this file
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gmem-lab
me=$(basename "$0" .sh)
lanes='vanilla patched patched-builtin patched-6.12 debug next stock-7 stock-6.12 stock-arm64'

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

# lane_arch LANE: the architecture of its kernel, as uname -m has it
lane_arch()
{
	case $1 in
	*-arm64) echo aarch64 ;;
	*) echo x86_64 ;;
	esac
}

# scratch NAME: $tmp becomes a new directory in the cache; scratch_done or the script's end removes it
tmp=
scratch()
{
	mkdir -p "$cache/tmp"
	tmp=$(mktemp -d "$cache/tmp/$1.XXXXXX")
}

scratch_done()
{
	[ -z "$tmp" ] || rm -rf "$tmp"
	tmp=
}

# prune LANE: of the kernels of a lane, keep the three that were used last
prune()
{
	local dir

	find "$cache/out" -mindepth 1 -maxdepth 1 -type d -name "$1-????????????" -printf '%T@ %p\n' |
		sort -rn | tail -n +4 | cut -d ' ' -f 2- | while read -r dir; do
		rm -rf "$dir"
	done
}

# need_space DIRECTORY MEBIBYTES PURPOSE
need_space()
{
	local free

	mkdir -p "$1" || die 1 "cannot make $1: see the message above"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die 1 "no space left: $1 has $free MiB free, $3 needs $2 MiB; free some space or set XDG_CACHE_HOME"
}
