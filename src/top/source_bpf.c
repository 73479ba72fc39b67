// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/log.h"
#include "heat.h"
#include "programs.h"
#include "source_inner.h"

/* How long KVM may take to take a VM apart. */
#define UNSEEN_NS 2000000000ULL

static struct bpf_map *dump_map(const struct source_bpf *s, enum dump dump)
{
	switch (dump) {
	case DUMP_INSTANCES: return s->skel->maps.instances;
	case DUMP_ENDED_INSTANCES: return s->skel->maps.ended_instances;
	case DUMP_VMS: return s->skel->maps.vms;
	default: return s->skel->maps.ended_vms;
	}
}

static bool dumps_vms(enum dump dump)
{
	return dump == DUMP_VMS || dump == DUMP_ENDED_VMS;
}

static int set_sizes(struct source_bpf *s, const struct source_options *opts)
{
	int ret;

	/* One more for what does not fit. */
	ret = bpf_map__set_max_entries(s->skel->maps.vms, opts->max_vms + 1);
	if (!ret)
		ret = bpf_map__set_max_entries(s->skel->maps.instances, opts->max_instances + 1);
	if (!ret)
		ret = bpf_map__set_max_entries(s->skel->maps.ended_vms, opts->max_vms);
	if (!ret)
		ret = bpf_map__set_max_entries(s->skel->maps.ended_instances, opts->max_instances);
	return ret;
}

static int load(struct source_bpf *s, const struct source_options *opts, bool attachable)
{
	int ret;

	features_free(&s->features);
	ret = features_probe(&s->features, opts->redundant, attachable);
	if (ret)
		return programs_probe_error(ret);
	ret = programs_take_over();
	if (ret)
		return ret;
	s->skel = gmem_trace_bpf__open();
	if (!s->skel)
		return -errno;
	s->skel->rodata->fn_converts = features_from_function(&s->features, GMEM_FACT_convert);
	s->skel->rodata->fn_binds = features_from_function(&s->features, GMEM_FACT_bind);
	s->skel->rodata->count_private = s->features.private_counted;
	s->skel->rodata->sees_conversions = s->features.facts & FACT(convert);
	s->skel->rodata->use_hot_vms = s->features.facts & FACT(vm_end);
	s->skel->rodata->use_hot_insts = s->features.facts & FACT(release);
	bpf_program__set_autoload(s->skel->progs.list_bindings, s->features.facts & FACT(bindings));
	bpf_program__set_autoload(s->skel->progs.read_pages, s->features.facts & FACT(attributes));
	ret = set_sizes(s, opts);
	if (!ret)
		ret = programs_choose(s->skel->obj, &s->features, ~0U);
	if (!ret)
		ret = gmem_trace_bpf__load(s->skel);
	if (ret) {
		gmem_trace_bpf__destroy(s->skel);
		s->skel = NULL;
	}
	return ret;
}

/* The entries for what does not fit; before anything is attached. */
static int make_others(struct source_bpf *s)
{
	struct gmem_inst inst = { .id = GMEM_ID_OTHER, .vm_id = GMEM_ID_OTHER };
	struct gmem_vm vm = { .id = GMEM_ID_OTHER, .private_pages = GMEM_UNKNOWN };
	struct gmem_inst_key inst_key = { 0 };
	__u64 key = 0;
	int ret;

	ret = bpf_map_update_elem(bpf_map__fd(s->skel->maps.vms), &key, &vm, BPF_ANY);
	if (!ret)
		ret = bpf_map_update_elem(bpf_map__fd(s->skel->maps.instances), &inst_key, &inst,
					  BPF_ANY);
	return ret;
}

static int attach_dumps(struct source_bpf *s)
{
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = { 0 };
	struct bpf_program *program;
	enum dump dump;

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	for (dump = 0; dump < NR_DUMPS; dump++) {
		program = dumps_vms(dump) ? s->skel->progs.dump_vms : s->skel->progs.dump_instances;
		info.map.map_fd = (__u32)bpf_map__fd(dump_map(s, dump));
		s->links[dump] = bpf_program__attach_iter(program, &opts);
		if (!s->links[dump])
			return -errno;
	}
	return 0;
}

