#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-patches.sh [--quick]: is every patch of kernel-patches/v$SERIES (7.3) fit to be sent?
#
# The patches are applied one after the other, in the order of their directories. git am takes each patch
# onto what the patches before it left, checkpatch --strict finds nothing that the cover letter of its series
# does not explain, and (not with --quick) everything that the patch touches builds: for x86-64, for
# arm64, without CONFIG_SECURITY, and on 32-bit x86, which has KVM but no guest_memfd. What was built once
# is remembered (checked.sh).
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=checked.sh
. "$(dirname "$0")/checked.sh"

quick=0
case ${1:-} in
--quick) quick=1 ;;
'') ;;
*) die 2 "unknown option '$1': there is only --quick" ;;
esac

series=${SERIES:-7.3}
patches=$root/kernel-patches/v$series
configs=$root/tests/vm/config
[ -d "$patches" ] || die 2 "there is no $patches: SERIES is one of $(cd "$root/kernel-patches" && echo v*)"
# What a configuration must have where guest_memfd is built.
gmem=CONFIG_KVM_GUEST_MEMFD
[ "$series" != 6.12 ] || gmem=CONFIG_KVM_PRIVATE_MEM
mapfile -t list < <(find "$patches" -name '0*.patch' ! -name '0000-*' | sort)
source=$(KERNEL_SERIES=$series "$root/tests/vm/source.sh" linux)
work=$cache/trees/check-$series
log=$root/build/check-patches
passed=0
remembered=0
built=0
failed=()
mkdir -p "$log" "$work" "$cache/checked"
exec 9>"$work/lock"
flock 9

# report NAME COMMAND...: run it, count it
report()
{
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$log/$name.log" 2>&1; then
		passed=$((passed + 1))
		say "$name: ok ($((SECONDS - start)) s)"
	else
		failed+=("$name")
		say "$name: FAILED, see $log/$name.log"
		tail -n 15 "$log/$name.log" >&2
		return 1
	fi
}

# The cover letter, in the patch's directory, explains each type of finding that checkpatch may report. checkpatch ends with 1 for
# findings, so what proves that it read the patch to its end is the line that it prints last.
checkpatch()
{
	local type rc=0 status=0

	(cd "$source" && perl scripts/checkpatch.pl --strict --show-types "$1") >"$work/report" 2>&1 || status=$?
	cat "$work/report"
	if [ $status -gt 1 ] || ! grep -Eq '^total: .* [1-9][0-9]* lines checked' "$work/report"; then
		echo "checkpatch.pl did not check $1 to its end (exit status $status)"
		return 1
	fi
	# shellcheck disable=SC2013	# a type is one word
	for type in $(sed -nE 's/^(ERROR|WARNING|CHECK):([A-Z_]+):.*/\2/p' "$work/report" | sort -u); do
		grep -qw "$type" "$(dirname "$1")/0000-cover-letter.patch" || {
			echo "$type is not explained in the cover letter"
			rc=1
		}
	done
	return $rc
}

# The tree gets what the repository of touched files has now, by rename: it shares inodes with the source.
sync_tree()
{
	local file

	(cd "$work/repo" && git ls-files) | while read -r file; do
		cmp -s "$work/repo/$file" "$work/linux/$file" && continue
		mkdir -p "$work/linux/$(dirname "$file")"
		cp "$work/repo/$file" "$work/linux/$file.gmem-new"
		mv "$work/linux/$file.gmem-new" "$work/linux/$file"
	done
}

# config NAME: the fragment of a configuration, on stdout
config()
{
	case $1 in
	arm64) cat "$configs/arm64.config" ;;
	nosecurity) sed '/CONFIG_SECURITY\|CONFIG_LSM\|CONFIG_BPF_LSM/d' "$configs/lab.config" ;;
	i386) sed '/CONFIG_64BIT/d' "$configs/lab.config" ;;
	x86-64) cat "$configs/lab.config"; echo CONFIG_KVM_INTEL=m ;;
	esac | sed '/DEBUG_INFO/d'
	echo CONFIG_DEBUG_INFO_NONE=y
}

# must CONFIG LINE: the configuration is the one that we mean
must()
{
	grep -qx "$2" "$work/build-$1/.config" || {
		echo "configuration $1 lacks $2"
		return 1
	}
}

# compiler CONFIG: $make becomes the command that builds it
compiler()
{
	local arch=x86_64 cross=''

	case $1 in
	arm64) arch=arm64 cross=aarch64-linux-gnu- ;;
	i386) arch=i386 ;;
	esac
	make=(make -C "$work/linux" O="$work/build-$1" "ARCH=$arch" "CROSS_COMPILE=$cross"
		CC="ccache ${cross}gcc" HOSTCC='ccache gcc' -j "$(($(nproc) + 1))")
}

# configure CONFIG: the .config is made of the fragment as it is now, and is the one that we mean
configure()
{
	local out=$work/build-$1

	compiler "$1"
	mkdir -p "$out"
	config "$1" >"$out.new"
	if ! cmp -s "$out.new" "$out.config"; then
		KCONFIG_ALLCONFIG=$out.new "${make[@]}" allnoconfig || return 1
		mv "$out.new" "$out.config"
	fi
	must "$1" 'CONFIG_KVM=[ym]' || return 1
	must "$1" 'CONFIG_BPF_SYSCALL=y' || return 1
	case $1 in
	nosecurity) must "$1" $gmem=y && must "$1" '# CONFIG_SECURITY is not set' ;;
	i386) ! must "$1" $gmem=y >/dev/null && must "$1" CONFIG_BPF_LSM=y ;;
	*)
		# 6.12 has guest_memfd for x86-64 only.
		{ [ "$1-$series" = arm64-6.12 ] || must "$1" $gmem=y; } &&
			must "$1" CONFIG_BPF_LSM=y && must "$1" CONFIG_SECURITY_SELINUX=y ;;
	esac
}

