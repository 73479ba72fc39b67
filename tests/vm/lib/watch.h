/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of gmemtop share that are VMMs themselves: VMs without a guest, a gmemtop that runs
 * all the time, others that start when something is there already, and a table of cases.
 */
#ifndef VM_WATCH_H
#define VM_WATCH_H

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "../test.h"
#include "kvm.h"
#include "offers_top.h"
#include "wanted.h"

#define GMEMTOP	     "build/gmemtop"
#define PAGES	     2048UL /* of an instance, unless it says otherwise */
#define SIZE	     (PAGES * KVM_PAGE)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* With --falsify each case expects one too many of something: then each case must fail. */
static bool falsify;
static int kvm;
/* The VMs that this kernel can have: software-protected ones, else default ones; do they bind? */
static unsigned long type;
static bool binds;

/* --- gmemtop --- */

struct watcher {
	pid_t pid;
	FILE *out;
};

static inline struct json_object *member(struct json_object *obj, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(obj, json_type_object))
		json_object_object_get_ex(obj, name, &value);
	return value;
}

static inline int64_t number(struct json_object *obj, const char *name)
{
	struct json_object *value = member(obj, name);

	return value ? json_object_get_int64(value) : -1;
}

/* Is that the state of a VM? */
static inline bool vm_is(struct json_object *vm, const char *state)
{
	struct json_object *value = member(vm, "state");

	return value && !strcmp(json_object_get_string(value), state);
}

static inline size_t length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static inline struct watcher start(char **argv)
{
	struct watcher w;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		give_up("pipe");
	w.pid = fork();
	if (!w.pid) {
		dup2(fds[1], 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	w.out = fdopen(fds[0], "r");
	return w;
}

static inline struct watcher watch(bool once)
{
	char *argv[] = { GMEMTOP,  "--json", "-i",  "--bindings",	    "--holders", "--waste",
			 "--heat", "-d",     "0.1", once ? "--once" : NULL, NULL };
	return start(argv);
}

static inline struct json_object *frame_of(struct watcher *w)
{
	struct json_object *frame = NULL;
	char *line = NULL;
	size_t size = 0;

	if (getline(&line, &size, w->out) > 0)
		frame = json_tokener_parse(line);
	free(line);
	if (!frame) {
		printf("gmemtop shows nothing\n");
		exit(1);
	}
	return frame;
}

static inline void stop(struct watcher *w)
{
	kill(w->pid, SIGTERM);
	fclose(w->out);
	waitpid(w->pid, NULL, 0);
}

/* The last VM of this process that lives. */
static inline struct json_object *vm_of(struct json_object *frame)
{
	struct json_object *vms = member(frame, "vms"), *vm, *found = NULL;
	size_t i;

	for (i = 0; i < length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		if (number(vm, "pid") == getpid() && !vm_is(vm, "gone"))
			found = vm;
	}
	CHECK(found, "the VM is not there");
	return found;
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct watcher running;

typedef void check_fn(struct json_object *vm, void *arg);

/* A frame that was begun after this call, of the gmemtop that runs. */
static inline struct json_object *next_frame(void)
{
	uint64_t begin = now_ns();
	struct json_object *frame;

	while (true) {
		frame = frame_of(&running);
		if ((uint64_t)number(frame, "time_ns") - number(frame, "interval_ns") > begin)
			return frame;
		json_object_put(frame);
	}
}

static inline void look(check_fn *check, void *arg)
{
	struct json_object *frame = next_frame();

	check(vm_of(frame), arg);
	json_object_put(frame);
}

/* Also by a gmemtop that starts now, and has seen nothing of what was done. */
static inline void look_twice(check_fn *check, void *arg)
{
	struct watcher once = watch(true);
	struct json_object *frame = frame_of(&once);

	check(vm_of(frame), arg);
	json_object_put(frame);
	stop(&once);
	look(check, arg);
}

/* --- the VM --- */

static inline int create_vm(void)
{
	int vm = kvm_create_vm(kvm, type);

	if (vm < 0)
		give_up("create a VM");
	return vm;
}

static inline uint64_t flags(void)
{
	return type == KVM_X86_DEFAULT_VM && binds
		       ? GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED
		       : 0;
}

static inline int create_instance(int vm, uint64_t size, uint64_t with)
{
	int fd = kvm_create_instance(vm, size, with);

	if (fd < 0)
		give_up("create an instance");
	/* Or every gmemtop that is started here would hold it. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

struct binding {
	uint32_t slot;
	int inst;
	uint64_t gpa, pages, offset;
	void *memory;
};

static inline void *memory_of(uint64_t pages)
{
	void *memory = mmap(NULL, pages * KVM_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		give_up("mmap");
	/* Or one touch would bring 512 pages. */
	madvise(memory, pages * KVM_PAGE, MADV_NOHUGEPAGE);
	return memory;
}

static inline void bind_slot(int vm, struct binding *b)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = b->slot,
		.flags = b->inst >= 0 ? KVM_MEM_GUEST_MEMFD : 0,
		.guest_phys_addr = b->gpa,
		.memory_size = b->pages * KVM_PAGE,
		.guest_memfd = b->inst >= 0 ? (uint32_t)b->inst : 0,
		.guest_memfd_offset = b->offset * KVM_PAGE,
	};

	if (!b->memory)
		b->memory = memory_of(b->pages);
	region.userspace_addr = (uintptr_t)b->memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region))
		give_up("bind");
}

