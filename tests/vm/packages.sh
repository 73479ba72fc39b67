#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# packages.sh SERIES FLAVOUR <LIST: find the prebuilt kernels of a series (7, 6.12) and a flavour (amd64)
# in a package list in the format of Packages files. Comment lines (#) are ignored. One line per kernel,
# the newest first:
#   use RELEASE VERSION NAME=VERSION...   the packages that make up this kernel
#   no RELEASE VERSION REASON             why the archive does not hold all of them
#
# The distribution has split its kernel package several times. So a kernel is an image package and
# whatever it depends on in exactly its own version. Dependencies on other versions (kmod, an initramfs
# generator) belong to an installed system and not to the kernel. This script uses nothing but the list:
# whether the packages hold a kernel is decided by source.sh once they are unpacked.
set -eu
export LC_ALL=C

if [ $# != 2 ]; then
	echo "usage: packages.sh SERIES FLAVOUR <LIST" >&2
	exit 2
fi

# shellcheck disable=SC2016	# awk's variables
awk -v series="$1" -v flavour="$2" '
# Kinds of packages that can hold an image, the preferred kind first.
function kind_of(name)
{
	if (name ~ /^linux-image-.*-unsigned$/) return 3
	if (name ~ /^linux-image-/) return 1
	if (name ~ /^linux-binary-unsigned-/) return 4
	if (name ~ /^linux-binary-/) return 2
	return 0
}

# The release that an image package is named after, or "": another series, flavour or purpose.
function release_of(name)
{
	sub(/^linux-(image|binary-unsigned|binary)-/, "", name)
	sub(/-unsigned$/, "", name)
	if (index(name, series ".") != 1 ||
	    name !~ ("^[0-9.]+([+~][a-z0-9.+~]*)?(-[0-9]+)?-" flavour "$"))
		return ""
	return name
}

function end_stanza()
{
	if (name != "" && !((name, version) in deps)) {
		deps[name, version] = depends
		versions[name] = versions[name] (versions[name] == "" ? "" : ", ") version
	}
	name = version = depends = ""
}

# Add a package and, with everything(), what it depends on. On failure why says what is missing.
function add(name, version, needed_by)
{
	if (name in set)
		return 1
	if (!((name, version) in deps)) {
		why = needed_by " needs " name " (= " version "), but the archive has " \
			(name in versions ? "version " versions[name] " of it" : "no such package")
		return 0
	}
	set[name] = 1
	todo[++last] = name
	return 1
}

# A dependency is an alternative or several: a | b. It is part of the kernel where one of them is named
# after the release or wanted in exactly the version of the kernel.
function follow(name, dependency, release, version,    n, i, part, alternative, wanted, found)
{
	n = split(dependency, part, "|")
	found = -1
	for (i = 1; i <= n && found != 1; i++) {
		alternative = part[i]
		gsub(/^ +| +$/, "", alternative)
		wanted = version
		if (alternative ~ /\(= [^)]*\)/) {
			wanted = alternative
			sub(/^.*\(= */, "", wanted)
			sub(/\).*$/, "", wanted)
		}
		if (!(index(alternative, "-" release) || alternative ~ /\(= / && wanted == version))
			continue
		sub(/[ (:].*$/, "", alternative)
		if (wanted == version) {
			found = add(alternative, version, name)
		} else {
			why = name " needs " alternative " of another version (" wanted ")"
			found = 0
		}
	}
	return found != 0
}

function everything(root, release, version, kind,    name, n, i, part)
{
	split("", set)
	split("", todo)
	first = last = 0
	if (!add(root, version, root))
		return 0
	# The image alone: nothing makes it depend on the modules.
	if ((kind == 2 || kind == 4) && !add("linux-modules-" release, version, root))
		return 0
	while (first < last) {
		name = todo[++first]
		n = split(deps[name, version], part, ",")
		for (i = 1; i <= n; i++)
			if (!follow(name, part[i], release, version))
				return 0
	}
	return 1
}

function report(version, kind, verdict, release, rest)
{
	print version "\t" kind "\t" verdict " " release " " version " " rest
}

function image(name, version,    release, kind, i, list)
{
	release = release_of(name)
	kind = kind_of(name)
	if (everything(name, release, version, kind)) {
		for (i = 1; i <= last; i++)
			list = list (i > 1 ? " " : "") todo[i] "=" version
		report(version, kind, "use", release, list)
	} else {
		report(version, kind, "no", release, why)
	}
}

# The newest kernel that a meta package names may be one that the archive lacks.
function meta(version,    name, n, i, part)
{
	name = "linux-image-" flavour
	n = split(deps[name, version], part, ",")
	for (i = 1; i <= n; i++) {
		gsub(/^ +/, "", part[i])
		sub(/[ (:].*$/, "", part[i])
		if (kind_of(part[i]) && release_of(part[i]) != "" && !((part[i], version) in deps))
			report(version, 5, "no", release_of(part[i]),
				name " needs " part[i] " (= " version "), but the archive has " \
				(part[i] in versions ? "version " versions[part[i]] " of it" : "no such package"))
	}
}

/^#/ { next }
/^$/ { end_stanza() }
/^Package: / { end_stanza(); name = $2 }
/^Version: / { version = $2 }
/^[^ ]/ { in_depends = /^(Pre-)?Depends: / }
/^ / && in_depends { depends = depends $0 }
/^(Pre-)?Depends: / { depends = depends (depends == "" ? "" : ",") substr($0, index($0, " ") + 1) }

END {
	end_stanza()
	for (at in deps) {
		split(at, part_of, SUBSEP)
		if (part_of[1] == "linux-image-" flavour)
			meta(part_of[2])
		else if (kind_of(part_of[1]) && release_of(part_of[1]) != "")
			image(part_of[1], part_of[2])
	}
}' | sort -t "$(printf '\t')" -k 1,1Vr -k 2,2n | cut -f 3- |
	# One line per kernel: the preferred set of packages, or else the first reason.
	awk '
		{ id = $2 " " $3; line[NR] = $0; of[NR] = id; usable[id] += $1 == "use" }
		END {
			for (i = 1; i <= NR; i++)
				if ((line[i] ~ /^use/ || !usable[of[i]]) && !printed[of[i]]++)
					print line[i]
		}'
