// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches a BPF program that does nothing wherever gmemtop attaches one on this kernel, says so in
 * one line, and waits for the end of its standard input: what an operation costs then is the floor
 * for anything that watches by BPF.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

#include "../../src/lib/exits.h"
#include "../../src/lib/log.h"
#include "../../src/top/features.h"
#include "gmem_trace.skel.h"

#define TYPEDEF_OF_TRACEPOINT "btf_trace_"
#define MAX_PROGRAMS	      64

/* Where KVM's types are: in the module's BTF, or with KVM built in in the kernel's own (fd 0). */
struct kvm_types {
	struct btf *vmlinux, *module;
	int fd;
};

/* The module's BTF as an fd, which the kernel wants when a program is loaded. */
static int module_btf_fd(const char *name)
{
	char found[64];
	struct bpf_btf_info info;
	__u32 id = 0, size;
	int fd;

	while (!bpf_btf_get_next_id(id, &id)) {
		fd = bpf_btf_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		info.name = (uintptr_t)found;
		info.name_len = sizeof(found);
		size = sizeof(info);
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.kernel_btf &&
		    !strcmp(found, name))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static int open_types(struct kvm_types *types, bool module)
{
	types->vmlinux = btf__load_vmlinux_btf();
	if (!types->vmlinux)
		return -errno;
	if (!module)
		return 0;
	types->module = btf__load_module_btf("kvm", types->vmlinux);
	if (!types->module)
		return -errno;
	types->fd = module_btf_fd("kvm");
	return types->fd < 0 ? types->fd : 0;
}

/* Load and attach an empty program of the type of @like at @target. */
static int attach_empty(const struct kvm_types *types, const struct bpf_program *like,
			const char *target)
{
	/* r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const struct btf *btf = types->module ? types->module : types->vmlinux;
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts);
	char name[128];
	bool tracepoint;
	int id, fd;

	opts.expected_attach_type = bpf_program__expected_attach_type(like);
	tracepoint = opts.expected_attach_type == BPF_TRACE_RAW_TP;
	snprintf(name, sizeof(name), "%s%s", tracepoint ? TYPEDEF_OF_TRACEPOINT : "", target);
	id = btf__find_by_name_kind(btf, name, tracepoint ? BTF_KIND_TYPEDEF : BTF_KIND_FUNC);
	if (id < 0)
		return id;
	opts.attach_btf_id = (__u32)id;
	opts.attach_btf_obj_fd = (__u32)types->fd;
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
	struct kvm_types types = { 0 };
	const struct bpf_program *like;
	const char *target;
	unsigned int i, h;
	int ret;

	ret = open_types(&types, features->kvm_module);
	for (i = 0; !ret && i < nr_sources; i++) {
		for (h = 0; !ret && h < MAX_HOOKS; h++) {
			target = features->targets[i * MAX_HOOKS + h];
			if (!target || seen_before(sources[i].hooks[h].program))
				continue;
			like = bpf_object__find_program_by_name(skel->obj,
								sources[i].hooks[h].program);
			ret = like ? attach_empty(&types, like, target) : -ENOENT;
			if (ret)
				log_error(ret, NULL, NULL, "attach an empty program to %s", target);
			else
				(*attached)++;
		}
	}
	btf__free(types.module);
	btf__free(types.vmlinux);
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
		return exit_status(log_error(ret, NULL, NULL, "look at the kernel"));
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
