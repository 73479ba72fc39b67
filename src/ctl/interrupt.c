// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "../lib/log.h"
#include "../lib/output.h"
#include "../lib/stop.h"
#include "interrupt.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

#define NR (sizeof(signals) / sizeof(signals[0]))

static sigset_t all(void)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < NR; i++)
		sigaddset(&set, signals[i]);
	return set;
}

void interrupts_hold(void)
{
	sigset_t set = all();

	/* While a signal still ends what has to wait for a reader. */
	output_until_stopped();
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int interrupted(const char *what)
{
	sigset_t pending;
	size_t i;

	sigpending(&pending);
	for (i = 0; i < NR; i++) {
		if (sigismember(&pending, signals[i]))
			return log_error(-EINTR, "a signal came first, and nothing has changed",
					 NULL, "%s", what);
	}
	return 0;
}

void interrupts_report(void)
{
	sigset_t set = all();

	stop_on_signals();
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void interrupts_end(int ret)
{
	sigset_t set = all();

	if (ret != -EINTR)
		return;
	fflush(stdout);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
