/* SPDX-License-Identifier: GPL-2.0-only */
/* What BPF programs report of memory behind bindings: kinds of shared backing, and who pays. */
#ifndef GMEM_ABI_LEDGER_H
#define GMEM_ABI_LEDGER_H

#include <linux/types.h>

/*
 * Kinds of shared backing, each with the call that frees a page of it. Only anonymous memory is
 * freed by MADV_DONTNEED: for a file it removes the mapping and leaves the page in the page cache.
 * P(X, name, the call that frees its pages, what it is); X is whatever P needs.
 */
#define GMEM_BACKINGS(P, X)                                                                      \
	P(X, anonymous, "MADV_DONTNEED", "anonymous memory of the VMM")                          \
	P(X, shmem, "MADV_REMOVE, or a hole punched in the file", "memfd, tmpfs, shared memory") \
	P(X, hugetlb, "MADV_REMOVE, or a hole punched in the file", "files of hugetlbfs")        \
	P(X, file, "a hole punched in the file", "page cache of other files")                    \
	P(X, copies, "MADV_DONTNEED", "private copies of pages of files")

enum gmem_backing {
#define P(X, name, ...) GMEM_BACKING_##name,
	GMEM_BACKINGS(P, )
#undef P
		GMEM_BACKING_MAX,
	/* Of a range of addresses, and not counted: */
	GMEM_BACKING_none = GMEM_BACKING_MAX, /* nothing is mapped there */
	GMEM_BACKING_instance,		      /* an instance, which is counted as one */
	GMEM_BACKING_unknown,		      /* a device, or something else */
};

/* Pages of a page cache that one cgroup pays and that are on one node. */
struct gmem_tally {
	__u64 payer;  /* as the folio names it; several can be of one cgroup */
	__u64 cgroup; /* id, 0: no cgroup pays */
	__u64 pages;
	__u32 node;
	__u32 pad;
};

#define GMEM_MAX_TALLIES 64
#define GMEM_ORDERS	 20 /* of folios: 2^order pages */

/* The page cache of an instance, or of the file behind an address; the answers stand beside it. */
struct gmem_survey {
	__u64 inode; /* of an instance, 0: the file behind the address */
	__u64 ino;   /* that the instance must have */
	__u32 dev;
	__u32 steps; /* no more than so many nodes of the tree in one run */
	__u64 kvm, mm;
	__u64 userspace; /* address in process tgid */
	__u32 tgid;
	__u32 kind; /* answer: enum gmem_backing */
	__u64 at; /* page to begin with, of the file or behind the address; answer: where to go on */
	__u64 end; /* the first page that is not of the range; answer: the same, if it is nearer */
	__u64 unpaid;	 /* answer: pages for which there was no tally */
	__u64 mmu_pages; /* answer: page tables of the VM's guest, GMEM_UNKNOWN */
	__u64 folios[GMEM_ORDERS];
	__u32 nr_tallies;
	__u32 answered;
	struct gmem_tally tallies[GMEM_MAX_TALLIES];
};

#endif /* GMEM_ABI_LEDGER_H */
