// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl's policies against real operations: each operation by an allowed and by a denied user,
 * enforced and in audit mode, compared in verdict, errno, counters and event. A load must be
 * refused, with the name of the hook, where the lane cannot enforce the policy; what each lane can
 * enforce is in lib/offers.h. Runs as root in each lane.
 *
 *   policy_test [CASE...]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/ctl/kernel/loader.h"
#include "../../src/policy/compile.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/kvm.h"
#include "lib/offers_ctl.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

#define NO_RULES "rules: []\n"

#define GOOD 1001 /* uids */
#define BAD  1002

static struct hooks hooks;
static struct plan plan; /* of the kernel, without --strict-ioctl */

/* The words of a list of operations, those of @ops. */
static const char *list(unsigned int ops)
{
	static char text[4][128];
	static unsigned int next;
	char *at = text[next++ % 4];
	int op, len = 0;

	at[0] = '\0';
	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (ops >> op & 1)
			len += sprintf(at + len, "%s%s", len ? ", " : "", operation_names[op]);
	}
	return at;
}

static unsigned int all_carried(void)
{
	unsigned int ops = 0;

	for (int op = 0; op < GMEM_DO_MAX; op++)
		ops |= (unsigned int)offer_carried(op) << op;
	return ops;
}

/*
 * Everything that can be denied is denied by default; one user may all of it, the other all but
 * what is asked for: rule 1. To change the protection there must be a mapping without it.
 */
static char *table_policy(unsigned int ops, enum request_kind kind)
{
	int denied = request_ops[kind];

	return policy_text(ops,
			   "subjects:\n"
			   "  good: { uid: [%d] }\n"
			   "  bad: { uid: [%d] }\n"
			   "rules:\n"
			   "  - { name: may, allow: [%s], subjects: [good] }\n"
			   "  - { name: may-not, deny: [%s], subjects: [bad]%s }\n"
			   "  - { name: rest, allow: [%s], subjects: [bad] }\n",
			   GOOD, BAD, list(ops), operation_names[denied],
			   kind == REQUEST_mprotect ? ", when: { prot: [write] }" : "",
			   list(kind == REQUEST_mprotect ? ops : ops & ~(1U << denied)));
}

/* What a denial looks like from where it is asked. */
static int denial_of(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_fault:
	case REQUEST_inherited: return ASKED_SIGBUS;
	case REQUEST_vm_readv: return EFAULT;
	case REQUEST_scm_rights: return ASKED_CUT;
	default: return EACCES;
	}
}

static const struct gmem_denial *only_event(const char *what, unsigned int nr)
{
	CHECK(nr == 1, "%s: %u events", what, nr);
	return nr ? &policy_events[nr - 1] : NULL;
}

static void check_event(const char *what, const struct gmem_denial *e, int op, bool enforce,
			__u64 generation)
{
	if (!e)
		return;
	CHECK(e->request.op == (unsigned int)op, "%s: op %u", what, e->request.op);
	CHECK(e->verdict == (enforce ? GMEM_VERDICT_denied : GMEM_VERDICT_would_deny),
	      "%s: verdict %u", what, e->verdict);
	CHECK(e->rule == 1, "%s: rule %u", what, e->rule);
	CHECK(e->uid == BAD, "%s: uid %u", what, e->uid);
	CHECK(e->generation == generation, "%s: generation %llu", what, e->generation);
	CHECK(e->exe_known && e->exe.ino, "%s: executable unknown", what);
	CHECK(e->pid && e->cgroup, "%s: pid %u cgroup %llu", what, e->pid, e->cgroup);
}

