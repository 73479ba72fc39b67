// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop know what is bound, who holds it, what is held twice and where conversions happen?
 * The test is a VMM without a guest, and knows of every page what it did to it. Everything is asked
 * of a gmemtop that starts afterwards, and so finds what exists already, and of one that runs all
 * the time.
 *
 * Usage: memory_test [--falsify] [CASE...]
 * --falsify expects one page, holder or VM too many: then every case must fail.
 */
#define _GNU_SOURCE
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include <bpf/bpf.h>

#include "../../bpf/gmem_trace.h"
#include "lib/kvm.h"
#include "lib/wanted.h"
#include "test.h"

#define GMEMTOP	     "build/gmemtop"
#define PAGES	     2048UL
#define SIZE	     (PAGES * KVM_PAGE)
#define ROUNDS	     12
#define PLAIN	     600 /* ordinary memslots around those with an instance */
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static int kvm, falsify;
static unsigned long type;
static bool binds;

/* --- gmemtop --- */

struct watcher {
	pid_t pid;
	FILE *out;
};

static struct json_object *member(struct json_object *obj, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(obj, json_type_object))
		json_object_object_get_ex(obj, name, &value);
	return value;
}

static int64_t number(struct json_object *obj, const char *name)
{
	struct json_object *value = member(obj, name);

	return value ? json_object_get_int64(value) : -1;
}

static size_t length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static struct watcher start(char **argv)
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

static struct watcher watch(bool once)
{
	char *argv[] = { GMEMTOP,  "--json", "-i",  "--bindings",	    "--holders", "--waste",
			 "--heat", "-d",     "0.1", once ? "--once" : NULL, NULL };
	return start(argv);
}

static struct json_object *frame_of(struct watcher *w)
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

static void stop(struct watcher *w)
{
	kill(w->pid, SIGTERM);
	fclose(w->out);
	waitpid(w->pid, NULL, 0);
}

/* The last VM of this process that lives. */
static struct json_object *vm_of(struct json_object *frame)
{
	struct json_object *vms = member(frame, "vms"), *vm, *found = NULL;
	size_t i;

