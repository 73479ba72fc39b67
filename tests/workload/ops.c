// SPDX-License-Identifier: GPL-2.0-only
/*
 * Execution of a scenario: the control thread goes from line to line and hands what a vCPU is to do
 * to that vCPU's thread. Operations on the VM itself are here, those on the instance's file in
 * memory.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"
#include "workload.h"

#define FIRST_SLOT  2
#define MAX_NESTING 8

struct instance *op_instance(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = shadow_instance(ctx->vm, op->inst);

	if (inst && inst->fd >= 0)
		return inst;
	say("line %d: there is no open instance %s", op->line, op->inst);
	return NULL;
}

static int set_attributes(struct ctx *ctx, enum origin by, struct kvm_memory_attributes *attrs)
{
	enum direction to = direction_of(attrs->attributes);
	struct cell *cell = &ctx->counts->cell[convert_cell(by, to)];
	u64 changed = 0, size = attrs->size, gpa = attrs->address;
	bool valid = !((size | gpa) & (PAGE_SIZE - 1)) && size && gpa + size >= gpa;
	int ret;

	if (valid && shadow_in_model(gpa, size)) {
		say("conversion of %#llx bytes at %#llx is beyond what the workload models",
		    (unsigned long long)size, (unsigned long long)gpa);
		return -ERANGE;
	}
	ret = ioctl(ctx->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, attrs) ? -errno : 0;
	if (ret == -ENOTTY) {
		cell->unreached[ENOTTY]++;
		return ret;
	}
	if (ret) {
		count_failed(cell, -ret);
	} else {
		changed = shadow_set_private(ctx->vm, gpa, size, to == TO_PRIVATE);
		count_ok(cell, size >> PAGE_SHIFT, changed);
		cell->redundant += !changed;
	}
	log_op(ctx->vm, "convert gpa=%#llx size=%#llx attributes=%#llx changed=%llu ret=%d",
	       (unsigned long long)gpa, (unsigned long long)size,
	       (unsigned long long)attrs->attributes, (unsigned long long)changed, ret);
	return ret;
}

/**
 * convert - KVM_SET_MEMORY_ATTRIBUTES, counted
 * @ctx: who does it
 * @by: on whose request
 * @gpa: guest physical address
 * @size: bytes
 * @attributes: the attribute to set
 */
int convert(struct ctx *ctx, enum origin by, u64 gpa, u64 size, u64 attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = gpa,
		.size = size,
		.attributes = attributes,
	};

	return set_attributes(ctx, by, &attrs);
}

static u64 size_of(struct ctx *ctx, const struct op *op)
{
	struct instance *inst;

	if (op->has_size)
		return op->size;
	inst = shadow_instance(ctx->vm, op->inst);
	return inst ? inst->size : cfg.size;
}

static int op_convert(struct ctx *ctx, const struct op *op)
{
	struct kvm_memory_attributes attrs = {
		.address = op->gpa,
		.size = size_of(ctx, op),
		.attributes = op->attributes,
		.flags = op->flags,
	};
	struct cell *cell = &ctx->counts->cell[CELL_HYPERCALL];
	u64 before = cell->ok;
	s64 result;
	int ret;

	if (op->by != BY_HYPERCALL)
		return set_attributes(ctx, BY_HOST, &attrs);
	guest_request(ctx->vm->system, ctx->vcpu->index, GUEST_HYPERCALL, op->gpa,
		      attrs.size >> PAGE_SHIFT, op->attributes ? KVM_MAP_GPA_RANGE_ENCRYPTED : 0);
	ret = vcpu_run(ctx);
	if (ret)
		return ret;
	result = guest_result(ctx->vm->system, ctx->vcpu->index);
	/* -1000 is KVM_ENOSYS, the rest are errnos. */
	if (result == -1000)
		result = -ENOSYS;
	if (result < 0 && result > -ERRNO_MAX && cell->ok == before)
		cell->unreached[-result]++;
	return (int)result;
}

static int op_touch(struct ctx *ctx, const struct op *op)
{
	u64 size = size_of(ctx, op), begin;
	int ret;

	if (shadow_in_model(op->gpa, size) || (op->gpa | size) & (PAGE_SIZE - 1) || !size) {
		say("line %d: touch wants whole pages below %#lx", op->line,
		    MODEL_PAGES << PAGE_SHIFT);
		return -ENXIO;
	}
	shadow_guest_touch(ctx, op->gpa, size >> PAGE_SHIFT, false);
	guest_request(ctx->vm->system, ctx->vcpu->index, op->read ? GUEST_READ : GUEST_WRITE,
		      op->gpa, size >> PAGE_SHIFT, PAGE_SIZE);
	begin = now_ns();
	ret = vcpu_run(ctx);
	trip_touch(ctx->vcpu, op->gpa, size, begin, now_ns());
	return ret;
}

