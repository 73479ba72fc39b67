/* SPDX-License-Identifier: GPL-2.0-only */
/* What bpf/lock/gmem_census.bpf.c writes. */
#ifndef GMEM_ABI_CENSUS_H
#define GMEM_ABI_CENSUS_H

#include <linux/types.h>

#include "lock.h"

struct gmem_census_map {
	__u32 id;
	__u32 pad;
	__s64 refs;  /* of all: descriptors, pins, programs */
	__s64 users; /* of descriptors and pins */
};

#define GMEM_CENSUS_REGISTERS 1
#define GMEM_CENSUS_CALLS     2 /* what system calls come to */

struct gmem_census_prog {
	__u32 id;
	__u32 type, attach; /* BPF_PROG_TYPE_*, enum bpf_attach_type */
	__u32 target;	    /* id of the program that it replaces or traces, 0: none */
	__u32 function;	    /* BTF id of the function that it is for */
	__u32 btf;	    /* in the BTF with this id; 0: none */
	__u32 meddles;	    /* it changes these of who comes by: bits */
	__u32 pad;
	char name[16];
};

/* X(name, what is held) */
#define GMEM_CENSUS_HOLDS(X)      \
	X(map, "the map")         \
	X(program, "the program") \
	X(sysctl, "kernel.ftrace_enabled, to be written")

enum gmem_census_hold {
#define X(name, ...) GMEM_CENSUS_##name,
	GMEM_CENSUS_HOLDS(X)
#undef X
		GMEM_CENSUS_MAX
};

struct gmem_census_file {
	__u32 hold; /* enum gmem_census_hold */
	__u32 id;   /* of the map or program */
	__u32 pid, tgid;
	__u64 table; /* of the descriptor, that threads may share; 0: it is a mapping */
	__u64 at;    /* the descriptor, or the address */
	__u64 file;  /* the kernel's address: descriptors and mappings can share an open file */
	char comm[16];
};

struct gmem_census_mount {
	__u64 mount; /* the kernel's address */
	__u64 ino;   /* of the directory that it is mounted on */
	__u32 dev;
	__u32 pad;
};

/* A directory or file that gmemctl has open: which it is to the kernel, and in which mounts it
 * lies. */
struct gmem_census_dir {
	__s64 writers; /* of a file: who has it open for writing */
	__u64 ino;
	__u64 mount_ns;
	__u32 dev;
	__u32 fd;
	__u32 nr_mounts; /* more than there is room for: GMEM_LOCK_MOUNTS + 1 */
	__u32 generation;
	__u64 subvolume;
	struct gmem_census_mount mounts[GMEM_LOCK_MOUNTS]; /* from its own one up to the root */
};

/*
 * A file that gmemctl runs code of, as it is mapped: on overlayfs that is the file of the layer,
 * where a descriptor shows the overlay's.
 */
struct gmem_census_code {
	__s64 writers;
	__u64 ino;
	__u64 subvolume;
	__u32 dev;
	__u32 generation;
};

_Static_assert(sizeof(struct gmem_census_map) == 24, "map");
_Static_assert(sizeof(struct gmem_census_prog) == 48, "program");
_Static_assert(sizeof(struct gmem_census_file) == 56, "file");
_Static_assert(sizeof(struct gmem_census_dir) == 48 + 24 * GMEM_LOCK_MOUNTS, "directory");

#endif /* GMEM_ABI_CENSUS_H */