	for (i = 0; i < length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		if (number(vm, "pid") == getpid() && !json_object_get_boolean(member(vm, "gone")))
			found = vm;
	}
	CHECK(found, "the VM is not there");
	return found;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct watcher running;

typedef void check_fn(struct json_object *vm, void *arg);

/* A frame that was begun after this call, of the gmemtop that runs. */
static struct json_object *next_frame(void)
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

static void look(check_fn *check, void *arg)
{
	struct json_object *frame = next_frame();

	check(vm_of(frame), arg);
	json_object_put(frame);
}

/* Also by a gmemtop that starts now, and has seen nothing of what was done. */
static void look_twice(check_fn *check, void *arg)
{
	struct watcher once = watch(true);
	struct json_object *frame = frame_of(&once);

	check(vm_of(frame), arg);
	json_object_put(frame);
	stop(&once);
	look(check, arg);
}

/* --- the VM --- */

static int create_vm(void)
{
	int vm = kvm_create_vm(kvm, type);

	if (vm < 0)
		give_up("create a VM");
	return vm;
}

static uint64_t flags(void)
{
	return type == KVM_X86_DEFAULT_VM && binds
		       ? GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED
		       : 0;
}

static int create_instance(int vm, uint64_t size, uint64_t with)
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

static void *memory_of(uint64_t pages)
{
	void *memory = mmap(NULL, pages * KVM_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		give_up("mmap");
	/* Or one touch would bring 512 pages. */
	madvise(memory, pages * KVM_PAGE, MADV_NOHUGEPAGE);
	return memory;
}

static void bind_slot(int vm, struct binding *b)
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
	CHECK((uint64_t)number(vm, "bound") == pages + falsify, "%lld bound, not %llu",
	      (long long)number(vm, "bound"), (unsigned long long)pages);
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

/* --- waste --- */

struct pages {
	const struct binding *list;
	size_t nr;
	bool *private;	/* by guest page from 4 GiB on */
	bool *resident; /* by page of the instance */
	bool *backing;	/* by page of memory, which all bindings share */
	bool mmap;
};

static void check_waste(struct json_object *vm, void *arg)
{
	struct json_object *list = member(vm, "binding_list"), *b;
	uint64_t instance = 0, shared = 0, all = 0, sum = 0, i, n;
	const struct pages *p = arg;
	const struct binding *at;
	size_t k;

	for (i = 0; i < PAGES; i++)
		all += p->resident[i];
	for (k = 0; k < p->nr && k < length(list); k++) {
		uint64_t private = 0, resident = 0, backing = 0, twice = 0, behind = 0;

		at = &p->list[k];
		for (i = 0; i < at->pages; i++) {
			bool is = p->private[(at->gpa - KVM_TEST_GPA) / KVM_PAGE + i];
			bool there = p->resident[at->offset + i];
			bool held = p->backing[((char *)at->memory - (char *)p->list[0].memory) /
						       (long)KVM_PAGE +
					       (long)i];

			private += is;
			resident += there;
			backing += held;
			twice += there && !is && !p->mmap;
			behind += held && is && !p->mmap;
		}
		b = json_object_array_get_idx(list, k);
		CHECK((uint64_t)number(b, "private_pages") == private &&
			      (uint64_t)number(b, "resident_pages") == resident &&
			      (uint64_t)number(b, "backing_pages") == backing &&
			      (uint64_t)number(b, "waste_instance") == twice &&
			      (uint64_t)number(b, "waste_backing") == behind,
		      "private %llu resident %llu backing %llu twice %llu + %llu, shown is %s",
		      (unsigned long long)private, (unsigned long long)resident,
		      (unsigned long long)backing, (unsigned long long)twice,
		      (unsigned long long)behind, json_object_to_json_string(b));
		n = resident;
		sum += n;
		instance += twice;
		shared += behind;
	}
	if (!p->mmap)
		instance += all - sum;
	CHECK((uint64_t)number(vm, "waste_instance") == instance + falsify, "%lld, not %llu",
	      (long long)number(vm, "waste_instance"), (unsigned long long)instance);
	CHECK((uint64_t)number(vm, "waste_backing") == shared, "%lld, not %llu",
	      (long long)number(vm, "waste_backing"), (unsigned long long)shared);
}

static void set(bool *pages, uint64_t from, uint64_t nr, bool to)
{
	while (nr--)
		pages[from++] = to;
}

static uint64_t below(uint64_t n)
{
	return (uint64_t)rand() % n;
}

static void act(int vm, int inst, struct pages *p, char *memory)
{
	uint64_t from = below(PAGES), nr = 1 + below(below(4) ? 70 : PAGES);
	uint64_t span = nr < PAGES - from ? nr : PAGES - from;
	bool to = below(2);

	switch (below(3)) {
	case 0:
		if (kvm_convert(vm, KVM_TEST_GPA + from * KVM_PAGE, nr * KVM_PAGE,
				to ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0))
			give_up("convert");
		set(p->private, from, nr, to);
		break;
	case 1:
		if (fallocate(inst, FALLOC_FL_KEEP_SIZE | (to ? 0 : FALLOC_FL_PUNCH_HOLE),
			      (off_t)(from * KVM_PAGE), (off_t)(span * KVM_PAGE)))
			give_up("fallocate");
		set(p->resident, from, span, to);
		break;
	default:
		if (to)
			memset(memory + from * KVM_PAGE, 1, span * KVM_PAGE);
		else if (madvise(memory + from * KVM_PAGE, span * KVM_PAGE, MADV_DONTNEED))
			give_up("madvise");
		set(p->backing, from, span, to);
	}
}

static void test_waste(void)
{
	static bool private[4 * PAGES], resident[PAGES], backing[PAGES];
	int vm = create_vm(), inst = create_instance(vm, SIZE, 0), round, i;
	char *memory = memory_of(PAGES);
	/* Guest pages, pages of the instance and words of 64 are aligned to each other in no way. */
	struct binding list[] = {
		{ 2, inst, KVM_TEST_GPA, 700, 3, memory },
		{ 3, inst, KVM_TEST_GPA + 1001 * KVM_PAGE, 1025, 710, memory + 800 * KVM_PAGE },
	};
	struct pages p = { list, 2, private, resident, backing, false };
	volatile char zero;

	srand(7);
	for (i = 0; i < 2; i++)
		bind_slot(vm, &list[i]);
	look(check_waste, &p);
	/* A page that was only read is the zero page, and takes no memory. */
	zero = memory[0];
	(void)zero;
	look(check_waste, &p);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 12; i++)
			act(vm, inst, &p, memory);
		look(check_waste, &p);
	}
	look_twice(check_waste, &p);
	close(inst);
	close(vm);
	munmap(memory, SIZE);
}