static int op_prefault(struct ctx *ctx, const struct op *op)
{
	struct kvm_pre_fault_memory range = { .gpa = op->gpa, .size = size_of(ctx, op) };
	u64 done = 0;
	int ret;

	do {
		ret = ioctl(ctx->vcpu->fd, KVM_PRE_FAULT_MEMORY, &range) ? -errno : 0;
		done = (range.gpa - op->gpa) >> PAGE_SHIFT;
	} while (range.size && (!ret || ret == -EINTR));
	if (!shadow_in_model(op->gpa, done << PAGE_SHIFT))
		shadow_guest_touch(ctx, op->gpa, done, true);
	return ret;
}

static int op_create(struct ctx *ctx, const struct op *op)
{
	struct kvm_create_guest_memfd args = {
		.size = op->has_size ? op->size : cfg.size,
		.flags = op->has_flags ? op->flags : cfg.flags,
	};
	struct cell *cell = &ctx->counts->cell[CELL_CREATE];
	struct vm *vm = ctx->vm;
	struct instance *inst;
	int fd, ret;

	fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	ret = fd < 0 ? -errno : 0;
	if (ret == -ENOTTY) {
		cell->unreached[ENOTTY]++;
		say("this kernel has no guest_memfd");
		return ret;
	}
	if (ret) {
		count_failed(cell, -ret);
		log_op(vm, "create size=%#llx flags=%#llx ret=%d", (unsigned long long)args.size,
		       (unsigned long long)args.flags, ret);
		return ret;
	}
	inst = shadow_instance(vm, op->inst) ? NULL : shadow_new_instance(vm, op->inst);
	if (!inst || args.size > INST_PAGES << PAGE_SHIFT) {
		say("line %d: instance %s exists, is the ninth or larger than 16 GiB", op->line,
		    op->inst);
		close(fd);
		return -ENXIO;
	}
	inst->used = true;
	inst->number = vm->next_number++;
	inst->fd = fd;
	inst->size = args.size;
	inst->flags = args.flags;
	inst->refs = 1;
	count_ok(cell, args.size >> PAGE_SHIFT, 0);
	log_op(vm, "create size=%#llx flags=%#llx ret=0 inst=%u", (unsigned long long)args.size,
	       (unsigned long long)args.flags, inst->number);
	return 0;
}

static int op_close(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);

	if (!inst)
		return -ENXIO;
	close(inst->fd);
	inst->fd = -1;
	shadow_put(ctx->vm, ctx->counts, inst);
	return 0;
}

static int op_bind(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = shadow_instance(ctx->vm, op->inst);
	struct kvm_userspace_memory_region2 region = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = op->gpa,
		.guest_memfd_offset = op->offset,
		.memory_size = size_of(ctx, op),
	};
	struct cell *cell = &ctx->counts->cell[CELL_BIND];
	struct slot *slot = NULL;
	char about[32] = "";
	void *shared;
	size_t i;
	int ret, other = -1;

	if (!op->has_fd && (!inst || inst->fd < 0)) {
		say("line %d: there is no open instance %s", op->line, op->inst);
		return -ENXIO;
	}
	for (i = 0; i < MAX_SLOTS && !slot; i++)
		slot = ctx->vm->slot[i].used ? NULL : &ctx->vm->slot[i];
	region.slot = op->slot;
	for (i = FIRST_SLOT; !op->slot && !region.slot; i++)
		region.slot = shadow_slot(ctx->vm, i) ? 0 : i;
	if (!slot || !region.memory_size) {
		say("line %d: no more slots in the model, or size 0 (that is an unbind)", op->line);
		return -ENXIO;
	}
	/* fd=null: an open file that is no instance. */
	if (op->has_fd && op->fd == -2)
		other = open("/dev/null", O_RDWR | O_CLOEXEC);
	region.guest_memfd = op->has_fd ? (op->fd == -2 ? (u32)other : (u32)op->fd) : (u32)inst->fd;
	shared = backing_map(region.memory_size);
	if (!shared)
		return -errno;
	region.userspace_addr = (uintptr_t)shared;
	ret = ioctl(ctx->vm->fd, KVM_SET_USER_MEMORY_REGION2, &region) ? -errno : 0;
	if (other >= 0)
		close(other);
	if (ret == -ENOTTY) {
		cell->unreached[ENOTTY]++;
	} else if (ret) {
		count_failed(cell, -ret);
		if (!op->has_fd)
			snprintf(about, sizeof(about), " inst=%u", inst->number);
		log_op(ctx->vm, "bind slot=%u gpa=%#llx size=%#llx offset=%#llx ret=%d%s",
		       region.slot, (unsigned long long)region.guest_phys_addr,
		       (unsigned long long)region.memory_size,
		       (unsigned long long)region.guest_memfd_offset, ret, about);
	}
	if (ret) {
		backing_unmap(shared, region.memory_size);
		return ret;
	}
	slot->id = region.slot;
	slot->gpa = op->gpa;
	slot->size = region.memory_size;
	slot->offset = op->offset;
	slot->inst = (int)(inst - ctx->vm->inst);
	slot->shared = shared;
	shadow_bound(ctx->vm, slot);
	count_ok(cell, slot->size >> PAGE_SHIFT, 0);
	log_op(ctx->vm, "bind slot=%u gpa=%#llx size=%#llx offset=%#llx ret=0 inst=%u", slot->id,
	       (unsigned long long)slot->gpa, (unsigned long long)slot->size,
	       (unsigned long long)slot->offset, inst->number);
	return 0;
}

