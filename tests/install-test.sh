#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# install-test.sh [deb]: what `make install` puts where, and that the programs say which release and commit they
# are; with "deb" the same of the Debian package, which is built from a tarball without git.
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
	usr/lib/systemd/system/gmemctl.service
	usr/sbin/gmemctl
	usr/sbin/gmemtop
	usr/share/bash-completion/completions/gmemctl
	usr/share/bash-completion/completions/gmemtop
	usr/share/doc/gmem/gmemctl.schema.json
	usr/share/doc/gmem/gmemtop.schema.json
	usr/share/man/man1/gmemtop.1
	usr/share/man/man5/gmem-policy.5
	usr/share/man/man8/gmemctl.8
	usr/share/man/man8/gmemtop-export.8
	END
	for policy in contrib/policies/*.yaml; do
		echo "usr/share/doc/gmem/policies/${policy##*/}"
	done
}

if [ "${1:-}" = deb ]; then
	make --no-print-directory deb >"$tmp/log" 2>&1 || die "make deb: $(tail -n 20 "$tmp/log")"
	dpkg-deb -x build/deb/gmem-tools_*.deb "$tmp/all"
	gunzip -r "$tmp/all/usr/share/man"
	rm -r "$tmp/all/usr/share/doc/gmem-tools"
else
	make --no-print-directory install DESTDIR="$tmp/all" PREFIX=/usr >"$tmp/log" 2>&1 ||
		die "make install: $(tail -n 20 "$tmp/log")"
fi
diff <(expected | sort) <(cd "$tmp/all" && find . -type f -printf '%P\n' | sort) || die "other files than expected"
[ -d "$tmp/all/etc/gmem" ] || die "no /etc/gmem for the policy"
grep -q '^ExecStart=/usr/sbin/gmemctl load /etc/gmem/policy.yaml$' "$tmp/all/usr/lib/systemd/system/gmemctl.service" ||
	die "the unit starts another program"

version=$(sed -n 's/^## \([0-9]\)/\1/p' CHANGELOG.md | head -n 1)
commit=$(git rev-parse --short=12 HEAD)
for program in gmemtop gmemctl; do
	said=$("$tmp/all/usr/sbin/$program" --version)
	[ "$said" = "$program $version ($commit)" ] || die "$program --version: $said"
done
echo "1 passed, 0 failed, 0 skipped"
