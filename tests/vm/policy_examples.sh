#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: what a VMM does with private memory (creation, binding, conversions, a reboot of the guest)
# under the three example policies, as who may and as who may not. All of it works without a policy.
set -eu
cd "$(dirname "$0")/../.."
vmm=/usr/bin/qemu-system-x86_64
workload=build/tests/gmem-workload
policies=contrib/policies
tmp=$(mktemp -d)
checks=0 bad=0

# The guest begins, uses its memory, shares some for devices, and is rebooted: all of it is given back.
life='create; bind; start; convert to=private; touch size=2M; convert to=shared size=1M; touch size=1M
	convert to=private size=512K; touch size=512K; convert to=shared; punch; convert to=private
	touch size=2M; unbind; bind; touch size=64K'
# What the host can map, as who develops VMMs wants it.
view='create; bind; mmap; host-touch size=1M; host-touch size=1M read=yes; punch; munmap'

# as UID CGROUP COMMAND...
as()
{
	local uid=$1 cgroup=$2

	shift 2
	(
		echo $BASHPID >"/sys/fs/cgroup$cgroup/cgroup.procs"
		exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@" >"$tmp/out" 2>"$tmp/err"
	)
}

# can WHAT UID CGROUP COMMAND...: it ends well
can()
{
	checks=$((checks + 1))
	! as "${@:2}" || return 0
	echo "$1: $(tail -n 3 "$tmp/err")"
	bad=1
}

load()
{
	build/gmemctl load --accept-default-change "$1" >"$tmp/out" 2>&1 && return
	echo "load of $1:"
	cat "$tmp/out"
	exit 1
}

everybody_else()
{
	can "$1: root" 0 /machine.slice "$vmm" -e 'create expect=EACCES'
	can "$1: outside of the slice" 64055 /user.slice "$vmm" -e 'create expect=EACCES'
	can "$1: another program" 64055 /machine.slice "$workload" -e 'create expect=EACCES'
	can "$1: another user" 1000 /machine.slice "$vmm" -e 'create expect=EACCES'
}

for cgroup in machine.slice user.slice user.slice/user-1000.slice; do
	mkdir "/sys/fs/cgroup/$cgroup"
done
chmod 666 /dev/kvm
chmod 755 "$tmp"
rm -f $vmm
cp $workload $vmm

can "no policy" 64055 /machine.slice $vmm -e "$life"
can "no policy" 1000 /user.slice $workload -t default -f mmap,init-shared -e "$view"

load $policies/cloud-host.yaml
can "cloud host" 64055 /machine.slice $vmm -e "$life"
can "cloud host: no view" 64055 /machine.slice $vmm -e 'create; mmap expect=EACCES'
can "cloud host: nothing to be mapped" 64055 /machine.slice $vmm -f mmap -e 'create expect=EACCES'
everybody_else "cloud host"

load $policies/confidential-host.yaml
can "confidential host: no digest" 64055 /machine.slice $vmm -e 'create expect=EACCES'
# As if the lab had a file system with fs-verity, and then as if it had such hardware.
sed "s|^    verity: .*|    exe: $vmm\n    cgroup: /machine.slice|" $policies/confidential-host.yaml >"$tmp/policy"
load "$tmp/policy"
can "confidential host: no hardware" 64055 /machine.slice $vmm -e 'create expect=EACCES'
sed -i 's/\[sev-snp, tdx\]/[software-protected]/' "$tmp/policy"
load "$tmp/policy"
can "confidential host" 64055 /machine.slice $vmm -e "$life"
can "confidential host: low memory" 64055 /machine.slice $vmm -e \
	'convert to=private gpa=0 size=64K; convert to=shared gpa=0 size=64K expect=EACCES'
can "confidential host: no view" 64055 /machine.slice $vmm -e 'create; mmap expect=EACCES'
everybody_else "confidential host"

load $policies/developer-host.yaml
can "developer host" 1000 /user.slice/user-1000.slice $workload -t default -f mmap,init-shared -e "$view"
can "developer host: private memory" 1001 /user.slice $workload -e "$life"
can "developer host: too large" 1000 /user.slice $workload -e 'create size=9G expect=EACCES'
can "developer host: a service" 1000 /machine.slice $workload -e 'create expect=EACCES'
can "developer host: root in a service" 0 /machine.slice $workload -e 'create expect=EACCES'
build/gmemctl show -o json >"$tmp/show"
python3 - "$tmp/show" <<'END' || bad=1
import json, sys
rules = {r["name"]: r for r in json.load(open(sys.argv[1]))["rules"]}
would = rules["production-would-deny-host-views"]
if would["would_deny"] < 3 or would["denied"]:
    sys.exit("developer host: what production would deny was counted so: %s" % would)
END
build/gmemctl unload >/dev/null
rm -rf "$tmp"
echo "examples: $checks flows$([ $bad = 0 ] || echo ', not all as expected')"
exit $bad
