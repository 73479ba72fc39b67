#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# host-root.sh PACKAGE...: have the root directory of a small host of this machine's Debian, with systemd
# and these packages, and print where it is. It is made once, below the cache.
# LAB_ROOT=DIRECTORY tests/vm/lab.sh boots it.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$(dirname "$0")/apt.sh"

mkdir -p "$cache"
trap scratch_done EXIT
trap 'exit 130' INT TERM

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
# systemd-sysv: what a host boots; kmod: gmemctl.service loads KVM's module; curl: a scrape
packages=$(printf '%s\n' systemd-sysv kmod curl ca-certificates "$@" | sort -u | paste -sd ,)
dir=$cache/roots/host-$suite-$(echo "$packages" | sha256sum | cut -c 1-12)
if [ ! -d "$dir" ]; then
	[ "$(id -u)" = 0 ] || die 1 "only root can make a root directory"
	command -v debootstrap >/dev/null || die 1 "no debootstrap here: run make deps"
	uri=$(mirror)
	[ -n "$uri" ] || die 1 "no Debian archive is configured here"
	need_space "$cache/roots" 1000 "the root of a small host"
	scratch host
	say "making the root of a small host ($suite)"
	debootstrap --variant=minbase --include="$packages" --keyring="$keyring" "$suite" "$tmp/host" \
		"$uri" /usr/share/debootstrap/scripts/sid >"$tmp/log" 2>&1 ||
		die 1 "debootstrap failed: $(tail -n 1 "$tmp/log")"
	rm -rf "$tmp/host/var/cache/apt/archives"/*.deb "$tmp/host/var/lib/apt/lists"/*
	# Those of a package that is installed later start, as on a host.
	rm -f "$tmp/host/usr/sbin/policy-rc.d"
	mkdir -p "$cache/roots"
	mv "$tmp/host" "$dir"
fi
echo "$dir"
