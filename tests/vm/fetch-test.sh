#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fetch-test.sh CASE: test how the lab finds, downloads and unpacks prebuilt kernels. It uses recorded
# package lists and an archive made for the test; the network is not needed.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=expect.sh
. "$(dirname "$0")/expect.sh"
# shellcheck source=archive.sh
. "$(dirname "$0")/archive.sh"

# resolves LIST SERIES: to the lines on standard input, where names are written without what is common
resolves()
{
	"$vm/packages.sh" "$2" amd64 <"$vm/packages/$1.list" >"$tmp/resolved" ||
		die 1 "packages.sh fails on $1.list"
	sed -E 's/\+deb13-amd64//g; /^use/ { s/=[^ ]*//g; s/ linux-/ /g }' "$tmp/resolved" >"$tmp/found"
	cat >"$tmp/wanted"
	diff -u "$tmp/wanted" "$tmp/found" >&2 || die 1 "$1.list resolves to the lines marked with +"
}

# The recorded layouts, sound and broken.
test_resolve()
{
	resolves one-package 6.12 <<-'END'
		use 6.12.117 6.12.117-1 image-6.12.117
		use 6.12.107 6.12.107-1 image-6.12.107
	END
	resolves one-package 7 </dev/null
	resolves one-package 6.1 </dev/null
	resolves unsigned-binary 7 <<-'END'
		use 7.3.4 7.3.4-1~bpo13+1 binary-unsigned-7.3.4 modules-7.3.4 base-7.3.4
		use 7.2.12 7.2.12-1~bpo13+1 image-7.2.12 base-7.2.12 binary-7.2.12 modules-7.2.12
	END
	resolves split 7 <<-'END'
		use 7.3.4 7.3.4-1~bpo13+1 image-7.3.4 base-7.3.4 binary-7.3.4 modules-7.3.4
		use 7.2.12 7.2.12-1~bpo13+1 image-7.2.12 base-7.2.12 binary-7.2.12 modules-7.2.12
		no 7.1.13 7.1.13-1~bpo13+1 linux-image-7.1.13 needs linux-base-7.1.13 (= 7.1.13-1~bpo13+1), but the archive has no such package
	END
	resolves no-modules 7 <<-'END'
		no 7.3.4 7.3.4-1~bpo13+1 linux-image-7.3.4 needs linux-modules-7.3.4 (= 7.3.4-1~bpo13+1), but the archive has no such package
		use 7.2.12 7.2.12-1~bpo13+1 image-7.2.12 base-7.2.12 binary-7.2.12 modules-7.2.12
	END
	resolves other-version 7 <<-'END'
		no 7.3.5 7.3.5-1~bpo13+1 linux-image-7.3.5 needs linux-modules-7.3.5 of another version (7.3.5-2~bpo13+1)
		no 7.3.4 7.3.4-1~bpo13+1 linux-image-7.3.4 needs linux-base-7.3.4 (= 7.3.4-1~bpo13+1), but the archive has version 7.3.4-2~bpo13+1 of it
		use 7.2.12 7.2.12-1~bpo13+1 image-7.2.12 base-7.2.12 binary-7.2.12 modules-7.2.12
	END
	resolves no-image 7 <<-'END'
		no 7.3.4 7.3.4-1~bpo13+1 linux-image-amd64 needs linux-image-7.3.4 (= 7.3.4-1~bpo13+1), but the archive has no such package
	END
	try 0 "$vm/packages.sh" 7 amd64
	quiet out
	try 2 "$vm/packages.sh" 7
}

# The directory that kernel.sh printed holds kernel $1.
is_kernel()
{
	local dir

	dir=$(cat "$tmp/out")
	[ "$(cat "$dir/release")" = "$1+deb13-amd64" ] || die 1 "not $1: $(cat "$dir/release")"
	[ "$(cat "$dir/bzImage")" = "image of $1" ] || die 1 "bzImage is not the image of $1"
	[ -e "$dir/lib/modules/$1+deb13-amd64/kernel/kvm-amd.ko" ] || die 1 "no modules in $dir"
	[ -s "$dir/config" ] || die 1 "no config in $dir"
	nothing_left tmp
}

