// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers about all requests, against requests by the thousand: a difference that is reported is
 * one to the matcher, and where none is reported no request shows one, nor a smaller one than the
 * one that was reported.
 *
 *   PAIRS=10000 SEED=new build/unit/policy_query_test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../src/policy/query.h"
#include "policy_random.h"

#define PAIRS	 1500
#define REQUESTS 400 /* of each pair */
#define PAGE	 4096ULL
#define GIB	 (1ULL << 30)

struct read {
	struct policy *policy;
	struct compiled compiled;
	struct diags diags;
	char text[RANDOM_TEXT];
};

static void read_policy(struct read *read)
{
	memset(&read->diags, 0, sizeof(read->diags));
	memset(&read->compiled, 0, sizeof(read->compiled));
	if (policy_parse(read->text, strlen(read->text), "test", &read->policy, &read->diags)) {
		diags_print(&read->diags, stderr);
		fputs(read->text, stderr);
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

/* --- requests that KVM can be asked for --- */

static __u64 pages_around_bounds(struct random *random)
{
	return random_below(random, 8) * (GIB / PAGE) + random_below(random, 3);
}

static void possible_range(struct random *random, __u64 length, __u64 *start, __u64 *end)
{
	__u64 at = pages_around_bounds(random);

	if (!random_below(random, 8)) {
		*start = *end = POLICY_VALUE_UNKNOWN;
		return;
	}
	/* Or one that ends at a bound. */
	if (random_below(random, 2) && at > length)
		at -= length;
	*start = at * PAGE;
	*end = (at + length) * PAGE;
}

static void possible_request(struct random *random, __u32 op, struct gmem_request *request)
{
	__u64 length = 1 + (random_below(random, 3) ? random_below(random, 3)
						    : pages_around_bounds(random));

	random_request(random, request);
	request->op = op;
	request->direction = request->op == GMEM_DO_convert ? request->direction : GMEM_DIR_other;
	request->prot = request->op == GMEM_DO_fault  ? 1 + random_below(random, 2)
			: request->op == GMEM_DO_mmap ? request->prot
						      : 0;
	if (request->op == GMEM_DO_convert)
		request->flags = GMEM_FLAGS_unknown;
	possible_range(random, length, &request->start, &request->end);
	possible_range(random, length, &request->offset, &request->offset_end);
	request->size = (1 + pages_around_bounds(random)) * PAGE;
	if (request->op == GMEM_DO_bind) {
		__u64 least = request->offset_end != POLICY_VALUE_UNKNOWN ? request->offset_end
			      : request->start != POLICY_VALUE_UNKNOWN	  ? length * PAGE
									  : PAGE;

		if (request->size < least)
			request->size = least;
	}
	if (!random_below(random, 12))
		request->size = POLICY_VALUE_UNKNOWN;
}

/* As search.h has it. Negative, 0 or positive. */
static int compare_requests(const struct gmem_request *a, const struct gmem_request *b)
{
	const __u64 by[][2] = {
		{ a->prot, b->prot },
		{ a->direction, b->direction },
		{ a->type, b->type },
		{ a->flags < GMEM_FLAGS_NAMED	   ? a->flags
		  : a->flags == GMEM_FLAGS_unknown ? 258
						   : 257,
		  b->flags < GMEM_FLAGS_NAMED	   ? b->flags
		  : b->flags == GMEM_FLAGS_unknown ? 258
						   : 257 },
		{ a->offset == POLICY_VALUE_UNKNOWN, b->offset == POLICY_VALUE_UNKNOWN },
		{ a->start == POLICY_VALUE_UNKNOWN, b->start == POLICY_VALUE_UNKNOWN },
		{ a->size == POLICY_VALUE_UNKNOWN, b->size == POLICY_VALUE_UNKNOWN },
		{ a->size, b->size },
		{ a->start, b->start },
		{ a->end, b->end },
		{ a->offset, b->offset },
		{ a->offset_end, b->offset_end },
	};
	size_t i;

	for (i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		if (by[i][0] != by[i][1])
			return by[i][0] < by[i][1] ? -1 : 1;
	}
	return 0;
}

/* Values that do not apply are left out of comparisons. */
static void only_what_applies(struct gmem_request *request)
{
	if (!(condition_ops[POLICY_IF_size] >> request->op & 1))
		request->size = 0;
	if (!(condition_ops[POLICY_IF_range] >> request->op & 1))
		request->start = request->end = 0;
	if (!(condition_ops[POLICY_IF_offset] >> request->op & 1))
		request->offset = request->offset_end = 0;
}

static void tell(const struct read *a, const struct read *b, const struct who *who,
		 const struct gmem_request *r)
{
	fprintf(stderr, "%s---\n%s", a->text, b ? b->text : "");
	fprintf(stderr,
		"op %u flags %x type %u prot %u direction %u size %llx range %llx-%llx offset "
		"%llx-%llx\nexe %s verity %d root %d uid %d cgroup %s\n",
		r->op, r->flags, r->type, r->prot, r->direction, r->size, r->start, r->end,
		r->offset, r->offset_end, who->exe ?: "-", who->has_verity, who->root,
		who->has_uid ? (int)who->uid : -1, who->cgroup ?: "-");
}

/* The difference of this operation that the second policy decides so. */
static const struct difference *reported(const struct policy_diff *diff, __u32 op, __u32 deny)
{
	size_t i;

	for (i = 0; i < diff->nr; i++) {
		if (diff->list[i].request.op == op && diff->list[i].decisions[1].deny == deny)
			return &diff->list[i];
	}
	return NULL;
}

/* Requests of the task that was reported, too: it has no smaller one. */
static void sample(struct random *random, const struct read *a, const struct read *b,
		   const struct policy_diff *diff, size_t *met)
{
	const struct difference *difference;
	struct gmem_request request;
	__u32 first, second, op;
	struct who who;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		random_who(random, &who);
		op = random_below(random, GMEM_DO_MAX);
		if (diff->nr && i % 2) {
			difference = &diff->list[random_below(random, (unsigned int)diff->nr)];
			who = difference->who;
			op = difference->request.op;
		}
		possible_request(random, op, &request);
		first = policy_decide(&a->compiled, &who, &request).deny;
		second = policy_decide(&b->compiled, &who, &request).deny;
		if (first == second)
			continue;
		++*met;
		difference = reported(diff, request.op, second);
		if (!difference) {
			tell(a, b, &who, &request);
			fail_msg("a difference that was not reported");
		}
		only_what_applies(&request);
		if (!memcmp(&who, &difference->who, sizeof(who)) &&
		    compare_requests(&request, &difference->request) < 0) {
			tell(a, b, &who, &request);
			tell(a, b, &difference->who, &difference->request);
			fail_msg("the first is smaller than the one reported");
		}
	}
}

/* Without one of the attributes that the task has, there is no such difference. */
static void check_smallest(const struct read *a, const struct read *b, const struct difference *d)
{
	struct who without[5] = { d->who, d->who, d->who, d->who, d->who };
	__u32 deny;
	int i;

	without[0].exe = NULL;
	without[0].has_exe_identity = false;
	without[1].has_verity = false;
	without[2].root = GMEM_ROOT_host;
	without[3].user = NULL;
	without[3].has_uid = false;
	without[4].cgroup = NULL;
	for (i = 0; i < 5; i++) {
		if (!memcmp(&without[i], &d->who, sizeof(d->who)))
			continue;
		deny = policy_decide(&b->compiled, &without[i], &d->request).deny;
		if (deny != d->decisions[1].deny ||
		    deny == policy_decide(&a->compiled, &without[i], &d->request).deny)
			continue;
		tell(a, b, &d->who, &d->request);
		fail_msg("attribute %d makes no difference", i);
	}
}

static void check_reported(const struct read *a, const struct read *b,
			   const struct policy_diff *diff)
{
	size_t i;

	for (i = 0; i < diff->nr; i++) {
		const struct difference *d = &diff->list[i];

		check_smallest(a, b, d);
		if (policy_decide(&a->compiled, &d->who, &d->request).deny !=
		    policy_decide(&b->compiled, &d->who, &d->request).deny)
			continue;
		tell(a, b, &d->who, &d->request);
		fail_msg("reported, and both decide alike");
	}
}

/* The second policy is another one, or the first one with one line less, or twice the same line. */
static void vary(struct random *random, const struct read *a, struct read *b)
{
	unsigned int how = random_below(random, 4), n, lines = 0;
	char *at, *end;

	if (!how) {
		random_policy(random, b->text, 12);
		return;
	}
	strcpy(b->text, a->text);
	for (at = strstr(b->text, "\n  - {"); at; at = strstr(at + 1, "\n  - {"))
		lines++;
	if (!lines || how == 3)
		return;
	n = random_below(random, lines);
	for (at = strstr(b->text, "\n  - {"); n--; at = strstr(at + 1, "\n  - {"))
		;
	end = strchr(at + 1, '\n');
	if (how == 1 && lines > 1) {
		memmove(at, end, strlen(end) + 1);
	} else {
		/* The opposite verdict. */
		char *deny = strstr(at, " deny: "), *allow = strstr(at, " allow: ");

		if (deny && deny < end) {
			memmove(deny + 8, deny + 7, strlen(deny + 7) + 1);
			memcpy(deny, " allow: ", 8);
		} else if (allow && allow < end && !strstr(at, ": []")) {
			memcpy(allow, " deny:  ", 8);
		}
	}
}

static void test_differences(void **state)
{
	const char *wanted = getenv("PAIRS");
	struct random random = { random_seed(NULL) };
	static struct read a, b;
	static struct policy_diff diff;
	size_t met = 0, differences = 0, equal = 0;
	int i, pairs = wanted ? atoi(wanted) : PAIRS;

	(void)state;
	for (i = 0; i < pairs; i++) {
		random_policy(&random, a.text, i % 10 ? 12 : 60);
		vary(&random, &a, &b);
		read_policy(&a);
		read_policy(&b);
		assert_int_equal(policy_diff(&a.compiled, &b.compiled, &diff), 0);
		check_reported(&a, &b, &diff);
		sample(&random, &a, &b, &diff, &met);
		differences += diff.nr;
		equal += !diff.nr;
		read_free(&a);
		read_free(&b);
	}
	printf("%d pairs, %zu differences, %zu pairs without, %zu samples that differ\n", pairs,
	       differences, equal, met);
	assert_true(differences > (size_t)pairs && equal > (size_t)pairs / 20);
	assert_true(met > differences);
}

#define HEAD                                                                                  \
	"version: 2\nname: t\nmode: enforce\ndefault: deny\n"                                 \
	"subjects: { s: { uid: 1 }, t: { uid: [1, 2], cgroup: /a }, m: { exe: /bin/vmm } }\n" \
	"rules:\n"

/* The same meaning, written otherwise. */
static void test_equal(void **state)
{
	static const struct {
		const char *a, *b;
	} pairs[] = {
		/* Rules that cannot meet, in another order. */
		{ "  - { name: a, allow: create, subjects: s, when: { size: \"<= 1GiB\" } }\n"
		  "  - { name: b, deny: mmap, subjects: any }\n",
		  "  - { name: b, deny: mmap, subjects: any }\n"
		  "  - { name: x, allow: create, subjects: s, when: { size: \"<= 1GiB\" } }\n" },
		/* One rule, and the same in two parts. */
		{ "  - { name: a, allow: create, subjects: any, when: { size: \"<= 2GiB\" } }\n",
		  "  - { name: a, allow: create, subjects: any, when: { size: \"<= 1GiB\" } }\n"
		  "  - { name: b, allow: create, subjects: any, when: { size: [\"> 1GiB\", "
		  "\"<= 2GiB\"] } }\n" },
		/* No instance has a part of a page. */
		{ "  - { name: a, allow: create, subjects: any, when: { size: \"<= 4096\" } }\n",
		  "  - { name: a, allow: create, subjects: any, when: { size: \"< 8192\" } }\n" },
		/* A binding is as long in the guest as in the instance. */
		{ "  - { name: a, allow: bind, subjects: any, when: { range: 0+4KiB, offset: "
		  "0-1GiB } }\n",
		  "  - { name: a, allow: bind, subjects: any, when: { range: 0+4KiB, offset: "
		  "0-1GiB } }\n"
		  "  - { name: b, deny: bind, subjects: any }\n" },
		/* A fault reads or writes. */
		{ "  - { name: a, allow: fault, subjects: any, when: { prot: [read, write] } }\n",
		  "  - { name: a, allow: fault, subjects: any }\n" },
		/* What is decided before changes nothing. */
		{ "  - { name: a, allow: [convert], subjects: [s, t] }\n",
		  "  - { name: a, allow: [convert], subjects: [t] }\n"
		  "  - { name: b, allow: [convert], subjects: [s, t] }\n" },
		/* Audit rules decide nothing. */
		{ "  - { name: a, allow: [convert], subjects: any, mode: audit }\n", "  []\n" },
		/* All directions. */
		{ "  - { name: a, deny: [convert], subjects: any, when: { direction: to-shared } }\n"
		  "  - { name: b, allow: [convert], subjects: any, when: { direction: [to-private, "
		  "to-shared] } }\n",
		  "  - { name: b, allow: [convert], subjects: any, when: { direction: to-private } "
		  "}\n" },
	};
	static struct policy_diff diff;
	static struct read a, b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		snprintf(a.text, sizeof(a.text), "%s%s", HEAD, pairs[i].a);
		snprintf(b.text, sizeof(b.text), "%s%s", HEAD, pairs[i].b);
		read_policy(&a);
		read_policy(&b);
		assert_int_equal(policy_diff(&a.compiled, &b.compiled, &diff), 0);
		if (diff.nr)
			tell(&a, &b, &diff.list[0].who, &diff.list[0].request);
		assert_int_equal(diff.nr, 0);
		read_free(&a);
		read_free(&b);
	}
}

