// SPDX-License-Identifier: GPL-2.0-only
/* What the iterators of the live source report, record by record. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../lib/grow.h"
#include "heat.h"
#include "key.h"
#include "source_inner.h"
#include "table.h"

/* How long KVM may take to take a VM apart. */
#define UNSEEN_NS 2000000000ULL

/* An iterator may miss a live entry in one sample, when the map changes below it. */
#define MAX_ABSENT 2

struct bpf_map *source_dump_map(const struct source_bpf *s, enum dump dump)
{
	switch (dump) {
	case DUMP_INSTANCES: return s->skel->maps.gmem_instances;
	case DUMP_ENDED_INSTANCES: return s->skel->maps.gmem_ended_inst;
	case DUMP_VMS: return s->skel->maps.gmem_vms;
	default: return s->skel->maps.gmem_ended_vms;
	}
}

/* Add what stands in the hot place, if it still is this VM's. */
static void add_hot_vm(const struct source_bpf *s, const struct gmem_vm *record,
		       struct sample_vm *vm)
{
	const struct gmem_hot_vm *hot = &s->skel->bss->hot_vms[(record->hot - 1) % GMEM_HOT_VMS];
	int i, d;

	if (!record->hot || !record->kvm || hot->kvm != record->kvm)
		return;
	for (i = 0; i < GMEM_HOT_VM_COUNTERS; i++)
		vm->c[i] += hot->c[i];
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		for (i = 0; i < GMEM_HIST_BUCKETS; i++)
			vm->latency[d].hist[i] += hot->latency[d].hist[i];
		vm->latency[d].judged += hot->latency[d].judged;
		if (hot->latency[d].max_ns > vm->latency[d].max_ns)
			vm->latency[d].max_ns = hot->latency[d].max_ns;
	}
	if (sample_heat_of(vm))
		heat_add(sample_heat_of(vm), &hot->heat);
}

static void add_hot_inst(const struct source_bpf *s, const struct gmem_inst *record,
			 struct sample_inst *inst)
{
	const struct gmem_hot_inst *hot =
		&s->skel->bss->hot_insts[(record->hot - 1) % GMEM_HOT_INSTS];
	int i;

	if (!record->hot || !record->inode || hot->inode != record->inode)
		return;
	for (i = 0; i < GMEM_HOT_INST_COUNTERS; i++)
		inst->c[i] += hot->c[i];
}

/* A record: what only the kernel knows at this moment, and the entry of the map. */
struct inst_record {
	struct gmem_live live;
	struct gmem_inst inst;
};

/*
 * The program that should have seen the end was left out. As long as KVM takes the VM apart it may
 * still run, and whoever takes the entry out of the map tells of the end.
 */
static void end_unseen_vm(struct source_bpf *s, struct sample *sample, const struct unseen *vm)
{
	struct live_vm *known = table_find((void **)s->vms, s->nr_vms, vm->id);
	struct gmem_hot_vm *hot = &s->skel->bss->hot_vms[(vm->hot - 1) % GMEM_HOT_VMS];

	if (!known)
		return;
	if (!known->dead_ns)
		known->dead_ns = sample->now_ns;
	if (sample->now_ns - known->dead_ns < UNSEEN_NS ||
	    bpf_map_delete_elem(bpf_map__fd(s->skel->maps.gmem_vms), &vm->address))
		return;
	if (vm->hot && hot->kvm == vm->address)
		memset(hot, 0, sizeof(*hot));
	__sync_fetch_and_add(&s->skel->bss->lost[GMEM_LOST_ends], 1);
	sample_end_vm(sample, vm->id);
	known->ended = true;
}

/* The release of an instance is seen before its inode dies, or not at all. */
static void end_unseen_inst(struct source_bpf *s, struct sample *sample, const struct unseen *inst)
{
	struct gmem_hot_inst *hot = &s->skel->bss->hot_insts[(inst->hot - 1) % GMEM_HOT_INSTS];

	if (bpf_map_delete_elem(bpf_map__fd(s->skel->maps.gmem_instances), &inst->key))
		return;
	if (inst->hot && hot->inode == inst->address)
		memset(hot, 0, sizeof(*hot));
	__sync_fetch_and_add(&s->skel->bss->lost[GMEM_LOST_ends], 1);
	sample_end_instance(sample, inst->id);
}

static int defer_id(struct deferred *deferred, uint64_t id)
{
	int ret = grow(&deferred->ids, &deferred->room_ids, deferred->nr_ids + 1, sizeof(id));

	if (!ret)
		deferred->ids[deferred->nr_ids++] = id;
	return ret;
}

static int defer_unseen(struct deferred *deferred, struct unseen unseen)
{
	int ret = grow(&deferred->unseen, &deferred->room_unseen, deferred->nr_unseen + 1,
		       sizeof(unseen));

	if (!ret)
		deferred->unseen[deferred->nr_unseen++] = unseen;
	return ret;
}

#define VM_ERRORS (sizeof(((struct gmem_vm *)0)->err) + sizeof(((struct gmem_vm *)0)->err_other))