/* Attach what counts, then look for what was there already: nothing falls in between. */
static int attach(struct source_bpf *s)
{
	struct bpf_program *asked[] = {
		s->skel->progs.dump_vms,      s->skel->progs.dump_instances,
		s->skel->progs.visit_files,   s->skel->progs.visit_mappings,
		s->skel->progs.list_bindings, s->skel->progs.read_pages,
	};
	unsigned int i;
	int ret;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		bpf_program__set_autoattach(asked[i], false);
	ret = gmem_trace_bpf__attach(s->skel);
	return ret ? ret : source_visit(s);
}

int source_open(struct source_bpf **source, const struct source_options *opts)
{
	struct source_bpf *s;
	int ret;

	s = calloc(1, sizeof(*s));
	if (!s)
		return log_error(-ENOMEM, NULL, NULL, "start");
	ret = load(s, opts, false);
	/* A function may be in the type information and yet not traceable. */
	if (ret && ret != -ENODEV && ret != -EPERM && ret != -EOPNOTSUPP)
		ret = load(s, opts, true);
	if (ret) {
		ret = programs_load_error(ret);
		goto err;
	}
	ret = make_others(s);
	if (!ret)
		ret = attach_dumps(s);
	if (!ret)
		ret = attach(s);
	if (ret) {
		ret = programs_refused(ret, "attach to the kernel");
		goto err;
	}
	*source = s;
	return 0;
err:
	source_close(s);
	return ret;
}

const struct features *source_features(const struct source_bpf *source)
{
	return &source->features;
}

/* Add what stands in the hot place, if it still is this VM's. */
static void add_hot_vm(const struct source_bpf *s, struct gmem_vm *vm)
{
	const struct gmem_hot_vm *hot = &s->skel->bss->hot_vms[(vm->hot - 1) % GMEM_HOT_VMS];
	int i, d;

	if (!vm->hot || !vm->kvm || hot->kvm != vm->kvm)
		return;
	for (i = 0; i < GMEM_HOT_VM_COUNTERS; i++)
		vm->c[i] += hot->c[i];
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		for (i = 0; i < GMEM_HIST_SLOTS; i++)
			vm->latency[d].hist[i] += hot->latency[d].hist[i];
		vm->latency[d].judged += hot->latency[d].judged;
		if (hot->latency[d].max_ns > vm->latency[d].max_ns)
			vm->latency[d].max_ns = hot->latency[d].max_ns;
	}
	if (s->skel->bss->want_heat)
		heat_add(&vm->heat, &hot->heat);
}

static void add_hot_inst(const struct source_bpf *s, struct gmem_inst *inst)
{
	const struct gmem_hot_inst *hot =
		&s->skel->bss->hot_insts[(inst->hot - 1) % GMEM_HOT_INSTS];
	int i;

	if (!inst->hot || !inst->inode || hot->inode != inst->inode)
		return;
	for (i = 0; i < GMEM_HOT_INST_COUNTERS; i++)
		inst->c[i] += hot->c[i];
}

/* A record: what only the kernel knows at this moment, and the entry of the map. */
/* The heat map is only there if it is wanted, and what stands in its place is not looked at. */
struct vm_record {
	struct gmem_live live;
	struct gmem_vm vm;
};

struct inst_record {
	struct gmem_live live;
	struct gmem_inst inst;
};

/*
 * The program that should have seen the end was left out. As long as KVM takes the VM apart it may
 * still run, and whoever takes the entry out of the map tells of the end.
 */
static bool has_ended_unseen(struct source_bpf *s, struct model *model, const struct gmem_vm *vm)
{
	struct model_vm *known = model_vm(model, vm->id);
	struct gmem_hot_vm *hot = &s->skel->bss->hot_vms[(vm->hot - 1) % GMEM_HOT_VMS];

	if (!known)
		return false;
	if (!known->dead_ns)
		known->dead_ns = model->now_ns;
	if (model->now_ns - known->dead_ns < UNSEEN_NS ||
	    bpf_map_delete_elem(bpf_map__fd(s->skel->maps.vms), &vm->kvm))
		return false;
	if (vm->hot && hot->kvm == vm->kvm)
		memset(hot, 0, sizeof(*hot));
	__sync_fetch_and_add(&s->skel->bss->lost[GMEM_LOST_ends], 1);
	return true;
}

static int take_vm(struct source_bpf *s, struct model *model, struct vm_record *record, bool ended)
{
	int ret;

	if (record->live.alive)
		record->vm.private_pages = record->live.pages;
	add_hot_vm(s, &record->vm);
	if (!ended && !record->live.alive)
		return model_add_vm(model, &record->vm, has_ended_unseen(s, model, &record->vm));
	ret = model_add_vm(model, &record->vm, ended);
	if (!ret && ended)
		bpf_map_delete_elem(bpf_map__fd(s->skel->maps.ended_vms), &record->vm.id);
	return ret;
}

