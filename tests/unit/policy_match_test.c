// SPDX-License-Identifier: GPL-2.0-only
/* Compiled sets decide as the rules do one by one, and rules that never decide are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../src/policy/eval.h"
#include "policy_random.h"

static const struct gmem_set *gmem_set(const void *pool, __u32 index)
{
	return (const struct gmem_set *)pool + index;
}

#include "../../bpf/policy/cache.h"

#define POLICIES 500
#define REQUESTS 40 /* of each */

struct read {
	struct policy *policy;
	struct compiled compiled;
	struct diags diags;
};

static void read_policy(struct read *read, const char *text)
{
	memset(read, 0, sizeof(*read));
	if (policy_parse(text, strlen(text), "test", &read->policy, &read->diags)) {
		diags_print(&read->diags, stderr);
		fputs(text, stderr);
		fail();
	}
	random_resolve(read->policy);
	assert_int_equal(policy_compile(read->policy, &read->compiled, &read->diags), 0);
}

static void read_free(struct read *read)
{
	compiled_free(&read->compiled);
	policy_free(read->policy);
	diags_free(&read->diags);
}

static bool same(const struct gmem_decision *a, const struct gmem_decision *b)
{
	return a->deny == b->deny && a->rule == b->rule && a->audit_rule == b->audit_rule &&
	       (a->audit_rule == GMEM_RULE_NONE || a->audit_deny == b->audit_deny);
}

/* No rule that policy_check() says never decides may decide. */
static bool flagged(const struct read *read, __u32 rule)
{
	const struct place *place;
	size_t i;

	if (rule >= read->policy->nr_rules)
		return false;
	place = &read->policy->rules[rule].place;
	for (i = 0; i < read->diags.nr; i++) {
		if (read->diags.list[i].severity == SEVERITY_ERROR &&
		    read->diags.list[i].place.line == place->line)
			return true;
	}
	return false;
}

static void check_one(struct read *read, struct random *random, const char *text)
{
	struct gmem_decision plain, compiled;
	struct gmem_request request;
	struct who who;

	random_who(random, &who);
	random_request(random, &request);
	plain = policy_eval(read->policy, &who, &request);
	compiled = policy_decide(&read->compiled, &who, &request);
	if (same(&plain, &compiled) && !flagged(read, plain.rule))
		return;
	fprintf(stderr, "%s", text);
	fprintf(stderr,
		"op %u flags %u type %u prot %u direction %u size %llx start %llx end %llx\n"
		"exe %s inode %llu verity %d uid %u cgroup %s\n"
		"rule by rule: deny %u rule %d trial %d; compiled: deny %u rule %d trial %d; "
		"never decides: %d\n",
		request.op, request.flags, request.type, request.prot, request.direction,
		request.size, request.start, request.end, who.exe ? who.exe : "-",
		who.exe_identity.ino, who.has_verity, who.uid, who.cgroup, plain.deny,
		(int)plain.rule, (int)plain.audit_rule, compiled.deny, (int)compiled.rule,
		(int)compiled.audit_rule, flagged(read, plain.rule));
	fail();
}

static void test_random(void **state)
{
	size_t flags = 0, decided = 0, rules = 0;
	struct random random = { random_seed(NULL) };
	static char text[RANDOM_TEXT];
	struct read read;
	int i, j;

	(void)state;
	printf("%d pairs\n", POLICIES * REQUESTS);
	for (i = 0; i < POLICIES; i++) {
		random_policy(&random, text, i % 10 ? 12 : 150);
		read_policy(&read, text);
		policy_check(&read.compiled, &read.diags);
		flags += read.diags.nr_errors;
		rules += read.policy->nr_rules;
		for (j = 0; j < REQUESTS; j++) {
			check_one(&read, &random, text);
			decided++;
		}
		read_free(&read);
	}
	printf("%zu decisions, %zu rules, %zu of them never decide\n", decided, rules, flags);
	assert_true(flags > 0 && flags < rules);
}