/* The two problems as they are named: everything was private and is shared now, and the reverse. */
static void test_twice(void)
{
	static bool private[4 * PAGES], resident[PAGES], backing[PAGES];
	int vm = create_vm(), inst = create_instance(vm, SIZE, 0);
	char *memory = memory_of(PAGES);
	struct binding whole = { 2, inst, KVM_TEST_GPA, PAGES, 0, memory };
	struct pages p = { &whole, 1, private, resident, backing, false };

	bind_slot(vm, &whole);
	if (kvm_convert(vm, KVM_TEST_GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE) ||
	    fallocate(inst, FALLOC_FL_KEEP_SIZE, 0, SIZE))
		give_up("set up");
	set(private, 0, PAGES, true);
	set(resident, 0, PAGES, true);
	look(check_waste, &p);
	if (kvm_convert(vm, KVM_TEST_GPA, SIZE, 0))
		give_up("convert");
	set(private, 0, PAGES, false);
	look(check_waste, &p);
	if (fallocate(inst, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, SIZE))
		give_up("punch");
	set(resident, 0, PAGES, false);
	memset(memory, 1, SIZE);
	set(backing, 0, PAGES, true);
	look(check_waste, &p);
	if (kvm_convert(vm, KVM_TEST_GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		give_up("convert");
	set(private, 0, PAGES, true);
	look(check_waste, &p);
	close(inst);
	close(vm);
	munmap(memory, SIZE);
}

/* Where the instance is the memory for both nothing is held twice. */
static void test_no_waste(void)
{
	static bool private[4 * PAGES], resident[PAGES], backing[PAGES];
	int vm = create_vm(), inst = create_instance(vm, SIZE, flags() | GUEST_MEMFD_FLAG_MMAP);
	char *memory = memory_of(PAGES);
	struct binding half = { 2, inst, KVM_TEST_GPA, PAGES / 2, 0, memory };
	struct pages p = { &half, 1, private, resident, backing, true };

	bind_slot(vm, &half);
	if (fallocate(inst, FALLOC_FL_KEEP_SIZE, 0, SIZE))
		give_up("allocate");
	set(resident, 0, PAGES, true);
	memset(memory, 1, SIZE);
	set(backing, 0, PAGES, true);
	look(check_waste, &p);
	close(inst);
	close(vm);
	munmap(memory, SIZE);
}

/* --- heat --- */

struct heat {
	uint64_t gfn[4096], pages[4096];
	size_t nr;
};

static uint64_t overlap(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	uint64_t from = a > b ? a : b, to = a_end < b_end ? a_end : b_end;

	return to > from ? to - from : 0;
}

static void check_heat(struct json_object *vm, void *arg)
{
	struct json_object *heat = member(vm, "heat"), *list = member(heat, "pages");
	uint64_t cell = (uint64_t)number(heat, "cell_pages"), last = 0, want, sum = 0;
	const struct heat *done = arg;
	size_t i, k;

	for (k = 0; k < done->nr; k++) {
		sum += done->pages[k];
		if (done->gfn[k] + done->pages[k] > last)
			last = done->gfn[k] + done->pages[k];
	}
	/* The smallest cells that do, from 2 MiB on. */
	for (want = 512; done->nr && want * 64 < last; want *= 2)
		;
	CHECK(!done->nr || cell == want, "a cell is %llu pages, not %llu", (unsigned long long)cell,
	      (unsigned long long)want);
	for (i = 0; i < GMEM_HEAT_CELLS; i++) {
		for (want = k = 0; k < done->nr; k++)
			want += overlap(done->gfn[k], done->gfn[k] + done->pages[k], i * cell,
					(i + 1) * cell);
		if (i < length(list)) {
			uint64_t got =
				(uint64_t)json_object_get_int64(json_object_array_get_idx(list, i));

			CHECK(got == want + (falsify && want), "cell %zu: %llu pages, not %llu", i,
			      (unsigned long long)got, (unsigned long long)want);
		} else {
			CHECK(!want, "cell %zu: nothing, not %llu", i, (unsigned long long)want);
		}
	}
	CHECK(!number(heat, "elsewhere"), "%lld elsewhere", (long long)number(heat, "elsewhere"));
}

static void test_heat(void)
{
	static struct heat done;
	int vm = create_vm(), i, top;
	uint64_t gfn, pages;

	srand(11);
	/* Nothing is bound: attributes need no memory. Addresses that grow make the cells grow. */
	for (top = 8; top <= 24; top += 4) {
		for (i = 0; i < 200; i++) {
			gfn = below(1UL << top);
			pages = 1 + below(below(8) ? 16 : 5000);
			if (kvm_convert(vm, gfn * KVM_PAGE, pages * KVM_PAGE,
					below(2) ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0))
				give_up("convert");
			done.gfn[done.nr] = gfn;
			done.pages[done.nr++] = pages;
		}
		look(check_heat, &done);
	}
	close(vm);
}

/* --- an end that nobody saw --- */

/* The map of that name of the gmemtop that runs: it is the newest. */
static int map_of(const char *name)
{
	struct bpf_map_info info;
	uint32_t id = 0, size;
	int fd, found = -1;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    !strcmp(info.name, name)) {
			if (found >= 0)
				close(found);
			found = fd;
			continue;
		}
		if (fd >= 0)
			close(fd);
	}
	return found;
}

