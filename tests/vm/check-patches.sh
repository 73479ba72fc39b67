#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-patches.sh [--quick]: is every patch of kernel-patches/v7.3 fit to be sent?
#
# The four series in it are applied one after the other, in the order of their directories.
# git am takes each patch onto what the patches before it left, checkpatch --strict finds nothing that
# the cover letter of its series does not explain, and with it (not with --quick) everything that the series touches
# builds: for x86-64, for arm64, without CONFIG_SECURITY, and on 32-bit x86, which has KVM but no
# guest_memfd. What was built once is remembered, by the content of all that went into it.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

quick=0
case ${1:-} in
--quick) quick=1 ;;
'') ;;
*) die 2 "unknown option '$1': there is only --quick" ;;
esac

patches=$root/kernel-patches/v7.3
configs=$root/tests/vm/config
mapfile -t series < <(find "$patches" -name '0*.patch' ! -name '0000-*' | sort)
source=$("$root/tests/vm/source.sh" linux)
work=$cache/trees/check
log=$root/build/check-patches
passed=0
failed=()
mkdir -p "$log" "$work" "$cache/checked"
exec 9>"$work/lock"
flock 9

# report NAME COMMAND...: run it, count it
report()
{
	local name=$1

	shift
	if "$@" >"$log/$name.log" 2>&1; then
		passed=$((passed + 1))
		say "$name: ok"
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

# build CONFIG
build()
{
	local arch=x86_64 kvm=arch/x86/kvm/ cross='' out=$work/build-$1

	case $1 in
	arm64) arch=arm64 kvm=arch/arm64/kvm/ cross=aarch64-linux-gnu- ;;
	i386) arch=i386 ;;
	esac
	mkdir -p "$out"
	set -- "$1" make -C "$work/linux" O="$out" ARCH=$arch CROSS_COMPILE=$cross \
		CC="ccache ${cross}gcc" HOSTCC='ccache gcc' -j "$(($(nproc) + 1))"
	config "$1" >"$out.new"
	if ! cmp -s "$out.new" "$out.config"; then
		KCONFIG_ALLCONFIG=$out.new "${@:2}" allnoconfig || return 1
		mv "$out.new" "$out.config"
	fi
	must "$1" 'CONFIG_KVM=[ym]' || return 1
	must "$1" 'CONFIG_BPF_SYSCALL=y' || return 1
	case $1 in
	x86-64 | arm64)
		must "$1" CONFIG_KVM_GUEST_MEMFD=y && must "$1" CONFIG_BPF_LSM=y &&
			must "$1" CONFIG_SECURITY_SELINUX=y || return 1 ;;
	nosecurity)
		must "$1" CONFIG_KVM_GUEST_MEMFD=y && must "$1" '# CONFIG_SECURITY is not set' || return 1 ;;
	i386)
		! must "$1" CONFIG_KVM_GUEST_MEMFD=y >/dev/null && must "$1" CONFIG_BPF_LSM=y || return 1 ;;
	esac
	"${@:2}" prepare &&
		"${@:2}" KCFLAGS=-Werror $kvm security/ kernel/bpf/
}

export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$work CCACHE_MAXSIZE=8G
if [ "$(cat "$work/source" 2>/dev/null)" != "$source" ]; then
	rm -rf "$work/linux" "$work"/build-*
	cp -al "$source" "$work/linux" 2>/dev/null || cp -a "$source" "$work/linux"
	echo "$source" >"$work/source"
fi

# The touched files alone make a repository that git am can work in.
rm -rf "$work/repo"
git init -q "$work/repo"
git -C "$work/repo" config user.name check
git -C "$work/repo" config user.email check@localhost
(cd / && git apply --numstat "${series[@]}") | cut -f 3 | sort -u | while read -r file; do
	[ -e "$source/$file" ] || { rm -f "$work/linux/$file"; continue; }
	mkdir -p "$work/repo/$(dirname "$file")"
	cp "$source/$file" "$work/repo/$file"
done
git -C "$work/repo" add -f .
git -C "$work/repo" commit -qm 'plain source'

for patch in "${series[@]}"; do
	n=$(basename "$(dirname "$patch")")-$(basename "$patch" | cut -d - -f 1)
	report "$n-checkpatch" checkpatch "$patch" || :
	report "$n-apply" git -C "$work/repo" am -q --keep-non-patch "$patch" || break
	[ $quick = 0 ] || continue
	sync_tree
	for config in x86-64 arm64 nosecurity i386; do
		key=$({
			echo "$source $config"
			config "$config"
			# What is not built makes no difference.
			git -C "$work/repo" ls-tree -r HEAD | sed '/\t\(Documentation\|tools\/testing\)\//d'
		} | sha256sum | cut -c 1-16)
		if [ -e "$cache/checked/$key" ]; then
			passed=$((passed + 1))
			continue
		fi
		if report "$n-build-$config" build "$config"; then
			: >"$cache/checked/$key"
		fi
	done
done

for name in "${failed[@]}"; do
	say "failed: $name, see $log/$name.log"
done
echo "$passed passed, ${#failed[@]} failed, 0 skipped"
[ ${#failed[@]} = 0 ]
