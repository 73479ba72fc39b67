/* SPDX-License-Identifier: GPL-2.0-only */
/* Moments that the user names. */
#ifndef GMEM_WHEN_H
#define GMEM_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/**
 * when_parse - a moment of a recording
 * @text: YYYY-MM-DDTHH:MM[:SS] (a space may stand for the T, Z behind it: UTC, else local time),
 *        HH:MM[:SS] (the first such moment from the beginning on), +SECONDS after the beginning, or
 *        -SECONDS before the end
 * @known: are the beginning and the end known? Without them only the first form is
 * @begin_ns: CLOCK_REALTIME
 * @end_ns: CLOCK_REALTIME
 * @ns: the result, CLOCK_REALTIME
 *
 * Return: 0, -EINVAL for what is no moment, or -ESPIPE if it needs a beginning or an end.
 */
int when_parse(const char *text, bool known, uint64_t begin_ns, uint64_t end_ns, uint64_t *ns);

#endif /* GMEM_WHEN_H */