# Packages that hold no whole kernel: the next older kernel is used, or none.
test_accept()
{
	other_cache
	use_archive
	add_kernel trixie-backports 7.9.1 image
	add_kernel trixie-backports 7.8.1 modules
	publish trixie trixie-backports
	try 4 "$vm/kernel.sh" stock-7
	quiet out
	said 'cannot use 7.9.1.*no kernel image'
	said 'cannot use 7.8.1.*no modules'
	said_last 'lane stock-7: no usable kernel 7.x (amd64)'
	nothing_left out
	nothing_left src
	nothing_left tmp

	add_kernel trixie-backports 7.6.1 kvm
	add_kernel trixie-backports 7.7.1 config
	add_kernel trixie-backports 7.5.1
	rm "$archive/trixie-backports.entries"/linux-modules-7.9.1*
	publish trixie trixie-backports
	try 0 "$vm/kernel.sh" stock-7
	said 'cannot use 7.9.1.*needs linux-modules-7.9.1.*no such package'
	said 'cannot use 7.8.1.*no modules'
	said 'cannot use 7.7.1.*no configuration'
	said 'cannot use 7.6.1.*no KVM'
	said 'using 7.5.1+deb13-amd64 INSTEAD OF 7.9.1+deb13-amd64'
	is_kernel 7.5.1
	try 125 env LANE=stock-6.12 CMD=true "$vm/lab.sh"
	said 'lane stock-6.12: no usable kernel 6.12.x (amd64) in'
	said_last 'no kernel for lane stock-6.12'
}

# Downloads that were cut off, in the cache and on the mirror.
test_damaged()
{
	local deb dir

	other_cache
	use_archive
	add_kernel trixie-backports 7.5.1
	add_kernel trixie-backports 7.4.1
	publish trixie trixie-backports
	dir=$XDG_CACHE_HOME/gmem-lab
	deb=linux-modules-7.5.1+deb13-amd64_7.5.1-1_amd64.deb
	mkdir -p "$dir/dl"
	head -c 100000 "$archive/pool/$deb" >"$dir/dl/$deb"
	try 0 "$vm/kernel.sh" stock-7
	said "$deb is incomplete or damaged, downloading it again"
	is_kernel 7.5.1
	cmp "$archive/pool/$deb" "$dir/dl/$deb" || die 1 "the .deb in the cache is still damaged"

	rm -rf "$dir"
	truncate -s 100000 "$archive/pool/$deb"
	try 0 "$vm/kernel.sh" stock-7
	said 'cannot use 7.5.1.*cannot download linux-modules-7.5.1'
	said 'using 7.4.1+deb13-amd64 INSTEAD OF'
	is_kernel 7.4.1
	[ ! -e "$dir/dl/$deb" ] || die 1 "the damaged .deb is in the cache"

	# A kernel that lost a file is unpacked again.
	rm "$(cat "$tmp/out")/bzImage"
	try 0 "$vm/kernel.sh" stock-7
	said 'the kernel in the cache is damaged'
	is_kernel 7.4.1
}

# A mirror that lacks one suite, and one that lacks all.
test_suite()
{
	other_cache
	use_archive
	add_kernel trixie 6.12.1
	publish trixie
	try 0 "$vm/kernel.sh" stock-6.12
	said 'has no suite trixie-backports, going on with trixie$'
	is_kernel 6.12.1
	try 4 "$vm/kernel.sh" stock-7
	quiet out
	said_last 'lane stock-7: no usable kernel 7.x (amd64) in trixie$'
	rm -r "$archive/dists/trixie" "$tmp/cache"
	try 4 "$vm/kernel.sh" stock-7
	quiet out
	said_last 'has none of the suites trixie trixie-backports'
	nothing_left out
	nothing_left tmp
}

# With a warm cache neither the network nor the .debs are needed.
test_offline()
{
	local dir

	other_cache
	use_archive
	add_kernel trixie-backports 7.5.1
	publish trixie trixie-backports
	try 0 "$vm/kernel.sh" stock-7
	dir=$(cat "$tmp/out")
	rm -r "$archive" "$XDG_CACHE_HOME/gmem-lab/dl" "$XDG_CACHE_HOME/gmem-lab/apt"
	try 0 "$vm/kernel.sh" stock-7
	quiet err
	[ "$(cat "$tmp/out")" = "$dir" ] || die 1 "another directory than before: $(cat "$tmp/out")"
	is_kernel 7.5.1
	try 4 env UPDATE=1 "$vm/kernel.sh" stock-7
	said_last 'has none of the suites'
	quiet out
	try 0 "$vm/kernel.sh" stock-7
	is_kernel 7.5.1
}

