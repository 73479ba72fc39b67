#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: gmemctl where something is not as it should be. Each error says what and why, with the right
# exit status, and what was in force stays in force.
set -u
cd "$(dirname "$0")/../.." || exit
gmemctl=$PWD/build/gmemctl
dir=$(mktemp -d)
chmod 755 "$dir"
# What each kernel can enforce.
others='bind: allow, mmap: allow, fault: allow, convert: allow, punch: allow, receive: allow'
deny=$dir/deny.yaml
allow=$dir/allow.yaml
printf 'version: 1\nname: deny\nmode: enforce\ndefault: { create: deny, %s }\nrules: []\n' "$others" >"$deny"
printf 'version: 1\nname: allow\nmode: enforce\ndefault: { create: allow, %s }\nrules: []\n' "$others" >"$allow"
checks=0 bad=0

fail()
{
	echo "policy_odd: $*" >&2
	bad=1
}

# status WANTED COMMAND...: run it, keep what it says, compare its exit status
status()
{
	local wanted=$1 got

	shift
	checks=$((checks + 1))
	"$@" >"$dir/out" 2>"$dir/err"
	got=$?
	# shellcheck disable=SC2053	# a pattern
	[[ $got = $wanted ]] || fail "$* ends with $got instead of $wanted: $(cat "$dir/out" "$dir/err")"
}

# says FILE TEXT: the last command has written it
says()
{
	grep -qF -- "$2" "$dir/$1" || fail "no '$2' in: $(cat "$dir/$1")"
}

# silent_of FILE TEXT
silent_of()
{
	! grep -F -- "$2" "$dir/$1" || fail "'$2' was said"
}

json()
{
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' \
		"$dir/$1" "$2" || fail "not $2 in: $(cat "$dir/$1")"
}

in_force()
{
	status 0 "$gmemctl" status -o json
	json out "d['policy'] == '$1' and d['enforcing']"
}

no_drafts()
{
	compgen -G '/sys/fs/bpf/*-draft-*' >/dev/null && fail "left over: $(echo /sys/fs/bpf/*-draft-*)"
}

# until_so COMMAND...: at most ten seconds
until_so()
{
	local i

	for ((i = 0; i < 100; i++)); do
		"$@" 2>/dev/null && return
		sleep 0.1
	done
	fail "in vain: $*"
}

# shellcheck disable=SC2317	# called by until_so
runs()
{
	[ "$(readlink "/proc/$1/exe")" = "$2" ]
}

test_nothing_loaded()
{
	local command

	status 0 "$gmemctl" status
	says out 'NOT ENFORCING: no policy is loaded'
	for command in show rollback refresh 'set-mode audit' 'monitor -n 1' 'explain --op create --uid 0'; do
		# shellcheck disable=SC2086	# words
		status 1 "$gmemctl" $command
		says err 'no policy is loaded; gmemctl load FILE'
	done
	status 1 "$gmemctl" unload
	says err 'no policy is loaded'
	status 0 "$gmemctl" probe -o json
	json out '{g["state"] for g in d["guards"].values()} == {"possible"}'
}

test_file_system()
{
	umount /sys/fs/bpf
	status 1 "$gmemctl" load "$deny"
	says err 'it is not in a BPF file system; mount -t bpf bpffs /sys/fs/bpf'
	status 1 "$gmemctl" status -o json
	json err 'd["error"]["todo"] == "mount -t bpf bpffs /sys/fs/bpf"'
	mount -t bpf -o ro bpffs /sys/fs/bpf
	status 1 "$gmemctl" load "$deny"
	says err 'Read-only file system'
	mount -o remount,rw /sys/fs/bpf
	status 2 "$gmemctl" load --pins /tmp/pins "$deny"
	says err 'use /tmp/pins: it is not in a BPF file system'
	# Somebody else's: it is not taken, and not taken away.
	mkdir -p /sys/fs/bpf/gmem/theirs
	status 1 "$gmemctl" load "$deny"
	says err 'Directory not empty'
	no_drafts
	[ -d /sys/fs/bpf/gmem/theirs ] || fail "what is another's was removed"
	rmdir /sys/fs/bpf/gmem/theirs /sys/fs/bpf/gmem
}