static size_t vm_size(const void *record)
{
	const struct gmem_live *live = record;

	return sizeof(*live) + offsetof(struct gmem_vm, err) +
	       (live->parts & GMEM_PART_ERRORS ? VM_ERRORS : 0) +
	       (live->parts & GMEM_PART_HEAT ? sizeof(struct gmem_heat) : 0);
}

#define COPIED_BEGIN(type) offsetof(struct type, c)
#define COPIED_SIZE	   (offsetof(struct gmem_vm, err) - COPIED_BEGIN(gmem_vm))

/* @vm: in the sample, with the parts of the record */
static void unpack_vm(struct sample_vm *vm, const struct gmem_vm *from)
{
	const char *rest = (const char *)from + offsetof(struct gmem_vm, err);
	struct sample_errors *errors = sample_errors_of(vm);
	struct gmem_heat *heat = sample_heat_of(vm);

	_Static_assert(offsetof(struct gmem_vm, err) + sizeof(*errors) ==
			       offsetof(struct gmem_vm, heat),
		       "order of the parts");
	_Static_assert(sizeof(struct sample_vm) - COPIED_BEGIN(sample_vm) == COPIED_SIZE,
		       "a sample has what is copied in the order of a record");
	vm->id = from->id;
	vm->kvm = from->kvm;
	vm->mm = from->mm;
	vm->first_ns = from->first_ns;
	vm->cgroup = from->cgroup;
	vm->private_pages = from->private_pages;
	vm->bound = vm->bound_private = GMEM_UNKNOWN;
	vm->waste_instance = vm->waste_backing = GMEM_UNKNOWN;
	vm->error_ns = from->error_ns;
	vm->ended_ns = from->ended_ns;
	vm->identity = NULL;
	vm->recorded = NULL;
	vm->tgid = from->tgid;
	vm->type = from->type;
	vm->error_op = from->error_op;
	vm->error = from->error;
	vm->ended_by = from->ended_by;
	vm->exiting = from->exiting;
	vm->exit_code = from->exit_code;
	vm->vmm_gone = from->vmm_gone;
	memcpy(vm->comm, from->comm, sizeof(vm->comm));
	memcpy(vm->c, from->c, COPIED_SIZE);
	if (errors) {
		memcpy(errors, rest, sizeof(*errors));
		rest += sizeof(*errors);
	}
	if (heat)
		memcpy(heat, rest, sizeof(*heat));
}

/* What is known of the VM, from now on; NULL: no memory. */
static struct live_vm *know_vm(struct source_bpf *s, const struct gmem_vm *record)
{
	struct live_vm *known = s->nr_taken < s->nr_before ? s->taken[s->nr_taken] : NULL;

	/* An iterator reports in the same order again as long as nothing comes or goes. */
	if (!known || known->id != record->id) {
		known = table_get((void ***)&s->vms, &s->nr_vms, &s->room_vms, record->id,
				  sizeof(*known));
		if (!known || grow(&s->taken, &s->room_taken, s->nr_taken + 1, sizeof(*s->taken)))
			return NULL;
		s->taken[s->nr_taken] = known;
	}
	s->nr_taken++;
	if (!known->key)
		known->key = key_of_vm(record->key_kind, record->key);
	known->kvm = record->kvm;
	known->absent = 0;
	return known;
}

static int take_vm(struct source_bpf *s, struct sample *sample, const void *record, bool ended)
{
	const struct gmem_live *live = record;
	const struct gmem_vm *from = (const void *)(live + 1);
	struct live_vm *known;
	struct sample_vm *vm;
	int ret = 0;

	/* Somebody is just making it. */
	if (!from->id)
		return 0;
	known = know_vm(s, from);
	vm = known ? sample_add_vm(sample, live->parts) : NULL;
	if (!vm)
		return -ENOMEM;
	unpack_vm(vm, from);
	vm->key = known->key;
	vm->ended = ended;
	known->ended |= ended;
	if (live->alive) {
		vm->private_pages = live->pages;
		vm->cgroup = live->cgroup;
		vm->vmm_gone = (uint32_t)live->vmm_gone;
	}
	add_hot_vm(s, from, vm);
	if (ended)
		ret = defer_id(&s->deferred, from->id);
	else if (!live->alive)
		ret = defer_unseen(&s->deferred, (struct unseen){ .id = from->id,
								  .address = from->kvm,
								  .hot = from->hot });
	return ret;
}

static int take_inst(struct source_bpf *s, struct sample *sample, const struct inst_record *record,
		     bool ended)
{
	const struct gmem_inst *from = &record->inst;
	struct sample_inst inst = {
		.id = from->id,
		.vm_id = from->vm_id,
		.size = from->size,
		.flags = from->flags,
		.resident = record->live.pages,
		.ino = from->ino,
		.dev = from->dev,
		.born = from->born != 0,
		.ended = ended,
	};
	int ret;

	memcpy(inst.c, from->c, sizeof(inst.c));
	add_hot_inst(s, from, &inst);
	ret = sample_add_instance(sample, &inst);
	if (!ret && ended)
		ret = defer_id(&s->deferred, inst.id);
	else if (!ret && !record->live.alive)
		ret = defer_unseen(&s->deferred,
				   (struct unseen){ .id = inst.id,
						    .address = from->inode,
						    .key = { .ino = from->ino, .dev = from->dev },
						    .hot = from->hot });
	return ret;
}

