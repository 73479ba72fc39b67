// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is learned from random events allows all that was done, and nothing that was only denied; as
 * a drop-in for a random policy it allows what the policy's defaults denied, and no rule of the
 * policy loses.
 *
 *   ROUNDS=10000 SEED=new build/unit/policy_learn_test
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../src/policy/learn.h"
#include "../../src/policy/merge.h"
#include "policy_random.h"

#define ROUNDS 400
#define EVENTS 60

static const char *const exes[] = { "/usr/bin/qemu", "/usr/bin/back \"end", "/bin/vmm" };
static const char *const cgroups[] = { "/machine.slice/a.scope",
				       "/machine.slice/b.scope",
				       "/machine.slice/b.scope/vcpu0",
				       "/system.slice/x.service",
				       "/",
				       NULL,
				       "/a/b" };

struct recorded {
	struct event events[EVENTS];
	size_t nr;
};

struct read {
	struct policy *policy;
	struct compiled compiled;
	struct diags diags;
};

static void read_policy(struct read *read, const char *text, size_t len)
{
	memset(read, 0, sizeof(*read));
	if (policy_parse(text, len, "test", &read->policy, &read->diags)) {
		diags_print(&read->diags, stderr);
		fwrite(text, 1, len, stderr);
		fail();
	}
	assert_int_equal(policy_compile(read->policy, &read->compiled, &read->diags), 0);
}

static void read_free(struct read *read)
{
	compiled_free(&read->compiled);
	policy_free(read->policy);
	diags_free(&read->diags);
}

/* Limits of ranges are whole pages, as KVM has them. */
static void whole_pages(__u64 *value)
{
	if (*value != POLICY_VALUE_UNKNOWN)
		*value &= ~4095ULL;
}

static void random_event(struct random *random, struct event *event)
{
	struct gmem_request *r = &event->request;

	memset(event, 0, sizeof(*event));
	random_request(random, r);
	r->op = random_below(random, GMEM_DO_MAX);
	whole_pages(&r->start);
	whole_pages(&r->end);
	whole_pages(&r->offset);
	whole_pages(&r->offset_end);
	if (r->start == r->end && r->start != POLICY_VALUE_UNKNOWN)
		r->end += 4096;
	if (r->offset == r->offset_end && r->offset != POLICY_VALUE_UNKNOWN)
		r->offset_end += 4096;
	if (r->size != POLICY_VALUE_UNKNOWN)
		r->size = (r->size & ~4095ULL) + 4096;
	if (r->op == GMEM_DO_fault)
		r->prot = 1 + random_below(random, 2);
	event->who.exe = PICK(random, exes);
	event->who.has_uid = true;
	event->who.uid = random_below(random, 2);
	event->who.cgroup = PICK(random, cgroups);
	event->who.root = random_below(random, 6) ? GMEM_ROOT_host : GMEM_ROOT_other;
	event->outcome = random_below(random, 3)   ? EVENT_DONE
			 : random_below(random, 4) ? EVENT_DENIED
						   : EVENT_FAILED;
	event->seq = random_below(random, 1000);
}

