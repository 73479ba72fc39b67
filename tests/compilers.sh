#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compilers.sh [ROOT...]: build with every compiler of several distributions, warnings are errors; run
# the unit tests of each build, and lint once in each distribution. ROOT is one of
#   here                     this machine, with the compilers that are installed
#   debian-12 debian-13 ubuntu-24.04     with all compilers of the archive, from gcc 12 and clang 14 on
#   debian-unstable          the same, only when asked for: it is another one each day
# Without arguments all but the last. The roots are made by debootstrap below the cache, from the Debian
# archive that this machine uses, and from UBUNTU_MIRROR=URL. That needs to be root.
#
# The BPF objects of each root and clang are left in build/compilers/ROOT/clang-N, and the kernel's
# verifier takes those of all of them in lane patched (tests/vm/verified_test.c).
set -eu
# shellcheck source=vm/lib.sh
. "$(dirname "$0")/vm/lib.sh"
# shellcheck source=vm/apt.sh
. "$(dirname "$0")/vm/apt.sh"

out=$root/build/compilers
work=/var/tmp/gmem.$$ # the checkout, in each root; lint looks for its name in the text
passed=0 failed=0 skipped=0
trap 'scratch_done; rm -rf "${copy:-}"' EXIT
trap 'exit 130' INT TERM

row()
{
	printf '%-16s %-10s %-8s %-8s %s\n' "$@"
}

# result STATUS ROOT COMPILER SECONDS LOG
result()
{
	local libbpf

	libbpf=$(inside "$2" pkg-config --modversion libbpf 2>/dev/null || echo '?')
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		row "$2" "$3" "$libbpf" ok "$4"
	else
		failed=$((failed + 1))
		row "$2" "$3" "$libbpf" FAILED "$4  $(grep -m 1 -E 'error:|Error|FAILED|lint:' "$5" || tail -n 1 "$5") (log: ${5#"$root"/})"
	fi
}

skip()
{
	skipped=$((skipped + 1))
	row "$1" - - SKIP "$2"
}

# inside ROOT COMMAND...: with the root's own programs; nothing that is mounted for it stays
inside()
{
	local where=$1

	shift
	if [ "$where" = here ]; then
		"$@"
	else
		# No exec: as the first process of its namespace make cannot be ended by a signal.
		# shellcheck disable=SC2016	# the inner shell expands these
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
			unshare --mount --pid --fork --kill-child sh -c 'mount -t proc proc "$0/proc" && chroot "$0" "$@"' \
			"$cache/roots/$where" "$@"
	fi
}

# The archive of a root, its suite and the keyring to check it by; or the reason why there is none.
archive_of()
{
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	case $1 in
	debian-12) suite=bookworm ;;
	debian-13) suite=trixie ;;
	debian-unstable) suite=sid ;;
	ubuntu-24.04) suite=noble keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
	*) die 2 "no root '$1': choose of here debian-12 debian-13 ubuntu-24.04 debian-unstable" ;;
	esac
	components=main
	if [ "$suite" = noble ]; then
		uri=${UBUNTU_MIRROR:-}
		components=main,universe
		[ -n "$uri" ] || why="no Ubuntu archive is configured here; give one with UBUNTU_MIRROR=URL"
	else
		uri=$(mirror)
		[ -n "$uri" ] || why="no Debian archive is configured here"
	fi
	[ -n "$why" ] || [ -e "$keyring" ] || why="$keyring is missing, which the archive is checked by"
	[ -n "$why" ] || [ "$(id -u)" = 0 ] || why="only root can make and enter roots"
	[ -n "$why" ] || command -v debootstrap >/dev/null || why="no debootstrap here: apt-get install debootstrap"
}

