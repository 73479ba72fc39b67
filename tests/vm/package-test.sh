#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# package-test.sh monitoring|policy: the Debian packages on a small host of this machine's Debian, which systemd
# boots in lane patched: package-monitoring.sh and package-policy.sh have the cases.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"
log=build/package.log
case ${1:-} in
monitoring) cases=tests/vm/package-monitoring.sh ;;
policy) cases=tests/vm/package-policy.sh ;;
*) die 2 "usage: package-test.sh monitoring|policy" ;;
esac
PATH=$PATH:$cache/prometheus/usr/bin
prometheus=$(command -v prometheus) || die 1 "no prometheus here: run make deps"

make --no-print-directory deb >"$log" 2>&1 || die 1 "make deb failed: $(tail -n 5 "$log")"
# A certificate for the exporter, as a host has one.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout build/package.key -out build/package.crt >>"$log" 2>&1 ||
	die 1 "openssl failed: $(tail -n 5 "$log")"
# The libraries that the packages need are a part of the host, as the VM has no network.
mapfile -t libraries < <(for package in build/deb/gmem-*.deb; do
	dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//; /^gmem-/d'
done | sort -u)
where=$(tests/vm/host-root.sh "${libraries[@]}")
LAB_ROOT=$where LANE=patched TIMEOUT=${TIMEOUT:-900} CMD="PROMETHEUS=/host$prometheus $cases" tests/vm/lab.sh
