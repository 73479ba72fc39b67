# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The recording that tui-test.sh shows, and the terminal in which it looks at it. Sourced by it.

# --- the recording

zeros()
{
	printf '0%.0s,' $(seq 2 "$1")
	printf 0
}

# vm FRAME ID PID NAME TYPE SIZE RESIDENT PRIVATE RATE GONE ERRORS CGROUP INSTANCES
vm()
{
	local f=$1 n=$(($9 * $1)) list='' bound='' held='' kinds='' twice=null i hist

	[ "$2" != 3 ] || twice=24576
	[ "$2" != 3 ] || kinds="\"backing_anonymous_pages\":5000,\"waste_anonymous_pages\":0,
	\"backing_shmem_pages\":65536,\"waste_shmem_pages\":24576,"

	hist="[4095,$((n / 2))],[8191,$((n / 3))],[16383,$((n - n / 2 - n / 3))]"
	for ((i = 0; i < ${13}; i++)); do
		list+="${list:+,}{\"id\":$(($2 * 10 + i)),\"dev\":\"0:14\",\"ino\":$((5000 + $2 * 10 + i)),"
		list+="\"size_pages\":$(($6 / ${13})),\"resident_pages\":$(($7 / ${13})),\"flags\":$((i * 3)),"
		list+="\"existed\":true,\"counters\":{\"guest_faults\":$((n * 7 / ${13}))}}"
		bound+="${bound:+,}{\"slot\":$((i + 2)),\"gpa\":$(((4 << 30) + i * 4096 * ($6 / ${13}))),"
		bound+="\"pages\":$(($6 / ${13})),\"dev\":\"0:14\",\"ino\":$((5000 + $2 * 10 + i)),"
		bound+="\"offset_pages\":0,\"private_pages\":$(($7 / 2)),\"resident_pages\":$(($7 / ${13})),"
		bound+="\"waste_instance_pages\":$(($7 / 4)),\"waste_backing_pages\":null}"
		held+="${held:+,}{\"instance\":$(($2 * 10 + i)),\"pid\":$3,\"comm\":\"qemu\",\"fds\":1,\"mappings\":2}"
	done
	cat <<-END
	{"id":$2,"pid":$3,"name":"$4","type":"$5","cgroup":${12},"gone":${10},"private_pages":$8,
	"size_pages":$6,"resident_pages":$7,"instances":${13},"bound_now_pages":$6,"bound_private_pages":$(($7 / 2)),
	"holders":1,"waste_instance_pages":$(($7 / 4)),"waste_backing_pages":$twice,$kinds
	"heat":{"cell_pages":32768,"pages":[$n,0,$((n / 16)),$(zeros 29),$((n * 4)),$((n / 4)),$((f > 1)),4096]},
	"binding_list":[$bound],"holder_list":[$held],"counters":{"to_private":$n,
	"to_private_pages":$((n * 2)),"to_private_changed_pages":$((n * 2 - f)),"to_private_redundant":$f,
	"to_shared":$((n / 2)),"to_shared_pages":$((n / 2)),"to_shared_changed_pages":$((n / 2)),
	"to_shared_redundant":0,"guest_faults":$((n * 7)),"host_faults":$((3 * f)),"populates":null},
	"errors":{"allocate":{$(echo "${11}" | tr "'" '"')}},"latency":{
	"to_private":{"max_ns":$((n ? 1500000 : 0)),"histogram":[$hist]},
	"to_shared":{"max_ns":$((n / 2 ? 30000 : 0)),"histogram":[[2047,$((n / 2))]]}},
	"instance_list":[$list]}
	END
}

