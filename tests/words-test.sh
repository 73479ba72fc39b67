#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Commands, options, operations and keys as the programs list them: the manual pages and the completions have the
# same.
# shellcheck disable=SC2317	# the functions test_* are called by name
# shellcheck source=offline.sh
. "$(dirname "$0")/offline.sh"

# options_of COMMAND: long ones; those with a value have a '=' behind them
options_of()
{
	"$gmemctl" "$1" --help | sed -nE 's/^ +(-., )?(--[a-z-]+)( [A-Z-]+)? .*/\2\3/p' |
		sed 's/ .*/=/'
}

# complete WORD...: what bash offers for the last of them, sorted
complete_words()
{
	COMP_WORDS=(gmemctl "$@") COMP_CWORD=$# COMPREPLY=()
	_gmemctl
	printf '%s\n' "${COMPREPLY[@]}" | sort -u
}

# can_be TEXT: the words that a message lists behind "it can be" or "it can have"
can_be()
{
	sed -nE 's/.*it can (be|have) ([a-z, -]+).*/\2/p' "$1" | tr -d ',' | tr ' ' '\n' | sort
}

# one_of COMMAND...: the words that its error advises, "one or other"
one_of()
{
	"$gmemctl" "$@" 2>&1 | sed -nE 's/.*; ([a-z]+) or ([a-z]+)$/\1\n\2/p' | sort
}

# offers_files WORD...: a file is among what is completed
offers_files()
{
	(cd "$dir" && : >zz-file && complete_words "$@" | grep -qx zz-file)
}

# same WHAT ONE OTHER
same()
{
	[ "$2" = "$3" ] || fail "$1 differ: $(diff <(echo "$2") <(echo "$3"))"
}

test_manual()
{
	local man=man/gmemctl.8.scd commands command option section number where

	commands=$("$gmemctl" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
	for command in $commands; do
		section=$(awk -v c="*$command*" '/^[*#]/ { on = substr($0, 1, length(c)) == c } on' "$man")
		[ -n "$section" ] || fail "$man says nothing of $command"
		for option in $(options_of "$command"); do
			option=${option%=} where=$section
			case $option in
			--output | --verbose | --help | --pins) where=$(cat "$man") ;;
			esac
			[[ $where = *"*$option*"* ]] || fail "$man says nothing of $command $option"
		done
	done
	for option in $(grep -oE '\*--[a-z-]+\*' "$man" | tr -d '*' | sort -u); do
		for command in $commands; do
			options_of "$command"
		done | tr -d = | grep -qx -- "$option" || fail "$man has $option, gmemctl has not"
	done
	while read -r number; do
		grep -q "^\*0\* .*\*$number\* \|^\*$number\* \| \*$number\* " "$man" ||
			fail "$man does not say what exit status $number is"
	done < <(sed -nE 's/^\tX\([A-Z]+, ([0-9]), .*/\1/p' src/lib/exits.h)
}

# The keys of the language, as the errors list them, stand in the manual.
test_language()
{
	local head='version: 1\nname: a\nmode: audit\n' text key n=0
	local default='default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, punch: deny, receive: deny }\n'

	for text in 'zzzzzz: 1\n' "$head"'default: { zzzzzz: deny }\n' "${head}${default}guards: { zzzzzz: deny }\n" \
		"${head}${default}subjects: { a: { zzzzzz: 1 } }\n" "${head}${default}rules: [ { zzzzzz: 1 } ]\n" \
		"${head}${default}rules: [ { name: a, allow: bind, subjects: any, when: { zzzzzz: 1 } } ]\n"; do
		printf %b "$text" >"$dir/keys.yaml"
		status 3 "$gmemctl" check "$dir/keys.yaml"
		for key in $(grep zzzzzz "$dir/err" >"$dir/keys"; can_be "$dir/keys"); do
			n=$((n + 1))
			grep -qE "^(\*[a-z]+\* or )?\*$key\*" man/gmem-policy.5.scd ||
				fail "gmem-policy(5) says nothing of the key $key"
		done
	done
	[ "$n" -ge 32 ] || fail "only $n keys were listed"
}

