// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../lib/iterate.h"
#include "../../lib/log.h"
#include "census.h"
#include "gmem_census.skel.h"

/* The kernel lets go of programs and maps a little after they are closed. */
#define PATIENCE 100
#define PAUSE_NS 50000000

#define ADVICE_HOLDER "end it, or load the policy before it is started"

static const char *const hold_texts[GMEM_CENSUS_MAX] = {
#define X(name, text) [GMEM_CENSUS_##name] = text,
	GMEM_CENSUS_HOLDS(X)
#undef X
};

int census_open(struct gmem_census_bpf **skel)
{
	int ret;

	*skel = gmem_census_bpf__open();
	if (!*skel)
		return log_error(-errno, NULL, NULL, "open the programs that look for holders");
	(*skel)->rodata->self = getpid();
	ret = gmem_census_bpf__load(*skel);
	if (!ret)
		return 0;
	gmem_census_bpf__destroy(*skel);
	*skel = NULL;
	if (ret != -EPERM && ret != -ENOMEM)
		ret = -EOPNOTSUPP;
	return log_error(ret, NULL, "-v shows what the kernel says",
			 "load the programs that look for holders into the kernel");
}

void census_close(struct gmem_census_bpf *skel)
{
	gmem_census_bpf__destroy(skel);
}

static int ask(const struct bpf_program *program, int tid, char **out, size_t *len)
{
	int ret = iterate(bpf_program__fd(program), tid, out, len);

	return ret ? log_error(ret, NULL, "-v shows what the kernel says", "ask the kernel with %s",
			       bpf_program__name(program))
		   : 0;
}

int census_dirs(struct gmem_census_bpf *skel, const int *fds, size_t nr,
		struct gmem_census_dir *dirs)
{
	const struct gmem_census_dir *seen;
	size_t len = 0, at, i, found = 0;
	char *out = NULL;
	int ret;

	ret = ask(skel->progs.gmem_c_dirs, getpid(), &out, &len);
	for (at = 0; !ret && at + sizeof(*seen) <= len; at += sizeof(*seen)) {
		seen = (const void *)(out + at);
		for (i = 0; i < nr; i++) {
			if (fds[i] != (int)seen->fd)
				continue;
			dirs[i] = *seen;
			found++;
		}
	}
	free(out);
	if (!ret && found != nr)
		ret = log_error(-EIO, "the kernel did not show all of them", NULL,
				"look at the directories of the pins");
	return ret;
}

int census_code(struct gmem_census_bpf *skel, struct gmem_census_code **code, size_t *nr)
{
	size_t len = 0;
	int ret;

	*code = NULL;
	ret = ask(skel->progs.gmem_c_code, getpid(), (char **)code, &len);
	*nr = ret ? 0 : len / sizeof(**code);
	return ret;
}

int census_maps(struct gmem_census_bpf *skel, __u32 **ids, size_t *nr)
{
	const struct gmem_census_map *seen;
	char *out = NULL;
	size_t len = 0;
	int ret;

	*nr = 0;
	ret = ask(skel->progs.gmem_c_maps, 0, &out, &len);
	*ids = ret ? NULL : malloc(len + 1);
	if (!ret && !*ids)
		ret = log_error(-ENOMEM, NULL, NULL, "look at the maps that there are");
	for (seen = (const void *)out; !ret && (const char *)(seen + 1) <= out + len; seen++)
		(*ids)[(*nr)++] = seen->id;
	free(out);
	return ret;
}

static bool is_among(__u32 id, const __u32 *ids, size_t nr)
{
	size_t i;

	for (i = 0; i < nr && ids[i] != id; i++)
		;
	return i < nr;
}

/* Others than those that are pinned cannot be written to. */
static const struct census_map *map_of(const struct census_subject *subject, __u32 id)
{
	size_t i;

	for (i = 0; i < subject->nr_maps; i++) {
		if (subject->maps[i].id == id && subject->maps[i].pins)
			return &subject->maps[i];
	}
	return NULL;
}

/* What processes hold, with or without this one. */
struct files {
	struct gmem_census_file *list;
	size_t nr;
};