/* --- cases --- */

enum needs {
	NOTHING,
	BIND,
	PRIVATE,
};

struct test_case {
	const char *name;
	void (*run)(void);
	enum needs needs;
};

/* Which VMs and instances can this kernel have? */
static inline void probe(void)
{
	int vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM), inst;

	binds = vm >= 0;
	type = vm >= 0 ? KVM_X86_SW_PROTECTED_VM : KVM_X86_DEFAULT_VM;
	if (vm < 0) {
		vm = create_vm();
		inst = kvm_create_instance(vm, SIZE,
					   GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
		binds = inst >= 0;
		close(inst);
	}
	close(vm);
}

static inline bool possible(enum needs needs)
{
	bool private = offer_can(OFFER_software_protected);

	return needs == NOTHING || private || (needs == BIND && offer_can(OFFER_mapped));
}

/* Kernel and gmemtop must offer what offers.h says of this lane. */
static inline void check_lane(void)
{
	CHECK((type == KVM_X86_SW_PROTECTED_VM) == offer_can(OFFER_software_protected),
	      "software-protected VMs: not as in tests/vm/lib/offers.h");
	CHECK(binds == possible(BIND), "VMs that bind: not as in tests/vm/lib/offers.h");
	CHECK(!offers_check_top(false), "facts: not as in tests/vm/lib/offers.h");
}

/**
 * run_cases - the cases that were named, or all that this lane can run
 * @argv: of main(): TEST [--falsify] [CASE...]
 *
 * Return: the exit status: 0; 1 if a case failed (with --falsify: passed), or cannot run in this
 * lane although it was named; 77 if no case can run in this lane.
 */
static inline int run_cases(const struct test_case *cases, size_t nr, char **argv)
{
	int passed = 0, failed = 0, skipped = 0, before;
	struct json_object *frame;
	size_t i;

	if (argv[1] && !strcmp(argv[1], "--falsify")) {
		falsify = true;
		argv++;
	}
	WANTED_CHECK(argv + 1, cases, nr);
	kvm = kvm_open();
	if (kvm < 0)
		give_up("open /dev/kvm");
	probe();
	check_lane();
	failed = failures > 0;
	running = watch(false);
	frame = frame_of(&running);
	json_object_put(frame);
	for (i = 0; i < nr; i++) {
		if (!wanted(cases[i].name, argv + 1))
			continue;
		if (!possible(cases[i].needs)) {
			printf("%s %s: lane %s has no VMs for it\n", argv[1] ? "FAIL" : "skipped",
			       cases[i].name, getenv("LANE"));
			failed += !!argv[1];
			skipped++;
			continue;
		}
		before = failures;
		cases[i].run();
		if (falsify)
			printf("%s %s: one too many was %s\n", failures > before ? "ok" : "FAIL",
			       cases[i].name, failures > before ? "noticed" : "not noticed");
		else
			printf("%s %s\n", failures > before ? "FAIL" : "ok", cases[i].name);
		fflush(stdout);
		if ((failures > before) == falsify)
			passed++;
		else
			failed++;
	}
	stop(&running);
	printf("%d checks; %d passed, %d failed, %d skipped\n", checks, passed, failed, skipped);
	if (!failed && !passed)
		printf("no case can run in lane %s; lane patched runs all of them\n",
		       getenv("LANE"));
	if (failed)
		return 1;
	return passed ? 0 : 77;
}

#endif /* VM_WATCH_H */
