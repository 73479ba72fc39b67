#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# source.sh WHAT: fetch and unpack WHAT once and print its directory.
#   linux        the kernel source that kernel-patches/v$KERNEL_SERIES is made for
#   stock-7      Debian's newest prebuilt 7.x          stock-6.12   Debian's newest prebuilt 6.12
#   stock-arm64  Debian's newest prebuilt 7.x for arm64
#   userland-arm64  a root directory with arm64 programs, libraries and their headers: what runs in the arm64
#                lanes, and what is linked with for them
#   pahole       a pahole that can encode kfuncs (the directory that holds the program)
#
# All packages come from the Debian mirror that this machine has configured (see apt.sh).
# KERNEL_TARBALL=/path replaces the download of linux. UPDATE=1 looks for newer packages; without it a
# warm cache needs no network.
# Exit status: 0; 1 failed (network, space, bad input); 2 usage; 4 the archive has no such thing.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$(dirname "$0")/apt.sh"

series=${KERNEL_SERIES:-7.3}
patches=$root/kernel-patches/v$series
# Changes whenever stock_tree() makes something else of the same packages.
stock_format=2
# Broken kernels that are downloaded before the search for a working one ends.
stock_tries=4

trap scratch_done EXIT
trap 'exit 130' INT TERM

# candidates REGEX: package names, oldest first
candidates()
{
	own_apt apt-cache pkgnames 2>>"$log" | grep -E "^($1)\$" | sort -t- -k 3 -V || true
}

# unpack_source TARBALL DIRECTORY
unpack_source()
{
	local top

	need_space "$cache/src" 2600 "unpacking the kernel source"
	[ -n "$tmp" ] || scratch source
	mkdir "$tmp/unpacked"
	say "unpacking $(basename "$1")"
	attempt tar -C "$tmp/unpacked" -xf "$1" ||
		die 1 "$1 is no tarball that tar can read: $(reason)"
	top=$(find "$tmp/unpacked" -mindepth 1 -maxdepth 1)
	if [ ! -f "$top/Makefile" ] || [ ! -f "$top/Kbuild" ] || [ ! -d "$top/virt/kvm" ]; then
		die 1 "$1 holds no kernel source (no Makefile, Kbuild, virt/kvm in one directory)"
	fi
	mkdir -p "$cache/src"
	mv -T "$top" "$2"
	scratch_done
}

# series_applies DIRECTORY: the whole series, on copies of the files it touches
series_applies()
{
	[ -d "$patches" ] && "$root/tests/vm/kernel.sh" --try "$1" "$patches" >>"$log" 2>&1
}

