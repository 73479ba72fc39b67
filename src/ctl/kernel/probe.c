// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "../../lib/btf_names.h"
#include "../../lib/log.h"
#include "probe.h"
#include "../../policy/model.h"
#include "../../policy/value.h"

#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#endif
#define GMEM_FLAG_MMAP 1 /* GUEST_MEMFD_FLAG_MMAP */

/* Is there where KVM is a module, and loaded. */
#define BTF_OF_KVM "/sys/kernel/btf/kvm"

#define LSMS "/sys/kernel/security/lsm"
#define STUB "bpf_lsm_" /* each hook has a function of this name, for programs to be attached to */

#define IF(name) (1U << POLICY_IF_##name)
/* What can be read from an instance, where KVM's types are known. */
#define OF_INSTANCE (IF(size) | IF(flags) | IF(vm_type))
#define IOCTLS	    (PROG(ioctl) | PROG(ioctl_compat))
#define VM_IOCTLS   (PROG(vm_ioctl) | PROG(vm_ioctl_compat))

/* clang-format off */

/* Best first. */
const struct way ways[] = {
	{ GMEM_DO_create, GUARANTEE_enforced, PROG(create), IF(size) | IF(flags) | IF(vm_type) },
	{ GMEM_DO_create, GUARANTEE_limited, PROG(create_anon), IF(vm_type) },
	{ GMEM_DO_bind, GUARANTEE_enforced, PROG(bind), OF_INSTANCE | IF(range) | IF(offset) },
	{ GMEM_DO_bind, GUARANTEE_command, VM_IOCTLS, IF(vm_type) },
	{ GMEM_DO_mmap, GUARANTEE_enforced, PROG(map_file) | PROG(mprotect), OF_INSTANCE | IF(prot) },
	{ GMEM_DO_fault, GUARANTEE_enforced, PROG(fault), OF_INSTANCE | IF(prot) },
	{ GMEM_DO_convert, GUARANTEE_enforced, PROG(convert), IF(direction) | IF(range) | IF(vm_type) },
	{ GMEM_DO_convert, GUARANTEE_command, VM_IOCTLS, IF(vm_type) },
	{ GMEM_DO_punch, GUARANTEE_enforced, PROG(punch), OF_INSTANCE },
	{ GMEM_DO_receive, GUARANTEE_enforced, PROG(receive) | PROG(receive_binder), OF_INSTANCE },
};

/* clang-format on */

const unsigned int nr_ways = sizeof(ways) / sizeof(ways[0]);

const char *const guarantee_names[GUARANTEE_MAX] = {
#define X(name, shown, text) [GUARANTEE_##name] = #name,
	GMEM_GUARANTEES(X)
#undef X
};

const char *const guarantee_texts[GUARANTEE_MAX] = {
#define X(name, shown, text) [GUARANTEE_##name] = shown,
	GMEM_GUARANTEES(X)
#undef X
};

const char *const program_names[GMEM_PROG_MAX] = {
#define X(name, ...) [GMEM_PROG_##name] = #name,
	GMEM_POLICY_PROGRAMS(X)
#undef X
};

const char *const program_kernel_names[GMEM_PROG_MAX] = {
#define X(name, program, ...) [GMEM_PROG_##name] = #program,
	GMEM_POLICY_PROGRAMS(X)
#undef X
};

#define X(name, program, ...) _Static_assert(sizeof(#program) <= 16, #program " is cut off");
GMEM_POLICY_PROGRAMS(X)
#undef X

const char *const program_hooks[GMEM_PROG_MAX] = {
#define X(name, program, section, hook) [GMEM_PROG_##name] = hook,
	GMEM_POLICY_PROGRAMS(X)
#undef X
};

const char *const operation_names[GMEM_DO_MAX] = {
#define X(name, text) [GMEM_DO_##name] = #name,
	GMEM_OPERATIONS(X)
#undef X
};

const char *const guard_names[GMEM_GUARD_MAX] = {
#define X(name, text) [GMEM_GUARD_##name] = #name,
	GMEM_GUARDS(X)
#undef X
};

/* The programs that make a guard; `lock` is none of the policy's. */
static const uint64_t guard_programs[GMEM_GUARD_MAX] = {
	[GMEM_GUARD_trace] = PROG(guard_attach) | PROG(guard_traceme),
	[GMEM_GUARD_preload] = PROG(tag_exec),
	[GMEM_GUARD_sqpoll] = PROG(guard_sqpoll),
};

