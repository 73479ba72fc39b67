// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LSM hooks of kernel-patches/ against real operations: a denial carries the program's own
 * error code and leaves nothing behind, what is allowed still works, the hooks get the values that
 * were used. Runs as root in a lane that has the series.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/libbpf.h>

#include "hooks.h"
#include "hooks.skel.h"
#include "inodes.skel.h"
#include "lib/kvm.h"
#include "lib/offers.h"
#include "lib/sigbus.h"
#include "test.h"

#define PAGE   KVM_PAGE
#define SIZE   (16 * PAGE)
#define GPA    KVM_TEST_GPA
#define SLOT   3
#define ROUNDS 1000

static struct hooks_bpf *skel;
static struct inodes_bpf *inodes; /* NULL where inodes of instances are as all anonymous ones */
static int kvm_fd;

/* What a VM of this type needs to bind an instance, where instances can be mapped. */
static __u64 flags_for(unsigned long type)
{
	return type == KVM_X86_DEFAULT_VM && offer_can(OFFER_mapped) ? GUEST_MEMFD_FLAG_MMAP : 0;
}

static void check_inodes(long before, long created)
{
	if (!inodes)
		return;
	CHECK(inodes->bss->allocated == before + created, "%ld allocated",
	      inodes->bss->allocated - before);
	CHECK(inodes->bss->allocated == inodes->bss->destroyed, "%ld allocated, %ld destroyed",
	      inodes->bss->allocated, inodes->bss->destroyed);
}

static void judge(enum hook hook, int err)
{
	skel->bss->judged_pid = getpid();
	memset(skel->bss->verdict, 0, sizeof(skel->bss->verdict));
	memset(skel->bss->calls, 0, sizeof(skel->bss->calls));
	if (hook < HOOK_MAX)
		skel->bss->verdict[hook] = err;
}

static void judge_nothing(void)
{
	judge(HOOK_MAX, 0);
}

static int create_vm(unsigned long type)
{
	int fd = kvm_create_vm(kvm_fd, type);

	if (fd < 0)
		give_up("KVM_CREATE_VM");
	return fd;
}

/* KVM's own count of private pages */
static long private_pages(int vm)
{
	long pages = kvm_private_pages(vm);

	if (pages < 0)
		give_up("private_pages in the statistics of the VM");
	return pages;
}

static void test_create(unsigned long type)
{
	static const int errors[] = { EACCES, EPERM, ENOSPC, 4095 };
	__u64 flags = offer_can(OFFER_mapped) ? GUEST_MEMFD_FLAG_MMAP : 0;
	long refs, before;
	struct stat st;
	int vm, fd, r;

	vm = create_vm(type);
	refs = module_refs();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int lowest = lowest_fd();

		judge(HOOK_CREATE, -errors[i]);
		r = kvm_create_instance(vm, SIZE, 0);
		CHECK(r == -1 && errno == errors[i], "r %d errno %d", r, errno);
		CHECK(lowest_fd() == lowest, "lowest free fd was %d", lowest);
		CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);
		CHECK(skel->bss->calls[HOOK_CREATE].count == 1, "called %llu times",
		      skel->bss->calls[HOOK_CREATE].count);
	}

	before = inodes ? inodes->bss->allocated : 0;
	for (int i = 0; i < ROUNDS; i++)
		kvm_create_instance(vm, SIZE, 0);
	check_inodes(before, ROUNDS);
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);

	/* Bad requests are KVM's to refuse, the hook has no say. */
	judge(HOOK_CREATE, -EACCES);
	r = kvm_create_instance(vm, SIZE + 1, 0);
	CHECK(r == -1 && errno == EINVAL, "r %d errno %d", r, errno);
	CHECK(!skel->bss->calls[HOOK_CREATE].count, "called for a bad size");

	judge_nothing();
	fd = kvm_create_instance(vm, SIZE, flags);
	CHECK(fd >= 0, "errno %d", errno);
	CHECK(!fstat(fd, &st) && st.st_ino == skel->bss->calls[HOOK_CREATE].ino, "inode %lu %llu",
	      st.st_ino, skel->bss->calls[HOOK_CREATE].ino);
	CHECK(skel->bss->calls[HOOK_CREATE].arg[0] == SIZE, "size");
	CHECK(skel->bss->calls[HOOK_CREATE].arg[1] == flags, "flags");
	CHECK(module_refs() > refs || !refs, "an instance holds references");
	close(fd);
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);

	judge(HOOK_ANON, -EACCES);
	r = kvm_create_instance(vm, SIZE, 0);
	CHECK(r == -1 && errno == EACCES, "r %d errno %d", r, errno);
	CHECK(!skel->bss->calls[HOOK_CREATE].count, "called after inode_init_security_anon denied");
	judge_nothing();
	close(vm);
}

