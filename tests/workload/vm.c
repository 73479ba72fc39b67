// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM on the raw KVM API: creation, vCPUs with a thread each, the run loop with its exits,
 * statistics.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define SYSTEM_SLOT 0

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/**
 * kvm_check - can this machine and kernel run the configured VMs at all?
 *
 * Return: 0, or the exit code, with the reason said.
 */
int kvm_check(void)
{
	int fd, types, ret = EXIT_OK;

	fd = open_kvm();
	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO) {
		say("/dev/kvm: %s (is the module kvm-amd or kvm-intel loaded?)", strerror(-fd));
		return EXIT_NO_KERNEL;
	}
	if (fd < 0) {
		say("/dev/kvm: %s", strerror(-fd));
		return EXIT_FAILED;
	}
	types = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	if (types <= 0)
		types = 1 << KVM_X86_DEFAULT_VM;
	if (!(types & 1 << cfg.type)) {
		say("this kernel has no software-protected VMs (CONFIG_KVM_SW_PROTECTED_VM=y is needed)");
		ret = EXIT_NO_KERNEL;
	}
	close(fd);
	return ret;
}

/**
 * backing_map - private memory of the VMM for a memslot
 * @size: bytes
 *
 * With a page around it that nobody may touch, or else the kernel makes one mapping of what belongs
 * to neighbours: to split that by an munmap is an invalidation up to 2 MiB to both sides of the
 * cut, which takes pages out of the page tables of VMs that have nothing to do with it.
 *
 * Return: the memory, for backing_unmap(), or NULL with errno.
 */
void *backing_map(u64 size)
{
	u8 *at = mmap(NULL, size + 2 * PAGE_SIZE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (mprotect(at + PAGE_SIZE, size, PROT_READ | PROT_WRITE)) {
		munmap(at, size + 2 * PAGE_SIZE);
		return NULL;
	}
	return at + PAGE_SIZE;
}

void backing_unmap(void *memory, u64 size)
{
	munmap((u8 *)memory - PAGE_SIZE, size + 2 * PAGE_SIZE);
}

static int set_slot(struct vm *vm, u32 id, u64 gpa, u64 size, void *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = id == PLAIN_SLOT && cfg.hold_lock_ms ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static void *vcpu_thread(void *data)
{
	struct vcpu *vcpu = data;

	pthread_mutex_lock(&vcpu->lock);
	for (;;) {
		while (!vcpu->busy && !vcpu->quit)
			pthread_cond_wait(&vcpu->cond, &vcpu->lock);
		if (!vcpu->busy)
			break;
		pthread_mutex_unlock(&vcpu->lock);
		vcpu->ret = vcpu->job(vcpu, vcpu->arg);
		pthread_mutex_lock(&vcpu->lock);
		vcpu->busy = false;
		pthread_cond_broadcast(&vcpu->cond);
	}
	pthread_mutex_unlock(&vcpu->lock);
	return NULL;
}

/**
 * vcpu_submit - let a vCPU's thread do something
 * @vcpu: whose thread
 * @job: what
 * @arg: handed to @job
 */
int vcpu_submit(struct vcpu *vcpu, int (*job)(struct vcpu *vcpu, void *arg), void *arg)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->job = job;
	vcpu->arg = arg;
	vcpu->busy = true;
	pthread_cond_broadcast(&vcpu->cond);
	pthread_mutex_unlock(&vcpu->lock);
	return 0;
}

/* Wait for what was submitted; returns its result. */
int vcpu_wait(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	while (vcpu->busy)
		pthread_cond_wait(&vcpu->cond, &vcpu->lock);
	pthread_mutex_unlock(&vcpu->lock);
	return vcpu->ret;
}

static int vcpu_create(struct vm *vm, u32 index, size_t run_size, int kvm)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	int ret;

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return -errno;
	vm->nr_vcpus = index + 1;
	vcpu->run_size = run_size;
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return -errno;
	ret = arch_vcpu_init(vcpu, kvm);
	if (ret)
		return ret;
	pthread_mutex_init(&vcpu->lock, NULL);
	pthread_cond_init(&vcpu->cond, NULL);
	ret = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (ret)
		return -ret;
	vcpu->started = true;
	return 0;
}

/**
 * vm_create - create the VM with its vCPUs and its ordinary memory; must run in the process's first
 * thread, because KVM remembers the creating thread as the VM's pid
 * @vm: what to fill
 */
int vm_create(struct vm *vm)
{
	int kvm, run_size, ret;
	u32 i;

	vm->pid = getpid();
	vm->fd = -1;
	vm->stat_private = -1;
	pthread_mutex_init(&vm->lock, NULL);
	kvm = open_kvm();
	if (kvm < 0) {
		ret = kvm;
		goto out;
	}
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->fd = ioctl(kvm, KVM_CREATE_VM, (unsigned long)cfg.type);
	if (run_size < 0 || vm->fd < 0) {
		ret = -errno;
		goto out_close;
	}
	vm->created = true;
	vm->system =
		mmap(NULL, SYSTEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	vm->plain = backing_map(PLAIN_SIZE);
	if (vm->system == MAP_FAILED || !vm->plain) {
		ret = -errno;
		goto out_close;
	}
	arch_guest_load(vm->system);
	ret = set_slot(vm, SYSTEM_SLOT, 0, SYSTEM_SIZE, vm->system);
	if (!ret)
		ret = set_slot(vm, PLAIN_SLOT, PLAIN_BASE, PLAIN_SIZE, vm->plain);
	arch_vm_prepare(vm->fd);
	for (i = 0; !ret && i < cfg.vcpus; i++)
		ret = vcpu_create(vm, i, run_size, kvm);
out_close:
	close(kvm);
out:
	if (ret)
		say("VM %u: cannot create it: %s", vm->index, strerror(-ret));
	return ret;
}

/**
 * vm_close - stop the vCPUs and close everything but the instances
 * @vm: the VM
 */
void vm_close(struct vm *vm)
{
	struct vcpu *vcpu;
	u32 i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		vcpu = &vm->vcpu[i];
		if (vcpu->started) {
			pthread_mutex_lock(&vcpu->lock);
			vcpu->quit = true;
			pthread_cond_broadcast(&vcpu->cond);
			pthread_mutex_unlock(&vcpu->lock);
			pthread_join(vcpu->thread, NULL);
		}
		if (vcpu->run && vcpu->run != MAP_FAILED)
			munmap(vcpu->run, vcpu->run_size);
		close(vcpu->fd);
	}
	if (vm->fd >= 0)
		close(vm->fd);
	vm->fd = -1;
}

