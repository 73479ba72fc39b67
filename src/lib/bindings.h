/* SPDX-License-Identifier: GPL-2.0-only */
/* What is bound to a VM, asked of the program in bpf/kernel/memslots.h. */
#ifndef GMEM_BINDINGS_H
#define GMEM_BINDINGS_H

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/abi/trace.h"

/* Where the program of an object is, and where it reads and writes. */
struct bindings_place {
	int program; /* fd of list_bindings() */
	struct gmem_question *question;
	const struct gmem_binding *answer;
	const __u32 *nr_answer;
};

/**
 * bindings_of - the bindings of a VM
 * @kvm, @mm: the VM, as the kernel's programs name it, and the address space that made it
 * @found: the result, which grows; to be freed
 * @room: how many have room in it
 *
 * Return: how many, -EAGAIN if there was no answer, because the VM is gone or its memslots changed
 * meanwhile, or another negative errno.
 */
long bindings_of(const struct bindings_place *place, uint64_t kvm, uint64_t mm,
		 struct gmem_binding **found, size_t *room);

#endif /* GMEM_BINDINGS_H */
