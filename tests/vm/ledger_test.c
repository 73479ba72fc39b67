// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does gmemtop know whose memory it is? The test is a VMM that makes each kind of shared backing,
 * discards it in eight ways, and knows what is left by mincore(2), st_blocks and its own pagemap.
 *
 * Usage: ledger_test [--falsify] [CASE...]
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../../bpf/abi/ledger.h"
#include "lib/watch.h"

#define HUGE_PAGES 512UL /* pages of 4 KiB */
#define PAGEMAP_IN (1ULL << 63)
#define PAGEMAP_OF (1ULL << 61) /* of a file, or shared */
#define RAMFS	   "/mnt"
#define PUNCH	   (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

static const char *const kinds[GMEM_BACKING_MAX] = {
#define P(X, name, ...) #name,
	GMEM_BACKINGS(P, )
#undef P
};

/* --- backing --- */

struct backing {
	const char *name;
	enum gmem_backing kind; /* of its pages that are no copies */
	bool private, file;
	bool by_other; /* another process fills the file, and has no mapping either */
};

static const struct backing backings[] = {
	{ "anonymous", GMEM_BACKING_anonymous, true, false, false },
	{ "shared anonymous", GMEM_BACKING_shmem, false, false, false },
	{ "memfd", GMEM_BACKING_shmem, false, true, false },
	{ "memfd that another process filled", GMEM_BACKING_shmem, false, true, true },
	{ "private memfd", GMEM_BACKING_shmem, true, true, false },
	{ "hugetlb", GMEM_BACKING_hugetlb, false, true, false },
	{ "private hugetlb", GMEM_BACKING_hugetlb, true, true, false },
	{ "file", GMEM_BACKING_file, false, true, false },
	{ "private file", GMEM_BACKING_file, true, true, false },
};

/* A VM whose whole memory it is. */
struct tenant {
	const struct backing *backing;
	int vm, inst, fd;
	char *memory;
	bool gone[PAGES]; /* of a hugetlb file: a hole was punched */
	bool private[PAGES];
	uint64_t want[GMEM_BACKING_MAX], twice[GMEM_BACKING_MAX];
	bool serves_both;
};

static int file_of(const struct backing *b)
{
	static int nr;
	char path[64];
	int fd;

	if (!b->file)
		return -1;
	if (b->kind == GMEM_BACKING_file) {
		snprintf(path, sizeof(path), RAMFS "/%d", nr++);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	} else {
		fd = memfd_create("backing",
				  MFD_CLOEXEC |
					  (b->kind == GMEM_BACKING_hugetlb ? MFD_HUGETLB : 0));
	}
	if (fd < 0 || ftruncate(fd, (off_t)SIZE))
		give_up("make a file");
	return fd;
}

