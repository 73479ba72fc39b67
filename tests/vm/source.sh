#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# source.sh WHAT: fetch and unpack WHAT once, print its directory.
#   linux        the kernel source that kernel-patches/v$KERNEL_SERIES is made for
#   stock-7      Debian's newest prebuilt 7.x          stock-6.12   Debian's newest prebuilt 6.12
#   pahole       a pahole that can encode kfuncs (the directory that holds the program)
#
# All of it comes from the Debian mirror that this machine has configured, through an apt state of
# our own: the machine's own sources and lists are not touched. KERNEL_TARBALL=/path replaces the
# download of linux. UPDATE=1 looks for something newer; without it a warm cache needs no network.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

series=${KERNEL_SERIES:-7.3}
patches=$root/kernel-patches/v$series
suites='trixie trixie-backports'
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt_state=$cache/apt
log=$cache/fetch.log

tmp=
trap '[ -z "$tmp" ] || rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

scratch()
{
	mkdir -p "$cache/tmp"
	tmp=$(mktemp -d "$cache/tmp/fetch.XXXXXX")
}

own_apt()
{
	"$@" -o Dir::Etc::sourcelist="$apt_state/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::Lists="$apt_state/lists" \
		-o Dir::Cache::pkgcache="$apt_state/pkgcache.bin" \
		-o Dir::Cache::srcpkgcache="$apt_state/srcpkgcache.bin" -o APT::Get::List-Cleanup=0 \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none
}

# The first Debian main archive that this machine uses names the mirror.
mirror()
{
	# shellcheck disable=SC2016	# apt expands these
	apt-get indextargets --format '$(LABEL)|$(COMPONENT)|$(REPO_URI)' \
		'Created-By: Packages' 2>>"$log" | sed -n 's/^Debian|main|//p' | head -n 1
}

apt_ready=
apt_update()
{
	local uri suite

	[ -z "$apt_ready" ] || return 0
	command -v apt-get >/dev/null ||
		die 4 "no apt-get here to fetch $1: give a kernel source with KERNEL_TARBALL=/path"
	uri=$(mirror)
	[ -n "$uri" ] ||
		die 4 "no Debian mirror is configured on this machine, so $1 cannot be fetched:" \
			"give a kernel source with KERNEL_TARBALL=/path (lanes vanilla, patched, debug)"
	[ -e "$keyring" ] || die 1 "$keyring is missing: install debian-archive-keyring"
	mkdir -p "$apt_state/lists/partial"
	for suite in $suites; do
		echo "deb [signed-by=$keyring] $uri $suite main"
	done >"$apt_state/sources.list"
	say "reading the package lists of $suites"
	own_apt apt-get -q -o APT::Update::Error-Mode=any update >>"$log" 2>&1 ||
		die 1 "cannot read the package lists (no network?): $(tail -n 1 "$log"); log: $log"
	apt_ready=1
}

# candidates REGEX: package names, oldest first
candidates()
{
	own_apt apt-cache pkgnames 2>>"$log" | grep -E "^($1)\$" | sort -t- -k 3 -V || true
}

version_of()
{
	own_apt apt-cache show --no-all-versions "$1" 2>>"$log" | sed -n 's/^Version: //p' | head -n 1
}

