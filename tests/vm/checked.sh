# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What check-patches.sh remembers of a successful build. Sourced by it and by checked-test.sh.
#
# A patch changes the objects that are made of its files, and no other object. Whether these objects build
# depends on the options and the files that they are made of, which kbuild lists in a .cmd file for each
# object. A result has a line for each of them, NAME VALUE; the value of an option that is not set is empty.
# The result holds as long as all values are the same. An option that none of the objects asks for can
# change, and so can a patch that touches none of their files.

# built_in FILE...: can any of these files be part of an object?
built_in()
{
	local file

	for file; do
		case $file in
		Documentation/* | tools/* | samples/* | MAINTAINERS) ;;
		*) return 0 ;;
		esac
	done
	return 1
}

# affected OUT FILE...: the .cmd files below OUT of the objects that are made of one of these files of
# the source
affected()
{
	local out=$1 file

	shift
	find "$out" \( -name '.*.o.cmd' -o -name '.*.s.cmd' \) -print0 2>/dev/null |
		xargs -0r grep -lE -f <(for file; do
			echo "/${file//./\\.}([[:space:]]|\$)"
		done) -- || true
}

# options TREE CMD...: the options that these objects ask for, and the makefiles of TREE, which decide on
# compiler flags and on what is built
options()
{
	local tree=$1

	shift
	{
		[ $# = 0 ] || grep -ohE 'include/config/[A-Za-z0-9_]+' -- "$@" | sed 's|.*/|CONFIG_|'
		find "$tree/Makefile" "$tree/Kbuild" "$tree/scripts" "$tree"/arch/*/Makefile "$tree"/arch/*/kvm \
			"$tree/virt" "$tree/security" "$tree/kernel/bpf" \
			\( -name 'Makefile*' -o -name Kbuild \) -print0 2>/dev/null |
			xargs -0r grep -ohE 'CONFIG_[A-Za-z0-9_]+' --
	} | LC_ALL=C sort -u
}

# inputs TREE BLOBS CMD...: those of the files in BLOBS (lines NAME VALUE) that these objects are made of
inputs()
{
	local tree=$1 blobs=$2

	shift 2
	[ $# != 0 ] || return 0
	# The path of a file of virt/kvm leads through the directory of the architecture.
	cat -- "$@" | tr -s '[:space:]' '\n' | grep -F -- "$tree/" |
		sed -E ":a; s,[^/]+/\.\./,,; ta; s,^.*$tree/,," | LC_ALL=C sort -u |
		LC_ALL=C comm -12 - <(cut -d ' ' -f 1 "$blobs" | LC_ALL=C sort -u)
}

# result CONFIG BLOBS: the names on standard input with their values in CONFIG (a .config) and in BLOBS
result()
{
	awk '
		FILENAME == ARGV[3] { print $1 " " have[$1]; next }
		FILENAME == ARGV[2] { have[$1] = $2; next }
		/^CONFIG_/ { at = index($0, "="); have[substr($0, 1, at - 1)] = substr($0, at + 1) }
	' "$1" "$2" /dev/stdin
}

# holds RESULT CONFIG BLOBS: do all names in RESULT still have their values?
holds()
{
	[ -s "$1" ] && cut -d ' ' -f 1 "$1" | result "$2" "$3" | cmp -s - "$1"
}
