/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules that name the cause of trouble in a digest, with their evidence. Pure. */
#ifndef GMEM_DIAGNOSE_H
#define GMEM_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

#define EVIDENCE_NUMBERS 8

struct evidence_number {
	const char *name; /* ends in the unit, as fields do */
	uint64_t value;
};

/* Why a rule applies to a VM. */
struct evidence {
	char text[400];
	char saving[200]; /* what there is to win; empty: nothing that can be computed */
	struct evidence_number numbers[EVIDENCE_NUMBERS];
	unsigned int nr;
	uint64_t weight; /* the larger, the worse; comparable within a rule */
};

struct rule {
	const char *name;
	const char *cause;  /* what happens, as a heading */
	const char *advice; /* what to do about it */
	uint32_t facts;	    /* all that it needs */
	uint32_t wants;	    /* enum want: what the recording must have */
	const char *record; /* option of gmemtop record that brings it; NULL: always there */
	/* The rule applies from this number on that it counts, if it is at least such a part. */
	uint64_t least;
	unsigned int percent;
	/* Return: whether the rule applies; then @evidence, which was all 0, is filled in. */
	bool (*check)(const struct rule *rule, const struct digest_vm *vm,
		      struct evidence *evidence);
};

struct finding {
	const struct rule *rule;
	const struct digest_vm *vm;
	struct evidence evidence;
};

/* Why a rule could not be checked: the kernel lacks a fact, or the recording lacks a look. */
struct unchecked {
	const struct rule *rule;
	uint32_t missing; /* facts; 0: it is the recording */
};

#define MAX_RULES 16

struct diagnosis {
	struct finding *findings; /* in the order of the rules, then by weight */
	size_t nr, room;
	struct unchecked unchecked[MAX_RULES];
	unsigned int nr_unchecked;
};

extern const struct rule rules[];
extern const unsigned int nr_rules;

/**
 * diagnose - check all rules for all VMs
 * @diagnosis: the result, for diagnosis_free(); it refers to @digest
 * @digest: after digest_end()
 *
 * Return: 0 or -ENOMEM.
 */
int diagnose(struct diagnosis *diagnosis, const struct digest *digest);

void diagnosis_free(struct diagnosis *diagnosis);

#endif /* GMEM_DIAGNOSE_H */
