// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests in flight, on kernels where gmemtop follows them from entry to exit: threads whose tids
 * share the first slot of its table, at the same time.
 *
 * Usage: inflight_test [--falsify] [CASE...]
 */
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "lib/watch.h"

#define SLOTS	  1024		/* of the table */
#define PROBES	  4		/* slots that a thread may have */
#define STALE_NS  10000000000LL /* when the slot of a request in flight can be taken */
#define DIRTY_GPA (1ULL << 30)
#define PATIENCE  20 /* seconds */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- KVM's lock of memslots, held: conversions wait for it after they have begun --- */

struct hold {
	pthread_t thread;
	int vm, uffd;
	char *bitmap;
};

/* KVM copies the log of dirty pages while it has the lock; the copy waits for a page. */
static void *hold_lock(void *arg)
{
	struct hold *hold = arg;
	struct kvm_dirty_log log = { .slot = 7, .dirty_bitmap = hold->bitmap };

	if (ioctl(hold->vm, KVM_GET_DIRTY_LOG, &log))
		give_up("get the log of dirty pages");
	return NULL;
}

static void hold_begin(struct hold *hold, int vm)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = 7,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = DIRTY_GPA,
		.memory_size = KVM_PAGE,
		.userspace_addr = (uintptr_t)memory_of(1),
	};
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg msg;

	hold->vm = vm;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region))
		give_up("make a memslot with a log");
	hold->bitmap = memory_of(1);
	range.range.start = (uintptr_t)hold->bitmap;
	range.range.len = KVM_PAGE;
	hold->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (hold->uffd < 0 || ioctl(hold->uffd, UFFDIO_API, &api) ||
	    ioctl(hold->uffd, UFFDIO_REGISTER, &range))
		give_up("userfaultfd");
	if (pthread_create(&hold->thread, NULL, hold_lock, hold))
		give_up("pthread_create");
	if (read(hold->uffd, &msg, sizeof(msg)) != sizeof(msg))
		give_up("wait for the fault of the log");
}

static void hold_end(struct hold *hold)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)hold->bitmap, KVM_PAGE } };

	if (ioctl(hold->uffd, UFFDIO_ZEROPAGE, &zero))
		give_up("resolve the fault of the log");
	pthread_join(hold->thread, NULL);
	close(hold->uffd);
}

/* --- threads that convert --- */

struct converter {
	pthread_t thread;
	int vm, ret;
	pid_t like; /* a tid, of which this one must have the slot; 0: any */
	uint64_t gpa;
	pid_t tid; /* -1: another slot */
};

static void *convert(void *arg)
{
	struct converter *c = arg;
	pid_t tid = gettid();

	if (c->like && (tid - c->like) % SLOTS)
		tid = -1;
	__atomic_store_n(&c->tid, tid, __ATOMIC_RELEASE);
	if (tid > 0)
		c->ret = kvm_convert(c->vm, c->gpa, KVM_PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	return NULL;
}

/* The kernel's next tid is one with the slot of @tid, unless others fork at this moment. */
static void come_close(pid_t tid)
{
	FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");

	if (!f)
		return;
	fprintf(f, "%d", tid + SLOTS - 1);
	fclose(f);
}

/* Is the thread asleep in a request? */
static bool in_flight(pid_t tid)
{
	char path[64], line[256] = "";
	long number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	f = fopen(path, "r");
	if (f && fgets(line, sizeof(line), f))
		sscanf(line, "%ld", &number);
	if (f)
		fclose(f);
	return number == SYS_ioctl;
}

static void converter_begin(struct converter *c, int vm, uint64_t gpa, pid_t like)
{
	uint64_t end = monotonic_ms() + PATIENCE * 1000;

	do {
		*c = (struct converter){ .vm = vm, .gpa = gpa, .like = like, .ret = -1 };
		if (like)
			come_close(like);
		if (pthread_create(&c->thread, NULL, convert, c))
			give_up("pthread_create");
		while (!__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE))
			sched_yield();
		if (c->tid < 0)
			pthread_join(c->thread, NULL);
		if (monotonic_ms() > end)
			give_up("get a thread with a certain tid");
		if (like)
			like = c->tid > 0 ? like : like + SLOTS;
	} while (c->tid < 0);
	while (!in_flight(c->tid)) {
		if (monotonic_ms() > end)
			give_up("see a thread in a conversion");
		usleep(1000);
	}
}