/*
 * What was decided before is decided again, if it is not found to be something else. The requests
 * are like each other, else there would be nothing to remember.
 */
static void test_remembered(void **state)
{
	struct random random = { random_seed(NULL) };
	static char text[RANDOM_TEXT];
	size_t again = 0, anew = 0;
	struct read read;
	int i, j;

	(void)state;
	for (i = 0; i < POLICIES; i++) {
		random_policy(&random, text, i % 10 ? 12 : 150);
		read_policy(&read, text);
		for (j = 0; j < REQUESTS; j++) {
			struct gmem_decision now, recalled;
			static struct gmem_work work;
			struct gmem_request r, other;
			struct gmem_cached seen = { .kind = GMEM_KIND_MAX };
			struct who who;

			random_who(&random, &who);
			random_request(&random, &r);
			random_request(&random, &other);
			work.request = r;
			work.decision = policy_decide(&read.compiled, &who, &r);
			gmem_remember(&seen, &read.compiled.head, &work, gmem_sort(&r));
			switch (j % GMEM_BY_MAX) {
#define X(name, ...) \
	case GMEM_BY_##name: r.name = other.name; break;
				GMEM_INTERVALS(X)
#undef X
			}
			if (j % 7 == 0)
				r.flags = other.flags;
			if (!gmem_is_cached(&seen, &r, gmem_sort(&r))) {
				anew++;
				continue;
			}
			again++;
			gmem_recall(&seen, &recalled);
			now = policy_decide(&read.compiled, &who, &r);
			if (!same(&now, &recalled))
				fail_msg("op %u size %llx start %llx end %llx: rule %d, not %d\n%s",
					 r.op, r.size, r.start, r.end, (int)now.rule,
					 (int)recalled.rule, text);
		}
		read_free(&read);
	}
	printf("%zu decided again, %zu anew\n", again, anew);
	assert_true(again > POLICIES && anew > POLICIES);
}

#define HEAD                                                                              \
	"version: 1\nname: t\nmode: enforce\n"                                            \
	"default: { create: deny, bind: deny, mmap: deny, fault: deny, convert: deny, "   \
	"punch: deny, receive: allow }\n"                                                 \
	"subjects: { s: { uid: 1 }, low: { uid: [1, 2] }, in: { uid: 1, cgroup: /a } }\n" \
	"rules:\n"

#define ROOM(from, to)	      .size = 1, .start = (from), .end = (to)
#define IN_INSTANCE(from, to) .size = 4ULL << 30, .end = GIB, .offset = (from), .offset_end = (to)
#define GIB		      (1ULL << 30)