/* The smallest example, and which tasks it is for. */
static void test_examples(void **state)
{
	static struct policy_diff diff;
	static struct read a, b;
	const struct difference *d;

	(void)state;
	snprintf(a.text, sizeof(a.text), "%s%s", HEAD,
		 "  - { name: a, allow: bind, subjects: [t, m], when: { range: 1GiB-4GiB, offset: "
		 "1GiB-4GiB, flags: [mmap] } }\n");
	snprintf(b.text, sizeof(b.text), "%s%s", HEAD,
		 "  - { name: a, allow: bind, subjects: [m], when: { range: 1GiB-4GiB, offset: "
		 "1GiB-4GiB, flags: [mmap] } }\n"
		 "  - { name: b, allow: bind, subjects: [t], when: { range: 1GiB-4GiB, offset: "
		 "1GiB-2GiB, flags: [mmap] } }\n");
	read_policy(&a);
	read_policy(&b);
	assert_int_equal(policy_diff(&a.compiled, &b.compiled, &diff), 0);
	assert_int_equal(diff.nr, 1);
	d = &diff.list[0];
	assert_int_equal(d->request.op, GMEM_DO_bind);
	assert_int_equal(d->request.flags, 0);
	/* Behind what b allows, and inside of the instance. */
	assert_int_equal(d->request.size, 2 * GIB + PAGE);
	assert_int_equal(d->request.start, GIB);
	assert_int_equal(d->request.end, GIB + PAGE);
	assert_int_equal(d->request.offset, 2 * GIB);
	assert_int_equal(d->request.offset_end, 2 * GIB + PAGE);
	assert_true(d->who.has_uid && d->who.uid <= 2 && !strcmp(d->who.cgroup, "/a"));
	assert_null(d->who.exe);
	assert_int_equal(d->decisions[0].rule, 0);
	assert_int_equal(d->decisions[1].rule, GMEM_RULE_DEFAULT(GMEM_DO_bind));
	assert_false(diff.manager || diff.guards);
	read_free(&a);
	read_free(&b);
}

