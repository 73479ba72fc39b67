// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random policies and random requests: the kernel decides as `gmemctl test` does, by the same rule.
 * Most requests nobody could make at will; for these the matcher is run in the kernel as whoever
 * asks (uid, cgroup and identity are really those). The others are made, and each rule's counters
 * must say what was decided on the way. Runs as root in any lane.
 *
 *   policy_random_test [PAIRS [SEED]]
 */
#define _GNU_SOURCE
#include <linux/securebits.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <bpf/bpf.h>

#include "../../src/lib/log.h"
#include "../unit/policy_random.h"
#include "lib/kvm.h"
#include "lib/offers_ctl.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "lib/wanted.h"
#include "policy_match.skel.h"
#include "test.h"

#define PAIRS	    10000
#define PER_POLICY  40 /* requests to the matcher, of each policy */
#define PER_CGROUP  10 /* of these, between moves into another cgroup */
#define REAL_EVERY  2  /* policies, of which one gets real requests */
#define CGROUP_ROOT "/sys/fs/cgroup"
#define SIZE	    (4 * KVM_PAGE) /* as in lib/requests.c */

static struct pins pins;
static struct store store;
static struct policy_match_bpf *match;
static int self; /* pidfd */

/* A policy as it stands in a slot of the kernel. */
struct loaded {
	struct policy *policy;
	struct compiled compiled;
	struct diags diags;
	unsigned int slot;
	char text[RANDOM_TEXT];
};

static void load_match(void)
{
	const struct {
		struct bpf_map *map;
		enum pinned_map pinned;
	} shared[] = {
		{ match->maps.gmem_heads, MAP_heads },	   { match->maps.gmem_pool, MAP_pool },
		{ match->maps.gmem_exes, MAP_exes },	   { match->maps.gmem_uids, MAP_uids },
		{ match->maps.gmem_cgroups, MAP_cgroups }, { match->maps.gmem_tags, MAP_tags },
	};
	size_t i;

	for (i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		if (bpf_map__reuse_fd(shared[i].map, store.fd[shared[i].pinned]))
			give_up("sharing a map");
	}
	if (policy_match_bpf__load(match))
		give_up("loading the matcher");
}

/* Once, by way of gmemctl's own load: programs and maps, also those that read the type of a VM. */
static void load_programs(void)
{
	char *text = policy_text(0, "rules:\n"
				    "  - { name: typed, allow: [create], subjects: any, "
				    "when: { vm-type: [default] } }\n");

	if (policy_load(text, true, 0) || pins_open(&pins, NULL, false) ||
	    store_open(&store, &pins))
		give_up("loading a policy");
	free(text);
	match = policy_match_bpf__open();
	if (!match)
		give_up("opening the matcher");
	load_match();
}

static void make_cgroups(void)
{
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(random_cgroups) / sizeof(*random_cgroups); i++) {
		snprintf(path, sizeof(path), CGROUP_ROOT "%s", random_cgroups[i]);
		/* Some have no parent in the list. */
		if (mkdir(CGROUP_ROOT "/d", 0755) && errno != EEXIST)
			give_up(path);
		if (mkdir(path, 0755) && errno != EEXIST) {
			char *end = strrchr(path, '/');

			*end = '\0';
			mkdir(path, 0755);
			*end = '/';
			if (mkdir(path, 0755))
				give_up(path);
		}
	}
}

static void enter_cgroup(const char *cgroup)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), CGROUP_ROOT "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		give_up(path);
	close(fd);
}

/* Where policy_resolve() would ask the system, by the test's own files and cgroups. */
static void know_cgroups(struct compiled *compiled)
{
	char path[128];
	struct stat st;
	size_t i;

	for (i = 0; i < compiled->nr_cgroups; i++) {
		snprintf(path, sizeof(path), CGROUP_ROOT "%s", compiled->cgroups[i].path);
		if (stat(path, &st))
			give_up(path);
		compiled->cgroups[i].id = st.st_ino;
		compiled->cgroups[i].known = true;
	}
}

/* By default, what comes first on the way is allowed: else few requests would get any further. */
static void open_the_way(char *text)
{
	static const char *const first[] = { " create: deny,", " mmap: deny," };
	char *at, *verdict;
	size_t i;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		at = strstr(text, first[i]);
		if (!at)
			continue;
		verdict = at + strlen(first[i]) - strlen("deny,");
		memmove(verdict + strlen("allow"), verdict + strlen("deny"),
			strlen(verdict + strlen("deny")) + 1);
		memcpy(verdict, "allow", strlen("allow"));
	}
}

