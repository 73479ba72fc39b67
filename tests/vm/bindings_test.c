// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop know what is bound, and who holds it? Asked of a gmemtop that starts afterwards, and
 * so finds what exists already, and of one that runs all the time.
 *
 * Usage: bindings_test [--falsify] [CASE...]
 */
#define _GNU_SOURCE
#include "lib/watch.h"

#define PLAIN 600 /* ordinary memslots around those with an instance */

/* --- bindings --- */

struct bound {
	const struct binding *list;
	size_t nr;
};

static void check_bindings(struct json_object *vm, void *arg)
{
	struct json_object *list = member(vm, "binding_list"), *b;
	const struct bound *bound = arg;
	uint64_t pages = 0;
	size_t i;

	CHECK(length(list) == bound->nr, "%zu bindings, not %zu", length(list), bound->nr);
	for (i = 0; i < bound->nr && i < length(list); i++) {
		b = json_object_array_get_idx(list, i);
		pages += bound->list[i].pages;
		CHECK(number(b, "slot") == bound->list[i].slot &&
			      (uint64_t)number(b, "gpa") == bound->list[i].gpa &&
			      (uint64_t)number(b, "pages") == bound->list[i].pages &&
			      (uint64_t)number(b, "offset_pages") == bound->list[i].offset &&
			      (uint64_t)number(b, "userspace_addr") ==
				      (uintptr_t)bound->list[i].memory,
		      "binding %zu is %s", i, json_object_to_json_string(b));
	}
	CHECK((uint64_t)number(vm, "bound_now_pages") == pages + falsify, "%lld bound, not %llu",
	      (long long)number(vm, "bound_now_pages"), (unsigned long long)pages);
}

static void test_bindings(void)
{
	int vm = create_vm(), a = create_instance(vm, SIZE, flags());
	int b = create_instance(vm, SIZE, flags()), i;
	struct binding list[] = {
		{ 3, a, 4ULL << 30, 1000, 0, NULL },
		{ 70, b, 9ULL << 30, 77, 13, NULL },
		{ 509, a, 5ULL << 30, 300, 1500, NULL },
	};
	struct binding plain = { .inst = -1, .pages = 1, .memory = memory_of(PLAIN) };
	struct bound bound = { list, 0 };

	look(check_bindings, &bound);
	for (i = 0; i < PLAIN; i++) {
		plain.slot = 1000 + i;
		plain.gpa = (1ULL << 30) + i * KVM_PAGE;
		bind_slot(vm, &plain);
		plain.memory = (char *)plain.memory + KVM_PAGE;
	}
	for (i = 0; i < 3; i++)
		bind_slot(vm, &list[i]);
	bound.nr = 3;
	look_twice(check_bindings, &bound);
	/* One goes, and comes back elsewhere, with another range of the other instance. */
	if (kvm_bind(vm, 70, b, list[1].gpa, 0, 0))
		give_up("unbind");
	list[1] = (struct binding){ 71, b, (9ULL << 30) + 5 * KVM_PAGE, 11, 2000, NULL };
	bind_slot(vm, &list[1]);
	look(check_bindings, &bound);
	/* With an instance its bindings go. */
	close(a);
	list[0] = list[1];
	bound.nr = 1;
	look(check_bindings, &bound);
	close(b);
	bound.nr = 0;
	look(check_bindings, &bound);
	close(vm);
}

/* More than one answer of the kernel has room for. */
static void test_many_bindings(void)
{
	static struct binding list[1500];
	int vm = create_vm(), inst = create_instance(vm, ARRAY_LEN(list) * KVM_PAGE, flags());
	struct bound bound = { list, ARRAY_LEN(list) };
	char *memory = memory_of(ARRAY_LEN(list));
	uint32_t i;

	for (i = 0; i < ARRAY_LEN(list); i++) {
		list[i] = (struct binding){ 2 + i, inst, (4ULL << 30) + 2 * i * KVM_PAGE,
					    1,	   i,	 memory + i * KVM_PAGE };
		bind_slot(vm, &list[i]);
	}
	look(check_bindings, &bound);
	close(inst);
	close(vm);
}

/* --- holders --- */

struct holder {
	pid_t pid;
	int fds, mappings;
};

struct held {
	const struct holder *list;
	size_t nr;
};

