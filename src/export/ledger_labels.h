/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Values of the label vm. A VM's label is its name; where a living VM has that label already, or
 * the name is "other", it is NAME@KEY. A label stays the same as long as the VM lives; when the VM
 * has ended, the next VM of that name gets it.
 */
#ifndef GMEM_LEDGER_LABELS_H
#define GMEM_LEDGER_LABELS_H

#include "ledger.h"

#define OTHER_LABEL "other"
#define LABEL_LEN   (NAME_LEN + 32)

struct series {
	struct row row;	   /* first */
	struct tally base; /* counted under the label before @mark */
	struct tally mark; /* the VM's own numbers at that time */
	uint64_t id;	   /* of the VM; 0: it has ended */
	uint64_t ended_ns; /* CLOCK_MONOTONIC of the frame that showed it */
	uint64_t ended_frame;
	bool listed; /* exported */
	char label[LABEL_LEN];
};

struct labels {
	struct series **entries;
	size_t nr, room;
	void *tree; /* the same by label, as of tsearch(3) */
};

/**
 * labels_claim - the entry for a VM that has none
 *
 * It is new, or that of a VM that ended. Return: NULL if there is no memory.
 */
struct series *labels_claim(struct labels *labels, const struct model_vm *vm);

/* Free the entries that ended first and are not listed, until there are @max; add them to @sum. */
void labels_forget(struct labels *labels, size_t max, struct tally *sum);

void labels_free(struct labels *labels);

#endif /* GMEM_LEDGER_LABELS_H */
