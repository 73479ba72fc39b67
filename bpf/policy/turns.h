/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which of two sets of programs counts a request. Included by the objects of policy/ and lock/
 * only.
 *
 * `gmemctl load` of another version attaches its programs beside those that are there, and detaches
 * the old ones when the new ones have been proved. Meanwhile the kernel calls both for each
 * request, the newer one first; what either denies is denied. A program that denies is the last one
 * that is called, and counts. Of those that allow, one has to.
 *
 * The newest set leads. While gmemctl proves it, the word of the map `active` says that it does not
 * count, and later that it does. The word can change between the two calls for one request, so the
 * leading set leaves a note with the task: who counted this request, or that it did not. Any other
 * set obeys the note, whatever the word says by then. No other program runs as this task between
 * the two calls: they follow each other in one trampoline.
 *
 * A note outlives its request. It says nothing wrong then: the leading set writes a new one for
 * each request, and where it is not attached (before an upgrade, or after one that failed) the set
 * that is left reads its own number, or none.
 */
#ifndef GMEM_POLICY_TURNS_H
#define GMEM_POLICY_TURNS_H

#include "maps.h"

/**
 * counts_here - does this set of programs count a request that it allows?
 * @work: of the current task, the same for all sets; NULL: there is no memory for a note
 *
 * May be asked more than once for a request. Return: whether to count.
 */
static __always_inline bool counts_here(__u64 word, struct gmem_work *work)
{
	__u32 own = gmem_build.serial;

	if (!work)
		return true;
	if (GMEM_ACTIVE_SET(word) == GMEM_SET_OF(own)) {
		if (!GMEM_ACTIVE_COUNTS(word)) {
			work->counted_by = 0;
			return false;
		}
	} else if (work->counted_by && work->counted_by != own) {
		return false;
	}
	work->counted_by = own;
	return true;
}

/* This set has accounted for the request, whether or not it is its turn. */
static __always_inline void take_turn(struct gmem_work *work)
{
	if (work)
		work->counted_by = gmem_build.serial;
}

#endif /* GMEM_POLICY_TURNS_H */