from_package()
{
	local version=$2 dir=$cache/src/linux-$2

	if [ ! -d "$dir" ]; then
		get_deb "$1" "$version" || die 1 "$why; log: $log"
		scratch source
		unpack_deb "$deb" "$tmp" || die 1 "$why; log: $log"
		unpack_source "$tmp/usr/src/linux-source-"*.tar.xz "$dir"
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

# stock_whole DIRECTORY: is it a complete kernel that this version of the script has unpacked?
stock_whole()
{
	[ "$(cat "$1/format" 2>/dev/null)" = "$stock_format" ] && [ -s "$1/bzImage" ] &&
		[ -d "$1/lib/modules/$(cat "$1/release" 2>/dev/null)" ]
}

# get_stock LANE SERIES FLAVOUR: unpack the newest usable kernel as $cache/out/LANE-KEY
get_stock()
{
	local link=$cache/src/$1 verdict release version rest tries=0 newest='' old

	if [ -z "${UPDATE:-}" ] && stock_whole "$link"; then
		readlink -f "$link"
		return
	fi
	[ ! -L "$link" ] || [ -n "${UPDATE:-}" ] ||
		say "lane $1: the kernel in the cache is damaged or was unpacked by an older version of" \
			"this script (format $(cat "$link/format" 2>/dev/null || echo none), not" \
			"$stock_format): unpacking it again"
	apt_update "the kernel of lane $1"
	old=$(readlink -m "$link")
	while read -r verdict release version rest <&3; do
		[ "$tries" -lt "$stock_tries" ] || break
		newest=${newest:-$release}
		why=$rest
		# shellcheck disable=SC2086	# a list of words
		if [ "$verdict" = use ] && get_stock_set "$1" "$release" $rest; then
			mkdir -p "$cache/src"
			ln -sfn "../out/$(basename "$dir")" "$link"
			stock_whole "$old" || rm -rf "$old"
			[ "$release" = "$newest" ] ||
				say "lane $1: using $release INSTEAD OF $newest, for the reasons above"
			touch "$dir"
			prune "$1"
			echo "$dir"
			return
		fi
		scratch_done
		[ "$verdict" != use ] || tries=$((tries + 1))
		say "lane $1: cannot use $release ($version): $why"
	done 3< <(package_list linux- | "$root/tests/vm/packages.sh" "$2" "$3")
	die 4 "lane $1: no usable kernel $2.x ($3) in $suites${newest:+, for the reasons above}"
}

# get_stock_set LANE RELEASE NAME=VERSION...: $dir becomes the kernel that these packages make up. Fails
# with the reason in $why.
get_stock_set()
{
	local lane=$1 release=$2 package debs=()

	shift 2
	dir=$cache/out/$lane-$(echo "$stock_format $*" | sha256sum | cut -c 1-12)
	! stock_whole "$dir" || return 0
	for package in "$@"; do
		get_deb "${package%%=*}" "${package#*=}" || return 1
		debs+=("$deb")
	done
	need_space "$cache/out" 1500 "lane $lane"
	scratch "$lane"
	for deb in "${debs[@]}"; do
		unpack_deb "$deb" "$tmp" || return 1
	done
	stock_tree "$tmp" "$release" || return 1
	printf '%s\n' "$@" >"$tmp/tree/packages"
	echo "$stock_format" >"$tmp/tree/format"
	rm -rf "$dir"
	mv -T "$tmp/tree" "$dir"
	scratch_done
	say "lane $lane: unpacked Debian's $release"
}

# stock_tree DIRECTORY RELEASE: accept what was unpacked there if it is a kernel, and make DIRECTORY/tree
# of it as lab.sh needs it. Fails with the reason in $why.
stock_tree()
{
	local tree=$1/tree image config modules dir module

	image=$(find "$1" -name 'vmlinuz*' -type f -size +0 | head -n 1)
	for dir in "$1/lib/modules/$2" "$1/usr/lib/modules/$2"; do
		[ ! -d "$dir/kernel" ] || modules=$dir
	done
	config=$(find "$1/boot" "${modules:-$1/boot}" -maxdepth 1 -type f \
		\( -name config -o -name "config-$2" \) 2>/dev/null | head -n 1)
	why="its packages hold no kernel image (vmlinuz)"
	[ -n "$image" ] || return 1
	why="its packages hold no modules (lib/modules/$2/kernel)"
	[ -n "${modules:-}" ] || return 1
	why="its packages hold no configuration (config)"
	[ -n "$config" ] || return 1

	mkdir -p "$tree/lib/modules" "$tree/usr"
	ln -s ../lib "$tree/usr/lib"
	mv "$image" "$tree/bzImage"
	cp "$config" "$tree/config"
	mv "$modules" "$tree/lib/modules/"
	why="depmod cannot read its modules"
	attempt /sbin/depmod -b "$tree" "$2" || return 1
	# On arm64 KVM is built in.
	why="it has no KVM (CONFIG_KVM=y)"
	if ! grep -qx CONFIG_KVM=y "$tree/config"; then
		why="its modules have no KVM for AMD (kvm-amd)"
		attempt /sbin/modprobe -d "$tree" -S "$2" --show-depends kvm-amd || return 1
	fi
	# Software emulation takes seconds to decompress the modules that every boot loads.
	for module in virtio_pci virtio_console 9pnet_virtio 9p overlay kvm-amd; do
		/sbin/modprobe -d "$tree" -S "$2" --show-depends "$module" 2>/dev/null || true
	done | sed -n 's/^insmod \([^ ]*\.xz\) *$/\1/p' | sort -u | xargs -r xz -d
	attempt /sbin/depmod -b "$tree" "$2" || return 1
	echo "$2" >"$tree/release"
}

# pahole below 1.30 leaves out the kfunc tags, and the kernel's BTF then has no kfuncs. Where the
# machine's own is older, Debian's is run with the libraries that it was built for.
get_pahole()
{
	local own dir=$cache/pahole

	own=$(pahole --version 2>/dev/null | tr -d v || true)
	if [ -n "$own" ] && [ "$(printf '%s\n1.30\n' "$own" | sort -V | head -n 1)" = 1.30 ]; then
		dirname "$(command -v pahole)"
		return
	fi
	if ! "$dir/bin/pahole" --version >/dev/null 2>&1; then
		apt_update "pahole 1.30 (this machine's is ${own:-missing})"
		unpack_pahole "$dir" || die 4 "no pahole 1.30 in $suites: $why; install one by hand"
	fi
	echo "$dir/bin"
}

# unpack_pahole DIRECTORY: with everything that it depends on. Fails with the reason in $why.
unpack_pahole()
{
	local name loader debs=()

	why="the archive has no package pahole"
	[ -n "$(version_of pahole)" ] || return 1
	for name in $(dependencies pahole); do
		get_deb "$name" "$(version_of "$name")" || return 1
		debs+=("$deb")
	done
	scratch pahole
	for deb in "${debs[@]}"; do
		unpack_deb "$deb" "$tmp/root" || return 1
	done
	loader=$(cd "$tmp/root" && find . -name 'ld-linux-x86-64.so.2' ! -type d | head -n 1)
	mkdir "$tmp/bin"
	cat >"$tmp/bin/pahole" <<-END
		#!/bin/sh
		r=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/root
		exec "\$r/$loader" --library-path "\$r/usr/lib/x86_64-linux-gnu" "\$r/usr/bin/pahole" "\$@"
	END
	chmod +x "$tmp/bin/pahole"
	why="the unpacked pahole does not run here"
	attempt "$tmp/bin/pahole" --version || return 1
	rm -rf "$1"
	mv -T "$tmp" "$1"
	tmp=
}

# What the arm64 lanes run besides our programs, and what our programs are linked with (see deps.sh).
userland="bash dash coreutils findutils grep sed mawk kmod procps mount util-linux iproute2 busybox-static
	base-passwd base-files libc6-dev linux-libc-dev libcmocka-dev $("$root/tests/vm/deps.sh" libraries)
	e2fsprogs btrfs-progs xfsprogs f2fs-tools"
# Changes whenever get_userland() makes something else of the same packages.
userland_format=2

# The release that this machine runs, where that is Debian's: its cross compiler has that C library.
userland_suite()
{
	# shellcheck source=/dev/null
	local ID='' VERSION_CODENAME=''

	. /etc/os-release
	[ "$ID" = debian ] || VERSION_CODENAME=
	echo "${VERSION_CODENAME:-trixie}"
}

# note_package DEB TREE: what is known of the package goes where dpkg looks for it, which makes the dependencies
# of what is linked with it
note_package()
{
	local info=$2/var/lib/dpkg/info control=$2.control name file

	mkdir -p "$info" "$control"
	dpkg-deb -e "$1" "$control"
	name=$(sed -n 's/^Package: //p' "$control/control")
	! grep -qx 'Multi-Arch: same' "$control/control" || name=$name:$(sed -n 's/^Architecture: //p' "$control/control")
	{
		sed 's/^\(Package: .*\)/\1\nStatus: install ok installed/' "$control/control"
		echo
	} >>"$2/var/lib/dpkg/status"
	dpkg-deb --fsys-tarfile "$1" | tar -t | sed 's/^\.//; s/\/$//; /^$/d' >"$info/$name.list"
	for file in symbols shlibs; do
		[ ! -e "$control/$file" ] || cp "$control/$file" "$info/$name.$file"
	done
	rm -rf "$control"
}

# get_userland ARCHITECTURE: unpack the packages and all that they depend on; nothing of them is run
get_userland()
{
	local suite dir link name packages

	suite=$(userland_suite)
	dir=$cache/userland/$1-$(echo "$userland_format $suite $userland" | sha256sum | cut -c 1-12)
	if [ ! -d "$dir" ] || [ -n "${UPDATE:-}" ]; then
		packages_for "$1" "$suite"
		apt_state+=-$suite
		apt_update "the user land for $1"
		# shellcheck disable=SC2086	# a list of words
		packages=$(own_apt apt-get -s -q --no-install-recommends install $userland 2>>"$log" |
			sed -n 's/^Inst \([^ ]*\) .*/\1/p')
		[ -n "$packages" ] || die 4 "$suite has not all packages of the user land for $1; log: $log"
		need_space "$cache/userland" 1500 "the user land for $1"
		scratch "userland-$1"
		mkdir -p "$tmp/debs/partial" "$tmp/tree/usr/"{bin,sbin,lib}
		for name in bin sbin lib; do
			ln -s "usr/$name" "$tmp/tree/$name"
		done
		say "downloading the user land for $1: $(echo "$packages" | wc -l) packages of $suite"
		# shellcheck disable=SC2086
		(cd "$tmp/debs" && { attempt own_apt apt-get -q download $packages || die 1 "cannot download it: $(reason)"; })
		for name in "$tmp"/debs/*.deb; do
			# dpkg -x would replace the links of merged directories.
			if ! dpkg-deb --fsys-tarfile "$name" >"$tmp/tar" ||
				! tar -C "$tmp/tree" --keep-directory-symlink -xf "$tmp/tar"; then
				die 1 "cannot unpack $(basename "$name"): see the message above"
			fi
			note_package "$name" "$tmp/tree"
		done
		# Links to absolute paths would lead out of it.
		find "$tmp/tree" -type l -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link name; do
			ln -sfn "$(realpath -m -s --relative-to="$(realpath -m "$(dirname "$link")")" "$tmp/tree$name")" "$link"
		done
		# What packages leave to programs that they run when they are installed.
		[ -e "$tmp/tree/usr/bin/sh" ] || ln -s dash "$tmp/tree/usr/bin/sh"
		ln -s mawk "$tmp/tree/usr/bin/awk"
		for name in passwd group; do
			cp "$tmp/tree/usr/share/base-passwd/$name.master" "$tmp/tree/etc/$name"
		done
		echo 1 >"$tmp/tree/var/lib/dpkg/info/format"
		mkdir -p "$tmp/tree/"{proc,sys,dev,run,tmp,root,etc}
		rm -rf "$dir"
		mv -T "$tmp/tree" "$dir"
		scratch_done
	fi
	echo "$dir"
}

mkdir -p "$cache"
exec 9>"$cache/fetch.lock"
flock 9

case ${1:-} in
linux | pahole | userland-arm64) ;;
*) check_lane "${1:-}" ;;
esac
case ${1:-} in
linux) get_linux ;;
userland-arm64) get_userland arm64 ;;
stock-arm64)
	packages_for arm64 trixie trixie-backports
	get_stock "$1" 7 arm64
	;;
stock-*) get_stock "$1" "${1#stock-}" amd64 ;;
pahole) get_pahole ;;
*) die 2 "usage: source.sh linux|stock-7|stock-6.12|stock-arm64|userland-arm64|pahole" ;;
esac
