#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lint.sh [text]: shellcheck on all shell, clang-format on all C of our own, headers that do not compile
# alone, includes that a directory may not have, names that the kernel would cut, tests that nothing runs, and (with "text" only this) an SPDX
# line in every file, no path or mirror of one machine in any.
set -eu
shopt -s extglob
cd "$(dirname "$0")/.."
bad=0

fail()
{
	echo "lint: $*" >&2
	bad=1
}

# A source tree without git has no other files than what was built.
list()
{
	if [ -e .git ]; then
		git ls-files -co --exclude-standard
	else
		find . -path ./build -prune -o -type f -printf '%P\n'
	fi
}

mapfile -t files < <(list | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)

check_text()
{
	local file hosts

	for file in "${files[@]}"; do
		case $file in
		LICENSE | *.patch | *.json) continue ;;
		esac
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' ||
			fail "$file has no SPDX line (GPL-2.0-only) at its top"
	done
	# shellcheck disable=SC2016	# apt expands this
	hosts=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null |
		sed -n 's|^[a-z+]*://\([^/]*\)/.*|\1|p' | sort -u || true)
	for word in $hosts "$PWD" "$HOME/"; do
		[ "$word" != / ] || continue
		file=$(grep -lIF -- "$word" "${files[@]}" || true)
		[ -z "$file" ] || fail "'$word' belongs to one machine and stands in $(echo "$file" | tr "\n" " ")"
	done
}

check_shell()
{
	local file

	for file in "${files[@]}"; do
		case $(head -c 64 "$file" | head -n 1 | tr -d '\0') in
		'#!/bin/bash' | '#!/bin/sh') shellcheck -x "$file" || fail "shellcheck: $file" ;;
		'#!/bin/busybox sh') shellcheck -x -s sh "$file" || fail "shellcheck: $file" ;;
		esac
	done
}

check_c()
{
	local file

	for file in "${files[@]}"; do
		case $file in
		*.c | *.h)
			clang-format --dry-run -Werror "$file" 2>/dev/null ||
				fail "clang-format -i $file would change it"
			;;
		esac
	done
}

# Each header includes what it needs. Some include a skeleton, which is in build/.
check_headers()
{
	local file how arch

	arch=$(uname -m)
	for file in "${files[@]}"; do
		case $file in
		bpf/*.h) how=("${CLANG:-clang}" -target bpf -mcpu=v3 "-D__TARGET_ARCH_${arch/x86_64/x86}"
			"-I/usr/include/$arch-linux-gnu" -Wno-pragma-once-outside-header -Wno-undefined-internal) ;;
		*.h) how=("${CC:-gcc}" -D_GNU_SOURCE -Ibuild -Ibuild/tests) ;;
		*) continue ;;
		esac
		"${how[@]}" -std=gnu11 -fsyntax-only -Wno-unused-function -x c "$file" ||
			fail "$file does not compile alone"
	done
}

# What the files of a directory may include of this repository: bpf/README.md has the table. src/policy is a
# library that needs no kernel: neither src/ctl nor libbpf.
check_includes()
{
	local file dir include may

	for file in "${files[@]}"; do
		dir=${file%/*}
		case $file in
		bpf/abi/*) may='bpf/abi/*' ;;
		bpf/kernel/*) may='bpf/abi/*|bpf/kernel/*' ;;
		bpf/lock/*) may='bpf/abi/*|bpf/kernel/*|bpf/policy/*|bpf/lock/*' ;; # the manager is a subject
		bpf/*/*) may="bpf/abi/*|bpf/kernel/*|$dir/*" ;;
		src/policy/*) may='src/policy/*|src/lib/*|bpf/abi/*|bpf/policy/match.h' ;;
		*) continue ;;
		esac
		while read -r include; do
			include=$(realpath -m --relative-to=. "$dir/$include")
			# shellcheck disable=SC2254 # a pattern
			case $include in
			@($may)) ;;
			*) fail "$file includes $include, which its directory may not" ;;
			esac
		done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$file")
		[[ $file != src/policy/* ]] || ! grep -n '^#include <bpf/' "$file" || fail "$file includes libbpf"
	done
}

# The programs and maps of an object. In .text are functions that programs call.
names_in()
{
	{
		readelf -SW "$1"
		readelf -sW "$1"
	} | sed 's/^ *\[ */[/' | awk '
		/^\[[0-9]+\]/ { section[substr($1, 2, length($1) - 2)] = $2 }
		$4 == "FUNC" && section[$7] != ".text" || $4 == "OBJECT" && section[$7] == ".maps" { print $8 }'
}

# The kernel keeps 15 characters of the name of a program or a map. bpftool shows these, and our own programs
# find each other's by them, so two names that differ later would be one.
check_names()
{
	local object name

	for object in "$@"; do
		while read -r name; do
			[ ${#name} -le 15 ] || fail "$object: the kernel cuts the name $name to ${name:0:15}"
			[[ $name == gmem_* ]] || fail "$object: the name $name does not begin with gmem_"
		done < <(names_in "$object")
	done
}

check_text
if [ "${1:-}" != text ]; then
	check_shell
	check_c
	check_headers
	check_includes
	check_names build/gmem_*.bpf.o
	tests/reached.sh || bad=1
fi
exit $bad
