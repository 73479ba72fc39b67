#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Install what building, testing and the lab need, where it is missing (Debian and Ubuntu).
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The compilers and libraries, then what builds a kernel and runs it, then what the tests run.
packages='gcc make git bash pkg-config ca-certificates clang llvm ccache
	libbpf-dev libelf-dev libjson-c-dev libfyaml-dev libsmartcols-dev libncurses-dev
	flex bison bc libssl-dev rsync cpio xz-utils zstd kmod perl python3
	busybox-static qemu-system-x86 seabios debian-archive-keyring
	libcmocka-dev libclang-rt-dev scdoc secilc e2fsprogs procps tmux shellcheck clang-format
	gcc-aarch64-linux-gnu debootstrap uuid-dev'

# make bench compares with it, and reports where it is missing.
optional=bpftrace

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

missing=
# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' $packages 2>/dev/null |
	sed -n 's/^ii *//p' | sed 's/:.*//')
for package in $packages; do
	case "
$installed
" in
	*"
$package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done
if [ -z "$missing" ] && have_bpftool; then
	exit 0
fi

if [ "$(id -u)" != 0 ]; then
	have_bpftool || missing="$missing $(bpftool_package)"
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
[ -z "$(apt-cache show --no-all-versions $optional 2>/dev/null)" ] || missing="$missing $optional"
say "installing$missing"
# shellcheck disable=SC2086
apt-get -qy --no-install-recommends install $missing >>"$log" 2>&1 ||
	die 1 "apt-get install failed: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log") (log: $log)"
have_bpftool || die 1 "no bpftool after the installation: install it by hand (log: $log)"
say "done"
