#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tui-test.sh [CASE...]: gmemtop's interactive view in a real terminal (tmux), showing a recording. Without
# names it runs every function case_*, except case_live, which needs the lab.
# Screens are compared with tests/tui/*.screen; UPDATE=1 writes them anew.
# Exit status: 0 if all cases pass, 1 if one fails, 2 for a name that is no case.
set -eu
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
socket=gmem-tui-$$
starts=0
program=$PWD/build/gmemtop

# What the server ran ends a moment later, and can still write there.
leave()
{
	local i

	tmux -L "$socket" kill-server 2>/dev/null || true
	for ((i = 0; i < 50; i++)); do
		! rm -rf "$tmp" 2>/dev/null || break
		sleep 0.1
	done
}
trap leave EXIT
unset NO_COLOR ESCDELAY LC_ALL LC_CTYPE LINES COLUMNS TMUX
export LANG=C.UTF-8 TZ=UTC

term()
{
	tmux -L "$socket" -f /dev/null -u "$@"
}

die()
{
	echo "tui-test: $*" >&2
	echo "--- the screen:" >&2
	term capture-pane -p -t t >&2 2>/dev/null || true
	exit 1
}

# shellcheck source=tui/terminal.sh
. tests/tui/terminal.sh

# --- cases

case_screens()
{
	start 80x24
	same table
	press .
	sees 'frame 2'
	press t
	same tree
	press t
	press Down
	press Enter
	same detail
	press End
	same detail-end
	press Home .
	sees '^now      ▇·▅·*█▆··'
	press Escape
	press h
	same help
	press q
	press s
	same sort
	# What a shell in another terminal exported is not the size of this one.
	start 80x24 LINES=10 COLUMNS=20
	same table
}

case_wide()
{
	start 300x100
	press .
	same wide
	press Enter
	same wide-detail
}

case_ascii()
{
	start 80x24 -- -d 3600 --ascii
	press .
	press t
	same ascii
	press Enter
	sees 'TO SHARED'
	! screen | LC_ALL=C grep -q '[^ -~]' || die "that is no ASCII"
	# A locale without UTF-8, and a terminal on a serial line.
	start 80x24 LANG=C TERM=vt100
	sees 'web-01'
	! screen | LC_ALL=C grep -q '[^ -~]' || die "that is no ASCII, with LANG=C"
}

case_color()
{
	local color=$'\e\\[[0-9;]*[34][0-7]m'

	start 80x24
	screen -e | grep -q "$color" || die "no colours"
	start 80x24 NO_COLOR=1
	! screen -e | grep -q "$color" || die "colours, though NO_COLOR is set"
	# Eight colours are enough; nothing is written on green, and nothing in blue.
	start 80x24 TERM=xterm-color
	screen -e | grep -q "$color" || die "no colours in a terminal that has eight"
	for color in '[0-9;]*42m' '[0-9;]*34m'; do
		! screen -e | grep -q $'\e\\['"$color" || die "colours $color"
	done
	start 80x24 TERM=vt100
	sees web-01
	start 80x24 NO_COLOR=1
	screen -e | grep -q $'\e\\[[0-9;]*7m' || die "nothing shows what is selected"
}

case_search()
{
	start 80x24
	press /
	text eet-7
	press Enter Enter
	sees '^fleet-7'
	press Escape
	press F3
	text no-such
	sees "nothing has 'no-such'"
	press Escape
	press /
	text fleet-1
	press Enter n n N Enter
	sees '^fleet-18'
}

case_filter()
{
	start 80x24
	press F4
	text サーバ
	press Enter
	sees 'データベース'
	lacks web-01
	sees 'Filter: サーバ'
	press "\\"
	press BSpace BSpace BSpace
	text 'nothing like it'
	sees 'No VM fits'
	press Escape
	sees 'データベース'
	lacks 'No VM fits'
	press Escape
	sees web-01
	start 80x24 -- -d 3600 --vm 'fleet-*' --sort name --columns name,type
	sees 'fleet-0 *tdx'
	lacks web-01
}