/* One request as both users, under a policy that denies it to one of them. */
static void table_row(enum request_kind kind, bool enforce, int bare)
{
	int op = request_ops[kind], good, bad;
	struct loader_status before, after;
	char what[64];
	__u64 denied, would;

	snprintf(what, sizeof(what), "%s, %s", request_names[kind], enforce ? "enforce" : "audit");
	policy_status(&before);
	policy_read_events();
	good = request_as(GOOD, kind);
	CHECK(good == bare, "%s: allowed: %d, without a policy %d", what, good, bare);
	CHECK(!policy_read_events(), "%s: an event of what is allowed", what);
	bad = request_as(BAD, kind);
	CHECK(bad == (enforce ? denial_of(kind) : bare), "%s: denied: %d", what, bad);
	policy_status(&after);
	denied = after.ops[op].n[GMEM_VERDICT_denied] - before.ops[op].n[GMEM_VERDICT_denied];
	would = after.ops[op].n[GMEM_VERDICT_would_deny] -
		before.ops[op].n[GMEM_VERDICT_would_deny];
	CHECK(denied == enforce && would == !enforce, "%s: %llu denied, %llu would be", what,
	      denied, would);
	CHECK(after.ops[op].n[GMEM_VERDICT_allowed] > before.ops[op].n[GMEM_VERDICT_allowed],
	      "%s: nothing allowed", what);
	CHECK(policy_rule_hits(1, enforce ? GMEM_VERDICT_denied : GMEM_VERDICT_would_deny) >= 1,
	      "%s: the rule has no hit", what);
	check_event(what, only_event(what, policy_read_events()), op, enforce,
		    GMEM_ACTIVE_GENERATION(after.word));
}

/* Does the request need an instance that the host has mapped? */
static bool needs_mapping(enum request_kind kind)
{
	return kind == REQUEST_mprotect || kind == REQUEST_madvise ||
	       request_ops[kind] == GMEM_DO_fault;
}

/* gmemctl's plan for this kernel is that of the lane: no operation more and none less. */
static void test_offers(void)
{
	CHECK(!offers_check_ctl(&plan), "not as in tests/vm/lib/offers.h");
}

static void test_table(void)
{
	unsigned int ops = all_carried();

	for (int kind = 0; kind < REQUEST_MAX; kind++) {
		int bare = request_as(GOOD, kind), op = request_ops[kind];

		CHECK((bare == ASKED_NOT) == (needs_mapping(kind) && !offer_can(OFFER_mapped)),
		      "%s: %d without a policy", request_names[kind], bare);
		if (!offer_carried(op) || bare == ASKED_NOT)
			continue;
		for (int enforce = 0; enforce < 2; enforce++) {
			char *text = table_policy(ops, kind);

			CHECK(!policy_load(text, enforce, 0), "%s: load", request_names[kind]);
			table_row(kind, enforce, bare);
			free(text);
		}
		CHECK(request_as(GOOD, kind) == bare, "%s: once more", request_names[kind]);
	}
}

/* A load is refused with the hook's name where no hook carries the operation; audit mode takes it. */
static void test_missing(void)
{
	for (int op = 0; op < GMEM_DO_MAX; op++) {
		char *text = policy_text(1U << op, NO_RULES);

		if (offer_guarantee(op) == GUARANTEE_moot) {
			free(text);
			continue;
		}
		if (offer_carried(op)) {
			CHECK(!policy_load(text, true, 0), "%s", operation_names[op]);
			free(text);
			continue;
		}
		CHECK(policy_load(text, true, 0) == -EOPNOTSUPP, "%s", operation_names[op]);
		CHECK(strstr(plan.why[op], "hook"), "%s: %s", operation_names[op], plan.why[op]);
		CHECK(policy_load(text, false, 0) == 0, "%s in audit mode", operation_names[op]);
		CHECK(loader_set_mode(NULL, true, true, &(enum proof){ 0 }) == -EOPNOTSUPP,
		      "%s: enforced later", operation_names[op]);
		free(text);
	}
}

