/* SPDX-License-Identifier: GPL-2.0-only */
/* The recorded source: the lines that gmemtop -b --json wrote. */
#ifndef GMEM_SOURCE_REPLAY_H
#define GMEM_SOURCE_REPLAY_H

#include "frames.h"

/**
 * replay_open - frames from a file
 * @frames: the result
 * @path: what gmemtop -b --json [--instances] wrote
 *
 * Return: 0 or a negative errno that has been explained to the user.
 */
int replay_open(struct frames **frames, const char *path);

void replay_close(struct frames *frames);

#endif /* GMEM_SOURCE_REPLAY_H */
