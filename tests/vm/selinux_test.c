// SPDX-License-Identifier: GPL-2.0-only
/*
 * SELinux's part of kernel-patches/ with a loaded policy: each operation in each domain, of which
 * every one but the first lacks one permission (tests/vm/selinux/policy.cil). What needs that
 * permission is refused, all else passes, and the kernel's log has exactly the denials that it
 * should have: with a policy that defines the class guest_memfd and with an older one that does
 * not, enforcing and permissive, for instances of either policy and of the time before any policy.
 *
 * Runs as root in a lane that has the series, booted with SELinux (see tests/suite).
 */
#define _GNU_SOURCE
#include <linux/falloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "lib/kvm.h"
#include "lib/offers.h"
#include "lib/sigbus.h"
#include "test.h"

#define PAGE	  KVM_PAGE
#define PAGES	  4L
#define SIZE	  (PAGES * PAGE)
#define GPA	  KVM_TEST_GPA
#define SLOT	  3
#define SELINUXFS "/sys/fs/selinux"

/* --- the policy --- */

/* What a domain may lack, and an operation needs. */
#define PERMS(P)        \
	P(create)       \
	P(map)          \
	P(write)        \
	P(bind)         \
	P(fault)        \
	P(init_shared)  \
	P(make_private) \
	P(make_shared)

#define PERM_BIT(name)	PERM_BIT_##name,
#define PERM_MASK(name) PERM_##name = 1 << PERM_BIT_##name,
#define PERM_NAME(name) [PERM_BIT_##name] = #name,
enum { PERMS(PERM_BIT) };
enum { PERM_none, PERMS(PERM_MASK) };
static const char *const perm_names[] = { PERMS(PERM_NAME) };

/* The classes of the policy that an instance can have; FILE is none of its classes. */
enum sclass { CLASS_FILE, CLASS_ANON_INODE, CLASS_GUEST_MEMFD };

static const struct {
	const char *name, *type; /* type: of an instance of this class */
} classes[] = {
	[CLASS_FILE] = { "file", "other_t" },
	[CLASS_ANON_INODE] = { "anon_inode", "gmem_anon_t" },
	[CLASS_GUEST_MEMFD] = { "guest_memfd", "gmem_t" },
};

/* What each domain lacks. */
static const struct domain {
	const char *type;
	enum sclass sclass;
	unsigned int lacks;
} domains[] = {
	{ "all_t", CLASS_GUEST_MEMFD, PERM_none },
	{ "no_create_t", CLASS_GUEST_MEMFD, PERM_create },
	{ "no_map_t", CLASS_GUEST_MEMFD, PERM_map },
	{ "no_write_t", CLASS_GUEST_MEMFD, PERM_write },
	{ "no_bind_t", CLASS_GUEST_MEMFD, PERM_bind },
	{ "no_fault_t", CLASS_GUEST_MEMFD, PERM_fault },
	{ "no_init_shared_t", CLASS_GUEST_MEMFD, PERM_init_shared },
	{ "no_make_private_t", CLASS_GUEST_MEMFD, PERM_make_private },
	{ "no_make_shared_t", CLASS_GUEST_MEMFD, PERM_make_shared },
	{ "no_anon_create_t", CLASS_ANON_INODE, PERM_create },
	{ "no_anon_map_t", CLASS_ANON_INODE, PERM_map },
};

#define ALL_T (domains[0].type)

/* The policy in force: does it define the class guest_memfd? */
static bool class_known, enforcing;
/* Changes of the mode that are still to be seen in the log. */
static int marks;

static void write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		give_up(path);
	close(fd);
}

static void set_enforcing(bool on)
{
	write_file(SELINUXFS "/enforce", on ? "1" : "0");
	marks += on != enforcing;
	enforcing = on;
}

/* This process is in the domain from now on. */
static void become(const char *type)
{
	char context[64];

	snprintf(context, sizeof(context), "u:r:%s", type);
	write_file("/proc/self/attr/current", context);
}

