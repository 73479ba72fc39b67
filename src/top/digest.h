/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened in a recording, or while gmemtop looked: the sum of its frames, for reports, for
 * the comparison of two recordings and for diagnoses. Pure: it knows frames and the model alone.
 *
 * Counters are increases. A recorder that starts counts from 0, so its first frame counts as a
 * whole; where the frames begin in the middle of a recorder's run, the first one is the base.
 */
#ifndef GMEM_DIGEST_H
#define GMEM_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"
#include "model.h"
#include "model_phases.h"
#include "timeline.h"

#define DIGEST_SIZES 21 /* 1 page, 2, 4 ... 2^20 (4 GiB) and more */

/* How a gauge developed. Pages, or whatever the gauge counts. */
struct digest_gauge {
	uint64_t last, peak;
	uint64_t frames; /* in which it was known */
	uint64_t held;	 /* the most that two frames in a row had */
};

struct digest_error {
	enum gmem_op op;
	uint32_t error; /* an errno; 0: yet another one */
	uint64_t count;
};

/* Intervals in which the guest faulted again and again on pages that were in memory. */
struct digest_loop {
	uint64_t faults, conversions, punches, frames;
	uint64_t pages; /* different ones in an interval: no more than this */
};

/* What conversions that guests asked for spent their time on. */
struct digest_phase {
	uint64_t count, sum_ns;
	struct latency latency;
};

struct digest_slow {
	uint64_t time_ns; /* when the guest exited, CLOCK_REALTIME */
	const struct digest_vm *vm;
	struct model_slow slow;
};

#define DIGEST_SLOWEST 10

/* The increase of what one VM counted, or all of them; gauges of the frames. */
struct digest_vm {
	uint64_t id, key; /* the id is unique within a run of a recorder */
	uint32_t run, pid, type;
	uint64_t first_ns, last_ns;    /* frames in which it was seen, CLOCK_REALTIME */
	uint64_t known_vm, known_inst; /* counters that all frames had, by bit */
	uint64_t c[GMEM_VM_MAX], inst[GMEM_INST_MAX];
	struct latency latency[GMEM_DIRECTIONS];
	uint64_t sizes[GMEM_DIRECTIONS][DIGEST_SIZES]; /* conversions, by the mean in a frame */
	struct digest_error *errors;
	size_t nr_errors, room_errors;
	uint64_t nr_failed; /* sum of errors; refused host faults are in inst */
	uint64_t denials;
	struct digest_gauge private, resident, size, waste_instance, waste_backing;
	struct digest_gauge orphaned; /* resident pages and 1 while the VMM is gone, else 0 */
	struct digest_loop loop;
	struct digest_phase *phases; /* of GMEM_PHASE_MAX; NULL: none were recorded */
	struct timeline timeline;
	bool ended;
	char name[NAME_LEN], why[END_LEN];
	char *cgroup;
	char holders[128];	      /* of a VM whose VMM is gone, where the recording has them */
	struct digest_before *before; /* until digest_end() */
};

struct digest {
	uint64_t first_ns, last_ns; /* CLOCK_REALTIME */
	uint64_t watched_ns;	    /* intervals between frames, gaps between runs left out */
	uint64_t frames;
	uint32_t runs;	 /* of recorders */
	bool middle;	 /* it begins in the middle of a run */
	uint32_t facts;	 /* that all frames have */
	uint32_t looked; /* enum want: in any frame */
	bool lower_bounds;
	uint64_t lost[GMEM_LOST_MAX], missed;
	char kernel[KERNEL_LEN];
	struct digest_vm host; /* all VMs, those that are in no frame included */
	struct digest_slow slowest[DIGEST_SLOWEST]; /* of all VMs, slowest first */
	unsigned int nr_slowest;
	struct digest_vm **vms; /* by run and id */
	size_t nr_vms, room_vms;
	size_t live; /* VMs in the last frame, also where none are added */
	uint64_t before_lost[GMEM_LOST_MAX], before_missed;
	uint64_t number; /* of the last frame */
};

/**
 * digest_add - add a frame
 * @digest: all 0 before the first one
 * @frames: from which @model was just filled in
 *
 * Return: 0 or -ENOMEM.
 */
int digest_add(struct digest *digest, const struct frames *frames, const struct model *model);

/* The same without VMs: what all of them did. */
int digest_add_host(struct digest *digest, const struct frames *frames, const struct model *model);

/* What was added so far counts no more; the next frame adds its increase to nothing. */
void digest_restart(struct digest *digest);

/* After the last frame. */
void digest_end(struct digest *digest);

void digest_free(struct digest *digest);

/* All failures, refused host faults included. */
uint64_t digest_errors(const struct digest_vm *vm);

/* Conversions in both directions, their pages and their time. */
uint64_t digest_conversions(const struct digest_vm *vm);
uint64_t digest_asked(const struct digest_vm *vm);
uint64_t digest_convert_ns(const struct digest_vm *vm);

/* Durations of all conversions, of both directions. */
struct latency digest_latency(const struct digest_vm *vm);

/* Failures with that errno, of all operations or of @op (GMEM_OP_MAX: all). */
uint64_t digest_errno(const struct digest_vm *vm, enum gmem_op op, uint32_t error);

#endif /* GMEM_DIGEST_H */
