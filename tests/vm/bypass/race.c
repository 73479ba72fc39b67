// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "bypass.h"
#include "race.h"

#define SECOND	   1000000000L
#define MEET_IN_NS (60 * SECOND)

int race_on_cpu(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

int race_on_one_cpu(void)
{
	return race_on_cpu(0) ? broken("sched_setaffinity") : 0;
}

static atomic_bool first_is_there;
static atomic_int first_is_broken;

int race_go_first(void)
{
	struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &first))
		first_is_broken = broken("SCHED_FIFO");
	first_is_there = true;
	return first_is_broken;
}

int race_against(pthread_t *t, void *(*fn)(void *))
{
	if (pthread_create(t, NULL, fn, NULL))
		return broken("pthread_create");
	while (!first_is_there)
		race_sleep(SECOND / 1000);
	return first_is_broken;
}

long race_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

void race_sleep(long ns)
{
	struct timespec ts = { .tv_sec = ns / SECOND, .tv_nsec = ns % SECOND };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

void race_pace_init(struct race_pace *p, const atomic_ulong *others)
{
	*p = (struct race_pace){ .others = others, .span = 20000 };
}

void race_pace(struct race_pace *p)
{
	unsigned long now;

	if (++p->n % RACE_SWEEP == 0) {
		now = *p->others;
		if (now - p->last < RACE_SWEEP && p->span < SECOND / 20)
			p->span += p->span / 2;
		if (now - p->last > 4UL * RACE_SWEEP && p->span > 4000)
			p->span -= p->span / 4;
		p->last = now;
	}
	race_sleep(p->span * (long)(p->n % RACE_SWEEP + 1) / RACE_SWEEP);
}

bool race_goes_on(unsigned long done, bool met)
{
	static long give_up;

	if (done < bypass_run.rounds)
		return true;
	if (met)
		return false;
	if (!give_up)
		give_up = race_now_ns() + MEET_IN_NS;
	return race_now_ns() < give_up;
}

void race_say(const char *fmt, ...)
{
	va_list args;

	if (!bypass_run.verbose)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}