/* The release of an instance is seen before its inode dies, or not at all. */
static bool was_released_unseen(struct source_bpf *s, const struct gmem_inst *inst)
{
	struct gmem_hot_inst *hot = &s->skel->bss->hot_insts[(inst->hot - 1) % GMEM_HOT_INSTS];
	struct gmem_inst_key key = { .ino = inst->ino, .dev = inst->dev };

	if (bpf_map_delete_elem(bpf_map__fd(s->skel->maps.instances), &key))
		return false;
	if (inst->hot && hot->inode == inst->inode)
		memset(hot, 0, sizeof(*hot));
	__sync_fetch_and_add(&s->skel->bss->lost[GMEM_LOST_ends], 1);
	return true;
}

static int take_inst(struct source_bpf *s, struct model *model, struct inst_record *record,
		     bool ended)
{
	int ret;

	record->inst.resident = record->live.pages;
	add_hot_inst(s, &record->inst);
	if (!ended && !record->live.alive)
		return model_add_instance(model, &record->inst,
					  was_released_unseen(s, &record->inst));
	ret = model_add_instance(model, &record->inst, ended);
	if (!ret && ended)
		bpf_map_delete_elem(bpf_map__fd(s->skel->maps.ended_instances), &record->inst.id);
	return ret;
}

static int take(struct source_bpf *s, struct model *model, int dump, void *record)
{
	if (dumps_vms(dump))
		return take_vm(s, model, record, dump == DUMP_ENDED_VMS);
	return take_inst(s, model, record, dump == DUMP_ENDED_INSTANCES);
}

int source_records(struct source_bpf *s, struct bpf_link *link, size_t size,
		   int (*take_one)(struct source_bpf *s, struct model *model, int kind,
				   void *record),
		   struct model *model, int kind)
{
	size_t have = 0, at;
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
		for (at = 0; have - at >= size && !ret; at += size)
			ret = take_one(s, model, kind, s->buf + at);
		have -= at;
		memmove(s->buf, s->buf + at, have);
	}
	close(fd);
	return ret;
}

static int read_dump(struct source_bpf *s, struct model *model, enum dump dump)
{
	size_t size = sizeof(struct inst_record);

	if (dumps_vms(dump))
		size = s->skel->bss->want_heat ? sizeof(struct vm_record)
					       : offsetof(struct vm_record, vm.heat);
	return source_records(s, s->links[dump], size, take, model, (int)dump);
}

/* To look through an empty map costs as much as through a full one. */
static bool nothing_ended(struct source_bpf *s, enum dump dump)
{
	uint64_t *last = dump == DUMP_ENDED_VMS ? &s->ended_vms : &s->ended_instances;
	uint64_t now = *(volatile __u64 *)(dump == DUMP_ENDED_VMS
						   ? &s->skel->bss->nr_ended_vms
						   : &s->skel->bss->nr_ended_instances);
	bool same = now == *last;

	*last = now;
	return same;
}

int source_read(struct source_bpf *source, struct model *model, uint64_t only)
{
	enum dump dump;
	int ret;

	source->skel->bss->want_heat = model->looked & WANT_HEAT;
	/*
	 * Live ones before those that ended: what moves in between is seen twice, never not at all.
	 * And instances before VMs, so that an instance's VM is there.
	 */
	for (dump = 0; dump < NR_DUMPS; dump++) {
		if ((dump == DUMP_ENDED_VMS || dump == DUMP_ENDED_INSTANCES) &&
		    nothing_ended(source, dump))
			continue;
		ret = read_dump(source, model, dump);
		if (ret)
			return ret;
	}
	model_set_lost(model, source->skel->bss->lost, programs_missed(source->skel->obj));
	return source_look(source, model, model->looked, only);
}

void source_close(struct source_bpf *source)
{
	enum dump dump;
	int i;

	if (!source)
		return;
	for (dump = 0; dump < NR_DUMPS; dump++)
		bpf_link__destroy(source->links[dump]);
	for (i = 0; i < NR_VISITS; i++)
		bpf_link__destroy(source->visits[i]);
	gmem_trace_bpf__destroy(source->skel);
	features_free(&source->features);
	free(source->found);
	free(source);
}
