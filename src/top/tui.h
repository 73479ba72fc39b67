/* SPDX-License-Identifier: GPL-2.0-only */
/* The interactive view of frames on a terminal. */
#ifndef GMEM_TUI_H
#define GMEM_TUI_H

#include <signal.h>

#include "batch.h"
#include "frames.h"

struct tui_options {
	const struct batch *batch; /* filters, order and columns of the command line */
	bool own_columns;	   /* the user chose them */
	bool ascii;
	uint64_t delay_ns;
	uint64_t frames; /* end after so many, 0: never */
	volatile sig_atomic_t *stop;
};

/**
 * tui_run - show frames until the user has seen enough
 * @frames: where they come from
 * @opts: what to show and how
 *
 * The handlers of SIGINT, SIGTERM and SIGHUP set *opts->stop.
 *
 * Return: 0 or a negative errno that has been explained to the user. The terminal is restored.
 */
int tui_run(struct frames *frames, const struct tui_options *opts);

#endif /* GMEM_TUI_H */
