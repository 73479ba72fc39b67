/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bpf/events/gmem_events.bpf.c and user space share: the list of events with their fields, and
 * the record that stands for one event. The enum, the names in JSON and text, the help and the
 * table in the man page all come from this list.
 */
#ifndef GMEM_ABI_EVENTS_H
#define GMEM_ABI_EVENTS_H

#include "trace.h"

/*
 * Fields of an event, each a number of 64 bits, in the order in which they are shown.
 * F(name, kind, what it is); a kind says how it is written, see src/top/events_format.c.
 */
#define GMEM_FIELDS_create(F)                               \
	F(size, SIZE, "bytes of the instance")              \
	F(flags, FLAGS, "as asked for, GUEST_MEMFD_FLAG_*") \
	F(fd, NUMBER, "the new file descriptor")
#define GMEM_FIELDS_release(F) F(resident_pages, NUMBER, "pages that were resident")
#define GMEM_FIELDS_bind(F)                                             \
	F(slot, NUMBER, "memslot, the address space in the upper half") \
	F(gpa, ADDRESS, "guest physical address")                       \
	F(offset, OFFSET, "in the instance")                            \
	F(size, SIZE, "bytes")
#define GMEM_FIELDS_unbind(F) GMEM_FIELDS_bind(F)
#define GMEM_FIELDS_allocate(F)                    \
	F(offset, OFFSET, "in the instance")       \
	F(size, SIZE, "bytes asked for")           \
	F(mode, MODE, "of fallocate, FALLOC_FL_*") \
	F(pages, NUMBER, "pages found or allocated")
#define GMEM_FIELDS_punch(F)                       \
	F(offset, OFFSET, "in the instance")       \
	F(size, SIZE, "bytes asked for")           \
	F(mode, MODE, "of fallocate, FALLOC_FL_*") \
	F(pages, NUMBER, "pages freed")
#define GMEM_FIELDS_invalidate(F)            \
	F(offset, OFFSET, "in the instance") \
	F(size, SIZE, "bytes")               \
	F(reason, REASON, "error: memory failure; release: the instance ends")
#define GMEM_FIELDS_guest_fault(F)                                      \
	F(slot, NUMBER, "memslot, the address space in the upper half") \
	F(gfn, ADDRESS, "guest frame")                                  \
	F(offset, OFFSET, "in the instance")                            \
	F(first_touch, BOOL, "the page was used for the first time")
#define GMEM_FIELDS_host_fault(F)             \
	F(offset, OFFSET, "in the instance")  \
	F(address, ADDRESS, "in the process") \
	F(write, BOOL, "it was a write")      \
	F(result, RESULT, "VM_FAULT_* by name")
#define GMEM_FIELDS_mmap(F)                   \
	F(address, ADDRESS, "in the process") \
	F(offset, OFFSET, "in the instance")  \
	F(size, SIZE, "bytes")                \
	F(prot, PROT, "PROT_*")
#define GMEM_FIELDS_populate(F)              \
	F(gfn, ADDRESS, "first guest frame") \
	F(pages, NUMBER, "pages asked for")  \
	F(populated_pages, NUMBER, "pages done")
#define GMEM_FIELDS_convert(F)                                            \
	F(start, ADDRESS, "guest physical address")                       \
	F(size, SIZE, "bytes")                                            \
	F(attributes, ATTRIBUTES, "as asked for, KVM_MEMORY_ATTRIBUTE_*") \
	F(changed_pages, NUMBER, "pages that really changed")             \
	F(duration_ns, DURATION, "nanoseconds, the wait for locks included")

#define GMEM_FIELDS_deny(F)                         \
	F(operation, REFUSED, "what was asked for") \
	F(offset, OFFSET, "in the instance")        \
	F(size, SIZE, "bytes asked for")            \
	F(prot, PROT, "PROT_* of mmap and mprotect")

/* Operations of the event deny. */
#define GMEM_REFUSED(X) \
	X(mmap) X(mprotect) X(receive) X(allocate) X(punch) X(fault) X(bind) X(convert)

enum gmem_refused {
#define X(name) GMEM_REFUSED_##name,
	GMEM_REFUSED(X)
#undef X
		GMEM_REFUSED_MAX
};

