// SPDX-License-Identifier: GPL-2.0-only
/*
 * verified_test [--print] DIRECTORY...: bound the work of the kernel's verifier, whichever compiler
 * built the BPF objects.
 *
 * Each directory has the objects of one compiler. Every program of every object is loaded, with
 * everything switched on that user space can switch on, and the instructions that the verifier
 * walked (bpf_prog_info.verified_insns) are compared with tests/vm/verified.table, which has the
 * counts of the oldest compiler. A program may need a quarter more than that, and so may all of
 * them together. Programs and the table must name each other: one without the other is a failure.
 *
 * The names of programs and maps of this project's objects begin with gmem_ and are not cut off.
 *
 * A count of - in the table says that the program cannot be loaded in lane patched, because the
 * kernel has no function for it to be attached to.
 *
 * With --print a new table is printed, and nothing is compared.
 */
#include <dirent.h>
#include <stdbool.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "../../src/top/features.h"
#include "test.h"

#define TABLE	    "tests/vm/verified.table"
#define MAX_ENTRIES 256
#define SUFFIX	    ".bpf.o"

/*
 * What a count may be above the table: a quarter, and for small programs, where another order of
 * the same blocks makes up more than that, these instructions.
 */
#define PERCENT 125
#define SLACK	200

struct entry {
	char object[32], program[32];
	unsigned int insns;
	bool loads, found;
};

static struct entry table[MAX_ENTRIES];
static unsigned int nr_entries;
static bool printing;
static struct btf *kernel_types, *kvm_types;

static void read_table(void)
{
	FILE *file = fopen(TABLE, "re");
	char line[256], insns[16];
	struct entry *e;

	if (!file)
		give_up(TABLE);
	while (fgets(line, sizeof(line), file)) {
		if (*line == '#' || *line == '\n')
			continue;
		e = &table[nr_entries++];
		if (nr_entries > MAX_ENTRIES ||
		    sscanf(line, "%31s %31s %15s", e->object, e->program, insns) != 3) {
			printf("%s: not OBJECT PROGRAM COUNT: %s", TABLE, line);
			exit(1);
		}
		e->loads = strcmp(insns, "-") != 0;
		e->insns = (unsigned int)strtoul(insns, NULL, 10);
	}
	fclose(file);
}

static struct entry *entry_of(const char *object, const char *program)
{
	for (unsigned int i = 0; i < nr_entries; i++) {
		if (!strcmp(table[i].object, object) && !strcmp(table[i].program, program))
			return &table[i];
	}
	return NULL;
}

static bool has_type(const char *prefix, const char *name, __u32 kind)
{
	char full[128];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	return btf__find_by_name_kind(kernel_types, full, kind) > 0 ||
	       (kvm_types && btf__find_by_name_kind(kvm_types, full, kind) > 0);
}

/* The function that gmemtop's own table names for a program and that this kernel has. */
static const char *target_of(const char *program)
{
	const struct hook *hook;

	for (unsigned int s = 0; s < nr_sources; s++) {
		for (unsigned int h = 0; h < MAX_HOOKS && sources[s].hooks[h].program; h++) {
			hook = &sources[s].hooks[h];
			if (strcmp(hook->program, program))
				continue;
			for (unsigned int t = 0; t < MAX_ALTERNATIVES && hook->targets[t]; t++) {
				if (has_type("", hook->targets[t], BTF_KIND_FUNC))
					return hook->targets[t];
			}
		}
	}
	return NULL;
}

/*
 * Can the program be loaded, has the kernel what it is attached to? Sections that name no function
 * get theirs from gmemtop's table.
 */
static bool choose(struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program), *target = strchr(section, '/');

	/* What nullable_test.c wants to see refused. */
	if (strstr(bpf_program__name(program), "_unchecked"))
		return false;
	section += *section == '?';
	if (!strcmp(section, "fentry") || !strcmp(section, "fexit")) {
		target = target_of(bpf_program__name(program));
		return target && !bpf_program__set_attach_target(program, 0, target);
	}
	if (!target++)
		return true;
	if (!strncmp(section, "lsm", 3))
		return has_type("bpf_lsm_", target, BTF_KIND_FUNC);
	if (!strncmp(section, "tp_btf", 6))
		return has_type("btf_trace_", target, BTF_KIND_TYPEDEF);
	if (!strncmp(section, "iter", 4))
		return true;
	return has_type("", target, BTF_KIND_FUNC);
}

