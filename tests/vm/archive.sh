# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A small package archive in $tmp/debian, made for a test and used by the real apt. Sourced after expect.sh.

# shellcheck disable=SC2154	# expect.sh sets it
archive=$tmp/debian

# make_deb SUITE NAME VERSION DEPENDS: package what is in $tmp/content (it is emptied)
make_deb()
{
	local deb=pool/$2_${3//:/%3a}_amd64.deb

	mkdir -p "$tmp/content/DEBIAN" "$archive/pool" "$archive/$1.entries"
	{
		echo "Package: $2"
		echo "Version: $3"
		echo "Architecture: amd64"
		echo "Maintainer: test <test@example.org>"
		[ -z "$4" ] || echo "Depends: $4"
		echo "Description: made by a test"
	} >"$tmp/content/DEBIAN/control"
	dpkg-deb -Znone --root-owner-group -b "$tmp/content" "$archive/$deb" >/dev/null
	{
		cat "$tmp/content/DEBIAN/control"
		echo "Filename: $deb"
		echo "Size: $(stat -c %s "$archive/$deb")"
		echo "SHA256: $(sha256sum "$archive/$deb" | cut -d ' ' -f 1)"
		echo
	} >"$archive/$1.entries/$2_$3"
	rm -rf "$tmp/content"
	mkdir "$tmp/content"
}

# publish SUITE...: write the indices of the suites
publish()
{
	local suite packages=main/binary-amd64/Packages dists

	for suite in "$@"; do
		dists=$archive/dists/$suite
		mkdir -p "$dists/main/binary-amd64"
		find "$archive/$suite.entries" -type f -exec cat {} + >"$dists/$packages" 2>/dev/null || true
		{
			echo "Origin: Debian"
			echo "Label: Debian"
			echo "Suite: $suite"
			echo "Codename: $suite"
			echo "Architectures: amd64"
			echo "Components: main"
			echo "Date: $(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')"
			echo "SHA256:"
			echo " $(sha256sum "$dists/$packages" | cut -d ' ' -f 1)" \
				"$(stat -c %s "$dists/$packages") $packages"
		} >"$dists/Release"
	done
}

# use_archive: from here on apt uses it, as if this machine's own sources named it
use_archive()
{
	mkdir -p "$tmp/apt/lists/partial" "$tmp/content"
	echo "deb file:$archive/ trixie main" >"$tmp/apt/sources.list"
	cat >"$tmp/apt/apt.conf" <<-END
		Dir::Etc::sourcelist "$tmp/apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::Lists "$tmp/apt/lists";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
	END
	# It is not signed: apt is told to trust those suites that exist.
	fake apt-get <<-END
		#!/bin/sh
		for release in "$archive"/dists/*/Release; do
			[ -e "\$release" ] || continue
			suite=\$(basename "\$(dirname "\$release")")
			for list in "$tmp/apt/sources.list" "\$XDG_CACHE_HOME/gmem-lab/apt/sources.list"; do
				sed -i "/ \$suite main/s/\[signed/[trusted=yes signed/" "\$list" 2>/dev/null
			done
		done
		exec $(command -v apt-get) "\$@"
	END
	export APT_CONFIG=$tmp/apt/apt.conf
}

# add_kernel SUITE NUMBER [WITHOUT]: a kernel of the split layout, from whose packages WITHOUT (image,
# config, modules or kvm) is missing
add_kernel()
{
	local release=$2+deb13-amd64 version=$2-1 dir module

	dir=$tmp/content/usr/lib/modules/$release
	if [ "${3:-}" != config ]; then
		mkdir -p "$dir"
		echo "CONFIG_TEST=y" >"$dir/config"
	fi
	make_deb "$1" "linux-base-$release" "$version" ""
	if [ "${3:-}" != image ]; then
		mkdir -p "$dir"
		echo "image of $2" >"$dir/vmlinuz"
	fi
	make_deb "$1" "linux-binary-$release" "$version" "linux-base-$release (= $version)"
	if [ "${3:-}" != modules ]; then
		mkdir -p "$dir/kernel"
		[ -e "$tmp/empty.ko" ] || echo 'int nothing;' | gcc -c -x c - -o "$tmp/empty.ko"
		for module in virtio_pci kvm-amd; do
			cp "$tmp/empty.ko" "$dir/kernel/$module.ko"
		done
		[ "${3:-}" != kvm ] || rm "$dir/kernel/kvm-amd.ko"
		head -c 2000000 /dev/urandom >"$dir/kernel/large.bin"
	fi
	make_deb "$1" "linux-modules-$release" "$version" "linux-base-$release (= $version)"
	make_deb "$1" "linux-image-$release" "$version" "kmod, linux-initramfs-tool | dracut,
 linux-binary-$release (= $version), linux-base-$release (= $version),
 linux-modules-$release (= $version)"
}
