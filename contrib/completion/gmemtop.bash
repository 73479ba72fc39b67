# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion for gmemtop: options and columns as the program itself lists them.

_gmemtop()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} list= words

	case $prev in
	-s | --sort | -o | --columns)
		words=$(gmemtop --columns help 2>/dev/null | cut -d ' ' -f 1)
		[ "$prev" = -s ] || [ "$prev" = --sort ] || words+=" help"
		case $cur in
		*,*) list=${cur%,*}, ;;
		esac
		mapfile -t COMPREPLY < <(compgen -P "$list" -W "$words" -- "${cur##*,}")
		compopt -o nospace
		;;
	-p | --pid)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
		;;
	--replay)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-n | --iterations | -d | --delay | --vm | --cgroup | --max-vms | --max-instances) ;;
	*)
		words=$(gmemtop --help 2>/dev/null | grep -o -- '^ *\(-.,\)\? *--[a-z-]*' | grep -o -- '--.*')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	esac
}

complete -F _gmemtop gmemtop
