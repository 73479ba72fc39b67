// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "../../lib/log.h"
#include "traced.h"

/* What a process is in the policy: classes of its executable and its digest. */
struct guarded {
	__u32 exe, verity;
};

struct search {
	const struct store *store;
	unsigned int slot;
	struct gmem_tag *tag; /* memory for one */
	unsigned int forgot;  /* processes */
	int ret;	      /* what ended it, explained */
};

/* What the kernel says of a task that has ended, by its number or in /proc. */
static bool is_gone(int error)
{
	return error == ESRCH || error == ENOENT;
}

static int open_process(unsigned int pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

static __u32 class_of(const struct search *search, const struct gmem_identity *identity)
{
	struct gmem_identity key = *identity;
	__u32 class;

	key.slot = search->slot;
	if (!key.kind || bpf_map_lookup_elem(search->store->fd[MAP_exes], &key, &class))
		return 0;
	return GMEM_CLASS(class);
}

/*
 * Has the process a tag, in which the policy names something? Return: 1, 0 (also where it has
 * ended), or a negative errno: a process that cannot be inspected is not taken for an unguarded one.
 */
static int is_guarded(const struct search *search, unsigned int pid, struct guarded *guarded)
{
	int fd = open_process(pid), ret = 1;

	*guarded = (struct guarded){ 0 };
	if (fd < 0)
		return is_gone(-fd) ? 0 : fd;
	if (bpf_map_lookup_elem(search->store->fd[MAP_tags], &fd, search->tag))
		ret = errno == ENOENT || is_gone(errno) ? 0 : -errno;
	close(fd);
	if (ret <= 0)
		return ret;
	guarded->exe = class_of(search, &search->tag->exe);
	guarded->verity = class_of(search, &search->tag->verity);
	return guarded->exe || guarded->verity;
}

/* A number of /proc/PID/status. Return: 0 (*number is 0: it has ended) or a negative errno. */
static int read_status(const char *path, const char *field, unsigned int *number)
{
	char line[256];
	FILE *status;

	*number = 0;
	status = fopen(path, "re");
	if (!status)
		return is_gone(errno) ? 0 : -errno;
	while (fgets(line, sizeof(line), status)) {
		if (strncmp(line, field, strlen(field)))
			continue;
		*number = (unsigned int)strtoul(line + strlen(field), NULL, 10);
		break;
	}
	fclose(status);
	return 0;
}

/* The process that traces a thread. Return: 0 (*tracer is 0: none) or a negative errno. */
static int tracer_of(unsigned int pid, unsigned int tid, unsigned int *tracer)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/status", pid, tid);
	ret = read_status(path, "TracerPid:", tracer);
	if (ret || !*tracer)
		return ret;
	/* The kernel names the thread that traces. */
	snprintf(path, sizeof(path), "/proc/%u/status", *tracer);
	return read_status(path, "Tgid:", tracer);
}

/* Walk over the numbers in a directory of /proc until one is taken: returns what @take does. */
static int each_number(const char *path, int (*take)(unsigned int number, void *data), void *data)
{
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		return is_gone(errno) ? 0 : -errno;
	while (!ret && (entry = readdir(dir))) {
		if (isdigit((unsigned char)*entry->d_name))
			ret = take((unsigned int)strtoul(entry->d_name, NULL, 10), data);
	}
	closedir(dir);
	return ret;
}

/* The threads of one process. */
struct threads {
	struct search *search;
	unsigned int pid;
	struct guarded guarded;
	unsigned int tracer; /* that is not one of the same executable */
};

static int find_tracer(unsigned int tid, void *data)
{
	struct threads *threads = data;
	unsigned int tracer;
	struct guarded by;
	int ret;

	ret = tracer_of(threads->pid, tid, &tracer);
	if (ret || !tracer)
		return ret;
	ret = is_guarded(threads->search, tracer, &by);
	if (ret < 0)
		return ret;
	if ((by.exe && by.exe == threads->guarded.exe) ||
	    (by.verity && by.verity == threads->guarded.verity))
		return 0;
	threads->tracer = tracer;
	return 1;
}

/* The process loses its identity and keeps its guards. */
static int mark_traced(const struct search *search, unsigned int pid)
{
	int fd = open_process(pid), tags = search->store->fd[MAP_tags], ret = 0;

	if (fd < 0)
		return is_gone(-fd) ? 0 : fd;
	if (!bpf_map_lookup_elem(tags, &fd, search->tag)) {
		search->tag->flags |= GMEM_TAG_TRACED;
		if (bpf_map_update_elem(tags, &fd, search->tag, BPF_EXIST))
			ret = -errno;
	} else {
		ret = -errno;
	}
	close(fd);
	return is_gone(-ret) ? 0 : ret;
}

static int forget(struct threads *threads, bool enforces)
{
	char path[64], comm[32] = "?";
	FILE *file;
	int ret;

	snprintf(path, sizeof(path), "/proc/%u/comm", threads->pid);
	file = fopen(path, "re");
	if (file && fgets(comm, sizeof(comm), file))
		comm[strcspn(comm, "\n")] = '\0';
	if (file)
		fclose(file);
	if (!enforces) {
		log_note("process %u (%s) is traced by process %u: enforced, it would lose its "
			 "identity",
			 threads->pid, comm, threads->tracer);
		return 0;
	}
	ret = mark_traced(threads->search, threads->pid);
	if (ret)
		return log_error(ret, NULL, "end the tracer, and load again",
				 "forget process %u (%s), which process %u traces", threads->pid,
				 comm, threads->tracer);
	log_note("process %u (%s) is traced by process %u: it has no identity any more, until it "
		 "is started again",
		 threads->pid, comm, threads->tracer);
	threads->search->forgot++;
	return 0;
}

static int look_at_process(unsigned int pid, void *data)
{
	struct threads threads = { .search = data, .pid = pid };
	struct search *search = data;
	char path[64];
	int ret;

	ret = is_guarded(search, pid, &threads.guarded);
	if (ret > 0) {
		snprintf(path, sizeof(path), "/proc/%u/task", pid);
		ret = each_number(path, find_tracer, &threads);
	}
	if (ret < 0)
		search->ret = log_error(ret, NULL, NULL, "look who traces process %u", pid);
	else if (ret)
		search->ret = forget(&threads, GMEM_ACTIVE_ENFORCES(store_active(search->store)));
	return search->ret;
}

int traced_forget(struct store *store)
{
	struct search search = { .store = store };
	__u64 word = store_active(store);
	int ret;

	search.slot = GMEM_ACTIVE_SLOT(word);
	if (!word || !(store->heads[search.slot].guards >> GMEM_GUARD_trace & 1))
		return 0;
	search.tag = malloc(sizeof(*search.tag));
	if (!search.tag)
		return log_error(-ENOMEM, NULL, NULL, "look for who is traced");
	ret = access("/proc/self/task", F_OK) ? -errno : 0;
	ret = ret ?: each_number("/proc", look_at_process, &search);
	if (ret && !search.ret)
		log_error(ret, NULL, NULL, "look in /proc for who is traced");
	free(search.tag);
	/* What these processes were allowed meanwhile is void, as all decisions under this number. */
	if (search.forgot)
		store_activate(store, search.slot, store_next_generation(store),
			       GMEM_ACTIVE_ENFORCES(word));
	return ret;
}
