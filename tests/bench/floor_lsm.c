// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches an empty BPF program to every hook where a policy has a program, prints one line, and
 * waits for the end of its standard input. The cost of an operation meanwhile is the minimum for
 * any policy by BPF.
 *
 *   bench_floor_lsm [--lock | --tags]
 *
 * --lock: also to every hook where a locked policy has a program.
 * --tags: the program at the hook for a new task gives it storage of the size of a policy's tag,
 * and nothing else. What a fork costs then, the kernel takes for storage of a task.
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

static int attach(const struct btf *btf, const char *hook, const struct bpf_insn *insns, size_t nr,
		  __u32 flags)
{
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_LSM_MAC,
			    .prog_flags = flags);
	char name[64];
	int id, fd;

	snprintf(name, sizeof(name), "bpf_lsm_%s", hook);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	if (id < 0)
		return id;
	opts.attach_btf_id = (__u32)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_LSM, "nothing", "GPL", insns, nr, &opts);
	if (fd < 0)
		return fd;
	/* Attached as long as this process lives. */
	fd = bpf_raw_tracepoint_open(NULL, fd);
	return fd < 0 ? fd : 0;
}

static int attach_empty(const struct btf *btf, const char *hook)
{
	/* r0 = 0; exit */
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return attach(btf, hook, insns, sizeof(insns) / sizeof(insns[0]), 0);
}

/* Storage of tasks. The kernel wants to know the types of its keys and values. */
static int make_tags(void)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct btf *types = btf__new_empty();
	int number, value, fd;

	if (!types)
		return -errno;
	number = btf__add_int(types, "int", sizeof(int), BTF_INT_SIGNED);
	value = btf__add_array(types, number, number, sizeof(struct gmem_tag) / sizeof(int));
	fd = value < 0 ? value : btf__load_into_kernel(types);
	if (!fd) {
		opts.btf_fd = (__u32)btf__fd(types);
		opts.btf_key_type_id = (__u32)number;
		opts.btf_value_type_id = (__u32)value;
		fd = bpf_map_create(BPF_MAP_TYPE_TASK_STORAGE, "tags", sizeof(int),
				    sizeof(struct gmem_tag), 0, &opts);
	}
	btf__free(types);
	return fd;
}

/* Sleepable, as is the program of a policy, so that the kernel allocates in the same way. */
static int attach_tags(const struct btf *btf, const char *hook)
{
	int tags = make_tags();
	/* r2 = the task; r1 = tags; r3 = 0; r4 = create; bpf_task_storage_get(); r0 = 0; exit */
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 2, .src_reg = 1 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = 1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = tags },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = 4,
		  .imm = BPF_LOCAL_STORAGE_GET_F_CREATE },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_task_storage_get },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	_Static_assert(sizeof(struct gmem_tag) % sizeof(int) == 0, "the value's type is an array");
	return tags < 0 ? tags
			: attach(btf, hook, insns, sizeof(insns) / sizeof(insns[0]),
				 BPF_F_SLEEPABLE);
}

int main(int argc, char **argv)
{
	bool locked = argc > 1 && !strcmp(argv[1], "--lock");
	bool tags = argc > 1 && !strcmp(argv[1], "--tags");
	struct btf *btf = btf__load_vmlinux_btf();
	unsigned int i, attached = 0;
	int ret = btf ? 0 : -errno;

	for (i = 0; i < GMEM_PROG_MAX && !ret; i++) {
		if (!in_policy(i, locked))
			continue;
		attached++;
		ret = tags && i == GMEM_PROG_tag_fork ? attach_tags(btf, hooks[i])
						      : attach_empty(btf, hooks[i]);
		if (ret)
			fprintf(stderr, "bench_floor_lsm: %s: %s\n", hooks[i], strerror(-ret));
	}
	btf__free(btf);
	if (ret)
		return 1;
	printf("%u programs\n", attached);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
