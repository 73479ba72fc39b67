/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each operation of a policy, really asked for by a process of its own: what it takes to get there
 * is asked for too, so that the process must be allowed the operations before it.
 */
#ifndef VM_REQUESTS_H
#define VM_REQUESTS_H

#include <sys/types.h>

/* X(name, operation): ways to ask for an operation */
#define REQUESTS(X)                                                   \
	X(create, create)                                             \
	X(bind, bind)                                                 \
	X(mmap, mmap)                                                 \
	X(fault, fault)                                               \
	X(convert, convert)                                           \
	X(punch, punch)                                               \
	X(receive, receive)                                           \
	X(mprotect, mmap)      /* a right that mmap did not have */   \
	X(madvise, punch)      /* MADV_REMOVE, without the fd */      \
	X(scm_rights, receive) /* through a socket */                 \
	X(inherited, fault)    /* in a mapping that came over fork */ \
	X(vm_readv, fault)     /* by process_vm_readv of another */

enum request_kind {
#define X(name, op) REQUEST_##name,
	REQUESTS(X)
#undef X
		REQUEST_MAX
};

extern const char *const request_names[REQUEST_MAX];
extern const int request_ops[REQUEST_MAX]; /* enum gmem_operation */

/* What a request ends with that has no errno. */
#define ASKED_SIGBUS 200 /* the fault was refused */
#define ASKED_CUT    201 /* the fd did not arrive */
#define ASKED_NOT    202 /* it did not get as far as that: a step before failed */

/* Ask, in this process. Return: 0, an errno or one of the above. */
int request(enum request_kind kind);

/* Ask in a child with this effective user. Return: as above. */
int request_as(uid_t uid, enum request_kind kind);

/* Can instances be mapped here? */
int can_map(void);

#endif
