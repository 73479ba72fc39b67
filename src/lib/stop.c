// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <sys/time.h>

#include "stop.h"

#define TICK_US 100000

volatile sig_atomic_t stop_asked;

static void on_tick(int sig)
{
	(void)sig;
}

/* setitimer() is a plain system call, and harmless in a signal handler. */
static void on_signal(int sig)
{
	struct itimerval tick = { { .tv_usec = TICK_US }, { .tv_usec = TICK_US } };

	(void)sig;
	stop_asked = 1;
	setitimer(ITIMER_REAL, &tick, NULL);
}

void stop_on_signals(void)
{
	/* Without SA_RESTART. */
	struct sigaction end = { .sa_handler = on_signal }, tick = { .sa_handler = on_tick };

	sigaction(SIGALRM, &tick, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
}
