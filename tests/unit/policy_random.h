/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random policies, as text, and random requests for them: for whoever decides, to be held against
 * others who decide. All of it follows from a seed.
 */
#ifndef GMEM_POLICY_RANDOM_H
#define GMEM_POLICY_RANDOM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/policy/decide.h"
#include "../../src/policy/value.h"

#define RANDOM_TEXT 65536
#define RANDOM_SEED 1

struct random {
	__u64 state;
};

/**
 * random_seed - the seed of a run, which is printed
 * @argument: from the command line, or NULL
 *
 * @argument or, without it, SEED in the environment is the seed; "new" takes one from the clock.
 * Without either the seed is the same in every run, so that a run can be repeated.
 */
static inline __u64 random_seed(const char *argument)
{
	const char *given = argument ? argument : getenv("SEED");
	__u64 seed = RANDOM_SEED;

	if (given && !strcmp(given, "new"))
		seed = (__u64)time(NULL);
	else if (given && *given)
		seed = strtoull(given, NULL, 0);
	printf("seed %llu (SEED=%llu repeats this run)\n", seed, seed);
	return seed;
}

/* A number from 0 to below @n. */
static inline unsigned int random_below(struct random *random, unsigned int n)
{
	__u64 x = random->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (unsigned int)((x ^ x >> 31) % n);
}

static const char *const random_exes[] = { "/bin/vmm", "/bin/vmm-again", "/bin/agent",
					   "/bin/gone" };
static const char *const random_digests[] = {
	"sha256:0000000000000000000000000000000000000000000000000000000000000001",
	"sha256:0000000000000000000000000000000000000000000000000000000000000002",
};
static const char *const random_cgroups[] = { "/",    "/a",	"/a/b", "/a/b/c",
					      "/a-b", "/a-b/c", "/d",	"/d/e/f" };

/* The first two are one file, the last is not here. Return: the number of its inode, or 0. */
static inline __u64 random_inode(unsigned int exe)
{
	return exe == 3 ? 0 : exe / 2 + 1;
}

#define PICK(random, table) (table)[random_below(random, sizeof(table) / sizeof(*(table)))]

static inline const char *random_size(struct random *random, char *text, size_t room)
{
	static const char *const how[] = { "<=", "<", ">=", ">", "==" };

	snprintf(text, room, "\"%s %uGiB\"", PICK(random, how), 1 + random_below(random, 5));
	return text;
}

static inline const char *random_list(struct random *random, enum value_kind kind, __u32 least,
				      char *text, size_t room)
{
	char names[128];
	__u32 bits;
	size_t nr;

	value_names(kind, &nr);
	do {
		bits = random_below(random, 1U << nr);
	} while (bits < least);
	snprintf(text, room, "[%s]", value_list(kind, bits, ", ", names, sizeof(names)));
	return text;
}

struct random_writer {
	struct random *random;
	char *text;
	size_t len;
};

#define WRITE(writer, ...)                                                 \
	((writer)->len += (size_t)snprintf((writer)->text + (writer)->len, \
					   RANDOM_TEXT - (writer)->len, __VA_ARGS__))

static inline void write_subject(struct random_writer *w, unsigned int n)
{
	unsigned int what = 1 + random_below(w->random, 7), uids, i;

	WRITE(w, "  s%u: {", n);
	if (what & 1) {
		if (random_below(w->random, 3))
			WRITE(w, " exe: %s,", PICK(w->random, random_exes));
		else
			WRITE(w, " verity: \"%s\",", PICK(w->random, random_digests));
		if (random_below(w->random, 2))
			WRITE(w, " root: any,");
	}
	if (what & 2) {
		WRITE(w, " uid: [");
		for (i = random_below(w->random, 4), uids = 1 + random_below(w->random, 3); uids;
		     uids--, i++)
			WRITE(w, "%u,", i);
		WRITE(w, "],");
	}
	if (what & 4)
		WRITE(w, " cgroup: %s,", PICK(w->random, random_cgroups));
	WRITE(w, " }\n");
}

/* By name and by number; what a rule denies must not be empty. */
static inline void write_flags(struct random_writer *w, bool deny)
{
	bool exact = !random_below(w->random, 3);
	__u32 flags;

	do {
		flags = random_below(w->random, 8);
		if (!random_below(w->random, 4))
			flags |= 0x80;
	} while (!flags && deny && !exact);
	WRITE(w, " flags%s: [%s%s", exact ? "-are" : "", flags & 1 ? "mmap, " : "",
	      flags & 2 ? "init-shared, " : "");
	if (flags & ~3U)
		WRITE(w, "0x%x", flags & ~3U);
	WRITE(w, "],");
}

static inline void write_conditions(struct random_writer *w, __u32 ops)
{
	bool deny = random_below(w->random, 2);
	char text[160];

	/* The verdict first: what denies has no use for an empty prot. */
	WRITE(w, " %s: [%s],", deny ? "deny" : "allow",
	      value_list(VALUE_OPERATION, ops, ", ", text, sizeof(text)));
	if (random_below(w->random, 3) == 0)
		return;
	WRITE(w, " when: {");
	if (ops & condition_ops[POLICY_IF_size] && !random_below(w->random, 4))
		WRITE(w, " size: %s,", random_size(w->random, text, sizeof(text)));
	if (ops & condition_ops[POLICY_IF_flags] && !random_below(w->random, 4))
		write_flags(w, deny);
	if (ops & condition_ops[POLICY_IF_prot] && !random_below(w->random, 3))
		WRITE(w, " prot: %s,",
		      random_list(w->random, VALUE_PROT, deny, text, sizeof(text)));
	if (ops & condition_ops[POLICY_IF_direction] && !random_below(w->random, 3))
		WRITE(w, " direction: %s,",
		      random_list(w->random, VALUE_DIRECTION, 1, text, sizeof(text)));
	if (ops & condition_ops[POLICY_IF_range] && !random_below(w->random, 3))
		WRITE(w, " range: %uGiB+%uGiB,", random_below(w->random, 4),
		      1 + random_below(w->random, 3));
	if (ops & condition_ops[POLICY_IF_offset] && !random_below(w->random, 3))
		WRITE(w, " offset: %uGiB+%uGiB,", random_below(w->random, 4),
		      1 + random_below(w->random, 3));
	/* One condition at least. */
	WRITE(w, " vm-type: %s }", random_list(w->random, VALUE_TYPE, 32, text, sizeof(text)));
}