# The first line of the table has the pattern, soon.
first_has()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! screen | sed -n 9p | grep -q -- "$1" || return 0
		sleep 0.05
	done
	die "no '$1' in the first line"
}

case_sort()
{
	start 80x24
	first_has 1002
	press I
	first_has 1003
	press I
	first_has 1002
	press s Up Up Up Up Up Up Up Enter
	first_has 2023
	press '>'
	sees 'sorted by NAME'
	first_has fleet-0
	press '<' '<'
	sees 'sorted by CGROUP'
}

# The line of titles.
titles()
{
	screen | sed -n 8p
}

case_columns()
{
	start 80x24
	titles | grep -q '>$' || die "columns are hidden, and nothing says so"
	titles | grep -q '^<' && die "nothing is hidden at the left"
	press Right Right
	sees '^< *PID NAME *RESIDENT .*>$'
	press Right Right Right Right Right Right Right Right Right Right Right Right Right Right Right Right
	sees '^< .*CGROUP *$'
	press Left
	sees '^< .* P99ALL *ID CGROUP *$'
	press F2
	sees '^.x. pid'
	sees '^Space shows/hides.*'
	# Away with the pid, the name to the right of the errors.
	press Space Down ']'
	sees '^.x. errors'
	press Enter
	sees '^ ERRORS NAME '
	lacks ' PID '
	# All but one can be hidden.
	press C
	for _ in {1..16}; do press Space Down; done
	press Space
	sees 'one column must remain'
	press Escape
	titles | grep -q '>' && die "one column, and more at the right?"
	press 0
	sees '^     PID NAME '
	press 1
	sees ' PRIVATE RESIDENT .* BOUND INST MMAP'
	sees 'who holds it'
	press 2
	sees ' PRIV/S SHARED/S .*P50 '
	press 3
	sees ' GUESTFLT/S '
	press 4
	sees ' DENIED DENIED/S ERRORS REFUSED MMAP '
	press F2 1
	sees '^.x. bound_now_pages'
	press q
	sees ' PRIVATE RESIDENT .* BOUND INST MMAP'
	press q
	ended 0
	start 80x24 -- -d 3600 --preset faults
	sees ' GUESTFLT/S '
	"$program" --replay "$tmp/frames" --once --preset faults | grep -qi 'guest_faults_rate' || die "--preset --once"
	! "$program" --replay "$tmp/frames" --once --preset no-such 2>"$tmp/err" || die "--preset no-such"
	grep -q -- '--preset help lists them' "$tmp/err" || die "$(cat "$tmp/err")"
	"$program" --preset help | grep -q '^security' || die "--preset help"
}

# Which VMs can the host map, how much is in memory, how conversions went.
case_pictures()
{
	sed 's/"flags":0/"flags":1/g; s/"instances":1,/"instances":1,"mappable":1,/' "$tmp/frames" >"$tmp/mappable"
	recording=$tmp/mappable start 160x24 -- -d 3600 --preset security
	sees ' MMAP '
	screen | sed -n 9p | grep -q ' 1 ' || die "not mappable"
	start 160x24
	press . . .
	sees 'CONVERSIONS/S'
	sees '▁███ *6 *469M'
	sees 'conversions/s ▁█'
	sees '^resident.█.* 72%. private.█.*>=10%'
	sed 's/"missing":\[/&"convert",/' "$tmp/frames" >"$tmp/less"
	recording=$tmp/less start 160x24
	press .
	sees 'CONVERSIONS/S'
	lacks 'conversions/s'
	lacks '[▁█]  *4 *469M'
}

case_freeze()
{
	start 80x24 -- -d 0.3
	press Space
	sees frozen
	press .
	sleep 0.2
	screen | head -n 1 >"$tmp/first"
	sleep 1
	screen | head -n 1 | cmp -s - "$tmp/first" || die "it goes on"
	press p
	lacks frozen
	sees 'end of the rec'
	press u
	sees 'in pages'
	press +
	sees 'every 0.5 s'
	press -
	sees 'every 0.2 s'
}