const char *subject_of_event(uint32_t op)
{
	if (op < GMEM_DO_MAX)
		return operation_names[op];
	return op < GMEM_DO_GUARD(GMEM_GUARD_MAX) ? guard_names[op - GMEM_DO_MAX] : "?";
}

/* Where a hook that is missing comes from; NULL: each kernel with LSM programs has it. */
static const char *patch_of(enum gmem_policy_program program)
{
	switch (program) {
	case GMEM_PROG_create:
	case GMEM_PROG_bind: return "LSM: Add hooks for the creation and binding of guest_memfd";
	case GMEM_PROG_convert: return "LSM: Add a hook for changes of KVM memory attributes";
	case GMEM_PROG_fault: return "LSM: Add a hook for host faults on guest_memfd";
	default: return NULL;
	}
}

/* Headers of distributions may be older. */
#define SYS_LSM_LIST_MODULES 461
#define BPF_LSM_ID	     109
#define MAX_LSMS	     64

/* From Linux 6.8 on it can be asked for; securityfs may not be mounted. */
static bool list_lsms(struct hooks *hooks)
{
	__u64 ids[MAX_LSMS], size = sizeof(ids);
	long nr = syscall(SYS_LSM_LIST_MODULES, ids, &size, 0);

	for (long i = 0; i < nr; i++)
		hooks->lsm_active |= ids[i] == BPF_LSM_ID;
	return nr > 0;
}

static void read_lsms(struct hooks *hooks)
{
	char line[1024] = "", *name, *rest;
	FILE *file;

	hooks->lsm_known = list_lsms(hooks);
	if (hooks->lsm_known)
		return;
	file = fopen(LSMS, "re");
	if (!file)
		return;
	hooks->lsm_known = fgets(line, sizeof(line), file);
	fclose(file);
	for (name = strtok_r(line, ",\n", &rest); name; name = strtok_r(NULL, ",\n", &rest))
		hooks->lsm_active |= !strcmp(name, "bpf");
}

/* Opening the device brings KVM's core in, if it is a module: then its types can be read. */
static void ask_kvm(struct hooks *hooks)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), flags;

	if (fd < 0)
		return;
	hooks->kvm = true;
	flags = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	hooks->no_mmap = flags >= 0 && !(flags & GMEM_FLAG_MMAP);
	close(fd);
}

/* Where attributes are: a member of struct kvm; in newer kernels instances have them, and an ioctl.
 */
#define ATTRIBUTES_OF_VM  "mem_attr_array"
#define IOCTL_ON_INSTANCE "kvm_gmem_ioctl"

struct names {
	struct hooks *hooks;
	bool attributes;
};

/*
 * None of these names stands for anything else than the function: that of KVM's core is not in the
 * kernel's own types where KVM is a module, though some of its structures are named there.
 */
static void note_name(const char *name, void *data)
{
	struct names *names = data;
	struct hooks *hooks = names->hooks;
	unsigned int i;

	if (!strcmp(name, "kvm_get_kvm"))
		hooks->knows_kvm = true;
	if (!strcmp(name, ATTRIBUTES_OF_VM) || !strcmp(name, IOCTL_ON_INSTANCE))
		names->attributes = true;
	if (strncmp(name, "bpf_", 4))
		return;
	if (!strcmp(name, "bpf_get_fsverity_digest"))
		hooks->has_verity = true;
	if (!strcmp(name, "bpf_task_from_pid"))
		hooks->has_task_from_pid = true;
	if (strncmp(name, STUB, strlen(STUB)))
		return;
	for (i = 0; i < GMEM_PROG_MAX; i++) {
		if (!strcmp(name + strlen(STUB), program_hooks[i]))
			hooks->present |= PROG_BIT(i);
	}
}

/* What a kernel is without its types. Return: 0 or a negative errno that has been explained. */
static int ask_system(struct hooks *hooks)
{
	ask_kvm(hooks);
	if (!access(BTF_OF_KVM, R_OK))
		hooks->knows_kvm = true;
	read_lsms(hooks);
	if (!(hooks->present & PROG(tag_exec)))
		return log_error(-EOPNOTSUPP, "the kernel has no LSM programs",
				 "use a kernel with CONFIG_BPF_LSM", "look at the kernel");
	if (hooks->lsm_known && !hooks->lsm_active)
		return log_error(-EOPNOTSUPP, "bpf is not among the LSMs", "boot with lsm=...,bpf",
				 "look at the kernel");
	return 0;
}