/* Private access to memory that has none: in a software-protected VM privacy is the host's word
 * alone. */
static int memory_fault(struct ctx *ctx, int err)
{
	struct vm *vm = ctx->vm;
	struct memory_fault_exit *exit = (void *)&ctx->vcpu->run->hw;
	u64 gpa = exit->gpa & ~(PAGE_SIZE - 1);
	struct slot *slot = shadow_slot_at(vm, gpa);
	char inst[32] = "";

	count_ok(&ctx->counts->cell[CELL_MEMORY_FAULT], 1, 0);
	if (slot) {
		if (slot->inst >= 0)
			snprintf(inst, sizeof(inst), " inst=%u", vm->inst[slot->inst].number);
		count_failed(&ctx->counts->cell[CELL_GUEST_FAULT], err);
		log_op(vm, "guest_fault slot=%u gfn=%#llx pgoff=%#llx zeroed=0 ret=%d%s", slot->id,
		       (unsigned long long)gpa >> PAGE_SHIFT,
		       (unsigned long long)(gpa - slot->gpa + slot->offset) >> PAGE_SHIFT, -err,
		       inst);
	}
	if (shadow_in_model(gpa, PAGE_SIZE) || !(vm->gpa[gpa >> PAGE_SHIFT] & GPA_PRIVATE))
		return -err;
	return trip_convert(ctx, BY_FAULT, gpa, PAGE_SIZE, 0);
}

static void hypercall(struct ctx *ctx, struct guest_call *call)
{
	int ret;

	ret = trip_convert(ctx, BY_HYPERCALL, call->gpa, call->pages << PAGE_SHIFT,
			   call->private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0);
	count_ok(&ctx->counts->cell[CELL_HYPERCALL], call->pages, 0);
	*call->ret = (u64)(s64)ret;
}

/**
 * vcpu_run - run the vCPU until its guest has carried out its request
 * @ctx: the vCPU's context
 *
 * Return: 0, or -errno with the reason said.
 */
int vcpu_run(struct ctx *ctx)
{
	struct kvm_run *run = ctx->vcpu->run;
	bool answered = false;
	struct guest_call call;
	s64 answer = 0;
	u64 begin;
	int ret;

	for (;;) {
		begin = now_ns();
		ret = ioctl(ctx->vcpu->fd, KVM_RUN, 0) ? errno : 0;
		trip_run(ctx->vcpu, begin, now_ns());
		if (ret) {
			if (ret == EINTR || ret == EAGAIN)
				continue;
			if (run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
			    (ret == EFAULT || ret == EHWPOISON)) {
				ret = memory_fault(ctx, ret);
				if (!ret)
					continue;
				return ret;
			}
			say("VM %u vCPU %u: KVM_RUN: %s", ctx->vm->index, ctx->vcpu->index,
			    strerror(ret));
			return -ret;
		}
		if (arch_exit_done(run))
			return 0;
		if (arch_exit_hypercall(run, &call)) {
			hypercall(ctx, &call);
			answered = true;
			answer = (s64)*call.ret;
			continue;
		}
		switch (run->exit_reason) {
		case KVM_EXIT_MMIO: continue;
		case KVM_EXIT_SHUTDOWN:
		case KVM_EXIT_INTERNAL_ERROR:
			ret = arch_vcpu_restart(ctx->vcpu);
			if (ret)
				return ret;
			if (!answered)
				continue;
			guest_set_result(ctx->vm->system, ctx->vcpu->index, answer);
			return 0;
		}
		say("VM %u vCPU %u: unexpected exit %u of the guest", ctx->vm->index,
		    ctx->vcpu->index, run->exit_reason);
		return -EIO;
	}
}

/**
 * vm_stat - read one of KVM's own statistics of the VM
 * @vm: the VM
 * @name: name of the statistic
 *
 * Return: its value, or -1 if this kernel has none of that name.
 */
s64 vm_stat(struct vm *vm, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc = NULL;
	size_t size;
	s64 value = -1;
	u64 found;
	u32 i;
	int fd;

	fd = ioctl(vm->fd, KVM_GET_STATS_FD, NULL);
	if (fd < 0)
		return -1;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		goto out;
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	if (!desc)
		goto out;
	for (i = 0; i < header.num_desc; i++) {
		if (pread(fd, desc, size, header.desc_offset + i * size) != (ssize_t)size)
			break;
		if (strncmp(desc->name, name, header.name_size))
			continue;
		if (pread(fd, &found, sizeof(found), header.data_offset + desc->offset) ==
		    sizeof(found))
			value = (s64)found;
		break;
	}
out:
	free(desc);
	close(fd);
	return value;
}