# Through the time of a recording: back, to a moment, to the next alarm.
case_travel()
{
	sed 's/"ENOSPC":[0-9]*/"ENOSPC":1/' "$tmp/frames" >"$tmp/calm"
	"$program" record --replay "$tmp/calm" -o "$tmp/travel.gmem"
	recording=$tmp/travel.gmem start 80x24
	press . .
	sees 'frame 3 .*'
	press ,
	sees 'frame 2 .*frozen'
	# Rates are those of the interval before this frame.
	sees '1001 web-01 .* 1234 '
	press ,
	sees 'frame 1 .*frozen'
	press ,
	sees 'This is the first frame'
	press J
	text +2
	sees 'Go to .*+2'
	press Enter
	sees 'frame 3 .*frozen'
	sees '1001 web-01 .* 1234 '
	press J
	text 22:13:22
	press Enter
	sees 'frame 2 '
	press J
	text tomorrow
	press Enter
	sees 'not a moment'
	# Events were lost before the fourth frame.
	press a
	sees 'frame 4 .*frozen'
	sees 'lost 2'
	press a
	sees 'No alarm up to the end'
	press ,
	sees 'frame 3 .*frozen'
	press .
	sees 'frame 4 '
	press Enter
	sees 'done 200 '
	press ,
	sees 'done 150 '
	press q
	ended 0
	start 80x24
	press ,
	sees 'which has an index'
	"$program" replay "$tmp/travel.gmem" --json | grep -c '"frame":' | grep -qx 4 || die "gmemtop replay"
	! "$program" replay --json 2>"$tmp/err" || die "gmemtop replay without a file"
	"$program" replay --help | grep -q '^Usage' || die "gmemtop replay --help"
}

case_gone()
{
	start 80x24 -- -d 3600 --vm 'short*'
	press .
	sees 'frame 2'
	press .
	sees '^x *1004'
	sees '1 gone'
	start 80x24 -- -d 3600 --vm '[sw]*'
	press . .
	sees '^x *1004'
	screen -e | grep -q $'\e\\[[0-9;]*2m[^x]*x *1004' || die "not grey"
	press End Enter
	sees 'has ended'
	press .
	press Escape
	sees 'lost 2'
	lacks 1004
}

# What the kernel cannot tell is "-", never 0.
case_missing()
{
	sed 's/"missing":\[/&"private_pages","convert","guest_fault",/' "$tmp/frames" >"$tmp/less"
	recording=$tmp/less start 80x24
	press .
	same missing
	press Enter
	same missing-detail
}

# What gmemtop counted for want of a statistic has a star.
case_counted()
{
	sed 's/"missing":\[/"private_from":"attributes",&/' "$tmp/frames" >"$tmp/counted"
	recording=$tmp/counted start 80x24
	press .
	sees 'private\* >='
	sees ' PRIVAT\* '
	press Enter
	sees '^private\* '
	press Escape q
	start 80x24
	press .
	sees 'private >='
	lacks '\*'
}

# What conversions spend their time on, where it was recorded.
case_phases()
{
	local phase='{"count":3,"sum_ns":6000000,"max_ns":3000000,"histogram":[[2097151,2],[3145727,1]]}' phases list

	phases="{\"vmm\":$phase,\"lock\":null,\"set\":$phase,\"memory\":$phase,\"total\":$phase,\"fault\":$phase}"
	list="\"phases\":$phases,\"vcpu_list\":[{\"id\":0,\"phases\":$phases},{\"id\":3,\"phases\":$phases}],\"slowest\":["
	list+="{\"time_ns\":1,\"vcpu\":3,\"exit\":\"hypercall\",\"direction\":\"to_private\",\"gpa\":4294967296,\"pages\":16,"
	list+="\"phases_ns\":{\"vmm\":1000,\"lock\":null,\"set\":2000000,\"memory\":null,\"total\":2001000,\"fault\":null}}]"
	sed "s/\"missing\":\[/&\"phase_lock\",/; s/\"id\":3,\"pid\"/$list,&/" "$tmp/frames" >"$tmp/phases"
	recording=$tmp/phases start 140x100
	press .
	press Enter
	sees '^ Phases of conversions'
	sees '^vmm  *6 '
	sees '^lock  *- *$'
	sees '^vCPU 3  *3 '
	sees '^vCPU 3 .* 2.00ms .*hypercall, 16 pages to_private at 0x100000000'
	press l
	sees 'a recording has the phases'
	press Escape
	lacks 'Phases of'
	press q
	start 140x100
	press .
	press Enter
	sees 'TO PRIVATE'
	screen | grep -q 'Phases of' && die 'phases that were not recorded'
	press q
}

