// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser with any bytes, and the matcher with every policy that comes out of it: compiled sets
 * must decide as the rules do one by one, and no rule may decide of which it is said that it never
 * does. Requests follow from the bytes, so that a find can be repeated.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../src/policy/eval.h"
#include "../unit/policy_random.h"

#define REQUESTS 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_one(const struct policy *policy, const struct compiled *compiled,
		      const bool *never, struct random *random)
{
	struct gmem_decision plain, decided;
	struct gmem_request request;
	struct who who;

	random_who(random, &who);
	random_request(random, &request);
	plain = policy_eval(policy, &who, &request);
	decided = policy_decide(compiled, &who, &request);
	if (plain.deny != decided.deny || plain.rule != decided.rule ||
	    plain.audit_rule != decided.audit_rule || plain.audit_deny != decided.audit_deny ||
	    (plain.rule < policy->nr_rules && never[plain.rule])) {
		fprintf(stderr, "rule by rule: %u by %u, audit %u; compiled: %u by %u, audit %u\n",
			plain.deny, plain.rule, plain.audit_rule, decided.deny, decided.rule,
			decided.audit_rule);
		abort();
	}
}

/* The rules of which policy_check() says that they never decide; places alone do not tell. */
static bool *never_decide(const struct policy *policy, const struct compiled *compiled)
{
	bool *never = calloc(policy->nr_rules + 1, sizeof(*never));
	struct diags diags = { .file = policy->file };
	char quoted[POLICY_MAX_NAME + 8];
	size_t i, j;

	policy_check(compiled, &diags);
	for (i = 0; never && i < policy->nr_rules; i++) {
		snprintf(quoted, sizeof(quoted), "rule \"%s\" ", policy->rules[i].name);
		for (j = 0; j < diags.nr; j++)
			never[i] |= !strncmp(diags.list[j].message, quoted, strlen(quoted));
	}
	diags_free(&diags);
	return never;
}

static void decide(const struct policy *policy, const struct compiled *compiled, __u64 seed)
{
	bool *never = never_decide(policy, compiled);
	struct random random = { seed };
	int i;

	for (i = 0; never && i < REQUESTS; i++)
		check_one(policy, compiled, never, &random);
	free(never);
}

/* Bytes of which it is enough that they are different from all others. */
static __u64 hash(const uint8_t *data, size_t size)
{
	__u64 sum = size;
	size_t i;

	for (i = 0; i < size; i++)
		sum = sum * 31 + data[i];
	return sum;
}

static void fuzz_text(const char *text, size_t size, __u64 seed)
{
	struct compiled compiled = { 0 };
	struct diags diags = { 0 };
	struct policy *policy;
	FILE *null;
	int ret;

	ret = policy_parse(text, size, "fuzz", &policy, &diags);
	if (ret && !diags.nr_errors)
		abort();
	if (!ret) {
		random_resolve(policy);
		if (!policy_compile(policy, &compiled, &diags))
			decide(policy, &compiled, seed);
	}
	null = fopen("/dev/null", "w");
	if (null) {
		diags_sort(&diags);
		diags_print(&diags, null);
		fclose(null);
	}
	compiled_free(&compiled);
	policy_free(policy);
	diags_free(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct random random = { hash(data, size) };
	static char text[RANDOM_TEXT];

	/* Bytes that begin so are no text: a policy follows from them, for the matcher. */
	if (size && data[0] == 0xff) {
		random_policy(&random, text, 20);
		fuzz_text(text, strlen(text), random.state);
	} else {
		fuzz_text((const char *)data, size, random.state);
	}
	return 0;
}
