/* SPDX-License-Identifier: GPL-2.0-only */
/* What BPF programs report of the memory behind bindings: kinds of shared backing. */
#ifndef GMEM_ABI_LEDGER_H
#define GMEM_ABI_LEDGER_H

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

#endif /* GMEM_ABI_LEDGER_H */