static bool same_request(const struct gmem_request *a, const struct gmem_request *b)
{
	return a->op == b->op &&
	       (!(condition_ops[POLICY_IF_size] >> a->op & 1) || a->size == b->size) &&
	       (!(condition_ops[POLICY_IF_flags] >> a->op & 1) || a->flags == b->flags) &&
	       (!(condition_ops[POLICY_IF_prot] >> a->op & 1) || a->prot == b->prot) &&
	       (!(condition_ops[POLICY_IF_direction] >> a->op & 1) ||
		a->direction == b->direction) &&
	       (!(condition_ops[POLICY_IF_range] >> a->op & 1) ||
		(a->start == b->start && a->end == b->end)) &&
	       (!(condition_ops[POLICY_IF_offset] >> a->op & 1) ||
		(a->offset == b->offset && a->offset_end == b->offset_end)) &&
	       a->type == b->type;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Was the same done by a process that a policy cannot tell apart, or something else there? */
static bool was_done(const struct recorded *recorded, const struct event *denied)
{
	bool there = false, request = false;
	size_t i;

	for (i = 0; i < recorded->nr; i++) {
		const struct event *event = &recorded->events[i];

		if (event->outcome != EVENT_DONE || strcmp(event->who.exe, denied->who.exe) ||
		    event->who.uid != denied->who.uid || event->who.root != denied->who.root)
			continue;
		there |= same_text(event->who.cgroup, denied->who.cgroup);
		request |= same_request(&event->request, &denied->request);
	}
	return there && request;
}

static void check(const struct recorded *recorded, const struct read *read, const char *text,
		  size_t overlaps, size_t *granted, size_t *refused)
{
	const struct event *event;
	size_t i, allowed = 0;
	bool denied;

	for (i = 0; i < recorded->nr; i++) {
		event = &recorded->events[i];
		denied = policy_decide(&read->compiled, &event->who, &event->request).deny;
		if (event->outcome == EVENT_DONE && denied) {
			fprintf(stderr, "%sevent %zu: op %u by %s uid %u in %s\n", text, i,
				event->request.op, event->who.exe, event->who.uid,
				event->who.cgroup ?: "-");
			fail_msg("it was done, and is denied");
		}
		if (event->outcome == EVENT_DENIED && !denied && !was_done(recorded, event))
			allowed++;
		*granted += event->outcome == EVENT_DONE;
		*refused += event->outcome == EVENT_DENIED && denied;
	}
	if (allowed && !overlaps) {
		fputs(text, stderr);
		fail_msg("%zu requests were only denied, and are allowed without a word", allowed);
	}
}

static int take_all(struct learn *learn, const struct recorded *recorded)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < recorded->nr && !ret; i++)
		ret = learn_take(&recorded->events[i], learn);
	return ret;
}

static size_t rounds(void)
{
	const char *wanted = getenv("ROUNDS");

	return wanted ? (size_t)atol(wanted) : ROUNDS;
}

static void test_random(void **state)
{
	struct random random = { random_seed(NULL) };
	size_t i, j, granted = 0, refused = 0, overlaps = 0;
	struct learn_options options = { 0 };
	static struct recorded recorded;
	struct learn_report report;
	struct learn *learn;
	struct read read;
	char *text;
	size_t len;

	(void)state;
	for (i = 0; i < rounds(); i++) {
		recorded.nr = 1 + random_below(&random, EVENTS);
		for (j = 0; j < recorded.nr; j++)
			random_event(&random, &recorded.events[j]);
		/* One at least, so that there is something to propose. */
		recorded.events[0].outcome = EVENT_DONE;
		options.exact = random_below(&random, 2);
		learn = learn_new(&options);
		assert_int_equal(take_all(learn, &recorded), 0);
		assert_int_equal(learn_propose(learn, &text, &len, &report), 0);
		read_policy(&read, text, len);
		check(&recorded, &read, text, report.overlaps, &granted, &refused);
		overlaps += report.overlaps;
		read_free(&read);
		free(text);
		learn_free(learn);
	}
	printf("%zu requests granted, %zu refused, %zu that cannot be told apart\n", granted,
	       refused, overlaps);
	assert_true(granted > 10 * rounds() && refused > rounds() && overlaps < refused / 10);
}

/* A rule for flags that the policy does not know would change what its other rules mean. */
static bool unknown_flags(const struct read *base, const struct event *event)
{
	return condition_ops[POLICY_IF_flags] >> event->request.op & 1 &&
	       event->request.flags < GMEM_FLAGS_NAMED &&
	       event->request.flags & ~base->policy->known_flags;
}