# A cache that an older version of the scripts has filled.
test_older()
{
	local out=$tmp/cache/gmem-lab/out old=stock-7-7.5.1+deb13-amd64

	other_cache
	use_archive
	add_kernel trixie-backports 7.5.1
	publish trixie trixie-backports
	mkdir -p "$out/$old/lib/modules/7.5.1+deb13-amd64"
	echo old >"$out/$old/bzImage"
	echo 7.5.1+deb13-amd64 >"$out/$old/release"
	ln -s "../out/$old" "$out/../src/stock-7"
	# It is left alone until there is a replacement.
	mv "$archive" "$archive.off"
	try 4 "$vm/kernel.sh" stock-7
	said 'an older version of this script (format none, not '
	[ -e "$out/$old/bzImage" ] || die 1 "the old kernel is gone, and there is no new one"
	mv "$archive.off" "$archive"
	try 0 "$vm/kernel.sh" stock-7
	said 'an older version of this script (format none, not '
	is_kernel 7.5.1
	[ ! -e "$out/$old" ] || die 1 "the old kernel is still in the cache"
	try 0 "$vm/kernel.sh" stock-7
	quiet err
}

# A disk that is full in spite of what df says (another process fills it).
test_full()
{
	local size unshare='unshare -m'

	other_cache
	use_archive
	add_kernel trixie-backports 7.5.1
	publish trixie trixie-backports
	[ "$(id -u)" = 0 ] || unshare='unshare -rm'
	if ! $unshare true 2>"$tmp/unshare"; then
		echo "no mount namespace here (a chroot has none): $(cat "$tmp/unshare");" \
			"runs on a machine whose root is a mount point"
		exit 77
	fi
	fake df <<-'END'
		#!/bin/sh
		echo H
		echo "/dev/x 90000 0 90000 0% /"
	END
	# shellcheck disable=SC2016	# for the other shell
	for size in 64k 1m 3m 5m; do
		# shellcheck disable=SC2086	# words
		try 1 $unshare bash -c 'mount -t tmpfs -o size="$1" tmpfs "$XDG_CACHE_HOME" || exit 9
			status=0
			"$2" stock-7 || status=$?
			cd "$XDG_CACHE_HOME/gmem-lab"
			for left in out/* src/* tmp/*; do
				[ ! -e "$left" ] || exit 8
			done
			exit $status' - "$size" "$vm/kernel.sh"
		quiet out
		said_last 'no space left'
	done
}

# pahole runs with whatever its packages depend on, by whatever names.
test_pahole()
{
	local lib

	other_cache
	use_archive
	fake pahole <<-'END'
		#!/bin/sh
		echo v1.20
	END
	mkdir -p "$tmp/content/usr/lib/x86_64-linux-gnu" "$tmp/content/usr/bin" "$tmp/content/usr/lib64"
	echo 'int value(void) { return 30; }' | gcc -shared -fPIC -x c - -o "$tmp/libvalue.so.1"
	printf '#include <stdio.h>\nint value(void);\nint main(void) { return printf("v1.%%d\\n", value()) < 0; }' |
		gcc -x c - -x none "$tmp/libvalue.so.1" -Wl,-rpath-link,"$tmp" -o "$tmp/content/usr/bin/pahole"
	make_deb trixie pahole 1.30-1 "libvalue1t99 (>= 1)"
	lib=$tmp/content/usr/lib/x86_64-linux-gnu
	mkdir -p "$lib"
	cp "$tmp/libvalue.so.1" "$lib/"
	make_deb trixie libvalue1t99 1-1 "libc6"
	mkdir -p "$lib"
	cp -L "$(gcc -print-file-name=libc.so.6)" /lib64/ld-linux-x86-64.so.2 "$lib/"
	make_deb trixie libc6 2-1 ""
	publish trixie trixie-backports
	try 0 "$vm/source.sh" pahole
	[ "$("$(cat "$tmp/out")/pahole" --version)" = v1.30 ] || die 1 "the unpacked pahole does not run"
	nothing_left tmp

	rm -r "$tmp/cache" "$archive/trixie.entries"/libvalue1t99*
	publish trixie
	try 4 "$vm/source.sh" pahole
	said_last 'no pahole 1.30 in'
	nothing_left pahole
	nothing_left tmp
}

run_case