/* --strict-ioctl: by the number of the ioctl where the hooks are missing, by the hooks elsewhere. */
static void test_strict(void)
{
	static const enum request_kind kinds[] = { REQUEST_bind, REQUEST_convert };

	for (int i = 0; i < 2; i++) {
		int op = request_ops[kinds[i]], bare = request_as(GOOD, kinds[i]);
		char *text;

		if (offer_guarantee(op) == GUARANTEE_moot)
			continue;
		text = table_policy(all_carried() | 1U << op, kinds[i]);
		CHECK(!policy_load(text, true, POLICY_STRICT), "%s", operation_names[op]);
		CHECK(request_as(GOOD, kinds[i]) == bare, "allowed");
		CHECK(request_as(BAD, kinds[i]) == EACCES, "denied");
		if (!offer_carried(op)) {
			/* Without it, the programs that are attached do nothing. */
			CHECK(policy_load(text, false, 0) == 0, "load");
			CHECK(request_as(BAD, kinds[i]) == bare, "no longer strict");
		}
		free(text);
	}
}

/* --- conditions --- */

static void test_conditions(void)
{
	char *text;
	int ret;

	text = policy_text(1U << GMEM_DO_create,
			   "subjects: { good: { uid: [%d] } }\n"
			   "rules:\n"
			   "  - { name: small, allow: [create], subjects: [good], "
			   "when: { size: \"<= 8KiB\" } }\n",
			   GOOD);
	ret = policy_load(text, true, 0);
	if (offer_guarantee(GMEM_DO_create) == GUARANTEE_limited) {
		CHECK(ret == -EOPNOTSUPP, "size without its hook: %d", ret);
	} else {
		CHECK(!ret, "%d", ret);
		/* Requests are of 16 KiB. */
		CHECK(request_as(GOOD, REQUEST_create) == EACCES, "too large");
	}
	free(text);
	text = policy_text(1U << GMEM_DO_create,
			   "subjects: { good: { uid: [%d] } }\n"
			   "rules:\n"
			   "  - { name: default-vm, allow: [create], subjects: [good], "
			   "when: { vm-type: [default] } }\n",
			   GOOD);
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(!request_as(GOOD, REQUEST_create), "of a default VM");
	free(text);
	text = policy_text(1U << GMEM_DO_create,
			   "subjects: { good: { uid: [%d] } }\n"
			   "rules:\n"
			   "  - { name: protected, allow: [create], subjects: [good], "
			   "when: { vm-type: [software-protected] } }\n",
			   GOOD);
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(request_as(GOOD, REQUEST_create) == EACCES, "of a default VM");
	free(text);
}

/* --- what is remembered of a decision is not taken for another --- */

#define PAGES 6 /* of sizes and of guest memory: those from 2 to 3 are allowed */

static int answer(int fd)
{
	int err = fd < 0 ? errno : 0;

	if (fd > 2)
		close(fd);
	return err;
}

/* By one task, to and fro, so that each request comes after every other. Return: wrong answers. */
static int ask_around(int kvm)
{
	int vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM), a, b, turn, wrong = 0;

	if (vm < 0)
		return -1;
	for (a = 0; a < PAGES; a++) {
		for (b = 0; b < PAGES; b++) {
			for (turn = 0; turn < 2; turn++) {
				uint64_t page = (uint64_t)(turn ? b : a);
				int wanted = page >= 2 && page <= 3 ? 0 : EACCES;

				wrong += answer(kvm_create_instance(vm, (page + 1) * KVM_PAGE,
								    0)) != wanted;
				wrong += answer(kvm_convert(vm, page * KVM_PAGE, KVM_PAGE,
							    KVM_MEMORY_ATTRIBUTE_PRIVATE)) !=
					 wanted;
			}
		}
	}
	close(vm);
	return wrong;
}

static void test_remembered(void)
{
	int kvm, status = -1;
	char *text;
	pid_t pid;

	if (offer_guarantee(GMEM_DO_convert) != GUARANTEE_enforced) {
		skip_case("this lane cannot deny conversions, lane patched can");
		return;
	}
	text = policy_text(1U << GMEM_DO_create | 1U << GMEM_DO_convert,
			   "subjects: { good: { uid: [%d] } }\n"
			   "rules:\n"
			   "  - { name: sizes, allow: [create], subjects: [good], "
			   "when: { size: [\">= 12KiB\", \"<= 16KiB\"] } }\n"
			   "  - { name: places, allow: [convert], subjects: [good], "
			   "when: { range: 8KiB-16KiB } }\n",
			   GOOD);
	CHECK(!policy_load(text, true, 0), "load");
	free(text);
	pid = fork();
	if (!pid) {
		kvm = kvm_open();
		_exit(kvm < 0 || seteuid(GOOD) ? 255 : ask_around(kvm));
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status,
	      "%d answers of %d are wrong (or more: status %x)", WEXITSTATUS(status),
	      PAGES * PAGES * 4, status);
}

