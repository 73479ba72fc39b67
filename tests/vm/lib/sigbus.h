/* SPDX-License-Identifier: GPL-2.0-only */
/* A host fault that is refused: SIGBUS, and the test goes on. */
#ifndef VM_SIGBUS_H
#define VM_SIGBUS_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

static sigjmp_buf sigbus_return;

static inline void sigbus_handler(int sig)
{
	(void)sig;
	siglongjmp(sigbus_return, 1);
}

/* Is a read of this byte answered with SIGBUS? */
static inline bool read_refused(volatile char *byte)
{
	struct sigaction act = { .sa_handler = sigbus_handler }, old;
	bool refused = true;

	sigaction(SIGBUS, &act, &old);
	if (!sigsetjmp(sigbus_return, 1)) {
		(void)*byte;
		refused = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return refused;
}

#endif /* VM_SIGBUS_H */
