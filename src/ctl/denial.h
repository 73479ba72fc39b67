/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Denials as gmemctl tells them: what decided, in words, and how many got lost between those that
 * came. Looks at nothing but its arguments.
 */
#ifndef GMEM_CTL_DENIAL_H
#define GMEM_CTL_DENIAL_H

#include <stdio.h>

#include "../policy/model.h"

struct json;

/* An event, and what else is known of it. All of it is borrowed. */
struct denial {
	const struct gmem_denial *event;
	const struct policy *policy; /* of the event's generation; NULL: its text is gone */
	__u64 time_ns;		     /* CLOCK_REALTIME */
	const char *exe;	     /* a path, or NULL */
	bool exe_certain;	     /* the file there is the one that the kernel knows */
	const char *cgroup;	     /* a path, or NULL */
	const char *digest;	     /* of the policy's text, or NULL */
	const char *object;	     /* the name of what a lock refused, or NULL */
};

/* X(name): what a decision came from */
#define DENIAL_CAUSES(X) \
	X(rule)          \
	X(default)       \
	X(broken)        \
	X(unknown)       \
	X(no_memory)     \
	X(ioctl)         \
	X(guard)

enum denial_cause {
#define X(name) DENIAL_BY_##name,
	DENIAL_CAUSES(X)
#undef X
};

/* What decided. */
struct denial_reason {
	enum denial_cause cause;
	__u32 rule;	   /* its number, with DENIAL_BY_rule */
	bool audit;	   /* the rule is in audit mode, and another one allowed it */
	const char *name;  /* of the rule, NULL: none, or the text is gone */
	unsigned int line; /* in the policy, 0: none, or not known */
};

/* What an action of a lock is about: enum gmem_locked_kind; GMEM_LOCKED_MAX: nothing has a name. */
enum gmem_locked_kind lock_object_kind(__u32 action);

struct denial_reason denial_reason(const struct denial *denial);

#define DENIAL_WHY 256
/* The reason in words. Returns @text. */
char *denial_why(const struct denial *denial, char text[DENIAL_WHY]);

/* One line with the time in front; the same without time and newline; one object, unnamed. */
void denial_print(const struct denial *denial, FILE *out);
void denial_print_what(const struct denial *denial, FILE *out);
void denial_json(const struct denial *denial, struct json *json);

/*
 * Events that did not come: each has a number, which the kernel gives before it looks for room. Two
 * CPUs can come in another order than their numbers, so that what is missing counts as lost only
 * when it is still missing at the next look.
 */
struct denial_gaps {
	bool begun;
	__u64 base, end; /* numbers that were to come: from the first one, to behind the last */
	__u64 came;
	__u64 missing; /* at the last look */
	__u64 told;
};

/* An event came. */
void gaps_take(struct denial_gaps *gaps, __u64 sequence);

/**
 * gaps_look - everything that there was has been taken
 * @events: how many numbers the kernel had given before the last events were taken
 *
 * Return: how many are lost that were not told of yet.
 */
__u64 gaps_look(struct denial_gaps *gaps, __u64 events);

#endif /* GMEM_CTL_DENIAL_H */
