// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversions through an instance, before there is a kernel in the lab that does them. gmemtop's
 * programs for them are attached to the security hook of ioctls, which has the arguments of the
 * handler that they are for and succeeds: what they count and report is what is asked for here.
 * gmemtop itself must find that this kernel does not know the request.
 *
 * Runs as root in any lane, from the directory that has build/.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <sys/stat.h>

#include "../../bpf/abi/events.h"
#include "../../bpf/abi/trace.h"
#include "../../src/top/in_place.c"
#include "test.h"
#include "lib/kvm.h"

#define TARGET	   "security_file_ioctl"
#define PAGES	   16
#define TO_PRIVATE 3
#define TO_SHARED  2
#define SIZE	   (PAGES * KVM_PAGE)

static int vm, inst;

/* Set a number in .rodata. */
static void set(struct bpf_object *obj, const char *name, __u32 value)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(obj, ".rodata");
	const struct btf *btf = bpf_object__btf(obj);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_var_secinfo *info = section ? btf_var_secinfos(section) : NULL;
	size_t size;
	char *values = rodata ? (char *)bpf_map__initial_value(rodata, &size) : NULL;
	int i;

	for (i = 0; values && section && i < btf_vlen(section); i++) {
		const struct btf_type *var = btf__type_by_id(btf, info[i].type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name))
			continue;
		memcpy(values + info[i].offset, &value, sizeof(value));
		return;
	}
	give_up(name);
}

/* The object with its two programs at TARGET. */
static struct bpf_object *load(const char *path, struct bpf_link *links[2])
{
	static const char *const programs[] = { "gmem_f_inplace", "gmem_f_inplret" };
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int i;

	if (!obj)
		give_up(path);
	bpf_object__for_each_program(program, obj) bpf_program__set_autoload(program, false);
	for (i = 0; i < 2; i++) {
		program = bpf_object__find_program_by_name(obj, programs[i]);
		if (!program || bpf_program__set_autoload(program, true) ||
		    bpf_program__set_attach_target(program, 0, TARGET))
			give_up(programs[i]);
	}
	if (bpf_object__find_map_by_name(obj, "gmem_stream"))
		set(obj, "wanted", 1U << GMEM_EV_convert);
	if (bpf_object__load(obj))
		give_up("load the programs");
	for (i = 0; i < 2; i++) {
		links[i] = bpf_program__attach(bpf_object__find_program_by_name(obj, programs[i]));
		if (!links[i])
			give_up("attach a program");
	}
	return obj;
}

static void unload(struct bpf_object *obj, struct bpf_link *links[2])
{
	bpf_link__destroy(links[0]);
	bpf_link__destroy(links[1]);
	bpf_object__close(obj);
}

/* KVM itself knows no such request here. */
static void convert(uint64_t attributes, int times)
{
	struct attributes2 attrs = { .offset = KVM_PAGE, .size = SIZE, .attributes = attributes };

	while (times--)
		CHECK(ioctl(inst, SET_ATTRIBUTES2, &attrs) < 0 && errno == ENOTTY, "ioctl: %s",
		      strerror(errno));
}

static void convert_all(void)
{
	convert(KVM_MEMORY_ATTRIBUTE_PRIVATE, TO_PRIVATE);
	convert(0, TO_SHARED);
	/* The old number, and a VM. */
	ioctl(inst, KVM_SET_MEMORY_ATTRIBUTES, NULL);
	kvm_convert(vm, KVM_TEST_GPA, KVM_PAGE, 0);
}

static void test_tried(void)
{
	CHECK(in_place_try() == 0, "this kernel converts through instances: %d", in_place_try());
}

static __u64 durations(const struct gmem_latency *latency)
{
	__u64 nr = 0;
	int i;

	for (i = 0; i < GMEM_HIST_BUCKETS; i++)
		nr += latency->hist[i];
	return nr;
}

static void test_counted(void)
{
	struct bpf_link *links[2];
	struct bpf_object *obj = load("build/gmem_trace.bpf.o", links);
	int vms = bpf_object__find_map_fd_by_name(obj, "gmem_vms");
	__u64 key = 0, *last = NULL;
	struct gmem_vm found;
	int nr = 0;

	convert_all();
	for (; !bpf_map_get_next_key(vms, last, &key); last = &key)
		nr += !bpf_map_lookup_elem(vms, &key, &found) && found.tgid == (__u32)getpid();
	CHECK(nr == 1, "%d VMs", nr);
	if (nr != 1)
		goto out;
	CHECK(found.c[GMEM_VM_to_private] == TO_PRIVATE &&
		      found.c[GMEM_VM_to_private_pages] == TO_PRIVATE * PAGES,
	      "%llu to private, %llu pages", found.c[GMEM_VM_to_private],
	      found.c[GMEM_VM_to_private_pages]);
	CHECK(found.c[GMEM_VM_to_shared] == TO_SHARED &&
		      found.c[GMEM_VM_to_shared_pages] == TO_SHARED * PAGES,
	      "%llu to shared, %llu pages", found.c[GMEM_VM_to_shared],
	      found.c[GMEM_VM_to_shared_pages]);
	CHECK(durations(&found.latency[0]) == TO_PRIVATE &&
		      durations(&found.latency[1]) == TO_SHARED && found.c[GMEM_VM_to_private_ns],
	      "durations: %llu and %llu", durations(&found.latency[0]),
	      durations(&found.latency[1]));
	CHECK(found.heat.elsewhere == (TO_PRIVATE + TO_SHARED) * PAGES && !found.heat.pages[0],
	      "%llu pages in no cell", found.heat.elsewhere);
	CHECK(!found.error, "error %u", found.error);
out:
	unload(obj, links);
}

static int taken[2], wrong;

static int take(void *context, void *data, size_t size)
{
	const struct gmem_event *e = data;
	uint32_t unknown = GMEM_EV_BIT(convert, start) | GMEM_EV_BIT(convert, changed_pages);
	struct stat st;

	(void)context;
	(void)size;
	taken[!e->convert.attributes]++;
	wrong += e->event != GMEM_EV_convert || e->ret || e->convert.size != SIZE ||
		 e->unknown != unknown || !e->convert.duration_ns || fstat(inst, &st) ||
		 e->inst.ino != st.st_ino || e->pid != (__u32)getpid();
	return 0;
}

static void test_reported(void)
{
	struct bpf_link *links[2];
	struct bpf_object *obj = load("build/gmem_events.bpf.o", links);
	struct ring_buffer *ring = ring_buffer__new(
		bpf_object__find_map_fd_by_name(obj, "gmem_stream"), take, NULL, NULL);

	if (!ring)
		give_up("read the stream");
	convert_all();
	ring_buffer__consume(ring);
	CHECK(taken[0] == TO_PRIVATE && taken[1] == TO_SHARED, "%d events to private, %d to shared",
	      taken[0], taken[1]);
	CHECK(!wrong, "%d events are not what was asked for", wrong);
	ring_buffer__free(ring);
	unload(obj, links);
}

int main(void)
{
	int kvm = kvm_open();

	vm = kvm < 0 ? -1 : kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (vm < 0)
		give_up("create a VM");
	inst = kvm_create_instance(vm, 64 * KVM_PAGE, 0);
	if (inst < 0) {
		close(vm);
		vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
		inst = kvm_create_instance(vm, 64 * KVM_PAGE, 0);
	}
	if (inst < 0)
		give_up("create an instance");
	test_tried();
	test_counted();
	test_reported();
	printf("%d checks, %d failed\n", checks, failures);
	return failures > 0;
}
