/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs that convert pages when they are asked to. Each is a process with an instance of its own.
 * They are one process group and end with their parent.
 */
#ifndef BENCH_VMS_H
#define BENCH_VMS_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../vm/lib/kvm.h"

#define SIZE	  (512 * KVM_PAGE)
#define GPA	  KVM_TEST_GPA
#define CONVERTED 256 /* pages, from the first one on */
#define STEADY	  63  /* the same of steady VMs; the page behind them stays private */
#define NS_PER_S  1000000000ULL

struct vms {
	bool keep_private; /* half of a VM's pages are private and stay private */
	bool steady;	 /* conversions need no memory of the kernel: it is there for a neighbour */
	int conversions; /* of each VM, each time it is asked */
	pid_t group;	 /* the first process; 0: there is no VM */
	unsigned int nr;
	pid_t *pids;
};

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/*
 * Where the kernel has no VMs with private pages it is one of the others, which convert nothing,
 * with an instance if the kernel lets it have one.
 */
static int default_vm_setup(int kvm, bool keep_private, int *vm)
{
	int instance;

	*vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (*vm < 0 || keep_private)
		return -errno;
	instance = kvm_create_instance(*vm, SIZE,
				       GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	if (instance >= 0 && kvm_bind(*vm, 0, instance, GPA, SIZE, 0))
		return -errno;
	return 0;
}

static int vm_setup(const struct vms *vms, int *vm)
{
	int kvm = kvm_open(), instance;

	*vm = kvm < 0 ? -1 : kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	if (kvm >= 0 && *vm < 0)
		return default_vm_setup(kvm, vms->keep_private, vm);
	instance = *vm < 0 ? -1 : kvm_create_instance(*vm, SIZE, 0);
	if (instance < 0 || kvm_bind(*vm, 0, instance, GPA, SIZE, 0))
		return -errno;
	if (vms->keep_private &&
	    kvm_convert(*vm, GPA + SIZE / 2, SIZE / 2, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return -errno;
	if (vms->steady &&
	    kvm_convert(*vm, GPA + STEADY * KVM_PAGE, KVM_PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return -errno;
	return 0;
}

static void work_signal(sigset_t *work)
{
	sigemptyset(work);
	sigaddset(work, SIGUSR1);
}

/* A VMM: each SIGUSR1 makes it convert. */
static void __attribute__((noreturn)) vmm(const struct vms *vms, int ready)
{
	sigset_t work;
	int vm, ret, sig, i, page = 0, pages = vms->steady ? STEADY : CONVERTED;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work_signal(&work);
	ret = vm_setup(vms, &vm);
	if (write(ready, &ret, sizeof(ret)) != sizeof(ret) || ret)
		_exit(1);
	close(ready);
	for (;;) {
		sigwait(&work, &sig);
		for (i = 0; i < vms->conversions; i++, page++)
			kvm_convert(vm, GPA + (uint64_t)(page / 2 % pages) * KVM_PAGE, KVM_PAGE,
				    page % 2 ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE);
	}
}

/* Block the signal in the VMMs from the beginning, so that none comes too early. */
static inline void vms_init(void)
{
	sigset_t work;

	work_signal(&work);
	sigprocmask(SIG_BLOCK, &work, NULL);
}

/* Start VMs until there are @nr. Return: 0 or a negative errno. */
static inline int vms_start(struct vms *vms, unsigned int nr)
{
	pid_t *pids = reallocarray(vms->pids, nr, sizeof(*pids)), pid;
	int ready[2], ret = 0, one;

	if (!pids)
		return -ENOMEM;
	vms->pids = pids;
	if (pipe(ready))
		return -errno;
	while (vms->nr < nr && !ret) {
		pid = fork();
		if (!pid)
			vmm(vms, ready[1]);
		if (pid < 0) {
			ret = -errno;
			break;
		}
		if (!vms->group)
			vms->group = pid;
		setpgid(pid, vms->group);
		vms->pids[vms->nr++] = pid;
		if (read(ready[0], &one, sizeof(one)) != sizeof(one))
			ret = -EIO;
		else
			ret = one;
	}
	close(ready[0]);
	close(ready[1]);
	return ret;
}

static inline void vms_convert(const struct vms *vms)
{
	kill(-vms->group, SIGUSR1);
}

/* CPU time of all VMMs in nanoseconds, 0 if one has ended. */
static inline uint64_t vms_cpu_ns(const struct vms *vms)
{
	uint64_t sum = 0;
	clockid_t cpu;
	unsigned int i;

	for (i = 0; i < vms->nr; i++) {
		if (clock_getcpuclockid(vms->pids[i], &cpu))
			return 0;
		sum += clock_ns(cpu);
	}
	return sum;
}

static inline void vms_stop(struct vms *vms)
{
	if (vms->group) {
		kill(-vms->group, SIGKILL);
		while (waitpid(-vms->group, NULL, 0) > 0)
			;
	}
	free(vms->pids);
	vms->pids = NULL;
	vms->group = 0;
	vms->nr = 0;
}

#endif
