#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: every report that gmemctl writes as JSON about a policy in force matches
# contrib/gmemctl.schema.json; tests/gmemctl-test.sh does the same for those that need no kernel. Last
# in its VM: it ends with a lock, which lasts until the next boot.
set -u
cd "$(dirname "$0")/../.." || exit
gmemctl=build/gmemctl
tmp=$(mktemp -d)
checks=0 bad=0

fail()
{
	echo "policy_schema: $*"
	bad=1
}

# reports WANTED_STATUS REPORT... -- COMMAND...: its standard output is these reports, a line each
reports()
{
	local wanted=$1 got names=()

	shift
	while [ "$1" != -- ]; do
		names+=("$1")
		shift
	done
	shift
	checks=$((checks + 1))
	"$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	[ "$got" = "$wanted" ] || fail "$* ends with $got instead of $wanted: $(cat "$tmp/out" "$tmp/err")"
	tests/schema.py contrib/gmemctl.schema.json "${names[@]}" <"$tmp/out" || fail "$*: see above"
}

# errors: what the last command wrote to standard error is errors as well
errors()
{
	tests/schema.py contrib/gmemctl.schema.json error <"$tmp/err" || fail "see above"
}

# has EXPRESSION: true of the last line, d
has()
{
	checks=$((checks + 1))
	tail -n 1 "$tmp/out" | python3 -c 'import json, sys
d = json.loads(sys.stdin.read())
sys.exit(not eval(sys.argv[1]))' "$1" || fail "not $1 in: $(cat "$tmp/out")"
}

# The ioctls of a VMM, by Python: create an instance of the default VM, and keep it for a while.
create='import fcntl, os, struct, sys, time
vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xae01, 0)
try:
    fcntl.ioctl(vm, 0xc040aed4, bytearray(struct.pack("QQ48x", 16384, 0)))
except PermissionError:
    sys.exit(13)
time.sleep(float(sys.argv[1]))'

policy()
{
	cat >"$tmp/$1.yaml" <<-EOF
		version: 1
		name: $1
		mode: enforce
		default: { create: allow, bind: allow, mmap: allow, fault: allow, convert: allow, punch: allow, receive: allow }
		manager: ctl
		subjects:
		  ctl: { exe: $PWD/$gmemctl }
		  vmm: { exe: $tmp/vmm, uid: [0], cgroup: /schema }
		  bad: { uid: [1002] }
		rules:
		  - { name: vmm, allow: create, subjects: vmm }
		  - { name: bad, deny: [create, mmap], subjects: bad }
	EOF
}

chmod 755 "$tmp"
chmod 666 /dev/kvm
mkdir /sys/fs/cgroup/schema
cp /bin/true "$tmp/vmm"
policy first
policy second

reports 0 probe -- $gmemctl probe -o json
reports 0 status -- $gmemctl status -o json
reports 1 attached -- $gmemctl status --check -o json
reports 0 holders -- $gmemctl holders -o json
reports 0 load -- $gmemctl load --dry-run "$tmp/first.yaml" -o json
# Instances that exist: the load stops, and lists them.
python3 -c "$create" 300 &
holder=$!
sleep 1
reports 4 load -- $gmemctl load "$tmp/first.yaml" -o json
errors
has 'len(d["existing"]) == 1 and d["existing"][0]["instance"]["ino"] > 0 and d["existing"][0]["may_create"]'
reports 0 load -- $gmemctl load --adopt "$tmp/first.yaml" -o json
reports 0 holders -- $gmemctl holders -o json
has 'd["policy"]["name"] == "first" and d["instances"][0]["holders"][0]["exe_inode"]["ino"] > 0'
kill $holder
wait $holder 2>/dev/null
reports 0 load -- $gmemctl load "$tmp/second.yaml" -o json
reports 0 status -- $gmemctl status -o json
has 'd["enforcing"] and d["operations"]["create"]["guarantee"] != "impossible"'
reports 0 attached -- $gmemctl status --check -o json
has 'd["policies"][0]["policy"] == "second"'
reports 0 show -- $gmemctl show -o json
has 'd["subjects"][1]["exe_inode"]["ino"] > 0 and d["rules"][1]["operations"] == ["create", "mmap"]'
# A denial by a rule, and of a guard.
setpriv --reuid 1002 --clear-groups python3 -c "$create" 0
LD_PRELOAD=/nowhere "$tmp/vmm" 2>/dev/null
reports 0 policy denial denial summary -- $gmemctl monitor -n 2 -o json
cp "$tmp/out" "$tmp/events"
sed -n 2p "$tmp/events" >"$tmp/event"
reports 0 explain -- $gmemctl explain -o json "$tmp/event"
has 'd["rule"] == "bad" and d["event"]["verdict"] == "denied"'
sed -n 3p "$tmp/events" >"$tmp/event"
reports 0 explain -- $gmemctl explain -o json "$tmp/event"
reports 0 explain -- $gmemctl explain -o json --op create --pid $$
# What an upgrade does, and what becomes of it.
cp /bin/false "$tmp/vmm.new"
mv "$tmp/vmm.new" "$tmp/vmm"
rmdir /sys/fs/cgroup/schema
mkdir /sys/fs/cgroup/schema
reports 0 show -- $gmemctl show -o json
has 'd["subjects"][1]["exe_now"] == "other" and d["subjects"][1]["cgroup_now"] == "again"'
reports 0 status -- $gmemctl status -o json
has 'd["cgroups"][0]["cgroup_now"] == "again"'
reports 0 refresh -- $gmemctl refresh -o json
has 'd["changed"] and d["subjects"][1]["exe_inode"] != d["subjects"][1]["exe_inode_before"]'
reports 0 "done" -- $gmemctl set-mode audit -o json
reports 0 "done" -- $gmemctl set-mode enforce -o json
reports 0 "done" -- $gmemctl rollback -o json
reports 0 "done" -- $gmemctl unload -o json
reports 0 load -- $gmemctl load --lock "$tmp/first.yaml" -o json
has 'd["locked"]'
cat /sys/fs/bpf/gmem/maps/active 2>/dev/null && fail "a pin was read"
reports 0 policy denial summary -- $gmemctl monitor -n 1 --op lock -o json
sed -n 2p "$tmp/out" >"$tmp/event"
cp "$tmp/event" "$tmp/out"
has 'd["lock"]["action"] == "read_pin" and d["lock"]["name"] == "/sys/fs/bpf/gmem/maps"'
echo "policy_schema: $checks checks, $bad failed"
exit $bad
