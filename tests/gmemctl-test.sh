#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# gmemctl without a kernel: the examples, exit statuses, JSON, explain and recorded events.
# shellcheck disable=SC2317	# the functions test_* are called by name
# shellcheck source=offline.sh
. "$(dirname "$0")/offline.sh"

test_examples()
{
	local policy cases

	for cases in contrib/policies/*.test.yaml; do
		policy=${cases%.test.yaml}.yaml
		status 0 "$gmemctl" check "$policy"
		status 0 "$gmemctl" test "$cases"
		says out ' cases, 0 failed'
		# The same cases must not pass where all is the other way around.
		sed -e 's/: deny$/: allow/' "$policy" >"$dir/policy.yaml"
		status 6 "$gmemctl" test --policy "$dir/policy.yaml" "$cases"
		says out FAILED
	done
}

test_cases()
{
	status 2 "$gmemctl" staus
	says err "'staus': there is no such command; did you mean status?"
	printf 'policy: x\ncases:\n  - { name: a, op: mmap, expect: allow }\n  - { name: b, op: creat, expect: yes }\n' >"$dir/cases"
	status 2 "$gmemctl" test "$dir/cases"
	says err 'cases:3:5: error: prot "": it is required for mmap'
	says err 'cases:4:35: error: expect must be allow or deny, not "yes"'
	printf 'cases: [ { name: a, op: create, expect: deny } ]\n' >"$dir/cases"
	status 2 "$gmemctl" test "$dir/cases"
	status 3 "$gmemctl" test "$dir/cases" --policy "$dir/cases"
	# Cut off at the limit it would be a valid file of one case.
	head -c 1048576 /dev/zero | tr '\0' '\n' >>"$dir/cases"
	status 2 "$gmemctl" test --policy contrib/policies/cloud-host.yaml "$dir/cases"
	says err 'a file of cases has 1048576 bytes at most'
}

test_check()
{
	local policy=contrib/policies/cloud-host.yaml

	sed -e 's/^rules:/rule:/; s/: enforce/: enforced/' "$policy" >"$dir/bad.yaml"
	status 3 "$gmemctl" check "$dir/bad.yaml"
	says err 'bad.yaml:10:7: error: mode must be enforce or audit, not "enforced"'
	says err '^~~~~~~~'
	says err 'did you mean "rules"?'
	status 3 "$gmemctl" check -o json "$dir/bad.yaml"
	json out 'not d["valid"] and d["errors"] == 3 and d["diagnostics"][0]["line"] == 8'
	status 0 "$gmemctl" check --output=json "$policy"
	json out 'd["valid"] and d["name"] == "cloud-host" and d["rules"] == 2'
	status 0 "$gmemctl" check - <"$policy"
	status 1 "$gmemctl" check "$dir/no-such-file"
	status 2 "$gmemctl" check
	status 2 "$gmemctl" check -o xml "$policy"
	status 2 "$gmemctl" chek
	status 2 "$gmemctl" check "$policy" "$policy"
	status 2 "$gmemctl" check -o json --no-such-option
	json err 'd["error"]["what"]'
	status 0 "$gmemctl" --help
	status 0 "$gmemctl" check --help
}

test_explain()
{
	local policy=contrib/policies/confidential-host.yaml

	status 0 "$gmemctl" explain --policy "$policy" --op convert --uid 1 --direction to-shared --range 0+4KiB
	says out "convert denied by rule low-memory-stays-private ($policy:"
	status 0 "$gmemctl" explain --policy "$policy" --op convert --uid 1 --direction to-shared \
		--range 1MiB+4KiB -o json
	json out 'd["verdict"] == "deny" and d["rule"] == "default"'
	json out '[c["holds"] for r in d["rules"] if r["name"] == "low-memory-stays-private" for c in r["conditions"]] == [True, True, True, False]'
	json out '[c["given"] for r in d["rules"] if r["name"] == "conversions" for c in r["conditions"] if c["condition"] == "vmm: uid"] == ["1"]'
	# This shell, by its pid: its own user, its own executable.
	cat >"$dir/own.yaml" <<-EOF
		version: 1
		name: own
		mode: audit
		default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, punch: deny, receive: deny }
		subjects: { shell: { exe: $(readlink /proc/$$/exe), uid: $(id -u) }, other: { exe: /bin/cat } }
		rules:
		  - { name: other, deny: create, subjects: other }
		  - { name: shell, allow: create, subjects: shell }
	EOF
	status 0 "$gmemctl" explain --policy "$dir/own.yaml" --op create --pid $$ -o json
	json out 'd["rule"] == "shell" and d["verdict"] == "allow" and not d["denied"]'
	status 0 "$gmemctl" explain --policy "$dir/own.yaml" --op bind --pid $$
	says out 'bind allowed, would be denied by default'
	# Another user than group, whom only root can be.
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 1234 --regid 99 --clear-groups sleep 60 &
		sleep 0.2
		status 0 "$gmemctl" explain --policy "$dir/own.yaml" --op create --pid $! -o json
		json out 'd["subject"]["uid"] == 1234'
		kill $!
	fi
	status 2 "$gmemctl" explain --policy "$policy" --op creat
	status 2 "$gmemctl" explain --policy "$policy" --op create --range 0-1
	says err 'it does not apply to create'
	status 2 "$gmemctl" explain --policy "$policy" --op mmap
	status 2 "$gmemctl" explain --policy "$policy" --op create --pid $$ --uid 0
	status 1 "$gmemctl" explain --policy "$policy" --op create --pid 4294967295
	status 3 "$gmemctl" explain --policy "$dir/bad.yaml" --op create
}

test_events()
{
	cat >"$dir/events" <<-'EOF'
		{"stream":{"time_ns":1,"kernel":"7.3","sources":{}}}
		{"seq":1,"event":"create","vm":{"id":1,"name":"a","type":"tdx"},"who":{"uid":64055,"exe":"/bin/x","cgroup":"/a"},"instance":null,"size":4096,"flags":0,"fd":3}
		{"seq":2,"event":"convert","vm":{"id":1,"name":"a","type":"tdx"},"who":{"uid":64055,"exe":"/bin/x","cgroup":"/a"},"start":0,"size":4096,"attributes":0,"direction":"to_shared"}
		{"seq":3,"event":"convert","vm":{"id":1,"name":"a","type":"tdx"},"who":{"uid":64055,"exe":"/bin/x","cgroup":"/a"},"start":1048576,"size":4096,"attributes":0,"direction":"to_shared"}
		{"seq":4,"event":"convert","vm":{"id":1,"name":"a","type":"tdx"},"who":{"uid":64055,"exe":"/bin/x","cgroup":"/a"},"start":1048576,"size":4096,"attributes":0,"direction":"to_shared"}
		{"lost":{"events":5,"after_seq":4,"before_seq":10}}
		{"seq":10,"event":"host_fault","vm":null,"who":{"uid":0,"exe":null,"cgroup":null},"instance":{"size":4096,"flags":3},"offset":0,"write":true,"result":"0"}
		{"seq":11,"event":"release","vm":null}
	EOF
	# One event: the first that a policy decides, of gmemtop or of gmemctl monitor.
	status 0 "$gmemctl" explain --policy contrib/policies/cloud-host.yaml "$dir/events" -o json
	json out 'd["operation"] == "create" and d["request"] == {"size": "4KiB", "flags": "none", "vm-type": "tdx"}'
	json out 'd["subject"]["exe"] == "/bin/x" and d["subject"]["uid"] == 64055 and d["rule"] == "default"'
	status 0 "$gmemctl" explain --policy contrib/policies/confidential-host.yaml -o json \
		'{"seq":7,"operation":"convert","who":{"uid":5,"exe":null,"cgroup":"/b"},"request":{"direction":"to-shared","range":"0x1000-0x2000","vm-type":"unknown"}}'
	json out 'd["rule"] == "low-memory-stays-private" and d["request"]["vm-type"] == "unknown" and d["subject"] == {"exe": None, "exe_untrusted_fs": False, "root": "host", "verity": None, "uid": 5, "user": None, "cgroup": "/b"}'
	status 2 "$gmemctl" explain --policy contrib/policies/cloud-host.yaml '{"event":"release"}'
	status 2 "$gmemctl" explain --policy contrib/policies/cloud-host.yaml --op create "$dir/events"
	status 6 "$gmemctl" test --policy contrib/policies/confidential-host.yaml --events "$dir/events" -o json
	json out '(d["events"], d["denied"], d["skipped"], d["lost"]) == (5, 5, 1, 5)'
	json out '[(x["operation"], x["rule"], x["count"], x["first_seq"]) for x in d["denials"]] == [("create", "default", 1, 1), ("convert", "low-memory-stays-private", 1, 2), ("convert", "default", 2, 3), ("fault", "no-host-view", 1, 10)]'
	# Each of them is allowed by a rule that looks at what the record says.
	cat >"$dir/allow.yaml" <<-'EOF'
		version: 1
		name: allow
		mode: enforce
		default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, punch: deny, receive: deny }
		subjects: { vmm: { exe: /bin/x, uid: 64055, cgroup: /a } }
		rules:
		  - { name: create, allow: create, subjects: vmm, when: { size: "== 4KiB", flags: [], vm-type: tdx } }
		  - { name: low, allow: convert, subjects: vmm, when: { range: 0+4KiB, direction: to-shared } }
		  - { name: high, allow: convert, subjects: vmm, when: { range: 1MiB+4KiB, direction: to-shared } }
		  - { name: fault, allow: fault, subjects: any, when: { size: "== 4KiB", flags: [mmap, init-shared], prot: [write] } }
	EOF
	status 0 "$gmemctl" test --policy "$dir/allow.yaml" --events - <"$dir/events"
	says out '5 events, 0 would be denied'
	echo nonsense >>"$dir/events"
	status 1 "$gmemctl" test --policy "$dir/allow.yaml" --events "$dir/events"
	says err 'line 9: not a JSON object'
	status 2 "$gmemctl" test --events "$dir/events"
	# The first line says what was recorded.
	sed -i 's/"sources":{}/"sources":{"create":"a","bind":"b","mmap":"c","host_fault":null,"allocate":null,"punch":"d","convert":"e"}/' \
		"$dir/events"
	status 0 "$gmemctl" test --policy "$dir/allow.yaml" --events - < <(sed '$d' "$dir/events")
	says out 'not recorded, and nothing is said of them: fault, receive'
	status 0 "$gmemctl" test --policy "$dir/allow.yaml" --events - -o json < <(sed '$d' "$dir/events")
	json out 'd["not_recorded"] == ["fault", "receive"]'
	# Who recorded was killed in the middle of a line.
	sed -i '$d' "$dir/events"
	printf '{"seq":12,"event":"cre' >>"$dir/events"
	status 0 "$gmemctl" test --policy "$dir/allow.yaml" --events "$dir/events"
	says err 'line 9: cut off, and left out'
	says out '5 events, 0 would be denied'
	# What became of it when it happened, and what no rule decided.
	status 0 "$gmemctl" explain --policy contrib/policies/cloud-host.yaml \
		'{"seq":7,"generation":3,"operation":"create","guard":null,"verdict":"denied","who":{"uid":5},"request":{},"by":{"why":"nothing: the task has no identity"}}'
	says out 'when it happened: denied by nothing: the task has no identity, generation 3'
	status 0 "$gmemctl" explain --policy contrib/policies/cloud-host.yaml \
		'{"seq":7,"generation":3,"operation":null,"guard":"trace","verdict":"would_deny","who":{"uid":5},"by":{"why":"the guard trace (x)"}}'
	says out 'would be denied by the guard trace (x), generation 3'
}

# journal_of FILE: denials as JSON, as the journal has them
journal_of()
{
	python3 - "$1" <<-'EOF'
		import json, sys
		def fields(prefix, value):
		    if isinstance(value, dict):
		        for name, member in value.items():
		            yield from fields(prefix if name == "who" else f"{prefix}_{name}".upper().replace("-", "_"), member)
		    elif value is not None:
		        yield prefix, str(value)
		for line in open(sys.argv[1]):
		    print(json.dumps(dict(fields("GMEM", json.loads(line)), MESSAGE="x", _HOSTNAME="of-journal")))
	EOF
}

# Recordings of a fleet, all that allow.yaml allows, and denials of a monitor and of a journal.
recordings()
{
	local n

	rm -rf "$dir/fleet"
	mkdir -p "$dir/fleet/rack"
	for n in 1 2 3 4; do
		printf '{"seq":1,"event":"create","vm":{"id":1,"name":null,"type":"tdx"},"who":{"uid":64055,"exe":"/bin/x","cgroup":"/a"},"instance":null,"errno":0,"size":4096,"flags":0}\n' \
			>"$dir/fleet/host$n.jsonl"
	done
	cp "$dir/fleet/host1.jsonl" "$dir/fleet/rack/host5.jsonl"
	echo nonsense >"$dir/fleet/.hidden"
	cat >"$dir/denials" <<-'EOF'
		{"version":1,"report":"denial","seq":1,"operation":"create","guard":null,"verdict":"would_deny","who":{"pid":3,"uid":64055,"exe":"/bin/x","exe_inode":null,"root":"host","cgroup":"/a"},"instance":null,"request":{"size":"4KiB","flags":"none","vm-type":"tdx"},"by":{"why":"x"}}
		{"version":1,"report":"denial","seq":2,"operation":"convert","guard":null,"verdict":"denied","who":{"pid":3,"uid":64055,"exe":"/bin/x","exe_inode":null,"root":"host","cgroup":"/a"},"instance":null,"request":{"direction":"to-shared","range":"0x0-0x1000","vm-type":"tdx"},"by":{"why":"x"}}
		{"version":1,"report":"denial","seq":3,"operation":null,"guard":"trace","verdict":"denied","who":{"pid":3,"uid":64055,"exe":"/bin/x","exe_inode":null,"root":null,"cgroup":"/a"},"instance":null,"request":{},"by":{"why":"x"}}
		{"version":1,"report":"denial","seq":4,"operation":"receive","guard":null,"verdict":"denied","who":{"pid":3,"uid":64055,"exe":"/bin/x","exe_inode":null,"root":"host","cgroup":"/a"},"instance":{"dev":"0:1","ino":5},"request":{"size":"4KiB","flags":"none","vm-type":"tdx"},"by":{"why":"x"}}
	EOF
	journal_of "$dir/denials" >"$dir/journal"
}

# Two hosts create a larger instance, too.
more_recordings()
{
	printf '{"seq":9,"event":"create","vm":{"id":1,"name":null,"type":"tdx"},"who":{"uid":64055,"exe":"/bin/x","cgroup":"/a"},"instance":null,"errno":0,"size":8192,"flags":0}\n' |
		tee -a "$dir/fleet/host2.jsonl" "$dir/fleet/host2.jsonl" >>"$dir/fleet/rack/host5.jsonl"
}

# What a policy would have denied of them; denials of guards are left out.
test_simulate()
{
	local n

	recordings
	status 0 "$gmemctl" simulate "$dir/allow.yaml" --events "$dir/fleet"
	says out '5 events, 0 would be denied'
	says out 'denials on 0 of 5 hosts'
	more_recordings
	status 6 "$gmemctl" simulate "$dir/allow.yaml" --events "$dir/fleet"
	says out 'denials on 2 of 5 hosts'
	says out 'size 8KiB, flags none, vm-type tdx 2, first host2.jsonl'
	status 6 "$gmemctl" simulate "$dir/allow.yaml" --events "$dir/fleet" -o json
	matches simulate out
	json out '(d["events"], d["denied"], d["hosts"], d["denied_hosts"], d["running"]) == (8, 3, 5, 2, None)'
	json out '[(x["count"], x["hosts"], x["first_host"], x["request"]["size"]) for x in d["denials"]] == [(3, 2, "host2.jsonl", "8KiB")]'
	status 1 "$gmemctl" test --policy "$dir/allow.yaml" --events "$dir/fleet"
	for n in denials journal; do
		status 6 "$gmemctl" simulate "$dir/allow.yaml" --events "$dir/$n" -o json
		json out '(d["events"], d["denied"], d["skipped"], d["incomplete"]) == (3, 1, 1, 0)'
		json out '[(x["operation"], x["uid"], x["exe"], x["cgroup"]) for x in d["denials"]] == [("receive", 64055, "/bin/x", "/a")]'
	done
	status 2 "$gmemctl" simulate
	status 3 "$gmemctl" simulate "$dir/bad.yaml"
}

# A proposal allows what was done and not what was denied; as a drop-in it adds to a policy.
test_learn()
{
	local n

	recordings
	more_recordings
	for n in denials journal; do
		status 0 "$gmemctl" learn "$dir/$n"
		cp "$dir/out" "$dir/learned.yaml"
		says out 'allow: [create]'
		says out '# create: 1 events, seq 1 to 1'
		! grep -q 'allow: .*\(receive\|convert\)' "$dir/out" || fail 'what was only denied is granted'
		status 6 "$gmemctl" simulate "$dir/learned.yaml" --events "$dir/$n" -o json
		json out '[x["operation"] for x in d["denials"]] == ["convert", "receive"]'
	done
	status 0 "$gmemctl" learn "$dir/fleet" -o json
	matches learn out
	json out '(d["events"], d["subjects"], d["rules"], d["overlaps"]) == (8, 1, 1, 0)'
	status 0 "$gmemctl" learn "$dir/fleet"
	says out '  # create: 8 events, seq 1 to 9, host host1.jsonl and others'
	says out 'size: "<= 8KiB", flags-are: [], vm-type: [tdx]'
	cp "$dir/out" "$dir/learned.yaml"
	status 0 "$gmemctl" simulate "$dir/learned.yaml" --events "$dir/fleet"
	# What a policy lacks, as its drop-in.
	cp "$dir/allow.yaml" "$dir/base.yaml"
	mkdir "$dir/base.d"
	status 6 "$gmemctl" simulate "$dir/base.yaml" --events "$dir/fleet"
	status 0 "$gmemctl" learn --base "$dir/base.yaml" "$dir/fleet"
	says out 'which allows 5 events more'
	! grep -q '^default' "$dir/out" || fail 'a drop-in with a default'
	cp "$dir/out" "$dir/base.d/60-learned.yaml"
	status 0 "$gmemctl" simulate "$dir/base.yaml" --events "$dir/fleet"
	status 1 "$gmemctl" learn --base "$dir/base.yaml" "$dir/fleet"
	says err 'the base allows all of it'
	status 1 "$gmemctl" learn /dev/null
	printf '{"report":"lost","lost":{"events":5}}\n' >"$dir/nothing"
	status 1 "$gmemctl" learn "$dir/nothing"
	says err 'no event is evidence'
	status 2 "$gmemctl" learn
	status 2 "$gmemctl" learn --for 1 "$dir/fleet"
	status 3 "$gmemctl" learn --base "$dir/bad.yaml" "$dir/fleet"
}

# Drop-ins: their order, what they cannot have, and what is printed.
test_drop_ins()
{
	local policy=$dir/own.d.yaml

	sed 's/    cgroup: .*//' contrib/policies/cloud-host.yaml >"$policy"
	mkdir "$dir/own.d.d"
	printf 'subjects: { "a\x5c-b": { uid: 5 } }\nrules: []\n' >"$dir/own.d.d/.hidden.yaml"
	echo nonsense >"$dir/own.d.d/readme.txt"
	status 0 "$gmemctl" cat "$policy"
	cmp -s "$policy" "$dir/out" || fail 'without drop-ins the text is another one'
	printf 'rules: [ { name: first, deny: create, subjects: [vmm, agent], when: { flags-are: none } } ]\n' >"$dir/own.d.d/10-first.yaml"
	printf 'version: 2\nsubjects:\n  agent: { exe: "/opt/an \\"agent\\"", uid: [1, 2] }\nrules:\n  - { name: last, allow: create, subjects: [vmm, agent] }\n' >"$dir/own.d.d/60-last.yaml"
	status 0 "$gmemctl" check "$policy"
	says out 'own.d.yaml with drop-ins: valid: policy cloud-host, enforce, 2 subjects, 4 rules'
	status 0 "$gmemctl" cat "$policy"
	cp "$dir/out" "$dir/merged.yaml"
	[ "$(grep -n '"name": "' "$dir/out" | sed 's/.*"name": "\([a-z-]*\)".*/\1/' | tr '\n' ' ')" = 'cloud-host first private-instances conversions last ' ] ||
		fail "the order of drop-ins: $(cat "$dir/out")"
	says out '# '"$dir"'/own.d.d/60-last.yaml:5'
	status 0 "$gmemctl" diff "$policy" "$dir/merged.yaml"
	status 0 "$gmemctl" cat -o json "$policy"
	matches cat out
	json out '[x.split("/")[-1] for x in d["drop_ins"]] == ["10-first.yaml", "60-last.yaml"]'
	# The same written by hand.
	python3 - "$policy" "$dir/hand.yaml" <<-'EOF'
		import sys
		text = open(sys.argv[1]).read()
		head, rules = text.split("\nrules:\n")
		open(sys.argv[2], "w").write(
		    head + '\n  agent: { exe: "/opt/an \\"agent\\"", uid: [1, 2] }\nrules:\n'
		    "  - { name: first, deny: create, subjects: [vmm, agent], when: { flags-are: [] } }\n"
		    + rules + "  - { name: last, allow: create, subjects: [agent, vmm] }\n")
	EOF
	status 0 "$gmemctl" diff "$policy" "$dir/hand.yaml"
	status 6 "$gmemctl" diff "$policy" contrib/policies/cloud-host.yaml
	# Errors are in the file that has them, or in the merged text.
	echo 'mode: audit' >>"$dir/own.d.d/60-last.yaml"
	status 3 "$gmemctl" check "$policy"
	says err '60-last.yaml:6:1: error: a drop-in has no key "mode"; it can have version, subjects, rules'
	status 3 "$gmemctl" cat "$policy"
	sed -i '$d; s/version: 2/version: 1/' "$dir/own.d.d/60-last.yaml"
	status 3 "$gmemctl" check "$policy"
	says err '60-last.yaml:1:10: error: the policy has version 2'
	sed -i 's/version: 1/version: 2/; s/name: last/name: first/' "$dir/own.d.d/60-last.yaml"
	status 3 "$gmemctl" check "$policy"
	says err 'rule "first" is defined twice'
	sed -i 's/^mode: enforce/mode: x/' "$policy"
	status 3 "$gmemctl" check "$policy"
	says err 'own.d.yaml:10:7: error: mode must be enforce or audit'
	chmod 0 "$dir/own.d.d"
	[ "$(id -u)" = 0 ] || status 5 "$gmemctl" check "$policy"
	chmod 755 "$dir/own.d.d"
}

# The record of changes, written by others than gmemctl: hashes are of what is before the last member.
test_changes()
{
	python3 - >"$dir/changes" <<-'EOF'
		import hashlib, json
		previous = None
		for number in range(1, 6):
		    line = json.dumps({"version": 1, "report": "change", "number": number, "time_ns": 1700000000000000000,
		                       "command": "load", "arguments": ["a b", "\u20ac\""], "outcome": "done", "status": 0, "pid": 4,
		                       "uid": 0, "login_uid": 1000, "policy": {"name": "p", "generation": number,
		                       "mode": "audit", "digest": "sha256:0"}, "previous": previous},
		                      separators=(",", ":"), ensure_ascii=False)[:-1]
		    previous = "sha256:" + hashlib.sha256(line.encode()).hexdigest()
		    print(line + f',"hash":"{previous}"}}')
	EOF
	status 0 "$gmemctl" changes "$dir/changes"
	says out '5 changes, complete up to sha256:'
	status 0 "$gmemctl" changes "$dir/changes" -o json
	matches changes out
	json out '[c["number"] for c in d["changes"]] == [1, 2, 3, 4, 5] and d["wrong_line"] is None'
	status 0 "$gmemctl" changes "$dir/changes" --contains "$(sed -n '3s/.*"hash":"\(.*\)"}/\1/p' "$dir/changes")"
	status 6 "$gmemctl" changes "$dir/changes" --contains sha256:0
	says out 'there is no change with the hash sha256:0'
	sed -i '3s/1000/1001/' "$dir/changes"
	status 6 "$gmemctl" changes "$dir/changes"
	says out 'line 3 is wrong: its hash is another one: it was changed'
	status 6 "$gmemctl" changes "$dir/changes" -o json
	matches changes out
	json out '(len(d["changes"]), d["wrong_line"]) == (2, 3)'
	sed -i 3d "$dir/changes"
	status 6 "$gmemctl" changes "$dir/changes"
	says out 'line 3 is wrong: it does not follow the line before'
	status 1 "$gmemctl" changes "$dir/no-such"
}

# recorded FILE PATH WHAT: an event of a task that ran FILE, as PATH
recorded()
{
	stat -c "%Hd %Ld %i" "$1" | while read -r major minor ino; do
		printf '{"seq":1,"generation":3,%s,"who":{"uid":0,"exe":"%s","exe_inode":{"dev":"%s:%s","ino":%s,"generation":0,"changed":0,"subvolume":0},"cgroup":null},"request":{},"size":4096,"flags":0}\n' \
			"$3" "$2" "$major" "$minor" "$ino"
	done
}

# An executable that an upgrade replaced is the file that ran, not the one that has its name now.
test_replaced()
{
	cp /bin/true "$dir/vmm"
	recorded "$dir/vmm" "$dir/vmm (deleted)" '"event":"create"' >"$dir/same.jsonl"
	recorded "$dir/vmm" "$dir/vmm (deleted)" '"operation":"create"' >"$dir/same.event"
	cat >"$dir/vmm.yaml" <<-EOF
		version: 1
		name: vmm
		mode: enforce
		default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, punch: deny, receive: deny }
		subjects: { vmm: { exe: $dir/vmm } }
		rules: [ { name: vmm, allow: create, subjects: vmm } ]
	EOF
	status 0 "$gmemctl" test --policy "$dir/vmm.yaml" --events "$dir/same.jsonl"
	status 0 "$gmemctl" explain --policy "$dir/vmm.yaml" - -o json <"$dir/same.event"
	json out 'd["verdict"] == "allow" and d["rule"] == "vmm"'
	cp /bin/true "$dir/new" && mv "$dir/new" "$dir/vmm"
	status 6 "$gmemctl" test --policy "$dir/vmm.yaml" --events "$dir/same.jsonl"
	status 0 "$gmemctl" explain --policy "$dir/vmm.yaml" - -o json <"$dir/same.event"
	json out 'd["verdict"] == "deny"'
	# Of a denial the path says nothing: the kernel decided by the file.
	sed 's/ (deleted)//' "$dir/same.event" >"$dir/path.event"
	status 0 "$gmemctl" explain --policy "$dir/vmm.yaml" - -o json <"$dir/path.event"
	json out 'd["verdict"] == "deny"'
	# Of many denials it does: they can be of another host, or of a file system that has other numbers.
	sed 's/"request"/"verdict":"would_deny","request"/' "$dir/path.event" >"$dir/path.denials"
	status 0 "$gmemctl" simulate "$dir/vmm.yaml" --events "$dir/path.denials"
	says out '1 events, 0 would be denied'
	# A recording of another host: its numbers mean nothing here.
	sed 's/ (deleted)//' "$dir/same.jsonl" >"$dir/path.jsonl"
	status 0 "$gmemctl" test --policy "$dir/vmm.yaml" --events "$dir/path.jsonl"
}