/* What each condition means, with the request that just fits and the one that just does not. */
static void test_meaning(void **state)
{
	static const struct {
		const char *rule;
		struct gmem_request request;
		bool deny;
	} cases[] = {
		{ "allow: create, when: { size: <= 1GiB }",
		  { .op = GMEM_DO_create, .size = GIB },
		  0 },
		{ "allow: create, when: { size: <= 1GiB }",
		  { .op = GMEM_DO_create, .size = GIB + 1 },
		  1 },
		{ "allow: create, when: { size: < 1GiB }",
		  { .op = GMEM_DO_create, .size = GIB },
		  1 },
		{ "allow: create, when: { size: [\"> 1GiB\", \"< 2GiB\"] }",
		  { .op = GMEM_DO_create, .size = GIB + 1 },
		  0 },
		{ "allow: create, when: { size: [\"> 1GiB\", \"< 2GiB\"] }",
		  { .op = GMEM_DO_create, .size = 2 * GIB },
		  1 },
		/* unknown: what allows does not match, what denies does */
		{ "allow: create, when: { size: \">= 0\" }",
		  { .op = GMEM_DO_create, .size = ~0ULL },
		  1 },
		{ "deny: receive, when: { size: \"== 0\" }",
		  { .op = GMEM_DO_receive, .size = ~0ULL },
		  1 },
		{ "deny: receive, when: { size: \"== 0\" }",
		  { .op = GMEM_DO_receive, .size = 1 },
		  0 },
		/* not looked at */
		{ "allow: [create, convert], when: { size: <= 1GiB, flags: [mmap] }",
		  { .op = GMEM_DO_convert, .size = ~0ULL, .flags = GMEM_FLAGS_unknown, .end = 1 },
		  0 },
		/* flags: what allows: no others; what denies: one of them */
		{ "allow: create, when: { flags: [] }", { .op = GMEM_DO_create }, 0 },
		{ "allow: create, when: { flags: [] }", { .op = GMEM_DO_create, .flags = 1 }, 1 },
		{ "allow: create, when: { flags: none }", { .op = GMEM_DO_create }, 0 },
		{ "allow: create, when: { flags: [mmap] }", { .op = GMEM_DO_create }, 0 },
		{ "allow: create, when: { flags: [mmap] }",
		  { .op = GMEM_DO_create, .flags = 3 },
		  1 },
		{ "allow: create, when: { flags: [init-shared, mmap] }",
		  { .op = GMEM_DO_create, .flags = 3 },
		  0 },
		{ "allow: create, when: { flags: [init-shared, mmap] }",
		  { .op = GMEM_DO_create, .flags = 2 },
		  0 },
		{ "allow: create, when: { flags: [init-shared, mmap] }",
		  { .op = GMEM_DO_create, .flags = 7 },
		  1 },
		{ "deny: receive, when: { flags: [init-shared] }",
		  { .op = GMEM_DO_receive, .flags = 3 },
		  1 },
		{ "deny: receive, when: { flags: [init-shared] }",
		  { .op = GMEM_DO_receive, .flags = 1 },
		  0 },
		{ "deny: receive, when: { flags: [init-shared] }", { .op = GMEM_DO_receive }, 0 },
		/* a flag that neither gmemctl nor the policy knows */
		{ "deny: receive, when: { flags: [init-shared] }",
		  { .op = GMEM_DO_receive, .flags = 4 },
		  1 },
		{ "deny: receive, when: { flags: [init-shared] }",
		  { .op = GMEM_DO_receive, .flags = 0x100 },
		  1 },
		{ "deny: receive, when: { flags: [init-shared] }",
		  { .op = GMEM_DO_receive, .flags = GMEM_FLAGS_foreign },
		  1 },
		{ "allow: create, when: { flags: [mmap] }",
		  { .op = GMEM_DO_create, .flags = GMEM_FLAGS_foreign },
		  1 },
		{ "allow: create, when: { flags: [mmap, init-shared, \"0x80\"] }",
		  { .op = GMEM_DO_create, .flags = 0x180 },
		  1 },
		/* and one that the policy names by its number */
		{ "allow: create, when: { flags: [mmap, 0x4] }",
		  { .op = GMEM_DO_create, .flags = 5 },
		  0 },
		{ "allow: create, when: { flags: [mmap, 0x4] }",
		  { .op = GMEM_DO_create, .flags = 0xd },
		  1 },
		{ "deny: receive, when: { flags: [0x4] }",
		  { .op = GMEM_DO_receive, .flags = 3 },
		  0 },
		{ "deny: receive, when: { flags: [0x4] }",
		  { .op = GMEM_DO_receive, .flags = 7 },
		  1 },
		{ "deny: receive, when: { flags: [mmap] } }\n"
		  "  - { name: b, subjects: any, allow: receive, when: { flags: [0x4] }",
		  { .op = GMEM_DO_receive, .flags = 4 },
		  0 },
		/* exactly these */
		{ "allow: create, when: { flags-are: [mmap, init-shared] }",
		  { .op = GMEM_DO_create, .flags = 3 },
		  0 },
		{ "allow: create, when: { flags-are: [mmap, init-shared] }",
		  { .op = GMEM_DO_create, .flags = 1 },
		  1 },
		{ "deny: receive, when: { flags-are: none }", { .op = GMEM_DO_receive }, 1 },
		{ "deny: receive, when: { flags-are: none }",
		  { .op = GMEM_DO_receive, .flags = 1 },
		  0 },
		{ "deny: receive, when: { flags-are: [mmap] }",
		  { .op = GMEM_DO_receive, .flags = 3 },
		  0 },
		{ "deny: receive, when: { flags-are: [mmap] }",
		  { .op = GMEM_DO_receive, .flags = 8 },
		  1 },
		/* the kernel did not report them */
		{ "deny: receive, when: { flags: [mmap] }",
		  { .op = GMEM_DO_receive, .flags = GMEM_FLAGS_unknown },
		  1 },
		{ "deny: receive, when: { flags-are: [mmap] }",
		  { .op = GMEM_DO_receive, .flags = GMEM_FLAGS_unknown },
		  1 },
		{ "allow: create, when: { flags: [mmap, init-shared] }",
		  { .op = GMEM_DO_create, .flags = GMEM_FLAGS_unknown },
		  1 },
		/* what allows: nothing else; what denies: one of them */
		{ "allow: mmap, when: { prot: [read] }", { .op = GMEM_DO_mmap, .prot = 1 }, 0 },
		{ "allow: mmap, when: { prot: [read] }", { .op = GMEM_DO_mmap, .prot = 3 }, 1 },
		{ "allow: mmap, when: { prot: [read, write] }",
		  { .op = GMEM_DO_mmap, .prot = 1 },
		  0 },
		{ "allow: mmap, when: { prot: [read, write] }",
		  { .op = GMEM_DO_mmap, .prot = 7 },
		  1 },
		{ "deny: mmap, when: { prot: [write] } }\n  - { name: b, subjects: any, allow: mmap",
		  { .op = GMEM_DO_mmap, .prot = 3 },
		  1 },
		{ "deny: mmap, when: { prot: [write] } }\n  - { name: b, subjects: any, allow: mmap",
		  { .op = GMEM_DO_mmap, .prot = 1 },
		  0 },
		{ "allow: convert, when: { direction: to-private }",
		  { .op = GMEM_DO_convert, .direction = GMEM_DIR_to_private, .end = 1 },
		  0 },
		{ "allow: convert, when: { direction: to-private }",
		  { .op = GMEM_DO_convert, .direction = GMEM_DIR_to_shared, .end = 1 },
		  1 },
		{ "allow: convert, when: { direction: [to-private, to-shared] }",
		  { .op = GMEM_DO_convert, .direction = GMEM_DIR_other, .end = 1 },
		  1 },
		/* what allows: all of it inside; what denies: a part of it */
		{ "allow: convert, when: { range: 1GiB-2GiB }",
		  { .op = GMEM_DO_convert, ROOM(GIB, 2 * GIB) },
		  0 },
		{ "allow: convert, when: { range: 1GiB-2GiB }",
		  { .op = GMEM_DO_convert, ROOM(GIB - 4096, 2 * GIB) },
		  1 },
		{ "allow: convert, when: { range: 1GiB-2GiB }",
		  { .op = GMEM_DO_convert, ROOM(GIB, 2 * GIB + 4096) },
		  1 },
		{ "deny: bind, when: { range: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, ROOM(2 * GIB - 4096, 3 * GIB) },
		  1 },
		{ "deny: bind, when: { range: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, ROOM(2 * GIB, 3 * GIB) },
		  0 },
		{ "deny: bind, when: { range: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, ROOM(0, GIB) },
		  0 },
		{ "deny: bind, when: { range: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, ROOM(~0ULL, ~0ULL) },
		  1 },
		{ "allow: bind, when: { offset: 1GiB-2GiB }",
		  { .op = GMEM_DO_bind, IN_INSTANCE(GIB, 2 * GIB) },
		  0 },
		{ "allow: bind, when: { offset: 1GiB-2GiB }",
		  { .op = GMEM_DO_bind, IN_INSTANCE(GIB, 2 * GIB + 4096) },
		  1 },
		{ "allow: bind, when: { offset: 1GiB-2GiB }",
		  { .op = GMEM_DO_bind, IN_INSTANCE(0, GIB + 4096) },
		  1 },
		{ "allow: bind, when: { offset: 1GiB-2GiB }",
		  { .op = GMEM_DO_bind, IN_INSTANCE(~0ULL, ~0ULL) },
		  1 },
		{ "deny: bind, when: { offset: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, IN_INSTANCE(2 * GIB - 4096, 3 * GIB) },
		  1 },
		{ "deny: bind, when: { offset: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, IN_INSTANCE(2 * GIB, 3 * GIB) },
		  0 },
		{ "deny: bind, when: { offset: 1GiB-2GiB } }\n  - { name: b, subjects: any, allow: bind",
		  { .op = GMEM_DO_bind, IN_INSTANCE(~0ULL, ~0ULL) },
		  1 },
		{ "allow: bind, when: { range: 0-1GiB, offset: 1GiB-2GiB }",
		  { .op = GMEM_DO_bind, ROOM(0, GIB), .offset = GIB, .offset_end = 2 * GIB },
		  0 },
		{ "allow: bind, when: { range: 0-1GiB, offset: 1GiB-2GiB }",
		  { .op = GMEM_DO_bind, ROOM(GIB, 2 * GIB), .offset = GIB, .offset_end = 2 * GIB },
		  1 },
		{ "allow: all, when: { vm-type: sev-snp }",
		  { .op = GMEM_DO_punch, .type = GMEM_TYPE_sev_snp },
		  0 },
		{ "allow: all, when: { vm-type: [sev-snp, other] }",
		  { .op = GMEM_DO_punch, .type = GMEM_TYPE_unknown },
		  1 },
		{ "allow: all, when: { vm-type: [sev-snp, other] }",
		  { .op = GMEM_DO_punch, .type = GMEM_TYPE_other },
		  0 },
		/* a rule in audit mode decides nothing */
		{ "allow: punch, mode: audit", { .op = GMEM_DO_punch }, 1 },
	};
	const struct who nobody = { .has_uid = true, .uid = 77 };
	struct gmem_decision decision;
	char text[2048];
	struct read read;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), HEAD "  - { name: a, subjects: any, %s }\n",
			 cases[i].rule);
		read_policy(&read, text);
		decision = policy_decide(&read.compiled, &nobody, &cases[i].request);
		if (decision.deny != cases[i].deny)
			fail_msg("case %zu: %s: deny %u by rule %u", i, cases[i].rule,
				 decision.deny, decision.rule);
		decision = policy_eval(read.policy, &nobody, &cases[i].request);
		if (decision.deny != cases[i].deny)
			fail_msg("case %zu, rule by rule: %s: deny %u by rule %u", i, cases[i].rule,
				 decision.deny, decision.rule);
		read_free(&read);
	}
}

