// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "../../../bpf/abi/trace.h"
#include "../../lib/log.h"
#include "probe.h"
#include "notes.h"
#include "../../policy/compile.h"

#define MAX_PROGRAMS  256
#define MAX_MAPS      256
#define MAX_FUNCTIONS (2 * GMEM_PROG_MAX)
#define MAX_PLACES    128

static int note_more(struct notes *notes, enum gmem_locked_kind kind, __u64 id, __u32 of,
		     __u64 extra)
{
	struct gmem_locked_key *more;
	size_t i;

	for (i = 0; i < notes->nr_keys; i++) {
		if (notes->keys[i].kind == kind && notes->keys[i].id == id &&
		    notes->keys[i].of == of && notes->keys[i].more == extra)
			return 0;
	}
	if (notes->nr_keys == notes->room) {
		notes->room = 2 * notes->room + 64;
		more = realloc(notes->keys, notes->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		notes->keys = more;
	}
	notes->keys[notes->nr_keys++] = (struct gmem_locked_key){ id, kind, of, extra };
	return 0;
}

static int note(struct notes *notes, enum gmem_locked_kind kind, __u64 id, __u32 of)
{
	return note_more(notes, kind, id, of, 0);
}

/* A file by all that the kernel has to tell it from others with the same number. */
static int note_file(struct notes *notes, __u64 ino, __u32 dev, __u64 subvolume, __u32 generation)
{
	if (subvolume == GMEM_SUBVOLUME_UNKNOWN)
		return log_error(-EOPNOTSUPP, "the kernel's types of its file system are unknown",
				 "keep gmemctl and its libraries on another file system",
				 "lock a file that the manager runs");
	return note_more(notes, GMEM_LOCKED_file, ino, dev,
			 GMEM_LOCKED_MORE(subvolume, generation));
}

/* --- pins, and what they stand for --- */

static int note_map(struct notes *notes, __u32 id, bool pinned, bool used, const char *name)
{
	struct census_subject *subject = &notes->subject;
	struct census_map *map;
	size_t i;

	for (i = 0; i < subject->nr_maps && subject->maps[i].id != id; i++)
		;
	if (i == MAX_MAPS)
		return -E2BIG;
	map = &subject->maps[i];
	if (i == subject->nr_maps) {
		map->id = id;
		map->name = "of a program";
		subject->nr_maps++;
	}
	map->pins += pinned;
	map->programs += used;
	if (name && notes->nr_names < MAX_MAPS) {
		notes->names[notes->nr_names] = strdup(name);
		if (!notes->names[notes->nr_names])
			return -ENOMEM;
		map->name = notes->names[notes->nr_names++];
	}
	return note(notes, GMEM_LOCKED_map, id, 0);
}

static int note_program(struct notes *notes, int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info), maps[MAX_MAPS], i;
	size_t k;
	int ret = 0;

	info.nr_map_ids = MAX_MAPS;
	info.map_ids = (uintptr_t)maps;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	for (k = 0; k < notes->subject.nr_programs; k++) {
		if (notes->programs[k] == info.id)
			return 0;
	}
	if (k == MAX_PROGRAMS)
		return -E2BIG;
	notes->programs[notes->subject.nr_programs++] = info.id;
	ret = note(notes, GMEM_LOCKED_program, info.id, 0);
	for (i = 0; i < info.nr_map_ids && i < MAX_MAPS && !ret; i++)
		ret = note_map(notes, maps[i], false, true, NULL);
	return ret;
}

static int note_link(struct notes *notes, int fd)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int prog, ret;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	ret = note(notes, GMEM_LOCKED_link, info.id, 0);
	if (ret)
		return ret;
	prog = bpf_prog_get_fd_by_id(info.prog_id);
	if (prog < 0)
		return -errno;
	ret = note_program(notes, prog);
	close(prog);
	return ret;
}

