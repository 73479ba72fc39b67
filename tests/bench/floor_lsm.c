// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches an empty BPF program to every hook where a policy has a program, prints one line, and
 * waits for the end of its standard input. The cost of an operation meanwhile is the minimum for
 * any policy by BPF.
 *
 *   bench_floor_lsm [--lock]
 *
 * --lock: also to every hook where a locked policy has a program.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

#include "../../bpf/abi/policy_maps.h"

static const char *const hooks[GMEM_PROG_MAX] = {
#define X(name, program, section, hook) [GMEM_PROG_##name] = hook,
	GMEM_POLICY_PROGRAMS(X)
#undef X
};

/* Does a policy attach this program on a kernel that has all hooks? */
static bool in_policy(unsigned int program, bool locked)
{
	switch (program) {
	/* It replaces a hook that a kernel lacks. */
	case GMEM_PROG_create_anon: return false;
#define X(name, ...) case GMEM_PROG_##name:
		GMEM_LOCK_PROGRAMS(X)
#undef X
		return locked;
	}
	return true;
}

static int attach_empty(const struct btf *btf, const char *hook)
{
	/* r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_LSM_MAC);
	char name[64];
	int id, fd;

	snprintf(name, sizeof(name), "bpf_lsm_%s", hook);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	if (id < 0)
		return id;
	opts.attach_btf_id = (__u32)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_LSM, "nothing", "GPL", insns,
			   sizeof(insns) / sizeof(insns[0]), &opts);
	if (fd < 0)
		return fd;
	/* Attached as long as this process lives. */
	fd = bpf_raw_tracepoint_open(NULL, fd);
	return fd < 0 ? fd : 0;
}

int main(int argc, char **argv)
{
	bool locked = argc > 1 && !strcmp(argv[1], "--lock");
	struct btf *btf = btf__load_vmlinux_btf();
	unsigned int i, attached = 0;
	int ret = btf ? 0 : -errno;

	for (i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		if (!in_policy(i, locked))
			continue;
		attached++;
		ret = attach_empty(btf, hooks[i]);
		if (ret)
			fprintf(stderr, "bench_floor_lsm: %s: %s\n", hooks[i], strerror(-ret));
	}
	btf__free(btf);
	if (ret)
		return 1;
	printf("%u empty programs\n", attached);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