static void converter_end(struct converter *c)
{
	pthread_join(c->thread, NULL);
	CHECK(!c->ret, "thread %d could not convert", c->tid);
}

/* --- what gmemtop counts of them --- */

/* So many conversions of the VM took less than @ns, those whose duration is unknown left out. */
static int64_t durations(struct json_object *vm, int64_t ns)
{
	struct json_object *pair;
	struct json_object *list = member(member(member(vm, "latency"), "to_private"), "histogram");
	int64_t nr = 0;
	size_t i;

	for (i = 0; i < length(list); i++) {
		pair = json_object_array_get_idx(list, i);
		if (json_object_get_int64(json_object_array_get_idx(pair, 0)) < ns)
			nr += json_object_get_int64(json_object_array_get_idx(pair, 1));
	}
	return nr;
}

/* @done: conversions. Without @late all are followed, and one changed nothing. */
static void compare(int done, bool late)
{
	struct json_object *frame = next_frame(), *vm = vm_of(frame);
	struct json_object *counters = member(vm, "counters");

	CHECK(number(counters, "to_private") == done + falsify, "%d conversions, shown are %s",
	      done, json_object_to_json_string(counters));
	CHECK(durations(vm, INT64_MAX) == done - late, "%d durations, shown are %s", done - late,
	      json_object_to_json_string(member(vm, "latency")));
	/* The late one has the slot of one that waited for longer. */
	if (late)
		CHECK(durations(vm, STALE_NS) == 1, "one was short, shown are %s",
		      json_object_to_json_string(member(vm, "latency")));
	else
		CHECK(number(counters, "to_private_redundant") == 1, "one changed nothing: %s",
		      json_object_to_json_string(counters));
	CHECK(number(member(frame, "lost"), "untracked") == late,
	      "%d requests were not followed, shown is %s", late,
	      json_object_to_json_string(member(frame, "lost")));
	json_object_put(frame);
}

static struct watcher watch_redundant(void)
{
	char *argv[] = { GMEMTOP, "--json", "--redundant", "-d", "0.1", NULL };
	struct watcher w = start(argv);

	json_object_put(frame_of(&w));
	return w;
}

/* @nr: threads that begin at once, @late: one more, when the others are stale */
static void run_threads(int nr, bool late)
{
	struct watcher before = running;
	struct converter c[PROBES + 1];
	int vm = create_vm(), inst = create_instance(vm, SIZE, 0), i;
	struct hold hold;

	running = watch_redundant();
	hold_begin(&hold, vm);
	/* The second one converts what the first one has converted. */
	for (i = 0; i < nr; i++)
		converter_begin(&c[i], vm, (i < 2 ? 0 : i) * KVM_PAGE, i ? c[0].tid : 0);
	if (late) {
		usleep(STALE_NS / 1000 + 100000);
		converter_begin(&c[nr], vm, nr * KVM_PAGE, c[0].tid);
	}
	hold_end(&hold);
	for (i = 0; i < nr + late; i++)
		converter_end(&c[i]);
	compare(nr + late, late);
	stop(&running);
	running = before;
	close(inst);
	close(vm);
}

static void test_two(void)
{
	run_threads(2, false);
}

static void test_four(void)
{
	run_threads(PROBES, false);
}

static void test_stale(void)
{
	run_threads(PROBES, true);
}

static const struct test_case cases[] = {
	{ "two", test_two, PRIVATE },
	{ "four", test_four, PRIVATE },
	{ "stale", test_stale, PRIVATE },
};

int main(int argc __attribute__((unused)), char **argv)
{
	return run_cases(cases, ARRAY_LEN(cases), argv);
}
