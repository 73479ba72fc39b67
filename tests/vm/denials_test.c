// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a policy denies is counted for the VM whose instance it is about, and is an event: as many
 * as were denied here, and none for another VM.
 *
 * Usage: denials_test [--falsify] [CASE...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/fds.h"
#include "lib/offers_ctl.h"
#include "lib/sigbus.h"
#include "lib/watch.h"

#define POLICY "/run/denials.yaml"

/* How often each operation is tried. */
enum { MMAPS = 3, MPROTECTS = 2, PUNCHES = 4, ALLOCATES = 1, RECEIVES = 5, FAULTS = 2 };
enum { BINDS = 3, TO_PRIVATE = 4, TO_SHARED = 2, COMPAT = 1, ON_INSTANCE = 2 };

/* @rules: the defaults of the operations that are not allowed */
static void load(const char *rules)
{
	FILE *f = fopen(POLICY, "w");

	if (!f)
		give_up(POLICY);
	fprintf(f, "version: 1\nname: denials\nmode: enforce\ndefault: { %s }\nrules: []\n", rules);
	fclose(f);
	if (system("build/gmemctl load --strict-ioctl --adopt " POLICY " >/dev/null"))
		give_up("load a policy");
}

static void unload(void)
{
	if (system("build/gmemctl unload >/dev/null"))
		give_up("unload the policy");
}

static int64_t of_errno(struct json_object *vm, const char *operation, const char *error)
{
	int64_t n = number(member(member(vm, "errors_by_operation"), operation), error);

	return n < 0 ? 0 : n;
}

/* The VMs of this process that live: the first one is denied everything, the second one nothing. */
static struct json_object *vm_at(struct json_object *frame, unsigned int at)
{
	struct json_object *vms = member(frame, "vms"), *vm;
	size_t i;

	for (i = 0; i < length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		if (number(vm, "pid") == getpid() && !vm_is(vm, "gone") && !at--)
			return vm;
	}
	return NULL;
}

static void denied(int ret, const char *what)
{
	CHECK(ret < 0 && errno == EACCES, "%s is not denied: %s", what,
	      ret < 0 ? strerror(errno) : "done");
}

static void receive(int inst, int pair[2])
{
	int fd;

	if (fd_send(pair[0], inst))
		give_up("send a descriptor");
	fd = fd_take(pair[1], 0);
	CHECK(fd < 0, "the descriptor arrived");
}

/* Read the stream to its last object. Return: events of the operation, -1 without a stream. */
static int take_events(struct watcher *events, const char *operation, bool reset)
{
	static struct json_object *list;
	struct json_object *event, *word;
	char *line = NULL;
	size_t size = 0, i;
	int nr = 0;

	if (reset) {
		json_object_put(list);
		list = json_object_new_array();
		while (getline(&line, &size, events->out) > 0)
			json_object_array_add(list, json_tokener_parse(line));
		free(line);
	}
	for (i = 0; i < length(list); i++) {
		event = json_object_array_get_idx(list, i);
		word = member(event, "operation");
		nr += word && !strcmp(json_object_get_string(word), operation) &&
		      !strcmp(json_object_get_string(member(event, "error")), "EACCES") &&
		      number(member(event, "vm"), "pid") == getpid();
	}
	return nr;
}

static struct watcher watch_events(void)
{
	char *argv[] = { GMEMTOP, "events", "--json", "-e", "deny", NULL };
	struct watcher events = start(argv);

	json_object_put(frame_of(&events));
	return events;
}

/* After @events was told to end: as many of each operation as were denied. */
static void compare_events(struct watcher *events, const char *const *names, const int *nrs, int nr)
{
	int i;

	kill(events->pid, SIGTERM);
	take_events(events, "", true);
	for (i = 0; i < nr; i++)
		CHECK(take_events(events, names[i], false) == nrs[i] + falsify,
		      "%d events of a denied %s, %d were denied",
		      take_events(events, names[i], false), names[i], nrs[i]);
	stop(events);
}

static void test_requests(void)
{
	static const char *const names[] = { "mmap", "mprotect", "punch", "allocate", "receive" };
	bool mapped = offer_can(OFFER_mapped);
	/* Older kernels say that it cannot be mapped before they ask. */
	int nrs[] = { mapped ? MMAPS : 0, mapped ? MPROTECTS : 0, PUNCHES, ALLOCATES, RECEIVES };
	int vm = kvm_create_vm(kvm, mapped ? KVM_X86_DEFAULT_VM : type), other = create_vm();
	int inst, idle, pair[2], i, sum = 0;
	struct json_object *frame, *shown;
	struct watcher events = watch_events();
	void *map = NULL;

	inst = create_instance(vm, SIZE,
			       mapped ? GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED : 0);
	idle = create_instance(other, SIZE, 0);
	if (mapped) {
		map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, inst, 0);
		if (map == MAP_FAILED)
			give_up("map an instance");
	}
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		give_up("socketpair");
	load("create: allow, bind: allow, mmap: deny, fault: allow, convert: allow, punch: deny, "
	     "receive: deny");
	for (i = 0; i < MMAPS && mapped; i++)
		denied(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, inst, 0) == MAP_FAILED ? -1 : 0,
		       "mmap");
	for (i = 0; i < MPROTECTS && mapped; i++)
		denied(mprotect(map, SIZE, PROT_READ | PROT_WRITE), "mprotect");
	for (i = 0; i < PUNCHES; i++)
		denied(fallocate(inst, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE),
		       "punching a hole");
	for (i = 0; i < ALLOCATES; i++)
		denied(fallocate(inst, FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE), "fallocate");
	for (i = 0; i < RECEIVES; i++)
		receive(inst, pair);
	unload();
	for (i = 0; i < (int)ARRAY_LEN(nrs); i++)
		sum += nrs[i];
	frame = next_frame();
	shown = vm_at(frame, 0);
	CHECK(number(shown, "denials") == sum + falsify, "%d requests were denied, shown is %s",
	      sum, json_object_to_json_string(member(shown, "denials")));
	CHECK(of_errno(shown, "mmap", "EACCES") == nrs[0] + nrs[1] || falsify, "errors of mmap: %s",
	      json_object_to_json_string(member(member(shown, "errors_by_operation"), "mmap")));
	CHECK(of_errno(shown, "punch", "EACCES") == PUNCHES + falsify &&
		      of_errno(shown, "allocate", "EACCES") == ALLOCATES + falsify &&
		      of_errno(shown, "receive", "EACCES") == RECEIVES + falsify,
	      "errors are %s", json_object_to_json_string(member(shown, "errors_by_operation")));
	CHECK(number(vm_at(frame, 1), "denials") == 0, "the other VM has denials: %s",
	      json_object_to_json_string(member(vm_at(frame, 1), "denials")));
	json_object_put(frame);
	compare_events(&events, names, nrs, ARRAY_LEN(nrs));
	if (mapped)
		munmap(map, SIZE);
	close(pair[0]);
	close(pair[1]);
	close(inst);
	close(idle);
	close(vm);
	close(other);
}

