// SPDX-License-Identifier: GPL-2.0-only
/* Resolve the names of a policy: users, executables, cgroups. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../../lib/cgroup.h"
#include "../../lib/closest.h"
#include "../../policy/model.h"
#include "resolve.h"
#include "writable.h"
#include "../../policy/tree.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

#define MOST_USERS    256 /* compared with a misspelled name */
#define FIRST_ENTRY   4096
#define LARGEST_ENTRY (1 << 20) /* of a user, with all its texts */

struct resolver {
	struct policy *policy;
	struct diags *diags;
	enum severity severity; /* of names that do not exist here */
	int cgroup_root;	/* negative: there is none */
	/* What has been looked up: a name is looked up, and missed, once. */
	struct name_map users, exes, cgroups;
	struct policy_uid **first_user;
	size_t nr_users;
};

/* Results of getpwnam_r() if the user does not exist, see its manual. */
static bool is_nobody(int error)
{
	return !error || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

int resolve_user(const char *name, __u32 *uid)
{
	struct passwd entry, *found = NULL;
	size_t size = FIRST_ENTRY;
	char *buf, *larger;
	int ret;

	buf = malloc(size);
	while (buf) {
		ret = getpwnam_r(name, &entry, buf, size, &found);
		if (ret != ERANGE || size >= LARGEST_ENTRY)
			break;
		size *= 4;
		larger = realloc(buf, size);
		if (!larger)
			free(buf);
		buf = larger;
	}
	if (!buf)
		return -ENOMEM;
	if (found)
		*uid = found->pw_uid;
	free(buf);
	if (found)
		return 0;
	return is_nobody(ret) ? -ENOENT : -ret;
}

bool mount_is_untrusted(FILE *mountinfo, int id)
{
	bool made_up = false, found = false;
	char *line = NULL, *type;
	size_t size = 0;
	int of;

	while (!found && getline(&line, &size, mountinfo) > 0) {
		found = sscanf(line, "%d", &of) == 1 && of == id;
		type = found ? strstr(line, " - ") : NULL;
		/* fuse, fuse.sshfs, fuseblk */
		made_up = type && !strncmp(type + 3, "fuse", 4);
	}
	free(line);
	return made_up;
}

/* As is_untrusted_fs() in bpf/kernel/file_identity.h. virtiofs has the magic number of FUSE too. */
static bool is_untrusted_fs(int fd)
{
	struct statx st;
	struct statfs fs;
	FILE *mountinfo;
	bool made_up;

	/* A FUSE server can leave a request unanswered. */
	if ((!fstatfs(fd, &fs) && fs.f_type != FUSE_SUPER_MAGIC) ||
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st))
		return false;
	mountinfo = fopen("/proc/self/mountinfo", "re");
	if (!mountinfo)
		return false;
	made_up = mount_is_untrusted(mountinfo, (int)st.stx_mnt_id);
	fclose(mountinfo);
	return made_up;
}

int resolve_exe(const char *path, struct gmem_identity *identity)
{
	char again[64];
	int fd, readable, generation = 0, ret = 0;
	struct stat st;

	memset(identity, 0, sizeof(*identity));
	/* Only a regular file is opened: opening a device can have side effects. */
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode))
		ret = -ENOEXEC;
	else if (is_untrusted_fs(fd))
		ret = EXE_MADE_UP;
	if (!ret) {
		identity->kind = GMEM_BY_INODE;
		identity->ino = st.st_ino;
		identity->dev = major(st.st_dev) << 20 | minor(st.st_dev);
		snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
		readable = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (readable >= 0 && !ioctl(readable, FS_IOC_GETVERSION, &generation))
			identity->generation = (__u32)generation;
		if (readable >= 0)
			close(readable);
	}
	close(fd);
	return ret;
}

/* A user with a similar name, of those in /etc/passwd. */
static void similar_user(const char *name, char *hint, size_t size)
{
	char *names[MOST_USERS];
	const char *closest;
	struct passwd *entry;
	size_t nr = 0;
	FILE *file;

	*hint = '\0';
	file = fopen("/etc/passwd", "re");
	if (!file)
		return;
	while (nr < MOST_USERS && (entry = fgetpwent(file))) {
		names[nr] = strdup(entry->pw_name);
		if (!names[nr])
			break;
		nr++;
	}
	fclose(file);
	closest = closest_name(name, (const char *const *)names, nr);
	if (closest)
		snprintf(hint, size, "did you mean \"%s\"?", closest);
	while (nr)
		free(names[--nr]);
}

static void resolve_uid(struct resolver *resolver, struct policy_uid *uid)
{
	char hint[128];
	int ret;

	ret = resolve_user(uid->name, &uid->uid);
	uid->known = !ret;
	if (!ret)
		return;
	if (ret != -ENOENT) {
		diag_add(resolver->diags, resolver->severity, uid->place, NULL, "user \"%s\": %s",
			 uid->name, strerror(-ret));
		return;
	}
	similar_user(uid->name, hint, sizeof(hint));
	diag_add(resolver->diags, resolver->severity, uid->place, *hint ? hint : NULL,
		 "there is no user \"%s\" here", uid->name);
}

