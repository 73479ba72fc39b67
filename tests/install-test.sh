#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# install-test.sh [deb | deb-arm64 | rpm]: what `make install` puts where, and that the programs say which release and commit
# they are; with "deb" or "rpm" the same of the packages, which are built from a tarball without git, and that
# lintian or rpmlint find nothing.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

die()
{
	echo "install-test: $*" >&2
	exit 1
}

expected()
{
	cat <<-END
	etc/default/gmem-exporter
	usr/lib/systemd/system/gmem-denials.service
	usr/lib/systemd/system/gmem-exporter.service
	usr/lib/systemd/system/gmem-exporter.socket
	usr/lib/systemd/system/gmem-fail-closed.service
	usr/lib/systemd/system/gmem-recorder.service
	usr/lib/systemd/system/gmemctl-reload.path
	usr/lib/systemd/system/gmemctl-reload.service
	usr/lib/systemd/system/gmemctl.service
	usr/sbin/gmem-exporter
	usr/sbin/gmemctl
	usr/sbin/gmemtop
	usr/share/bash-completion/completions/gmemctl
	usr/share/bash-completion/completions/gmemtop
	usr/share/doc/gmem/gmemctl.schema.json
	usr/share/doc/gmem/gmemtop-report.schema.json
	usr/share/doc/gmem/gmemtop.schema.json
	usr/share/doc/gmem/grafana/gmem.json
	usr/share/doc/gmem/prometheus/alerts.rules.yml
	usr/share/doc/gmem/prometheus/recording.rules.yml
	usr/share/doc/gmem/prometheus/scrape.yml
	END
	for file in contrib/policies/*.yaml; do
		echo "usr/share/doc/gmem/policies/${file##*/}"
	done
	for file in man/*.scd; do
		file=${file##*/} file=${file%.scd}
		echo "usr/share/man/man${file##*.}/$file"
	done
	echo usr/share/man/man8/gmem-exporter.8
}

# extracted DIRECTORY: a package was unpacked there; what only packages have is checked and taken away
extracted()
{
	local name

	[ ! -d "$1/lib" ] || { mkdir -p "$1/usr/lib" && cp -r "$1/lib/." "$1/usr/lib" && rm -r "${1:?}/lib"; }
	for name in gmem-tools gmem-exporter; do
		rm -rf "$1/usr/share/doc/$name"* "$1"/usr/share/licenses/"$name"*
	done
	# A link to a compressed page.
	find "$1/usr/share/man" -type l -name '*.gz' | while read -r name; do mv "$name" "${name%.gz}"; done
	find "$1/usr/share/man" -name '*.gz' -exec gunzip {} + 2>/dev/null || true
	cp -r "$1/." "$tmp/all"
}

mkdir "$tmp/all"
machine=$(uname -m)
case ${1:-} in
deb | deb-arm64)
	arch=$(dpkg --print-architecture) dir=build/deb
	[ "$1" = deb ] || [ "$arch" = arm64 ] || arch=arm64 dir=build/arm64/deb machine=aarch64
	make --no-print-directory deb "ARCH=$machine" >"$tmp/log" 2>&1 || die "make deb: $(tail -n 20 "$tmp/log")"
	for package in "$dir"/gmem-tools_*.deb "$dir"/gmem-exporter_*.deb; do
		name=${package##*/}
		[ "$(dpkg-deb -f "$package" Architecture)" = "$arch" ] || die "$name is of another architecture"
		dpkg-deb -x "$package" "$tmp/${name%%_*}"
		extracted "$tmp/${name%%_*}"
	done
	# The project has no address yet.
	lintian --allow-root --tag-display-limit 0 --fail-on error,warning \
		--suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog \
		"$dir"/gmem_*.changes >"$tmp/log" 2>&1 || die "lintian: $(cat "$tmp/log")"
	;;
rpm)
	make --no-print-directory rpm >"$tmp/log" 2>&1 || die "make rpm: $(tail -n 20 "$tmp/log")"
	for package in build/rpm/RPMS/*/gmem-tools-0*.rpm build/rpm/RPMS/*/gmem-exporter-*.rpm; do
		name=${package##*/}
		mkdir "$tmp/${name%%-[0-9]*}"
		rpm2cpio "$package" | cpio -idm --quiet -D "$tmp/${name%%-[0-9]*}"
		extracted "$tmp/${name%%-[0-9]*}"
	done
	rm -rf "$tmp/all/usr/share/licenses" "$tmp/all/usr/lib/.build-id"
	rpmlint -c contrib/rpm/rpmlint.toml contrib/rpm/gmem.spec build/rpm/RPMS/*/*.rpm >"$tmp/log" 2>&1 ||
		die "rpmlint: $(cat "$tmp/log")"
	! grep -q ': W: ' "$tmp/log" || die "rpmlint: $(cat "$tmp/log")"
	;;
*)
	make --no-print-directory install DESTDIR="$tmp/all" PREFIX=/usr >"$tmp/log" 2>&1 ||
		die "make install: $(tail -n 20 "$tmp/log")"
	;;
esac
diff <(expected | sort) <(cd "$tmp/all" && find . ! -type d -printf '%P\n' | sort) || die "other files than expected"
[ -d "$tmp/all/etc/gmem" ] || die "no /etc/gmem for the policy"
grep -q '^ExecStart=/usr/sbin/gmemctl load /etc/gmem/policy.yaml$' "$tmp/all/usr/lib/systemd/system/gmemctl.service" ||
	die "the unit starts another program"

! grep -r @SBINDIR@ "$tmp/all/usr/lib/systemd" || die "units with a place that is not filled in"

version=$(sed -n 's/^## \([0-9]\)/\1/p' CHANGELOG.md | head -n 1)
grep -q "^Version: *$version\$" contrib/rpm/gmem.spec || die "contrib/rpm/gmem.spec has another version than CHANGELOG.md"
commit=$(git rev-parse --short=12 HEAD)
for program in gmemtop gmemctl gmem-exporter; do
	readelf -h "$tmp/all/usr/sbin/$program" | grep -qi "Machine: .*${machine//_/-}" ||
		die "$program is for another machine than $machine"
done
for program in gmemtop gmemctl; do
	# Programs for another machine do not run here.
	[ "$machine" = "$(uname -m)" ] || {
		grep -aq "$commit" "$tmp/all/usr/sbin/$program" || die "$program does not know its commit, $commit"
		continue
	}
	said=$("$tmp/all/usr/sbin/$program" --version)
	[ "$said" = "$program $version ($commit)" ] || die "$program --version: $said"
done
echo "1 passed, 0 failed, 0 skipped"
