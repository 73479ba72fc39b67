/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose memory is it: what each VM has in instances and in shared backing, who pays for it, and the
 * balance against what the kernel reports of the host and of the cgroups. Pure: memledger_read.c
 * reads files, source_survey.c asks the kernel.
 */
#ifndef GMEM_MEMLEDGER_H
#define GMEM_MEMLEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/abi/ledger.h"
#include "fields.h"
#include "model.h"

#define PAGE_BYTES 4096ULL

/* Kinds of memory of a VM: the instances, and the kinds of shared backing. */
#define LEDGER_KINDS	(GMEM_BACKING_MAX + 1)
#define LEDGER_INSTANCE GMEM_BACKING_MAX

extern const char *const memledger_kinds[LEDGER_KINDS]; /* names */
extern const char *const memledger_calls[LEDGER_KINDS]; /* what frees a page of it */

/* Numbers of /proc/meminfo, in bytes. X(member, name there) */
#define LEDGER_MEMINFO(X)                \
	X(total, "MemTotal")             \
	X(free, "MemFree")               \
	X(buffers, "Buffers")            \
	X(cached, "Cached")              \
	X(swap_cached, "SwapCached")     \
	X(anonymous, "AnonPages")        \
	X(shmem, "Shmem")                \
	X(unevictable, "Unevictable")    \
	X(slab, "Slab")                  \
	X(page_tables, "PageTables")     \
	X(guest_tables, "SecPageTables") \
	X(vmalloc, "VmallocUsed")        \
	X(percpu, "Percpu")              \
	X(hugetlb, "Hugetlb")

/* Numbers of memory.stat of a cgroup, in bytes. X(member, name there) */
#define LEDGER_MEMSTAT(X)    \
	X(anonymous, "anon") \
	X(file, "file")      \
	X(kernel, "kernel")  \
	X(guest_tables, "sec_pagetables")

enum memledger_line {
#define P(X, name, ...) LINE_##name,
	LEDGER_LINES(P, )
#undef P
		LEDGER_NR_LINES
};

extern const char *const memledger_line_names[LEDGER_NR_LINES];
extern const char *const memledger_line_texts[LEDGER_NR_LINES];

struct memledger_meminfo {
#define X(member, ...) uint64_t member;
	LEDGER_MEMINFO(X)
#undef X
};

struct memledger_memstat {
#define X(member, ...) uint64_t member;
	LEDGER_MEMSTAT(X)
#undef X
};

/* Pages of one kind that one cgroup pays and that are on one node. */
struct memledger_charge {
	uint64_t vm_id, inst_id; /* inst_id: of an instance, else 0 */
	uint64_t cgroup;	 /* id, 0: no cgroup pays, GMEM_UNKNOWN: could not be counted */
	uint64_t pages;
	uint32_t node;
	uint32_t kind; /* of LEDGER_KINDS */
};

/* What is known of a VM beside the model's numbers; bytes, GMEM_UNKNOWN where unknown. */
struct memledger_vm {
	uint64_t vm_id;
	uint64_t guest_tables; /* page tables of the guest */
	uint64_t own;	       /* anonymous memory of the VMM that is no shared backing */
	uint64_t resident;     /* pages of its instances that the survey found */
	uint64_t folios[GMEM_ORDERS];
	bool surveyed; /* to its end */
};

struct memledger_cgroup {
	uint64_t id;
	char *path; /* NULL: it was removed */
	uint64_t pages[LEDGER_KINDS];
	uint64_t current; /* bytes, GMEM_UNKNOWN: the root, or no memory controller */
	struct memledger_memstat stat;
};

/* Why an instance or a holder is listed. X(name, text) */
#define LEDGER_LEAKS(X)                                                \
	X(vmm_gone, "its VMM has ended, and another process keeps it") \
	X(unbound, "no memslot has it")                                \
	X(stranger, "a process that is not the VMM holds it")

enum memledger_leak_why {
#define X(name, ...) LEAK_##name,
	LEDGER_LEAKS(X)
#undef X
};

extern const char *const memledger_leak_names[];
extern const char *const memledger_leak_texts[];

struct memledger_leak {
	uint64_t vm_id, inst_id;
	uint64_t resident; /* pages */
	uint64_t age_ns;   /* since when it has been so, or since gmemtop looks */
	uint32_t pid;	   /* of a holder, 0: none is known */
	enum memledger_leak_why why;
	char comm[16];
};

struct memledger {
	struct memledger_charge *charges;
	struct memledger_vm *vms;
	struct memledger_cgroup *cgroups;
	struct memledger_leak *leaks;
	size_t nr_charges, room_charges, nr_vms, room_vms, nr_cgroups, room_cgroups;
	size_t nr_leaks, room_leaks;
	struct memledger_meminfo meminfo;
	/* Bytes that no line of /proc/meminfo has, GMEM_UNKNOWN where their files cannot be read. */
	uint64_t cpu_lists; /* free pages that MemFree leaves out */
	uint64_t dma_pools, tracing;
	uint64_t lines[LEDGER_NR_LINES]; /* bytes, GMEM_UNKNOWN: part of others */
	uint64_t used;			 /* bytes: MemTotal without MemFree */
	int64_t unexplained;		 /* bytes: used without all lines */
};

/* Forget everything but the memory for it. */
void memledger_begin(struct memledger *ledger);
void memledger_free(struct memledger *ledger);

/* Return: 0 or -ENOMEM. Equal ones are added up. */
int memledger_add_charge(struct memledger *ledger, const struct memledger_charge *charge);

/* The entry of a VM, which is made if there is none. Return: NULL: no memory. */
struct memledger_vm *memledger_vm(struct memledger *ledger, uint64_t vm_id);

/**
 * memledger_sum_cgroups - one entry for each cgroup that pays for something
 *
 * Before their paths are known. Return: 0 or -ENOMEM.
 */
int memledger_sum_cgroups(struct memledger *ledger);

/* Pages of a cgroup and of those below it, by kind. */
void memledger_cgroup_pages(const struct memledger *ledger, const struct memledger_cgroup *cgroup,
			    uint64_t pages[LEDGER_KINDS]);

/* What a cgroup is charged and nobody explains; false: unknown. */
bool memledger_cgroup_unexplained(const struct memledger *ledger,
				  const struct memledger_cgroup *cgroup, int64_t *bytes);

/* The lines of the host, from the model, the VMs and ledger->meminfo. */
void memledger_balance(struct memledger *ledger, const struct model *model);

/* Instances and holders that should not be there. Return: 0 or -ENOMEM. */
int memledger_find_leaks(struct memledger *ledger, struct model *model, uint64_t after_ns);

/**
 * memledger_parse - numbers of a file of lines "NAME[:] NUMBER [kB]"
 * @text: the file, which is changed
 * @names: what is looked for
 * @values: the results, in bytes; what is not there is left alone
 */
void memledger_parse(char *text, const char *const *names, uint64_t *values, size_t nr);

/* --- memledger_read.c --- */

/* What the kernel reports of the host, the cgroups and the VMMs. Return: 0 or a negative errno. */
int memledger_read(struct memledger *ledger, const struct model *model, int cgroups);

#endif /* GMEM_MEMLEDGER_H */