static inline void write_rule(struct random_writer *w, unsigned int n, unsigned int subjects)
{
	__u32 ops = 1 + random_below(w->random, OPS_ALL);
	unsigned int i, more;

	/* Most name few operations. */
	if (random_below(w->random, 3))
		ops = 1U << random_below(w->random, GMEM_DO_MAX);
	WRITE(w, "  - { name: r%u, subjects: ", n);
	if (!subjects || !random_below(w->random, 3)) {
		WRITE(w, "any,");
	} else {
		WRITE(w, "[");
		more = 1 + random_below(w->random, 3);
		for (i = random_below(w->random, subjects); i < subjects && more; i++, more--)
			WRITE(w, "s%u,", i);
		WRITE(w, "],");
	}
	if (!random_below(w->random, 5))
		WRITE(w, " mode: audit,");
	write_conditions(w, ops);
	WRITE(w, " }\n");
}

/**
 * random_policy - a valid policy, but for rules that never decide
 * @text: RANDOM_TEXT bytes
 * @max_rules: 0 to so many
 */
static inline void random_policy(struct random *random, char *text, unsigned int max_rules)
{
	struct random_writer w = { .random = random, .text = text };
	unsigned int subjects = random_below(random, 8), rules, i;
	const char *const *ops;
	size_t nr;

	ops = value_names(VALUE_OPERATION, &nr);
	WRITE(&w, "version: 2\nname: random\nmode: %s\ndefault: {",
	      random_below(random, 2) ? "enforce" : "audit");
	for (i = 0; i < nr; i++)
		WRITE(&w, " %s: %s,", ops[i], random_below(random, 2) ? "allow" : "deny");
	/* Real requests read the memory of a task of another user: with the guard that is denied. */
	WRITE(&w, " }\nguards: { trace: allow }\nsubjects:%s\n", subjects ? "" : " {}");
	for (i = 0; i < subjects; i++)
		write_subject(&w, i);
	rules = random_below(random, max_rules + 1);
	WRITE(&w, "rules:%s\n", rules ? "" : " []");
	for (i = 0; i < rules; i++)
		write_rule(&w, i, subjects);
}

/* What policy_resolve() would find, if the files were here. */
static inline void random_resolve(struct policy *policy)
{
	unsigned int i;
	size_t n;

	for (n = 0; n < policy->nr_subjects; n++) {
		struct policy_subject *subject = &policy->subjects[n];

		for (i = 0; subject->exe && i < 4; i++) {
			if (strcmp(subject->exe, random_exes[i]) || !random_inode(i))
				continue;
			subject->exe_known = true;
			subject->exe_identity.kind = GMEM_BY_INODE;
			subject->exe_identity.ino = random_inode(i);
		}
	}
}

static inline void random_who(struct random *random, struct who *who)
{
	unsigned int exe = random_below(random, 5);

	memset(who, 0, sizeof(*who));
	if (exe < 4) {
		who->exe = random_exes[exe];
		who->has_exe_identity = random_inode(exe);
		who->exe_identity.kind = GMEM_BY_INODE;
		who->exe_identity.ino = random_inode(exe);
	}
	if (!random_below(random, 3))
		who->has_verity = !value_digest(PICK(random, random_digests), &who->verity);
	who->root = random_below(random, 3) ? GMEM_ROOT_host : GMEM_ROOT_other;
	who->has_uid = true;
	who->uid = random_below(random, 7);
	who->cgroup = PICK(random, random_cgroups);
}

/* A number around the limits that policies have, or unknown. */
static inline __u64 random_value(struct random *random)
{
	if (!random_below(random, 12))
		return POLICY_VALUE_UNKNOWN;
	return ((__u64)random_below(random, 8) << 30) + random_below(random, 3) - 1;
}

/* Addresses as KVM lets them through: neither empty nor turned around, and unknown as a whole. */
static inline void random_range(struct random *random, __u64 *start, __u64 *end)
{
	__u64 a = random_value(random), b = random_value(random);

	*start = a < b ? a : b;
	*end = a < b ? b : a;
	if (*end == POLICY_VALUE_UNKNOWN)
		*start = *end;
	else if (*start == *end)
		++*end;
}

static inline __u32 random_flags(struct random *random)
{
	static const __u32 unusual[] = { 0x80, 0x88, 0x100, GMEM_FLAGS_foreign,
					 GMEM_FLAGS_unknown };

	return random_below(random, 3) ? random_below(random, 16) : PICK(random, unusual);
}

static inline void random_request(struct random *random, struct gmem_request *request)
{
	memset(request, 0, sizeof(*request));
	request->op = random_below(random, GMEM_DO_MAX);
	request->flags = random_flags(random);
	request->type = random_below(random, GMEM_TYPE_MAX);
	request->prot = random_below(random, GMEM_PROT_MAX);
	request->direction = random_below(random, GMEM_DIR_MAX);
	request->size = random_value(random);
	random_range(random, &request->start, &request->end);
	random_range(random, &request->offset, &request->offset_end);
}

#endif /* GMEM_POLICY_RANDOM_H */
