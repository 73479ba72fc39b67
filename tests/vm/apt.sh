# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Packages of the Debian archive, through an apt state of our own in the cache: the machine's own sources
# and lists are not touched. Sourced by source.sh after lib.sh.

suites='trixie trixie-backports'
# Packages are those of this machine's architecture; packages_for chooses another one.
debarch=
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# shellcheck disable=SC2154	# lib.sh sets it
apt_state=$cache/apt
log=$cache/fetch.log

# packages_for ARCHITECTURE SUITE...: from here on all is about packages of ARCHITECTURE from these suites
packages_for()
{
	debarch=$1
	shift
	suites=$*
	apt_state=$cache/apt-$debarch
	apt_ready=
}

# attempt COMMAND...: its output goes to $output and to the log. On a full disk the log stays empty, so
# the reason of a failure is taken from $output.
attempt()
{
	local status=0

	output=$("$@" 2>&1) || status=$?
	printf '%s\n' "$output" >>"$log" 2>/dev/null || true
	case $status:$output in
	0:*) ;;
	*'No space left on device'*)
		die 1 "no space left in $cache: free some space or set XDG_CACHE_HOME"
		;;
	esac
	return "$status"
}

# The line of $output that gives the reason.
reason()
{
	{ echo "$output" | grep -m 1 '^E:' || echo "$output" | tail -n 1; } | cut -c 1-200
}

# The machine's own packages are hidden from it: a version that is installed but not in the archive would
# be preferred.
own_apt()
{
	LC_ALL=C "$@" -o Dir::Etc::sourcelist="$apt_state/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::Lists="$apt_state/lists" -o Dir::State::status="$apt_state/status" \
		-o Dir::Cache::pkgcache="$apt_state/pkgcache.bin" \
		-o Dir::Cache::srcpkgcache="$apt_state/srcpkgcache.bin" -o APT::Get::List-Cleanup=0 \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		${debarch:+-o APT::Architecture="$debarch" -o APT::Architectures="$debarch"}
}

# The first Debian main archive that this machine uses. Labels are known once lists are downloaded; on a
# machine without lists (a new container) the archive is recognised by its usual path.
mirror()
{
	# shellcheck disable=SC2016	# apt expands these
	local format='$(LABEL)|$(COMPONENT)|$(REPO_URI)' uri

	uri=$(apt-get indextargets --format "$format" 'Created-By: Packages' 2>>"$log" |
		sed -n 's/^Debian|main|//p' | head -n 1)
	[ -n "$uri" ] ||
		uri=$(apt-get indextargets --no-release-info --format "$format" \
			'Created-By: Packages' 2>>"$log" |
			sed -n 's/^[^|]*|main|\(.*\/debian\/*\)$/\1/p' | head -n 1)
	echo "$uri"
}

# read_lists PURPOSE MIRROR: of the suites that the mirror has; $suites becomes these.
read_lists()
{
	local suite wanted=$suites lacking

	while :; do
		for suite in $suites; do
			echo "deb [signed-by=$keyring] $2 $suite main"
		done >"$apt_state/sources.list"
		say "reading the package lists of $suites"
		! attempt own_apt apt-get -q -o APT::Update::Error-Mode=any update || return 0
		lacking=$(echo "$output" |
			sed -n "s/^E: The repository '[^ ]* \([^ ]*\) Release' does not have .*/\1/p" |
			sort -u)
		[ -n "$lacking" ] ||
			die 1 "cannot read the package lists (no network?): $(reason); log: $log"
		suites=$(echo "${suites// /$'\n'}" | grep -vxF "$lacking" | xargs || true)
		[ -n "$suites" ] ||
			die 4 "the mirror $2 has none of the suites $wanted, so $1 cannot be fetched:" \
				"configure a Debian mirror that has them"
		say "the mirror $2 has no suite ${lacking//$'\n'/, }, going on with $suites"
	done
}

# apt_update PURPOSE: once
apt_ready=
apt_update()
{
	local uri

	[ -z "$apt_ready" ] || return 0
	command -v apt-get >/dev/null ||
		die 4 "no apt-get here to fetch $1: give a kernel source with KERNEL_TARBALL=/path"
	uri=$(mirror)
	[ -n "$uri" ] ||
		die 4 "no Debian mirror is configured on this machine, so $1 cannot be fetched:" \
			"give a kernel source with KERNEL_TARBALL=/path (lanes vanilla, patched, debug)"
	[ -e "$keyring" ] || die 1 "$keyring is missing: install debian-archive-keyring"
	mkdir -p "$apt_state/lists/partial"
	: >"$apt_state/status"
	read_lists "$1" "$uri"
	apt_ready=1
}

# package_list PREFIX: all versions of the packages whose names begin with PREFIX
package_list()
{
	local names

	names=$(own_apt apt-cache pkgnames "$1" 2>>"$log")
	# shellcheck disable=SC2086	# a list of words
	[ -z "$names" ] || own_apt apt-cache show $names 2>>"$log"
}

# dependencies NAME: it and all that it depends on, in the versions that apt prefers
dependencies()
{
	own_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$1" 2>>"$log" | grep '^[a-z0-9]'
}

version_of()
{
	field Version "$1" --no-all-versions
}

# field FIELD NAME[=VERSION] [OPTION]
field()
{
	# shellcheck disable=SC2086	# no option is no word
	own_apt apt-cache show ${3:-} "$2" 2>>"$log" | sed -n "s/^$1: //p" | head -n 1
}

# deb_path NAME VERSION: of a downloaded .deb (apt writes a colon as %3a)
deb_path()
{
	local path

	for path in "$cache/dl/$1_${2//:/%3a}"_{all,"${debarch:-$(dpkg --print-architecture)}"}.deb; do
		[ ! -e "$path" ] || echo "$path"
	done
}

# get_deb NAME VERSION: the path of its complete .deb is left in $deb. Fails with the reason in $why.
get_deb()
{
	local size status=0

	deb=$(deb_path "$1" "$2")
	if [ -n "$deb" ] &&
		! echo "$(field SHA256 "$1=$2")  $deb" | sha256sum --status -c 2>>"$log"; then
		say "$deb is incomplete or damaged, downloading it again"
		rm -f "$deb"
		deb=
	fi
	[ -z "$deb" ] || return 0
	size=$(field Size "$1=$2")
	need_space "$cache/dl" "$((${size:-0} / 1048576 + 50))" "the download of $1"
	scratch download
	say "downloading $1 $2"
	cd "$tmp"
	attempt own_apt apt-get -q download "$1=$2" || status=$?
	cd "$OLDPWD"
	# apt has checked the hash. The file appears in the cache at once and whole.
	[ "$status" != 0 ] || mv "$tmp"/*.deb "$cache/dl/"
	scratch_done
	deb=$(deb_path "$1" "$2")
	[ -z "$deb" ] || return 0
	why="cannot download $1 $2: $(reason)"
	return 1
}

# unpack_deb DEB DIRECTORY: fails with the reason in $why
unpack_deb()
{
	! attempt dpkg -x "$1" "$2" || return 0
	why="cannot unpack $(basename "$1"): $(reason)"
	return 1
}
