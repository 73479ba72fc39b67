#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# package-test.sh: the Debian packages on a small host of this machine's Debian, which systemd boots in lane
# patched: package-inside.sh has the cases.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"
log=build/package.log

make --no-print-directory deb >"$log" 2>&1 || die 1 "make deb failed: $(tail -n 5 "$log")"
# A certificate for the exporter, as a host has one.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout build/package.key -out build/package.crt >>"$log" 2>&1 ||
	die 1 "openssl failed: $(tail -n 5 "$log")"
# The libraries that the packages need are a part of the host, as the VM has no network.
mapfile -t libraries < <(for package in build/deb/gmem-*.deb; do
	dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//; /^gmem-/d'
done | sort -u)
where=$(tests/vm/host-root.sh "${libraries[@]}")
LAB_ROOT=$where LANE=patched TIMEOUT=${TIMEOUT:-900} CMD='bash tests/vm/package-inside.sh' tests/vm/lab.sh
