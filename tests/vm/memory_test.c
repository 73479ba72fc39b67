// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop know what is held twice, where conversions happen and how long they take, what is
 * private, which faults come again, and which VMs do not fit? The test is a VMM, and
 * knows of every page what it did to it.
 *
 * Usage: memory_test [--falsify] [CASE...]
 */
#define _GNU_SOURCE

#include "../../bpf/abi/trace.h"
#include "../bench/vcpu.h"
#include "lib/watch.h"

#define ROUNDS 12

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
			      (uint64_t)number(b, "waste_instance_pages") == twice &&
			      (uint64_t)number(b, "waste_backing_pages") == behind,
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
	CHECK((uint64_t)number(vm, "waste_instance_pages") == instance + falsify, "%lld, not %llu",
	      (long long)number(vm, "waste_instance_pages"), (unsigned long long)instance);
	CHECK((uint64_t)number(vm, "waste_backing_pages") == shared, "%lld, not %llu",
	      (long long)number(vm, "waste_backing_pages"), (unsigned long long)shared);
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
	uint64_t cell = (uint64_t)number(heat, "cell_pages"), last = 0, want;
	const struct heat *done = arg;
	size_t i, k;

	for (k = 0; k < done->nr; k++) {
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

/* --- private pages --- */

#define WINDOW 12288UL /* pages: more than three times what a node above the leaves spans */

static void check_private(struct json_object *vm, void *arg)
{
	uint64_t want = *(uint64_t *)arg + (uint64_t)falsify;

	CHECK((uint64_t)number(vm, "private_pages") == want, "%lld private pages, not %llu",
	      (long long)number(vm, "private_pages"), (unsigned long long)want);
}

/*
 * Wherever they lie, and however high the tree in which KVM keeps them: the first page alone, one
 * leaf, one node above the leaves, and then places so far apart that next to nothing of it is used.
 */
static void test_private(void)
{
	static const uint64_t bases[] = {
		0, 1 << 16, (1 << 20) - 70, (1 << 27) + 4095, 1ULL << 36, (1ULL << 40) - WINDOW
	};
	static const uint64_t spans[] = { 1, 64, 4096, WINDOW };
	static bool private[ARRAY_LEN(bases)][WINDOW];
	int vm = create_vm();
	uint64_t from, nr, i, sum;
	size_t round, k;
	bool to;

	srand(12);
	for (round = 0; round < 16; round++) {
		for (i = 0; i < 24; i++) {
			k = round < ARRAY_LEN(spans) ? 0 : below(ARRAY_LEN(bases));
			from = below(round < ARRAY_LEN(spans) ? spans[round] : WINDOW);
			nr = 1 + below(below(3) ? 100 : 9000);
			if (round < ARRAY_LEN(spans) && nr > spans[round] - from)
				nr = spans[round] - from;
			if (nr > WINDOW - from)
				nr = WINDOW - from;
			/* In the end nothing is left, node by node. */
			to = round < 12 ? below(3) != 0 : below(4) == 0;
			if (kvm_convert(vm, (bases[k] + from) * KVM_PAGE, nr * KVM_PAGE,
					to ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0))
				give_up("convert");
			set(&private[k][0], from, nr, to);
		}
		for (sum = k = 0; k < ARRAY_LEN(bases); k++) {
			for (i = 0; i < WINDOW; i++)
				sum += private[k][i];
		}
		if (round % 5)
			look(check_private, &sum);
		else
			look_twice(check_private, &sum);
	}
	close(vm);
}

/* --- faults that come again --- */

#define LOW_GPA	 (1ULL << 30) /* a guest without paging reaches 4 GiB */
#define TOUCHED	 16UL
#define AGAIN	 5UL
#define ALL_ONCE 3 /* ways in which all pages are taken away */

static void check_faults(struct json_object *vm, void *arg)
{
	struct json_object *counters = member(vm, "counters"), *first;
	int64_t want = *(int64_t *)arg + falsify;

	CHECK(number(counters, "guest_faults") == want, "%lld guest faults, not %lld",
	      (long long)number(counters, "guest_faults"), (long long)want);
	first = member(counters, "first_touches");
	CHECK(!first || json_object_get_int64(first) == (int64_t)TOUCHED, "%lld first touches",
	      (long long)json_object_get_int64(first));
}

/*
 * NUMA balancing takes away the rights to the memory of a VMM for a while, to see who uses it, and
 * KVM then takes the guest's pages at these places out of its page table, private ones too: the
 * guest faults once more, and each time counts. A VMM that does the same itself is as good.
 */
static void test_refault(void)
{
	int vm = create_vm(), inst = create_instance(vm, SIZE, 0);
	struct binding b = { .inst = inst, .gpa = LOW_GPA, .pages = PAGES };
	struct vcpu vcpu;
	int64_t faults = TOUCHED;
	int i;

	bind_slot(vm, &b);
	if (vcpu_open(&vcpu, kvm, vm) ||
	    kvm_convert(vm, LOW_GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		give_up("make a guest");
	/* What is not there cannot be taken away. */
	memset(b.memory, 1, SIZE);
	if (vcpu_touch(&vcpu, LOW_GPA, TOUCHED))
		give_up("run a guest");
	look(check_faults, &faults);
	/* Nothing was taken away: nothing comes again. */
	if (vcpu_touch(&vcpu, LOW_GPA, TOUCHED))
		give_up("run a guest");
	look(check_faults, &faults);
	for (i = 0; i < ALL_ONCE; i++) {
		if (mprotect(b.memory, SIZE, PROT_NONE) ||
		    mprotect(b.memory, SIZE, PROT_READ | PROT_WRITE) ||
		    vcpu_touch(&vcpu, LOW_GPA, TOUCHED))
			give_up("take the guest's pages");
		faults += TOUCHED;
	}
	look(check_faults, &faults);
	if (madvise(b.memory, AGAIN * KVM_PAGE, MADV_DONTNEED) ||
	    vcpu_touch(&vcpu, LOW_GPA, TOUCHED))
		give_up("take some of the guest's pages");
	faults += AGAIN;
	look(check_faults, &faults);
	vcpu_close(&vcpu);
	close(inst);
	close(vm);
	munmap(b.memory, SIZE);
}

/* --- what does not fit --- */

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

/* --- latency --- */

/* Odd: then a longer one does not move the median. */
#define FAST_CONVERSIONS 401
#define SLOW_PAGES	 (1UL << 18)

static void convert_or_die(int vm, uint64_t pages, bool private)
{
	if (kvm_convert(vm, KVM_TEST_GPA, pages * KVM_PAGE,
			private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0))
		give_up("convert");
}

/* Many short conversions, and one that takes long: the frame that counts it shows how long it took.
 */
static void test_latency(void)
{
	int vm = create_vm(), inst = create_instance(vm, SIZE, 0), i, frames;
	struct json_object *frame, *latency;
	int64_t fast, took, shown, done = 0;

	for (i = 0; i < FAST_CONVERSIONS; i++) {
		convert_or_die(vm, 1, true);
		convert_or_die(vm, 1, false);
	}
	frame = next_frame();
	latency = member(member(vm_of(frame), "latency"), "to_private");
	fast = number(latency, "p50_ns");
	CHECK(!member(latency, "interval_p50_ns"), "nothing was converted, shown is %s",
	      json_object_to_json_string(latency));
	json_object_put(frame);
	took = (int64_t)now_ns();
	convert_or_die(vm, SLOW_PAGES, true);
	took = (int64_t)now_ns() - took;
	for (frames = 0; frames < 60 && done <= FAST_CONVERSIONS; frames++) {
		frame = frame_of(&running);
		done = number(member(vm_of(frame), "counters"), "to_private");
		latency = member(member(vm_of(frame), "latency"), "to_private");
		shown = number(latency, "interval_p50_ns");
		if (done > FAST_CONVERSIONS) {
			CHECK(took > 20 * fast, "one page takes %lld ns, %lu take %lld ns",
			      (long long)fast, SLOW_PAGES, (long long)took);
			CHECK(shown > took / 2 && shown <= took &&
				      shown == number(latency, "interval_max_ns"),
			      "it took %lld ns, shown is %s", (long long)took,
			      json_object_to_json_string(latency));
			CHECK(number(latency, "p50_ns") == fast &&
				      number(latency, "max_ns") == shown + falsify,
			      "p50 was %lld, shown is %s", (long long)fast,
			      json_object_to_json_string(latency));
		}
		json_object_put(frame);
	}
	CHECK(done == FAST_CONVERSIONS + 1, "%lld conversions", (long long)done);
	close(inst);
	close(vm);
}

static const struct test_case cases[] = {
	{ "waste", test_waste, PRIVATE },     { "twice", test_twice, PRIVATE },
	{ "no-waste", test_no_waste, BIND },  { "heat", test_heat, PRIVATE },
	{ "refault", test_refault, PRIVATE }, { "other", test_other, NOTHING },
	{ "private", test_private, PRIVATE }, { "latency", test_latency, PRIVATE },
};

int main(int argc, char **argv)
{
	(void)argc;
	return run_cases(cases, ARRAY_LEN(cases), argv);
}
