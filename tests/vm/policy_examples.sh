#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: what a VMM does with private memory (creation, binding, conversions, a reboot of the guest)
# under the example policies, as an allowed and as a denied process. All of it works without a policy.
#
#   policy_examples.sh         those that need the patches
#   policy_examples.sh stock   the variants for kernels without them
set -eu
cd "$(dirname "$0")/../.."
vmm=/usr/bin/qemu-system-x86_64
workload=build/tests/gmem-workload
policies=contrib/policies
kata=/opt/kata/bin
tmp=$(mktemp -d)
checks=0 bad=0

# The guest begins, uses its memory, shares some for devices, and is rebooted: all of it is given back.
life='create; bind; start; convert to=private; touch size=2M; convert to=shared size=1M; touch size=1M
	convert to=private size=512K; touch size=512K; convert to=shared; punch; convert to=private
	touch size=2M; unbind; bind; touch size=64K'
# What the host can map, as who develops VMMs wants it.
view='create; bind; mmap; host-touch size=1M; host-touch size=1M read=yes; punch; munmap'
map='create; mmap; host-touch size=1M; munmap'

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

denied_to_others()
{
	can "$1: root" 0 /machine.slice "$vmm" -t default -e 'create expect=EACCES'
	can "$1: outside of the slice" 64055 /user.slice "$vmm" -t default -e 'create expect=EACCES'
	can "$1: another program" 64055 /machine.slice "$workload" -t default -e 'create expect=EACCES'
	can "$1: another user" 1000 /machine.slice "$vmm" -t default -e 'create expect=EACCES'
}

# would_deny RULE N: so often at least the rule, in audit mode, would have denied, and it has denied nothing
would_deny()
{
	build/gmemctl show -o json >"$tmp/show"
	python3 - "$tmp/show" "$@" <<'END' || bad=1
import json, sys
rule = next(r for r in json.load(open(sys.argv[1]))["rules"] if r["name"] == sys.argv[2])
if rule["would_deny"] < int(sys.argv[3]) or rule["denied"]:
    sys.exit("what %s would deny was counted so: %s" % (sys.argv[2], rule))
END
}

# An executable that others can write is reported by load and by status.
writable()
{
	load $policies/"$1"
	! grep "can be replaced" "$tmp/out" || bad=1
	build/gmemctl status >"$tmp/status"
	! grep "can be replaced" "$tmp/status" || bad=1
	chown 1000 $vmm
	load $policies/"$1"
	build/gmemctl status >>"$tmp/out"
	checks=$((checks + 1))
	if [ "$(grep -c "exe $vmm can be replaced by others than root: the file $vmm belongs to user 1000" "$tmp/out")" != 2 ]; then
		echo "an executable that others can write is not reported twice:"
		cat "$tmp/out"
		bad=1
	fi
	chown 0 $vmm
}

patched()
{
	can "no policy" 64055 /machine.slice $vmm -e "$life"
	can "no policy" 1000 /user.slice $workload -t default -f mmap,init-shared -e "$view"

	writable cloud-host.yaml
	load $policies/cloud-host.yaml
	can "cloud host" 64055 /machine.slice $vmm -e "$life"
	can "cloud host: no view" 64055 /machine.slice $vmm -e 'create; mmap expect=EACCES'
	can "cloud host: nothing to be mapped" 64055 /machine.slice $vmm -f mmap -e 'create expect=EACCES'
	denied_to_others "cloud host"

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
	denied_to_others "confidential host"

	load $policies/developer-host.yaml
	can "developer host" 1000 /user.slice/user-1000.slice $workload -t default -f mmap,init-shared -e "$view"
	can "developer host: private memory" 1001 /user.slice $workload -e "$life"
	can "developer host: too large" 1000 /user.slice $workload -e 'create size=9G expect=EACCES'
	can "developer host: a service" 1000 /machine.slice $workload -e 'create expect=EACCES'
	can "developer host: root in a service" 0 /machine.slice $workload -e 'create expect=EACCES'
	would_deny production-would-deny-host-views 3

	load $policies/cloud-host-in-place.yaml
	can "in place: private memory" 64055 /machine.slice $vmm -e "$life"
	can "in place" 64055 /machine.slice $vmm -t default -f mmap,init-shared -e "$view"
	can "in place: the flag mmap alone" 64055 /machine.slice $vmm -t default -f mmap -e 'create; mmap'
	denied_to_others "in place"

	load $policies/kata-host.yaml
	can "kata" 0 /kubepods.slice/pod1 $kata/qemu-system-x86_64 -e "$life"
	can "kata: with SNP" 0 /kubepods.slice/pod1 $kata/qemu-system-x86_64-snp-experimental -e "$life"
	can "kata: root of a container" 0 /kubepods.slice/pod1 $workload -e 'create expect=EACCES'
	can "kata: outside of pods" 0 /machine.slice $kata/qemu-system-x86_64 -e 'create expect=EACCES'
	can "kata: no view" 0 /kubepods.slice/pod1 $kata/qemu-system-x86_64 -e 'create; mmap expect=EACCES'

	load $policies/kubevirt-host.yaml
	can "kubevirt" 107 /kubepods.slice/pod1 $workload -e "$life"
	can "kubevirt: root of a container" 0 /kubepods.slice/pod1 $workload -e 'create expect=EACCES'
	can "kubevirt: outside of pods" 107 /machine.slice $workload -e 'create expect=EACCES'
	can "kubevirt: no view" 107 /kubepods.slice/pod1 $workload -e 'create; mmap expect=EACCES'
}

