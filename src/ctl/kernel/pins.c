// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>
#include <linux/openat2.h>

#include "../../lib/log.h"
#include "probe.h"
#include "../interrupt.h"
#include "pins.h"

#define DRAFT	     "-draft-" /* behind it the pid; the BPF file system allows no dots */
#define PATIENCE_S   10
#define ADVICE_MOUNT "mount -t bpf bpffs /sys/fs/bpf"

const char *const map_names[MAP_MAX] = {
#define X(name, kernel) [MAP_##name] = #name,
	GMEM_POLICY_MAPS(X)
#undef X
};

const char *const map_kernel_names[MAP_MAX] = {
#define X(name, kernel) [MAP_##name] = #kernel,
	GMEM_POLICY_MAPS(X)
#undef X
};

#define X(name, kernel) _Static_assert(sizeof(#kernel) <= 16, #kernel " is cut off");
GMEM_POLICY_MAPS(X)
#undef X

static void parent_of(const struct pins *pins, char *parent, char *base)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", pins->dir);
	snprintf(parent, PATH_MAX, "%s", dirname(path));
	snprintf(path, sizeof(path), "%s", pins->dir);
	snprintf(base, NAME_MAX, "%s", basename(path));
}

static void path_in(char *path, const struct pins *pins, const char *kind, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s/%s", pins->dir, kind, name);
}

static void source_path(char *path, const struct pins *pins, unsigned int slot)
{
	snprintf(path, PATH_MAX, "%s/source-%u", pins->dir, slot);
}

static void finder_path(char *path, const struct pins *pins)
{
	snprintf(path, PATH_MAX, "%s/name-files", pins->dir);
}

/*
 * Remove a directory and all below it; what cannot be removed is left. So is what is mounted there:
 * it is somebody else's, or these pins themselves.
 */
static int remove_tree(int at, const char *name)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS };
	struct dirent *entry;
	int fd, ret = 0;
	DIR *dir;

	fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		ret = -errno;
		close(fd);
		return ret;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (entry->d_type == DT_DIR)
			ret = remove_tree(fd, entry->d_name) ?: ret;
		else if (unlinkat(fd, entry->d_name, 0) && errno != ENOENT)
			ret = -errno;
	}
	closedir(dir);
	if (unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT && !ret)
		ret = -errno;
	return ret;
}

static int remove_all(const struct pins *pins)
{
	char parent[PATH_MAX], base[NAME_MAX];
	int fd, ret;

	parent_of(pins, parent, base);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	ret = remove_tree(fd, base);
	close(fd);
	return ret;
}

/* With the lock held, whatever is a draft is somebody's who is no more. */
static void sweep(const struct pins *pins)
{
	char parent[PATH_MAX], base[NAME_MAX], prefix[NAME_MAX + sizeof(DRAFT)];
	struct dirent *entry;
	DIR *dir;

	parent_of(pins, parent, base);
	snprintf(prefix, sizeof(prefix), "%s" DRAFT, base);
	dir = opendir(parent);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			remove_tree(dirfd(dir), entry->d_name);
	}
	closedir(dir);
}

static int take_lock(struct pins *pins, const char *parent)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	int tries, fd, ret;

	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return log_error(-errno, NULL, ADVICE_MOUNT, "open %s", parent);
	for (tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
		if (tries < PATIENCE_S * 50 && (errno == EWOULDBLOCK || errno == EINTR))
			ret = interrupted("wait for another gmemctl");
		else
			ret = log_error(-EBUSY, "another gmemctl is at work", "try again",
					"lock %s", parent);
		if (ret) {
			close(fd);
			return ret;
		}
		nanosleep(&pause, NULL);
	}
	pins->lock = fd;
	return 0;
}

int pins_open(struct pins *pins, const char *dir, bool lock)
{
	char parent[PATH_MAX], base[NAME_MAX];
	struct statfs fs;
	int ret = 0;

	pins->lock = -1;
	if (snprintf(pins->dir, sizeof(pins->dir), "%s", dir ?: PINS_DEFAULT) >=
	    (int)sizeof(pins->dir))
		return log_error(-ENAMETOOLONG, NULL, NULL, "use the directory");
	parent_of(pins, parent, base);
	if (statfs(parent, &fs))
		return log_error(-errno, NULL, ADVICE_MOUNT, "look at %s", parent);
	if (fs.f_type != BPF_FS_MAGIC)
		return log_error(dir ? -EINVAL : -ENODEV, "it is not in a BPF file system",
				 ADVICE_MOUNT, "use %s", pins->dir);
	if (lock)
		ret = take_lock(pins, parent);
	if (!ret && lock)
		sweep(pins);
	return ret;
}

