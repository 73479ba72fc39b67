# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion for gmemtop: options and columns as the program itself lists them.

_gmemtop()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} list='' words command=''

	[ "$COMP_CWORD" = 1 ] || case ${COMP_WORDS[1]} in
	events | export | memory | record | report | diff) command=${COMP_WORDS[1]} ;;
	replay)
		[ "$COMP_CWORD" != 2 ] || [ "${cur#-}" != "$cur" ] || {
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		}
		;;
	esac
	# The same letter is another option there.
	case $command$prev in
	events-e | events--events | record--events)
		words=$(gmemtop events -e help 2>/dev/null | grep -o '^[a-z_]*')
		case $cur in
		*,*) list=${cur%,*}, ;;
		esac
		mapfile -t COMPREPLY < <(compgen -P "$list" -W "$words all" -- "${cur##*,}")
		compopt -o nospace
		return
		;;
	export--textfile | export--tls-cert | export--tls-key | export--web-auth)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	export--vms)
		mapfile -t COMPREPLY < <(compgen -W 'top: none regex:' -- "$cur")
		return
		;;
	export-l | export--listen | export-i | export--interval | export--min-interval) return ;;
	memory--leak-after) return ;;
	record-o | record--output)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	report-o | report--output)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	report-n | report--vms) return ;;
	record--on | diff--fail-if)
		mapfile -t COMPREPLY < <(compgen -W "$(gmemtop diff --measures 2>/dev/null | cut -d ' ' -f 1)" -- "$cur")
		return
		;;
	record--snapshot | record--block | record--keep | record--flight | record--rotate-size | record--rotate-age)
		return
		;;
	events-n | events--number | events-d | events--duration | events--min-duration | events--buffer)
		return
		;;
	esac
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
	--preset)
		words=$(gmemtop --preset help 2>/dev/null | grep -o '^[a-z]*')
		mapfile -t COMPREPLY < <(compgen -W "$words help" -- "$cur")
		;;
	-p | --pid)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
		;;
	--replay)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-n | --iterations | -d | --delay | --vm | --cgroup | --max-vms | --max-instances | --from | --to) ;;
	*)
		words=$(gmemtop ${command:+"$command"} --help 2>/dev/null | grep -o -- '^ *\(-.,\)\? *--[a-z-]*' | grep -o -- '--.*')
		case $command$cur in
		report | report[!-]* | diff | diff[!-]*)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		esac
		[ "$COMP_CWORD" != 1 ] || words+=" events export memory record replay report diff"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	esac
}

complete -F _gmemtop gmemtop