static void test_manager_and_guards(void **state)
{
	static const char more[] = "manager: m\nguards: { trace: deny, preload: deny, sqpoll: "
				   "allow }\n";
	static struct policy_diff diff;
	static struct read a, b;

	(void)state;
	snprintf(a.text, sizeof(a.text), "%s  []\n", HEAD);
	snprintf(b.text, sizeof(b.text), "%s  []\n%s", HEAD, more);
	read_policy(&a);
	read_policy(&b);
	assert_int_equal(policy_diff(&a.compiled, &b.compiled, &diff), 0);
	assert_int_equal(diff.nr, 0);
	assert_true(diff.manager && !diff.is_manager[0] && diff.is_manager[1]);
	assert_string_equal(diff.manager_who.exe, "/bin/vmm");
	assert_true(diff.guards);
	assert_int_equal(diff.guarded[1], 1U << GMEM_GUARD_trace | 1U << GMEM_GUARD_preload);
	read_free(&a);
	read_free(&b);
}

/* Every ability holds for the matcher, and tasks that are sampled are among those listed. */
static void check_abilities(struct random *random, struct read *read, struct gmem_request *wanted,
			    __u32 given, size_t *allowed)
{
	struct gmem_set none = { 0 };
	struct abilities abilities;
	struct gmem_request request;
	struct gmem_decision decision;
	struct gmem_set mine, by;
	struct who who;
	size_t j;
	int i, d, k;

	assert_int_equal(policy_who_can(&read->compiled, wanted, given, &none, &abilities), 0);
	for (j = 0; j < abilities.nr; j++) {
		const struct ability *ability = &abilities.list[j];

		decision = policy_decide(&read->compiled, &ability->who, &ability->request);
		if (decision.deny || decision.rule != ability->decision.rule) {
			tell(read, NULL, &ability->who, &ability->request);
			fail_msg("listed, and denied");
		}
		if (given >> POLICY_IF_flags & 1)
			assert_int_equal(ability->request.flags, wanted->flags);
		if (given >> POLICY_IF_vm_type & 1)
			assert_int_equal(ability->request.type, wanted->type);
	}
	for (i = 0; i < REQUESTS; i++) {
		random_who(random, &who);
		possible_request(random, wanted->op, &request);
		if (given >> POLICY_IF_flags & 1)
			request.flags = wanted->flags;
		if (given >> POLICY_IF_vm_type & 1)
			request.type = wanted->type;
		decision = policy_decide(&read->compiled, &who, &request);
		if (decision.deny)
			continue;
		++*allowed;
		policy_subjects_by(&read->compiled, &who, GMEM_CLASS_exe, &mine);
		for (d = GMEM_CLASS_uid; d < GMEM_CLASS_MAX; d++) {
			policy_subjects_by(&read->compiled, &who, (enum gmem_class_dimension)d,
					   &by);
			for (k = 0; k < GMEM_SET_WORDS; k++)
				mine.w[k] &= by.w[k];
		}
		for (j = 0; j < abilities.nr; j++) {
			for (k = 0; k < GMEM_SET_WORDS; k++) {
				if (abilities.list[j].subjects.w[k] & ~mine.w[k])
					break;
			}
			if (k == GMEM_SET_WORDS)
				break;
		}
		if (j == abilities.nr) {
			tell(read, NULL, &who, &request);
			fail_msg("allowed, and not listed");
		}
	}
	abilities_free(&abilities);
}

