#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# reached.sh: find tests that no entry of tests/suite or tests/suite.long runs.
#
# A script or a test program is reached when its name is a word in a text that is reached. That is:
# the commands of the two tables; the recipe of `make check`; the program that reads the tables; what
# the Makefile would do for the targets that a table calls; and each script that is reached.
#
# A function test_NAME or case_NAME of a script is reached when the script calls it or has NAME in a
# list (set -- ..., for ... in ..., list='...'), when the script runs all such functions that it
# defines (mapfile ... declare -F, or run_tests of offline.sh), or when a table calls the script with that NAME.
#
# Static C functions that nothing calls are reported by the compiler.
set -eu
cd "$(dirname "$0")/.."
bad=0

fail()
{
	echo "reached: $*" >&2
	bad=1
}

text=$(mktemp)
trap 'rm -f "$text"' EXIT

tables=$(cat tests/suite tests/suite.long 2>/dev/null | sed '/^#/d')
targets=$(echo "$tables" | grep -oE 'make [^&;|]*' | tr ' ' '\n' | grep -E '^[a-z][a-z-]*$' |
	grep -vx make | sort -u)
{
	echo "$tables"
	cat tests/runner/*.c
	unset MAKEFLAGS MFLAGS MAKELEVEL
	sed -n '/^check:/,/^$/p; /^deps:/,/^$/p' Makefile
	for target in $targets; do
		make -n -s "$target" 2>/dev/null || fail "make -n $target fails, which a table calls"
	done
} >"$text"

is_word()
{
	grep -qE "(^|[^A-Za-z0-9_-])${1//./\\.}(\$|[^A-Za-z0-9_.-])"
}

# Scripts and test programs that are not reached yet; a script's own text is added when it is.
mapfile -t left < <(find tests contrib -type f \( -name '*_test.c' -o -path '*/fuzz/*.c' \
	-o -name '*.sh' -o -name '*.bash' -o -perm -u+x \) | sort)
more=1
while [ "$more" = 1 ]; do
	more=0
	unreached=()
	for file in "${left[@]}"; do
		name=$(basename "$file" .c)
		if ! is_word "$name" <"$text"; then
			unreached+=("$file")
			continue
		fi
		more=1
		[ "${file%.c}" != "$file" ] || sed 's/^[[:space:]]*#.*//' "$file" >>"$text"
	done
	left=("${unreached[@]}")
done
for file in "${left[@]}"; do
	fail "no entry of tests/suite or tests/suite.long runs $file"
done

while IFS= read -r file; do
	! grep -qE 'mapfile .*declare -F|^run_tests$' "$file" || continue
	mapfile -t functions < <(sed -nE 's/^((case|test)_[a-z0-9_]+)\(\)$/\1/p' "$file")
	for function in "${functions[@]}"; do
		sed "/^$function()/d; s/^[[:space:]]*#.*//" "$file" | is_word "$function" ||
			grep -E "set -- |for [a-z]+ in |^[a-z]+='" "$file" | is_word "${function#*_}" ||
			grep -F "$(basename "$file")" <<<"$tables" | is_word "${function#*_}" ||
			fail "$file: nothing calls $function"
	done
done < <(find tests -name '*.sh' | sort)
exit $bad
