#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh LANE: have the kernel of a lane, print the directory that holds it:
#   bzImage  release  config  lib/modules/RELEASE  selftests/ (KVM's own; not in the stock lanes)
# kernel.sh --try SOURCE PATCHES: does the series in PATCHES apply to SOURCE?
# kernel.sh --applicable SOURCE PATCHES: print what of it applies: of each directory the patches before the
# first one that does not apply, as every patch builds on those before it
#
# Lane next is a kernel given by hand: KERNEL_TARBALL=/path, which is remembered. It is built with what of the
# series applies, or without any of it if KERNEL_PATCHES=none.
#
# What is built stands in $cache/out/LANE-KEY, KEY made of source, patches and config. Each lane has a
# work tree of its own, hard links to the pristine source: a file is replaced, never written to, and
# only where its content changes, so that an edited patch rebuilds what it touches and no more.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

configs=$root/tests/vm/config
trap scratch_done EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The patches of directory $1 and of its subdirectories, in order; an empty list is valid.
patch_list()
{
	find "$1" -maxdepth 2 -name '[0-9]*.patch' ! -name '0000-*' 2>/dev/null | sort
}

# touched PATCH...: the files that the patches change, make or remove
touched()
{
	[ $# -gt 0 ] || return 0
	(cd / && git apply --numstat -z "$@") | tr '\0' '\n' | cut -f 3 | sort -u
}

# apply_patch SOURCE SCRATCH PATCH: in SCRATCH are those files of SOURCE that were touched so far. A patch that
# does not apply changes nothing; what git reports is left in SCRATCH.log.
apply_patch()
{
	local source=$1 scratch=$2 file

	for file in $(touched "$3" 2>/dev/null); do
		if [ -e "$source/$file" ] && [ ! -e "$scratch.seen/$file" ]; then
			mkdir -p "$scratch/$(dirname "$file")"
			cp "$source/$file" "$scratch/$file"
		fi
		mkdir -p "$scratch.seen/$(dirname "$file")"
		: >"$scratch.seen/$file"
	done
	# git must not take the cache for a part of some repository around it
	(cd "$scratch" && GIT_CEILING_DIRECTORIES=$(dirname "$scratch") git apply -v "$3") \
		>"$scratch.log" 2>&1
}

# apply_series SOURCE SCRATCH PATCH...: SCRATCH becomes the touched files, patched
apply_series()
{
	local source=$1 scratch=$2 patch

	shift 2
	for patch in "$@"; do
		apply_patch "$source" "$scratch" "$patch" || {
			grep -E '^error:' "$scratch.log" | head -n 5 >&2
			die 1 "$(basename "$patch") does not apply to $(basename "$source")" \
				"(the hunks are named above); refresh it in $(dirname "$patch")"
		}
	done
	rm -rf "$scratch.seen" "$scratch.log"
}

# applicable SOURCE PATCH...: print those that apply, report the others
applicable()
{
	local source=$1 patch dir stopped=' ' n=0

	shift
	scratch applicable
	mkdir "$tmp/series"
	for patch in "$@"; do
		dir=$(dirname "$patch")
		case $stopped in
		*" $dir "*) continue ;;
		esac
		if apply_patch "$source" "$tmp/series" "$patch"; then
			n=$((n + 1))
			echo "$patch"
		else
			stopped+="$dir "
			say "$(basename "$dir")/$(basename "$patch") does NOT apply to $(basename "$source")," \
				"what follows it in its directory is left out:"
			grep -E '^error: patch failed|^error: .*: No such file' "$tmp/series.log" | sed 's/^error: /\t/' >&2 || true
		fi
	done
	scratch_done
	say "$n of $# patches apply to $(basename "$source")"
}

# put FROM TO: by rename, for TO may share its inode with the pristine source
put()
{
	! cmp -s "$1" "$2" || return 0
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.gmem-new"
	mv "$2.gmem-new" "$2"
}

# The work tree $2 becomes SOURCE with the patches that follow.
sync_tree()
{
	local source=$1 tree=$2 file

	shift 2
	if [ "$(cat "$tree.source" 2>/dev/null)" != "$source" ]; then
		say "lane $lane: a new work tree of $(basename "$source")"
		rm -rf "$tree" "$tree.touched"
		mkdir -p "$(dirname "$tree")"
		cp -al "$source" "$tree" 2>/dev/null || {
			rm -rf "$tree"
			cp -a "$source" "$tree"
		}
		echo "$source" >"$tree.source"
	fi
	scratch series
	mkdir "$tmp/series"
	apply_series "$source" "$tmp/series" "$@"
	touched "$@" >"$tmp/now"
	touch "$tree.touched"
	sort -u "$tree.touched" "$tmp/now" >"$tmp/ever"
	cp "$tmp/ever" "$tree.touched"
	while read -r file; do
		if grep -qxF "$file" "$tmp/now"; then
			if [ -e "$tmp/series/$file" ]; then
				put "$tmp/series/$file" "$tree/$file"
			else
				rm -f "$tree/$file"
			fi
		elif [ -e "$source/$file" ]; then
			put "$source/$file" "$tree/$file"
		else
			rm -f "$tree/$file"
		fi
	done <"$tmp/ever"
	cp "$tmp/now" "$tree.touched"
	scratch_done
}

