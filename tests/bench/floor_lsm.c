// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches a BPF program that does nothing to each LSM hook that ordinary files come through and
 * where a policy has a program, says so in one line, and waits for the end of its standard input:
 * what an operation on a file costs then is the floor for any policy by BPF.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

static const char *const hooks[] = { "file_permission", "mmap_file", "file_ioctl" };

#define NR_HOOKS (sizeof(hooks) / sizeof(hooks[0]))

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

int main(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int ret = btf ? 0 : -errno;
	unsigned int i;

	for (i = 0; i < NR_HOOKS && !ret; i++) {
		ret = attach_empty(btf, hooks[i]);
		if (ret)
			fprintf(stderr, "bench_floor_lsm: %s: %s\n", hooks[i], strerror(-ret));
	}
	btf__free(btf);
	if (ret)
		return 1;
	printf("%zu empty programs\n", NR_HOOKS);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