# make_root ROOT: have it in the cache, with all compilers. $why is the reason if that cannot be.
make_root()
{
	local dir=$cache/roots/$1 log=$out/$1/root.log needed

	if [ ! -d "$dir" ]; then
		archive_of "$1"
		[ -z "$why" ] || return 0
		need_space "$cache/roots" 6000 "the root $1"
		rm -rf "$dir.new"
		say "making the root $1"
		if ! debootstrap --variant=minbase --components="$components" --keyring="$keyring" "$suite" \
			"$dir.new" "$uri" /usr/share/debootstrap/scripts/sid >"$log" 2>&1; then
			why="the archive has no $suite, or it cannot be reached: $(tail -n 1 "$log")"
			rm -rf "$dir.new"
			return 0
		fi
		mv "$dir.new" "$dir"
	fi
	# What a build needs changes with the sources.
	needed=$(sha256sum <"$root/tests/vm/deps.sh")
	[ "$(cat "$dir/var/tmp/complete" 2>/dev/null)" != "$needed" ] || return 0
	say "installing the compilers of $1"
	put_checkout "$1"
	# shellcheck disable=SC2016	# the inner shell expands these
	if inside "$1" sh -c 'cd "$0" && apt-get -q update && tests/vm/deps.sh build &&
		apt-get -qy --no-install-recommends install $(apt-cache pkgnames |
			grep -xE "gcc-(1[2-9]|[2-9][0-9])|clang-(1[4-9]|[2-9][0-9])" | while read -r name; do
				[ -z "$(apt-cache show --no-all-versions "$name" 2>/dev/null)" ] || echo "$name"
			done) && apt-get clean' "$work" >>"$log" 2>&1; then
		echo "$needed" >"$dir/var/tmp/complete"
	else
		why="its packages cannot be installed: $(grep '^E:' "$log" | tail -n 1) (log: ${log#"$root"/})"
	fi
}

# put_checkout ROOT: the files that git would add, and no git
put_checkout()
{
	local dir=$cache/roots/$1$work

	[ "$1" = here ] || rm -rf "$cache/roots/$1"/var/tmp/gmem.*
	[ "$1" != here ] || dir=$copy
	mkdir -p "$dir"
	(cd "$root" && git ls-files -z -co --exclude-standard | xargs -0 ls -d 2>/dev/null |
		tar -c -T - | tar -x -C "$dir")
}

# timed ROOT NAME COMMAND...: run it in the root's checkout, one row of the table
timed()
{
	local where=$1 name=$2 status=0 start=$SECONDS log=$out/$1/$2.log

	shift 2
	# shellcheck disable=SC2016	# the inner shell expands these
	inside "$where" sh -c 'cd "$0" && exec "$@"' "$dir" "$@" >"$log" 2>&1 || status=$?
	result "$status" "$where" "$name" $((SECONDS - start)) "$log"
	return "$status"
}

# The versions of a compiler that are in a root, oldest first.
compilers()
{
	# shellcheck disable=SC2016
	inside "$1" bash -c 'compgen -c' | grep -xE 'gcc-(1[2-9]|[2-9][0-9])|clang-(1[4-9]|[2-9][0-9])' |
		sort -u | sort -t- -k 1,1r -k 2n
}

# build_all ROOT: as it is in the distribution, with each gcc, and all with each clang
build_all()
{
	local compiler clang dir=$work objects

	[ "$1" != here ] || dir=$copy
	put_checkout "$1"
	timed "$1" lint make -j2 lint || true
	for compiler in $(compilers "$1"); do
		clang=$compiler
		[ "$compiler" != "${compiler#clang}" ] || clang=clang
		inside "$1" rm -rf "$dir/build"
		timed "$1" "$compiler" make -j2 CC="$compiler" CLANG="$clang" CLANGS="$clang" CFLAGS='-O2 -g -Werror' \
			BPF_CFLAGS='-g -O2 -Wall -Werror' all unit || continue
		objects=$dir/build/$clang
		[ "$1" = here ] || objects=$cache/roots/$1$objects
		[ "$clang" = clang ] || cp -r "$objects" "$out/$1/"
	done
}

roots=${*:-here debian-12 debian-13 ubuntu-24.04}
rm -rf "$out"
scratch compilers
copy=$tmp
row ROOT COMPILER LIBBPF RESULT SECONDS
for where in $roots; do
	mkdir -p "$out/$where"
	why=
	[ "$where" = here ] || make_root "$where"
	if [ -n "$why" ]; then
		skip "$where" "$why"
	else
		build_all "$where"
	fi
done

set -- "$out"/*/clang-*/ # the directories, not the logs beside them
if [ -d "$1" ]; then
	start=$SECONDS status=0
	LANE=patched TIMEOUT=3600 CMD="build/tests/verified_test ${*#"$root"/}" "$root/tests/vm/lab.sh" \
		>"$out/verified.log" 2>&1 || status=$?
	result "$status" here verifier $((SECONDS - start)) "$out/verified.log"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