static int note_pinned_map(struct notes *notes, int fd, const char *name)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	return note_map(notes, info.id, true, false, name);
}

static int note_pin(struct notes *notes, const char *path, const char *name)
{
	char proc[64], what[64] = "";
	int fd, ret;

	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (readlink(proc, what, sizeof(what) - 1) < 0)
		ret = -errno;
	else if (strstr(what, "bpf-map"))
		ret = note_pinned_map(notes, fd, name);
	else if (strstr(what, "bpf-prog"))
		ret = note_program(notes, fd);
	else
		ret = note_link(notes, fd);
	close(fd);
	return ret;
}

/* Directories and files, by their names; they are looked at when all are known. */
struct places {
	char *paths[MAX_PLACES];
	enum gmem_locked_kind kinds[MAX_PLACES]; /* way, dir and full (on the way too), or file */
	size_t nr;
};

static int add_place(struct places *places, const char *path, enum gmem_locked_kind kind)
{
	if (places->nr == MAX_PLACES)
		return -E2BIG;
	places->paths[places->nr] = strdup(path);
	if (!places->paths[places->nr])
		return -ENOMEM;
	places->kinds[places->nr++] = kind;
	return 0;
}

/* Of those below, maps and links, none is ever taken away. */
static int note_pins(struct notes *notes, const char *path, bool below_all, struct places *places)
{
	char below[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int ret;

	ret = add_place(places, path, below_all ? GMEM_LOCKED_full : GMEM_LOCKED_dir);
	if (ret)
		return ret;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!ret && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		ret = entry->d_type == DT_DIR ? note_pins(notes, below, true, places)
					      : note_pin(notes, below, entry->d_name);
	}
	closedir(dir);
	return ret;
}

/* --- where they are --- */

/* All that is above @path, from the root on. */
static int add_ways(struct places *places, const char *path)
{
	char way[PATH_MAX];
	size_t i;
	int ret;

	ret = add_place(places, "/", GMEM_LOCKED_way);
	for (i = 1; path[i] && !ret; i++) {
		if (path[i] != '/')
			continue;
		snprintf(way, sizeof(way), "%.*s", (int)i, path);
		ret = add_place(places, way, GMEM_LOCKED_way);
	}
	return ret;
}

static int note_mounts(struct notes *notes, const struct gmem_census_dir *dir)
{
	struct gmem_lock *lock = &notes->lock;
	__u32 i, k;
	int ret = 0;

	if (dir->nr_mounts > GMEM_LOCK_MOUNTS)
		return -E2BIG;
	lock->mount_ns = dir->mount_ns;
	for (i = 0; i < dir->nr_mounts && !ret; i++) {
		for (k = 0; k < lock->nr_mounts && lock->mounts[k] != dir->mounts[i].mount; k++)
			;
		if (k == GMEM_LOCK_MOUNTS)
			return -E2BIG;
		lock->mounts[k] = dir->mounts[i].mount;
		lock->nr_mounts = k == lock->nr_mounts ? k + 1 : lock->nr_mounts;
		ret = note(notes, GMEM_LOCKED_way, dir->mounts[i].ino, dir->mounts[i].dev);
	}
	return ret;
}

/* What this process runs code of: whoever is the manager later has no more than that. */
static int add_code(struct places *places)
{
	char line[PATH_MAX + 128], exec, *path, *end;
	FILE *file = fopen("/proc/self/maps", "re");
	int ret = 0;

	if (!file)
		return -errno;
	while (!ret && fgets(line, sizeof(line), file)) {
		path = strchr(line, '/');
		end = strchr(line, '\n');
		if (!path || !end || sscanf(line, "%*s %*2c%c", &exec) != 1 || exec != 'x')
			continue;
		*end = '\0';
		ret = add_place(places, path, GMEM_LOCKED_file);
	}
	fclose(file);
	return ret;
}