static void test_bind(unsigned long type)
{
	struct stat st;
	int vm, fd, r;
	long refs = module_refs();

	vm = create_vm(type);
	fd = kvm_create_instance(vm, SIZE, flags_for(type));
	fstat(fd, &st);
	for (int i = 0; i < ROUNDS; i++) {
		judge(HOOK_BIND, -EACCES);
		r = kvm_bind(vm, SLOT, fd, GPA, SIZE - PAGE, PAGE);
		if (r != -1 || errno != EACCES)
			break;
	}
	CHECK(r == -1 && errno == EACCES, "r %d errno %d", r, errno);
	CHECK(skel->bss->calls[HOOK_BIND].ino == st.st_ino, "inode");
	CHECK(skel->bss->calls[HOOK_BIND].arg[0] == PAGE, "offset");
	CHECK(skel->bss->calls[HOOK_BIND].arg[1] == SIZE - PAGE, "size");
	CHECK(skel->bss->calls[HOOK_BIND].arg[2] == GPA, "gpa");

	/* The slot, the addresses and the range are all still free. */
	judge_nothing();
	r = kvm_bind(vm, SLOT, fd, GPA, 0, 0);
	CHECK(r == -1 && errno == EINVAL, "there is a slot to delete: r %d errno %d", r, errno);
	r = kvm_bind(vm, SLOT + 1, fd, GPA, SIZE, 0);
	CHECK(!r, "errno %d", errno);

	/* Ending a binding is never refused. */
	judge(HOOK_BIND, -EACCES);
	r = kvm_bind(vm, SLOT + 1, fd, GPA, 0, 0);
	CHECK(!r, "errno %d", errno);
	CHECK(!skel->bss->calls[HOOK_BIND].count, "called for a deletion");

	judge_nothing();
	close(fd);
	close(vm);
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);
}