/* A VM and an instance of which the end was not seen: their memory is something else by now. */
static void test_unseen_end(void)
{
	struct gmem_vm vm = { .id = 1000000, .kvm = 0xffff888000001000, .mm = 5, .tgid = 1 };
	struct gmem_inst inst = { .id = 1000001, .vm_id = 1000000, .inode = vm.kvm, .ino = 99 };
	struct gmem_inst_key key = { .ino = 99 };
	int vms = map_of("vms"), insts = map_of("instances"), frames, gone = 0, listed = 0;
	struct json_object *frame = NULL, *list, *shown;
	int64_t ends = 0;
	size_t i;

	if (vms < 0 || insts < 0)
		give_up("find gmemtop's maps");
	vm.c[GMEM_VM_to_private] = 42;
	inst.c[GMEM_INST_guest_faults] = 17;
	if (bpf_map_update_elem(vms, &vm.kvm, &vm, BPF_NOEXIST) ||
	    bpf_map_update_elem(insts, &key, &inst, BPF_NOEXIST))
		give_up("make entries");
	for (frames = 0; frames < 60 && !gone; frames++) {
		frame = frame_of(&running);
		list = member(frame, "vms");
		for (i = 0; i < length(list); i++) {
			shown = json_object_array_get_idx(list, i);
			if (number(shown, "id") != 1000000)
				continue;
			listed++;
			if (!json_object_get_boolean(member(shown, "gone")))
				continue;
			gone++;
			CHECK(number(member(shown, "counters"), "to_private") == 42 &&
				      number(member(shown, "counters"), "guest_faults") == 17,
			      "its last numbers are %s", json_object_to_json_string(shown));
		}
		ends = number(member(frame, "lost"), "ends");
		json_object_put(frame);
	}
	CHECK(gone == 1 + falsify, "gone %d times, listed %d times", gone, listed);
	CHECK(ends == 2, "%lld ends that nobody saw", (long long)ends);
	CHECK(bpf_map_lookup_elem(vms, &vm.kvm, &vm), "the VM is still in the map");
	CHECK(bpf_map_lookup_elem(insts, &key, &inst), "the instance is still in the map");
	frame = frame_of(&running);
	list = member(frame, "vms");
	for (i = 0; i < length(list); i++)
		CHECK(number(json_object_array_get_idx(list, i), "id") != 1000000, "it is back");
	json_object_put(frame);
	close(vms);
	close(insts);
}

/* --- what does not fit, and what columns need --- */