/* Load the policy that has the class guest_memfd, or the older one that does not know it. */
static void load_policy(bool with_class)
{
	static char policy[1 << 16];
	const char *path = with_class ? "build/tests/selinux.policy"
				      : "build/tests/selinux-older.policy";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, policy, sizeof(policy));

	if (size <= 0)
		give_up(path);
	close(fd);
	fd = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, policy, size) != size)
		give_up(SELINUXFS "/load");
	close(fd);
	class_known = with_class;
	CHECK(!access(SELINUXFS "/class/guest_memfd", F_OK) == with_class, "%s", path);
}

/* --- the kernel's log --- */

static int kmsg;

static void open_log(void)
{
	/* Else the kernel prints ten messages of these in five seconds. */
	write_file("/proc/sys/kernel/printk_ratelimit", "0");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		give_up("/dev/kmsg");
}

static void format_denial(char *text, size_t size, const char *perm, const char *source,
			  const char *target, const char *sclass, bool permissive)
{
	snprintf(text, size, "%s: %s %s %s%s\n", perm, source, target, sclass,
		 permissive ? " permissive" : "");
}

static void add_denial(char *text, size_t size, const char *line)
{
	char perm[64], source[64], target[64], sclass[64];
	const char *contexts = strstr(line, "scontext=");
	size_t len = strlen(text);
	int permissive;

	line = strstr(line, "{ ");
	if (line && contexts && sscanf(line, "{ %63[^}]}", perm) == 1 &&
	    sscanf(contexts, "scontext=u:r:%63s tcontext=u:%*[^:]:%63s tclass=%63s permissive=%d",
		   source, target, sclass, &permissive) == 4) {
		perm[strlen(perm) - 1] = '\0'; /* the space before the brace */
		format_denial(text + len, size - len, perm, source, target, sclass, permissive);
	} else {
		snprintf(text + len, size - len, "?\n");
	}
}

/*
 * All denials since the last call, a line each. They are printed by a thread of the kernel's, in
 * their order: what comes behind them is made here, by leaving the mode and coming back to it.
 */
static const char *denials(void)
{
	static char text[4096];
	struct pollfd poll_kmsg = { .fd = kmsg, .events = POLLIN };
	bool was = enforcing;

	text[0] = '\0';
	set_enforcing(!was);
	set_enforcing(was);
	while (marks) {
		char record[8192];
		ssize_t n = read(kmsg, record, sizeof(record) - 1);

		if (n < 0 && errno == EAGAIN) {
			if (poll(&poll_kmsg, 1, 10000) == 1)
				continue;
			errno = ETIMEDOUT;
		}
		if (n <= 0)
			give_up("waiting for the kernel's log");
		record[n] = '\0';
		if (strstr(record, "old_enforcing="))
			marks--;
		else if (strstr(record, "avc:  denied"))
			add_denial(text, sizeof(text), record);
	}
	return text;
}

/* --- operations --- */

/* What the operations work on; all of it was made in one go by the domain that may do all. */
struct fixture {
	enum sclass sclass;
	const char *creator; /* domain */
	int private_vm, default_vm;
	int instance, shared; /* of the private VM; of the default VM, mappable where that exists */
	char *mem;	      /* shared, mapped; or NULL */
};

static int kvm_fd;

#define MAPPABLE (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

static void make_fixture(struct fixture *f, enum sclass sclass, const char *creator)
{
	uint64_t flags = offer_can(OFFER_mapped) ? MAPPABLE : 0;

	f->sclass = sclass;
	f->creator = creator;
	f->private_vm = kvm_create_vm(kvm_fd, KVM_X86_SW_PROTECTED_VM);
	f->default_vm = kvm_create_vm(kvm_fd, KVM_X86_DEFAULT_VM);
	if (f->private_vm < 0 || f->default_vm < 0)
		give_up("VMs to work on");
	f->instance = kvm_create_instance(f->private_vm, SIZE, 0);
	if (f->instance < 0)
		give_up("an instance to work on");
	f->mem = NULL;
	f->shared = kvm_create_instance(f->default_vm, SIZE, flags);
	if (f->shared < 0)
		give_up("a shared instance to work on");
	if (!flags)
		return;
	f->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->shared, 0);
	if (f->mem == MAP_FAILED)
		give_up("mapping an instance to work on");
}