/* Which of the rules never decide: a letter for each, '!' if not. */
static void test_unreachable(void **state)
{
	static const struct {
		const char *expect, *rules[4];
	} cases[] = {
		{ ".!", { "allow: create, subjects: any", "deny: create, subjects: any" } },
		{ "..", { "allow: create, subjects: any", "deny: [create, bind], subjects: any" } },
		{ "..!",
		  { "allow: create, subjects: any", "deny: bind, subjects: any",
		    "deny: [create, bind], subjects: [s]" } },
		{ "..", { "allow: create, subjects: [s]", "deny: create, subjects: any" } },
		{ "..",
		  { "allow: create, subjects: any, mode: audit", "deny: create, subjects: any" } },
		{ ".!",
		  { "allow: create, subjects: any", "deny: create, subjects: any, mode: audit" } },
		/* s is always low, and in is always s; not the other way */
		{ ".!", { "allow: create, subjects: [low]", "deny: create, subjects: [s]" } },
		{ "..", { "allow: create, subjects: [s]", "deny: create, subjects: [low]" } },
		{ ".!", { "allow: create, subjects: [s]", "deny: create, subjects: [in]" } },
		{ "..", { "allow: create, subjects: [in]", "deny: create, subjects: [s]" } },
		{ ".!",
		  { "allow: create, subjects: any, when: { size: <= 2GiB }",
		    "allow: create, subjects: any, when: { size: <= 1GiB }" } },
		{ "..",
		  { "allow: create, subjects: any, when: { size: <= 1GiB }",
		    "allow: create, subjects: any, when: { size: <= 2GiB }" } },
		/* a size that is not known: the first does not match, the second does */
		{ "..",
		  { "allow: create, subjects: any, when: { size: <= 2GiB }",
		    "deny: create, subjects: any, when: { size: <= 1GiB }" } },
		{ ".!",
		  { "deny: convert, subjects: any, when: { range: 0+2GiB }",
		    "allow: convert, subjects: any, when: { range: 1GiB+1GiB }" } },
		{ "..",
		  { "deny: convert, subjects: any, when: { range: 0+2GiB }",
		    "allow: convert, subjects: any, when: { range: 1GiB+2GiB }" } },
		{ ".!",
		  { "deny: bind, subjects: any, when: { offset: 0+2GiB }",
		    "allow: bind, subjects: any, when: { offset: 1GiB+1GiB }" } },
		{ "..",
		  { "deny: bind, subjects: any, when: { offset: 0+2GiB }",
		    "allow: bind, subjects: any, when: { range: 0+2GiB }" } },
		{ "...!",
		  { "allow: mmap, subjects: any, when: { prot: [read] }",
		    "deny: mmap, subjects: any, when: { prot: [write] }",
		    "deny: mmap, subjects: any, when: { prot: [exec] }",
		    "allow: mmap, subjects: any" } },
		{ "....",
		  { "allow: mmap, subjects: any, when: { prot: [read] }",
		    "deny: mmap, subjects: any, when: { prot: [write] }",
		    "allow: mmap, subjects: any", "deny: fault, subjects: any" } },
		/* the flags of an instance are any of those that the policy knows, or unknown ones */
		{ "...!",
		  { "allow: create, subjects: any, when: { flags: [mmap, init-shared] }",
		    "deny: create, subjects: any, when: { flags: [mmap] }",
		    "allow: create, subjects: any, when: { flags-are: [0x4] }",
		    "allow: create, subjects: any, when: { flags: [] }" } },
		{ ".!",
		  { "deny: create, subjects: any, when: { flags: [mmap, init-shared] }",
		    "deny: create, subjects: any, when: { flags-are: [mmap] }" } },
		{ "..",
		  { "deny: create, subjects: any, when: { flags-are: [mmap] }",
		    "deny: create, subjects: any, when: { flags: [mmap] }" } },
		/* a conversion has none */
		{ ".!",
		  { "allow: [create, convert], subjects: any, when: { flags: [] }",
		    "deny: convert, subjects: any" } },
		/* the size is not looked at for a conversion */
		{ ".!",
		  { "allow: [create, convert], subjects: any, when: { size: <= 1GiB }",
		    "deny: convert, subjects: any" } },
	};
	char text[4096], got[5];
	struct read read;
	size_t i, j, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		n = (size_t)snprintf(text, sizeof(text), HEAD);
		for (j = 0; j < 4 && cases[i].rules[j]; j++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "  - { name: r%zu, %s }\n", j, cases[i].rules[j]);
		read_policy(&read, text);
		policy_check(&read.compiled, &read.diags);
		for (j = 0; j < 4 && cases[i].rules[j]; j++)
			got[j] = flagged(&read, (__u32)j) ? '!' : '.';
		got[j] = '\0';
		if (strcmp(got, cases[i].expect))
			fail_msg("case %zu: %s instead of %s", i, got, cases[i].expect);
		read_free(&read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