test_completion()
{
	local command option words short usage cloud=contrib/policies/cloud-host.yaml

	# shellcheck source=../contrib/completion/gmemctl.bash
	. contrib/completion/gmemctl.bash
	gmemctl() { "$gmemctl" "$@"; }
	compopt() { :; }
	same commands "$("$gmemctl" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p' | sort)" \
		"$(complete_words '' | grep -v ^-)"
	for command in $(complete_words '' | grep -v ^-); do
		same "options of $command" "$(options_of "$command" | tr -d = | sort)" \
			"$(complete_words "$command" --)"
		for option in $(options_of "$command" | sed -n 's/=//p'); do
			case $option in
			--policy | --events | --exe | --base)
				offers_files "$command" "$option" '' ||
					fail "completion of $command $option offers no files"
				;;
			*)
				! offers_files "$command" "$option" '' ||
					fail "completion of $command $option offers files"
				;;
			esac
		done
		while read -r short option; do
			same "words of $command $short and $option" "$(complete_words "$command" "$option" '')" \
				"$(complete_words "$command" "$short" '')"
		done < <("$gmemctl" "$command" --help | sed -nE 's/^ +(-.), (--[a-z-]+).*/\1 \2/p')
		usage=$("$gmemctl" "$command" --help | sed -n 's/^Usage: gmemctl [a-z-]* *\([A-Za-z]*\).*/\1/p')
		case $usage in
		'' | enforce | OPERATION)
			! offers_files "$command" '' || fail "completion of $command offers files" ;;
		*)
			offers_files "$command" '' || fail "completion of $command offers no files" ;;
		esac
	done
	same 'words of --mode' "$(one_of load --mode zzz "$cloud")" "$(complete_words load --mode '')"
	same 'words of set-mode' "$(one_of set-mode zzz)" "$(complete_words set-mode '')"
	same 'words of --output' "$(one_of check -o zzz "$cloud" | sort)" "$(complete_words check --output '')"
	same 'words behind a comma' "mmap,init-shared" "$(complete_words explain --flags mmap,i)"
	same 'words of --flags that are empty' "none" "$(complete_words explain --flags no)"
	same 'words of --prot that are empty' "none" "$(complete_words explain --prot no)"
	for option in flags:create prot:mmap direction:convert vm-type:create; do
		status 2 "$gmemctl" explain --policy "$cloud" --op "${option#*:}" "--${option%:*}" zzzzzz
		same "words of --${option%:*}" "$(can_be "$dir/err")" \
			"$(complete_words explain "--${option%:*}" '' | grep -v '^none$')"
	done
	status 2 "$gmemctl" explain --policy "$cloud" --op zzzzzz
	words=$(can_be "$dir/err")
	same "words of explain --op" "$words" "$(complete_words explain --op '')"
	status 2 "$gmemctl" who-can --policy "$cloud" zzzzzz
	same "words of who-can" "$(can_be "$dir/err")" "$(complete_words who-can '')"
	status 2 "$gmemctl" monitor --op zzzzzz
	same "words of monitor --op" "$(can_be "$dir/err")" "$(complete_words monitor --op '')"
	unset -f gmemctl compopt
}

# gmemtop_options [COMMAND]: the long options of its help
gmemtop_options()
{
	build/gmemtop "$@" --help | grep -oE '^ *(-., *)?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u
}

gmemtop_words()
{
	COMP_WORDS=(gmemtop "$@") COMP_CWORD=$# COMPREPLY=()
	_gmemtop
	printf '%s\n' "${COMPREPLY[@]}" | sort -u
}

test_completion_of_gmemtop()
{
	local commands command

	# shellcheck source=../contrib/completion/gmemtop.bash
	. contrib/completion/gmemtop.bash
	gmemtop() { build/gmemtop "$@"; }
	compopt() { :; }
	same 'options of gmemtop' "$(gmemtop_options)" "$(gmemtop_words --)"
	commands=$(build/gmemtop --help | sed -n 's/^  *gmemtop \([a-z]*\) .*/\1/p' | sort)
	same 'commands of gmemtop' "$commands" "$(gmemtop_words '' | grep -v '^-')"
	for command in $commands; do
		same "options of gmemtop $command" "$(gmemtop_options "$command")" "$(gmemtop_words "$command" --)"
		# "gmemtop replay FILE" is "gmemtop --replay FILE".
		[ "$command" = replay ] || [ "$(gmemtop_options "$command")" != "$(gmemtop_options)" ] ||
			fail "gmemtop $command has the options of gmemtop"
	done
	same 'columns of gmemtop' "$( (build/gmemtop --columns help | cut -d ' ' -f 1; echo help) | sort -u)" \
		"$(gmemtop_words --columns '')"
	same 'events of gmemtop' "$( (build/gmemtop events -e help | grep -o '^[a-z_]*'; echo all) | sort -u)" \
		"$(gmemtop_words events -e '')"
	unset -f gmemtop compopt
}

run_tests