static void test_abilities(void **state)
{
	struct random random = { random_seed(NULL) };
	static struct read read;
	struct gmem_request wanted;
	size_t allowed = 0;
	__u32 given;
	int i;

	(void)state;
	for (i = 0; i < PAIRS / 2; i++) {
		random_policy(&random, read.text, i % 10 ? 12 : 60);
		read_policy(&read);
		random_request(&random, &wanted);
		given = random_below(&random, 2) << POLICY_IF_vm_type;
		if (wanted.op != GMEM_DO_convert)
			given |= random_below(&random, 2) << POLICY_IF_flags;
		check_abilities(&random, &read, &wanted, given, &allowed);
		read_free(&read);
	}
	printf("%zu requests allowed\n", allowed);
	assert_true(allowed > PAIRS);
}

/* As many rules and subjects as there can be. */
static void test_large(void **state)
{
	static struct policy_diff diff;
	static struct read a, b;
	size_t len;
	int i;

	(void)state;
	len = (size_t)snprintf(a.text, sizeof(a.text),
			       "version: 2\nname: t\nmode: enforce\ndefault: deny\nsubjects:\n");
	for (i = 0; i < 300; i++)
		len += (size_t)snprintf(a.text + len, sizeof(a.text) - len,
					"  s%d: { exe: /bin/x%d, uid: %d, cgroup: /a%d }\n", i, i,
					i, i);
	len += (size_t)snprintf(a.text + len, sizeof(a.text) - len, "rules:\n");
	for (i = 0; i < 300; i++)
		len += (size_t)snprintf(a.text + len, sizeof(a.text) - len,
					"  - { name: r%d, allow: bind, subjects: s%d, when: { "
					"range: %dGiB+%dGiB, size: \"<= %dGiB\" } }\n",
					i, i, i, i + 1, i + 1);
	strcpy(b.text, a.text);
	strcpy(strstr(b.text, "<= 300GiB"), "<  300GiB\" } }\n");
	read_policy(&a);
	read_policy(&b);
	assert_int_equal(policy_diff(&a.compiled, &b.compiled, &diff), 0);
	assert_int_equal(diff.nr, 1);
	assert_int_equal(diff.list[0].request.size, 300 * GIB);
	assert_string_equal(diff.list[0].who.exe, "/bin/x299");
	read_free(&a);
	read_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences), cmocka_unit_test(test_equal),
		cmocka_unit_test(test_examples),    cmocka_unit_test(test_manager_and_guards),
		cmocka_unit_test(test_abilities),   cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