# Which instances can be mapped depends on the kernel.
stock()
{
	local own='create; punch'

	can "no policy" 64055 /machine.slice $vmm -t default -e "$own"
	can "no policy" 1000 /user.slice $workload -t default -e "$own"
	mappable=
	! as 1000 /user.slice $workload -t default -f mmap,init-shared -e "$map" || mappable=yes

	writable cloud-host-stock.yaml
	load $policies/cloud-host-stock.yaml
	can "cloud host" 64055 /machine.slice $vmm -t default -e "$own"
	denied_to_others "cloud host"
	[ ! "$mappable" ] ||
		can "cloud host: no view" 64055 /machine.slice $vmm -t default -f mmap,init-shared -e \
			'create; mmap expect=EACCES'

	load $policies/confidential-host-stock.yaml
	can "confidential host: no digest" 64055 /machine.slice $vmm -t default -e 'create expect=EACCES'
	# As if the lab had a file system with fs-verity, and then as if it had such hardware.
	sed "s|^    verity: .*|    exe: $vmm\n    cgroup: /machine.slice|" \
		$policies/confidential-host-stock.yaml >"$tmp/policy"
	load "$tmp/policy"
	can "confidential host: no hardware" 64055 /machine.slice $vmm -t default -e 'create expect=EACCES'
	sed -i 's/\[sev-snp, tdx\]/[default]/' "$tmp/policy"
	load "$tmp/policy"
	can "confidential host" 64055 /machine.slice $vmm -t default -e "$own"
	denied_to_others "confidential host"

	load $policies/developer-host-stock.yaml
	can "developer host" 1001 /user.slice $workload -t default -e "$own"
	can "developer host: too large to be filled" 1000 /user.slice $workload -t default -e \
		'create size=9G; punch expect=EACCES'
	can "developer host: a service" 1000 /machine.slice $workload -t default -e 'create expect=EACCES'
	can "developer host: root in a service" 0 /machine.slice $workload -t default -e 'create expect=EACCES'
	if [ "$mappable" ]; then
		can "developer host: a view" 1000 /user.slice/user-1000.slice $workload -t default \
			-f mmap,init-shared -e "$map"
		would_deny production-would-deny-host-views 1
	fi
}

for cgroup in machine.slice user.slice user.slice/user-1000.slice kubepods.slice kubepods.slice/pod1; do
	mkdir "/sys/fs/cgroup/$cgroup"
done
chmod 666 /dev/kvm
chmod 755 "$tmp"
rm -f $vmm
cp $workload $vmm
mkdir -p $kata
cp $workload $kata/qemu-system-x86_64
cp $workload $kata/qemu-system-x86_64-snp-experimental

case ${1:-} in
stock) stock ;;
*) patched ;;
esac
build/gmemctl unload >/dev/null
rm -rf "$tmp"
echo "examples: $checks flows$([ $bad = 0 ] || echo ', not all as expected')"
exit $bad
