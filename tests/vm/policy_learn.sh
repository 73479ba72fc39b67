#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: what gmemctl learn proposes for two layouts of a VMM is enforced, and denies nothing of what
# they do; what was only denied is not proposed. The layouts are a QEMU of libvirt (one process, a scope for
# each VM) and a VMM of two processes with different programs and users. gmemctl simulate reports of what runs
# what the policies deny of it; gmemctl changes has what was loaded.
# shellcheck disable=SC2317	# functions are called by name
set -eu
cd "$(dirname "$0")/../.."
gmemctl=build/gmemctl
vmm=/usr/bin/qemu-system-x86_64
tmp=$(mktemp -d)
checks=0 bad=0

life='create; bind; start; convert to=private; touch size=2M; convert to=shared size=1M; touch size=1M
	convert to=private size=512K; touch size=512K; punch; convert to=private; unbind; bind; touch size=64K'

fail()
{
	echo "policy_learn: $*"
	bad=1
}

# ok WHAT COMMAND...: it ends with status 0
ok()
{
	local what=$1

	shift
	checks=$((checks + 1))
	"$@" >"$tmp/out" 2>"$tmp/err" || fail "$what: $(tail -n 5 "$tmp/out" "$tmp/err")"
}

# ends WANTED WHAT COMMAND...: with this status
ends()
{
	local wanted=$1 what=$2 got=0

	shift 2
	checks=$((checks + 1))
	"$@" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ "$got" = "$wanted" ] || fail "$what ends with $got instead of $wanted: $(tail -n 5 "$tmp/out" "$tmp/err")"
}

# has FILE EXPRESSION: true of the JSON in it, d
has()
{
	checks=$((checks + 1))
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$1" "$2" || fail "not $2 in: $(cut -c 1-3000 "$1")"
}

# as UID CGROUP COMMAND...
as()
{
	local uid=$1 cgroup=$2

	shift 2
	mkdir -p "/sys/fs/cgroup$cgroup"
	(
		echo $BASHPID >"/sys/fs/cgroup$cgroup/cgroup.procs"
		exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
	)
}

# until WHAT COMMAND...: wait until the command succeeds
until_true()
{
	local what=$1 n

	shift
	for ((n = 0; n < 400; n++)); do
		"$@" 2>/dev/null && return
		sleep 0.05
	done
	fail "$what did not happen in 20 s"
	return 1
}

qemu()
{
	as 64055 "/machine.slice/machine-qemu-$1.scope" "$vmm" -e "$life"
}

# Both processes; they run until the file "wait" is removed.
two_begin()
{
	rm -f "$tmp/socket" "$tmp/vmm.out" "$tmp/handler.out"
	: >"$tmp/wait"
	as 1501 /fire.slice/handler.service "$tmp/handler" tests/vm/two_processes.py handler "$tmp/run/socket$1" \
		>"$tmp/handler.out" 2>"$tmp/handler.err" &
	handler=$!
	until_true "a socket of the handler" test -S "$tmp/run/socket$1"
	as 1500 /fire.slice/vm1.service "$tmp/fire" tests/vm/two_processes.py vmm "$tmp/run/socket$1" "$tmp/wait" \
		>"$tmp/vmm.out" 2>"$tmp/vmm.err" &
	fire=$!
}

has_worked()
{
	grep -q "^done$" "$tmp/$1.out"
}

# Both have worked, or one of them has ended.
is_decided()
{
	{ has_worked vmm && has_worked handler; } || ! kill -0 "$fire" || ! kill -0 "$handler"
}

# two_works WHAT: they do all that they have to do
two_works()
{
	checks=$((checks + 1))
	until_true "the work of both" is_decided || true
	{ has_worked vmm && has_worked handler; } ||
		fail "$1: two processes: $(cat "$tmp/vmm.err" "$tmp/handler.err")"
}

two_end()
{
	rm -f "$tmp/wait"
	wait "$fire" "$handler" 2>/dev/null || true
}

two()
{
	two_begin "$2"
	two_works "$1"
	two_end
}

# Everything that the layouts do.
everything()
{
	ok "$1: QEMU" qemu "$2"
	two "$1" "$2"
}

# Nothing was denied, or would have been.
nothing_denied()
{
	$gmemctl show -o json >"$tmp/show"
	has "$tmp/show" 'not [r for r in d["rules"] if r["denied"] or r["would_deny"]] and [r for r in d["rules"] if r["allowed"]]'
}

# From a recording of gmemtop.
from_events()
{
	build/gmemtop events --json -e create,bind,mmap,host_fault,convert,allocate,punch,deny >"$tmp/events" &
	recorder=$!
	until_true "the head of the recording" test -s "$tmp/events"
	everything "no policy" 1
	qemu 2 >/dev/null
	kill -INT $recorder
	wait $recorder || true
	ok "learn from events" $gmemctl learn "$tmp/events"
	cp "$tmp/out" "$tmp/learned.yaml"
	ok "nothing to be denied" $gmemctl simulate "$tmp/learned.yaml" --events "$tmp/events"
	ok "load what was learned" $gmemctl load "$tmp/learned.yaml"
	everything "learned from events" 3
	nothing_denied
}

# has_denials N: so many at least have arrived
has_denials()
{
	[ "$(grep -c '"report":"denial"' "$tmp/denials")" -ge "$1" ]
}