static void test_base(void **state)
{
	struct random random = { random_seed(NULL) };
	static char base_text[RANDOM_TEXT];
	struct learn_options options = { .base_name = "base" };
	static struct recorded recorded;
	size_t i, j, added = 0, kept = 0;
	struct learn_report report;
	struct gmem_decision before, after;
	struct read base, read;
	struct learn *learn;
	struct diags diags = { 0 };
	char *text, *merged;
	size_t len, merged_len;
	int ret;

	(void)state;
	for (i = 0; i < rounds(); i++) {
		recorded.nr = 1 + random_below(&random, EVENTS);
		for (j = 0; j < recorded.nr; j++)
			random_event(&random, &recorded.events[j]);
		random_policy(&random, base_text, 12);
		read_policy(&base, base_text, strlen(base_text));
		options.base = &base.compiled;
		learn = learn_new(&options);
		assert_int_equal(take_all(learn, &recorded), 0);
		ret = learn_propose(learn, &text, &len, &report);
		if (ret != -ENODATA) {
			struct part policy = { "base", "base", base_text, strlen(base_text) };
			struct part drop_in = { "60", "60", text, len };

			assert_int_equal(ret, 0);
			assert_int_equal(policy_merge(&policy, &drop_in, 1, &diags, &merged,
						      &merged_len),
					 0);
			read_policy(&read, merged, merged_len);
			for (j = 0; j < recorded.nr; j++) {
				const struct event *event = &recorded.events[j];

				before =
					policy_decide(&base.compiled, &event->who, &event->request);
				after = policy_decide(&read.compiled, &event->who, &event->request);
				/* Rules decide as before; defaults give way to what was done. */
				if (before.rule < GMEM_MAX_RULES || !before.deny)
					assert_int_equal(after.deny, before.deny);
				else if (event->outcome == EVENT_DONE &&
					 !unknown_flags(&base, event))
					assert_int_equal(after.deny, 0);
				added += before.deny && !after.deny;
				kept += before.deny && after.deny;
			}
			read_free(&read);
			free(merged);
		}
		read_free(&base);
		free(text);
		learn_free(learn);
	}
	printf("%zu requests granted in addition, %zu still denied\n", added, kept);
	assert_true(added > rounds() && kept > rounds());
}

/* What comes and goes with a VM is not named. */
static void test_cgroups(void **state)
{
	static const char *const cases[][2] = {
		{ "/machine.slice/machine-qemu-1.scope/libvirt/emulator", "\"/machine.slice\"" },
		{ "/user.slice/user-1000.slice/session-3.scope",
		  "\"/user.slice/user-1000.slice\"" },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f_a.slice/x.scope",
		  "\"/kubepods.slice/kubepods-burstable.slice\"" },
		{ "/kubepods/besteffort/pod0c1d/x", "\"/kubepods/besteffort\"" },
		{ "/podman.slice/a", "\"/podman.slice\"" },
		{ "/my.slices/a", "\"/my.slices/a\"" },
	};
	const struct learn_options options = { 0 };
	struct event event = { .outcome = EVENT_DONE, .who.exe = "/bin/vmm" };
	struct learn_report report;
	struct learn *learn;
	char *text;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		event.who.cgroup = cases[i][0];
		learn = learn_new(&options);
		assert_int_equal(learn_take(&event, learn), 0);
		assert_int_equal(learn_propose(learn, &text, &len, &report), 0);
		if (!strstr(text, cases[i][1]))
			fail_msg("no %s in %s", cases[i][1], text);
		free(text);
		learn_free(learn);
	}
}

/* A denial has the inode that the kernel knows, which stat(2) does not show on every file system. */
static void test_other_inode(void **state)
{
	static const char text[] = "version: 2\nname: base\nmode: enforce\ndefault: deny\n"
				   "subjects: { v: { exe: /bin/vmm } }\n"
				   "rules: [ { name: a, allow: create, subjects: v } ]\n";
	struct event event = { .outcome = EVENT_DONE,
			       .who = { .exe = "/bin/vmm",
					.exe_recorded = true,
					.has_exe_identity = true,
					.exe_identity = { .kind = GMEM_BY_INODE, .ino = 99 } } };
	struct learn_options options = { .base_name = "base" };
	struct learn_report report;
	struct learn *learn;
	struct read base;
	char *proposal;
	size_t len;

	(void)state;
	read_policy(&base, text, strlen(text));
	base.policy->subjects[0].exe_known = true;
	base.policy->subjects[0].exe_identity =
		(struct gmem_identity){ .kind = GMEM_BY_INODE, .ino = 5 };
	compiled_free(&base.compiled);
	assert_int_equal(policy_compile(base.policy, &base.compiled, &base.diags), 0);
	options.base = &base.compiled;
	learn = learn_new(&options);
	assert_int_equal(learn_take(&event, learn), 0);
	assert_int_equal(learn_propose(learn, &proposal, &len, &report), -ENODATA);
	assert_int_equal(report.allowed, 1);
	learn_free(learn);
	read_free(&base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_other_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
