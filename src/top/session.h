/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a run: signals that end it, its clock, the wait for KVM. */
#ifndef GMEM_SESSION_H
#define GMEM_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S 1000000000ULL

/* From now on signals set stop_asked; when the reader has gone, write() fails with EPIPE. */
void session_catch_signals(void);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);
void sleep_until(uint64_t ns);

/**
 * session_check_pid - is there such a process?
 * @pid: as the user gave it; 0: he asked for none
 *
 * Return: 0, -EINVAL or -ESRCH, explained.
 */
int session_check_pid(uint64_t pid);

/* Wait for KVM, unless the user does not want to. Return: 0, -EINTR, or -EOPNOTSUPP. */
int session_wait_for_kvm(bool wait);

#endif /* GMEM_SESSION_H */
