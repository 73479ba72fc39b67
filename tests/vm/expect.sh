# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by lab-test.sh and fetch-test.sh, which run on the host: run a command, check what it prints, and
# give it a cache of its own. Sourced after lib.sh.

# shellcheck disable=SC2154	# lib.sh sets it
vm=$root/tests/vm
name=${1:-}
unset CMD TIMEOUT TTY ICOUNT APPEND MEM SMP LAB_DIR UPDATE KERNEL_TARBALL KERNEL_PATCHES KERNEL_SERIES SERIES APT_CONFIG
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# try STATUS COMMAND...: run it, its output in $tmp/out and $tmp/err
try()
{
	local want=$1 status=0

	shift
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	[ "$status" = "$want" ] ||
		die 1 "exit status $status, not $want, of: $*; it printed: $(tail -n 5 "$tmp/err")"
}

# said WORDS: exactly one line on standard error has them
said()
{
	grep -q -- "$1" "$tmp/err" || die 1 "no '$1' in: $(cat "$tmp/err")"
	[ "$(grep -c -- "$1" "$tmp/err")" = 1 ] || die 1 "more than one line has '$1'"
}

# said_last WORDS: the last line on standard error has them
said_last()
{
	tail -n 1 "$tmp/err" | grep -q -- "$1" || die 1 "the last line has no '$1': $(cat "$tmp/err")"
}

quiet()
{
	[ ! -s "$tmp/$1" ] || die 1 "standard $1 should be empty: $(head -n 3 "$tmp/$1")"
}

# An empty cache in the place of the real one.
other_cache()
{
	mkdir -p "$tmp/cache/gmem-lab/src"
	export XDG_CACHE_HOME=$tmp/cache
}

nothing_left()
{
	local left

	left=$(find "$tmp/cache/gmem-lab/$1" -mindepth 1 -maxdepth 1 2>/dev/null || true)
	[ -z "$left" ] || die 1 "left in the cache: $left"
}

# fake NAME: a program of that name, its text on standard input, comes first in PATH
fake()
{
	mkdir -p "$tmp/bin"
	cat >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
	case $PATH in
	"$tmp/bin:"*) ;;
	*) PATH=$tmp/bin:$PATH ;;
	esac
}

# run_case: the function test_NAME of the script's first argument
run_case()
{
	declare -F "test_$name" >/dev/null ||
		die 2 "usage: $me.sh $(declare -F | sed -n 's/.* test_//p' | tr '\n' '|') [LANE]"
	"test_$name"
}