int hooks_probe(struct hooks *hooks)
{
	struct names names = { .hooks = hooks };
	int ret;

	memset(hooks, 0, sizeof(*hooks));
	ret = btf_names(BTF_OF_KERNEL, note_name, &names);
	if (ret == -ENOENT)
		return log_error(-EOPNOTSUPP, "no type information (" BTF_OF_KERNEL ")",
				 "use a kernel with CONFIG_DEBUG_INFO_BTF", "look at the kernel");
	if (ret)
		return log_error(ret, NULL, NULL, "read " BTF_OF_KERNEL);
	/* The types of a module are not read: it may have them. */
	hooks->no_convert = hooks->knows_kvm && !names.attributes;
	return ask_system(hooks);
}

/* In struct gmem_slot.kernel */
#define FOUND_VERITY	    1
#define FOUND_TASK_FROM_PID 2
#define FOUND_KVM	    4
#define FOUND_NO_CONVERT    8

void hooks_remember(const struct hooks *hooks, struct gmem_slot *slot)
{
	slot->present = hooks->present;
	slot->kernel = (hooks->has_verity ? FOUND_VERITY : 0) |
		       (hooks->has_task_from_pid ? FOUND_TASK_FROM_PID : 0) |
		       (hooks->knows_kvm && access(BTF_OF_KVM, R_OK) ? FOUND_KVM : 0) |
		       (hooks->no_convert ? FOUND_NO_CONVERT : 0);
}

int hooks_recall(struct hooks *hooks, const struct gmem_slot *slot)
{
	if (!slot->present)
		return hooks_probe(hooks);
	memset(hooks, 0, sizeof(*hooks));
	hooks->present = slot->present;
	hooks->has_verity = slot->kernel & FOUND_VERITY;
	hooks->has_task_from_pid = slot->kernel & FOUND_TASK_FROM_PID;
	hooks->knows_kvm = slot->kernel & FOUND_KVM;
	hooks->no_convert = slot->kernel & FOUND_NO_CONVERT;
	return ask_system(hooks);
}

/* What the policy asks of an operation: whether anything is denied, and by what. */
static void wanted(const struct policy *policy, unsigned int op, bool *restricted, uint32_t *conds)
{
	const struct policy_rule *rule;
	unsigned int c;
	size_t i;

	*restricted = policy && policy->default_deny >> op & 1;
	*conds = 0;
	for (i = 0; policy && i < policy->nr_rules; i++) {
		rule = &policy->rules[i];
		if (!(rule->ops >> op & 1))
			continue;
		*restricted |= rule->deny;
		*conds |= rule->conditions;
	}
	/* What means nothing for the operation is not looked at for it. */
	for (c = 0; c < POLICY_IF_MAX; c++) {
		if (!(condition_ops[c] >> op & 1))
			*conds &= ~(1U << c);
	}
}

static bool carries(const struct hooks *hooks, uint64_t programs)
{
	return !(programs & ~(hooks->present & ~hooks->refused));
}

/* The best hook is not there: which one, and who brings it. */
static void say_missing(const struct hooks *hooks, uint64_t programs, char *why, size_t size)
{
	uint64_t missing = programs & ~(hooks->present & ~hooks->refused);
	enum gmem_policy_program program;
	const char *patch;

	if (!missing) {
		why[0] = '\0';
		return;
	}
	program = (enum gmem_policy_program)__builtin_ctzll(missing);
	patch = patch_of(program);
	if (hooks->refused & PROG_BIT(program) && !hooks->refused_with)
		snprintf(why, size, "the program for the hook %s is not attached",
			 program_hooks[program]);
	else if (hooks->refused & PROG_BIT(program))
		snprintf(why, size, "the kernel refuses the program for the hook %s: %s",
			 program_hooks[program], strerror(-hooks->refused_with));
	else if (patch)
		snprintf(why, size, "the kernel has no hook %s (the patch \"%s\" brings it)",
			 program_hooks[program], patch);
	else
		snprintf(why, size, "the kernel has no hook %s", program_hooks[program]);
}

static void plan_operation(const struct hooks *hooks, const struct policy *policy, bool strict,
			   struct plan *plan, unsigned int op)
{
	char *why = plan->why[op], missing[160] = "";
	const struct way *way, *best = NULL;
	uint32_t conds, unknown;
	bool restricted;
	unsigned int i;

