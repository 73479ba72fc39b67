// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "../lib/json.h"
#include "../lib/log.h"
#include "features.h"
#include "in_place.h"
#include "pagemap.h"
#include "silence.h"

/* From Linux 6.8 on. */
#ifndef KVM_CAP_MEMORY_ATTRIBUTES
#define KVM_CAP_MEMORY_ATTRIBUTES 233
#endif
#define ATTRIBUTE_PRIVATE (1 << 3) /* KVM_MEMORY_ATTRIBUTE_PRIVATE */

#define TRACEPOINT_PREFIX "btf_trace_"
#define ATTACHABLE	  "/sys/kernel/tracing/available_filter_functions"

#define HOOK(program, ...)          \
	{                           \
		program,            \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
#define TP(name, what)                                                                 \
	{                                                                              \
		.facts = (what), .hooks = { HOOK("gmem_t_" #name, "kvm_gmem_" #name) } \
	}
#define FN(what, ...)                                     \
	{                                                 \
		.facts = (what), .hooks = { __VA_ARGS__ } \
	}
#define IOCTL	   HOOK("gmem_f_ioctlret", "kvm_vm_ioctl")
#define INVALIDATE HOOK("gmem_t_invalid", "kvm_gmem_invalidate")
#define BOUND	   HOOK("gmem_f_bound", "kvm_gmem_prepare_memory_region", "kvm_gmem_bind")
#define RUN	   HOOK("gmem_f_run", "kvm_arch_vcpu_ioctl_run")
#define GUEST_EXIT HOOK("gmem_t_exit", "kvm_userspace_exit")
#define SET_END	   HOOK("gmem_f_setend", "kvm_vm_ioctl")

/* clang-format off */

/* Best first; a source is taken if it brings a fact that no earlier one brought. */
const struct source sources[] = {
	TP(convert, FACT(convert) | FACT(asked) | FACT(changed) | FACT(redundant)),
	TP(create, FACT(create)),
	TP(release, FACT(release)),
	TP(bind, FACT(bind)),
	TP(unbind, FACT(unbind)),
	{ .facts = FACT(allocate) | FACT(punched) | FACT(memory_failure),
	  .hooks = { HOOK("gmem_t_allocate", "kvm_gmem_allocate"), INVALIDATE } },
	TP(mmap, FACT(mmap)),
	FN(FACT(guest_fault) | FACT(first_touch), HOOK("gmem_t_gfault", "kvm_gmem_guest_fault")),
	FN(FACT(host_fault), HOOK("gmem_t_hfault", "kvm_gmem_host_fault")),
	TP(populate, FACT(populate)),
	FN(FACT(convert) | FACT(asked), IOCTL, HOOK("gmem_t_asked", "kvm_vm_set_mem_attributes")),
	FN(FACT(convert), IOCTL, HOOK("gmem_f_ioctl", "kvm_vm_ioctl")),
	{ .facts = FACT(convert), .in_place = true,
	  .hooks = { HOOK("gmem_f_inplret", "kvm_gmem_ioctl"),
		     HOOK("gmem_f_inplace", "kvm_gmem_ioctl") } },
	{ .facts = FACT(redundant), .on_request = true,
	  .hooks = { HOOK("gmem_f_has_attr", "kvm_range_has_memory_attributes") } },
	FN(FACT(create), HOOK("gmem_f_create", "kvm_gmem_create")),
	FN(FACT(release), HOOK("gmem_f_release", "kvm_gmem_release")),
	FN(FACT(bind), IOCTL, BOUND),
	FN(FACT(unbind), HOOK("gmem_f_unbind", "kvm_gmem_unbind")),
	FN(FACT(allocate), HOOK("gmem_f_allocate", "kvm_gmem_fallocate")),
	FN(FACT(mmap), HOOK("gmem_f_mmap", "kvm_gmem_mmap")),
	FN(FACT(guest_fault), HOOK("gmem_f_gfault", "kvm_gmem_get_pfn")),
	FN(FACT(host_fault), HOOK("gmem_f_hfault", "kvm_gmem_fault_user_mapping")),
	FN(FACT(populate), HOOK("gmem_f_populate", "kvm_gmem_populate")),
	FN(FACT(memory_failure), HOOK("gmem_f_memfail", "kvm_gmem_error_folio")),
	FN(FACT(deny), HOOK("gmem_d_mmap", "security_mmap_file"),
	   HOOK("gmem_d_mprotect", "security_file_mprotect"),
	   HOOK("gmem_d_receive", "security_file_receive"),
	   HOOK("gmem_d_alloc", "vfs_fallocate"), HOOK("gmem_d_ioctl", "security_file_ioctl"),
	   HOOK("gmem_d_ioctl32", "security_file_ioctl_compat")),
	FN(FACT(deny_fault), HOOK("gmem_d_fault", "security_guest_memfd_fault")),
	FN(FACT(vm_end), HOOK("gmem_f_vm_end", "kvm_arch_destroy_vm", "kvm_destroy_vm")),
	/* Of gmem_latency.bpf.c. */
	FN(FACT(phases), RUN, GUEST_EXIT, HOOK("gmem_t_setend", "kvm_gmem_convert")),
	FN(FACT(phases), RUN, GUEST_EXIT, SET_END,
	   HOOK("gmem_t_setbegin", "kvm_vm_set_mem_attributes")),
	FN(FACT(phases), RUN, GUEST_EXIT, SET_END, HOOK("gmem_f_setbegin", "kvm_vm_ioctl")),
	/* With lockdep and with PREEMPT_RT, mutexes have no such function. */
	FN(FACT(phase_lock), HOOK("gmem_d_wait", "__mutex_lock_slowpath"),
	   HOOK("gmem_d_waited", "__mutex_lock_slowpath")),
	FN(FACT(phase_memory), HOOK("gmem_d_falloc", "vfs_fallocate"),
	   HOOK("gmem_d_alloced", "vfs_fallocate"), HOOK("gmem_d_madvise", "do_madvise"),
	   HOOK("gmem_d_madvised", "do_madvise")),
	FN(FACT(phase_fault), HOOK("gmem_t_pgfault", "kvm_page_fault")),
};

/* clang-format on */

const unsigned int nr_sources = sizeof(sources) / sizeof(sources[0]);

const char *const fact_names[GMEM_FACT_MAX] = {
#define X(name, text) [GMEM_FACT_##name] = #name,
	GMEM_FACTS(X)
#undef X
};

const char *const fact_texts[GMEM_FACT_MAX] = {
#define X(name, text) [GMEM_FACT_##name] = text,
	GMEM_FACTS(X)
#undef X
};

static const char counted[] = "attributes of KVM, counted";

/* Is private the only attribute that a page can have? Then what has one is private. */
static bool attributes_are_private(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), attributes = 0;

	if (fd >= 0) {
		attributes = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MEMORY_ATTRIBUTES);
		close(fd);
	}
	return attributes == ATTRIBUTE_PRIVATE;
}

/* What no program at an event brings, but a look at the kernel's own memory; best first. */
static const struct {
	enum gmem_fact fact;
	const char *from;
	/* What has to be there: a struct and its member. */
	const char *members[3][2];
	/* Why it may not be so in spite of that; NULL: no reason. */
	bool (*works)(void);
} looks[] = {
	{ GMEM_FACT_existing, "iterator", { { NULL } }, NULL },
	{ GMEM_FACT_private_pages,
	  "statistic of KVM",
	  { { "kvm_vm_stat_generic", "private_pages" } },
	  NULL },
	{ GMEM_FACT_private_pages,
	  counted,
	  { { "kvm", "mem_attr_array" }, { "xa_node", "nr_values" } },
	  attributes_are_private },
	{ GMEM_FACT_bindings,
	  "memslots of KVM",
	  { { "kvm_memslots", "id_hash" }, { "kvm_memory_slot", "gmem" } },
	  NULL },
	{ GMEM_FACT_attributes,
	  "attributes of KVM",
	  { { "kvm", "mem_attr_array" }, { "xa_node", "slots" }, { "kvm_memory_slot", "gmem" } },
	  NULL },
	{ GMEM_FACT_backing,
	  "page caches, PAGEMAP_SCAN",
	  { { "bpf_iter_task_vma_kern_data", "task" } },
	  pagemap_works },
};

#define NR_LOOKS (sizeof(looks) / sizeof(looks[0]))

/* The structs whose members are asked for. To search for one by name takes a walk through all
 * types. */
static const char *const structs[] = {
	"bpf_iter_task_vma_kern_data", "gmem_inode", "kvm", "kvm_memory_slot", "kvm_memslots",
	"kvm_vm_stat_generic",	       "xa_node",
};

#define NR_STRUCTS (sizeof(structs) / sizeof(structs[0]))

/* Which targets of sources[] this kernel has: one bit per alternative. */
struct found {
	uint8_t hook[64][MAX_HOOKS];
	uint32_t id[64][MAX_HOOKS][MAX_ALTERNATIVES];
	uint32_t structs[NR_STRUCTS]; /* their types, 0: there is none */
	uint32_t looks;		      /* a bit for each of looks[] */
	bool in_place;		      /* KVM converts through instances */
	bool attributes;	      /* VMs have attributes of memory */
};

bool is_tracepoint(const struct hook *hook)
{
	return hook->program && !strncmp(hook->program, "gmem_t_", 7);
}

bool is_of_kernel(const struct hook *hook)
{
	return hook->program && !strncmp(hook->program, "gmem_d_", 7);
}

bool kvm_present(void)
{
	return !access("/sys/module/kvm", F_OK);
}

/* Functions outside of KVM; all targets of such hooks begin like this. */
static bool is_kernel_name(const char *name)
{
	/* It is asked for each function of the kernel. */
	switch (*name) {
	case 's': return !strncmp(name, "security_", 9);
	case 'v': return !strncmp(name, "vfs_fallocate", 13);
	case 'd': return !strcmp(name, "do_madvise");
	case '_': return name[1] == '_' && name[2] == 'm' && !strcmp(name, "__mutex_lock_slowpath");
	default: return false;
	}
}

/* @id: of its type, of which there may be more than one: the first will do */
static void note_name(struct found *found, bool tracepoint, const char *name, uint32_t id)
{
	const struct hook *hook;
	unsigned int i, h, a;

	for (i = 0; i < nr_sources; i++) {
		for (h = 0; h < MAX_HOOKS; h++) {
			hook = &sources[i].hooks[h];
			if (is_tracepoint(hook) != tracepoint)
				continue;
			for (a = 0; a < MAX_ALTERNATIVES && hook->targets[a]; a++) {
				if (strcmp(hook->targets[a], name))
					continue;
				if (!(found->hook[i][h] & 1U << a))
					found->id[i][h][a] = id;
				found->hook[i][h] |= (uint8_t)(1U << a);
			}
		}
	}
}

/* The first of a name counts, as it does for libbpf: the kernel's, where KVM's module has one too. */
static void note_struct(struct found *found, const char *name, uint32_t id)
{
	size_t i;

	if (*name != 'b' && *name != 'g' && *name != 'k' && *name != 'x')
		return;
	for (i = 0; i < NR_STRUCTS; i++) {
		if (!found->structs[i] && !strcmp(structs[i], name))
			found->structs[i] = id;
	}
}

static void note_type(struct found *found, const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name = btf__name_by_offset(btf, type->name_off);

	if (name && btf_is_struct(type)) {
		note_struct(found, name, id);
		return;
	}
	if (name && is_kernel_name(name) && btf_is_func(type)) {
		note_name(found, false, name, id);
		return;
	}
	if (!name || strncmp(name, "kvm_", 4)) {
		if (btf_is_typedef(type) && name &&
		    !strncmp(name, TRACEPOINT_PREFIX, strlen(TRACEPOINT_PREFIX)))
			note_name(found, true, name + strlen(TRACEPOINT_PREFIX), id);
		return;
	}
	if (btf_is_func(type))
		note_name(found, false, name, id);
}

/* The kernel has a hundred thousand types: only the names of functions and structs are read. */
static void note_kernel_types(struct found *found, const struct btf *vmlinux)
{
	uint32_t id, end = btf__type_cnt(vmlinux);
	const struct btf_type *type;
	const char *name;

	for (id = 1; id < end; id++) {
		type = btf__type_by_id(vmlinux, id);
		if (!btf_is_func(type) && !btf_is_struct(type))
			continue;
		name = btf__name_by_offset(vmlinux, type->name_off);
		if (name && btf_is_struct(type))
			note_struct(found, name, id);
		else if (name && is_kernel_name(name))
			note_name(found, false, name, id);
	}
}

/* In the type information of the module or, where the kernel itself uses the type, of vmlinux. */
static bool has_member(const struct btf *btf, const struct found *found, const char *name,
		       const char *member)
{
	const struct btf_type *type = NULL;
	size_t s;
	int i;

	for (s = 0; s < NR_STRUCTS; s++) {
		if (found->structs[s] && !strcmp(structs[s], name))
			type = btf__type_by_id(btf, found->structs[s]);
	}
	for (i = 0; type && i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), member))
			return true;
	}
	return false;
}