static void destroy_fixture(struct fixture *f)
{
	if (f->mem)
		munmap(f->mem, SIZE);
	close(f->instance);
	close(f->shared);
	close(f->private_vm);
	close(f->default_vm);
}

static int created, lowest;
static long refs;

static void before_create(const struct fixture *f)
{
	(void)f;
	lowest = lowest_fd();
	refs = module_refs();
}

static int create(const struct fixture *f)
{
	created = kvm_create_instance(f->private_vm, SIZE, 0);
	return created < 0 ? errno : 0;
}

static int create_shared(const struct fixture *f)
{
	created = kvm_create_instance(f->default_vm, SIZE, MAPPABLE);
	return created < 0 ? errno : 0;
}

static void after_create(const struct fixture *f, int err)
{
	enum sclass sclass = class_known ? CLASS_GUEST_MEMFD : CLASS_ANON_INODE;
	char want[64], label[64] = "";

	(void)f;
	if (!err) {
		snprintf(want, sizeof(want), "u:object_r:%s", classes[sclass].type);
		if (fgetxattr(created, "security.selinux", label, sizeof(label) - 1) < 0)
			give_up("the label of an instance");
		CHECK(!strcmp(label, want), "%s, not %s", label, want);
		close(created);
	}
	CHECK(lowest_fd() == lowest, "lowest free fd was %d", lowest);
	CHECK(module_refs() == refs, "%ld, was %ld", module_refs(), refs);
}

static int bind_instance(const struct fixture *f)
{
	return kvm_bind(f->private_vm, SLOT, f->instance, GPA, SIZE, 0) ? errno : 0;
}

static void after_bind(const struct fixture *f, int err)
{
	int r = kvm_bind(f->private_vm, SLOT, f->instance, GPA, 0, 0);

	if (err)
		CHECK(r == -1 && errno == EINVAL, "there is a slot: r %d errno %d", r, errno);
	else
		CHECK(!r, "errno %d", errno);
}

static int map(const struct fixture *f)
{
	void *mem = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, f->shared, 0);

	if (mem == MAP_FAILED)
		return errno;
	munmap(mem, SIZE);
	return 0;
}

static void empty(const struct fixture *f)
{
	if (fallocate(f->shared, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE))
		give_up("punching a hole");
}

static int fault(const struct fixture *f)
{
	return read_refused(f->mem) ? EFAULT : 0;
}

/* The kernel faults for its caller. */
static int fault_in_kernel(const struct fixture *f)
{
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		give_up("pipe");
	err = write(ends[1], f->mem, 1) == 1 ? 0 : errno;
	close(ends[0]);
	close(ends[1]);
	return err;
}

static int read_memory_of(pid_t owner, const struct fixture *f)
{
	struct iovec remote = { f->mem, 1 };
	char byte;
	struct iovec local = { &byte, 1 };

	return process_vm_readv(owner, &local, 1, &remote, 1, 0) == 1 ? 0 : errno;
}

/* No security module is asked about a process that traces itself. */
static int fault_by_self_tracing(const struct fixture *f)
{
	return read_memory_of(getpid(), f);
}