static int note_place(struct notes *notes, const struct gmem_census_dir *place,
		      enum gmem_locked_kind kind, const char *path)
{
	int ret;

	if (kind == GMEM_LOCKED_file)
		ret = note_file(notes, place->ino, place->dev, place->subvolume, place->generation);
	else
		ret = note_more(notes, kind, place->ino, place->dev,
				GMEM_LOCKED_MORE(place->subvolume, 0));
	if (!ret && kind == GMEM_LOCKED_full)
		ret = note_more(notes, GMEM_LOCKED_dir, place->ino, place->dev,
				GMEM_LOCKED_MORE(place->subvolume, 0));
	if (!ret && (kind == GMEM_LOCKED_dir || kind == GMEM_LOCKED_full))
		ret = note_more(notes, GMEM_LOCKED_way, place->ino, place->dev,
				GMEM_LOCKED_MORE(place->subvolume, 0));
	if (!ret && kind != GMEM_LOCKED_file)
		ret = note_mounts(notes, place);
	if (!ret && kind == GMEM_LOCKED_file && place->writers > 0)
		return log_error(-EBUSY, "somebody has it open for writing", NULL,
				 "lock %s, which the manager runs", path);
	return ret ? log_error(ret, ret == -E2BIG ? "there are too many mounts above it" : NULL,
			       NULL, "lock %s", path)
		   : 0;
}

static int note_places(struct notes *notes, struct gmem_census_bpf *skel,
		       const struct places *places)
{
	struct gmem_census_dir *known;
	int fds[MAX_PLACES], ret = 0;
	size_t i, opened = 0;

	known = calloc(places->nr, sizeof(*known));
	if (!known)
		return log_error(-ENOMEM, NULL, NULL, "lock the policy");
	for (; opened < places->nr && !ret; opened += !ret) {
		fds[opened] = open(places->paths[opened], O_PATH | O_CLOEXEC);
		if (fds[opened] < 0)
			ret = log_error(-errno, NULL, NULL, "open %s", places->paths[opened]);
	}
	ret = ret ?: census_dirs(skel, fds, places->nr, known);
	while (opened--)
		close(fds[opened]);
	for (i = 0; i < places->nr && !ret; i++)
		ret = note_place(notes, &known[i], places->kinds[i], places->paths[i]);
	free(known);
	return ret;
}

/* What this process runs, by the files that the kernel has mapped: below an overlay too. */
static int note_code(struct notes *notes, struct gmem_census_bpf *skel)
{
	struct gmem_census_code *code;
	size_t nr, i;
	int ret;

	ret = census_code(skel, &code, &nr);
	for (i = 0; i < nr && !ret; i++) {
		ret = note_file(notes, code[i].ino, code[i].dev, code[i].subvolume,
				code[i].generation);
		if (!ret && code[i].writers > 0)
			ret = log_error(-EBUSY, "a process has it open for writing", NULL,
					"lock inode %llu, which the manager runs", code[i].ino);
	}
	free(code);
	return ret;
}

/* --- functions that decisions pass through --- */

static bool is_on_the_way(const char *name)
{
	unsigned int i;

	if (!strncmp(name, "security_", 9))
		name += 9;
	else if (!strncmp(name, "bpf_lsm_", 8))
		name += 8;
	else
		return false;
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!strcmp(name, program_hooks[i]))
			return true;
	}
	return false;
}

/* The number of the kernel's own BTF, among those of modules and programs. */
static int find_btf(__u32 *id)
{
	struct bpf_btf_info info;
	char name[64];
	__u32 len, at = 0;
	int fd, ret;

	while (!bpf_btf_get_next_id(at, &at)) {
		fd = bpf_btf_get_fd_by_id(at);
		if (fd < 0)
			continue;
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		info.name = (uintptr_t)name;
		info.name_len = sizeof(name);
		ret = bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
		if (!ret && info.kernel_btf && !strcmp(name, "vmlinux")) {
			*id = at;
			return 0;
		}
	}
	return -ENOENT;
}

