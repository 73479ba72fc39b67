#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# shellcheck disable=SC2016	# what stands in single quotes is for the VM's shell
#
# lab-test.sh CASE [LANE]: test the lab from outside. Runs on the host.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=expect.sh
. "$(dirname "$0")/expect.sh"

export LANE=${2:-patched}

lab()
{
	local want=$1

	shift
	try "$want" env "$@" "$vm/lab.sh"
}

test_usage()
{
	lab 2 LANE=wrong CMD=true
	said "unknown LANE 'wrong'"
	quiet out
	try 2 "$vm/kernel.sh" wrong
	said 'unknown LANE'
	try 2 "$vm/kernel.sh"
	lab 2
	said 'no terminal here'
	lab 2 CMD=true TIMEOUT=soon
	said "'soon' is none"
	lab 2 CMD=true LAB_ROOT="$tmp"
	said 'there is no systemd in it'
	try 2 make -C "$root" --no-print-directory lab LANE=wrong CMD=true
	said "unknown LANE 'wrong'"
}

test_tarball()
{
	other_cache
	try 1 env KERNEL_TARBALL="$tmp/none.tar" "$vm/source.sh" linux
	said 'no such file'
	head -c 100000 /dev/urandom >"$tmp/noise.tar.xz"
	try 1 env KERNEL_TARBALL="$tmp/noise.tar.xz" "$vm/source.sh" linux
	said 'is no tarball'
	mkdir -p "$tmp/top/virt/kvm"
	tar -C "$tmp" -cf "$tmp/other.tar" top
	try 1 env KERNEL_TARBALL="$tmp/other.tar" "$vm/source.sh" linux
	said 'holds no kernel source'
	lab 125 KERNEL_TARBALL="$tmp/other.tar" CMD=true
	said 'holds no kernel source'
	mkdir -p "$tmp/two/a" "$tmp/two/b"
	tar -C "$tmp/two" -cf "$tmp/two.tar" a b
	try 1 env KERNEL_TARBALL="$tmp/two.tar" "$vm/source.sh" linux
	said 'holds no kernel source'
	nothing_left src
	nothing_left tmp
	nothing_left out
}

test_patch()
{
	local source series=$root/kernel-patches/v7.3 bad

	source=$("$vm/source.sh" linux)
	try 0 "$vm/kernel.sh" --try "$source" "$series"
	cp -r "$series" "$tmp/series"
	bad=$(find "$tmp/series" -path '*/1-*/0003-*.patch')
	[ -n "$bad" ] || die 1 "the series has no third patch to damage"
	sed -i 's/^ \(.*\)$/ \1 damaged/' "$bad"
	try 1 "$vm/kernel.sh" --try "$source" "$tmp/series"
	said "$(basename "$bad") does not apply"
	grep -q '^error: patch failed: .*:[0-9]' "$tmp/err" || die 1 "the hunk is not named"
}