static void *map_backing(const struct backing *b, int fd, void *at)
{
	int flags = (b->private ? MAP_PRIVATE : MAP_SHARED) | (at ? MAP_FIXED : 0) |
		    (fd < 0 ? MAP_ANONYMOUS : 0) | MAP_NORESERVE;
	void *memory = mmap(at, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (memory == MAP_FAILED)
		give_up("map the backing");
	madvise(memory, SIZE, MADV_NOHUGEPAGE);
	return memory;
}

/* Of a private mapping of a file: pages of the file first, of which the VMM then copies some. */
static void fill(struct tenant *t)
{
	const struct backing *b = t->backing;
	char *other;
	uint64_t i;
	pid_t pid;

	if (b->by_other) {
		pid = fork();
		if (!pid) {
			for (i = 0; i < PAGES; i++) {
				if (pwrite(t->fd, "1", 1, (off_t)(i * KVM_PAGE)) != 1)
					_exit(1);
			}
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			give_up("fill the file");
		return;
	}
	if (b->file && b->private) {
		other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
		if (other == MAP_FAILED)
			give_up("map the file");
		memset(other, 1, SIZE);
		munmap(other, SIZE);
		for (i = 0; i < PAGES; i++)
			(void)*(volatile char *)&t->memory[i * KVM_PAGE];
		memset(t->memory, 2, SIZE / 2);
	} else {
		memset(t->memory, 1, SIZE);
	}
}

/* --- ways to discard half of it, from the fourth on; those that fail change nothing --- */

#define FROM (SIZE / 4)
#define HALF (SIZE / 2)

static void punch(struct tenant *t)
{
	uint64_t i;

	if (fallocate(t->fd, PUNCH, (off_t)FROM, (off_t)HALF))
		return;
	for (i = FROM / KVM_PAGE; i < (FROM + HALF) / KVM_PAGE; i++)
		t->gone[i] = true;
}

static void discard_dontneed(struct tenant *t)
{
	if (madvise(t->memory + FROM, HALF, MADV_DONTNEED))
		give_up("MADV_DONTNEED");
}

static void discard_remove(struct tenant *t)
{
	uint64_t i;

	if (madvise(t->memory + FROM, HALF, MADV_REMOVE))
		return;
	for (i = FROM / KVM_PAGE; i < (FROM + HALF) / KVM_PAGE; i++)
		t->gone[i] = true;
}

static void discard_free(struct tenant *t)
{
	madvise(t->memory + FROM, HALF, MADV_FREE);
}

static void discard_pageout(struct tenant *t)
{
	madvise(t->memory + FROM, HALF, MADV_PAGEOUT);
}

static void discard_truncate(struct tenant *t)
{
	uint64_t i;

	if (ftruncate(t->fd, (off_t)HALF) || ftruncate(t->fd, (off_t)SIZE))
		return;
	for (i = HALF / KVM_PAGE; i < PAGES; i++)
		t->gone[i] = true;
}

static void discard_remap(struct tenant *t)
{
	map_backing(t->backing, t->fd, t->memory);
}

static void discard_advise(struct tenant *t)
{
	posix_fadvise(t->fd, (off_t)FROM, (off_t)HALF, POSIX_FADV_DONTNEED);
}

static const struct {
	const char *name;
	void (*discard)(struct tenant *t);
} ways[] = {
	{ "MADV_DONTNEED", discard_dontneed },
	{ "MADV_REMOVE", discard_remove },
	{ "MADV_FREE", discard_free },
	{ "MADV_PAGEOUT", discard_pageout },
	{ "a hole", punch },
	{ "ftruncate", discard_truncate },
	{ "another mapping", discard_remap },
	{ "POSIX_FADV_DONTNEED", discard_advise },
};

/* --- the truth --- */

static void pages_of_file(const struct tenant *t, bool *there)
{
	static unsigned char in[PAGES];
	struct stat st;
	uint64_t i, sum = 0;
	void *view;

	if (t->backing->kind != GMEM_BACKING_hugetlb) {
		view = t->fd < 0 ? t->memory : mmap(NULL, SIZE, PROT_READ, MAP_SHARED, t->fd, 0);
		if (view == MAP_FAILED || mincore(view, SIZE, in))
			give_up("mincore");
		if (t->fd >= 0)
			munmap(view, SIZE);
		for (i = 0; i < PAGES; i++)
			there[i] = in[i] & 1;
		return;
	}
	/* Of these mincore() reports what is mapped. */
	for (i = 0; i < PAGES; i++) {
		there[i] = !t->gone[i];
		sum += there[i];
	}
	if (fstat(t->fd, &st) || (uint64_t)st.st_blocks * 512 != sum * KVM_PAGE)
		give_up("know the pages of a hugetlb file");
}

static void pages_of_vmm(const struct tenant *t, bool *there)
{
	static uint64_t entries[PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t i;

	if (fd < 0 || pread(fd, entries, sizeof(entries),
			    (off_t)((uintptr_t)t->memory / KVM_PAGE * 8)) != sizeof(entries))
		give_up("read pagemap");
	close(fd);
	for (i = 0; i < PAGES; i++)
		there[i] = entries[i] & PAGEMAP_IN && !(entries[i] & PAGEMAP_OF);
}

static void count_truth(struct tenant *t)
{
	enum gmem_backing vmms = t->backing->file ? GMEM_BACKING_copies : GMEM_BACKING_anonymous;
	static bool there[PAGES];
	uint64_t i;

	memset(t->want, 0, sizeof(t->want));
	memset(t->twice, 0, sizeof(t->twice));
	if (t->backing->kind != GMEM_BACKING_anonymous) {
		pages_of_file(t, there);
		for (i = 0; i < PAGES; i++) {
			t->want[t->backing->kind] += there[i];
			t->twice[t->backing->kind] += there[i] && t->private[i] && !t->serves_both;
		}
	}
	if (t->backing->private) {
		pages_of_vmm(t, there);
		for (i = 0; i < PAGES; i++) {
			t->want[vmms] += there[i];
			t->twice[vmms] += there[i] && t->private[i] && !t->serves_both;
		}
	}
}

static const char *doing;

static void check_kinds(struct json_object *object, const struct tenant *t)
{
	uint64_t all = 0, twice = 0;
	char name[64];
	int kind;

	for (kind = 0; kind < GMEM_BACKING_MAX; kind++) {
		all += t->want[kind];
		twice += t->twice[kind];
		snprintf(name, sizeof(name), "backing_%s_pages", kinds[kind]);
		CHECK((uint64_t)number(object, name) == t->want[kind] + falsify,
		      "%s, %s: %s %lld, not %llu", t->backing->name, doing, name,
		      (long long)number(object, name), (unsigned long long)t->want[kind]);
		snprintf(name, sizeof(name), "waste_%s_pages", kinds[kind]);
		CHECK((uint64_t)number(object, name) == t->twice[kind], "%s, %s: %s %lld, not %llu",
		      t->backing->name, doing, name, (long long)number(object, name),
		      (unsigned long long)t->twice[kind]);
	}
	CHECK((uint64_t)number(object, "waste_backing_pages") == twice,
	      "%s, %s: waste_backing_pages %lld, not %llu", t->backing->name, doing,
	      (long long)number(object, "waste_backing_pages"), (unsigned long long)twice);
	if (member(object, "slot"))
		CHECK((uint64_t)number(object, "backing_pages") == all,
		      "%s, %s: backing_pages %lld, not %llu", t->backing->name, doing,
		      (long long)number(object, "backing_pages"), (unsigned long long)all);
}

static void check_backing(struct json_object *vm, void *arg)
{
	check_kinds(vm, arg);
	check_kinds(json_object_array_get_idx(member(vm, "binding_list"), 0), arg);
}

static void make_private(struct tenant *t)
{
	uint64_t i;

	if (type != KVM_X86_SW_PROTECTED_VM)
		return;
	/* Aligned to nothing, and across the parts that are discarded. */
	if (kvm_convert(t->vm, KVM_TEST_GPA + 100 * KVM_PAGE, 1503 * KVM_PAGE,
			KVM_MEMORY_ATTRIBUTE_PRIVATE))
		give_up("convert");
	for (i = 100; i < 1603; i++)
		t->private[i] = true;
}

static void move_in(struct tenant *t, const struct backing *b)
{
	struct binding binding = { .slot = 2, .gpa = KVM_TEST_GPA, .pages = PAGES };

	memset(t, 0, sizeof(*t));
	t->backing = b;
	t->vm = create_vm();
	t->inst = create_instance(t->vm, SIZE, flags());
	t->serves_both = flags() & GUEST_MEMFD_FLAG_MMAP;
	t->fd = file_of(b);
	t->memory = map_backing(b, t->fd, NULL);
	binding.inst = t->inst;
	binding.memory = t->memory;
	bind_slot(t->vm, &binding);
	make_private(t);
	fill(t);
}

static void move_out(struct tenant *t)
{
	close(t->inst);
	close(t->vm);
	munmap(t->memory, SIZE);
	if (t->fd >= 0 && ftruncate(t->fd, 0))
		give_up("empty the file");
	close(t->fd);
}

static void want_huge_pages(void)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "we");

	if (!file || fprintf(file, "%lu\n", 3 * PAGES / HUGE_PAGES) < 0 || fclose(file))
		give_up("reserve huge pages");
	if (mount("none", RAMFS, "ramfs", 0, NULL))
		give_up("mount a ramfs");
}

static void test_backing(void)
{
	static struct tenant t;
	size_t i, k;

	want_huge_pages();
	for (i = 0; i < ARRAY_LEN(backings); i++) {
		for (k = 0; k < ARRAY_LEN(ways); k++) {
			move_in(&t, &backings[i]);
			if (!k) {
				doing = "whole";
				count_truth(&t);
				look(check_backing, &t);
			}
			doing = ways[k].name;
			ways[k].discard(&t);
			count_truth(&t);
			look(check_backing, &t);
			move_out(&t);
		}
	}
	umount(RAMFS);
}

static const struct test_case cases[] = {
	{ "backing", test_backing, BIND },
};

int main(int argc, char **argv)
{
	(void)argc;
	return run_cases(cases, ARRAY_LEN(cases), argv);
}