static int op_unbind(struct ctx *ctx, const struct op *op)
{
	struct kvm_userspace_memory_region2 region = { .slot = op->slot ? op->slot : FIRST_SLOT };
	struct cell *cell = &ctx->counts->cell[CELL_UNBIND];
	struct slot *slot = shadow_slot(ctx->vm, region.slot);

	if (ioctl(ctx->vm->fd, KVM_SET_USER_MEMORY_REGION2, &region)) {
		cell->unreached[errno]++;
		return -errno;
	}
	if (!slot)
		return -ENXIO;
	if (slot->inst >= 0) {
		count_ok(cell, slot->size >> PAGE_SHIFT, 0);
		log_op(ctx->vm, "unbind slot=%u gpa=%#llx size=%#llx offset=%#llx inst=%u",
		       slot->id, (unsigned long long)slot->gpa, (unsigned long long)slot->size,
		       (unsigned long long)slot->offset, ctx->vm->inst[slot->inst].number);
	}
	backing_unmap(slot->shared, slot->size);
	shadow_unbound(ctx->vm, slot);
	return 0;
}

static int op_sleep(struct ctx *ctx, const struct op *op)
{
	struct timespec t = {
		.tv_sec = op->duration_ms / 1000,
		.tv_nsec = op->duration_ms % 1000 * 1000000,
	};

	(void)ctx;
	while (nanosleep(&t, &t) && errno == EINTR)
		;
	return 0;
}

static int op_start(struct ctx *ctx, const struct op *op)
{
	(void)op;
	counts_of_vm(&ctx->vm->setup, ctx->vm);
	return wait_for_start(ctx->vm);
}

/* The process goes without closing anything; the parent counts what the kernel closes. */
static int op_exit(struct ctx *ctx, const struct op *op)
{
	ctx->vm->stat_private = vm_stat(ctx->vm, "private_pages");
	if (op->id == OP_KILL) {
		ctx->vm->end = END_KILLED;
		kill(getpid(), SIGKILL);
	}
	ctx->vm->end = END_EXITED;
	_exit(ctx->vm->error ? EXIT_FAILED : EXIT_OK);
}

static int (*const handlers[NR_OPS])(struct ctx *ctx, const struct op *op) = {
	[OP_CREATE] = op_create,     [OP_CLOSE] = op_close,	  [OP_BIND] = op_bind,
	[OP_UNBIND] = op_unbind,     [OP_CONVERT] = op_convert,	  [OP_TOUCH] = op_touch,
	[OP_PREFAULT] = op_prefault, [OP_ALLOCATE] = op_allocate, [OP_PUNCH] = op_punch,
	[OP_MMAP] = op_mmap,	     [OP_MUNMAP] = op_munmap,	  [OP_HOST_TOUCH] = op_host_touch,
	[OP_PASS] = op_pass,	     [OP_DROP] = op_drop,	  [OP_POISON] = op_poison,
	[OP_SLEEP] = op_sleep,	     [OP_START] = op_start,	  [OP_EXIT] = op_exit,
	[OP_KILL] = op_exit,
};

static const char *outcome(int ret)
{
	if (ret == -ERR_SIGBUS)
		return "SIGBUS";
	return ret ? strerrorname_np(-ret) : "ok";
}

/**
 * op_once - carry out one operation; with --serial one at a time in the whole VM
 * @ctx: who does it
 * @op: what
 */
