#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In a VM that was booted without bpf among its LSMs (lsm=): nothing would be denied, whatever is
# loaded. gmemctl refuses, says why and what to do, leaves nothing behind, and nothing calls itself
# enforced, also where securityfs is not mounted.
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
policy=tests/vm/policies/deny.yaml
lsms=/sys/kernel/security/lsm
checks=0 bad=0

# check WHAT COMMAND...: it succeeds
check()
{
	checks=$((checks + 1))
	"${@:2}" && return
	echo "no-lsm: $1"
	bad=$((bad + 1))
}

not_among()
{
	! grep -qw bpf $lsms
}

# refused STATUS WORDS ARGUMENTS...: gmemctl ends so, and says that
refused()
{
	local status=0

	build/gmemctl "${@:3}" >"$tmp/out" 2>&1 || status=$?
	check "gmemctl ${*:3}: exit status $status" [ "$status" = "$1" ]
	check "gmemctl ${*:3}: says: $(cat "$tmp/out")" grep -qF -- "$2" "$tmp/out"
	check "gmemctl ${*:3}: something is pinned" [ ! -e /sys/fs/bpf/gmem ]
}

creates()
{
	build/tests/gmem-workload -t default -e create >"$tmp/out" 2>&1
}

check "bpf is among the LSMs: boot with lsm= and others" not_among
refused 4 'boot with lsm=...,bpf' load $policy
refused 4 'bpf is not among the LSMs' load --adopt $policy
refused 4 '"todo":"boot with lsm=...,bpf"' load -o json $policy
refused 4 'boot with lsm=...,bpf' load --dry-run $policy
refused 4 'boot with lsm=...,bpf' probe
refused 0 'NOT ENFORCING' status
check "an instance cannot be created" creates
umount /sys/kernel/security
refused 4 'boot with lsm=...,bpf' load $policy
check "an instance cannot be created" creates
echo "no-lsm: $checks checks, $bad failed"
[ $bad = 0 ]
