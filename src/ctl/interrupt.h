/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SIGINT, SIGTERM and SIGHUP while something is being changed: either it ends as if nothing had
 * begun, or it is done and says so.
 */
#ifndef GMEM_CTL_INTERRUPT_H
#define GMEM_CTL_INTERRUPT_H

/* From here on they wait. */
void interrupts_hold(void);

/**
 * interrupted - does one of them wait?
 * @what: was to be done, and is not
 *
 * To be asked while all can still be taken back. Where they are not held none ever waits.
 *
 * Return: 0; -EINTR, which has been explained: clean up.
 */
int interrupted(const char *what);

/*
 * What was to be done is done and cannot be taken back: before it is reported. A signal does not
 * end that, but a reader that takes nothing any more does then.
 */
void interrupts_report(void);

/*
 * The end of what was held. @ret: with -EINTR this process ends by the signal that waited; else
 * what was to be done is done, or failed for itself, and the signal came too late.
 */
void interrupts_end(int ret);

#endif /* GMEM_CTL_INTERRUPT_H */
