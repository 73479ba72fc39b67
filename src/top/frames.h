/* SPDX-License-Identifier: GPL-2.0-only */
/* Where frames come from: the running kernel, or a file. The views know only this. */
#ifndef GMEM_FRAMES_H
#define GMEM_FRAMES_H

#include "features.h"
#include "model.h"

#define KERNEL_LEN 65

struct frames {
	/*
	 * Make the next sample, all of it but its memory anew.
	 * Return: 0, -ENODATA if there are no more, -EAGAIN if there is no complete frame yet (with
	 * no_wait only), -EINTR after a signal, or another negative errno, which has not been
	 * explained.
	 */
	int (*next)(struct frames *frames, struct sample *sample);
	/*
	 * Of a recording with an index, else NULL. The next frame will be the first one from
	 * @time_ns on (CLOCK_REALTIME), with rates as if the frame before had been shown; or the
	 * frame before the last one that next() gave. Return: 0, -ENODATA: there is none before.
	 */
	int (*seek)(struct frames *frames, uint64_t time_ns);
	int (*back)(struct frames *frames);
	/* End the source; what it has of samples ends with it. */
	void (*close)(struct frames *frames);
	struct sample sample;	   /* for frames_next() */
	uint64_t begin_ns, end_ns; /* times of its first and last frame */
	const struct features *features;
	uint32_t want; /* enum want: what the next frame is to tell, set by who shows it */
	uint64_t only; /* waste of this VM only, 0: of all */
	char kernel[KERNEL_LEN];
	uint64_t time_ns; /* CLOCK_REALTIME of the frame */
	int fd;		  /* of a recording: readable when next() can go on */
	bool no_wait;	  /* next() must not block, set by the user of the frames */
	bool recorded;
	bool early; /* the sample is only there for the rates of the one that follows */
	bool cut;   /* the recording ends in the middle of a frame */
};

/* Step the model to the next frame that is to be shown. Return: as next(), or -ENOMEM. */
int frames_next(struct frames *frames, struct model *model);

#endif /* GMEM_FRAMES_H */
