/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages to the user: errors in one line (or as JSON), libbpf's own only when asked for. */
#ifndef GMEM_LOG_H
#define GMEM_LOG_H

#include <stdbool.h>

/**
 * log_setup - how messages are written from now on
 * @program: the name in front of them
 * @json: errors are JSON objects
 * @verbose: 1: libbpf's warnings too, 2: everything that libbpf says
 */
void log_setup(const char *program, bool json, int verbose);

/**
 * log_error - say what failed
 * @ret: negative errno; its text is the reason if @why is NULL
 * @why: the reason
 * @todo: what the user can do about it, or NULL
 * @what: what was tried, on what
 *
 * Return: @ret; -EIO for an -EINVAL without @why, which is the kernel's: to exit_status() an
 * -EINVAL is wrong usage, and wrong usage always has a reason of its own.
 */
int log_error(int ret, const char *why, const char *todo, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* Has an error been said? */
bool log_has_said(void);

/* Say something that is no error. */
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* GMEM_LOG_H */
