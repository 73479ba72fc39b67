// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernels without a member that depends on their configuration: do the programs of a policy load
 * there? The lab has no such kernel, so the member is taken out of this kernel's types, by another
 * name, before libbpf relocates the programs. libbpf knows no types of modules then, KVM's among
 * them: the programs are those that look at tasks.
 *
 * Runs as root in any lane, from the directory that has build/.
 */
#include <stdbool.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "lib/cases.h"

#define OBJECT "build/gmem_policy.bpf.o"
#define TYPES  "/tmp/fields.btf"

/* Attached under every policy, whatever KVM is. */
static const char *const programs[] = { "gmem_attach",	 "gmem_traceme",  "gmem_sqpoll",
					"gmem_tag_exec", "gmem_tag_fork", "gmem_tag_old" };

/* Is it that structure, or one without a name in it? It is known by another member. */
static bool has_member(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *member = btf_members(type);

	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, member[i].name_off), name))
			return true;
	}
	return false;
}

/* Give the member another name, in all structures that have both. Return: how many. */
static unsigned int rename_member(struct btf *btf, const char *name, const char *beside)
{
	const struct btf_type *type;
	struct btf_member *member;
	unsigned int renamed = 0;

	for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
		type = btf__type_by_id(btf, id);
		if (!btf_is_struct(type) || !has_member(btf, type, beside))
			continue;
		member = btf_members(type);
		for (unsigned int i = 0; i < btf_vlen(type); i++) {
			if (strcmp(btf__name_by_offset(btf, member[i].name_off), name))
				continue;
			/* The end of its own name, which needs no other string. */
			member[i].name_off++;
			renamed++;
		}
	}
	return renamed;
}

/* Types as of a kernel without the member; of this kernel if there is none. */
static void write_types(const char *name, const char *beside)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const void *raw;
	__u32 size;
	FILE *file;

	if (!btf)
		give_up("the kernel's types");
	CHECK(!beside || rename_member(btf, name, beside), "no structure has %s and %s", name,
	      beside);
	raw = btf__raw_data(btf, &size);
	file = fopen(TYPES, "we");
	if (!raw || !file || fwrite(raw, 1, size, file) != size || fclose(file))
		give_up(TYPES);
	btf__free(btf);
}

static void switch_on(struct bpf_object *object, const char *setting)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_var_secinfo *info;
	const struct btf_type *section, *var;
	unsigned char *values;
	size_t size;

	if (!map || id < 0)
		give_up("the settings of " OBJECT);
	values = (unsigned char *)bpf_map__initial_value(map, &size);
	section = btf__type_by_id(btf, (__u32)id);
	info = btf_var_secinfos(section);
	for (unsigned int i = 0; i < btf_vlen(section); i++, info++) {
		var = btf__type_by_id(btf, info->type);
		if (!strcmp(btf__name_by_offset(btf, var->name_off), setting))
			values[info->offset] = 1;
	}
}

/* Return: 0 or a negative errno. */
static int load(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = TYPES);
	struct bpf_object *object = bpf_object__open_file(OBJECT, &opts);
	struct bpf_program *program;
	int ret;

	if (!object)
		give_up(OBJECT);
	bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		program = bpf_object__find_program_by_name(object, programs[i]);
		if (!program)
			give_up(programs[i]);
		bpf_program__set_autoload(program, true);
	}
	switch_on(object, "has_task_from_pid");
	ret = bpf_object__load(object);
	bpf_object__close(object);
	return ret;
}

/* With all members, by the same way: without this the others prove nothing. */
static void test_control(void)
{
	int ret;

	write_types(NULL, NULL);
	ret = load();
	CHECK(!ret, "%s", strerror(-ret));
}

/* CONFIG_MEMCG=n */
static void test_memcg(void)
{
	int ret;

	write_types("owner", "exe_file");
	ret = load();
	CHECK(!ret, "%s", strerror(-ret));
}

/* CONFIG_SECCOMP=n */
static void test_seccomp(void)
{
	int ret;

	write_types("seccomp", "real_cred");
	ret = load();
	CHECK(!ret, "%s", strerror(-ret));
}

static const struct test_case cases[] = {
	{ "control", test_control },
	{ "memcg", test_memcg },
	{ "seccomp", test_seccomp },
};

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run_cases("fields", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
