/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each lane's kernel must offer: VMs, sources of gmemtop's facts, and what gmemctl can
 * enforce. Tests take what to expect from these tables and never from the program under test. A
 * program that offers less or more than its lane's column is an error.
 */
#ifndef VM_OFFERS_H
#define VM_OFFERS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* X(name, LANE): the columns of the tables below, in this order. Lanes debug and patched-builtin
 * are patched here. */
#define OFFER_LANES(X)                 \
	X(patched, "patched")          \
	X(vanilla, "vanilla")          \
	X(stock_7, "stock-7")          \
	X(stock_612, "stock-6.12")     \
	X(patched_612, "patched-6.12") \
	X(stock_arm64, "stock-arm64")

enum offer_lane {
#define X(name, text) OFFER_LANE_##name,
	OFFER_LANES(X)
#undef X
		OFFER_LANE_MAX
};

/* Where gmemtop takes a fact from; ON_REQUEST: a function, and only with --redundant. */
enum offer_source {
	OFFER_NONE,
	OFFER_TRACEPOINT,
	OFFER_FUNCTION,
	OFFER_ON_REQUEST,
	OFFER_MEMORY, /* gmemtop reads the kernel's own structures */
};

/* clang-format off */

/* X(fact, and its source in each lane) */
#define OFFER_FACTS(X) \
	X(convert, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, NONE) \
	X(asked, TRACEPOINT, FUNCTION, FUNCTION, NONE, TRACEPOINT, NONE) \
	X(changed, TRACEPOINT, NONE, NONE, NONE, TRACEPOINT, NONE) \
	X(redundant, TRACEPOINT, ON_REQUEST, ON_REQUEST, ON_REQUEST, TRACEPOINT, NONE) \
	X(create, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(release, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(bind, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(unbind, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(allocate, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(punched, TRACEPOINT, NONE, NONE, NONE, TRACEPOINT, NONE) \
	X(mmap, TRACEPOINT, FUNCTION, FUNCTION, NONE, NONE, FUNCTION) \
	X(guest_fault, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(first_touch, TRACEPOINT, NONE, NONE, NONE, TRACEPOINT, NONE) \
	X(host_fault, TRACEPOINT, FUNCTION, FUNCTION, NONE, NONE, FUNCTION) \
	X(populate, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, NONE) \
	X(memory_failure, TRACEPOINT, FUNCTION, FUNCTION, FUNCTION, TRACEPOINT, FUNCTION) \
	X(deny, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION) \
	X(deny_fault, FUNCTION, NONE, NONE, NONE, NONE, NONE) \
	X(private_pages, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, NONE) \
	X(vm_end, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION) \
	X(existing, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY) \
	X(bindings, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY) \
	X(attributes, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, NONE) \
	X(backing, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY) \
	X(phases, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION, NONE) \
	X(phase_lock, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION, NONE) \
	X(phase_memory, FUNCTION, FUNCTION, FUNCTION, FUNCTION, FUNCTION, NONE) \
	X(phase_fault, TRACEPOINT, TRACEPOINT, TRACEPOINT, TRACEPOINT, TRACEPOINT, NONE)

/* X(operation, and the guarantee that gmemctl gives for it in each lane, without --strict-ioctl) */
#define OFFER_OPERATIONS(X) \
	X(create, enforced, limited, limited, limited, enforced, limited) \
	X(bind, enforced, impossible, impossible, impossible, enforced, impossible) \
	X(mmap, enforced, enforced, enforced, moot, moot, enforced) \
	X(fault, enforced, impossible, impossible, moot, moot, impossible) \
	X(convert, enforced, impossible, impossible, impossible, enforced, moot) \
	X(punch, enforced, enforced, enforced, enforced, enforced, enforced) \
	X(receive, enforced, enforced, enforced, enforced, enforced, enforced)

/* X(ability, and whether a lane has it): 1 or 0 */
#define OFFER_ABILITIES(X) \
	X(software_protected, 1, 1, 0, 0, 1, 0) /* VMs with private memory, which convert pages */ \
	X(mapped, 1, 1, 1, 0, 0, 1)	     /* instances that the host maps, bound to default VMs */ \
	X(plain, 1, 1, 1, 0, 0, 0)	     /* default VMs that bind instances which the host cannot map */

/* clang-format on */

enum offer_ability {
#define X(name, ...) OFFER_##name,
	OFFER_ABILITIES(X)
#undef X
		OFFER_ABILITY_MAX
};

static const struct offer_fact {
	const char *fact;
	enum offer_source source[OFFER_LANE_MAX];
} offer_facts[] = {
#define X(name, p, v, s7, s6, p6, a7) \
	{ #name, { OFFER_##p, OFFER_##v, OFFER_##s7, OFFER_##s6, OFFER_##p6, OFFER_##a7 } },
	OFFER_FACTS(X)
#undef X
};

#define OFFER_NR_FACTS (sizeof(offer_facts) / sizeof(offer_facts[0]))

/* The column of this VM. A lane that the tables do not have ends the test. */
static inline enum offer_lane offer_lane(void)
{
	static const char *const names[OFFER_LANE_MAX] = {
#define X(name, text) text,
		OFFER_LANES(X)
#undef X
	};
	const char *lane = getenv("LANE");
	int i;

	if (lane && (!strcmp(lane, "debug") || !strcmp(lane, "patched-builtin")))
		return OFFER_LANE_patched;
	for (i = 0; lane && i < OFFER_LANE_MAX; i++) {
		if (!strcmp(lane, names[i]))
			return (enum offer_lane)i;
	}
	printf("LANE is '%s', and tests/vm/lib/offers.h has no such lane: add its column\n",
	       lane ? lane : "");
	exit(1);
}

/* Does this lane have the ability? */
static inline bool offer_can(enum offer_ability ability)
{
	static const bool abilities[OFFER_ABILITY_MAX][OFFER_LANE_MAX] = {
#define X(name, ...) { __VA_ARGS__ },
		OFFER_ABILITIES(X)
#undef X
	};

	return abilities[ability][offer_lane()];
}

/* The source of a fact in this lane. A name that is no fact ends the test. */
static inline enum offer_source offer_source(const char *fact)
{
	size_t i;

	for (i = 0; i < OFFER_NR_FACTS; i++) {
		if (!strcmp(offer_facts[i].fact, fact))
			return offer_facts[i].source[offer_lane()];
	}
	printf("tests/vm/lib/offers.h has no fact '%s'\n", fact);
	exit(1);
}

/* Must gmemtop offer the fact in this lane? @redundant: it runs with --redundant. */
static inline bool offer_fact(const char *fact, bool redundant)
{
	enum offer_source source = offer_source(fact);

	return source == OFFER_ON_REQUEST ? redundant : source != OFFER_NONE;
}

#endif /* VM_OFFERS_H */