static uint32_t find_looks(const struct btf *btf, const struct found *types)
{
	uint32_t found = 0;
	unsigned int i, m;

	for (i = 0; i < NR_LOOKS; i++) {
		for (m = 0; m < 3 && looks[i].members[m][0]; m++) {
			if (!has_member(btf, types, looks[i].members[m][0], looks[i].members[m][1]))
				break;
		}
		if ((m == 3 || !looks[i].members[m][0]) && (!looks[i].works || looks[i].works()))
			found |= 1U << i;
	}
	return found;
}

/* Take away what BTF has but no program can be attached to. */
static void check_attachable(struct found *found)
{
	struct found traceable = { 0 };
	char line[512], *end;
	unsigned int i, h;
	FILE *list;

	list = fopen(ATTACHABLE, "re");
	if (!list)
		return;
	while (fgets(line, sizeof(line), list)) {
		end = strpbrk(line, " \t\n");
		if (end)
			*end = '\0';
		if (!strncmp(line, "kvm_", 4) || is_kernel_name(line))
			note_name(&traceable, false, line, 0);
	}
	fclose(list);
	for (i = 0; i < nr_sources; i++) {
		for (h = 0; h < MAX_HOOKS; h++) {
			if (!is_tracepoint(&sources[i].hooks[h]))
				found->hook[i][h] &= traceable.hook[i][h];
		}
	}
}

