# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the tests that package-test.sh runs in the VM, on a host without the checkout (which is below
# /host, for the packages and the workload): checks, and what is asked of systemd and the exporter.
passed=0 failed=0
tmp=$(mktemp -d)

# check WHAT COMMAND...
check()
{
	local what=$1

	shift
	if "$@" >"$tmp/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok: $what"
	else
		failed=$((failed + 1))
		echo "FAILED: $what: $(tail -n 5 "$tmp/log")"
	fi
}

fails()
{
	! "$@"
}

# Until a command succeeds, two minutes at most: the machine may be loaded.
within()
{
	local end=$((SECONDS + 120))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.5
	done
}

is()
{
	[ "$1" = "$2" ] || {
		echo "'$1' is not '$2'"
		return 1
	}
}

active()
{
	is "$(systemctl is-active "$1")" active
}

scrape()
{
	curl -sf --max-time 20 http://127.0.0.1:9758/metrics >"$tmp/metrics"
}

# The value of a series; the sum where there are several.
value()
{
	scrape && awk -v name="$1" '{ split($1, part, "{") } part[1] == name { sum += $2; n++ } END { if (n) print sum; exit !n }' "$tmp/metrics"
}

# The packages are built by package-test.sh.
install_packages()
{
	check "dpkg -i" dpkg -i build/deb/gmem-tools_*.deb build/deb/gmem-exporter_*.deb
}

summary()
{
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" = 0 ]
}