# The lane of a kernel that is given by hand, up to where make begins to build it.
test_next()
{
	local source file work

	source=$("$vm/source.sh" linux)
	other_cache
	work=$XDG_CACHE_HOME/gmem-lab/trees/next/linux
	for file in make flex bison bc ccache pahole; do
		fake "$file" <<-'END'
			#!/bin/sh
			case $0 in
			*/pahole) echo v1.30 ;;
			esac
			echo "fake: *** nothing is built here"
			exit 1
		END
	done
	try 1 "$vm/kernel.sh" next
	said 'lane next is a kernel given by hand: KERNEL_TARBALL='
	nothing_left trees

	mkdir -p "$tmp/linux/virt/kvm"
	touch "$tmp/linux/Kbuild"
	(cd / && git apply --numstat "$root"/kernel-patches/v7.3/*/000[1-9]-*.patch) | cut -f 3 | sort -u |
		while read -r file; do
			[ ! -e "$source/$file" ] || { cd "$source" && cp --parents "$file" "$tmp/linux/"; }
		done
	echo 'all:' >"$tmp/linux/Makefile"
	given()
	{
		tar -C "$tmp" -cf "$tmp/$1.tar" linux
		try 1 env KERNEL_TARBALL="$tmp/$1.tar" "${@:2}" "$vm/kernel.sh" next
		said 'lane next: the kernel build failed'
	}
	given whole
	said '17 of 17 patches apply'
	grep -q security_guest_memfd_bind "$work/virt/kvm/guest_memfd.c" || die 1 "the tree is not patched"
	! grep -q security_guest_memfd_bind "$XDG_CACHE_HOME"/gmem-lab/src/next/virt/kvm/guest_memfd.c ||
		die 1 "the source that was given is patched"
	# The tarball is remembered.
	rm -r "$tmp/linux/virt/kvm/guest_memfd.h"
	try 1 "$vm/kernel.sh" next
	said '17 of 17 patches apply'
	# One place moved: the rest of this series is left out, and the other series are tried.
	sed -i 's/kvm_range_has_memory_attributes(/kvm_range_has_attributes(/' "$tmp/linux/virt/kvm/kvm_main.c"
	cp "$source/virt/kvm/guest_memfd.h" "$tmp/linux/virt/kvm/"
	given moved
	said '2-lsm/0002-.* does NOT apply'
	grep -q 'patch failed: virt/kvm/kvm_main.c:[0-9]' "$tmp/err" || die 1 "the hunk is not named"
	said '12 of 17 patches apply'
	grep -q security_guest_memfd_bind "$work/virt/kvm/guest_memfd.c" || die 1 "2-lsm/0001 is not applied"
	! grep -q security_guest_memfd_fault "$work/virt/kvm/guest_memfd.c" || die 1 "2-lsm/0003 is applied"
	# Nothing, by wish and because nothing applies.
	given moved KERNEL_PATCHES=none
	said '0 of 0 patches apply'
	cmp "$tmp/linux/virt/kvm/guest_memfd.c" "$work/virt/kvm/guest_memfd.c" || die 1 "the tree is patched"
	find "$tmp/linux" -name '*.[ch]' -exec sh -c 'for f; do echo "int x;" >"$f"; done' sh {} +
	given other
	said '1-kvm/0001-.* does NOT apply'
	[ "$(cat "$work/virt/kvm/guest_memfd.c")" = 'int x;' ] || die 1 "the tree is not the source"
	nothing_left tmp
	nothing_left out
}

test_space()
{
	ln -s "$("$vm/source.sh" linux)" "$tmp/source"
	other_cache
	ln -s "$tmp/source" "$XDG_CACHE_HOME/gmem-lab/src/linux-7.3"
	fake df <<-'END'
		#!/bin/sh
		echo H
		echo "/dev/x 100 90 10 90% /"
	END
	try 1 "$vm/kernel.sh" vanilla
	said 'no space left.*has 10 MiB free'
	nothing_left out
	nothing_left tmp
}

test_network()
{
	local unshare='unshare -n'

	other_cache
	# Root needs no user namespace for it, and has none in a container or a chroot.
	[ "$(id -u)" = 0 ] || unshare='unshare -rn'
	# shellcheck disable=SC2086	# words
	try 1 $unshare "$vm/source.sh" linux
	said 'no network?'
	quiet out
	nothing_left src
	nothing_left tmp
	# As on Ubuntu: there is an apt, and it knows no Debian mirror.
	fake apt-get <<-'END'
		#!/bin/sh
	END
	try 4 "$vm/source.sh" linux
	said 'give a kernel source with KERNEL_TARBALL='
}

test_output()
{
	local n

	lab 37 CMD='head -c 3000000 /dev/urandom | tee "$LAB_OUT/bytes"; echo "to $((40 + 2))" >&2; exit 37' \
		LAB_DIR="$tmp/run"
	cmp "$tmp/out" "$tmp/run/bytes" || die 1 "standard output is not what the command wrote"
	[ "$(cat "$tmp/err")" = "to 42" ] || die 1 "standard error has more: $(cat "$tmp/err")"
	# A command that leaves something running behind must not keep the VM.
	lab 0 CMD='sleep 500 & echo >/dev/stderr; id -u; mount -t tmpfs | wc -l; ls -d /sys/fs/bpf \
		/sys/kernel/tracing/events /sys/kernel/security/lsm /sys/fs/cgroup/cgroup.procs /dev/kvm;
		cat /proc/sys/kernel/hostname; pwd'
	n=$(wc -l <"$tmp/out")
	[ "$n" = 9 ] || die 1 "9 lines expected: $(cat "$tmp/out")"
	[ "$(head -n 1 "$tmp/out")" = 0 ] || die 1 "the command is not root"
	[ "$(tail -n 1 "$tmp/out")" = "$root" ] || die 1 "the command is not in the checkout"
	# The host does not see what the VM writes.
	lab 0 CMD='echo from the VM >made-in-the-vm; cat made-in-the-vm'
	[ ! -e "$root/made-in-the-vm" ] || die 1 "the VM wrote to the host's disk"
}

# count_boots: from here on each start of QEMU is a line of $tmp/arguments
count_boots()
{
	: >"$tmp/arguments"
	fake qemu-system-x86_64 <<-END
		#!/bin/sh
		echo "\$*" >>"$tmp/arguments"
		exec $(command -v qemu-system-x86_64) "\$@"
	END
}

booted_once()
{
	[ "$(wc -l <"$tmp/arguments")" = 1 ] ||
		die 1 "QEMU was started $(wc -l <"$tmp/arguments") times, not once"
}

# A kernel that dies at boot is a failure and is not booted again.
test_dead()
{
	count_boots
	lab 125 CMD=true APPEND='rdinit=/none init=/none'
	said 'the kernel reported: Kernel panic'
	quiet out
	booted_once
	# Nor is a QEMU that does not start.
	fake qemu-system-x86_64 <<-END
		#!/bin/sh
		echo "\$*" >>"$tmp/arguments"
		echo "qemu: cannot start" >&2
		exit 1
	END
	: >"$tmp/arguments"
	lab 125 CMD=true
	said_last 'the VM ended without a status: qemu: cannot start'
	booted_once
}

test_timeout()
{
	local limit=$SECONDS

	# The limit leaves time for the boot on a machine of any speed.
	lab 0 CMD=true
	limit=$(((SECONDS - limit) * 3 + 10))
	count_boots
	lab 124 TIMEOUT=$limit LAB_DIR="$tmp/run" CMD='echo before; sleep 1000'
	said "killed after $limit s"
	[ "$(cat "$tmp/out")" = before ] || die 1 "the output before the timeout is lost"
	# LAB_DIR is among QEMU's arguments.
	grep -q "$tmp/run/console.log" "$tmp/arguments" || die 1 "QEMU's arguments are not as expected"
	[ -z "$(pgrep -f "qemu-system.*$tmp/run" || true)" ] || die 1 "QEMU still runs"
}

test_report()
{
	lab 125 CMD='echo c >/proc/sysrq-trigger; sleep 60'
	said 'the kernel reported: .*Kernel panic\|the kernel reported: .*sysrq'
	lab 125 CMD='echo "<4>WARNING: made by a test" >/dev/kmsg'
	said 'the kernel reported: WARNING: made by a test'
	quiet out
}

test_nokvm()
{
	lab 125 CMD=true APPEND=module_blacklist=kvm_amd
	said "lane $LANE has no KVM"
}

test_two()
{
	local one two

	CMD='sleep 2; echo one' "$vm/lab.sh" >"$tmp/one" 2>&1 &
	one=$!
	CMD='sleep 2; echo two' "$vm/lab.sh" >"$tmp/two" 2>&1 &
	two=$!
	wait $one || die 1 "the first failed: $(cat "$tmp/one")"
	wait $two || die 1 "the second failed: $(cat "$tmp/two")"
	[ "$(cat "$tmp/one" "$tmp/two")" = $'one\ntwo' ] || die 1 "their output is mixed"
}

test_tty()
{
	TTY=1 CMD='tty; stty -a | head -n 1; tty -s && exit 5' TERM=vt100 \
		script -qc "stty rows 33 cols 99; $vm/lab.sh; echo ended with \$?" "$tmp/typescript" \
		</dev/null >"$tmp/out"
	grep -q 'ended with 5' "$tmp/out" || die 1 "the exit status is not 5: $(cat "$tmp/out")"
	grep -q '/dev/hvc0' "$tmp/out" || die 1 "no terminal: $(cat "$tmp/out")"
	grep -q 'rows 33; columns 99' "$tmp/out" || die 1 "not this terminal's size: $(cat "$tmp/out")"
}

# In a shell on the terminal, each command sees the host's files as they are at that time.
test_edited()
{
	local dir show n file

	mkdir -p "$root/build" "$tmp/run"
	dir=$(mktemp -d "$root/build/edited.XXXXXX")
	# shellcheck disable=SC2064	# $dir is known here
	trap "rm -rf '$tmp' '$dir'" EXIT
	for file in inplace replaced removed; do
		echo before >"$dir/$file"
	done
	cp /bin/true "$dir/program"
	show="{ cd $dir; cat inplace replaced; ls -1; ./program; echo program \$?; } >\$LAB_OUT/new 2>&1"
	mkfifo "$tmp/typed"
	LAB_DIR="$tmp/run" script -qc "$vm/lab.sh" "$tmp/typescript" <"$tmp/typed" >"$tmp/out" 2>&1 &
	exec 7>"$tmp/typed"
	for n in 1 2; do
		echo "$show; mv \$LAB_OUT/new \$LAB_OUT/seen$n" >&7
		while kill -0 $! 2>/dev/null && [ ! -e "$tmp/run/seen$n" ]; do
			sleep 0.2
		done
		printf 'after.\n' 1<>"$dir/inplace"
		echo after >"$dir/new"
		mv "$dir/new" "$dir/replaced"
		rm -f "$dir/removed"
		touch "$dir/added"
		printf '#!/bin/sh\nexit 7\n' >"$dir/program"
	done
	echo "echo written >inplace; exit 9" >&7
	exec 7>&-
	wait $! || true
	printf '%s\n' before before inplace program removed replaced 'program 0' >"$tmp/wanted1"
	printf '%s\n' after. after added inplace program replaced 'program 7' >"$tmp/wanted2"
	for n in 1 2; do
		diff -u "$tmp/wanted$n" "$tmp/run/seen$n" >&2 ||
			die 1 "the shell does not see the files as they are; it printed: $(cat "$tmp/out")"
	done
	[ "$(cat "$tmp/run/status")" = 9 ] || die 1 "the shell's exit status is lost"
	[ "$(cat "$dir/inplace")" = after. ] || die 1 "the VM wrote to the checkout"
}

test_icount()
{
	local i

	for i in 1 2; do
		lab 0 ICOUNT=1 CMD=build/tests/bench_ops
		cp "$tmp/out" "$tmp/run$i"
	done
	"$root/build/tests/bench_table" --max 0.5 first="$tmp/run1" again="$tmp/run2" ||
		die 1 "two deterministic runs of the same benchmark differ by 0.5 % or more"
}

# The patterns of tests/vm/reports, without a VM.
test_patterns()
{
	local line

	sed '/^#/d' "$vm/reports" >"$tmp/patterns"
	while read -r line; do
		echo "$line" | grep -qE -f "$tmp/patterns" || die 1 "not found: $line"
	done <<-'END'
		BUG: kernel NULL pointer dereference, address: 0000000000000008
		WARNING: CPU: 1 PID: 77 at virt/kvm/guest_memfd.c:12 kvm_gmem_create+0x1/0x2 [kvm]
		WARNING: virt/kvm/guest_memfd.c:12 at kvm_gmem_create+0x1/0x2, CPU#1: x/77
		WARNING: possible circular locking dependency detected
		Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1]
		general protection fault, probably for non-canonical address
		BUG: KASAN: slab-use-after-free in kvm_gmem_release+0x1/0x2
		BUG kmalloc-64 (Tainted: G    B  ): Object already free
		rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
		rcu: INFO: rcu_preempt self-detected stall on CPU
		INFO: task qemu:12 blocked for more than 60 seconds.
		watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
		kernel BUG at virt/kvm/kvm_main.c:1!
		Kernel panic - not syncing: Fatal exception
		UBSAN: array-index-out-of-bounds in a.c:1:2
		kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
		WARNING: suspicious RCU usage
		BUG: sleeping function called from invalid context at mm/slab.h:1
		refcount_t: underflow; use-after-free.
		------------[ cut here ]------------
	END
	while read -r line; do
		! echo "$line" | grep -qE -f "$tmp/patterns" || die 1 "found in vain: $line"
	done <<-'END'
		Command line: console=ttyS0 loglevel=5 panic=-1 oops=panic
		kmemleak: Kernel memory leak detector initialized (mem pool available: 63000)
		kmemleak: 0 new suspected memory leaks
		Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
		irqbypass: module verification failed: signature and/or required key missing
		rcu: Hierarchical RCU implementation.
		rcu: 	RCU debug extended QS entry/exit.
		FAULT_INJECTION: forcing a failure.
		KernelAddressSanitizer initialized
		[Firmware Bug]: TSC doesn't count with P0 frequency!
	END
}

run_case