# download PACKAGE...: the .debs appear in $cache/dl
download()
{
	local deb

	need_space "$cache/dl" 600 "the download of $1"
	scratch
	say "downloading $*"
	(cd "$tmp" && own_apt apt-get -q download "$@") >>"$log" 2>&1 ||
		die 1 "cannot download $* (no network?): $(tail -n 1 "$log"); log: $log"
	for deb in "$tmp"/*.deb; do
		mv "$deb" "$cache/dl/"
	done
	rm -rf "$tmp"
	tmp=
}

# deb_path PACKAGE VERSION: of a downloaded .deb (apt writes a colon as %3a)
deb_path()
{
	local deb

	for deb in "$cache/dl/$1_${2//:/%3a}"_*.deb; do
		[ ! -e "$deb" ] || echo "$deb"
	done
}

get_deb()
{
	[ -n "$(deb_path "$1" "$2")" ] || download "$1"
	[ -n "$(deb_path "$1" "$2")" ] || die 1 "apt-get fetched no $1 of version $2; log: $log"
}

# unpack_source TARBALL DIRECTORY
unpack_source()
{
	local top

	need_space "$cache/src" 2600 "unpacking the kernel source"
	scratch
	say "unpacking $(basename "$1")"
	tar -C "$tmp" -xf "$1" 2>"$cache/tar.log" ||
		die 1 "$1 is no tarball that tar can read: $(tail -n 1 "$cache/tar.log")"
	top=$(find "$tmp" -mindepth 1 -maxdepth 1)
	if [ ! -f "$top/Makefile" ] || [ ! -f "$top/Kbuild" ] || [ ! -d "$top/virt/kvm" ]; then
		die 1 "$1 holds no kernel source (no Makefile, Kbuild, virt/kvm in one directory)"
	fi
	mkdir -p "$cache/src"
	mv -T "$top" "$2"
	rm -rf "$tmp"
	tmp=
}

# series_applies DIRECTORY: the whole series, on copies of the files it touches
series_applies()
{
	[ -d "$patches" ] && "$root/tests/vm/kernel.sh" --try "$1" "$patches" >>"$log" 2>&1
}

from_package()
{
	local version=$2 deb dir=$cache/src/linux-$2

	if [ ! -d "$dir" ]; then
		get_deb "$1" "$version"
		deb=$(deb_path "$1" "$version")
		scratch
		dpkg -x "$deb" "$tmp" || die 1 "cannot unpack $deb: remove it and try again"
		mv "$tmp"/usr/src/linux-source-*.tar.xz "$cache/dl/linux-$version.tar.xz"
		rm -rf "$tmp"
		tmp=
		unpack_source "$cache/dl/linux-$version.tar.xz" "$dir"
		rm -f "$cache/dl/linux-$version.tar.xz"
	fi
}

# Packages linux-source-N.M other than the series', the nearest first.
neighbours()
{
	candidates 'linux-source-[0-9]+\.[0-9]+' | sed 's/^linux-source-//' |
		awk -F. -v at="$series" '
			BEGIN { split(at, a, ".") }
			$0 != at { d = ($1 - a[1]) * 100 + $2 - a[2]; print (d < 0 ? -d : d), $0 }' |
		sort -n | awk '{ print $2 }'
}

get_linux()
{
	local link=$cache/src/linux-$series version near id

	if [ -n "${KERNEL_TARBALL:-}" ]; then
		[ -f "$KERNEL_TARBALL" ] || die 1 "KERNEL_TARBALL=$KERNEL_TARBALL: no such file"
		id=$(sha256sum "$KERNEL_TARBALL" | cut -c 1-12)
		[ -d "$cache/src/tarball-$id" ] ||
			unpack_source "$KERNEL_TARBALL" "$cache/src/tarball-$id"
		echo "$cache/src/tarball-$id"
		return
	fi
	if [ ! -d "$link/virt" ] || [ -n "${UPDATE:-}" ]; then
		apt_update "the source of Linux $series"
		version=$(version_of "linux-source-$series")
		if [ -n "$version" ]; then
			from_package "linux-source-$series" "$version"
		else
			say "the archive has no linux-source-$series any more, trying its neighbours"
			for near in $(neighbours); do
				version=$(version_of "linux-source-$near")
				from_package "linux-source-$near" "$version"
				if series_applies "$cache/src/linux-$version"; then
					say "using Linux $version INSTEAD OF $series: the series applies to it"
					break
				fi
				say "the series does not apply to Linux $version"
				version=
			done
		fi
		[ -n "$version" ] ||
			die 4 "no kernel source in $suites takes the patches of $patches:" \
				"give one with KERNEL_TARBALL=/path/to/linux-$series.tar.xz"
		ln -sfn "linux-$version" "$link"
	fi
	echo "$cache/src/$(readlink "$link")"
}

# get_stock LANE REGEX: unpack the newest matching kernel as $cache/out/LANE-RELEASE
get_stock()
{
	local link=$cache/src/$1 pkg release version name dir deb

	if [ ! -d "$link/lib/modules" ] || [ -n "${UPDATE:-}" ]; then
		apt_update "the kernel of lane $1"
		pkg=$(candidates "$2" | sed -E 's/^(linux-[a-z-]*[a-z])-([0-9].*)/\2 \1-\2/' | sort -V |
			tail -n 1 | cut -d ' ' -f 2)
		[ -n "$pkg" ] || die 4 "lane $1: no package in $suites matches $2; UPDATE=1 make deps"
		release=${pkg#linux-image-}
		release=${release#linux-binary-unsigned-}
		dir=$cache/out/$1-$release
		if [ ! -d "$dir" ]; then
			need_space "$cache/out" 1500 "lane $1"
			for name in "$pkg" "linux-base-$release" "linux-modules-$release"; do
				version=$(version_of "$name")
				[ -z "$version" ] || get_deb "$name" "$version"
			done
			scratch
			for name in "$pkg" "linux-base-$release" "linux-modules-$release"; do
				for deb in "$cache/dl/${name}"_*.deb; do
					[ ! -e "$deb" ] || dpkg -x "$deb" "$tmp"
				done
			done
			stock_tree "$tmp" "$release"
			mkdir -p "$cache/out"
			mv -T "$tmp/tree" "$dir"
			rm -rf "$tmp"
			tmp=
			say "lane $1 is Debian's $release"
		fi
		mkdir -p "$cache/src"
		ln -sfn "../out/$(basename "$dir")" "$link"
	fi
	echo "$cache/out/$(basename "$(readlink "$link")")"
}

# stock_tree DIRECTORY RELEASE: from Debian's layouts (two of them) to the one that lab.sh wants
stock_tree()
{
	local tree=$1/tree image module

	image=$(find "$1" -name 'vmlinuz*' -type f | head -n 1)
	[ -n "$image" ] || die 1 "the packages of Linux $2 hold no vmlinuz"
	mkdir -p "$tree/lib/modules"
	mv "$image" "$tree/bzImage"
	find "$1/boot" "$1/usr/lib/modules" \( -name config -o -name 'config-*' \) -type f -exec cp {} "$tree/config" \; \
		2>/dev/null || true
	if [ -d "$1/lib/modules/$2" ]; then
		mv "$1/lib/modules/$2" "$tree/lib/modules/"
	else
		mv "$1/usr/lib/modules/$2" "$tree/lib/modules/"
	fi
	mkdir "$tree/usr"
	ln -s ../lib "$tree/usr/lib"
	/sbin/depmod -b "$tree" "$2" || die 1 "depmod failed on Linux $2"
	# Software emulation needs seconds to unpack what every boot loads: that is done here.
	for module in virtio_pci virtio_console 9pnet_virtio 9p overlay kvm-amd; do
		/sbin/modprobe -d "$tree" -S "$2" --show-depends "$module" 2>/dev/null || true
	done | sed -n 's/^insmod \([^ ]*\.xz\) *$/\1/p' | sort -u | xargs -r xz -d
	/sbin/depmod -b "$tree" "$2" || die 1 "depmod failed on Linux $2"
	echo "$2" >"$tree/release"
}

# pahole below 1.30 leaves out the kfunc tags, and the kernel's BTF then has no kfuncs. Where the
# machine's own is older, Debian's is run with the libraries that it was built for.
get_pahole()
{
	local own dir=$cache/pahole pkgs pkg version lib

	own=$(pahole --version 2>/dev/null | tr -d v || true)
	if [ -n "$own" ] && [ "$(printf '%s\n1.30\n' "$own" | sort -V | head -n 1)" = 1.30 ]; then
		dirname "$(command -v pahole)"
		return
	fi
	if [ ! -x "$dir/bin/pahole" ]; then
		apt_update "pahole 1.30 (this machine's is ${own:-missing})"
		pkgs='pahole libdw1t64 libelf1t64 zlib1g libbpf1 libc6 liblzma5 libbz2-1.0 libzstd1'
		for pkg in $pkgs; do
			get_deb "$pkg" "$(version_of "$pkg")"
		done
		scratch
		for pkg in $pkgs; do
			version=$(version_of "$pkg")
			dpkg -x "$(deb_path "$pkg" "$version")" "$tmp/root"
		done
		lib=$(cd "$tmp/root" && find . -name 'ld-linux-x86-64.so.2' ! -type d | head -n 1)
		mkdir "$tmp/bin"
		cat >"$tmp/bin/pahole" <<-END
			#!/bin/sh
			r=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/root
			exec "\$r/$lib" --library-path "\$r/usr/lib/x86_64-linux-gnu" "\$r/usr/bin/pahole" "\$@"
		END
		chmod +x "$tmp/bin/pahole"
		"$tmp/bin/pahole" --version >/dev/null ||
			die 1 "the unpacked pahole does not run here: install pahole 1.30 or newer"
		rm -rf "$dir"
		mv -T "$tmp" "$dir"
		tmp=
	fi
	echo "$dir/bin"
}

mkdir -p "$cache"
exec 9>"$cache/fetch.lock"
flock 9

case ${1:-} in
linux) get_linux ;;
stock-7) get_stock stock-7 'linux-(image|binary-unsigned)-7\.[0-9.]+\+deb[0-9]+-amd64' ;;
stock-6.12) get_stock stock-6.12 'linux-(image|binary-unsigned)-6\.12\.[0-9.]+\+deb[0-9]+-amd64' ;;
pahole) get_pahole ;;
*) die 2 "usage: source.sh linux|stock-7|stock-6.12|pahole" ;;
esac