/* Sources that are for this way of converting, of those that the kernel has. */
static void choose_sources(struct features *features, const struct found *found, bool in_place,
			   bool redundant)
{
	const struct source *source;
	unsigned int i, h, a;
	enum gmem_fact f;

	for (i = 0; i < nr_sources; i++) {
		source = &sources[i];
		if (!(source->facts & ~features->facts) || source->in_place != in_place ||
		    (source->on_request && !redundant))
			continue;
		for (h = 0; h < MAX_HOOKS && source->hooks[h].program; h++) {
			if (!found->hook[i][h])
				break;
		}
		if (h < MAX_HOOKS && source->hooks[h].program)
			continue;
		for (h = 0; h < MAX_HOOKS && source->hooks[h].program; h++) {
			a = (unsigned int)__builtin_ctz(found->hook[i][h]);
			features->targets[i * MAX_HOOKS + h] = source->hooks[h].targets[a];
			features->ids[i * MAX_HOOKS + h] = found->id[i][h][a];
		}
		for (f = 0; f < GMEM_FACT_MAX; f++) {
			if (source->facts & ~features->facts & (1U << f))
				features->chosen[f] = (int)i;
		}
		features->facts |= source->facts;
	}
}

static void choose(struct features *features, const struct found *found, bool redundant)
{
	enum gmem_fact f;
	unsigned int i;

	for (f = 0; f < GMEM_FACT_MAX; f++)
		features->chosen[f] = -1;
	for (i = 0; i < NR_LOOKS; i++) {
		f = looks[i].fact;
		if (!(found->looks & 1U << i) || features->looked[f])
			continue;
		features->looked[f] = looks[i].from;
		features->facts |= 1U << f;
	}
	features->private_counted = features->looked[GMEM_FACT_private_pages] == counted;
	choose_sources(features, found, false, redundant);
	if (!found->in_place)
		return;
	features_forget_in_place(features);
	choose_sources(features, found, true, redundant);
}

