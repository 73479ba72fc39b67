# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion for gmemctl: commands and options as the program itself lists them.

_gmemctl_list()
{
	local list=

	case $cur in
	*,*) list=${cur%,*}, ;;
	esac
	mapfile -t COMPREPLY < <(compgen -P "$list" -W "$1" -- "${cur##*,}")
	compopt -o nospace
}

_gmemctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words

	if [ "$COMP_CWORD" = 1 ]; then
		words=$(gmemctl --help 2>/dev/null | sed -n 's/^  \([a-z-]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$cur")
		return
	fi
	# Behind a command stands an option as well as what it works on.
	[[ $COMP_CWORD = 2 && $cur = -* ]] && prev=
	case $prev in
	-o | --output) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur") ;;
	-m | --mode | set-mode) mapfile -t COMPREPLY < <(compgen -W 'enforce audit' -- "$cur") ;;
	who-can) mapfile -t COMPREPLY < <(compgen -W 'create bind mmap fault convert punch receive' -- "$cur") ;;
	--op)
		words='create bind mmap fault convert punch receive'
		[ "$command" != monitor ] || words="$words trace preload sqpoll lock"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	--direction) mapfile -t COMPREPLY < <(compgen -W 'to-private to-shared' -- "$cur") ;;
	--flags) _gmemctl_list 'none mmap init-shared' ;;
	--prot) _gmemctl_list 'none read write exec' ;;
	--vm-type)
		mapfile -t COMPREPLY < <(compgen -W 'default software-protected sev sev-es sev-snp tdx other' -- "$cur")
		;;
	--pid) mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur") ;;
	--uid) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	--pins) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	-p | --policy | -e | --events | --exe | --base) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--confirm | --contains | --count | --except | --for | --size | --range | --offset | --verity | --cgroup) ;;
	*)
		case $cur in
		-*)
			words=$(gmemctl "$command" --help 2>/dev/null | grep -o -- '^ *\(-.,\)\? *--[a-z-]*' |
				grep -o -- '--.*')
			mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
			;;
		*)
			# Two blanks: it works on nothing.
			words=$(gmemctl "$command" --help 2>/dev/null)
			[[ $words = "Usage: gmemctl $command  "* ]] ||
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		esac
		;;
	esac
}

complete -F _gmemctl gmemctl