static void load_random(struct loaded *l, struct random *random, unsigned int max_rules, bool real)
{
	struct gmem_slot how = { 0 };
	struct gmem_identity *identities;
	__u64 generation = store_next_generation(&store);
	size_t i;

	random_policy(random, l->text, max_rules);
	if (real)
		open_the_way(l->text);
	memset(&l->diags, 0, sizeof(l->diags));
	if (policy_parse(l->text, strlen(l->text), "random", &l->policy, &l->diags)) {
		diags_print(&l->diags, stdout);
		exit(1);
	}
	random_resolve(l->policy);
	if (policy_compile(l->policy, &l->compiled, &l->diags))
		exit(1);
	know_cgroups(&l->compiled);
	identities = calloc(l->compiled.nr_exes + 1, sizeof(*identities));
	for (i = 0; i < l->compiled.nr_exes; i++) {
		if (l->compiled.exes[i].known)
			identities[i] = l->compiled.exes[i].identity;
	}
	how.enforce = 1;
	how.by_flags = loader_looks_at(l->policy, POLICY_IF_flags);
	how.by_type = loader_looks_at(l->policy, POLICY_IF_vm_type);
	l->slot = store_free_slot(&store);
	if (store_fill(&store, l->slot, generation, &l->compiled, identities, &how))
		exit(1);
	free(identities);
}

static void unload_random(struct loaded *l)
{
	compiled_free(&l->compiled);
	policy_free(l->policy);
	diags_free(&l->diags);
}

/* The kernel knows files by what they are, and not by the names of those that are not here. */
static void become(struct who *who)
{
	static struct gmem_tag tag;

	memset(&tag, 0, sizeof(tag));
	/* As if it had begun under the policy. */
	tag.enforced = GMEM_GUARDS_BY_POLICY;
	who->exe = NULL;
	if (who->has_exe_identity)
		tag.exe = who->exe_identity;
	if (who->has_verity)
		tag.verity = who->verity;
	tag.exe.root = tag.verity.root = (__u16)who->root;
	if (bpf_map_update_elem(store.fd[MAP_tags], &self, &tag, BPF_ANY))
		give_up("setting the identity");
}

static bool same(const struct gmem_decision *a, const struct gmem_decision *b)
{
	return a->deny == b->deny && a->rule == b->rule && a->audit_rule == b->audit_rule &&
	       (a->audit_rule == GMEM_RULE_NONE || a->audit_deny == b->audit_deny);
}

static void tell(const struct loaded *l, const struct who *who, const struct gmem_request *r)
{
	printf("%s", l->text);
	printf("op %u flags %u type %u prot %u direction %u size %llx start %llx end %llx\n", r->op,
	       r->flags, r->type, r->prot, r->direction, r->size, r->start, r->end);
	printf("inode %llu verity %d uid %u cgroup %s\n", who->exe_identity.ino, who->has_verity,
	       who->uid, who->cgroup);
}

/* One request that is only asked about. */
static void ask(const struct loaded *l, struct random *random, const char *cgroup)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct gmem_decision here, *there = &match->bss->decision;
	struct gmem_request request;
	struct who who;
	int before = failures;

	random_who(random, &who);
	who.cgroup = cgroup;
	random_request(random, &request);
	become(&who);
	here = policy_decide(&l->compiled, &who, &request);
	match->bss->slot = l->slot;
	match->bss->request = request;
	if (seteuid(who.uid) ||
	    bpf_prog_test_run_opts(bpf_program__fd(match->progs.match), &opts) || seteuid(0))
		give_up("running the matcher");
	CHECK(match->bss->answered, "no answer");
	CHECK(same(&here, there), "here: deny %u rule %d trial %d; in the kernel: %u %d %d",
	      here.deny, (int)here.rule, (int)here.audit_rule, there->deny, (int)there->rule,
	      (int)there->audit_rule);
	if (failures != before)
		tell(l, &who, &request);
}

/* --- real ones --- */

/* What lib/requests.c asks for on the way, in its order. */
static unsigned int steps_of(enum request_kind kind, struct gmem_request *steps)
{
	const struct gmem_request view = { .flags = 3, .type = GMEM_TYPE_default, .size = SIZE };
	unsigned int n = 0;

	if (kind == REQUEST_convert) {
		steps[0] = (struct gmem_request){ .op = GMEM_DO_convert,
						  .flags = GMEM_FLAGS_unknown,
						  .type = GMEM_TYPE_software_protected,
						  .direction = GMEM_DIR_to_private,
						  .start = KVM_TEST_GPA,
						  .end = KVM_TEST_GPA + KVM_PAGE };
		return 1;
	}
	steps[0] = view;
	steps[0].op = GMEM_DO_create;
	if (kind == REQUEST_create || kind == REQUEST_bind)
		steps[0].flags = 0;
	if (kind == REQUEST_bind)
		steps[0].type = GMEM_TYPE_software_protected;
	n = 1;
	if (request_ops[kind] == GMEM_DO_fault || kind == REQUEST_madvise ||
	    kind == REQUEST_mprotect) {
		steps[n] = view;
		steps[n].op = GMEM_DO_mmap;
		steps[n++].prot = kind == REQUEST_mprotect ? 1 : 3;
	}
	if (kind == REQUEST_create)
		return n;
	steps[n] = view;
	steps[n].op = (__u32)request_ops[kind];
	if (steps[n].op == GMEM_DO_mmap)
		steps[n].prot = 3;
	if (steps[n].op == GMEM_DO_fault)
		steps[n].prot = 1;
	if (kind == REQUEST_bind) {
		steps[n] = steps[0];
		steps[n].op = GMEM_DO_bind;
		steps[n].start = KVM_TEST_GPA;
		steps[n].end = KVM_TEST_GPA + SIZE;
		steps[n].offset_end = SIZE;
	}
	return n + 1;
}

