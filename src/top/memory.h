/* SPDX-License-Identifier: GPL-2.0-only */
/* gmemtop memory: whose memory it is. */
#ifndef GMEM_MEMORY_H
#define GMEM_MEMORY_H

#include <stdio.h>

#include "batch.h"
#include "memledger.h"

struct memory_view {
	const struct frames *frames;
	struct model *model;
	const struct memledger *ledger;
	struct batch *batch; /* its filters choose the VMs, its JSON buffer is used */
};

/* Write the ledger to @out, and flush. Return: 0 or a negative errno. */
int memory_text(FILE *out, const struct memory_view *view);
int memory_json(FILE *out, const struct memory_view *view);

/* Pages of instances of a VM in memory, by the state of the guest page. */
struct memory_split {
	uint64_t private, shared, unbound; /* GMEM_UNKNOWN where unknown */
};

void memory_split(struct model *model, const struct model_vm *vm, struct memory_split *split);

/* The command with its options. Return: an exit status, or a negative errno that was explained. */
int memory_main(int argc, char **argv);

#endif /* GMEM_MEMORY_H */
