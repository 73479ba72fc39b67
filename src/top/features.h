/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where each number comes from on this kernel. One table says which programs can bring which facts,
 * best first; probing chooses among them by what the kernel's type information shows, never by
 * version.
 */
#ifndef GMEM_FEATURES_H
#define GMEM_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/abi/trace.h"

#define FACT(name) (1U << GMEM_FACT_##name)
/* What the programs of gmem_latency.bpf.c bring, which are attached on request only. */
#define PHASE_FACTS	 (FACT(phases) | FACT(phase_lock) | FACT(phase_memory) | FACT(phase_fault))
#define MAX_HOOKS	 6
#define MAX_ALTERNATIVES 3

struct json;

/*
 * A BPF program and what it can be attached to: one name, which may differ between kernels.
 * Programs whose name begins with "gmem_t_" belong to a tracepoint, with "gmem_d_" to the entry or
 * exit of a function of the kernel, the others to the entry or exit of a function of KVM.
 */
struct hook {
	const char *program;
	const char *targets[MAX_ALTERNATIVES];
};

/* One way to get facts: all hooks are needed. */
struct source {
	uint32_t facts;
	bool on_request; /* costs too much to be used unasked */
	bool in_place;	 /* where KVM converts through instances, and there only */
	struct hook hooks[MAX_HOOKS];
};

extern const struct source sources[];
extern const unsigned int nr_sources;
extern const char *const fact_names[GMEM_FACT_MAX];
extern const char *const fact_texts[GMEM_FACT_MAX];

bool is_tracepoint(const struct hook *hook);

/* Is the target in the kernel, also where KVM is a module? */
bool is_of_kernel(const struct hook *hook);

/* What probing found. */
struct features {
	uint32_t facts;		   /* that are available */
	int chosen[GMEM_FACT_MAX]; /* index into sources[], -1: none, or not from there */
	const char **targets;	   /* nr_sources * MAX_HOOKS: what to attach to, NULL: not used */
	uint32_t *ids;		   /* the same as types, of KVM or of the kernel */
	const char *looked[GMEM_FACT_MAX]; /* where a look takes a fact from, NULL: from no look */
	bool kvm_module;
	int kvm_btf;   /* the types of KVM for the kernel: fd, 0: its own, or a negative errno */
	bool in_place; /* KVM converts through instances */
	bool no_conversions;  /* KVM has no attributes of memory: arm64, or not configured */
	bool silenced;	      /* sources are switched off, see silence.h: */
	uint32_t quiet;	      /* facts that are available otherwise */
	bool private_counted; /* private pages are counted by gmemtop: KVM has no statistic */
};

/* Is KVM there: its module loaded, or built in? */
bool kvm_present(void);

/**
 * features_probe - choose sources for this kernel
 * @features: the result
 * @redundant: the user wants redundant conversions whatever they cost
 * @attachable: ask also for the list of functions that can be traced, which costs time: for a
 *	second try after the kernel refused the first choice
 *
 * Return: 0, -EOPNOTSUPP if the kernel or KVM has no type information, -ENODEV without KVM, or
 * another errno.
 */
int features_probe(struct features *features, bool redundant, bool attachable);

void features_free(struct features *features);

/*
 * KVM converts through instances: what the sources for conversions of VMs bring is missing then,
 * never 0. What brings facts of such conversions is a source of its own.
 */
void features_forget_in_place(struct features *features);

/* The same where KVM has no attributes of memory, which leaves nothing to convert. */
void features_forget_conversions(struct features *features);

/* Why a fact is missing though the kernel is not too old for it; NULL: it is, or is not missing. */
const char *features_why_missing(const struct features *features, enum gmem_fact fact);

/* Does the fact come from a function of KVM, because there is no tracepoint? */
bool features_from_function(const struct features *features, enum gmem_fact fact);

/* "tracepoint kvm_gmem_create", "function kvm_gmem_fallocate", or NULL. */
const char *features_source(const struct features *features, enum gmem_fact fact, char *buf,
			    unsigned int size);

/* Where private pages come from: "statistic", "attributes" (counted), or NULL: from nowhere. */
const char *features_private_from(const struct features *features);

/* Print for each fact where it comes from, or that it is missing. */
int features_print(const struct features *features, bool as_json);

#endif /* GMEM_FEATURES_H */