static void resolve_uids(struct resolver *resolver, struct policy_subject *subject)
{
	int first;
	size_t i;

	for (i = 0; i < subject->nr_uids; i++) {
		struct policy_uid *uid = &subject->uids[i];

		if (uid->known)
			continue;
		first = name_map_find(&resolver->users, uid->name);
		if (first >= 0) {
			uid->uid = resolver->first_user[first]->uid;
			uid->known = resolver->first_user[first]->known;
			continue;
		}
		name_map_add(&resolver->users, uid->name, (unsigned int)resolver->nr_users);
		resolver->first_user[resolver->nr_users++] = uid;
		resolve_uid(resolver, uid);
	}
}

/* A script: the kernel executes its interpreter. */
static bool is_script(const char *path)
{
	char start[2] = "";
	FILE *file;
	bool script;

	file = fopen(path, "re");
	if (!file)
		return false;
	script = fread(start, 1, sizeof(start), file) == sizeof(start) &&
		 !memcmp(start, "#!", sizeof(start));
	fclose(file);
	return script;
}

static void resolve_subject_exe(struct resolver *resolver, struct policy_subject *subject)
{
	struct policy_subject *subjects = resolver->policy->subjects;
	int first = name_map_find(&resolver->exes, subject->exe), ret;
	char why[WRITABLE_WHY];

	if (first >= 0) {
		subject->exe_known = subjects[first].exe_known;
		subject->exe_untrusted_fs = subjects[first].exe_untrusted_fs;
		subject->exe_identity = subjects[first].exe_identity;
		return;
	}
	name_map_add(&resolver->exes, subject->exe, (unsigned int)(subject - subjects));
	ret = resolve_exe(subject->exe, &subject->exe_identity);
	subject->exe_known = !ret;
	subject->exe_untrusted_fs = ret == EXE_MADE_UP;
	if (subject->exe_untrusted_fs)
		diag_warning(resolver->diags, subject->exe_place, EXE_MADE_UP_ADVICE,
			     "exe %s is a file of FUSE, whose server chooses inode numbers: it "
			     "identifies no task",
			     subject->exe);
	else if (ret)
		diag_add(resolver->diags, resolver->severity, subject->exe_place, NULL,
			 "exe %s: %s", subject->exe,
			 ret == -ENOEXEC ? "not a regular file" : strerror(-ret));
	else if (is_script(subject->exe))
		diag_warning(resolver->diags, subject->exe_place, "name its interpreter",
			     "exe %s is a script: it never runs itself", subject->exe);
	else if (exe_writable(subject->exe, why))
		diag_warning(resolver->diags, subject->exe_place, WRITABLE_ADVICE,
			     "exe %s can be replaced by others than root: %s", subject->exe, why);
}

static void resolve_subject_cgroup(struct resolver *resolver, struct policy_subject *subject)
{
	struct policy_subject *subjects = resolver->policy->subjects;
	int first = name_map_find(&resolver->cgroups, subject->cgroup), ret = -ENOENT;
	uint64_t id;

	if (first >= 0) {
		subject->cgroup_known = subjects[first].cgroup_known;
		subject->cgroup_id = subjects[first].cgroup_id;
		return;
	}
	name_map_add(&resolver->cgroups, subject->cgroup, (unsigned int)(subject - subjects));
	if (resolver->cgroup_root >= 0)
		ret = cgroup_id(resolver->cgroup_root, subject->cgroup, &id);
	subject->cgroup_known = !ret;
	if (!ret)
		subject->cgroup_id = id;
	if (ret)
		diag_add(resolver->diags, resolver->severity, subject->cgroup_place, NULL,
			 "cgroup %s: %s", subject->cgroup,
			 resolver->cgroup_root >= 0 ? strerror(-ret)
						    : "no cgroup2 is mounted here");
}

static int resolver_init(struct resolver *resolver)
{
	const struct policy *policy = resolver->policy;
	struct arena *arena = policy->arena;
	size_t nr_uids = 0, i;

	for (i = 0; i < policy->nr_subjects; i++)
		nr_uids += policy->subjects[i].nr_uids;
	resolver->first_user = arena_alloc(arena, (nr_uids + 1) * sizeof(*resolver->first_user));
	if (!resolver->first_user || name_map_init(&resolver->users, arena, nr_uids) ||
	    name_map_init(&resolver->exes, arena, policy->nr_subjects) ||
	    name_map_init(&resolver->cgroups, arena, policy->nr_subjects))
		return -ENOMEM;
	return 0;
}

int policy_resolve(struct policy *policy, bool required, struct diags *diags)
{
	struct resolver resolver = { .policy = policy, .diags = diags };
	size_t i;
	int ret;

	resolver.severity = required ? SEVERITY_ERROR : SEVERITY_WARNING;
	ret = resolver_init(&resolver);
	if (ret)
		return ret;
	resolver.cgroup_root = cgroup_root();
	for (i = 0; i < policy->nr_subjects; i++) {
		struct policy_subject *subject = &policy->subjects[i];

		resolve_uids(&resolver, subject);
		if (subject->exe)
			resolve_subject_exe(&resolver, subject);
		if (subject->cgroup)
			resolve_subject_cgroup(&resolver, subject);
	}
	if (resolver.cgroup_root >= 0)
		close(resolver.cgroup_root);
	return diags->nr_errors ? -EBADMSG : 0;
}
