#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deps.sh [build]: install what building, testing and the lab need, where it is missing (Debian and
# Ubuntu); with "build" only what compilation, the unit tests and lint need.
# deps.sh libraries: print what the programs are linked with
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What compiles and checks this repository; then what builds a kernel and runs it, and what the tests run.
libraries='libbpf-dev libelf-dev libjson-c-dev libfyaml-dev libsmartcols-dev libncurses-dev libgcrypt20-dev libzstd-dev
	zlib1g-dev libsystemd-dev libaudit-dev libmicrohttpd-dev libgnutls28-dev libcrypt-dev'
packages="gcc make bash pkg-config ca-certificates clang llvm $libraries
	zstd libcmocka-dev scdoc secilc shellcheck clang-format"
lab_packages='git ccache flex bison bc libssl-dev rsync cpio xz-utils kmod perl python3
	busybox-static qemu-system-x86 qemu-system-arm seabios debian-archive-keyring
	libclang-rt-dev e2fsprogs btrfs-progs xfsprogs f2fs-tools procps tmux debhelper gcc-aarch64-linux-gnu debootstrap uuid-dev openssl
	lintian rpm rpmlint systemd libxml2-utils'

# make bench compares with it, and reports where it is missing.
optional=bpftrace

build_only=
case ${1:-} in
'') packages="$packages $lab_packages" ;;
build) optional='' build_only=1 ;;
libraries)
	echo "$libraries"
	exit
	;;
*) die 2 "usage: deps.sh [build]" ;;
esac

# The oldest and the newest clang of this machine's archive, from 14 on: the BPF objects are built by both.
clang_packages()
{
	local package

	apt-cache pkgnames clang- 2>/dev/null | grep -xE 'clang-(1[4-9]|[2-9][0-9])' | sort -V |
		while read -r package; do
			[ -z "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] || echo "$package"
		done | sed -n '1p; $p' | uniq
}

# Ubuntu has bpftool in linux-tools-common, where a real package of that name does not exist.
bpftool_package()
{
	if [ -n "$(apt-cache show --no-all-versions bpftool 2>/dev/null)" ]; then
		echo bpftool
	else
		echo linux-tools-common linux-tools-generic
	fi
}

have_bpftool()
{
	[ -n "$(command -v bpftool || ls /usr/sbin/bpftool 2>/dev/null)" ]
}

# shellcheck disable=SC2086	# a list of words
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	die 1 "this is neither Debian nor Ubuntu: install what these Debian packages hold, then go on:" \
		$packages bpftool pahole
fi

# missing PACKAGE...: those that are not installed, with a space before each
missing()
{
	local installed package

	installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' "$@" 2>/dev/null |
		sed -n 's/^ii *//p' | sed 's/:.*//')
	for package; do
		grep -qxF "$package" <<<"$installed" || printf ' %s' "$package"
	done
}

# Prometheus is unpacked, not installed: the package would start a server that other hosts reach.
have_prometheus()
{
	[ -n "$build_only" ] || command -v promtool >/dev/null || [ -x "$cache/prometheus/usr/bin/promtool" ]
}

fetch_prometheus()
{
	local new=$cache/prometheus.new

	rm -rf "$new"
	mkdir -p "$new"
	(cd "$new" && apt-get -q -o APT::Sandbox::User=root download prometheus) >>"$log" 2>&1 ||
		die 1 "apt-get download prometheus failed (log: $log)"
	dpkg -x "$new"/prometheus_*.deb "$new" && rm "$new"/*.deb && rm -rf "$cache/prometheus" &&
		mv "$new" "$cache/prometheus"
}

# shellcheck disable=SC2046,SC2086	# lists of words
missing=$(missing $packages $(clang_packages))
if [ -z "$missing" ] && have_bpftool && have_prometheus; then
	exit 0
fi

if [ "$(id -u)" != 0 ]; then
	have_bpftool || missing="$missing $(bpftool_package)"
	have_prometheus || missing="$missing prometheus"
	die 1 "packages are missing and you are not root, run: sudo apt-get install$missing"
fi
mkdir -p "$cache"
export DEBIAN_FRONTEND=noninteractive
log=$cache/deps.log
say "bringing the lists of packages up to date"
apt-get -q update >"$log" 2>&1 ||
	say "apt-get update failed, going on with the lists that are there (log: $log)"
# The name of bpftool's package is known only now: a new machine had no lists before.
have_bpftool || missing="$missing $(bpftool_package)"
# The same for the versions of clang.
# shellcheck disable=SC2046	# a list of words
missing="$missing$(missing $(clang_packages))"
[ -z "$optional" ] || [ -z "$(apt-cache show --no-all-versions $optional 2>/dev/null)" ] || missing="$missing $optional"
say "installing$missing"
# shellcheck disable=SC2086
apt-get -qy --no-install-recommends install $missing >>"$log" 2>&1 ||
	die 1 "apt-get install failed: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log") (log: $log)"
have_prometheus || fetch_prometheus
have_bpftool || die 1 "no bpftool after the installation: install it by hand (log: $log)"
say "done"