# A user with texts longer than is usual is one.
test_user()
{
	printf 'long:x:4711:4711:%s:/:/bin/sh\n' "$(head -c 20000 /dev/zero | tr '\0' x)" >>/etc/passwd
	printf 'version: 1\nname: a\nmode: audit\ndefault: { create: deny, %s }\n' "$others" >"$dir/user.yaml"
	printf 'subjects: { s: { uid: [long, "4712", none-such] } }\nrules: [ { name: r, deny: create, subjects: s } ]\n' \
		>>"$dir/user.yaml"
	status 0 "$gmemctl" check "$dir/user.yaml"
	says err 'there is no user "none-such" here'
	silent_of err '"long"'
	sed -i '/^long:/d' /etc/passwd
}

test_not_root()
{
	local command

	status 0 "$gmemctl" load "$deny"
	for command in status show holders refresh rollback unload 'set-mode audit' 'monitor -n 1' \
		"load $deny" 'explain --op create --uid 0'; do
		# shellcheck disable=SC2086	# words
		status 5 setpriv --reuid 1000 --regid 1000 --clear-groups "$gmemctl" $command
		says err 'be root'
		silent_of out 'NOT ENFORCING'
	done
	in_force deny
}

# Each of these is cut short at another place.
test_descriptors()
{
	local command n

	for n in 4 5 8 12 16; do
		for command in status show refresh rollback unload 'set-mode audit' 'monitor -n 1'; do
			# shellcheck disable=SC2086	# words
			status 1 prlimit --nofile=$n "$gmemctl" $command
			says err 'Too many open files'
			silent_of err 'unload, then load'
		done
	done
	in_force deny
	status 0 "$gmemctl" unload
	# No room is no hook that is refused: a load must not do with less.
	for n in 12 40; do
		status 1 prlimit --nofile=$n "$gmemctl" load "$deny"
		says err 'Too many open files'
		silent_of err 'refuses the program'
		silent_of err 'has no effect'
	done
	# Wherever it ends: it is the policy before, wholly, or the new one.
	status 0 "$gmemctl" load "$allow"
	for ((n = 6; n < 64; n++)); do
		if prlimit --nofile=$n "$gmemctl" load --accept-default-change "$deny" >"$dir/out" 2>"$dir/err"; then
			break
		fi
		in_force allow
	done
	in_force deny
	# So is the mode.
	for ((n = 6; n < 64; n++)); do
		if prlimit --nofile=$n "$gmemctl" set-mode audit >"$dir/out" 2>"$dir/err"; then
			break
		fi
		in_force deny
	done
	status 0 "$gmemctl" set-mode enforce
	in_force deny
}

test_output()
{
	"$gmemctl" load --accept-default-change "$allow" >&- 2>"$dir/err"
	[ $? = 1 ] || fail "load without an output: $(cat "$dir/err")"
	says err 'write to standard output'
	in_force allow
	status 0 "$gmemctl" show -o json
	json out '[r["line"] for r in d["rules"] if r["name"] == "(default)"] == 7 * [4]'
	"$gmemctl" show | :
	[ "${PIPESTATUS[0]}" = 0 ] || fail "show where nobody reads did not end with 0"
	"$gmemctl" monitor >/dev/full 2>"$dir/err"
	[ $? = 1 ] || fail "monitor into a full device"
	says err 'No space left on device'
}

test_at_once()
{
	local i pids=()

	for i in 1 2 3 4 5 6; do
		"$gmemctl" load --accept-default-change "$deny" >"$dir/load.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "loads at once: $(cat "$dir"/load.*)"
	done
	[ "$(grep -oh 'generation [0-9]*' "$dir"/load.* | sort -u | wc -l)" = 6 ] ||
		fail "generations of loads at once: $(cat "$dir"/load.*)"
	in_force deny
	no_drafts
}