static void check_holders(struct json_object *vm, void *arg)
{
	struct json_object *list = member(vm, "holder_list"), *h;
	const struct held *held = arg;
	size_t i;

	CHECK(length(list) == held->nr, "%zu holders, not %zu", length(list), held->nr);
	CHECK(number(vm, "holders") == (int64_t)held->nr + falsify, "%lld holders, not %zu",
	      (long long)number(vm, "holders"), held->nr);
	CHECK(length(member(vm, "instance_list")) == 1, "%zu instances",
	      length(member(vm, "instance_list")));
	for (i = 0; i < held->nr && i < length(list); i++) {
		h = json_object_array_get_idx(list, i);
		CHECK(number(h, "pid") == held->list[i].pid &&
			      number(h, "fds") == held->list[i].fds &&
			      number(h, "mappings") == held->list[i].mappings,
		      "%d has %d and %d, shown is %s", held->list[i].pid, held->list[i].fds,
		      held->list[i].mappings, json_object_to_json_string(h));
	}
}

/* A child that waits to be killed; @work: what it does first. */
static pid_t child(void (*work)(int fd, void *map, uint64_t size), int fd, void *map, uint64_t size)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		give_up("pipe");
	pid = fork();
	if (!pid) {
		work(fd, map, size);
		close(ready[0]);
		close(ready[1]);
		while (true)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) < 0)
		give_up("read");
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void keep_all(int fd, void *map, uint64_t size)
{
	(void)fd;
	(void)map;
	(void)size;
}

static void close_fd(int fd, void *map, uint64_t size)
{
	(void)map;
	(void)size;
	close(fd);
}

static void drop_all(int fd, void *map, uint64_t size)
{
	close(fd);
	if (map)
		munmap(map, size);
}

static void test_holders(void)
{
	bool maps = flags() & GUEST_MEMFD_FLAG_MMAP;
	int vm = create_vm(), fd, again;
	pid_t none;
	struct holder list[4] = { { getpid(), 1, 0 } };
	struct held held = { list, 1 };
	void *map = NULL;

	fd = create_instance(vm, SIZE, flags());
	look(check_holders, &held);
	again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	list[0].fds = 2;
	look(check_holders, &held);
	if (maps) {
		map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			give_up("mmap of the instance");
		list[0].mappings = 1;
	}
	/* By fork: all of it, the mapping only, nothing. */
	list[1] = (struct holder){ child(keep_all, fd, map, SIZE), 2, maps };
	close(again);
	list[0].fds = 1;
	list[2] = (struct holder){ child(close_fd, fd, map, SIZE), 0, maps };
	none = child(drop_all, fd, map, SIZE);
	held.nr = maps ? 3 : 2;
	look_twice(check_holders, &held);
	/* The mapping alone, without any descriptor, in another process. */
	end(list[1].pid);
	close(fd);
	if (maps) {
		munmap(map, SIZE);
		list[0] = list[2];
		held.nr = 1;
		look_twice(check_holders, &held);
	}
	end(list[2].pid);
	end(none);
	close(vm);
}

/* --- columns --- */

/* A column has what it shows looked at. */
static void test_columns(void)
{
	char *argv[] = { GMEMTOP,
			 "--csv",
			 "--once",
			 "-p",
			 NULL,
			 "-o",
			 "pid,bound_now_pages,holders,waste_instance_pages,bound_private_pages",
			 NULL };
	char pid[16], line[256] = "", want[128];
	int vm = create_vm(), inst = create_instance(vm, SIZE, flags());
	struct binding b = { 2, inst, KVM_TEST_GPA, 33, 0, NULL };
	bool none = !flags(), known = offer_source("attributes") != OFFER_NONE;
	struct watcher w;

	bind_slot(vm, &b);
	if (fallocate(inst, FALLOC_FL_KEEP_SIZE, 0, 5 * KVM_PAGE))
		give_up("allocate");
	snprintf(pid, sizeof(pid), "%d", getpid());
	argv[4] = pid;
	w = start(argv);
	while (fgets(line, sizeof(line), w.out) && !strstr(line, pid))
		;
	if (known)
		snprintf(want, sizeof(want), ",%d,%d,1,%d,0,0,0\n", getpid(), 33 + falsify,
			 none ? 5 : 0);
	else
		snprintf(want, sizeof(want), ",%d,%d,1,,,0,0\n", getpid(), 33 + falsify);
	CHECK(strstr(line, want), "the line is %s", line);
	stop(&w);
	close(inst);
	close(vm);
}

static const struct test_case cases[] = {
	{ "bindings", test_bindings, BIND },
	{ "many-bindings", test_many_bindings, BIND },
	{ "holders", test_holders, NOTHING },
	{ "columns", test_columns, BIND },
};

int main(int argc, char **argv)
{
	(void)argc;
	return run_cases(cases, ARRAY_LEN(cases), argv);
}