# places CONFIG FILE...: the directories that have to be built for these files. All of them are built if the
# objects are not those of the patch before: their .cmd files then say nothing about this patch.
places()
{
	local out=$work/build-$1 arch=x86 place all cmds

	[ "$1" != arm64 ] || arch=arm64
	all=("arch/$arch/kvm/" security/ kernel/bpf/)
	shift
	if [ "$(cat "$out.state" 2>/dev/null)" != "$before $(sha256sum <"$out/.config")" ] ||
		grep -qE '(^|/)(Makefile|Kbuild|Kconfig)[^/]*$' <<<"$(printf '%s\n' "$@")"; then
		echo "${all[@]}"
		return
	fi
	cmds=$(affected "$out" "$@")
	for place in "${all[@]}"; do
		case $place:$cmds in
		*/kvm/:*"$out/virt/kvm/"* | *:*"$out/$place"*) echo "$place" ;;
		esac
	done
}

# build CONFIG PLACE...
build()
{
	local out=$work/build-$1

	compiler "$1"
	shift
	# What is built is of no state until it is whole.
	rm -f "$out.state"
	[ $# = 0 ] || "${make[@]}" KCFLAGS=-Werror "$@" || return 1
	echo "$state $(sha256sum <"$out/.config")" >"$out.state"
}

# check CONFIG FILE...: build what is made of these files, unless that was done before
check()
{
	local config=$1 out=$work/build-$1 key name cmds where

	shift
	key=$({
		echo "1 $series $(basename "$source") $config"
		printf '%s\n' "$@" | result /dev/null "$work/blobs"
	} | sha256sum | cut -c 1-16)
	for name in "$cache/checked/$key".*; do
		if holds "$name" "$out/.config" "$work/blobs"; then
			passed=$((passed + 1))
			remembered=$((remembered + 1))
			return
		fi
	done
	mapfile -t where < <(places "$config" "$@" | tr ' ' '\n')
	report "$n-build-$config" build "$config" "${where[@]}" || return 0
	built=$((built + 1))
	mapfile -t cmds < <(affected "$out" "$@")
	{
		options "$work/linux" "${cmds[@]}"
		# No object is made of these files, in this configuration and at this place of the series.
		[ ${#cmds[@]} != 0 ] || cut -d ' ' -f 1 "$work/blobs"
		inputs "$work/linux" "$work/blobs" "${cmds[@]}"
	} | result "$out/.config" "$work/blobs" >"$work/result"
	cp "$work/result" "$cache/checked/$key.$(sha256sum "$work/result" | cut -c 1-16)"
}

export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$work CCACHE_MAXSIZE=8G
if [ "$(cat "$work/source" 2>/dev/null)" != "$source" ]; then
	rm -rf "$work/linux" "$work"/build-* "$work/touched"
	cp -al "$source" "$work/linux" 2>/dev/null || cp -a "$source" "$work/linux"
	echo "$source" >"$work/source"
fi

# The touched files alone make a repository that git am can work in. What an older series touched, and this
# one does not, becomes the source's again.
rm -rf "$work/repo"
git init -q "$work/repo"
git -C "$work/repo" config user.name check
git -C "$work/repo" config user.email check@localhost
(cd / && git apply --numstat "${list[@]}") | cut -f 3 | LC_ALL=C sort -u >"$work/touched.new"
touch "$work/touched"
LC_ALL=C comm -23 "$work/touched" "$work/touched.new" | while read -r file; do
	rm -f "$work/linux/$file"
	[ ! -e "$source/$file" ] || cp "$source/$file" "$work/linux/$file"
done
mv "$work/touched.new" "$work/touched"
while read -r file; do
	[ -e "$source/$file" ] || { rm -f "$work/linux/$file"; continue; }
	mkdir -p "$work/repo/$(dirname "$file")"
	cp "$source/$file" "$work/repo/$file"
done <"$work/touched"
git -C "$work/repo" add -f .
git -C "$work/repo" commit -qm 'plain source'

# blobs: the files that can be part of an object get their names and contents in $work/blobs, $state
# becomes what stands for all of them
blobs()
{
	git -C "$work/repo" ls-tree -r --format='%(path) %(objectname)' HEAD | while read -r file blob; do
		! built_in "$file" || echo "$file $blob"
	done >"$work/blobs"
	state=$(sha256sum <"$work/blobs" | cut -c 1-16)
}

right=()
if [ $quick = 0 ]; then
	for config in x86-64 arm64 nosecurity i386; do
		! report "configure-$config" configure "$config" || right+=("$config")
	done
fi
blobs
for patch in "${list[@]}"; do
	n=$(basename "$(dirname "$patch")")-$(basename "$patch" | cut -d - -f 1)
	report "$n-checkpatch" checkpatch "$patch" || :
	report "$n-apply" git -C "$work/repo" am -q --keep-non-patch "$patch" || break
	mapfile -t touched < <(git -C "$work/repo" diff --name-only HEAD~1)
	before=$state
	blobs
	if [ $quick = 1 ] || ! built_in "${touched[@]}"; then
		continue
	fi
	sync_tree
	for config in "${right[@]}"; do
		check "$config" "${touched[@]}"
	done
done

for name in "${failed[@]}"; do
	say "failed: $name, see $log/$name.log"
done
[ $quick = 1 ] || say "$built builds, $remembered remembered, $SECONDS s"
echo "$passed passed, ${#failed[@]} failed, 0 skipped"
[ ${#failed[@]} = 0 ]