frame()
{
	local f=$1 i

	cat <<-END
	{"frame":$f,"time_ns":$((1700000000 + f))000000000,"interval_ns":$((f > 1))000000000,
	"kernel":"7.3.0-gmem","missing":["populate","memory_failure"],
	"lost":{"vms_full":0,"unread":$((f > 3 ? 2 : 0)),"missed":0},"vms":[
	END
	vm "$f" 2 1001 web-01 software-protected 262144 131072 120000 1234 false "'ENOSPC':$f,'EINTR':2" \
		'"/machine.slice/web"' 1
	echo ,
	vm "$f" 3 1002 データベース-主サーバー-東京 sev-snp 1048576 900000 null 50 false '' '"/kubepods/pod7"' 1
	echo ,
	vm "$f" 4 1003 idle default 65536 0 0 0 false '' null 2
	[ "$f" -gt 3 ] || {
		echo ,
		vm "$f" 5 1004 short-lived software-protected 4096 4096 100 10 "$([ "$f" = 3 ] && echo true || echo false)" \
			'' null 1
	}
	for ((i = 0; i < 24; i++)); do
		echo ,
		vm "$f" $((10 + i)) $((2000 + i)) "fleet-$i" tdx $((512 * (i + 1))) $((256 * (i + 1))) $((128 * i)) \
			"$i" false '' null 1
	done
	echo ']}'
}

record()
{
	local n

	for n in 1 2 3 4; do
		frame $n | tr -d '\n'
		echo
	done >"$tmp/frames"
}

# --- the terminal

# start COLSxLINES [ENVIRONMENT...] [-- OPTION...]
start()
{
	local size=$1 env=() source=(--replay "${recording:-$tmp/frames}")

	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	[ $# = 0 ] || shift
	[ $# -gt 0 ] || set -- -d 3600
	[ -z "${live:-}" ] || source=()
	# A server that is just ending would take no session.
	term kill-server 2>/dev/null || true
	socket=${socket%.*}.$((++starts))
	cat >"$tmp/run" <<-END
	# What kills gmemtop before it could ask for it must not end this shell too.
	trap : INT HUP TERM
	before=\$(stty -g)
	# A shell of its own, without that trap, says who it is. Without job control: that would set
	# the terminal, too.
	sh -c 'echo \$\$ >$tmp/pid; exec "\$@"' sh \\
		env TERM=screen-256color ${env[*]} $program ${source[*]} $(printf '%q ' "$@") 2>$tmp/err
	echo "status \$?" | tee $tmp/status
	after=\$(stty -g); [ "\$after" = "\$before" ] && echo restored || { echo "differs: \$before"; echo "now: \$after"; }
	exec sleep 1000
	END
	rm -f "$tmp/pid" "$tmp/status"
	term new-session -d -s t -x "${size%x*}" -y "${size#*x}" bash "$tmp/run"
	[ "${quick:-}" ] || sees '^gmemtop'
}

screen()
{
	term capture-pane -p -t t "$@"
}

# press KEY...: as tmux calls them; text: characters as they are
press()
{
	term send-keys -t t "$@"
}

text()
{
	term send-keys -t t -l "$1"
}

# The screen shows the pattern, soon.
sees()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! screen 2>/dev/null | grep -q -- "$1" || return 0
		sleep 0.05
	done
	die "nothing like '$1'"
}

lacks()
{
	local i

	for ((i = 0; i < 200; i++)); do
		screen | grep -q -- "$1" || return 0
		sleep 0.05
	done
	die "still there: '$1'"
}

# The screen is what it should be, soon.
same()
{
	local file=tests/tui/$1.screen i

	if [ "${UPDATE:-}" ]; then
		sleep 0.5
		{ echo '# SPDX-License-Identifier: GPL-2.0-only' && screen; } >"$file"
		return
	fi
	[ -f "$file" ] || die "there is no $file: UPDATE=1 makes it"
	for ((i = 0; i < 200; i++)); do
		screen >"$tmp/now"
		! tail -n +2 "$file" | cmp -s - "$tmp/now" || return 0
		sleep 0.05
	done
	tail -n +2 "$file" | diff - "$tmp/now" >&2 || true
	die "the screen is not that of $file"
}

ended()
{
	sees "^status $1"
	sees '^restored'
	[ "$(term display-message -p -t t '#{alternate_on}#{cursor_flag}')" = 01 ] ||
		die "the terminal is not as it was"
}