/* What the iterator deferred. @taken: grows by the entries of what has ended */
static void finish_dump(struct source_bpf *s, struct sample *sample, enum dump dump,
			uint64_t *taken)
{
	struct deferred *deferred = &s->deferred;
	int fd = bpf_map__fd(source_dump_map(s, dump));
	size_t i;

	for (i = 0; i < deferred->nr_ids; i++)
		*taken += !bpf_map_delete_elem(fd, &deferred->ids[i]);
	for (i = 0; i < deferred->nr_unseen; i++) {
		if (dumps_vms(dump))
			end_unseen_vm(s, sample, &deferred->unseen[i]);
		else
			end_unseen_inst(s, sample, &deferred->unseen[i]);
	}
	deferred->nr_ids = deferred->nr_unseen = 0;
}

static int take(struct source_bpf *s, struct sample *sample, int dump, void *record)
{
	if (dumps_vms(dump))
		return take_vm(s, sample, record, dump == DUMP_ENDED_VMS);
	return take_inst(s, sample, record, dump == DUMP_ENDED_INSTANCES);
}

int source_records(struct source_bpf *s, struct bpf_link *link, size_t least,
		   size_t (*size_of)(const void *record),
		   int (*take_one)(struct source_bpf *s, struct sample *sample, int kind,
				   void *record),
		   struct sample *sample, int kind)
{
	size_t have = 0, at, size;
	ssize_t n;
	int fd, ret = 0;

	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return -errno;
	while (!ret) {
		n = read(fd, s->buf + have, sizeof(s->buf) - have);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			ret = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		for (at = 0; have - at >= least && !ret; at += size) {
			size = size_of ? size_of(s->buf + at) : least;
			if (have - at < size)
				break;
			ret = take_one(s, sample, kind, s->buf + at);
		}
		have -= at;
		memmove(s->buf, s->buf + at, have);
	}
	close(fd);
	return ret;
}

/* @taken: grows by the entries of what has ended that were taken out */
static int read_dump(struct source_bpf *s, struct sample *sample, enum dump dump, uint64_t *taken)
{
	int ret;

	if (dumps_vms(dump))
		ret = source_records(s, s->links[dump], sizeof(struct gmem_live), vm_size, take,
				     sample, (int)dump);
	else
		ret = source_records(s, s->links[dump], sizeof(struct inst_record), NULL, take,
				     sample, (int)dump);
	finish_dump(s, sample, dump, taken);
	return ret;
}

/* What is still missing after so many rounds comes in the next frame. */
#define MAX_ROUNDS 4

/*
 * Until as many entries are taken out as were put in. An iterator can miss entries while others are
 * put in, and to look through an empty map costs as much as through a full one.
 */
static int read_ended(struct source_bpf *s, struct sample *sample, enum dump dump)
{
	bool vms = dump == DUMP_ENDED_VMS;
	uint64_t *taken = vms ? &s->ended_vms : &s->ended_instances;
	volatile __u64 *ended = vms ? &s->skel->bss->nr_ended_vms
				    : &s->skel->bss->nr_ended_instances;
	int round, ret = 0;

	for (round = 0; round < MAX_ROUNDS && *taken < *ended && !ret; round++)
		ret = read_dump(s, sample, dump, taken);
	return ret;
}

/* VMs that were reported for the last time; a live one may be left out of a sample. */
static void forget_vms(struct source_bpf *s)
{
	struct live_vm *vm;
	size_t i, kept = 0;

	for (i = 0; i < s->nr_vms; i++) {
		vm = s->vms[i];
		if (vm->ended || vm->absent >= MAX_ABSENT) {
			free(vm->who.cgroup);
			free(vm);
			continue;
		}
		vm->absent++;
		s->vms[kept++] = vm;
	}
	/* What was taken by the sample before is valid if nothing was freed. */
	s->nr_before = kept == s->nr_vms ? s->nr_taken : 0;
	s->nr_vms = kept;
	s->nr_taken = 0;
}

int source_dumps(struct source_bpf *s, struct sample *sample)
{
	uint64_t none = 0;
	enum dump dump;
	int ret;

	forget_vms(s);
	/*
	 * Live ones before those that ended: what moves in between is seen twice, never not at all.
	 * And instances before VMs, so that an instance's VM is there.
	 */
	for (dump = 0; dump < NR_DUMPS; dump++) {
		if (dump == DUMP_ENDED_VMS || dump == DUMP_ENDED_INSTANCES)
			ret = read_ended(s, sample, dump);
		else
			ret = read_dump(s, sample, dump, &none);
		if (ret)
			return ret;
	}
	return 0;
}