# Options of the fragments that the kernel's own dependencies refused are worth a word.
check_config()
{
	local line

	# Of an option that two fragments set, the last one counts.
	cat "$@" | grep -E '^CONFIG_[A-Z0-9_]+=[ym]$' | tac | sort -u -t = -k 1,1 | while read -r line; do
		grep -qxF "$line" "$work/linux/build/.config" ||
			say "lane $lane: $line of tests/vm/config did not survive (a dependency is missing)"
	done
}

# Progress of kbuild: its lines, counted; a build from nothing has about 2,650 of them.
progress()
{
	awk -v lane="$lane" '
		/^  [A-Z]+ / && ++n % 250 == 0 {
			printf "kernel: lane %s: %d steps of at most 2650, %s\n", lane, n, $NF
		}
		{ fflush() }' >&2
}

kmake()
{
	make -C "$work/linux" O=build -j "$(($(nproc) + 1))" CC='ccache gcc' HOSTCC='ccache gcc' \
		PAHOLE="$pahole/pahole" LOCALVERSION="$localversion" "$@"
}

build()
{
	local source=$1 out=$2 sum start

	start=$(date +%s)
	need_space "$cache" 6000 "building lane $lane"
	for tool in gcc make flex bison bc ccache; do
		command -v $tool >/dev/null || die 1 "no $tool here: run make deps"
	done
	rm -f "$work/install.log"
	pahole=$("$root/tests/vm/source.sh" pahole)
	export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$work CCACHE_MAXSIZE=8G
	# A file that is not in the cache is compiled without being preprocessed first, which takes a fifth
	# of the time away from a build from nothing. Its price: a changed configuration compiles everything.
	export CCACHE_DEPEND=1
	export KBUILD_BUILD_TIMESTAMP=2026-01-01 KBUILD_BUILD_USER=gmem KBUILD_BUILD_HOST=lab
	sync_tree "$source" "$work/linux" "${patches[@]}"
	mkdir -p "$work/linux/build"
	sum=$(cat "${fragments[@]}" | sha256sum)
	if [ "$(cat "$work/config.sum" 2>/dev/null)" != "$sum" ]; then
		cat "${fragments[@]}" >"$work/fragment"
		KCONFIG_ALLCONFIG=$work/fragment kmake allnoconfig >"$work/build.log" 2>&1 ||
			build_failed
		echo "$sum" >"$work/config.sum"
	fi
	check_config "${fragments[@]}"
	say "lane $lane: building (log: $work/build.log)"
	{ kmake bzImage modules 2>&1 || echo "kbuild failed"; } | tee "$work/build.log" | progress
	! tail -n 1 "$work/build.log" | grep -qx 'kbuild failed' || build_failed

	scratch "$lane"
	kmake INSTALL_MOD_PATH="$tmp/tree" INSTALL_MOD_STRIP=1 modules_install \
		>"$work/install.log" 2>&1 || build_failed
	mkdir "$tmp/tree/usr"
	ln -s ../lib "$tmp/tree/usr/lib"
	cp "$work/linux/build/arch/x86/boot/bzImage" "$tmp/tree/bzImage"
	cp "$work/linux/build/.config" "$tmp/tree/config"
	kmake -s kernelrelease | tail -n 1 >"$tmp/tree/release"
	build_selftests "$tmp/tree/selftests"
	rm -f "$tmp/tree/lib/modules/"*/build "$tmp/tree/lib/modules/"*/source
	[ -d "$tmp/tree/lib/modules/$(cat "$tmp/tree/release")" ] ||
		die 1 "lane $lane: modules_install left no lib/modules/$(cat "$tmp/tree/release")"
	echo "$source" >"$tmp/tree/source"
	mkdir -p "$cache/out"
	mv -T "$tmp/tree" "$out"
	scratch_done
	say "lane $lane: built in $(($(date +%s) - start)) s"
	prune "$lane"
}

