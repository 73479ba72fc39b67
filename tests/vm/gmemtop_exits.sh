#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: what gmemtop refuses, how it ends, and what it says then. Every status of its man page.
# Last in its VM: a lockdown lasts until the next boot.
# shellcheck disable=SC2016 # shells of their own expand their words themselves
set -u
cd "$(dirname "$0")/../.." || exit
top=$PWD/build/gmemtop
tmp=$(mktemp -d)
cases=0 bad=0

# wrong TEXT...: something differs
wrong()
{
	echo "FAIL $*"
	bad=$((bad + 1))
}

# expect STATUS PATTERN COMMAND...: it ends so; standard error has the pattern, or is empty where that is
expect()
{
	local want=$1 pattern=$2 status=0

	shift 2
	cases=$((cases + 1))
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	if [ $status != "$want" ]; then
		wrong "$*: status $status, not $want: $(cat "$tmp/err")"
	elif [ -z "$pattern" ]; then
		[ ! -s "$tmp/err" ] || wrong "$*: says $(cat "$tmp/err")"
	elif ! grep -q -e "$pattern" "$tmp/err"; then
		wrong "$*: says $(cat "$tmp/err"), not '$pattern'"
	fi
}

# says PATTERN: what was expected last has it on standard output
says()
{
	grep -q -e "$1" "$tmp/out" || wrong "no '$1' in: $(head -c 300 "$tmp/out")"
}

# --- wrong usage: 2

expect 2 "there is no such option" "$top" --nothing
expect 2 "no-such" "$top" --columns pid,no-such
expect 2 "there is no such column; --columns help" "$top" --sort no-such
expect 2 "^{\"error\":{\"what\":\"--sort no-such\"" "$top" --json --sort no-such
expect 2 "0.05 is the least" "$top" -d 0.01
expect 2 "--delay x: not a time" "$top" -d x
expect 2 "--iterations x: not a whole" "$top" -n x
expect 2 "not a whole number" "$top" -p x
expect 2 "choose one" "$top" --json --csv
expect 2 "1000000 is the most" "$top" --max-vms 2000000

# --- done: 0

expect 0 '' "$top" --help
says '--no-wait'
expect 0 '' "$top" --version
says '^gmemtop '
expect 0 '' "$top" --columns help
says '^to_private '
expect 0 '' "$top" --features --json
says '"name":"convert"'
expect 0 '' "$top" --once
says '^ *ID '
# Nobody reads any more: it ends, quietly.
expect 0 '' bash -c 'set -o pipefail; "$0" -b -d 0.05 | head -n 1' "$top"
expect 0 '' timeout --preserve-status -s INT 5 "$top" -b -d 0.1
expect 0 '' timeout --preserve-status -s TERM 5 "$top" --json -d 100

# --- failed: 1

expect 1 "open $tmp/nothing: No such file" "$top" --replay "$tmp/nothing" -b
expect 1 "pid 4194303: there is no such process" "$top" --once -p 4194303
expect 1 "there is no such process" "$top" events -p 4194303
expect 1 "write to standard output: No space left on device" bash -c '"$0" --once >/dev/full' "$top"
expect 1 "write to standard output: Bad file descriptor" bash -c '"$0" --once >&-' "$top"
for args in --version --help '--columns help' 'events --help' 'events -e help' '--once --csv'; do
	# shellcheck disable=SC2086	# each word an argument
	expect 1 "write to standard output: No space left on device" bash -c '"$@" >/dev/full' sh "$top" $args
done
expect 1 "^{\"error\":{\"what\":\"write to standard output\"" bash -c '"$0" --json --once >/dev/full' "$top"

# stalled SIGNAL COMMAND...: it waits in a write to a full pipe that nobody reads; the signal ends it all the same
stalled()
{
	local signal=$1 pid i status=0

	shift
	cases=$((cases + 1))
	"$@" >&8 2>"$tmp/err" </dev/null &
	pid=$!
	for ((i = 0; i < 1200; i++)); do
		# In write(1, ...).
		! grep -q '^1 0x1 ' "/proc/$pid/syscall" 2>/dev/null || break
		sleep 0.05
	done
	kill -s "$signal" $pid
	for ((i = 0; i < 200; i++)); do
		[ -d "/proc/$pid" ] || break
		sleep 0.05
	done
	kill -s KILL $pid 2>/dev/null
	wait $pid || status=$?
	if [ $status != 1 ] || ! grep -q "took nothing for two seconds" "$tmp/err"; then
		wrong "SIG$signal to a stalled $*: status $status: $(cat "$tmp/err")"
	fi
}