# matches REPORT FILE: the file has one line, which is this report by the schema
matches()
{
	tests/schema.py contrib/gmemctl.schema.json "$1" <"$dir/$2" 2>"$dir/schema" || fail "$(cat "$dir/schema")"
}

# differs WHAT SED: the last report with this change does not match the schema
differs()
{
	sed "$2" "$dir/out" >"$dir/changed"
	! cmp -s "$dir/out" "$dir/changed" || fail "$1: nothing was changed"
	! tests/schema.py contrib/gmemctl.schema.json <"$dir/changed" 2>/dev/null || fail "$1 matches the schema"
}

# What is written as JSON is what the schema describes; tests/vm/policy_schema.sh has the other reports.
test_schema()
{
	local policy=contrib/policies/cloud-host.yaml

	status 0 "$gmemctl" test contrib/policies/cloud-host.test.yaml -o json
	matches cases out
	status 0 "$gmemctl" explain --policy "$policy" --op create --uid root -o json
	matches explain out
	json out 'd["subject"]["uid"] == 0 and d["subject"]["user"] == "root"'
	status 6 "$gmemctl" test --policy "$dir/vmm.yaml" --events "$dir/same.jsonl" -o json
	matches events out
	status 6 "$gmemctl" diff "$policy" contrib/policies/confidential-host.yaml -o json
	matches diff out
	differs 'a decision less' 's/"b":{"verdict":"[a-z]*",/"b":{/'
	status 6 "$gmemctl" who-can create --policy "$policy" -o json
	matches who_can out
	status 3 "$gmemctl" check "$dir/bad.yaml" -o json
	matches check out
	status 3 "$gmemctl" explain --policy "$dir/bad.yaml" --op create -o json
	matches error err
	status 1 "$gmemctl" check /nonexistent -o json
	matches error err
	status 0 "$gmemctl" check "$policy" -o json
	matches check out
	differs 'another version' 's/"version":1/"version":2/'
	differs 'another report' 's/"report":"check"/"report":"chick"/'
	differs 'a member more' 's/"valid":true/"valid":true,"more":1/'
	differs 'a member less' 's/"valid":true,//'
	differs 'another type' 's/"valid":true/"valid":1/'
	differs 'another word' 's/"mode":"enforce"/"mode":"enforced"/'
}

