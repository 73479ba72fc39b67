#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run a command in a VM with one of the lab's kernels. Variables:
#   LANE      patched (default) or another lane of lib.sh
#   CMD       the command, run by bash as root in this checkout; without it, a shell on the terminal
#   TTY=1     give CMD the terminal
#   TIMEOUT   seconds until the VM is killed (300; no limit for a shell)
#   ICOUNT=1  deterministic: one CPU, one guest instruction is one nanosecond
#   LAB_ROOT  a root directory (tests/vm/host-root.sh) whose systemd is booted and runs CMD as a service, with /
#             of this machine at /host; without TTY
#   MEM, SMP  MiB of memory and CPUs (4096, 2)      APPEND  additions to the kernel's command line
#   LAB_DIR   the directory of this run (a new one in build/lab); the VM sees it as $LAB_OUT,
#             and the directory of its kernel as $LAB_KERNEL
#             (the lab uses $LAB_OUT/out, err, cmd, conf, status, stdout, stderr, started and dmesg)
#
# The VM is no sandbox for reading. Its root file system is the whole file system of this machine,
# read by QEMU with the rights of the user that runs this script: with root's, CMD can read every file,
# private keys and /etc/shadow included. It can write to $LAB_OUT only; all other changes stay in the VM's
# memory and are lost at its end. It has no network.
#
# Standard output and error are CMD's own. Exit status: CMD's own; 124 timeout; 125 the lab failed, the
# kernel died, or it printed a report (BUG, WARNING, Oops, KASAN, lockdep, RCU stall, kmemleak); 2 usage.
# A VM is booted once: a kernel that does not always boot is a failure.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

lane=${LANE:-patched}
check_lane "$lane"
shell_escape() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

tty=${TTY:-}
[ -n "${CMD:-}" ] || tty=1
boot_root=${LAB_ROOT:-}
[ -z "$boot_root" ] || [ -x "$boot_root/lib/systemd/systemd" ] ||
	die 2 "LAB_ROOT=$boot_root: there is no systemd in it"
[ -z "$boot_root" ] || [ -z "$tty" ] || die 2 "LAB_ROOT needs CMD, and no TTY"
if [ -n "$tty" ] && { [ ! -t 0 ] || [ ! -t 1 ]; }; then
	die 2 "no terminal here: give the command to run, make lab LANE=$lane CMD='...'"
fi
default_timeout=300
[ -n "${CMD:-}" ] || default_timeout=0
timeout=${TIMEOUT:-$default_timeout}
smp=${SMP:-2} mem=${MEM:-4096}
for n in "$timeout" "$smp" "$mem"; do
	case $n in
	'' | *[!0-9]*) die 2 "TIMEOUT, SMP and MEM are whole numbers, '$n' is none" ;;
	esac
done
arch=$(lane_arch "$lane")
qemu=qemu-system-$arch
command -v "$qemu" >/dev/null || die 125 "no $qemu here: run make deps"
# The root directory whose programs run in the VM: this machine's own, or one of the other architecture.
userland=
if [ "$arch" = aarch64 ]; then
	[ -z "$boot_root" ] || die 2 "LAB_ROOT is a root of x86: not in lane $lane"
	userland=$("$root/tests/vm/source.sh" userland-arm64) || die 125 "no user land for lane $lane, see above"
fi
busybox=$userland/bin/busybox
[ -x "$busybox" ] || die 125 "no $busybox here: run make deps"

lane_dir=$("$root/tests/vm/kernel.sh" "$lane") || die 125 "no kernel for lane $lane, see above"
release=$(cat "$lane_dir/release")

if [ -n "${LAB_DIR:-}" ]; then
	mkdir -p "$LAB_DIR"
	run=$(cd "$LAB_DIR" && pwd -P)
else
	mkdir -p "$root/build/lab"
	run=$(mktemp -d "$root/build/lab/$lane.XXXXXX")
fi