mkfifo "$tmp/full"
exec 8<>"$tmp/full"
head -c 65536 /dev/zero >&8
# A shell that runs jobs in the background has them ignore SIGINT.
stalled TERM "$top" -b -d 0.1
stalled INT env --default-signal=INT "$top" --json -d 0.1
stalled HUP "$top" --csv -d 0.1
stalled TERM "$top" events --json
stalled HUP "$top" --once
stalled TERM "$top" --features
exec 8>&-

# --- not permitted: 5, with what would help

expect 5 "be root" setpriv --reuid 65534 --clear-groups "$top" --once

# --- the kernel cannot do it: 4, with what is missing

mkdir "$tmp/empty"
# libbpf looks for an image of the kernel with its types too.
expect 4 "no type information" unshare -m bash -c 'mount --bind "$1" /sys/kernel/btf &&
	mount --bind "$1" /lib/modules && mount --bind "$1" /boot && exec "$0" --once' "$top" "$tmp/empty"
expect 4 "no type information" unshare -m bash -c 'mount --bind "$1" /sys/kernel/btf &&
	mount --bind "$1" /lib/modules && mount --bind "$1" /boot && exec "$0" events' "$top" "$tmp/empty"

# Processes and times that are not the host's.
for args in --once 'events -n 1'; do
	# shellcheck disable=SC2086	# each word an argument
	expect 4 "PID namespace is not the host's" unshare --pid --fork --mount-proc "$top" $args
	if [ -e /proc/self/ns/time ]; then
		# shellcheck disable=SC2086
		expect 4 "time namespace has other times" unshare --time --boottime 100 --fork "$top" $args
	fi
	# shellcheck disable=SC2086
	expect 4 "cgroup namespace is not the host's" unshare --cgroup "$top" $args
done

# last_line PATTERN: gmemtop's last line of output has it, soon
last_line()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! tail -n 1 "$tmp/frames" | grep -q -e "$1" || return 0
		sleep 0.1
	done
	wrong "no '$1' in: $(tail -n 1 "$tmp/frames" | head -c 600)"
}

# Functions that are silent: what comes from them is missing at once, with the reason, and comes again.
# Newer kernels refuse that.
ftrace=/proc/sys/kernel/ftrace_enabled
if (echo 0 >$ftrace) 2>/dev/null && echo 1 >$ftrace; then
	cases=$((cases + 1))
	"$top" --json -d 0.2 >"$tmp/frames" &
	pid=$!
	last_line '"missing_because":\[\]'
	echo 0 >$ftrace
	last_line '"vm_end"[^]]*\],"missing_because":\["kernel.ftrace_enabled is 0"\]'
	echo 1 >$ftrace
	last_line '"missing_because":\[\].*"lower_bounds":true'
	kill $pid
	wait $pid
	echo 0 >$ftrace
	expect 0 '' "$top" --features
	says '^vm_end .* - .*kernel.ftrace_enabled is 0'
	echo 1 >$ftrace
fi

# The kernel's types, and none of its modules'.
mkdir "$tmp/btf"
cp /sys/kernel/btf/vmlinux "$tmp/btf/"
expect 4 "no type information" unshare -m bash -c 'mount --bind "$1" /sys/kernel/btf && exec "$0" --once' \
	"$top" "$tmp/btf"
expect 4 "no type information" unshare -m bash -c 'mount --bind "$1" /sys/kernel/btf && exec "$0" --features' \
	"$top" "$tmp/btf"

# gmemtop's own programs are freed late, and hold the module.
for ((i = 0; i < 100; i++)); do
	rmmod kvm_amd 2>/dev/null
	! rmmod kvm 2>/dev/null || break
	sleep 0.1
done
if ! grep -q '^kvm ' /proc/modules; then
	expect 4 "KVM is not loaded; modprobe" "$top" --no-wait -n 1
	# What asks for one answer never waits.
	expect 4 "KVM is not loaded; modprobe" "$top" --once
	expect 4 "KVM is not loaded" "$top" --features
	expect 4 "KVM is not loaded" "$top" --no-wait --features
	expect 0 "KVM is not loaded yet, waiting for it" timeout --preserve-status -s TERM 1 "$top" -n 1
	# It picks up when KVM comes.
	"$top" -n 1 >"$tmp/waited" 2>"$tmp/err" &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		! grep -q waiting "$tmp/err" || break
		sleep 0.1
	done
	modprobe kvm-amd
	cases=$((cases + 1))
	wait $pid || wrong "gmemtop that waited for KVM: status $?: $(cat "$tmp/err")"
	grep -q '^ *ID ' "$tmp/waited" || wrong "no frame when KVM came"
else
	wrong "KVM cannot be unloaded: $(grep kvm /proc/modules)"
fi

echo confidentiality >/sys/kernel/security/lockdown
expect 4 "locked down" "$top" --once
expect 4 "locked down" "$top" events

echo "$cases cases, $bad differ"
[ $bad = 0 ] && echo "1 passed, 0 failed, 0 skipped"
exit $((bad != 0))
