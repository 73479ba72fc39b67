// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints of kernel-patches/ that may have no inode to pass: does the verifier know? A program
 * that reads the inode without a check must be refused, and one that checks must see the NULL of a
 * refused request, and not have its check removed. Where KVM is built in, the verifier takes every
 * other pointer argument of a tracepoint for valid, and a mistake here is an oops of the host; in
 * a module it takes none, so that the same test proves less.
 *
 * Runs as root in a lane that has the series.
 */
#include <stdbool.h>

#include <bpf/libbpf.h>

#include "lib/kvm.h"
#include "nullable.skel.h"
#include "test.h"

static const char *const events[] = { "create", "bind", "guest_fault", "populate" };

#define NR_EVENTS (sizeof(events) / sizeof(events[0]))

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* The skeleton with one program, or with all that end with @name if that begins with '_'. */
static struct nullable_bpf *load(const char *name)
{
	struct nullable_bpf *skel = nullable_bpf__open();
	struct bpf_program *prog;

	if (!skel)
		give_up("opening the programs");
	bpf_object__for_each_program(prog, skel->obj)
	{
		const char *this = bpf_program__name(prog);
		const char *end = strstr(this, name);

		bpf_program__set_autoload(prog, end && !end[strlen(name)] &&
							(end == this || *name == '_'));
	}
	if (!nullable_bpf__load(skel))
		return skel;
	nullable_bpf__destroy(skel);
	return NULL;
}

/* Requests that are refused before there is an instance, and that name none. */
static void refused_requests(int vm)
{
	int r = kvm_create_instance(vm, 1, 0);

	CHECK(r == -1 && errno == EINVAL, "create: r %d errno %d", r, errno);
	r = kvm_bind(vm, 3, -1, KVM_TEST_GPA, KVM_PAGE, 0);
	CHECK(r == -1 && errno == EBADF, "bind: r %d errno %d", r, errno);
}

static void test_unchecked(int vm)
{
	struct nullable_bpf *skel;
	char name[64];

	for (size_t i = 0; i < NR_EVENTS; i++) {
		snprintf(name, sizeof(name), "%s_unchecked", events[i]);
		skel = load(name);
		CHECK(!skel, "kvm_gmem_%s: a program that does not check was accepted", events[i]);
		if (!skel)
			continue;
		/* What the verifier lets through has to survive this, too. */
		if (nullable_bpf__attach(skel))
			give_up(name);
		refused_requests(vm);
		nullable_bpf__destroy(skel);
	}
}

static void test_checked(int vm)
{
	struct nullable_bpf *skel = load("_checked");
	int instance;

	CHECK(skel, "programs that check are refused");
	if (!skel)
		return;
	if (nullable_bpf__attach(skel))
		give_up("attaching");
	refused_requests(vm);
	CHECK(skel->bss->without == 2, "%llu events without an inode", skel->bss->without);
	CHECK(!skel->bss->with && !skel->bss->sum, "%llu events with an inode", skel->bss->with);

	/* A refused binding of an instance names the instance. */
	instance = kvm_create_instance(vm, KVM_PAGE, 0);
	if (instance < 0)
		give_up("creating an instance");
	CHECK(kvm_bind(vm, 3, instance, KVM_TEST_GPA, KVM_PAGE, KVM_PAGE) == -1, "beyond the end");
	CHECK(skel->bss->without == 2, "%llu events without an inode", skel->bss->without);
	CHECK(skel->bss->with == 2, "%llu events with an inode", skel->bss->with);
	close(instance);
	nullable_bpf__destroy(skel);
}

int main(void)
{
	int kvm = kvm_open(), vm;

	setvbuf(stdout, NULL, _IOLBF, 0);
	libbpf_set_print(quiet);
	/* The only kind that every kernel of the series lets bind. */
	vm = kvm < 0 ? -1 : kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	if (vm < 0)
		give_up("a VM");
	printf("KVM is %s\n", access("/sys/module/kvm/refcnt", F_OK) ? "built in" : "a module");
	test_checked(vm);
	test_unchecked(vm);
	close(vm);
	close(kvm);
	printf("nullable: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