# Where two policies differ in meaning, and where only their texts do.
test_diff()
{
	local policy=contrib/policies/cloud-host.yaml

	status 0 "$gmemctl" diff "$policy" - < <(sed '/^ *#/d; s/private-instances/other-name/' "$policy")
	says out 'the same decisions for every request of every task'
	status 6 "$gmemctl" diff "$policy" - < <(sed 's/"<= [0-9]*TiB"/"<= 2GiB"/' "$policy")
	says out 'create: allowed by rule private-instances'
	says out 'size 2097156KiB, flags none, vm-type default'
	status 6 "$gmemctl" diff -o json "$policy" - < <(sed 's/"<= [0-9]*TiB"/"<= 2GiB"/' "$policy")
	json out '[(d["operation"], d["a"]["verdict"], d["b"]["verdict"], d["b"]["rule"]) for d in d["differences"]] == [(o, "allow", "deny", "default") for o in ("create", "bind", "punch")]'
	json out 'd["same"] is False and d["same_mode"] and d["manager"] is None and d["guards"] is None'
	# Each example is one for explain too.
	status 6 "$gmemctl" diff -o json contrib/policies/developer-host.yaml "$policy"
	python3 - "$dir/out" "$gmemctl" contrib/policies/developer-host.yaml "$policy" <<-'EOF' || fail 'explain decides otherwise than diff'
		import json, subprocess, sys
		differences = json.load(open(sys.argv[1]))["differences"]
		assert differences
		for one in differences:
		    options = ["--op", one["operation"]]
		    for name in ("exe", "verity", "user", "cgroup"):
		        if one["subject"][name]:
		            options += ["--" + {"user": "uid"}.get(name, name), str(one["subject"][name])]
		    for name, value in one["request"].items():
		        if value != "unknown":
		            options += ["--" + name, value]
		    for side, policy in zip("ab", sys.argv[3:]):
		        out = subprocess.run([sys.argv[2], "explain", "-o", "json", "--policy", policy] + options,
		                             capture_output=True, check=True).stdout
		        decided = json.loads(out)
		        assert (decided["verdict"], decided["rule"]) == (one[side]["verdict"], one[side]["rule"]), one
	EOF
	status 6 "$gmemctl" diff "$policy" - < <(sed 's/^mode: enforce/mode: audit/' "$policy")
	says out 'mode: enforce, then audit'
	status 2 "$gmemctl" diff "$policy"
	status 3 "$gmemctl" diff "$policy" "$dir/bad.yaml"
	status 1 "$gmemctl" diff "$policy" "$dir/no-such"
}

