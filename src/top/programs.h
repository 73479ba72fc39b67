/* SPDX-License-Identifier: GPL-2.0-only */
/* What every BPF object of gmemtop needs: its programs chosen by the feature table, and loaded. */
#ifndef GMEM_PROGRAMS_H
#define GMEM_PROGRAMS_H

#include "features.h"

struct bpf_object;

/**
 * programs_take_over - have programs_choose() say what tracing programs are attached to
 *
 * Before an object is opened. Return: 0 or a negative errno.
 */
int programs_take_over(void);

/**
 * programs_choose - have the programs loaded that bring facts, each with its target
 * @obj: opened, not loaded; it has a program of every name that the table uses for @facts
 * @facts: which ones are wanted; those that this kernel cannot tell bring nothing
 *
 * It holds until it is called again, and as long as @features.
 *
 * Return: 0 or a negative errno.
 */
int programs_choose(struct bpf_object *obj, const struct features *features, uint32_t facts);

/* Explain why features_probe() failed. Return: @ret. -ENODEV, no KVM, is not explained. */
int programs_probe_error(int ret);

/**
 * programs_load_error - explain why the kernel did not take the programs
 * @ret: -ENODEV and -EOPNOTSUPP are not explained, or have been
 *
 * Return: -EINTR if a signal came first, -EPERM if rights are missing, -EOPNOTSUPP if the kernel
 * cannot do it, or @ret.
 */
int programs_load_error(int ret);

/* The same for a step after that: whatever its errno, it is something that the kernel cannot do. */
int programs_refused(int ret, const char *what);

struct programs_use {
	uint64_t missed; /* runs that the kernel left out: the program was running on that CPU */
	/* Of the time while the kernel keeps statistics of programs: */
	uint64_t runs; /* of all programs */
	uint64_t ns;   /* spent in the programs at events; iterators run in gmemtop's own time */
};

/* Sum up what the kernel reports of the loaded programs of the object. */
void programs_count(struct bpf_object *obj, struct programs_use *use);

#endif /* GMEM_PROGRAMS_H */