static void count(struct gmem_hits *hits, const struct gmem_decision *d)
{
	hits[d->rule].n[d->deny ? GMEM_VERDICT_denied : GMEM_VERDICT_allowed]++;
	if (d->audit_rule != GMEM_RULE_NONE && d->audit_deny != d->deny)
		hits[d->audit_rule]
			.n[d->audit_deny ? GMEM_VERDICT_would_deny : GMEM_VERDICT_would_allow]++;
}

static void read_hits(unsigned int slot, struct gmem_hits *hits)
{
	if (store_hits(&store, MAP_rule_hits, slot * GMEM_RULE_MAX, GMEM_RULE_MAX, hits))
		give_up("reading counters");
}

/* Each request once, by somebody. Return: how many decisions that were. */
static unsigned int ask_really(const struct loaded *l, struct random *random)
{
	static struct gmem_hits before[GMEM_RULE_MAX], after[GMEM_RULE_MAX], wanted[GMEM_RULE_MAX];
	unsigned int kind, i, nr, decided = 0;
	struct gmem_request steps[3];
	struct gmem_decision d;
	struct who who;
	int ret;

	store_activate(&store, l->slot, store_next_generation(&store), true);
	read_hits(l->slot, before);
	for (kind = 0; kind < REQUEST_MAX; kind++) {
		random_who(random, &who);
		enter_cgroup(who.cgroup);
		become(&who);
		memset(wanted, 0, sizeof(wanted));
		nr = steps_of(kind, steps);
		for (i = 0; i < nr; i++) {
			d = policy_decide(&l->compiled, &who, &steps[i]);
			count(wanted, &d);
			decided++;
			if (d.deny)
				break;
		}
		ret = request_as(who.uid, kind);
		CHECK(i < nr ? ret != 0 : !ret, "%s: %d, wanted to be denied at step %u of %u",
		      request_names[kind], ret, i, nr);
		CHECK(ret != ASKED_NOT || i + 1 < nr, "%s: it did not get that far",
		      request_names[kind]);
		read_hits(l->slot, after);
		for (i = 0; i < GMEM_RULE_MAX; i++) {
			unsigned int v;

			for (v = 0; v < GMEM_VERDICT_MAX; v++) {
				__u64 n = after[i].n[v] - before[i].n[v];

				CHECK(n == wanted[i].n[v],
				      "%s: rule %u verdict %u: %llu, wanted %llu",
				      request_names[kind], i, v, n, wanted[i].n[v]);
				if (n != wanted[i].n[v])
					tell(l, &who, &steps[nr - 1]);
			}
		}
		memcpy(before, after, sizeof(before));
	}
	enter_cgroup("/");
	return decided;
}

/* Are all operations decided, and are there VMs with private memory? The steps assume both. */
static bool can_ask_really(void)
{
	struct hooks hooks;
	struct plan plan;
	int op, kvm = kvm_open(), vm = kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);

	if (hooks_probe(&hooks))
		exit(1);
	hooks_plan(&hooks, NULL, false, &plan);
	CHECK(!offers_check_ctl(&plan), "not as in tests/vm/lib/offers.h");
	CHECK((vm >= 0) == offer_can(OFFER_software_protected),
	      "software-protected VMs: not as in tests/vm/lib/offers.h");
	close(vm);
	close(kvm);
	for (op = 0; op < GMEM_DO_MAX && offer_guarantee(op) == GUARANTEE_enforced; op++)
		;
	return op == GMEM_DO_MAX && offer_can(OFFER_software_protected);
}

int main(int argc, char **argv)
{
	unsigned int pairs = argc > 1 ? (unsigned int)wanted_number(argv[1]) : PAIRS, asked = 0,
		     policies = 0;
	struct random random = { random_seed(argc > 2 ? argv[2] : NULL) };
	unsigned int real = 0, i;
	static struct loaded l;
	const char *cgroup = "/";
	bool really, real_now;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_random_test", false, 0);
	/* With another user's rights, and yet allowed to run programs. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP))
		give_up("keeping capabilities");
	really = can_ask_really();
	policy_unload();
	make_cgroups();
	load_programs();
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	for (; asked + real < pairs && !failures; policies++) {
		real_now = really && policies % REAL_EVERY == 0;
		load_random(&l, &random, policies % 10 ? 12 : 150, real_now);
		for (i = 0; i < PER_POLICY; i++, asked++) {
			if (i % PER_CGROUP == 0) {
				cgroup = PICK(&random, random_cgroups);
				enter_cgroup(cgroup);
			}
			ask(&l, &random, cgroup);
		}
		enter_cgroup("/");
		if (real_now)
			real += ask_really(&l, &random);
		unload_random(&l);
	}
	policy_match_bpf__destroy(match);
	store_close(&store);
	pins_close(&pins);
	policy_unload();
	printf("random: %u policies, %u requests asked about, %u decisions on real ones\n",
	       policies, asked, real);
	CHECK(!really == !real, "%u decisions on real requests", real);
	printf("random: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