test_who_can()
{
	local policy=contrib/policies/cloud-host.yaml

	status 6 "$gmemctl" who-can create --policy "$policy"
	says out 'vmm      private-instances'
	status 6 "$gmemctl" who-can create --policy "$policy" -o json
	json out '[(a["rule"], a["subjects"]) for a in d["abilities"]] == [("private-instances", ["vmm"])]'
	status 0 "$gmemctl" who-can create --policy "$policy" --except vmm
	says out 'no task can: create is denied in all of 2 classes of tasks'
	status 0 "$gmemctl" who-can create --policy "$policy" --flags mmap
	status 0 "$gmemctl" who-can create --policy "$policy" --size 1024TiB
	status 0 "$gmemctl" who-can mmap --policy "$policy"
	status 0 "$gmemctl" who-can mmap --policy "$policy" -o json
	json out 'd["abilities"] == [] and d["operation"] == "mmap"'
	status 6 "$gmemctl" who-can mmap --policy - < <(sed 's/^default: deny/default: allow/' "$policy")
	says out 'any task'
	status 2 "$gmemctl" who-can
	status 2 "$gmemctl" who-can --policy "$policy" create --except nobody
	says err '--except nobody: the policy has no such subject'
	status 2 "$gmemctl" who-can --policy "$policy" create --range 0-4096
	status 2 "$gmemctl" who-can --policy "$policy" create --size 5000
}