/* Where there is a hook: elsewhere no module can refuse a host fault, and its count is unknown. */
static void test_faults(void)
{
	static const char *const names[] = { "fault" };
	bool hook = offer_source("deny_fault") != OFFER_NONE;
	int nrs[] = { hook ? FAULTS : 0 }, vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM), inst, i;
	struct watcher events = watch_events();
	struct json_object *frame, *counters;
	char *map;

	inst = create_instance(vm, SIZE, GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, inst, 0);
	if (map == MAP_FAILED)
		give_up("map an instance");
	if (hook) {
		load("create: allow, bind: allow, mmap: allow, fault: deny, convert: allow, "
		     "punch: allow, receive: allow");
		for (i = 0; i < FAULTS; i++)
			CHECK(read_refused(map + i * KVM_PAGE), "the fault was not refused");
		unload();
	}
	frame = next_frame();
	counters = member(vm_at(frame, 0), "counters");
	CHECK(number(vm_at(frame, 0), "denials") == nrs[0] + falsify, "denials: %s",
	      json_object_to_json_string(member(vm_at(frame, 0), "denials")));
	if (hook)
		CHECK(number(counters, "host_faults_denied") == FAULTS &&
			      number(counters, "host_faults_refused") == FAULTS,
		      "counters: %s", json_object_to_json_string(counters));
	else
		CHECK(!member(counters, "host_faults_denied"), "denied host faults are known: %s",
		      json_object_to_json_string(member(counters, "host_faults_denied")));
	json_object_put(frame);
	compare_events(&events, names, nrs, 1);
	munmap(map, SIZE);
	close(inst);
	close(vm);
}