int op_once(struct ctx *ctx, const struct op *op)
{
	bool serial = cfg.serial && ctx->vcpu;
	int ret;

	if (serial)
		pthread_mutex_lock(&ctx->vm->lock);
	ctx->op = op;
	ret = handlers[op->id](ctx, op);
	if (serial)
		pthread_mutex_unlock(&ctx->vm->lock);
	return ret;
}

/* One line, as often as it says, shifted for this vCPU. */
static int run_op(struct ctx *ctx, const struct op *line, u64 shift)
{
	struct op op = *line;
	u64 i;
	int ret;

	for (i = 0; i < line->times; i++) {
		op.gpa = line->gpa + shift + i * line->step;
		op.offset = line->offset + shift + i * line->step;
		ret = op_once(ctx, &op);
		if (op.expect == EXPECT_ANY ? ret != -ENXIO && ret != -ERANGE
					    : ret == -op.expect || ret == -op.or_expect)
			continue;
		say("VM %u, line %d: the outcome is %s, expected was %s", ctx->vm->index, op.line,
		    outcome(ret),
		    op.expect == EXPECT_ANY ? "any of the kernel's" : outcome(-op.expect));
		ctx->vm->error = true;
		return -EINVAL;
	}
	return 0;
}

struct job {
	const struct op *op;
	u64 span; /* distance between the ranges of two vCPUs */
};

static int run_job(struct vcpu *vcpu, void *arg)
{
	const struct job *job = arg;
	struct ctx ctx = {
		.vm = vcpu->vm,
		.vcpu = vcpu,
		.counts = &vcpu->vm->counts[vcpu->index],
	};

	return run_op(&ctx, job->op, job->span * vcpu->index);
}

static int run_on_vcpus(struct vm *vm, const struct op *op, int which)
{
	struct job job = { .op = op };
	int ret = 0, r;
	u32 i;

	if (which >= (int)vm->nr_vcpus) {
		say("line %d: there is no vCPU %d", op->line, which);
		vm->error = true;
		return -EINVAL;
	}
	if (which >= 0) {
		vcpu_submit(&vm->vcpu[which], run_job, &job);
		return vcpu_wait(&vm->vcpu[which]);
	}
	job.span = op->times > 1 && op->step ? op->step * op->times : op->size;
	if (vm->nr_vcpus > 1 && !cfg.serial)
		vm->inexact = true;
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_submit(&vm->vcpu[i], run_job, &job);
	for (i = 0; i < vm->nr_vcpus; i++) {
		r = vcpu_wait(&vm->vcpu[i]);
		ret = ret ? ret : r;
	}
	return ret;
}

static int run_line(struct ctx *ctx, const struct op *op)
{
	bool guest = op->id == OP_TOUCH || op->id == OP_PREFAULT ||
		     (op->id == OP_CONVERT && op->by == BY_HYPERCALL);

	if (op->id == OP_MIX)
		return op_mix(ctx, op);
	if (op->vcpu != VCPU_NONE || guest)
		return run_on_vcpus(ctx->vm, op, op->vcpu == VCPU_NONE ? 0 : op->vcpu);
	return run_op(ctx, op, 0);
}

static bool has_flags(struct vm *vm, u64 flags)
{
	int have = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);

	return have > 0 && ((u64)have & flags) == flags;
}

/**
 * run_scenario - carry out a scenario in one VM, in its control thread
 * @vm: the VM
 * @scenario: the lines
 */
int run_scenario(struct vm *vm, const struct scenario *scenario)
{
	struct ctx ctx = { .vm = vm, .counts = &vm->counts[MAX_VCPUS] };
	u64 left[MAX_NESTING];
	const struct op *op;
	size_t at, depth = 0;
	int ret = 0;

	for (at = 0; at < scenario->nr && !ret; at++) {
		op = &scenario->op[at];
		if (op->id == OP_REPEAT) {
			if (depth == MAX_NESTING || !op->times) {
				say("line %d: repeat is nested too deep or 0 times", op->line);
				ret = -EINVAL;
			} else {
				left[depth++] = op->times - 1;
			}
		} else if (op->id == OP_IF) {
			if (!has_flags(vm, op->flags)) {
				at = op->jump;
			} else if (depth == MAX_NESTING) {
				say("line %d: if is nested too deep", op->line);
				ret = -EINVAL;
			} else {
				left[depth++] = 0;
			}
		} else if (op->id == OP_END) {
			if (left[depth - 1]--)
				at = op->jump;
			else
				depth--;
		} else {
			ret = run_line(&ctx, op);
		}
	}
	if (ret)
		vm->error = true;
	return ret;
}