# Virtio, 9p and overlay of kernels that have them as modules, in the order in which they load.
make_initrd()
{
	local tree kind path name

	tree=$(mktemp -d "$lane_dir/initrd.XXXXXX")
	mkdir "$tree/bin" "$tree/modules" "$tree/dev"
	cp "$busybox" "$tree/bin/"
	cp "$root/tests/vm/init" "$tree/init"
	chmod 755 "$tree/init"
	for name in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		/sbin/modprobe -d "$lane_dir" -S "$release" --show-depends "$name" 2>/dev/null || true
	done | while read -r kind path _; do
		name=$(basename "$path")
		name=${name%.xz}
		name=${name%.zst}
		if [ "$kind" != insmod ] || [ -e "$tree/modules/$name" ]; then
			continue
		fi
		case $path in
		*.xz) xz -dc "$path" ;;
		*.zst) zstd -qdc "$path" ;;
		*) cat "$path" ;;
		esac >"$tree/modules/$name"
		echo "$name" >>"$tree/modules/order"
	done
	(cd "$tree" && find . | cpio -o -H newc --quiet) | gzip -1 >"$tree.cpio.gz"
	rm -rf "$tree"
	mv "$tree.cpio.gz" "$1"
}

initrd=$lane_dir/initrd-$(cat "$root/tests/vm/init" "$busybox" | sha256sum | cut -c 1-12)
[ -e "$initrd" ] || make_initrd "$initrd"

printf '%s\n' "${CMD:-}" >"$run/cmd"
[ -n "${CMD:-}" ] || : >"$run/cmd"
size=$(stty size 2>/dev/null || echo 24 80)
{
	echo "lane=$(shell_escape "$lane")"
	echo "checkout=$(shell_escape "$root")"
	echo "lane_dir=$(shell_escape "$lane_dir")"
	echo "release=$(shell_escape "$release")"
	echo "boot_root=$(shell_escape "$boot_root") userland=$(shell_escape "$userland")"
	echo "tty=$(shell_escape "$tty") term=$(shell_escape "${TERM:-linux}")"
	echo "rows=${size% *} cols=${size#* } no_kmemleak=$(shell_escape "${NO_KMEMLEAK:-}")"
} >"$run/conf"

append="loglevel=5 panic=-1 oops=panic ${APPEND:-}"
case $arch in
x86_64)
	append="console=ttyS0 tsc=reliable no_timer_check $append"
	machine=(-machine q35 -cpu max)
	# One thread for all CPUs of the VM: with one each, QEMU 7.2 now and then runs code that was patched
	# away (an int3 oops in __schedule) and loses nested guests. It is hardly slower.
	accel=tcg,thread=single
	;;
aarch64)
	append="console=ttyAMA0 $append"
	# KVM needs EL2. Pointer authentication by the architecture's own algorithm costs more than all else.
	machine=(-machine 'virt,virtualization=on,gic-version=3' -cpu 'max,pauth-impdef=on')
	# One thread for each CPU: reordering among CPUs is at least possible.
	accel=tcg,thread=multi
	;;
esac
extra=()
# Its KASAN asks the CPU's features where the shadow begins, while the boot processor's are being read
# anew: an interrupt there is a false report. With four levels of page tables the answer is the same.
[ "$lane" != debug ] || append="$append no5lvl"
# Without udev the terminal's device never appears, for which systemd would wait 90 seconds.
[ -z "$boot_root" ] || append="$append systemd.getty_auto=no"
if [ -n "${ICOUNT:-}" ]; then
	smp=1
	append="$append nokaslr"
	extra+=(-icount 'shift=0,sleep=off' -seed 1 -rtc 'base=2026-01-01,clock=vm')
