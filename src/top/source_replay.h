/* SPDX-License-Identifier: GPL-2.0-only */
/* The recorded source: what gmemtop record or gmemtop --json wrote. */
#ifndef GMEM_SOURCE_REPLAY_H
#define GMEM_SOURCE_REPLAY_H

#include "frames.h"

/**
 * replay_open - frames from a file
 * @frames: the result, for frames->close()
 * @path: of a recording (store.h), or of the lines of --json; "-": these on standard input
 *
 * Return: 0 or a negative errno that has been explained to the user.
 */
int replay_open(struct frames **frames, const char *path);

/**
 * replay_choose - show a part, before the first frame is read
 * @path: for messages
 * @from: frames from this moment on, as when_parse() takes it; NULL: from the beginning
 * @to: and up to this one; NULL: to the end
 *
 * Return: 0 or -EINVAL, which has been explained.
 */
int replay_choose(struct frames *frames, const char *path, const char *from, const char *to);

/* Say what of the file could not be read, if so. @path: its name */
void replay_explain(const struct frames *frames, const char *path);

#endif /* GMEM_SOURCE_REPLAY_H */
