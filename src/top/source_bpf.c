// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/log.h"
#include "programs.h"
#include "silence.h"
#include "source_inner.h"

static int set_sizes(struct source_bpf *s, const struct source_options *opts)
{
	int ret;

	/* One more for what does not fit. */
	ret = bpf_map__set_max_entries(s->skel->maps.gmem_vms, opts->max_vms + 1);
	if (!ret)
		ret = bpf_map__set_max_entries(s->skel->maps.gmem_instances,
					       opts->max_instances + 1);
	if (!ret)
		ret = bpf_map__set_max_entries(s->skel->maps.gmem_ended_vms, opts->max_vms);
	if (!ret)
		ret = bpf_map__set_max_entries(s->skel->maps.gmem_ended_inst, opts->max_instances);
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
	bpf_program__set_autoload(s->skel->progs.gmem_bindings, s->features.facts & FACT(bindings));
	bpf_program__set_autoload(s->skel->progs.gmem_read_pages,
				  s->features.facts & FACT(attributes));
	ret = set_sizes(s, opts);
	if (!ret)
		ret = programs_choose(s->skel->obj, &s->features, ~PHASE_FACTS);
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

	ret = bpf_map_update_elem(bpf_map__fd(s->skel->maps.gmem_vms), &key, &vm, BPF_ANY);
	if (!ret)
		ret = bpf_map_update_elem(bpf_map__fd(s->skel->maps.gmem_instances), &inst_key,
					  &inst, BPF_ANY);
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
		program = dumps_vms(dump) ? s->skel->progs.gmem_dump_vms
					  : s->skel->progs.gmem_dump_inst;
		info.map.map_fd = (__u32)bpf_map__fd(source_dump_map(s, dump));
		s->links[dump] = bpf_program__attach_iter(program, &opts);
		if (!s->links[dump])
			return -errno;
	}
	return 0;
}

void source_watch_ioctls(struct source_bpf *s, bool on)
{
	struct bpf_program *programs[] = { s->skel->progs.gmem_d_ioctl,
					   s->skel->progs.gmem_d_ioctl32 };
	unsigned int i;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (on == !!s->ioctls[i] || !bpf_program__autoload(programs[i]))
			continue;
		if (on) {
			s->ioctls[i] = bpf_program__attach_trace(programs[i]);
			/* Then denials are unknown, and not fewer than there are. */
			if (!s->ioctls[i])
				s->features.facts &= ~FACT(deny);
		} else {
			bpf_link__destroy(s->ioctls[i]);
			s->ioctls[i] = NULL;
		}
	}
}

/* Attach what counts, then look for what was there already: nothing falls in between. */
static int attach(struct source_bpf *s)
{
	struct bpf_program *asked[] = {
		s->skel->progs.gmem_dump_vms,  s->skel->progs.gmem_dump_inst,
		s->skel->progs.gmem_visit_fds, s->skel->progs.gmem_visit_maps,
		s->skel->progs.gmem_bindings,  s->skel->progs.gmem_read_pages,
		s->skel->progs.gmem_d_ioctl,   s->skel->progs.gmem_d_ioctl32,
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
		ret = source_births_open(s);
	if (!ret)
		ret = attach_dumps(s);
	if (!ret)
		ret = attach(s);
	if (!ret && opts->latency && s->features.facts & FACT(phases))
		ret = latency_open(s);
	if (!ret && opts->survey)
		ret = survey_open(s);
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

/* Attached with the first frame that wants them, and detached with the first one that does not. */
static int read_latency(struct source_bpf *s, struct sample *sample)
{
	if (!(sample->looked & WANT_LATENCY)) {
		latency_close(s);
		return 0;
	}
	/* Its error has been explained; the frame says that the facts are missing. */
	if (!s->latency && s->features.facts & FACT(phases) && latency_open(s))
		s->features.facts &= ~PHASE_FACTS;
	return s->latency ? latency_read(s, sample) : 0;
}

int source_read(struct source_bpf *source, struct sample *sample, uint64_t only, uint64_t slice,
		int cgroups)
{
	struct programs_use use;
	int ret;

	/* What was not counted meanwhile never will be. */
	source->silenced |= silence_check(&source->features);
	sample->silenced = source->silenced;
	source->skel->bss->want_heat = sample->looked & WANT_HEAT;
	ret = source_dumps(source, sample);
	if (ret)
		return ret;
	ret = read_latency(source, sample);
	if (ret)
		return ret;
	/* Behind the VMs, so that the birth of each of them has been told. */
	ring_buffer__consume(source->ring);
	programs_count(source->skel->obj, &use);
	memcpy(sample->lost, source->skel->bss->lost, sizeof(sample->lost));
	latency_account(source, &sample->lost[GMEM_LOST_untimed], &use);
	sample->missed = use.missed;
	sample->programs_runs = use.runs;
	sample->programs_ns = use.ns;
	ret = source_look(source, sample, sample->looked, only, slice);
	if (!ret)
		source_identify(source, sample, cgroups);
	return ret;
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
	for (i = 0; i < 2; i++)
		bpf_link__destroy(source->ioctls[i]);
	latency_close(source);
	survey_close(source);
	ring_buffer__free(source->ring);
	gmem_trace_bpf__destroy(source->skel);
	features_free(&source->features);
	for (i = 0; i < (int)source->nr_vms; i++) {
		free(source->vms[i]->who.cgroup);
		free(source->vms[i]);
	}
	free(source->vms);
	free(source->taken);
	free(source->found);
	free(source->passes);
	free(source->holds);
	free(source->births);
	free(source->deferred.ids);
	free(source->deferred.unseen);
	free(source);
}