# KVM's own selftests, from the same source as the kernel: all that touch guest_memfd, and those that
# selftests.sh names besides.
build_selftests()
{
	local kvm=$work/linux/tools/testing/selftests/kvm x86=x86 test tests=()

	kmake INSTALL_HDR_PATH="$tmp/headers" headers_install >"$work/install.log" 2>&1 || build_failed
	# 6.12 calls the directory x86_64.
	[ -d "$kvm/$x86" ] || x86=x86_64
	mapfile -t tests < <(cd "$kvm" && {
		grep -lE 'guest_memfd|GUEST_MEMFD' -- *.c $x86/*.c
		for test in $plain; do
			[ ! -e "$test.c" ] || echo "$test.c"
			[ ! -e "$x86/$test.c" ] || echo "$x86/$test.c"
		done
	} | sort -u)
	tests=("${tests[@]%.c}")
	mkdir -p "$tmp/selftests/$x86" "$1"
	make -C "$kvm" -j "$(($(nproc) + 1))" CC='ccache gcc' OUTPUT="$tmp/selftests" \
		KHDR_INCLUDES="-isystem $tmp/headers/include" \
		"${tests[@]/#/$tmp/selftests/}" >"$work/install.log" 2>&1 || build_failed
	for test in "${tests[@]}"; do
		cp "$tmp/selftests/$test" "$1/"
	done
}

build_failed()
{
	cat "$work/build.log" "$work/install.log" >"$work/failed.log" 2>/dev/null || true
	grep -E -m 5 'error: |undefined reference|\*\*\* |: Error [0-9]' "$work/failed.log" | cut -c 1-200 >&2 || true
	die 1 "lane $lane: the kernel build failed, its first errors are above (log: $work/failed.log)"
}

if [ "${1:-}" = --try ]; then
	scratch try
	mkdir "$tmp/series"
	mapfile -t patches < <(patch_list "$(cd "$3" && pwd -P)")
	apply_series "$2" "$tmp/series" "${patches[@]}"
	exit 0
fi
if [ "${1:-}" = --applicable ]; then
	mapfile -t patches < <(patch_list "$(cd "$3" && pwd -P)")
	applicable "$2" "${patches[@]}"
	exit 0
fi

# next_source: the source that was given by hand, now or the last time
next_source()
{
	local given

	if [ -n "${KERNEL_TARBALL:-}" ]; then
		given=$("$root/tests/vm/source.sh" linux) || exit
		ln -sfn "$(basename "$given")" "$cache/src/next"
	fi
	[ -d "$cache/src/next/virt" ] ||
		die 1 "lane next is a kernel given by hand: KERNEL_TARBALL=/path/to/linux.tar.xz make kernel LANE=next"
	readlink -f "$cache/src/next"
}

lane=${1:-}
check_lane "$lane"
export KERNEL_SERIES=${KERNEL_SERIES:-7.3}
case $lane in
stock-*) exec "$root/tests/vm/source.sh" "$lane" ;;
patched-6.12) KERNEL_SERIES=6.12 ;;
esac

case $lane in
next) source=$(next_source) ;;
*) source=$("$root/tests/vm/source.sh" linux) ;;
esac
fragments=("$configs/lab.config")
case $lane in
debug) fragments+=("$configs/debug.config") ;;
patched-builtin) fragments+=("$configs/builtin.config") ;;
patched-6.12) fragments+=("$configs/6.12.config") ;;
esac
# What `uname -r` ends with. It is no part of the configuration, which every object depends on: vanilla
# and patched share what the series does not touch.
case $lane in
vanilla) localversion= ;;
patched) localversion=-gmem ;;
*) localversion=-gmem-$lane ;;
esac
patches=()
[ "$lane" = vanilla ] || mapfile -t patches < <(patch_list "$root/kernel-patches/v$KERNEL_SERIES")
if [ "$lane" = next ]; then
	[ "${KERNEL_PATCHES:-}" != none ] || patches=()
	mapfile -t patches < <(applicable "$source" "${patches[@]}")
fi
work=$cache/trees/$lane
plain=$("$root/tests/vm/selftests.sh" names)
# The number changes with what else ends up in the directory.
key=$({ echo "4 $localversion"; echo "$plain"; basename "$source"; cat "${fragments[@]}" "${patches[@]}"; } | sha256sum | cut -c 1-12)
out=$cache/out/$lane-$key
if [ ! -d "$out" ]; then
	mkdir -p "$work"
	exec 8>"$work/lock"
	flock -n 8 || { say "lane $lane: waiting for another build of it"; flock 8; }
	[ -d "$out" ] || build "$source" "$out"
fi
touch "$out"
echo "$out"