/* --- who asks --- */

#define EXE    "/tmp/policy-exe"
#define SELF   "/proc/self/exe"
#define CGROUP "/sys/fs/cgroup/policy"

static int run(char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execv(argv[0], argv);
		_exit(ASKED_NOT);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

#define RUN(...) run((char *[]){ __VA_ARGS__, NULL })

static void copy_self(const char *to)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -f %s; cp /proc/%d/exe %s", to, getpid(), to);
	if (system(cmd))
		give_up(cmd);
}

static void test_exe(void)
{
	char *text;

	copy_self(EXE);
	text = policy_text(1U << GMEM_DO_create,
			   "subjects: { vmm: { exe: " EXE " } }\n"
			   "rules: [ { name: vmm, allow: [create], subjects: [vmm] } ]\n");
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(RUN(EXE, "--ask", "create") == 0, "the executable itself");
	CHECK(RUN(EXE, "--fork", "--ask", "create") == 0, "a child inherits");
	CHECK(RUN(EXE, "--thread", "--ask", "create") == 0, "a thread inherits");
	CHECK(RUN(SELF, "--ask", "create") == EACCES, "another executable");
	CHECK(RUN(EXE, "--exec", SELF, "--ask", "create") == 0, "itself again");
	copy_self(EXE "-2");
	CHECK(RUN(EXE, "--exec", EXE "-2", "--ask", "create") == EACCES, "exec of another");
	CHECK(RUN(EXE "-2", "--exec", EXE, "--ask", "create") == 0, "exec of the right one");
	CHECK(!link(EXE, EXE "-link") && RUN(EXE "-link", "--ask", "create") == 0, "a hard link");
	CHECK(!rename(EXE "-2", EXE) && RUN(EXE, "--ask", "create") == EACCES,
	      "another file under that name");
	unlink(EXE);
	unlink(EXE "-link");
	free(text);
}

