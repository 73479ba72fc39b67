/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the live source share; the rest of gmemtop knows source_bpf.h. */
#ifndef GMEM_SOURCE_INNER_H
#define GMEM_SOURCE_INNER_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/abi/trace.h"
#include "../../bpf/abi/ledger.h"
#include "gmem_trace.skel.h"
#include "proc.h"
#include "programs.h"
#include "source_bpf.h"
#include "waste.h"

#define READ_SIZE 65536

/*
 * In the order in which they are read. What lives before what ended: what moves in between is seen
 * twice, never not at all. Instances that ended last: all of a VM that ended are among them.
 */
enum dump {
	DUMP_INSTANCES,
	DUMP_VMS,
	DUMP_ENDED_VMS,
	DUMP_ENDED_INSTANCES,
	NR_DUMPS,
};

/* Through what processes hold instances, in the order of enum gmem_hold. */
#define NR_VISITS 2

/* What may have ended unseen. */
struct unseen {
	uint64_t id, address; /* of struct kvm or of the inode */
	struct gmem_inst_key key;
	uint32_t hot;
};

/*
 * Entries to be taken out of a map when the iterator over it is closed: one that is open skips as
 * many entries of a hash bucket as were taken out of it since it was there.
 */
struct deferred {
	uint64_t *ids; /* of what has ended */
	struct unseen *unseen;
	size_t nr_ids, room_ids, nr_unseen, room_unseen;
};

/* How far the pages of a binding have been looked at, which may take several frames. */
struct waste_pass {
	uint64_t vm_id;
	struct gmem_binding binding;
	uint64_t at;	       /* the next page */
	uint64_t round;	       /* in which it was finished last */
	struct waste so_far;   /* of the pages before */
	struct waste last;     /* of all pages, when it was finished last */
	bool finished, backed; /* last is valid, and what it says of the shared backing */
	bool unbacked;	       /* the shared backing could not be looked at in this pass */
	bool seen;	       /* the binding is there in this frame */
};

/* What is known of a VM from one sample to the next. */
struct live_vm {
	uint64_t id;
	uint64_t key, kvm;
	uint64_t dead_ns; /* since when the kernel does not know it any more, 0: it does */
	uint32_t absent;  /* samples that it is not in */
	bool ended;	  /* it was reported for the last time */
	struct identity who;
};

struct source_bpf {
	struct features features;
	struct gmem_trace_bpf *skel;
	struct bpf_link *links[NR_DUMPS], *visits[NR_VISITS];
	struct bpf_link *ioctls[2];	     /* what sees denied ioctls, NULL: not attached */
	uint64_t ended_vms, ended_instances; /* taken out of the maps so far */
	struct deferred deferred;
	struct live_vm **vms; /* by id */
	size_t nr_vms, room_vms;
	struct live_vm **taken; /* those of the sample, in its order */
	size_t nr_taken, room_taken;
	size_t nr_before; /* entries of taken that the sample before left, and that are valid */
	bool silenced;	  /* sources were switched off at some time */
	struct ring_buffer *ring;
	struct gmem_birth *births; /* of VMs that may not be in a sample yet */
	size_t nr_births, room_births;
	struct gmem_binding *found; /* bindings of one VM */
	size_t room_found;
	struct gmem_holder *holds; /* places that hold instances */
	size_t nr_holds, room_holds;
	struct waste_pass *passes;
	size_t nr_passes, room_passes;
	uint64_t round;			  /* of looking at all bindings once */
	struct source_latency *latency;	  /* NULL: not attached */
	struct gmem_survey_bpf *survey;	  /* NULL: not loaded */
	uint64_t mapped[GMEM_MAX_BLOCKS]; /* a bit for each page, as in private_mask */
	char buf[READ_SIZE] __attribute__((aligned(8)));
};

/* --- source_records.c --- */

static inline bool dumps_vms(enum dump dump)
{
	return dump == DUMP_VMS || dump == DUMP_ENDED_VMS;
}

/* The map that a dump reads. */
struct bpf_map *source_dump_map(const struct source_bpf *s, enum dump dump);

/* All VMs and instances. Return: 0 or a negative errno. */
int source_dumps(struct source_bpf *s, struct sample *sample);

/**
 * source_records - read an iterator to its end
 * @link: the iterator
 * @least: bytes that every record has
 * @size_of: bytes of a record whose first @least are there; NULL: all have @least
 * @take: called with each; what it returns, if not 0, ends the reading
 *
 * Return: 0 or a negative errno.
 */
int source_records(struct source_bpf *s, struct bpf_link *link, size_t least,
		   size_t (*size_of)(const void *record),
		   int (*take)(struct source_bpf *s, struct sample *sample, int kind, void *record),
		   struct sample *sample, int kind);

/* --- source_births.c --- */

/* Return: 0 or a negative errno. */
int source_births_open(struct source_bpf *s);

/* --- source_latency.c: the programs of gmem_latency.bpf.c, attached while they are wanted --- */

/* Return: 0 or a negative errno. A kernel that lacks something lacks facts, which is no error. */
int latency_open(struct source_bpf *s);

/* Add the vCPUs of VMs that are known. Return: 0 or a negative errno. */
int latency_read(struct source_bpf *s, struct sample *sample);

/* Exits that were not followed, and what the programs used, to be added. */
void latency_account(const struct source_bpf *s, __u64 *untimed, struct programs_use *use);
void latency_close(struct source_bpf *s);
/* Names and cgroups of all VMs of the sample. @cgroups: as of cgroup_root() */
void source_identify(struct source_bpf *s, struct sample *sample, int cgroups);

/* --- source_survey.c: the program of gmem_survey.bpf.c --- */

/* Return: 0 or a negative errno. */
int survey_open(struct source_bpf *s);
void survey_close(struct source_bpf *s);

/* --- source_memory.c --- */

/* Attach what source_look() needs, and find what exists already. Return: 0 or a negative errno. */
int source_visit(struct source_bpf *s);

/**
 * source_look - bindings, holders and waste, after everything else of the frame
 * @want: enum want
 * @only: waste of this VM only, 0: of all
 * @slice: look at so many pages at most; the rest follows in the next frames
 *
 * Return: 0 or a negative errno.
 */
int source_look(struct source_bpf *s, struct sample *sample, uint32_t want, uint64_t only,
		uint64_t slice);

#endif /* GMEM_SOURCE_INNER_H */