/* X(name, fact that brings it, hot: only when asked for, what it is) */
#define GMEM_EVENTS(X)                                                                       \
	X(create, create, 0, "an instance was created")                                      \
	X(release, release, 0, "an instance ended")                                          \
	X(bind, bind, 0, "a range of an instance was bound to a memslot")                    \
	X(unbind, unbind, 0, "a binding ended")                                              \
	X(allocate, allocate, 0, "memory was allocated by fallocate")                        \
	X(punch, allocate, 0, "a hole was punched")                                          \
	X(invalidate, memory_failure, 0, "memory was taken away by a failure or at the end") \
	X(guest_fault, guest_fault, 1, "the guest touched a page")                           \
	X(host_fault, host_fault, 1, "a host mapping was touched")                           \
	X(mmap, mmap, 0, "an instance was mapped")                                           \
	X(populate, populate, 0, "initial contents were given (SEV-SNP, TDX)")               \
	X(convert, convert, 0, "memory attributes were changed")                             \
	X(deny, deny, 0, "a security module refused a request before KVM saw it")

enum gmem_event_id {
#define X(name, ...) GMEM_EV_##name,
	GMEM_EVENTS(X)
#undef X
		GMEM_EV_MAX
};

/* One bit per event, of those that are hot. */
enum {
#define X(name, fact, hot, ...) | (hot) << GMEM_EV_##name
	GMEM_EV_HOT = 0 GMEM_EVENTS(X)
#undef X
};

#define GMEM_EV_VALUES 5
#define GMEM_STACK_MAX 64 /* frames that are kept of each stack */

/* The instance of an event; ino 0: there is none, or the kernel does not say. */
struct gmem_event_inst {
	__u64 ino;
	__u64 size;
	__u64 flags;
	__u32 dev; /* as in struct gmem_inst_key */
	__u32 pad;
};

/* The VM; id 0: not known. */
struct gmem_event_vm {
	__u64 id;  /* unique while the stream lasts */
	__u64 key; /* of the kind key_kind, see enum gmem_key */
	__u32 key_kind;
	__u32 pad;
	__u32 tgid;
	__u32 type;
	char comm[16]; /* of the VMM, empty: not seen yet */
};

struct gmem_event {
	__u64 seq;	   /* of all events that passed the filters, lost ones too */
	__u64 lost_before; /* how many were lost until now */
	__u64 time_ns;	   /* CLOCK_MONOTONIC */
	struct gmem_event_vm vm;
	struct gmem_event_inst inst;
	/* Who did it. start and exec tell one program in one process from all others; ino 0: the
	 * process is ending. */
	__u64 start;
	__u64 exec;
	__u64 exe_ino;
	__u32 exe_dev, exe_generation;
	__u64 exe_changed;   /* where the file system has no generation */
	__u64 exe_subvolume; /* of btrfs; ~0: unknown */
	__u64 cgroup;
	__u32 pid, tid, uid;
	__u32 event;   /* enum gmem_event_id */
	__s32 ret;     /* 0 or a negative errno; of a host fault VM_FAULT_* if it was refused */
	__u32 unknown; /* bit n: v[n] cannot be told */
	__u16 nr_kernel, nr_user; /* frames behind the record, see struct gmem_event_stacks */
	__u32 pad;
	char comm[16];
	union {
		__u64 v[GMEM_EV_VALUES];
#define F(name, ...) __u64 name;
#define X(name, ...)                  \
	struct {                      \
		GMEM_FIELDS_##name(F) \
	} name;
		GMEM_EVENTS(X)
#undef X
#undef F
	};
};

/* The record if stacks were asked for. */
struct gmem_event_stacks {
	struct gmem_event event;
	__u64 kernel[GMEM_STACK_MAX];
	__u64 user[GMEM_STACK_MAX];
};

/* Which bit of unknown stands for a field. */
#define GMEM_EV_BIT(event, field)                                     \
	(1U << ((__builtin_offsetof(struct gmem_event, event.field) - \
		 __builtin_offsetof(struct gmem_event, v)) /          \
		sizeof(__u64)))

/* Why an invalidation happened; as in the tracepoint, where 0 is a hole. */
enum gmem_event_reason {
	GMEM_REASON_ERROR = 1,
	GMEM_REASON_RELEASE,
};

/* Exact numbers of events, whatever becomes of them. */
struct gmem_event_counts {
	__u64 emitted;	/* passed the filters: delivered or lost */
	__u64 lost;	/* no room in the buffer */
	__u64 filtered; /* held back by a filter */
};

_Static_assert(sizeof(struct gmem_event) == 24 + 48 + 32 + 56 + 32 + 16 + 8 * GMEM_EV_VALUES,
	       "event");
#define F(...)	     +1
#define X(name, ...) _Static_assert(0 GMEM_FIELDS_##name(F) <= GMEM_EV_VALUES, "fields of " #name);
GMEM_EVENTS(X)
#undef X
#undef F

#endif /* GMEM_ABI_EVENTS_H */