else
	# At the same addresses each time, a program's code is translated by QEMU once and not at each
	# start, which would be half of what a test costs that starts many.
	append="$append norandmaps"
	# Measured by the guest on a loaded machine, it is wrong (see tsc_khz.c). A tree that was not built
	# has no such program, and the guest measures.
	if [ "$arch" = x86_64 ] && khz=$("$root/build/tests/tsc_khz" 2>/dev/null); then
		append="$append tsc_early_khz=$khz"
	fi
fi
half=$((mem / 2))
foreground=()
if [ -n "$tty" ]; then
	foreground=(--foreground)
	extra+=(-chardev 'stdio,id=tty,signal=off' -device 'virtconsole,chardev=tty')
fi

vm=
# shellcheck disable=SC2317	# called by the trap
stop()
{
	[ -z "$vm" ] || kill -TERM "$vm" 2>/dev/null || true
	[ -z "$vm" ] || wait "$vm" 2>/dev/null || true
	rm -f "$run/out" "$run/err"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# One VM, from power-on to its end; the status that timeout(1) gives is left in $ended.
boot()
{
	local readers=()

	rm -f "$run/status" "$run/failed" "$run/started" "$run/dmesg" "$run/out" "$run/err"
	mkfifo "$run/out" "$run/err"
	tee "$run/stdout" <"$run/out" &
	readers+=($!)
	tee "$run/stderr" <"$run/err" >&2 &
	readers+=($!)
	set -- -nodefaults -no-user-config -display none -no-reboot \
		"${machine[@]}" -accel "$accel" -smp "$smp" -m "$mem" \
		-object memory-backend-ram,id=m0,size="${half}M" \
		-object memory-backend-ram,id=m1,size="$((mem - half))M" \
		-numa node,memdev=m0 -numa node,memdev=m1 \
		-kernel "$lane_dir/bzImage" -initrd "$initrd" -append "$append" \
		-chardev file,id=console,path="$run/console.log" -serial chardev:console \
		-device virtio-serial-pci \
		-chardev file,id=out,path="$run/out" -chardev file,id=err,path="$run/err" \
		-device virtserialport,chardev=out,name=lab.out \
		-device virtserialport,chardev=err,name=lab.err \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		-fsdev local,id=lab,path="$run",security_model=none,multidevs=remap \
		-device virtio-9p-pci,fsdev=lab,mount_tag=lab "${extra[@]}"
	ended=0
	if [ -n "$tty" ]; then
		timeout "${foreground[@]}" -k 10 "$timeout" "$qemu" "$@" \
			2>"$run/qemu.log" || ended=$?
	else
		timeout -k 10 "$timeout" "$qemu" "$@" \
			</dev/null >"$run/qemu.log" 2>&1 &
		vm=$!
		wait "$vm" || ended=$?
		vm=
	fi
	# A QEMU that never started leaves the readers waiting for a first writer.
	[ ! -p "$run/out" ] || { : 1<>"$run/out"; } || true
	[ ! -p "$run/err" ] || { : 1<>"$run/err"; } || true
	wait "${readers[@]}" || true
	rm -f "$run/out" "$run/err"
}

# The first line of the kernel's log that reports a fault of its own.
report()
{
	cat "$run/console.log" "$run/dmesg" 2>/dev/null | tr -d '\r' |
		sed -E 's/^(\[[^]]*\])+ *//' |
		grep -aE -m 1 -f <(sed '/^#/d' "$root/tests/vm/reports") || true
}

boot
found=$(report)
[ -z "$found" ] || say "the kernel reported: $found (log: $run/console.log)"
if [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
	die 124 "killed after $timeout s, the command had not ended (log: $run/console.log)"
fi
[ ! -e "$run/failed" ] || die 125 "$(cat "$run/failed") (log: $run/console.log)"
[ -z "$found" ] || exit 125
if [ ! -e "$run/status" ]; then
	die 125 "the VM ended without a status: $(tail -n 1 "$run/qemu.log" | cut -c 1-200)" \
		"(QEMU's status $ended, log: $run/console.log)"
fi
exit "$(cat "$run/status")"