	wanted(policy, op, &restricted, &conds);
	/* Without a label from its creation an instance belongs to no policy. */
	restricted |= policy && op == GMEM_DO_create;
	plan->way[op] = -1;
	plan->guarantee[op] = GUARANTEE_impossible;
	if ((hooks->no_mmap && (op == GMEM_DO_mmap || op == GMEM_DO_fault)) ||
	    (hooks->no_convert && op == GMEM_DO_convert)) {
		plan->guarantee[op] = GUARANTEE_moot;
		return;
	}
	for (i = 0; i < nr_ways; i++) {
		way = &ways[i];
		if (way->op != op)
			continue;
		if (!best) {
			best = way;
			say_missing(hooks, way->programs, missing, sizeof(missing));
		}
		if (!carries(hooks, way->programs) ||
		    (way->guarantee == GUARANTEE_command && !strict))
			continue;
		plan->way[op] = (int)i;
		plan->guarantee[op] = way->guarantee;
		plan->programs |= way->programs;
		break;
	}
	if (plan->way[op] < 0) {
		snprintf(why, sizeof(plan->why[op]), "%s", missing);
		if (restricted)
			plan->unmet |= 1U << op;
		return;
	}
	way = &ways[plan->way[op]];
	if (op == GMEM_DO_create && conds & IF(vm_type)) {
		plan->programs |= VM_IOCTLS;
		if (!carries(hooks, VM_IOCTLS)) {
			snprintf(why, sizeof(plan->why[op]),
				 "a rule looks at %s, which needs the hook file_ioctl",
				 value_name(VALUE_CONDITION, POLICY_IF_vm_type));
			plan->unmet |= 1U << op;
		}
	}
	unknown = conds & ~way->knows;
	if (unknown) {
		i = (unsigned int)__builtin_ctz(unknown);
		snprintf(why, sizeof(plan->why[op]), "a rule looks at %s, and %s",
			 value_name(VALUE_CONDITION, i), missing);
		plan->unmet |= 1U << op;
	} else if (conds & (IF(flags) | IF(vm_type)) && !hooks->knows_kvm &&
		   !(op == GMEM_DO_create && !(conds & IF(vm_type)))) {
		snprintf(why, sizeof(plan->why[op]),
			 "a rule looks at %s, and the types of KVM are not known: load kvm first",
			 value_name(VALUE_CONDITION,
				    conds & IF(vm_type) ? POLICY_IF_vm_type : POLICY_IF_flags));
		plan->unmet |= 1U << op;
	} else if (way->guarantee != GUARANTEE_enforced) {
		snprintf(why, sizeof(plan->why[op]), "%s", missing);
	}
}

/* Ioctls on instances are decided for every policy, see bpf/gmem_policy.bpf.c. */
static void plan_ioctls(const struct hooks *hooks, const struct policy *policy, struct plan *plan)
{
	if (carries(hooks, IOCTLS)) {
		plan->programs |= IOCTLS;
	} else if (policy) {
		say_missing(hooks, IOCTLS, plan->why[GMEM_DO_convert],
			    sizeof(plan->why[GMEM_DO_convert]));
		plan->unmet |= 1U << GMEM_DO_convert;
	}
}

static void plan_guards(const struct hooks *hooks, const struct policy *policy, struct plan *plan)
{
	unsigned int guard;

	plan->guards = policy ? policy->guards : POLICY_GUARDS_ALL;
	plan->guards_written = policy ? policy->guards_written : 0;
	for (guard = 0; guard < GMEM_GUARD_MAX; guard++) {
		if (!(POLICY_GUARDS_ALL >> guard & 1))
			continue;
		if (!carries(hooks, guard_programs[guard])) {
			say_missing(hooks, guard_programs[guard], plan->guard_why[guard],
				    sizeof(plan->guard_why[guard]));
			plan->guards_unmet |= plan->guards & 1U << guard;
		} else if (plan->guards >> guard & 1) {
			plan->programs |= guard_programs[guard];
		}
	}
}

void hooks_plan(const struct hooks *hooks, const struct policy *policy, bool strict,
		struct plan *plan)
{
	unsigned int op;

	memset(plan, 0, sizeof(*plan));
	plan->programs = PROGS_TAG;
	for (op = 0; op < GMEM_DO_MAX; op++)
		plan_operation(hooks, policy, strict, plan, op);
	plan_ioctls(hooks, policy, plan);
	plan_guards(hooks, policy, plan);
}