# says_of WANTED TEXT WORD...: each command that reads a file, of this one
says_of()
{
	local wanted=$1 text=$2 policy=contrib/policies/cloud-host.yaml

	shift 2
	for command in check test explain "test --policy $policy --events"; do
		# shellcheck disable=SC2086	# words
		status "$wanted" "$gmemctl" $command "$@"
		says err "$text"
	done
}

# What can be in the place of a file, and where it is looked for.
test_input()
{
	local policy=$PWD/contrib/policies/cloud-host.yaml command

	mkfifo "$dir/fifo"
	truncate -s 2G "$dir/large"
	mkdir "$dir/gone"
	says_of 1 "read $dir: Is a directory" "$dir"
	says_of 1 'read /dev/zero: it is a device; name a file, or - for standard input' /dev/zero
	says_of 1 "read $dir/no-such: No such file or directory" "$dir/no-such"
	says_of 1 'read standard input: it is closed' - <&-
	status 3 "$gmemctl" check "$dir/large"
	says err 'a policy has 1048576 bytes at most'
	status 2 "$gmemctl" test --policy "$policy" "$dir/large"
	says err 'a file of cases has 1048576 bytes at most'
	cat "$policy" >"$dir/fifo" &
	status 0 "$gmemctl" check "$dir/fifo"
	status 0 env -i "$gmemctl" check "$policy"
	# In a directory that is no more.
	# shellcheck disable=SC2016	# the other shell expands it
	status 0 bash -c 'cd "$1" && rmdir "$1" && exec "$2" check "$3"' - "$dir/gone" "$gmemctl" "$policy"
	# No memory for a line is not the end of the file.
	tr '\0' x <"$dir/large" | head -c 300000000 >"$dir/line"
	status 1 prlimit --as=200000000 "$gmemctl" test --policy "$policy" --events "$dir/line"
	says err 'Cannot allocate memory'
	rm "$dir/line" "$dir/large"
}

# --- the manual and the completion name what there is, and nothing else

# What was written must have arrived, and nothing is written to what is opened later.
test_output()
{
	local policy=contrib/policies/cloud-host.yaml command

	for command in "check $policy" "check -o json $policy" --help 'load --help'; do
		# shellcheck disable=SC2086	# words
		"$gmemctl" $command >/dev/full 2>"$dir/err" && fail "$command: a full device is no error"
		grep -q 'write to standard output' "$dir/err" || fail "$command: $(cat "$dir/err")"
		# shellcheck disable=SC2086	# words
		"$gmemctl" $command >&- 2>"$dir/err" && fail "$command: a closed output is no error"
		# shellcheck disable=SC2086	# words
		"$gmemctl" $command 2>"$dir/err" | :
		[ "${PIPESTATUS[0]}" = 0 ] || fail "$command: nobody reads, and that is an error"
		! grep 'standard output' "$dir/err" || fail "$command: nobody reads, and it complains"
	done
	# A terminal is not to be commanded by a name.
	printf 'version: 1\nname: a\302\2331mb\377\n' >"$dir/esc.yaml"
	status 3 "$gmemctl" check "$dir/esc.yaml"
	says err '2 | name: a?1mb?'
}

run_tests
