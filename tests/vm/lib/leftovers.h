/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel holds for users of BPF and KVM: BPF programs, maps, links and types, pinned
 * objects, traced functions, references on KVM's modules. Looked at before and after, to find what
 * somebody left.
 */
#ifndef VM_LEFTOVERS_H
#define VM_LEFTOVERS_H

#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "bpf_objects.h"

#define LEFTOVERS_BPFFS	 "/sys/fs/bpf"
#define LEFTOVERS_TRACED "/sys/kernel/tracing/enabled_functions"
#define LEFTOVERS_TRIES	 200
#define LEFTOVERS_US	 100000

struct leftovers {
	struct bpf_objects moment; /* the objects that count are newer */
	size_t newer[BPF_OBJECTS_KINDS];
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

/* Look at what is there now and was not at s->moment. */
static inline void leftovers_look(struct leftovers *s)
{
	size_t k;

	for (k = 0; k < BPF_OBJECTS_KINDS; k++)
		s->newer[k] = bpf_objects_newer(&s->moment, k);
	leftovers_pinned = 0;
	if (nftw(LEFTOVERS_BPFFS, leftovers_count, 16, FTW_PHYS))
		give_up(LEFTOVERS_BPFFS);
	s->pinned = leftovers_pinned;
	s->traced = leftovers_lines(LEFTOVERS_TRACED);
	s->refs = module_refs();
}

static inline void leftovers_begin(struct leftovers *before)
{
	memset(before, 0, sizeof(*before));
	bpf_objects_now(&before->moment);
	leftovers_look(before);
}

/* Whether something is there that was not. What a program before has closed may vanish meanwhile. */
static inline bool leftovers_any(const struct leftovers *before, const struct leftovers *after)
{
	size_t k;

	for (k = 0; k < BPF_OBJECTS_KINDS; k++) {
		if (after->newer[k])
			return true;
	}
	return after->pinned > before->pinned || after->traced > before->traced ||
	       after->refs > before->refs;
}

/* Look until nothing is left, for some seconds: the kernel frees late. */
static inline void leftovers_settle(const struct leftovers *before, struct leftovers *after)
{
	int tries;

	*after = *before;
	for (tries = 0; tries < LEFTOVERS_TRIES; tries++) {
		leftovers_look(after);
		if (!leftovers_any(before, after))
			break;
		usleep(LEFTOVERS_US);
	}
}

/* A CHECK() for each kind. */
static inline void leftovers_check(const struct leftovers *before, const struct leftovers *after)
{
	size_t k;

	for (k = 0; k < BPF_OBJECTS_KINDS; k++)
		CHECK(!after->newer[k], "%s: %zu left", bpf_objects_kinds[k].name, after->newer[k]);
	CHECK(after->pinned <= before->pinned, "pinned: %ld before, %ld after", before->pinned,
	      after->pinned);
	CHECK(after->traced <= before->traced, "traced functions: %ld before, %ld after",
	      before->traced, after->traced);
	CHECK(after->refs <= before->refs, "references on KVM: %ld before, %ld after", before->refs,
	      after->refs);
}

#endif /* VM_LEFTOVERS_H */
