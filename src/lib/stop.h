/* SPDX-License-Identifier: GPL-2.0-only */
/* SIGINT, SIGTERM and SIGHUP of a program that writes until it is told to stop. */
#ifndef GMEM_STOP_H
#define GMEM_STOP_H

#include <signal.h>

/* Set by these signals: end as soon as possible. */
extern volatile sig_atomic_t stop_asked;

/*
 * From now on the signals set stop_asked. System calls that would block are interrupted (EINTR) by
 * the signal, and every 0.1 s after it, so that a call that began at the wrong moment ends too.
 */
void stop_on_signals(void);

#endif /* GMEM_STOP_H */
