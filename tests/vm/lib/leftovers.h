/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel holds for users of BPF and KVM: BPF programs, maps, links and types, pinned
 * objects, traced functions, references on KVM's modules. Looked at before and after, to find what
 * somebody left.
 */
#ifndef VM_LEFTOVERS_H
#define VM_LEFTOVERS_H

#include <ftw.h>
#include <stdint.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "../test.h"

#define LEFTOVERS_BPFFS	 "/sys/fs/bpf"
#define LEFTOVERS_TRACED "/sys/kernel/tracing/enabled_functions"
#define LEFTOVERS_TRIES	 100
#define LEFTOVERS_US	 100000

/* What the kernel numbers. */
static const struct leftovers_kind {
	const char *name;
	int (*next)(__u32 start, __u32 *next);
} leftovers_kinds[] = {
	{ "program", bpf_prog_get_next_id },
	{ "map", bpf_map_get_next_id },
	{ "link", bpf_link_get_next_id },
	{ "BTF", bpf_btf_get_next_id },
};

#define LEFTOVERS_KINDS (sizeof(leftovers_kinds) / sizeof(leftovers_kinds[0]))

struct leftovers {
	unsigned int nr[LEFTOVERS_KINDS];
	uint64_t sum[LEFTOVERS_KINDS]; /* of the ids: the same ones, not only as many */
	long pinned, traced, refs;
};

static long leftovers_pinned;

static inline int leftovers_count(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)path;
	(void)st;
	leftovers_pinned += type == FTW_F && ftw->level;
	return 0;
}

static inline long leftovers_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	long lines = 0;
	int c;

	if (!f)
		give_up(path);
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* Look at what is there now. */
static inline void leftovers_look(struct leftovers *s)
{
	size_t k;

	memset(s, 0, sizeof(*s));
	for (k = 0; k < LEFTOVERS_KINDS; k++) {
		for (__u32 id = 0; !leftovers_kinds[k].next(id, &id); s->nr[k]++)
			s->sum[k] += id;
	}
	leftovers_pinned = 0;
	if (nftw(LEFTOVERS_BPFFS, leftovers_count, 16, FTW_PHYS))
		give_up(LEFTOVERS_BPFFS);
	s->pinned = leftovers_pinned;
	s->traced = leftovers_lines(LEFTOVERS_TRACED);
	s->refs = module_refs();
}

/*
 * Look until nothing has changed for a second: the kernel frees late, and what a test before this
 * one has closed must not count as there.
 */
static inline void leftovers_begin(struct leftovers *s)
{
	struct leftovers last;
	int same = 0, tries;

	leftovers_look(s);
	for (tries = 0; tries < LEFTOVERS_TRIES && same * LEFTOVERS_US < 1000000; tries++) {
		last = *s;
		usleep(LEFTOVERS_US);
		leftovers_look(s);
		same = memcmp(&last, s, sizeof(last)) ? 0 : same + 1;
	}
}

/* Look until it is as before, for some seconds: the kernel frees late. */
static inline void leftovers_settle(const struct leftovers *before, struct leftovers *after)
{
	int tries;

	for (tries = 0; tries < LEFTOVERS_TRIES; tries++) {
		leftovers_look(after);
		if (!memcmp(before, after, sizeof(*after)))
			break;
		usleep(LEFTOVERS_US);
	}
}

/* A CHECK() for each kind. */
static inline void leftovers_check(const struct leftovers *before, const struct leftovers *after)
{
	size_t k;

	for (k = 0; k < LEFTOVERS_KINDS; k++)
		CHECK(before->nr[k] == after->nr[k] && before->sum[k] == after->sum[k],
		      "%s: %u before, %u after", leftovers_kinds[k].name, before->nr[k],
		      after->nr[k]);
	CHECK(before->pinned == after->pinned, "pinned: %ld before, %ld after", before->pinned,
	      after->pinned);
	CHECK(before->traced == after->traced, "traced functions: %ld before, %ld after",
	      before->traced, after->traced);
	CHECK(before->refs == after->refs, "references on KVM: %ld before, %ld after", before->refs,
	      after->refs);
}

#endif /* VM_LEFTOVERS_H */