/* The types of a module as an fd, which the kernel wants when a program is loaded. */
static int module_btf(const char *name)
{
	struct bpf_btf_info info;
	__u32 id = 0, size;
	char found[64];
	int fd, ret;

	while (!(ret = bpf_btf_get_next_id(id, &id))) {
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
	return ret;
}

int features_probe(struct features *features, bool redundant, bool attachable)
{
	struct btf *vmlinux, *kvm = NULL;
	struct found found = { 0 };
	unsigned int id = 1, end;
	int ret;

	_Static_assert(sizeof(sources) / sizeof(sources[0]) <= 64, "struct found is too small");
	memset(features, 0, sizeof(*features));
	if (!kvm_present())
		return -ENODEV;
	vmlinux = btf__load_vmlinux_btf();
	if (!vmlinux)
		/* libbpf's word for it depends on its version. */
		return errno == ENOENT || errno == ESRCH ? -EOPNOTSUPP : -errno;
	features->targets = calloc(nr_sources * MAX_HOOKS, sizeof(*features->targets));
	features->ids = calloc(nr_sources * MAX_HOOKS, sizeof(*features->ids));
	if (!features->targets || !features->ids) {
		features_free(features);
		btf__free(vmlinux);
		return -ENOMEM;
	}
	/* What is built in has no state of loading. */
	features->kvm_module = !access("/sys/module/kvm/initstate", F_OK);
	if (features->kvm_module) {
		kvm = btf__load_module_btf("kvm", vmlinux);
		if (!kvm) {
			ret = errno == ENOMEM ? -ENOMEM : -EOPNOTSUPP;
			features_free(features);
			btf__free(vmlinux);
			return ret;
		}
		features->kvm_btf = module_btf("kvm");
		id = btf__type_cnt(vmlinux);
		note_kernel_types(&found, vmlinux);
	}
	end = btf__type_cnt(kvm ? kvm : vmlinux);
	for (; id < end; id++)
		note_type(&found, kvm ? kvm : vmlinux, id);
	found.looks = find_looks(kvm ? kvm : vmlinux, &found);
	/*
	 * Such a kernel does the one or the other: trying it shows which. Where it cannot be tried,
	 * conversions are unknown, and not 0.
	 */
	found.in_place = has_member(kvm ? kvm : vmlinux, &found, "gmem_inode", "attributes") &&
			 in_place_try() != 0;
	found.attributes = has_member(kvm ? kvm : vmlinux, &found, "kvm", "mem_attr_array");
	btf__free(kvm);
	btf__free(vmlinux);
	if (attachable)
		check_attachable(&found);
	choose(features, &found, redundant);
	if (!found.attributes && !found.in_place)
		features_forget_conversions(features);
	silence_check(features);
	return 0;
}

/* What the attributes of a VM's memory bring. */
static const uint32_t conversions = FACT(convert) | FACT(asked) | FACT(changed) | FACT(redundant) |
				    FACT(private_pages) | FACT(attributes) | PHASE_FACTS;

static void forget(struct features *features)
{
	enum gmem_fact f;

	features->private_counted = false;
	features->facts &= ~conversions;
	for (f = 0; f < GMEM_FACT_MAX; f++) {
		if (conversions & 1U << f) {
			features->chosen[f] = -1;
			features->looked[f] = NULL;
		}
	}
}

void features_forget_in_place(struct features *features)
{
	features->in_place = true;
	forget(features);
}

void features_forget_conversions(struct features *features)
{
	features->no_conversions = true;
	forget(features);
}

const char *features_why_missing(const struct features *features, enum gmem_fact fact)
{
	if (features->quiet & 1U << fact)
		return SILENCE_SYSCTL " is 0";
	if (features->no_conversions && 1U << fact & conversions)
		return "KVM of this kernel has no memory attributes, so no VM converts";
	if (features->in_place && 1U << fact & conversions & ~features->facts)
		return "this kernel keeps in instances what is private, which gmemtop cannot read";
	return NULL;
}

void features_free(struct features *features)
{
	if (features->kvm_btf > 0)
		close(features->kvm_btf);
	free(features->targets);
	free(features->ids);
	memset(features, 0, sizeof(*features));
}

bool features_from_function(const struct features *features, enum gmem_fact fact)
{
	int source = features->chosen[fact];

	return source >= 0 && !is_tracepoint(&sources[source].hooks[0]);
}

const char *features_source(const struct features *features, enum gmem_fact fact, char *buf,
			    unsigned int size)
{
	int i = features->chosen[fact];

	if (!(features->facts & (1U << fact)))
		return NULL;
	if (i < 0)
		return features->looked[fact];
	snprintf(buf, size, "%s %s",
		 is_tracepoint(&sources[i].hooks[0]) ? "tracepoint" : "function",
		 features->targets[(unsigned int)i * MAX_HOOKS]);
	return buf;
}

const char *features_private_from(const struct features *features)
{
	if (!(features->facts & FACT(private_pages)))
		return NULL;
	return features->private_counted ? "attributes" : "statistic";
}

int features_print(const struct features *features, bool as_json)
{
	struct json json = { 0 };
	enum gmem_fact f;
	const char *from, *why;
	char buf[128];
	int ret = 0;

	json_open(&json, NULL, '{');
	json_bool(&json, "kvm_module", features->kvm_module);
	json_open(&json, "features", '[');
	for (f = 0; f < GMEM_FACT_MAX; f++) {
		from = features_source(features, f, buf, sizeof(buf));
		why = features_why_missing(features, f);
		if (!as_json) {
			printf("%-16s %-44s %s%s%s%s%s\n", fact_names[f], from ? from : "-",
			       from ? "" : "missing: ", fact_texts[f], why ? " (" : "",
			       why ? why : "", why ? ")" : "");
			continue;
		}
		json_open(&json, NULL, '{');
		json_str(&json, "name", fact_names[f]);
		json_str(&json, "source", from);
		json_str(&json, "what", fact_texts[f]);
		json_str(&json, "why_missing", why);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	if (as_json)
		ret = json_flush_line(&json, stdout);
	json_free(&json);
	return ret;
}