static int in_cgroup(const char *path, enum request_kind kind)
{
	int status, fd;
	pid_t pid = fork();

	if (!pid) {
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(ASKED_NOT);
		_exit(request(kind));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

static void test_cgroup(void)
{
	char *text;

	if (mkdir(CGROUP, 0755) || mkdir(CGROUP "/in", 0755) || mkdir(CGROUP "/in/deep", 0755) ||
	    mkdir(CGROUP "-2", 0755))
		give_up("making cgroups");
	text = policy_text(
		1U << GMEM_DO_create,
		"subjects: { outer: { cgroup: /policy }, inner: { cgroup: /policy/in } }\n"
		"rules:\n"
		"  - { name: not-inner, deny: [create], subjects: [inner] }\n"
		"  - { name: outer, allow: [create], subjects: [outer] }\n");
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(in_cgroup(CGROUP "/cgroup.procs", REQUEST_create) == 0, "itself");
	CHECK(in_cgroup(CGROUP "/in/cgroup.procs", REQUEST_create) == EACCES, "a named one in it");
	CHECK(in_cgroup(CGROUP "/in/deep/cgroup.procs", REQUEST_create) == EACCES, "below that");
	CHECK(in_cgroup(CGROUP "-2/cgroup.procs", REQUEST_create) == EACCES, "another");
	CHECK(request_as(0, REQUEST_create) == EACCES, "the root");
	free(text);
	rmdir(CGROUP "/in/deep");
	rmdir(CGROUP "/in");
	rmdir(CGROUP);
	rmdir(CGROUP "-2");
}

/* --- life --- */

static void test_life(void)
{
	char *deny = policy_text(1U << GMEM_DO_create, NO_RULES);
	char *allow = policy_text(0, NO_RULES);
	struct loader_status status;
	__u64 generation;
	enum proof proof;

	policy_status(&status);
	CHECK(!status.loaded, "nothing yet");
	CHECK(!policy_load(deny, true, 0), "load");
	CHECK(policy_report.proof == PROOF_denied, "%s", proof_names[policy_report.proof]);
	CHECK(policy_report.tagged > 0, "no task tagged");
	CHECK(request_as(0, REQUEST_create) == EACCES, "enforced");
	CHECK(!loader_set_mode(NULL, false, true, &proof) && proof == PROOF_audit, "%d", proof);
	CHECK(!request_as(0, REQUEST_create), "in audit mode");
	CHECK(!loader_set_mode(NULL, true, true, &proof) && proof == PROOF_denied, "%d", proof);
	CHECK(policy_load(allow, true, POLICY_SAME_DEFAULT) == -EBADMSG, "another default");
	CHECK(request_as(0, REQUEST_create) == EACCES, "the old one is in force");
	CHECK(!policy_load(allow, true, POLICY_DRY_RUN), "dry run");
	CHECK(request_as(0, REQUEST_create) == EACCES, "the old one is in force");
	CHECK(!policy_load(allow, true, 0), "replace");
	CHECK(!request_as(0, REQUEST_create), "the new one");
	CHECK(!loader_rollback(NULL, true, &generation, &(enum proof){ 0 }) && generation == 3,
	      "%llu", generation);
	CHECK(request_as(0, REQUEST_create) == EACCES, "rolled back");
	CHECK(!loader_rollback(NULL, true, &generation, &(enum proof){ 0 }) && generation == 4,
	      "%llu", generation);
	CHECK(!request_as(0, REQUEST_create), "and forward");
	policy_unload();
	policy_status(&status);
	CHECK(!status.loaded, "unloaded");
	CHECK(!request_as(0, REQUEST_create), "nothing is in force");
	CHECK(loader_unload(NULL) == -ENOENT, "twice");
	free(deny);
	free(allow);
}

/*
 * Each case from "table" on leaves its policy to the next one, which replaces it: the first load
 * takes the verifier seconds.
 */
static const struct test_case cases[] = {
	{ "offers", test_offers },   { "life", test_life },	{ "table", test_table },
	{ "missing", test_missing }, { "strict", test_strict }, { "conditions", test_conditions },
	{ "exe", test_exe },	     { "cgroup", test_cgroup }, { "remembered", test_remembered },
};

/* The test as somebody else: --fork, --thread and --exec FILE before --ask REQUEST. */
static void *ask_in_thread(void *kind)
{
	return (void *)(intptr_t)request((enum request_kind)(intptr_t)kind);
}

static int play(char **argv)
{
	bool thread = false;
	pthread_t t;
	void *ret;
	int kind;

	for (;; argv++) {
		if (!strcmp(*argv, "--fork")) {
			int status;
			pid_t pid = fork();

			if (pid)
				return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status)
								       : ASKED_NOT;
		} else if (!strcmp(*argv, "--exec")) {
			execv(argv[1], argv + 1);
			return ASKED_NOT;
		} else if (!strcmp(*argv, "--thread")) {
			thread = true;
		} else {
			break;
		}
	}
	for (kind = 0; kind < REQUEST_MAX && strcmp(argv[1], request_names[kind]); kind++)
		;
	if (!thread)
		return request((enum request_kind)kind);
	if (pthread_create(&t, NULL, ask_in_thread, (void *)(intptr_t)kind) ||
	    pthread_join(t, &ret))
		return ASKED_NOT;
	return (int)(intptr_t)ret;
}

int main(int argc, char **argv)
{
	int ret;

	if (argc > 2 && !strncmp(argv[1], "--", 2))
		return play(argv + 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_test", false, getenv("VERBOSE") ? 1 : 0);
	if (hooks_probe(&hooks))
		return 1;
	hooks_plan(&hooks, NULL, false, &plan);
	policy_unload();
	ret = run_cases("policy", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	policy_unload();
	return ret;
}
