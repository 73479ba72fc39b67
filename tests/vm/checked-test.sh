#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# shellcheck disable=SC2016	# what is in single quotes is for make and sed
#
# checked-test.sh: test what check-patches.sh remembers, with a tree and objects that are made up.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=checked.sh
. "$(dirname "$0")/checked.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tree=$tmp/linux
out=$tmp/build

# object PATH SOURCE... <<<OPTIONS: a .cmd file as fixdep writes it, of an object that is made of SOURCE and
# asks for OPTIONS
object()
{
	local cmd option
	cmd=$out/$(dirname "$1")/.$(basename "$1").cmd

	mkdir -p "$(dirname "$cmd")"
	{
		echo "savedcmd_$1 := gcc -c -o $1 $tree/$2"
		echo
		echo "source_$1 := $tree/$2"
		echo
		echo "deps_$1 := \\"
		while read -r option; do
			echo "    \$(wildcard include/config/$option) \\"
		done
		shift 2
		printf "  $tree/%s \\\\\n" "$@"
		echo "  include/generated/autoconf.h \\"
	} >"$cmd"
}

# same WHAT WANTED GOT
same()
{
	[ "$2" = "$3" ] || die 1 "$1: '$3' where '$2' is right"
}

built_in Documentation/a.rst security/security.c || die 1 "security.c is part of an object"
! built_in Documentation/a.rst tools/testing/selftests/kvm/Makefile || die 1 "a document is part of an object"

mkdir -p "$tree/virt/kvm" "$tree/scripts"
echo 'kvm-$(CONFIG_GUEST_MEMFD) += guest_memfd.o' >"$tree/virt/kvm/Makefile.kvm"
echo 'ifdef CONFIG_WERROR' >"$tree/scripts/Makefile.warn"
object arch/x86/kvm/../../../virt/kvm/gmem.o arch/x86/kvm/../../../virt/kvm/gmem.c \
	arch/x86/kvm/../../../virt/kvm/gmem.h include/linux/kvm_host.h <<<$'GUEST_MEMFD\nNUMA'
object security/security.o security/security.c include/linux/security.h include/linux/xkvm_host.h <<<SECURITY

gmem=$out/arch/x86/kvm/../../../virt/kvm/.gmem.o.cmd
names() { affected "$out" "$@" | sed 's|.*/||' | sort | xargs; }
same 'a source' .gmem.o.cmd "$(names virt/kvm/gmem.c)"
same 'a header beside it' .gmem.o.cmd "$(names virt/kvm/gmem.h)"
same 'a header' .gmem.o.cmd "$(names include/linux/kvm_host.h)"
same 'two files' '.gmem.o.cmd .security.o.cmd' "$(names include/linux/kvm_host.h include/linux/security.h)"
same 'a file that nothing is made of' '' "$(names virt/kvm/gmem)"
same 'a dot is a dot' '' "$(names virt/kvm/gmemxc)"

same 'options' 'CONFIG_GUEST_MEMFD CONFIG_NUMA CONFIG_WERROR' "$(options "$tree" "$gmem" | xargs)"
same 'options of no object' 'CONFIG_GUEST_MEMFD CONFIG_WERROR' "$(options "$tree" | xargs)"

printf '%s\n' 'virt/kvm/gmem.c 11' 'virt/kvm/gmem.h 22' 'security/security.c 33' >"$tmp/blobs"
same 'inputs' 'virt/kvm/gmem.c virt/kvm/gmem.h' "$(inputs "$tree" "$tmp/blobs" "$gmem" | xargs)"
same 'inputs of no object' '' "$(inputs "$tree" "$tmp/blobs")"

cat >"$tmp/config" <<'END'
CONFIG_GUEST_MEMFD=y
# CONFIG_NUMA is not set
CONFIG_CMDLINE="a=b c"
END
{
	options "$tree" "$gmem"
	echo CONFIG_CMDLINE
	inputs "$tree" "$tmp/blobs" "$gmem"
} | result "$tmp/config" "$tmp/blobs" >"$tmp/result"
same 'the result' 'CONFIG_GUEST_MEMFD y,CONFIG_NUMA ,CONFIG_WERROR ,CONFIG_CMDLINE "a=b c",virt/kvm/gmem.c 11,virt/kvm/gmem.h 22' \
	"$(paste -sd , "$tmp/result")"

# expect STATUS WHAT SED-OF-CONFIG SED-OF-BLOBS: does the result hold after these changes?
expect()
{
	local status=0

	sed "$3" "$tmp/config" >"$tmp/config.now"
	sed "$4" "$tmp/blobs" >"$tmp/blobs.now"
	holds "$tmp/result" "$tmp/config.now" "$tmp/blobs.now" || status=1
	same "$2: does the result hold" "$1" "$status"
}

expect 0 'nothing changed' '' ''
expect 0 'an option that nothing asks for' '$a CONFIG_TUN=m' ''
expect 0 'a file of other objects' '' 's/33/34/'
expect 0 'a comment' '1i # a comment' ''
expect 1 'an option that was not set' '$a CONFIG_NUMA=y' ''
expect 1 'an option that a makefile asks for' '$a CONFIG_WERROR=y' ''
expect 1 'an option that was set' 's/=y/=m/' ''
expect 1 'an option with spaces' 's/b c/b d/' ''
expect 1 'a header' '' 's/22/23/'
expect 1 'a file that is gone' '' '/gmem.c/d'
: >"$tmp/result"
expect 1 'an empty result' '' ''
rm "$tmp/result"
expect 1 'no result' '' ''
echo "checked-test: all results are right"