case_resize()
{
	start 80x24
	press .
	sees 'frame 2'
	term resize-window -t t -x 50 -y 10
	sees 'too small: 50x10'
	lacks web-01
	term resize-window -t t -x 300 -y 100
	same wide
	term resize-window -t t -x 60 -y 16
	sees web-01
	press Enter
	term resize-window -t t -x 1 -y 1
	sleep 0.3
	term resize-window -t t -x 80 -y 24
	sees 'TO PRIVATE'
	press Escape
	sees web-01
}

# Nothing is cleared between frames, and what does not change is not written.
case_flicker()
{
	start 80x24
	term pipe-pane -t t "cat >$tmp/raw"
	press . . Down Up .
	sees 'frame 4'
	sleep 0.3
	term pipe-pane -t t
	[ -s "$tmp/raw" ] || die "nothing was written"
	! grep -q $'\e\\[2\\?J' "$tmp/raw" || die "the screen was cleared"
	[ "$(wc -c <"$tmp/raw")" -lt 6000 ] || die "$(wc -c <"$tmp/raw") bytes for some numbers"
}

case_signals()
{
	local signal i

	for signal in INT TERM HUP; do
		for i in 0 0.01 0.03 0.1 0.5; do
			quick=1 start 80x24 -- -d 0.05
			until [ -s "$tmp/pid" ]; do sleep 0.01; done
			sleep $i
			# Before it could ask for it, the signal kills as it kills every program.
			kill -s $signal "$(cat "$tmp/pid")"
			sees '^status'
			ended "$([ -s "$tmp/status" ] && cut -d ' ' -f 2 <"$tmp/status")"
			[ "$i" != 0.5 ] || [ "$(cat "$tmp/status")" = 'status 0' ] || die "SIG$signal"
			[ ! -s "$tmp/err" ] || die "it said: $(cat "$tmp/err")"
		done
	done
	start 80x24
	press C-c
	ended 0
	start 80x24
	press q
	ended 0
	quick=1 start 80x24 -- -d 0.1 -n 2
	ended 0
}

# The terminal goes away: so does gmemtop.
case_closed()
{
	local pid i

	start 80x24 -- -d 0.1
	pid=$(cat "$tmp/pid")
	term kill-server
	for ((i = 0; i < 200; i++)); do
		[ -d "/proc/$pid" ] || break
		sleep 0.05
	done
	[ ! -d "/proc/$pid" ] || die "it lives without a terminal"
	[ ! -s "$tmp/err" ] || die "it said: $(cat "$tmp/err")"
}

# A recording that comes through a pipe, whose writer stalls in the middle of a frame.
case_stalled()
{
	local way

	for way in key signal; do
		rm -f "$tmp/pipe"
		mkfifo "$tmp/pipe"
		# The writer opens later than gmemtop does.
		recording=$tmp/pipe start 80x24 -- -d 0.1
		sees 'waiting for a frame'
		exec 9>"$tmp/pipe"
		head -n 1 "$tmp/frames" >&9
		sees 'frame 1 .*waiting for'
		sed -n 2p "$tmp/frames" | head -c 1000 >&9
		press h
		sees 'this help'
		press q
		sees 'frame 1 '
		sed -n 2p "$tmp/frames" | tail -c +1001 >&9
		sees 'frame 2 .*waiting for'
		printf '{"half' >&9
		if [ $way = key ]; then
			press q
		else
			kill "$(cat "$tmp/pid")"
		fi
		ended 0
		exec 9>&-
	done
	# Without the terminal a signal ends it as soon.
	rm -f "$tmp/pipe"
	mkfifo "$tmp/pipe"
	"$program" --replay "$tmp/pipe" -b >"$tmp/out" 2>"$tmp/err" &
	exec 9>"$tmp/pipe"
	head -n 1 "$tmp/frames" >&9
	sleep 0.3
	kill $!
	wait $! || die "a stalled pipe, and status $?: $(cat "$tmp/err")"
	exec 9>&-
	grep -q web-01 "$tmp/out" || die "the frame before the signal is lost"
	"$program" --replay - --once <"$tmp/frames" | grep -q web-01 || die "standard input"
}

