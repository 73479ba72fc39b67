/* SPDX-License-Identifier: GPL-2.0-only */
/* What races have in common: one CPU, who goes first and when, and how long. */
#ifndef BYPASS_RACE_H
#define BYPASS_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * Both sides of a race share one CPU. On two they would need the luck to run at the same time,
 * which emulators do not have.
 */
int race_on_one_cpu(void);
/* Return: 0, -1: there is none of that number. */
int race_on_cpu(unsigned int cpu);

/* Lengths of a pause between two steps of who goes first. */
#define RACE_SWEEP 64

/* One side goes first whenever its timer says so, see race_pace(). */
struct race_pace {
	const atomic_ulong *others;
	unsigned long last, n;
	long span; /* nanoseconds */
};

/*
 * From now on this thread comes in between whatever others do, in the middle of a system call too.
 * Without SCHED_FIFO there is no race: then the case is broken. Return: 0 or ENDED_BROKEN.
 */
int race_go_first(void);
/* Start a thread, and wait until it goes first: @fn must call that. Return: 0 or ENDED_BROKEN. */
int race_against(pthread_t *t, void *(*fn)(void *));

/* @others: counts the rounds of the other side. */
void race_pace_init(struct race_pace *p, const atomic_ulong *others);
/*
 * Sleep, a little longer each time, then shortest again. How long that is follows how fast the
 * other side gets on: one to four of its rounds for each of ours, on any machine.
 */
void race_pace(struct race_pace *p);

/* Sleep for as long as that. */
void race_sleep(long ns);
/* Of the monotonic clock. */
long race_now_ns(void);

/*
 * Is there another round to go? After --rounds of them, until the two have @met, which is given up
 * after a minute: few rounds are over before a busy machine lets both run. One race in a process.
 */
bool race_goes_on(unsigned long done, bool met);

/* How it went, for who wants to know how hard it was tried. */
void race_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* BYPASS_RACE_H */
