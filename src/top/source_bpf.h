/* SPDX-License-Identifier: GPL-2.0-only */
/* The live source: BPF programs in the kernel that count, read through iterators. */
#ifndef GMEM_SOURCE_BPF_H
#define GMEM_SOURCE_BPF_H

#include <signal.h>

#include "features.h"

struct memledger;
struct model;
struct sample;
struct source_bpf;

struct source_options {
	unsigned int max_vms;
	unsigned int max_instances;
	bool redundant; /* see features_probe() */
	bool latency; /* attach what times the phases of conversions now, not with the first frame */
	bool survey;  /* for source_survey() */
};

/**
 * source_open - attach to the kernel
 * @source: the result
 * @opts: sizes
 *
 * From then on everything is counted, and what was there before has been found.
 *
 * Return: 0, or a negative errno that has been explained to the user; -ENODEV, not explained: there
 * is no KVM yet.
 */
int source_open(struct source_bpf **source, const struct source_options *opts);

const struct features *source_features(const struct source_bpf *source);

/**
 * source_read - make a sample
 * @sample: after sample_begin(), which says what is wanted
 * @only: look at the waste of this VM only, 0: of all
 * @slice: and at so many pages at most; the rest follows in the next samples
 * @cgroups: as of cgroup_root(), for names
 *
 * Return: 0 or a negative errno.
 */
int source_read(struct source_bpf *source, struct sample *sample, uint64_t only, uint64_t slice,
		int cgroups);

/**
 * source_survey - who pays for the memory of the VMs of the last frame, and where it is
 * @stop: ends the survey when it is not 0
 *
 * The model must have looked at bindings. Looks at every page of instances and of files that are
 * shared backing, in slices of which none takes long. Return: 0, -EINTR, or another negative errno;
 * what the kernel does not tell is GMEM_UNKNOWN in the ledger.
 */
int source_survey(struct source_bpf *source, struct model *model, struct memledger *ledger,
		  const volatile sig_atomic_t *stop);

/**
 * source_watch_ioctls - count ioctls that a security module denies, or no longer
 *
 * The programs for it run for every ioctl of the host, so they are attached only while there is
 * something that denies ioctls. If they cannot be attached, the fact deny is missing from then on.
 */
void source_watch_ioctls(struct source_bpf *source, bool on);

void source_close(struct source_bpf *source);

#endif /* GMEM_SOURCE_BPF_H */