/* Settings are the constants of .rodata that have a name and are numbers: all are switched on. */
static void switch_on(struct bpf_object *object)
{
	struct btf *btf = bpf_object__btf(object);
	const struct btf_var_secinfo *info;
	const struct btf_type *section, *type, *var;
	struct bpf_map *map, *rodata = NULL;
	const char *name;
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	unsigned char *values;
	__u64 value;
	size_t size;

	bpf_object__for_each_map(map, object)
	{
		name = bpf_map__name(map);
		if (strlen(name) >= 7 && !strcmp(name + strlen(name) - 7, ".rodata"))
			rodata = map;
	}
	if (id < 0 || !rodata)
		return;
	size = bpf_map__value_size(rodata);
	values = malloc(size);
	if (!values)
		give_up("memory");
	memcpy(values, bpf_map__initial_value(rodata, &size), size);
	section = btf__type_by_id(btf, (__u32)id);
	info = btf_var_secinfos(section);
	for (unsigned int i = 0; i < btf_vlen(section); i++, info++) {
		var = btf__type_by_id(btf, info->type);
		type = btf__type_by_id(btf, (__u32)btf__resolve_type(btf, var->type));
		name = btf__name_by_offset(btf, var->name_off);
		if (!btf_is_int(type) || info->size > sizeof(value) ||
		    info->offset + info->size > size)
			continue;
		/* A set of events; the other numbers are one value each. */
		value = strcmp(name, "wanted") ? 1 : ~0ULL;
		memcpy(values + info->offset, &value, info->size);
	}
	if (bpf_map__set_initial_value(rodata, values, size))
		give_up("the settings in .rodata");
	free(values);
}

static unsigned int verified(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		give_up(bpf_program__name(program));
	return info.verified_insns;
}

/* Return: what the verifier walked in all programs. */
static unsigned long look_at(const char *compiler, const char *path, const char *object,
			     unsigned long *expected)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	unsigned long sum = 0;
	unsigned int insns, most;
	struct entry *e;
	bool loads;

	CHECK(obj, "%s: %s", path, strerror(errno));
	if (!obj)
		return 0;
	switch_on(obj);
	bpf_object__for_each_program(program, obj)
		bpf_program__set_autoload(program, choose(program));
	if (bpf_object__load(obj)) {
		CHECK(false, "%s: the kernel does not take it: %s", path, strerror(errno));
		goto out;
	}
	bpf_object__for_each_program(program, obj)
	{
		loads = bpf_program__autoload(program);
		insns = loads ? verified(program) : 0;
		sum += insns;
		if (printing) {
			printf(loads ? "%-20s %-18s %u\n" : "%-20s %-18s -\n", object,
			       bpf_program__name(program), insns);
			continue;
		}
		e = entry_of(object, bpf_program__name(program));
		CHECK(e, "%s: program %s is not in %s", path, bpf_program__name(program), TABLE);
		if (!e)
			continue;
		e->found = true;
		*expected += e->insns;
		most = e->insns * PERCENT / 100 + SLACK;
		printf("%-10s %-20s %-18s %7u of %7u\n", compiler, object,
		       bpf_program__name(program), insns, loads ? most : 0);
		CHECK(loads == e->loads, "%s: program %s %s", path, e->program,
		      loads ? "loads, but the table says that it cannot"
			    : "has no function to be attached to");
		CHECK(insns <= most,
		      "%s: program %s: the verifier walks %u instructions, %u is "
		      "the limit: a branch or a loop was made from arithmetic, see "
		      "bpf/kernel/opaque.h; %s has the counts",
		      path, e->program, insns, most, TABLE);
	}
out:
	bpf_object__close(obj);
	return sum;
}

static int is_object(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > strlen(SUFFIX) && !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

static void look_into(const char *directory)
{
	const char *compiler = strrchr(directory, '/') ? strrchr(directory, '/') + 1 : directory;
	unsigned long sum = 0, expected = 0;
	struct dirent **found;
	char path[512], object[64];
	int n = scandir(directory, &found, is_object, alphasort);

	if (n < 0)
		give_up(directory);
	for (unsigned int i = 0; i < nr_entries; i++)
		table[i].found = false;
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, found[i]->d_name);
		snprintf(object, sizeof(object), "%.*s",
			 (int)(strlen(found[i]->d_name) - strlen(SUFFIX)), found[i]->d_name);
		sum += look_at(compiler, path, object, &expected);
		free(found[i]);
	}
	free(found);
	if (printing)
		return;
	for (unsigned int i = 0; i < nr_entries; i++)
		CHECK(table[i].found, "%s: no program %s of %s.bpf.o, which is in %s", directory,
		      table[i].program, table[i].object, TABLE);
	printf("%-10s all %lu of %lu\n", compiler, sum, expected * PERCENT / 100);
	CHECK(sum <= expected * PERCENT / 100, "%s: the verifier walks %lu instructions in all",
	      directory, sum);
}

int main(int argc, char **argv)
{
	int i = 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printing = argc > 1 && !strcmp(argv[1], "--print");
	i += printing;
	if (i >= argc) {
		printf("usage: verified_test [--print] DIRECTORY...\n");
		return 2;
	}
	kernel_types = btf__load_vmlinux_btf();
	if (!kernel_types)
		give_up("the types of the kernel");
	if (!access("/sys/kernel/btf/kvm", R_OK))
		kvm_types = btf__load_module_btf("kvm", kernel_types);
	if (!printing)
		read_table();
	for (; i < argc; i++)
		look_into(argv[i]);
	if (!printing)
		printf("%d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