# explain of a process that is not what /proc says
test_explain()
{
	local pid sleep guarded

	sleep=$(realpath /bin/sleep)
	cp "$sleep" "$dir/guarded"
	cat >"$dir/policy.yaml" <<-EOF
		version: 1
		name: who
		mode: enforce
		default: { create: deny, $others }
		subjects: { sleep: { exe: $sleep }, guarded: { exe: $dir/guarded } }
		rules: [ { name: sleepers, allow: create, subjects: [sleep, guarded] } ]
	EOF
	status 0 "$gmemctl" load "$dir/policy.yaml"
	"$sleep" 100 &
	pid=$!
	until_so runs $pid "$sleep"
	status 0 "$gmemctl" explain --op create --pid $pid
	says out 'create allowed by rule sleepers'
	silent_of out 'otherwise'
	status 0 "$gmemctl" explain --op create --pid $pid -o json
	json out 'not d["denied"] and d["in_kernel"] == {"identity": True, "executable": True, "verdict": "allow", "rule": "sleepers"}'
	kill $pid
	# In a user namespace it has no executable.
	unshare -U "$sleep" 100 &
	pid=$!
	until_so runs $pid "$sleep"
	status 0 "$gmemctl" explain --op create --pid $pid
	says out 'create allowed by rule sleepers'
	says out "but the kernel decides otherwise for process $pid: create denied by default; it has no executable there"
	kill $pid
	# Traced when it begins, it has no identity; /proc does not show that.
	python3 -c 'import ctypes, os, sys
ctypes.CDLL(None).ptrace(0, 0, 0, 0)
os.execv(sys.argv[1], ["sleep", "100"])' "$sleep" &
	pid=$!
	until_so runs $pid "$sleep"
	status 0 "$gmemctl" explain --op create --pid $pid -o json
	json out 'd["denied"] and d["verdict"] == "allow" and not d["in_kernel"]["identity"] and d["in_kernel"]["verdict"] == "deny"'
	status 0 "$gmemctl" explain --op create --pid $pid
	says out "otherwise for process $pid: create denied by default; it has no identity there"
	# Of a policy in a file the kernel knows nothing.
	status 0 "$gmemctl" explain --policy "$dir/policy.yaml" --op create --pid $pid -o json
	json out 'd["in_kernel"] is None and not d["denied"]'
	kill -9 $pid
	wait $pid 2>/dev/null
	# What a guard keeps off, no rule decides.
	"$dir/guarded" 100 &
	guarded=$!
	until_so runs $guarded "$dir/guarded"
	"$gmemctl" monitor -o json -n 1 --op trace >"$dir/events" &
	pid=$!
	until_so grep -q in_force "$dir/events"
	! cat /proc/$guarded/mem >/dev/null 2>&1 || fail "the guard is not up"
	wait $pid
	grep '"seq"' "$dir/events" >"$dir/event"
	status 0 "$gmemctl" explain "$dir/event"
	says out 'denied by the guard trace (who), generation'
	status 0 "$gmemctl" explain -o json - <"$dir/event"
	json out 'd["event"]["guard"] == "trace" and d["event"]["verdict"] == "denied"'
	kill $guarded
	# An event says what became of it then.
	"$gmemctl" monitor -o json -n 1 --op create >"$dir/events" &
	pid=$!
	until_so grep -q in_force "$dir/events"
	build/tests/gmem-workload -t default -e 'create expect=EACCES' >"$dir/out" 2>&1 || fail "$(cat "$dir/out")"
	wait $pid
	grep '"seq"' "$dir/events" >"$dir/event"
	status 0 "$gmemctl" explain "$dir/event"
	says out 'when it happened: denied by the default of create (who:4), generation'
}

# Last in its VM. What cannot be locked is in force without. The manager cannot unload, also where descriptors
# are short before the lock is read.
test_lock()
{
	local n pid

	cp "$gmemctl" "$dir/manager"
	cat >"$dir/policy.yaml" <<-EOF
		version: 1
		name: locked
		mode: enforce
		default: { create: deny, $others }
		subjects: { manager: { exe: $dir/manager, uid: 0 } }
		manager: manager
		rules: []
	EOF
	status 0 "$gmemctl" load "$allow"
	"$gmemctl" monitor -o json >"$dir/events" &
	pid=$!
	until_so grep -q in_force "$dir/events"
	status 1 "$dir/manager" load --lock --accept-default-change "$dir/policy.yaml"
	says err 'it would not be locked out'
	in_force locked
	json out "not d['locked']"
	kill $pid
	wait $pid
	status 0 "$dir/manager" load --lock --accept-default-change "$dir/policy.yaml"
	for n in 4 5 8 12 16 1024; do
		status '[15]' prlimit --nofile=$n "$dir/manager" unload
		status 0 "$dir/manager" status -o json
		json out 'd["policy"] == "locked" and d["locked"] and d["enforcing"]'
	done
	status 5 "$gmemctl" unload
	says err 'this process is not its manager'
}

mountpoint -q /sys/fs/bpf || mount -t bpf bpffs /sys/fs/bpf
test_nothing_loaded
test_file_system
test_user
test_not_root
test_descriptors
test_output
test_at_once
test_explain
"$gmemctl" unload >/dev/null || fail "unload"
no_drafts
test_lock
rm -rf "$dir"
echo "policy_odd: $checks commands$([ $bad = 0 ] && echo ', all as expected')"
exit $bad