static int list_files(struct gmem_census_bpf *skel, struct files *files)
{
	char *fds = NULL, *mappings = NULL, *all;
	size_t nr_fds = 0, nr_mappings = 0;
	int ret;

	ret = ask(skel->progs.gmem_c_files, 0, &fds, &nr_fds);
	ret = ret ?: ask(skel->progs.gmem_c_mappings, 0, &mappings, &nr_mappings);
	all = ret ? NULL : realloc(fds, nr_fds + nr_mappings + 1);
	if (!ret && !all)
		ret = log_error(-ENOMEM, NULL, NULL, "look for holders");
	if (ret) {
		free(fds);
	} else {
		/* NULL if there are none, which memcpy() does not take even for no bytes. */
		if (nr_mappings)
			memcpy(all + nr_fds, mappings, nr_mappings);
		files->list = (void *)all;
		files->nr = (nr_fds + nr_mappings) / sizeof(*files->list);
	}
	free(mappings);
	return ret;
}

/* May this process hold them: this one, or under a lock the manager, as `gmemctl monitor` does? */
static bool may_hold(const struct census_subject *subject, const struct gmem_census_file *file)
{
	if (file->tgid == (__u32)getpid())
		return true;
	return subject->is_manager && file->hold == GMEM_CENSUS_map &&
	       subject->is_manager(file->tgid, subject->data);
}

/* Open files of a map that may be held. Descriptors and mappings can share one. */
static unsigned int explained_files(const struct files *files, const struct census_subject *subject,
				    __u32 map)
{
	const struct gmem_census_file *file;
	unsigned int nr = 0;
	size_t i, j;

	for (i = 0; i < files->nr; i++) {
		file = &files->list[i];
		if (file->hold != GMEM_CENSUS_map || file->id != map || !may_hold(subject, file))
			continue;
		for (j = 0; j < i && files->list[j].file != file->file; j++)
			;
		nr += j == i;
	}
	return nr;
}

/* Threads share a table of descriptors: once is enough. */
static bool was_before(const struct files *files, size_t at)
{
	const struct gmem_census_file *file = &files->list[at];
	size_t i;

	for (i = 0; i < at; i++) {
		if (files->list[i].table == file->table && files->list[i].at == file->at &&
		    files->list[i].tgid == file->tgid)
			return true;
	}
	return false;
}

static int check_files(const struct files *files, const struct census_subject *subject)
{
	const struct gmem_census_file *file;
	const struct census_map *map;
	int ret = 0;
	size_t i;

	for (i = 0; i < files->nr; i++) {
		file = &files->list[i];
		map = file->hold == GMEM_CENSUS_map ? map_of(subject, file->id) : NULL;
		if (may_hold(subject, file) || (file->hold == GMEM_CENSUS_map && !map) ||
		    (file->hold == GMEM_CENSUS_program &&
		     !is_among(file->id, subject->programs, subject->nr_programs)) ||
		    was_before(files, i))
			continue;
		ret = log_error(-EBUSY, "it would not be locked out", ADVICE_HOLDER,
				"lock: %s[%u] holds %s%s%s%s", file->comm, file->tgid,
				hold_texts[file->hold], map ? " " : "", map ? map->name : "",
				file->table ? "" : " (mapped)");
	}
	return ret;
}

/* Programs of others that use a map of ours. */
static int check_users(const struct gmem_census_prog *prog, const struct census_subject *subject)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info), ids[64], i;
	int fd, ret = 0;

	fd = bpf_prog_get_fd_by_id(prog->id);
	if (fd < 0 && errno == ENOENT)
		return 0;
	info.nr_map_ids = sizeof(ids) / sizeof(ids[0]);
	info.map_ids = (uintptr_t)ids;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		ret = log_error(-errno, NULL, NULL, "look at the BPF program %s, id %u", prog->name,
				prog->id);
	if (fd >= 0)
		close(fd);
	for (i = 0; !ret && i < info.nr_map_ids && i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (map_of(subject, ids[i]))
			ret = log_error(-EBUSY, "it would not be locked out", ADVICE_HOLDER,
					"lock: the BPF program %s, id %u, uses the map %s",
					prog->name, prog->id, map_of(subject, ids[i])->name);
	}
	return ret;
}