static int note_functions(struct notes *notes)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *type;
	const char *name;
	unsigned int id;
	int ret;

	if (!btf)
		return -errno;
	ret = find_btf(&notes->subject.btf);
	for (id = 1; id < btf__type_cnt(btf) && !ret; id++) {
		type = btf__type_by_id(btf, id);
		if (!btf_is_func(type))
			continue;
		name = btf__name_by_offset(btf, type->name_off);
		if (!name || !is_on_the_way(name))
			continue;
		if (notes->subject.nr_functions == MAX_FUNCTIONS)
			ret = -E2BIG;
		else
			notes->functions[notes->subject.nr_functions++] = id;
		ret = ret ?: note(notes, GMEM_LOCKED_function, id, notes->subject.btf);
	}
	btf__free(btf);
	return ret;
}

int notes_take(struct notes *notes, struct gmem_census_bpf *skel, const struct pins *pins)
{
	struct places places = { .nr = 0 };
	char path[PATH_MAX];
	int ret = 0;
	size_t i;

	memset(notes, 0, sizeof(*notes));
	notes->subject.maps = calloc(MAX_MAPS, sizeof(*notes->subject.maps));
	notes->programs = calloc(MAX_PROGRAMS, sizeof(*notes->programs));
	notes->functions = calloc(MAX_FUNCTIONS, sizeof(*notes->functions));
	notes->names = calloc(MAX_MAPS, sizeof(*notes->names));
	notes->subject.programs = notes->programs;
	notes->subject.functions = notes->functions;
	if (!notes->subject.maps || !notes->programs || !notes->functions || !notes->names)
		return log_error(-ENOMEM, NULL, NULL, "lock the policy");
	if (!realpath(pins->dir, path))
		ret = -errno;
	ret = ret ?: note_pins(notes, path, false, &places);
	ret = ret ?: add_ways(&places, path);
	ret = ret ?: add_code(&places);
	if (ret)
		ret = log_error(ret, NULL, NULL, "note what is pinned in %s", pins->dir);
	ret = ret ?: note_places(notes, skel, &places);
	ret = ret ?: note_code(notes, skel);
	if (!ret) {
		ret = note_functions(notes);
		if (ret)
			ret = log_error(ret, NULL, NULL, "note the kernel's functions");
	}
	ret = ret ?: census_maps(skel, &notes->there, &notes->nr_there);
	for (i = 0; i < places.nr; i++)
		free(places.paths[i]);
	return ret;
}

int notes_take_manager(struct notes *notes, const struct compiled *compiled,
		       const struct gmem_identity *identities)
{
	const struct gmem_set *subjects;
	size_t i;
	int ret = 0;

	for (i = 0; i < compiled->nr_exes && !ret; i++) {
		subjects = compiled->pool + GMEM_POOL_CLASS +
			   GMEM_CLASS_exe * (GMEM_MAX_SUBJECTS + 1) + compiled->exes[i].class;
		if (identities[i].kind == GMEM_BY_INODE &&
		    set_has(subjects, compiled->head.manager - 1))
			ret = note_file(notes, identities[i].ino, identities[i].dev,
					identities[i].subvolume, identities[i].generation);
	}
	return ret ? log_error(ret, NULL, NULL, "note the manager's executable") : 0;
}

bool notes_map_is_there(const struct notes *notes, __u64 id)
{
	size_t i;

	for (i = 0; i < notes->nr_there && notes->there[i] != id; i++)
		;
	return i < notes->nr_there;
}

void notes_free(struct notes *notes)
{
	free(notes->there);
	while (notes->nr_names)
		free(notes->names[--notes->nr_names]);
	free(notes->names);
	free(notes->keys);
	free(notes->programs);
	free(notes->functions);
	free(notes->subject.maps);
	memset(notes, 0, sizeof(*notes));
}