case_bad()
{
	local option

	quick=1 start 80x24 TERM=no-such-terminal
	ended 1
	grep -q "terminal 'no-such-terminal'" "$tmp/err" || die "no word about the terminal"
	# It cannot move the cursor.
	quick=1 start 80x24 TERM=dumb
	ended 1
	grep -q "terminal 'dumb'" "$tmp/err" || die "no word about a terminal that cannot move the cursor"
	{ head -n 1 "$tmp/frames" && echo '{"half'; } >"$tmp/half"
	recording=$tmp/half quick=1 start 80x24 -- -d 0.1
	ended 1
	grep -q 'read the next frame' "$tmp/err" || die "no word about the recording"
	# Cut off, as where the recorder was killed: what is whole is shown.
	{ head -n 1 "$tmp/frames" && printf '{"half'; } >"$tmp/half"
	recording=$tmp/half start 80x24 -- -d 0.1
	sees 'fleet-23'
	sees 'end of the rec'
	press q
	ended 0
	grep -q 'ends in the middle of a frame' "$tmp/err" || die "no word about the end of the recording"
	recording=$tmp/none quick=1 start 80x24
	ended 1
	recording=$tmp/frames
	for option in '-b -o name,to_private' '--csv -o name,to_private' '--json' '--once'; do
		# shellcheck disable=SC2086	# each word an option
		"$program" --replay "$recording" $option >"$tmp/shown" 2>"$tmp/err" || die "$option: $(cat "$tmp/err")"
		grep -q web-01 "$tmp/shown" || die "$option shows $(head -n 3 "$tmp/shown")"
	done
	"$program" --replay "$recording" --once --vm no-such >/dev/null 2>"$tmp/err"
	grep -q 'no VM fits' "$tmp/err" || die "no word about a filter that fits no VM"
	"$program" --replay "$recording" --once --vm 'web-*' >/dev/null 2>"$tmp/err"
	[ ! -s "$tmp/err" ] || die "a filter that fits: $(cat "$tmp/err")"
	# What was written is read: again the same.
	"$program" --replay "$recording" --json -i --bindings --holders --waste --heat >"$tmp/again"
	"$program" --replay "$tmp/again" --json -i --bindings --holders --waste --heat | cmp - "$tmp/again" ||
		die "a recording of a recording is another one"
}

# The kernel's own numbers: VMs that come, convert and go.
# differs WHAT SED: a frame with this change does not match the schema
differs()
{
	sed "$2" "$tmp/again" >"$tmp/changed"
	! cmp -s "$tmp/again" "$tmp/changed" || die "$1: nothing was changed"
	! tests/schema.py contrib/gmemtop.schema.json <"$tmp/changed" 2>/dev/null || die "$1 matches the schema"
}