static int check_progs(struct gmem_census_bpf *skel, const struct census_subject *subject)
{
	const struct gmem_census_prog *prog;
	char *out = NULL;
	size_t len = 0;
	int ret, one;

	ret = ask(skel->progs.gmem_c_progs, 0, &out, &len);
	for (prog = (const void *)out; !ret && (const char *)(prog + 1) <= out + len; prog++) {
		if (is_among(prog->id, subject->programs, subject->nr_programs))
			continue;
		one = check_users(prog, subject);
		if (is_among(prog->target, subject->programs, subject->nr_programs))
			one = log_error(
				-EBUSY, "it would not be locked out", ADVICE_HOLDER,
				"lock: the BPF program %s, id %u, is attached to one of the policy",
				prog->name, prog->id);
		else if (prog->meddles)
			one = log_error(-EBUSY, "the manager could be one of these", ADVICE_HOLDER,
					"lock: the BPF program %s, id %u, changes %s of processes",
					prog->name, prog->id,
					prog->meddles & GMEM_CENSUS_REGISTERS ? "registers"
									      : "system calls");
		else if (!prog->target && prog->btf == subject->btf &&
			 ((prog->type == BPF_PROG_TYPE_TRACING &&
			   prog->attach == BPF_MODIFY_RETURN) ||
			  (prog->type == BPF_PROG_TYPE_LSM && prog->attach == BPF_LSM_CGROUP)) &&
			 is_among(prog->function, subject->functions, subject->nr_functions))
			one = log_error(
				-EBUSY, "it would not be locked out", ADVICE_HOLDER,
				"lock: the BPF program %s, id %u, can decide in place of the policy",
				prog->name, prog->id);
		ret = ret ?: one;
	}
	free(out);
	return ret;
}

#define NUMBERS 120

/* Are there more references than are known of? The first such map, or NULL. */
static int unexplained(struct gmem_census_bpf *skel, const struct files *files,
		       const struct census_subject *subject, const struct census_map **which,
		       char numbers[NUMBERS])
{
	const struct gmem_census_map *seen;
	const struct census_map *map;
	char *out = NULL;
	size_t len = 0;
	__s64 known;
	int ret;

	*which = NULL;
	ret = ask(skel->progs.gmem_c_maps, 0, &out, &len);
	for (seen = (const void *)out; !ret && !*which && (const char *)(seen + 1) <= out + len;
	     seen++) {
		map = map_of(subject, seen->id);
		if (!map)
			continue;
		known = map->pins + explained_files(files, subject, map->id);
		if (seen->users <= known && seen->refs <= known + map->programs)
			continue;
		*which = map;
		snprintf(numbers, NUMBERS,
			 "%lld of users where %lld are known, %lld in all of %lld",
			 (long long)seen->users, (long long)known, (long long)seen->refs,
			 (long long)(known + map->programs));
	}
	free(out);
	return ret;
}

int census_take(struct gmem_census_bpf *skel, const struct census_subject *subject)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	const struct census_map *which = NULL;
	struct files files = { 0 };
	char numbers[NUMBERS] = "";
	int ret, tries;

	for (tries = 0; tries < PATIENCE; tries++) {
		free(files.list);
		files.list = NULL;
		ret = list_files(skel, &files);
		ret = ret ?: unexplained(skel, &files, subject, &which, numbers);
		if (ret || !which)
			break;
		nanosleep(&pause, NULL);
	}
	ret = ret ?: check_files(&files, subject);
	ret = ret ?: check_progs(skel, subject);
	if (!ret && which)
		ret = log_error(
			-EBUSY, "another pin, or a descriptor in flight or in an io_uring",
			"reboot, and load the policy first",
			"lock: somebody who cannot be seen holds the map %s (references: %s)",
			which->name, numbers);
	free(files.list);
	return ret;
}
