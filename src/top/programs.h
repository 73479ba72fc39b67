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

/* Runs of programs that the kernel left out because the same program was running on that CPU. */
uint64_t programs_missed(struct bpf_object *obj);

#endif /* GMEM_PROGRAMS_H */