# A stranger is denied under what was learned, and the denials are learned from: nothing is granted to it.
denials_teach_nothing()
{
	$gmemctl monitor -o json >"$tmp/denials" &
	recorder=$!
	until_true "the monitor" grep -q '"report":"policy"' "$tmp/denials"
	ends 0 "a stranger" as 1000 /user.slice "$vmm" -t default -e 'create expect=EACCES'
	ends 0 "another operation" as 64055 /machine.slice/x.scope "$vmm" -t default -f mmap,init-shared -e 'create expect=EACCES'
	until_true "the denials" has_denials 2
	kill -INT $recorder
	wait $recorder || true
	ends 1 "learn from denials" $gmemctl learn "$tmp/denials"
	cat "$tmp/events" "$tmp/denials" >"$tmp/both"
	ok "learn from both" $gmemctl learn "$tmp/both"
	cp "$tmp/out" "$tmp/again.yaml"
	ends 6 "the denials under it" $gmemctl simulate "$tmp/again.yaml" --events "$tmp/denials" -o json
	has "$tmp/out" 'd["denied"] == d["events"] >= 2'
	ok "the same as before" $gmemctl diff "$tmp/again.yaml" "$tmp/learned.yaml"
}

# From denials in audit mode, where receipts are seen too, and what they add to a policy.
from_audit()
{
	ok "audit" $gmemctl load --accept-default-change --mode audit tests/vm/policies/deny.yaml
	$gmemctl monitor -o json >"$tmp/would" &
	recorder=$!
	until_true "the monitor" grep -q '"report":"policy"' "$tmp/would"
	qemu 4 >/dev/null
	two "audit" 4
	until_true "the last events" grep -q '"operation":"punch".*"uid":1501' "$tmp/would"
	kill -INT $recorder
	wait $recorder || true
	has <(tail -n 1 "$tmp/would") 'd["summary"]["lost"] == 0'
	grep -v '"uid":150' "$tmp/would" >"$tmp/would-qemu"
	ok "learn of QEMU" $gmemctl learn "$tmp/would-qemu"
	cp "$tmp/out" "$tmp/base.yaml"
	ok "learn the difference" $gmemctl learn --base "$tmp/base.yaml" "$tmp/would"
	mkdir "$tmp/base.d"
	cp "$tmp/out" "$tmp/base.d/60-learned.yaml"
	! grep -q 'uid: \[64055\]' "$tmp/out" || fail "QEMU again: $(cat "$tmp/out")"
	grep -q 'receive: .* events' "$tmp/out" || fail "no receipt: $(cat "$tmp/out")"
	ok "load with a drop-in" $gmemctl load "$tmp/base.yaml"
	merged=$($gmemctl cat "$tmp/base.yaml" | sha256sum | cut -d ' ' -f 1)
	everything "learned in audit mode" 5
	nothing_denied
	ends 0 "a stranger" as 1000 /user.slice "$vmm" -t default -e 'create expect=EACCES'
}

# What runs now: the two processes hold what the policies say.
simulate()
{
	two_begin 6
	two_works "simulate"
	ok "simulate what is allowed" $gmemctl simulate "$tmp/base.yaml" -o json
	has "$tmp/out" 'd["running"]["processes"] == 2 and d["running"]["instances"] == 1 and d["running"]["mappings"] == 1 and d["running"]["bindings"] == 1'
	tests/schema.py contrib/gmemctl.schema.json simulate <"$tmp/out" || bad=1
	ends 6 "simulate what is denied" $gmemctl simulate tests/vm/policies/deny.yaml -o json
	has "$tmp/out" 'sorted((x["operation"], x["uid"]) for x in d["denials"]) == [("bind", 1500), ("create", 1500), ("fault", 1501), ("mmap", 1501), ("receive", 1501)]'
	has "$tmp/out" '[x["request"]["range"] for x in d["denials"] if x["operation"] == "bind"] == ["0x100000-0x104000"]'
	two_end
}

# Live events, for as long as they happen.
live()
{
	local n

	$gmemctl unload >/dev/null
	$gmemctl learn --for 6 >"$tmp/live.yaml" 2>"$tmp/live.err" &
	recorder=$!
	for ((n = 7; n < 40; n++)); do
		kill -0 $recorder 2>/dev/null || break
		two "live" $n
	done
	wait $recorder || fail "learn --for: $(cat "$tmp/live.err")"
	grep -q 'uid: \[1501\]' "$tmp/live.yaml" || fail "live: $(cat "$tmp/live.yaml")"
	ok "check" $gmemctl check "$tmp/live.yaml"
}

# What was changed by all of this is in the record of changes, also what was refused.
recorded()
{
	ends 3 "a policy that is none" $gmemctl load tests/vm/policy_learn.sh
	ok "the record of changes" $gmemctl changes -o json
	tests/schema.py contrib/gmemctl.schema.json changes <"$tmp/out" || bad=1
	has "$tmp/out" '[(c["command"], c["status"], c["policy"] and (c["policy"]["name"], c["policy"]["mode"])) for c in d["changes"]] == [("load", 0, ("learned", "enforce")), ("load", 0, ("deny", "audit")), ("load", 0, ("learned", "enforce")), ("unload", 0, None), ("load", 3, None)]'
	has "$tmp/out" '[c["policy"]["generation"] for c in d["changes"][:3]] == sorted({c["policy"]["generation"] for c in d["changes"][:3]}) and d["wrong_line"] is None'
	has "$tmp/out" 'd["changes"][2]["policy"]["digest"] == "sha256:'"$merged"'"'
}

chmod 666 /dev/kvm
chmod 755 "$tmp"
rm -rf /var/lib/gmem
mkdir -m 700 /var/lib/gmem
mkdir -m 1777 "$tmp/run"
rm -f $vmm
cp build/tests/gmem-workload $vmm
# The same interpreter as two programs, which identify two subjects.
python=$(readlink -f /usr/bin/python3)
cp "$python" "$tmp/fire"
cp "$python" "$tmp/handler"
export PYTHONHOME=/usr

from_events
denials_teach_nothing
from_audit
simulate
live
recorded
echo "learn: $checks checks$([ $bad = 0 ] || echo ', not all as expected')"
exit $bad