static void test_convert(void)
{
	int vm = create_vm(KVM_X86_SW_PROTECTED_VM), r;

	judge_nothing();
	r = kvm_convert(vm, GPA, 4 * PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	CHECK(!r && private_pages(vm) == 4, "r %d errno %d, %ld pages", r, errno,
	      private_pages(vm));
	CHECK(skel->bss->calls[HOOK_ATTRIBUTES].arg[0] == GPA, "start");
	CHECK(skel->bss->calls[HOOK_ATTRIBUTES].arg[1] == 4 * PAGE, "size");
	CHECK(skel->bss->calls[HOOK_ATTRIBUTES].arg[2] == KVM_MEMORY_ATTRIBUTE_PRIVATE,
	      "attributes");

	judge(HOOK_ATTRIBUTES, -EACCES);
	r = kvm_convert(vm, GPA, 2 * PAGE, 0);
	CHECK(r == -1 && errno == EACCES, "r %d errno %d", r, errno);
	r = kvm_convert(vm, GPA + 8 * PAGE, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	CHECK(r == -1 && errno == EACCES, "r %d errno %d", r, errno);
	CHECK(private_pages(vm) == 4, "%ld", private_pages(vm));
	r = kvm_convert(vm, GPA, PAGE + 1, 0);
	CHECK(r == -1 && errno == EINVAL, "r %d errno %d", r, errno);

	judge_nothing();
	r = kvm_convert(vm, GPA, 2 * PAGE, 0);
	CHECK(!r && private_pages(vm) == 2, "r %d errno %d, %ld", r, errno, private_pages(vm));
	close(vm);
}

static void test_fault(void)
{
	int vm = create_vm(KVM_X86_DEFAULT_VM), fd, status;
	struct stat st;
	char *mem;
	pid_t pid;

	judge_nothing();
	fd = kvm_create_instance(vm, SIZE, GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || mem == MAP_FAILED)
		give_up("mapping an instance");
	fstat(fd, &st);

	judge(HOOK_FAULT, -EACCES);
	CHECK(read_refused(mem + 2 * PAGE), "denied");
	CHECK(skel->bss->calls[HOOK_FAULT].ino == st.st_ino, "inode");
	CHECK(skel->bss->calls[HOOK_FAULT].arg[0] == 2, "pgoff");
	CHECK(skel->bss->calls[HOOK_FAULT].arg[2] == (uintptr_t)mem, "vm_start");
	CHECK(!kvm_resident(mem + 2 * PAGE), "a denied fault allocated memory");

	judge_nothing();
	CHECK(!read_refused(mem + 2 * PAGE), "allowed");
	CHECK(kvm_resident(mem + 2 * PAGE) == 1, "an allowed fault allocated no memory");
	judge(HOOK_FAULT, -EACCES);
	CHECK(!read_refused(mem + 2 * PAGE), "a page that is mapped stays mapped");

	/* A mapping inherited over fork, which mmap_file never saw. */
	skel->bss->judged_pid = 0;
	pid = fork();
	if (!pid) {
		skel->bss->judged_pid = getpid();
		_exit(read_refused(mem + 3 * PAGE) ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status, "child: status 0x%x", status);
	judge_nothing();
	CHECK(!read_refused(mem + 3 * PAGE), "the parent is not the child");

	munmap(mem, SIZE);
	close(fd);
	close(vm);
}

static int attach_positive(struct bpf_program *prog, struct bpf_link **link)
{
	*link = bpf_program__attach(prog);
	return *link ? 0 : -errno;
}

/* Any value but 0 denies, a positive one too: attached with fmod_ret, which may return one. */
static void test_positive(void)
{
	struct bpf_link *link[4];
	int vm, fd, mfd, r;
	char *mem;
	long refs;

	judge_nothing();
	skel->bss->judged_pid = 0;
	vm = create_vm(KVM_X86_SW_PROTECTED_VM);
	fd = kvm_create_instance(vm, SIZE, 0);
	refs = module_refs();
	r = attach_positive(skel->progs.create_positive, &link[0]);
	r = r ?: attach_positive(skel->progs.bind_positive, &link[1]);
	r = r ?: attach_positive(skel->progs.attributes_positive, &link[2]);
	if (r) {
		errno = -r;
		give_up("attaching fmod_ret");
	}
	judge_nothing();
	r = kvm_create_instance(vm, SIZE, 0);
	CHECK(r == -1 && errno == EACCES, "create: r %d errno %d", r, errno);
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);
	r = kvm_bind(vm, SLOT, fd, GPA, SIZE, 0);
	CHECK(r == -1 && errno == EACCES, "bind: r %d errno %d", r, errno);
	r = kvm_convert(vm, GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	CHECK(r == -1 && errno == EACCES, "convert: r %d errno %d", r, errno);
	CHECK(!private_pages(vm), "%ld", private_pages(vm));
	for (int i = 0; i < 3; i++)
		bpf_link__destroy(link[i]);
	CHECK(!kvm_bind(vm, SLOT, fd, GPA, SIZE, 0), "errno %d", errno);
	close(fd);
	close(vm);
	if (!offer_can(OFFER_mapped))
		return;

	vm = create_vm(KVM_X86_DEFAULT_VM);
	mfd = kvm_create_instance(vm, SIZE, GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mfd, 0);
	r = attach_positive(skel->progs.fault_positive, &link[3]);
	if (mem == MAP_FAILED || r)
		give_up("fmod_ret on the fault hook");
	CHECK(read_refused(mem), "a positive value must refuse the fault");
	bpf_link__destroy(link[3]);
	CHECK(!read_refused(mem), "allowed again");
	munmap(mem, SIZE);
	close(mfd);
	close(vm);
}

static int load(void)
{
	int err;

	skel = hooks_bpf__open();
	if (!skel)
		return -errno;
	bpf_program__set_autoload(skel->progs.create_positive, true);
	bpf_program__set_autoload(skel->progs.bind_positive, true);
	bpf_program__set_autoload(skel->progs.attributes_positive, true);
	bpf_program__set_autoload(skel->progs.fault_positive, offer_can(OFFER_mapped));
	bpf_program__set_autoload(skel->progs.fault, offer_can(OFFER_mapped));
	bpf_program__set_autoattach(skel->progs.create_positive, false);
	bpf_program__set_autoattach(skel->progs.bind_positive, false);
	bpf_program__set_autoattach(skel->progs.attributes_positive, false);
	bpf_program__set_autoattach(skel->progs.fault_positive, false);
	err = hooks_bpf__load(skel);
	err = err ?: hooks_bpf__attach(skel);
	if (err || !offer_can(OFFER_mapped))
		return err;
	inodes = inodes_bpf__open_and_load();
	return inodes ? inodes_bpf__attach(inodes) : -errno;
}

int main(void)
{
	long refs;
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	kvm_fd = kvm_open();
	if (kvm_fd < 0)
		give_up("/dev/kvm");
	err = load();
	if (err) {
		printf("the hooks of the series cannot be used: %s\n", strerror(-err));
		return 1;
	}
	refs = module_refs();
	test_create(KVM_X86_DEFAULT_VM);
	test_create(KVM_X86_SW_PROTECTED_VM);
	if (offer_can(OFFER_mapped))
		test_bind(KVM_X86_DEFAULT_VM);
	test_bind(KVM_X86_SW_PROTECTED_VM);
	test_convert();
	if (offer_can(OFFER_mapped))
		test_fault();
	test_positive();
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);
	check_inodes(inodes ? inodes->bss->allocated : 0, 0);
	printf("hooks: %d checks, %d failed\n", checks, failures);
	inodes_bpf__destroy(inodes);
	hooks_bpf__destroy(skel);
	return failures ? 1 : 0;
}