void pins_close(struct pins *pins)
{
	if (pins->lock >= 0)
		close(pins->lock);
	pins->lock = -1;
}

int pins_exist(const struct pins *pins)
{
	char path[PATH_MAX];

	path_in(path, pins, "maps", map_names[MAP_active]);
	if (!access(path, F_OK))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int pins_map(const struct pins *pins, enum pinned_map map)
{
	char path[PATH_MAX];
	int fd;

	path_in(path, pins, "maps", map_names[map]);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int pins_finder(const struct pins *pins)
{
	char path[PATH_MAX];
	int fd;

	finder_path(path, pins);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int pins_source(const struct pins *pins, unsigned int slot)
{
	char path[PATH_MAX];
	int fd;

	source_path(path, pins, slot);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int pins_link(const struct pins *pins, enum gmem_policy_program program)
{
	char path[PATH_MAX];
	int fd;

	path_in(path, pins, "links", program_names[program]);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* @kind: the directory, and what the names begin with */
static uint64_t programs_in(const struct pins *pins, const char *kind)
{
	char path[PATH_MAX];
	uint64_t programs = 0;
	unsigned int i;

	for (i = 0; i < GMEM_PROG_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", pins->dir, kind, program_names[i]);
		if (!access(path, F_OK))
			programs |= PROG_BIT(i);
	}
	return programs;
}

uint64_t pins_programs(const struct pins *pins)
{
	return programs_in(pins, "links/");
}

uint64_t pins_new_programs(const struct pins *pins)
{
	return programs_in(pins, "links/" PINS_NEW);
}

int pins_begin(struct pins *draft, const struct pins *pins)
{
	static const char *const kinds[] = { "", "/maps", "/links" };
	char path[PATH_MAX];
	unsigned int i;

	draft->lock = -1;
	if (snprintf(draft->dir, sizeof(draft->dir), "%s" DRAFT "%d", pins->dir, getpid()) >=
	    (int)sizeof(draft->dir))
		return -ENAMETOOLONG;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", draft->dir, kinds[i]);
		if (mkdir(path, 0700))
			return -errno;
	}
	return 0;
}

int pins_publish(const struct pins *draft, const struct pins *pins)
{
	return rename(draft->dir, pins->dir) ? -errno : 0;
}

void pins_discard(const struct pins *draft)
{
	remove_all(draft);
}

static int pin(int fd, const char *path)
{
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

int pins_add_map(const struct pins *pins, enum pinned_map map, int fd)
{
	char path[PATH_MAX];

	path_in(path, pins, "maps", map_names[map]);
	return pin(fd, path);
}

int pins_add_program(const struct pins *pins, enum gmem_policy_program program, int link_fd)
{
	char path[PATH_MAX];

	path_in(path, pins, "links", program_names[program]);
	return pin(link_fd, path);
}

static void new_path(char *path, const struct pins *pins, enum gmem_policy_program program)
{
	snprintf(path, PATH_MAX, "%s/links/" PINS_NEW "%s", pins->dir, program_names[program]);
}

int pins_add_new(const struct pins *pins, enum gmem_policy_program program, int link_fd)
{
	char path[PATH_MAX];

	new_path(path, pins, program);
	return pin(link_fd, path);
}

int pins_replace(const struct pins *pins, enum gmem_policy_program program)
{
	char from[PATH_MAX], to[PATH_MAX];

	new_path(from, pins, program);
	path_in(to, pins, "links", program_names[program]);
	return rename(from, to) ? -errno : 0;
}

int pins_remove_new(const struct pins *pins, enum gmem_policy_program program)
{
	char path[PATH_MAX];

	new_path(path, pins, program);
	return unlink(path) ? -errno : 0;
}

int pins_add_source(const struct pins *pins, unsigned int slot, int fd)
{
	char path[PATH_MAX];

	source_path(path, pins, slot);
	return pin(fd, path);
}

int pins_add_finder(const struct pins *pins, int program_fd)
{
	char path[PATH_MAX];

	finder_path(path, pins);
	return pin(program_fd, path);
}

int pins_add_proof(const struct pins *pins, int fd)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" PINS_PROOF, pins->dir);
	return pin(fd, path);
}

void pins_remove_proof(const struct pins *pins)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" PINS_PROOF, pins->dir);
	unlink(path);
}

int pins_remove(const struct pins *pins)
{
	struct pins draft = { .lock = -1 };

	/* Under the other name it is swept by the next one, if this one does not get to the end. */
	if (snprintf(draft.dir, sizeof(draft.dir), "%s" DRAFT "%d", pins->dir, getpid()) >=
	    (int)sizeof(draft.dir))
		return -ENAMETOOLONG;
	if (rename(pins->dir, draft.dir))
		return -errno;
	return remove_all(&draft);
}