/* The page would become accessible to the owner of the mapping, whatever the tracer may do. */
static int fault_remotely(const struct fixture *f)
{
	pid_t owner = getpid(), pid = fork();
	int status;

	if (!pid) {
		become(ALL_T);
		_exit(read_memory_of(owner, f));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		give_up("a child that reads the memory of its parent");
	return WEXITSTATUS(status);
}

static void after_fault(const struct fixture *f, int err)
{
	int resident = kvm_resident(f->mem);

	CHECK(resident == !err, "errno %d, resident: %d", err, resident);
}

static void fill(const struct fixture *f)
{
	if (fallocate(f->shared, FALLOC_FL_KEEP_SIZE, 0, SIZE))
		give_up("allocating");
}

static int punch(const struct fixture *f)
{
	return fallocate(f->shared, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) ? errno
											 : 0;
}

static void after_punch(const struct fixture *f, int err)
{
	int resident;

	/* Without a mapping nothing shows it. */
	if (!f->mem)
		return;
	resident = kvm_resident(f->mem);
	CHECK(resident == !!err, "errno %d, resident: %d", err, resident);
}

static void make_shared(const struct fixture *f)
{
	if (kvm_convert(f->private_vm, GPA, SIZE, 0))
		give_up("converting to shared");
}

static void make_private(const struct fixture *f)
{
	if (kvm_convert(f->private_vm, GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		give_up("converting to private");
}

static int to_shared(const struct fixture *f)
{
	return kvm_convert(f->private_vm, GPA, SIZE, 0) ? errno : 0;
}

static int to_private(const struct fixture *f)
{
	return kvm_convert(f->private_vm, GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE) ? errno : 0;
}

static void after_to_shared(const struct fixture *f, int err)
{
	long pages = kvm_private_pages(f->private_vm);

	CHECK(pages == (err ? PAGES : 0), "%ld private pages", pages);
}

static void after_to_private(const struct fixture *f, int err)
{
	long pages = kvm_private_pages(f->private_vm);

	CHECK(pages == (err ? 0 : PAGES), "%ld private pages", pages);
}

static const struct op {
	const char *name;
	enum { NEW, EXISTING, VM } object; /* what permission is asked on */
	unsigned int needs;
	int error;
	void (*before)(const struct fixture *f); /* these two in the domain that may do all */
	void (*after)(const struct fixture *f, int err);
	int (*run)(const struct fixture *f); /* 0 or an errno */
} ops[] = {
	{ "create", NEW, PERM_create, EACCES, before_create, after_create, create },
	{ "create INIT_SHARED", NEW, PERM_create | PERM_init_shared, EACCES, before_create,
	  after_create, create_shared },
	{ "bind", EXISTING, PERM_bind, EACCES, NULL, after_bind, bind_instance },
	{ "mmap", EXISTING, PERM_map, EACCES, NULL, NULL, map },
	{ "fault", EXISTING, PERM_fault, EFAULT, empty, after_fault, fault },
	{ "fault in the kernel", EXISTING, PERM_fault, EFAULT, empty, after_fault,
	  fault_in_kernel },
	{ "fault by tracing itself", EXISTING, PERM_fault, EFAULT, empty, after_fault,
	  fault_by_self_tracing },
	{ "fault of a tracer", EXISTING, PERM_fault, EFAULT, empty, after_fault, fault_remotely },
	{ "punch", EXISTING, PERM_write, EACCES, fill, after_punch, punch },
	{ "to private", VM, PERM_make_private, EACCES, make_shared, after_to_private, to_private },
	{ "to shared", VM, PERM_make_shared, EACCES, make_private, after_to_shared, to_shared },
};

/* What takes an instance that can be mapped, which not every kernel has. */
#define PERM_mapping (PERM_init_shared | PERM_map | PERM_fault)

/* --- the test --- */

/* One operation; what it must leave in the log is added to @want. */
static void test_op(const struct op *op, const struct domain *d, const struct fixture *f,
		    char *want, size_t size)
{
	enum sclass class_of_new = class_known ? CLASS_GUEST_MEMFD : CLASS_ANON_INODE;
	/* A conversion is checked on the domain that made the VM, whatever the class of an
	 * instance. */
	enum sclass sclass = op->object == EXISTING ? f->sclass
			     : op->object == NEW    ? class_of_new
						    : CLASS_GUEST_MEMFD;
	/* A policy allows what it does not know. */
	bool known = sclass != CLASS_GUEST_MEMFD || class_known;
	bool denied = known && sclass == d->sclass && op->needs & d->lacks;
	char line[256];
	int err;

	if (op->before)
		op->before(f);
	become(d->type);
	err = op->run(f);
	become(ALL_T);
	CHECK(err == (denied && enforcing ? op->error : 0), "%s in %s: errno %d", op->name, d->type,
	      err);
	if (op->after)
		op->after(f, err);
	if (!denied)
		return;
	format_denial(line, sizeof(line), perm_names[__builtin_ctz(d->lacks)], d->type,
		      op->object == VM ? f->creator : classes[sclass].type, classes[sclass].name,
		      !enforcing);
	/* What it lets pass, the kernel says once. */
	if (enforcing || !strstr(want, line))
		strncat(want, line, size - strlen(want) - 1);
}

static void test_all(const struct fixture *f)
{
	int before = failures;

	denials();
	for (size_t d = 0; d < sizeof(domains) / sizeof(domains[0]); d++) {
		char want[4096] = "";
		const char *got;

		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			if (f->mem || !(ops[i].needs & PERM_mapping))
				test_op(&ops[i], &domains[d], f, want, sizeof(want));
		}
		got = denials();
		CHECK(!strcmp(got, want), "%s: the log has\n%s, not\n%s", domains[d].type, got,
		      want);
	}
	printf("%s the class, %s, instances of class %s: %d failed\n",
	       class_known ? "with" : "without", enforcing ? "enforcing" : "permissive",
	       classes[f->sclass].name, failures - before);
}

static void relabel(int fd, const char *label)
{
	int err = fsetxattr(fd, "security.selinux", label, strlen(label) + 1, 0) ? errno : 0;

	CHECK(!err, "%s: errno %d", label, err);
}

/* An inode that gets another label keeps its class, and with it the permissions of the class. */
static void test_relabel(const struct fixture *gmem, const struct fixture *anon)
{
	int err;

	relabel(gmem->instance, "u:object_r:gmem_t");
	become("no_bind_t");
	err = bind_instance(gmem);
	become(ALL_T);
	CHECK(err == EACCES, "errno %d", err);
	after_bind(gmem, err);

	if (!anon->mem)
		return;
	relabel(anon->shared, "u:object_r:gmem_anon_t");
	become("no_anon_map_t");
	err = map(anon);
	become(ALL_T);
	CHECK(err == EACCES, "errno %d", err);
}

int main(void)
{
	struct fixture file, anon, gmem;
	long refs_before;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mount("selinuxfs", SELINUXFS, "selinuxfs", 0, NULL) && errno != EBUSY) {
		printf("no SELinux here (%s): boot with it, APPEND=lsm=...,selinux,...\n",
		       strerror(errno));
		return 1;
	}
	kvm_fd = kvm_open();
	if (kvm_fd < 0)
		give_up("/dev/kvm");
	open_log();
	refs_before = module_refs();

	make_fixture(&file, CLASS_FILE, "kernel_t");
	load_policy(false);
	set_enforcing(true);
	become(ALL_T);
	make_fixture(&anon, CLASS_ANON_INODE, ALL_T);
	test_all(&file);
	test_all(&anon);

	load_policy(true);
	make_fixture(&gmem, CLASS_GUEST_MEMFD, ALL_T);
	test_all(&file);
	test_all(&anon);
	test_all(&gmem);
	test_relabel(&gmem, &anon);
	set_enforcing(false);
	test_all(&gmem);

	/* An instance keeps its class, of which the older policy denies nothing. */
	set_enforcing(true);
	load_policy(false);
	test_all(&gmem);

	destroy_fixture(&file);
	destroy_fixture(&anon);
	destroy_fixture(&gmem);
	CHECK(module_refs() == refs_before, "%ld, was %ld", module_refs(), refs_before);
	printf("selinux: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