# A recording of version 1, written again, is what contrib/gmemtop.schema.json describes, in all its parts;
# tests/vm/top_schema.sh has frames and events of a kernel.
case_schema()
{
	"$program" --replay "$tmp/frames" --json -i --bindings --holders --waste --heat >"$tmp/all"
	tests/schema.py contrib/gmemtop.schema.json frame frame frame frame <"$tmp/all" || die 'see above'
	sed 1d tests/unit/golden/frame.jsonl | tests/schema.py contrib/gmemtop.schema.json frame || die 'see above'
	head -n 1 "$tmp/all" >"$tmp/again"
	differs 'a frame without a member' 's/"lower_bounds":[a-z]*,//'
	differs 'a VM without a member' 's/"size_pages":[0-9]*,"resident_pages":[0-9]*,"instances"/"instances"/'
	differs 'a VM with a renamed member' 's/"resident_pages"/"resident"/'
	differs 'a VM with one more' 's/"state"/"more":1,"state"/'
	differs 'a counter with another name' 's/"guest_faults"/"faults"/'
	differs 'one more counter' 's/"guest_faults"/"more":1,"guest_faults"/'
	differs 'a counter that is text' 's/"to_private":[0-9]*/"to_private":"1"/'
	differs 'a percentile less' 's/"p90_ns":[0-9a-z]*,//'
	differs 'a binding with one more' 's/"gpa"/"more":1,"gpa"/'
	differs 'another state' 's/"state":"live"/"state":"alive"/'
}

case_live()
{
	live=1 start 80x24 -- -d 0.5
	sees 'No VM'
	build/tests/gmem-workload -n 2 --duration 12000 -o 0 -e 'create; bind; start; mix' >"$tmp/out" &
	sees '^[+].*gmem-workload'
	sees 'to-private/s [1-9]'
	sees 'own CPU >=[0-9]'
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	sees 'own CPU [0-9]'
	echo 0 >/proc/sys/kernel/bpf_stats_enabled
	sees 'own CPU >=[0-9]'
	press Down Enter
	sees 'TO PRIVATE'
	sees '^all .*us'
	sees 'has ended'
	press Escape
	lacks '^[+ ] *[0-9]* gmem-workload'
	sees 'VMs 0'
	# A VM that is too large for one look: the details say how far it is, keys work, and at the end
	# the sums are those of a look at all of it.
	build/tests/gmem-workload -s 16G -o 0 --duration 20000 --rate 1 -m touch:1 -e 'create; bind; start; mix' \
		>"$tmp/large" &
	sees '^[+].*gmem-workload'
	press Down Enter
	sees 'looked at [1-9][0-9]* %'
	press h
	sees 'this help'
	press q
	sees 'held twice: instances [0-9]'
	press Escape
	wait $! || die "the large VM failed"
	wait $! || die "the workload failed"
	press q
	ended 0
	phases_live
}

# timed WANTED: waits until what times the phases is attached, or is not
timed()
{
	local i

	for ((i = 0; i < 400; i++)); do
		[ "$(bpftool prog list | grep -c ' name gmem_f_run ')" != "$1" ] || return 0
		sleep 0.05
	done
	die "not $1 programs time the phases"
}

# What times the phases of conversions is attached while it is wanted.
phases_live()
{
	local workload

	live=1 start 140x60 -- -d 0.5
	build/tests/gmem-workload -o 0 --duration 200000 --rate 50 -m hypercall:1 -e 'create; bind; start; mix' >"$tmp/asks" &
	workload=$!
	sees '^[+].*gmem-workload'
	press Down Enter
	sees 'TO PRIVATE'
	lacks 'Phases of'
	timed 0
	press l
	sees '^ Phases of conversions'
	sees '^total  *[1-9]'
	sees '^vCPU 0  *[1-9]'
	timed 1
	press l
	lacks 'Phases of'
	timed 0
	kill "$workload"
	wait "$workload" || true
	press q
	ended 0
}

mapfile -t all < <(declare -F | sed -n 's/^declare -f case_//p')
[ $# -gt 0 ] || for name in "${all[@]}"; do [ "$name" = live ] || set -- "$@" "$name"; done
for name; do
	case " ${all[*]} " in
	*" $name "*) ;;
	*) echo "tui-test: there is no case '$name': give one of ${all[*]}" >&2; exit 2 ;;
	esac
done
[ "$*" = live ] || record
mkdir -p tests/tui
for name; do
	"case_$name"
	echo "ok $name"
done
echo "$# cases passed"
