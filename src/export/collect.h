/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exporter's frames: read from the running kernel or a recording, at most as often as allowed,
 * and kept as metrics. Where KVM is not loaded yet it is waited for, between the scrapes.
 */
#ifndef GMEM_COLLECT_H
#define GMEM_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics.h"
#include "../top/source_bpf.h"
#include "vms_choice.h"

struct collect_options {
	const char *replay; /* NULL: the running kernel */
	struct source_options sizes;
	struct vms_choice vms;
	uint64_t min_interval_ns; /* the least time between two frames */
	uint32_t want;		  /* enum want */
	bool no_created, exemplars;
	const uint64_t *requests; /* see struct metrics_state */
};

struct collector;

/**
 * collect_open - begin to count
 * @collector: the result
 * @options: belong to the caller as long as the collector exists
 *
 * When the programs are attached, all capabilities are dropped that reading does not need.
 *
 * Return: 0, also where KVM is not loaded yet; or a negative errno, explained.
 */
int collect_open(struct collector **collector, const struct collect_options *options);
void collect_close(struct collector *collector);

/*
 * Read a frame if the last one is older than allowed; a failure becomes gmem_up 0. What changes
 * when a frame is read is the serial.
 */
void collect_refresh(struct collector *collector);

/*
 * The same if no frame was read for so long that the kernel would run out of room for VMs that
 * ended. Return: milliseconds until that is due again; -1: never.
 */
int collect_idle(struct collector *collector);

/* The metrics of the last frame. Return: 0 or -ENOMEM. @text: valid until the next frame is read */
int collect_text(struct collector *collector, enum metrics_format format, const struct text **text);

uint64_t collect_serial(const struct collector *collector);

/* Could the last frame be read? True also where there is no KVM. */
bool collect_healthy(const struct collector *collector);

/* Is it counting? False as long as KVM is not loaded. */
bool collect_counts(const struct collector *collector);

#endif /* GMEM_COLLECT_H */