/* The numbers of VMs for which there is no room stand together. */
static void test_other(void)
{
	char *argv[] = { GMEMTOP, "--json",	     "-i", "-d", "0.1", "--max-vms",
			 "2",	  "--max-instances", "3",  NULL };
	struct watcher small = start(argv);
	struct json_object *frame = frame_of(&small), *list, *vm;
	int64_t creates = 0, of_other = 0, lost = 0;
	int vms[5], insts[5][2], frames, i;
	size_t k, live = 0;

	json_object_put(frame);
	for (i = 0; i < 5; i++) {
		vms[i] = create_vm();
		insts[i][0] = create_instance(vms[i], SIZE, 0);
		insts[i][1] = create_instance(vms[i], SIZE, 0);
	}
	for (frames = 0; frames < 60 && creates != 10; frames++) {
		frame = frame_of(&small);
		list = member(frame, "vms");
		creates = 0;
		for (live = k = 0; k < length(list); k++) {
			vm = json_object_array_get_idx(list, k);
			creates += number(member(vm, "counters"), "creates");
			if (number(vm, "id") == GMEM_ID_OTHER)
				of_other = number(member(vm, "counters"), "creates");
			else
				live++;
		}
		lost = number(member(frame, "lost"), "vms_full");
		json_object_put(frame);
	}
	CHECK(creates == 10 + falsify, "%lld of 10 creations", (long long)creates);
	CHECK(of_other == 6, "%lld of 6 creations in other", (long long)of_other);
	CHECK(live == 2, "%zu VMs where there is room for 2", live);
	CHECK(lost > 0, "nothing says that there was no room");
	for (i = 0; i < 5; i++) {
		close(insts[i][0]);
		close(insts[i][1]);
		close(vms[i]);
	}
	stop(&small);
}

/* A column has what it shows looked at. */
static void test_columns(void)
{
	char *argv[] = { GMEMTOP,
			 "--csv",
			 "--once",
			 "-p",
			 NULL,
			 "-o",
			 "pid,bound,holders,waste_instance,bound_private",
			 NULL };
	char pid[16], line[256] = "", want[128];
	int vm = create_vm(), inst = create_instance(vm, SIZE, flags());
	struct binding b = { 2, inst, KVM_TEST_GPA, 33, 0, NULL };
	bool none = !flags();
	struct watcher w;

	bind_slot(vm, &b);
	if (fallocate(inst, FALLOC_FL_KEEP_SIZE, 0, 5 * KVM_PAGE))
		give_up("allocate");
	snprintf(pid, sizeof(pid), "%d", getpid());
	argv[4] = pid;
	w = start(argv);
	while (fgets(line, sizeof(line), w.out) && !strstr(line, pid))
		;
	snprintf(want, sizeof(want), ",%d,%d,1,%d,0\n", getpid(), 33 + falsify, none ? 5 : 0);
	CHECK(strstr(line, want), "the line is %s", line);
	stop(&w);
	close(inst);
	close(vm);
}

/* --- */

enum needs {
	NOTHING,
	BIND,
	PRIVATE,
};

static const struct {
	const char *name;
	void (*run)(void);
	enum needs needs;
} cases[] = {
	{ "bindings", test_bindings, BIND },  { "many-bindings", test_many_bindings, BIND },
	{ "holders", test_holders, NOTHING }, { "waste", test_waste, PRIVATE },
	{ "twice", test_twice, PRIVATE },     { "no-waste", test_no_waste, BIND },
	{ "heat", test_heat, PRIVATE },	      { "unseen-end", test_unseen_end, NOTHING },
	{ "other", test_other, NOTHING },     { "columns", test_columns, BIND },
};

/* Which VMs and instances can this kernel have? */
static void probe(void)
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

int main(int argc, char **argv)
{
	int passed = 0, failed = 0, skipped = 0, before;
	struct json_object *frame;
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "--falsify")) {
		falsify = 1;
		argv++;
	}
	kvm = kvm_open();
	if (kvm < 0)
		give_up("open /dev/kvm");
	probe();
	running = watch(false);
	frame = frame_of(&running);
	json_object_put(frame);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		if (!wanted(cases[i].name, argv + 1))
			continue;
		if ((cases[i].needs == BIND && !binds) ||
		    (cases[i].needs == PRIVATE && type == KVM_X86_DEFAULT_VM)) {
			skipped++;
			continue;
		}
		before = failures;
		cases[i].run();
		printf("%s %s\n", failures > before ? "FAIL" : "ok", cases[i].name);
		fflush(stdout);
		passed += failures == before;
		failed += failures > before;
	}
	stop(&running);
	printf("%d checks; %d passed, %d failed, %d skipped\n", checks, passed, failed, skipped);
	return failed || !passed;
}
