/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs of a policy and of its lock: loaded, attached and pinned. */
#ifndef GMEM_CTL_KERNEL_PROGRAMS_H
#define GMEM_CTL_KERNEL_PROGRAMS_H

#include <stddef.h>

#include "probe.h"
#include "pins.h"

/**
 * attach_first - make the maps, attach the programs, tag the tasks that there are, publish the pins
 * @hooks: what the kernel refuses is noted there
 * @programs: which ones: bits
 * @tagged: how many tasks got their identity
 *
 * Return: 0; -EAGAIN if the kernel refuses one of the programs, which is noted in @hooks: make
 * another plan; a negative errno that has been explained.
 */
int attach_first(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool dry_run,
		 unsigned int *tagged);

/**
 * attach_more - attach programs to the maps that there are
 * @programs: those of them that are attached already stay
 *
 * Returns as above.
 */
int attach_more(const struct pins *pins, struct hooks *hooks, uint64_t programs, bool dry_run);

/**
 * attach_beside - attach programs of this gmemctl beside those that are there, under names of pins
 * that pins_replace() takes
 * @serial: of the set that they are
 *
 * After an error none of them is attached. Returns as above.
 */
int attach_beside(const struct pins *pins, struct hooks *hooks, uint64_t programs, __u32 serial,
		  bool dry_run);

/* What programs that are loaded now know of the kernel: GMEM_KNOWS_*, and back again. */
__u32 programs_know(const struct hooks *hooks);
void programs_limit(struct hooks *hooks, __u32 knows);

/* What is known of an attached program. */
struct program_info {
	__u32 id; /* 0: it is not attached, or cannot be read */
	__u8 tag[8];
	struct gmem_build build; /* serial 0: it says nothing */
	bool differs;		 /* from the program that this gmemctl would load */
};

/* Read what is attached for a program. Return: 0 or a negative errno. */
int program_read(const struct pins *pins, enum gmem_policy_program program,
		 struct program_info *info);

/*
 * The attached programs that differ from those of this gmemctl: bits. @serial: of the set that is
 * attached, 0: unknown
 */
uint64_t programs_differ(const struct pins *pins, __u32 *serial);

/*
 * Wait until programs are no more, which is after they were detached, but ten seconds at most for
 * all of them: who made the directory may have put the link of another program there, which stays.
 * Return: how many may be left.
 */
size_t programs_wait(const __u32 *ids, size_t nr);

#endif /* GMEM_CTL_KERNEL_PROGRAMS_H */
