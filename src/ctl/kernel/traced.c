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

#include "../../../bpf/abi/inspect.h"
#include "../../lib/iterate.h"
#include "../../lib/log.h"
#include "gmem_inspect.skel.h"
#include "processes.h"
#include "traced.h"

struct search {
	const struct store *store;
	unsigned int slot;
	struct gmem_tag *tag; /* memory for one */
	unsigned int forgot;  /* processes */
	/* Asked of the kernel once, when the first guarded process is met. */
	bool asked;
	struct gmem_memory *memory, *held; /* processes, descriptors */
	size_t nr_memory, nr_held;
	int ret; /* what ended it, explained */
};

/*
 * Has the process a tag, in which the policy names something? Return: 1, 0 (also where it has
 * ended), or a negative errno: a process that cannot be inspected is not taken for an unguarded one.
 */
static int is_guarded(const struct search *search, unsigned int pid)
{
	int ret;

	ret = process_tag(search->store, pid, search->tag);
	if (ret <= 0)
		return ret;
	return identity_class(search->store, search->slot, &search->tag->exe) ||
	       identity_class(search->store, search->slot, &search->tag->verity);
}

/* A number of /proc/PID/status. Return: 0 (*number is 0: it has ended) or a negative errno. */
static int read_status(const char *path, const char *field, unsigned int *number)
{
	char line[256];
	FILE *status;

	*number = 0;
	status = fopen(path, "re");
	if (!status)
		return process_is_gone(errno) ? 0 : -errno;
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

/* The threads of one process. */
struct threads {
	struct search *search;
	unsigned int pid;
	unsigned int tracer; /* the process that traces one of them, or has their memory open */
	bool by_descriptor;  /* it does not trace, but has /proc/PID/mem open */
};

/* What the other process does, for messages. */
static const char *how(const struct threads *threads)
{
	return threads->by_descriptor ? "is open, as /proc/PID/mem, in" : "is traced by";
}

static int find_tracer(unsigned int tid, void *data)
{
	struct threads *threads = data;
	int ret = tracer_of(threads->pid, tid, &threads->tracer);

	return ret ? ret : threads->tracer != 0;
}

/* Which process has which memory, and which descriptors of memory there are. */
static int ask_for_memory(struct search *search)
{
	struct gmem_inspect_bpf *skel = gmem_inspect_bpf__open();
	struct bpf_program *program;
	size_t len = 0, len_held = 0;
	int ret;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(program, skel->obj) bpf_program__set_autoload(program, false);
	bpf_program__set_autoload(skel->progs.gmem_memory, true);
	bpf_program__set_autoload(skel->progs.gmem_find_mems, true);
	ret = gmem_inspect_bpf__load(skel);
	ret = ret
		      ?: iterate(bpf_program__fd(skel->progs.gmem_find_mems), 0,
				 (char **)&search->held, &len_held);
	ret = ret
		      ?: iterate(bpf_program__fd(skel->progs.gmem_memory), 0,
				 (char **)&search->memory, &len);
	gmem_inspect_bpf__destroy(skel);
	search->nr_held = len_held / sizeof(*search->held);
	search->nr_memory = len / sizeof(*search->memory);
	search->asked = !ret;
	return ret;
}

/* Does another process have a descriptor of this one's memory? As find_tracer(). */
static int find_mem_fd(struct threads *threads)
{
	struct search *search = threads->search;
	int ret = search->asked ? 0 : ask_for_memory(search);
	__u64 mm = 0;
	size_t i;

	if (ret)
		return ret;
	for (i = 0; i < search->nr_memory; i++) {
		if (search->memory[i].tgid == threads->pid)
			mm = search->memory[i].mm;
	}
	for (i = 0; mm && i < search->nr_held; i++) {
		if (search->held[i].mm != mm || search->held[i].tgid == threads->pid)
			continue;
		threads->tracer = search->held[i].tgid;
		threads->by_descriptor = true;
		return 1;
	}
	return 0;
}

static int forget(struct threads *threads, bool enforces)
{
	const struct search *search = threads->search;
	char comm[PROCESS_COMM];
	int ret;

	process_comm(threads->pid, comm);
	if (!enforces) {
		log_note("process %u (%s) %s process %u: enforced, it would lose its identity",
			 threads->pid, comm, how(threads), threads->tracer);
		return 0;
	}
	/* The process loses its identity and keeps its guards. */
	ret = process_tag(search->store, threads->pid, search->tag);
	if (ret > 0) {
		search->tag->flags |= GMEM_TAG_TRACED;
		ret = process_set_tag(search->store, threads->pid, search->tag);
	}
	if (ret)
		return log_error(ret, NULL, "end the other process, and load again",
				 "forget process %u (%s), which %s process %u", threads->pid, comm,
				 how(threads), threads->tracer);
	log_note("process %u (%s) %s process %u: it has no identity any more, until it is started "
		 "again",
		 threads->pid, comm, how(threads), threads->tracer);
	threads->search->forgot++;
	return 0;
}

static int look_at_process(unsigned int pid, void *data)
{
	struct threads threads = { .search = data, .pid = pid };
	struct search *search = data;
	char path[64];
	int ret;

	ret = is_guarded(search, pid);
	if (ret > 0) {
		snprintf(path, sizeof(path), "/proc/%u/task", pid);
		ret = numbers_each(path, find_tracer, &threads);
		ret = ret ?: find_mem_fd(&threads);
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
	ret = ret ?: numbers_each("/proc", look_at_process, &search);
	if (ret && !search.ret)
		ret = log_error(ret, NULL, NULL, "look in /proc for who is traced");
	free(search.tag);
	free(search.memory);
	free(search.held);
	/* What these processes were allowed meanwhile is void, as all decisions under this number. */
	if (search.forgot)
		store_activate(store, search.slot, store_next_generation(store),
			       GMEM_ACTIVE_ENFORCES(word));
	return ret;
}
