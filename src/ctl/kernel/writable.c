// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "writable.h"

#define ACCESS_LIST "system.posix_acl_access"

/* An access list may let others write; the bits of the group are its mask then. */
static bool has_access_list(const char *path)
{
	return getxattr(path, ACCESS_LIST, NULL, 0) > 0;
}

/* @what: "the file", for @why */
static bool is_writable(const char *path, const char *what, char why[WRITABLE_WHY])
{
	struct stat st;

	if (stat(path, &st))
		return false;
	if (st.st_uid) {
		snprintf(why, WRITABLE_WHY, "%s %s belongs to user %u", what, path, st.st_uid);
		return true;
	}
	/* In a directory with the sticky bit, as /tmp, only owners can replace what is there. */
	if (S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX)
		return false;
	if (st.st_mode & S_IWOTH)
		snprintf(why, WRITABLE_WHY, "all users can write to %s %s", what, path);
	else if (st.st_mode & S_IWGRP && has_access_list(path))
		snprintf(why, WRITABLE_WHY, "the access list of %s %s lets others write", what,
			 path);
	else if (st.st_mode & S_IWGRP && st.st_gid)
		snprintf(why, WRITABLE_WHY, "group %u can write to %s %s", st.st_gid, what, path);
	else
		return false;
	return true;
}

/* All directories of an absolute path, as it is written. */
static bool directories_writable(const char *path, char why[WRITABLE_WHY])
{
	char directory[PATH_MAX];
	const char *slash;

	for (slash = path; (slash = strchr(slash, '/')); slash++) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		if (len >= sizeof(directory))
			return false;
		memcpy(directory, path, len);
		directory[len] = '\0';
		if (is_writable(directory, "the directory", why))
			return true;
	}
	return false;
}

/* By the path as it is written, whose links somebody may turn, and as it is without links. */
static bool path_writable(const char *path, const char *what, char why[WRITABLE_WHY])
{
	char *real;
	bool found;

	found = directories_writable(path, why) || is_writable(path, what, why);
	real = found ? NULL : realpath(path, NULL);
	if (real && strcmp(real, path))
		found = directories_writable(real, why) || is_writable(real, what, why);
	free(real);
	return found;
}

/* The loader that a program of this host's word size names. */
static bool read_loader(const char *path, char loader[PATH_MAX])
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	bool found = false;
	int fd, i;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64)
		head.e_phnum = 0;
	for (i = 0; i < head.e_phnum && !found; i++) {
		if (pread(fd, &part, sizeof(part),
			  (off_t)(head.e_phoff + (__u64)i * sizeof(part))) != sizeof(part))
			break;
		found = part.p_type == PT_INTERP && part.p_filesz > 1 && part.p_filesz < PATH_MAX &&
			pread(fd, loader, part.p_filesz, (off_t)part.p_offset) ==
				(ssize_t)part.p_filesz;
	}
	if (found)
		loader[part.p_filesz - 1] = '\0';
	close(fd);
	return found && *loader == '/';
}

bool exe_writable(const char *path, char why[WRITABLE_WHY])
{
	char loader[PATH_MAX];

	return path_writable(path, "the file", why) ||
	       (read_loader(path, loader) && path_writable(loader, "its loader", why));
}

int exes_writable(const struct policy *policy,
		  int (*each)(const char *path, const char *why, void *data), void *data)
{
	char why[WRITABLE_WHY];
	size_t i, j;
	int ret;

	for (i = 0; i < policy->nr_subjects; i++) {
		const char *exe = policy->subjects[i].exe;

		for (j = 0; exe && j < i; j++) {
			if (policy->subjects[j].exe && !strcmp(policy->subjects[j].exe, exe))
				exe = NULL;
		}
		if (!exe || !exe_writable(exe, why))
			continue;
		ret = each(exe, why, data);
		if (ret)
			return ret;
	}
	return 0;
}
