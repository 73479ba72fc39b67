/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of a policy, as user space fills it and bpf/lock/lock.h reads it: what belongs to the
 * policy in force, and must not be opened, changed, removed or hidden but by the policy's manager.
 */
#ifndef GMEM_ABI_LOCK_H
#define GMEM_ABI_LOCK_H

#include <linux/types.h>

/* X(name, what it is, what `id` is): things that are kept */
#define GMEM_LOCKED_KINDS(X)                                                   \
	X(map, "map", "its id")                                                \
	X(program, "program", "its id")                                        \
	X(link, "link", "its id")                                              \
	X(dir, "directory of pins: nothing is made or removed in it", "inode") \
	X(way, "directory on the way to the pins: stays where it is", "inode") \
	X(file, "file that the manager runs code of: not written to", "inode") \
	X(function, "kernel function that decisions pass through", "BTF id")   \
	X(full, "directory of pins: nobody removes one from it", "inode")

enum gmem_locked_kind {
#define X(name, ...) GMEM_LOCKED_##name,
	GMEM_LOCKED_KINDS(X)
#undef X
		GMEM_LOCKED_MAX
};

/* X(name, in words, kind of its object): what a lock refuses, in an event's request.action */
#define GMEM_LOCK_ACTIONS(X)                                            \
	X(open_map, "open the map", map)                                \
	X(open_program, "open the program", program)                    \
	X(open_link, "open the link", link)                             \
	X(replace_program, "replace or trace the program", program)     \
	X(modify_return, "modify the result of the function", function) \
	X(change_process,                                               \
	  "use a program that changes registers or "                    \
	  "system calls, program",                                      \
	  program)                                                      \
	X(write_memory,                                                 \
	  "load a program that writes to memory of "                    \
	  "processes",                                                  \
	  none)                                                         \
	X(remove_pin, "remove a pin from the directory", dir)           \
	X(remove_dir, "remove the directory", dir)                      \
	X(rename, "rename, or rename in, the directory", dir)           \
	X(create, "create a file in the directory", dir)                \
	X(mkdir, "create a directory in the directory", dir)            \
	X(symlink, "create a symbolic link in the directory", dir)      \
	X(link, "link to or from the directory", dir)                   \
	X(set_attributes, "change owner or mode in the directory", dir) \
	X(read_pin, "read a pin as a file in the directory", dir)       \
	X(write_file, "write to or truncate the manager's file", file)  \
	X(stop_calls, "write to kernel.ftrace_enabled", none)           \
	X(run_code, "run, as the manager, the code of the file", file)  \
	X(mount, "mount over the directory", dir)                       \
	X(move_mount, "move a mount to the directory", dir)             \
	X(unmount, "unmount the directory", dir)                        \
	X(pivot_root, "change the root mount", none)

enum gmem_lock_action {
	GMEM_LOCK_DOES_none, /* the event is not of a lock */
#define X(name, ...) GMEM_LOCK_DOES_##name,
	GMEM_LOCK_ACTIONS(X)
#undef X
		GMEM_LOCK_DOES_MAX
};

struct gmem_locked_key {
	__u64 id;
	__u32 kind; /* enum gmem_locked_kind */
	__u32 of;   /* inodes: device as the kernel has it; functions: the BTF's id; else 0 */
	__u64 more; /* inodes: GMEM_LOCKED_MORE(); else 0 */
};

/* What tells inodes with one number apart. Of directories the generation counts as 0. */
#define GMEM_LOCKED_MORE(subvolume, generation) ((__u64)(subvolume) << 32 | (__u32)(generation))

#define GMEM_LOCK_ENTRIES 4096
#define GMEM_LOCK_MOUNTS  16

/* The one entry of the map `locked`. Addresses are the kernel's: only to be compared and read. */
struct gmem_lock {
	__u32 on;
	__u32 nr_mounts;
	__u64 mount_ns;
	__u64 mounts[GMEM_LOCK_MOUNTS]; /* on the way to the pins; they stay, so these stay valid */
};

_Static_assert(sizeof(struct gmem_locked_key) == 24, "key");
_Static_assert((GMEM_LOCK_MOUNTS & (GMEM_LOCK_MOUNTS - 1)) == 0, "indices are masked");

#endif /* GMEM_ABI_LOCK_H */