#ifdef __x86_64__
/* Through the entry of 32-bit programs. */
static int ioctl32(int fd, unsigned int cmd, const void *arg, size_t size)
{
	void *low = mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long ret = 54;

	if (low == MAP_FAILED)
		give_up("memory below 4 GiB");
	memcpy(low, arg, size);
	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"((long)fd), "c"((long)cmd), "d"(low)
		     : "memory", "r8", "r9", "r10", "r11");
	munmap(low, KVM_PAGE);
	errno = ret < 0 ? (int)-ret : 0;
	return ret < 0 ? -1 : 0;
}
#else
/* Elsewhere a 64-bit program has no such entry. */
#define ioctl32(fd, cmd, arg, size) ioctl(fd, cmd, arg)
#endif

/*
 * Where KVM has no hooks they are denied by the number of the ioctl, before KVM sees them;
 * elsewhere KVM fails with the same error, and they are events of their own.
 */
static void test_ioctls(void)
{
	static const char *const names[] = { "bind", "convert" };
	bool binding = offer_carried(GMEM_DO_bind), converting = offer_carried(GMEM_DO_convert);
	int nrs[] = { binding ? 0 : BINDS,
		      ON_INSTANCE + (converting ? 0 : TO_PRIVATE + TO_SHARED + COMPAT) };
	int vm = create_vm(), inst = create_instance(vm, SIZE, flags()), other = create_vm(), i;
	struct kvm_memory_attributes attrs = { .address = KVM_TEST_GPA,
					       .size = KVM_PAGE,
					       .attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE };
	int idle = create_instance(other, SIZE, flags()), sum;
	struct json_object *frame, *shown, *host;
	struct watcher events;
	int64_t before;

	/* What is denied changes something, or a hook is not asked. */
	if (converting && kvm_convert(vm, KVM_TEST_GPA + SIZE, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		give_up("convert");
	load("create: allow, bind: deny, mmap: allow, fault: allow, convert: deny, punch: allow, "
	     "receive: allow");
	/* The frame after which the policy is known, and one that shows what was before. */
	json_object_put(next_frame());
	frame = next_frame();
	before = number(member(frame, "host"), "denials");
	json_object_put(frame);
	events = watch_events();
	for (i = 0; i < BINDS; i++)
		denied(kvm_bind(vm, 0, inst, KVM_TEST_GPA, SIZE, 0), "binding");
	for (i = 0; i < TO_PRIVATE; i++)
		denied(kvm_convert(vm, KVM_TEST_GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE),
		       "converting");
	for (i = 0; i < TO_SHARED; i++)
		denied(kvm_convert(vm, KVM_TEST_GPA + SIZE, SIZE, 0), "converting");
	for (i = 0; i < COMPAT; i++)
		denied(ioctl32(vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs, sizeof(attrs)), "converting");
	for (i = 0; i < ON_INSTANCE; i++)
		denied(ioctl(inst, KVM_SET_MEMORY_ATTRIBUTES, &attrs), "an ioctl on an instance");
	unload();
	sum = BINDS + TO_PRIVATE + TO_SHARED + COMPAT + ON_INSTANCE;
	frame = next_frame();
	shown = vm_at(frame, 0);
	host = member(frame, "host");
	CHECK(number(shown, "denials") == sum + falsify, "%d ioctls were denied, shown is %s", sum,
	      json_object_to_json_string(member(shown, "denials")));
	CHECK(number(host, "denials") == before + sum, "%d more of the host, shown is %s", sum,
	      json_object_to_json_string(member(host, "denials")));
	CHECK(of_errno(shown, "bind", "EACCES") == BINDS &&
		      of_errno(shown, "convert_private", "EACCES") == TO_PRIVATE + COMPAT &&
		      of_errno(shown, "convert_shared", "EACCES") == TO_SHARED &&
		      of_errno(shown, "convert_other", "EACCES") == ON_INSTANCE,
	      "errors are %s", json_object_to_json_string(member(shown, "errors_by_operation")));
	CHECK(number(vm_at(frame, 1), "denials") == 0, "the other VM has denials: %s",
	      json_object_to_json_string(member(vm_at(frame, 1), "denials")));
	json_object_put(frame);
	compare_events(&events, names, nrs, ARRAY_LEN(nrs));
	close(inst);
	close(idle);
	close(vm);
	close(other);
}

static const struct test_case cases[] = {
	{ "requests", test_requests, NOTHING },
	{ "faults", test_faults, BIND },
	{ "ioctls", test_ioctls, NOTHING },
};

int main(int argc __attribute__((unused)), char **argv)
{
	return run_cases(cases, ARRAY_LEN(cases), argv);
}
