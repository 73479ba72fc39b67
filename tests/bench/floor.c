// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches an empty BPF program wherever gmemtop attaches one on this kernel, prints one line, and
 * waits for the end of its standard input. The cost of an operation meanwhile is the minimum for
 * any tool that observes it by BPF.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "../../src/lib/exits.h"
#include "../../src/lib/log.h"
#include "../../src/top/features.h"
#include "../../bpf/abi/ledger.h"
#include "gmem_trace.skel.h"

#define MAX_PROGRAMS 64

/* Load and attach an empty program of the type of @like at a target of the table. */
static int attach_empty(int btf, const struct bpf_program *like, uint32_t target)
{
	/* r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int fd;

	opts.expected_attach_type = bpf_program__expected_attach_type(like);
	opts.attach_btf_id = target;
	opts.attach_btf_obj_fd = (__u32)btf;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "nothing", "GPL", insns,
			   sizeof(insns) / sizeof(insns[0]), &opts);
	if (fd < 0)
		return fd;
	/* Attached as long as this process lives. */
	fd = bpf_raw_tracepoint_open(NULL, fd);
	return fd < 0 ? fd : 0;
}

/* A program may serve several sources, and is attached once. */
static bool seen_before(const char *program)
{
	static const char *seen[MAX_PROGRAMS];
	static size_t nr;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!strcmp(seen[i], program))
			return true;
	}
	if (nr < MAX_PROGRAMS)
		seen[nr++] = program;
	return false;
}

static int attach_all(const struct features *features, const struct gmem_trace_bpf *skel,
		      unsigned int *attached)
{
	const struct bpf_program *like;
	const char *target;
	unsigned int i, h;
	int ret, btf;

	ret = features->kvm_btf < 0 ? features->kvm_btf : 0;
	for (i = 0; !ret && i < nr_sources; i++) {
		/* Attached on request only. */
		if (sources[i].facts & PHASE_FACTS)
			continue;
		for (h = 0; !ret && h < MAX_HOOKS; h++) {
			target = features->targets[i * MAX_HOOKS + h];
			if (!target || seen_before(sources[i].hooks[h].program))
				continue;
			like = bpf_object__find_program_by_name(skel->obj,
								sources[i].hooks[h].program);
			btf = is_of_kernel(&sources[i].hooks[h]) ? 0 : features->kvm_btf;
			ret = like ? attach_empty(btf, like, features->ids[i * MAX_HOOKS + h])
				   : -ENOENT;
			if (ret)
				log_error(ret, NULL, NULL, "attach an empty program to %s", target);
			else
				(*attached)++;
		}
	}
	return ret;
}

int main(void)
{
	struct features features = { 0 };
	struct gmem_trace_bpf *skel;
	unsigned int attached = 0;
	int ret;

	log_setup("bench_floor", false, 0);
	ret = features_probe(&features, false, true);
	if (ret)
		return exit_status(log_error(ret, NULL, NULL, "probe the kernel"));
	skel = gmem_trace_bpf__open();
	ret = skel ? attach_all(&features, skel, &attached) : -errno;
	if (!ret) {
		printf("%u empty programs\n", attached);
		fflush(stdout);
		while (getchar() != EOF)
			;
	}
	gmem_trace_bpf__destroy(skel);
	features_free(&features);
	return exit_status(ret);
}
