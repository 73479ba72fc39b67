/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the recorded source that reads what out_phases.c writes. */
#ifndef GMEM_REPLAY_PHASES_H
#define GMEM_REPLAY_PHASES_H

#include "sample.h"

struct json_object;

/**
 * replay_phases - the vCPUs of a VM, after the VM
 * @vm: its object
 * @vm_id: its number
 * @realtime_ns: CLOCK_REALTIME of the frame, whose time in the sample is sample->now_ns
 *
 * Return: 0 or -ENOMEM.
 */
int replay_phases(struct sample *sample, struct json_object *vm, uint64_t vm_id,
		  uint64_t realtime_ns);

#endif /* GMEM_REPLAY_PHASES_H */
