// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs of one version of gmemctl replace those of another while a policy is in force: four
 * processes ask as fast as they can, none of their requests is left undecided, none that is allowed
 * is denied, and all are counted once. Two builds of gmemctl take turns, which differ in their
 * programs and their version. Then loads are killed at random moments. Runs as root in any lane.
 *
 *   policy_upgrade_test [UPGRADES [KILLS]]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../../src/ctl/kernel/programs.h"
#include "../../src/lib/log.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "lib/wanted.h"
#include "test.h"

#define UPGRADES 4
#define KILLS	 6
#define MANY	 20
#define FILES	 "/run/policy-upgrade"
#define NAMED	 FILES "/named"
#define VIEW	 (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define ALLOWED	 1001
#define DENIED	 1002

static const char *const versions[] = { "build/gmemctl", "build/tests/gmemctl-other" };

/* What the processes that ask have in common with this one. */
struct shared {
	atomic_bool stop;
	atomic_ulong created, punched; /* by the user that may */
	atomic_ulong refused;	       /* creations of the user that may not, denied */
	atomic_ulong passed;	       /* the same, which were not */
	atomic_ulong executed;	       /* the named one, with a variable for the loader */
	atomic_ulong failed;	       /* requests of the user that may, which failed */
	atomic_int error;	       /* the last errno of these */
};
static struct shared *asked;

static void note_failure(void)
{
	atomic_store(&asked->error, errno);
	atomic_fetch_add(&asked->failed, 1);
}

static int new_vm(uid_t uid)
{
	int kvm = kvm_open(), vm;

	if (kvm < 0 || seteuid(uid))
		give_up("/dev/kvm");
	vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (vm < 0)
		give_up("a VM");
	return vm;
}

static int create(int vm)
{
	int fd = kvm_create_instance(vm, KVM_PAGE, VIEW);

	if (fd < 0 && errno == EINVAL)
		fd = kvm_create_instance(vm, KVM_PAGE, 0);
	return fd;
}

static void ask_allowed(void)
{
	int vm = new_vm(ALLOWED), fd;

	while (!atomic_load(&asked->stop)) {
		fd = create(vm);
		if (fd < 0) {
			note_failure();
			continue;
		}
		atomic_fetch_add(&asked->created, 1);
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE))
			note_failure();
		else
			atomic_fetch_add(&asked->punched, 1);
		close(fd);
	}
}

static void ask_denied(void)
{
	int vm = new_vm(DENIED), fd;

	while (!atomic_load(&asked->stop)) {
		fd = create(vm);
		atomic_fetch_add(fd < 0 && errno == EACCES ? &asked->refused : &asked->passed, 1);
		if (fd >= 0)
			close(fd);
	}
}

static void execute(void)
{
	static char *const argv[] = { NAMED, NULL }, *const env[] = { "LD_LIBRARY_PATH=/none",
								      NULL };
	int status;
	pid_t pid;

	while (!atomic_load(&asked->stop)) {
		pid = vfork();
		if (!pid) {
			execve(NAMED, argv, env);
			_exit(255);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			note_failure();
		else
			atomic_fetch_add(&asked->executed, 1);
	}
}

static void (*const askers[])(void) = { ask_allowed, ask_allowed, ask_denied, execute };
#define NR_ASKERS (sizeof(askers) / sizeof(askers[0]))

/* What the policy counted. */
struct counted {
	__u64 created, punched, refused, would_refuse, executed, preloads, events;
};

static struct counted read_counted(void)
{
	struct loader_status status;

	policy_status(&status);
	return (struct counted){
		.created = status.ops[GMEM_DO_create].n[GMEM_VERDICT_allowed],
		.punched = status.ops[GMEM_DO_punch].n[GMEM_VERDICT_allowed],
		.refused = status.ops[GMEM_DO_create].n[GMEM_VERDICT_denied],
		.would_refuse = status.ops[GMEM_DO_create].n[GMEM_VERDICT_would_deny],
		.executed = status.guards[GMEM_GUARD_preload].n[GMEM_VERDICT_allowed],
		.preloads = status.guards[GMEM_GUARD_preload].n[GMEM_VERDICT_denied] +
			    status.guards[GMEM_GUARD_preload].n[GMEM_VERDICT_would_deny],
		.events = status.journal.events,
	};
}

static void start_asking(pid_t pids[NR_ASKERS])
{
	size_t i;

	memset(asked, 0, sizeof(*asked));
	for (i = 0; i < NR_ASKERS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			askers[i]();
			_exit(0);
		}
	}
}

static void stop_asking(const pid_t pids[NR_ASKERS])
{
	size_t i;
	int status;

	atomic_store(&asked->stop, true);
	for (i = 0; i < NR_ASKERS; i++) {
		waitpid(pids[i], &status, 0);
		CHECK(!status, "process %zu: %d", i, status);
	}
}

/* Was each request decided, by the policy, and counted once? */
static void check_asked(const struct counted *before, bool enforce)
{
	struct counted after = read_counted();
	unsigned long refused = atomic_load(&asked->refused), passed = atomic_load(&asked->passed);

	printf("%lu creations, %lu punches, %lu denied, %lu not, %lu programs\n", asked->created,
	       asked->punched, refused, passed, asked->executed);
	CHECK(!asked->failed, "%lu requests of the user that may failed: %s", asked->failed,
	      strerror(asked->error));
	CHECK(asked->created && asked->executed, "too few requests");
	CHECK(enforce ? refused && !passed : passed && !refused, "%lu denied, %lu not", refused,
	      passed);
	CHECK(after.punched - before->punched == asked->punched, "%llu punches are counted",
	      after.punched - before->punched);
	CHECK(after.refused - before->refused == refused, "%llu denials are counted",
	      after.refused - before->refused);
	CHECK(after.would_refuse - before->would_refuse == passed, "%llu would have been denied",
	      after.would_refuse - before->would_refuse);
	CHECK(after.created - before->created == asked->created, "%llu creations are counted",
	      after.created - before->created);
	CHECK(after.executed - before->executed == (enforce ? asked->executed : 0),
	      "%llu programs are counted", after.executed - before->executed);
	CHECK(after.preloads - before->preloads == asked->executed, "%llu preloads are counted",
	      after.preloads - before->preloads);
	CHECK(after.events - before->events == refused + passed + asked->executed, "%llu events",
	      after.events - before->events);
}

/* Begin to load the policy of a mode, as a version of gmemctl. */
static pid_t begin_load(const char *gmemctl, bool enforce)
{
	pid_t pid = fork();

	if (!pid) {
		execl(gmemctl, gmemctl, "load", "--trust-running", "--mode",
		      enforce ? "enforce" : "audit", FILES "/policy.yaml", NULL);
		_exit(255);
	}
	return pid;
}

static void load_by(unsigned int version, bool enforce)
{
	int status;
	pid_t pid = begin_load(versions[version], enforce);

	waitpid(pid, &status, 0);
	CHECK(!status, "load by %s: %d", versions[version], status);
}

/* Which version's programs are attached? All must be of one. */
static void check_version(unsigned int version)
{
	struct pins pins;
	uint64_t differ;
	__u32 serial;

	if (pins_open(&pins, NULL, false))
		exit(1);
	differ = programs_differ(&pins, &serial);
	CHECK(differ == (version ? pins_programs(&pins) : 0), "version %u: %llx", version,
	      (unsigned long long)differ);
	CHECK(!pins_new_programs(&pins), "new programs are left");
	pins_close(&pins);
}

static void upgrade_often(int rounds, bool enforce)
{
	struct counted before;
	pid_t pids[NR_ASKERS];
	int i;

	load_by(0, enforce);
	before = read_counted();
	start_asking(pids);
	for (i = 1; i <= rounds && !failures; i++) {
		load_by((unsigned int)i & 1, enforce);
		check_version((unsigned int)i & 1);
	}
	stop_asking(pids);
	check_asked(&before, enforce);
	printf("upgrade: %d times, %s\n", i - 1, enforce ? "enforcing" : "in audit mode");
}

static void pause_us(int64_t us)
{
	struct timespec delay = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&delay, NULL);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Are new programs beside the old ones? Then the interesting part of a load has begun. */
static bool has_new(void)
{
	return !access("/sys/fs/bpf/gmem/links/new-tag_exec", F_OK) ||
	       !access("/sys/fs/bpf/gmem/links/new-guard_sqpoll", F_OK);
}

/*
 * Kill a load: at any moment of it, or, every other time, soon after the first programs were
 * attached, which is a small part of its time. Return: whether it was killed.
 */
static bool kill_load(unsigned int version, bool late, int64_t took)
{
	pid_t pid = begin_load(versions[version], true);
	int status = 0;

	if (late) {
		while (!has_new() && !waitpid(pid, &status, WNOHANG))
			pause_us(2000);
		if (has_new())
			pause_us(random() % 1500000);
	} else {
		pause_us(random() % (took + took / 8));
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status);
}

static void kill_often(int rounds)
{
	int64_t took = now_us();
	struct counted before;
	pid_t pids[NR_ASKERS];
	int i, killed = 0, beside = 0;

	load_by(1, true);
	load_by(0, true);
	took = (now_us() - took) / 2;
	before = read_counted();
	start_asking(pids);
	for (i = 0; i < rounds; i++) {
		killed += kill_load(random() & 1, i & 1, took);
		beside += has_new();
	}
	load_by(1, true);
	check_version(1);
	load_by(0, true);
	check_version(0);
	stop_asking(pids);
	check_asked(&before, true);
	printf("upgrade: %d of %d loads killed, %d with both versions attached\n", killed, rounds,
	       beside);
	/* How far a load gets before it is killed is up to the machine, in a few rounds. */
	CHECK(rounds < MANY || (killed > rounds / 4 && beside), "not at random moments");
}

int main(int argc, char **argv)
{
	int upgrades = argc > 1 ? (int)wanted_number(argv[1]) : UPGRADES;
	int kills = argc > 2 ? (int)wanted_number(argv[2]) : KILLS;
	FILE *file;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_upgrade_test", false, 0);
	srandom(1);
	asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (asked == MAP_FAILED || (mkdir(FILES, 0755) && errno != EEXIST) ||
	    system("cp /bin/true " NAMED))
		give_up(FILES);
	file = fopen(FILES "/policy.yaml", "we");
	if (!file)
		give_up(FILES);
	fprintf(file, "%s",
		policy_text(1U << GMEM_DO_create,
			    "subjects: { user: { uid: [1001] }, named: { exe: " NAMED " } }\n"
			    "rules:\n"
			    "  - { name: user, allow: [create], subjects: [user], "
			    "when: { vm-type: [default] } }\n"
			    "  - { name: named, allow: [create], subjects: [named] }\n"));
	fclose(file);
	upgrade_often(upgrades, true);
	upgrade_often((upgrades + 3) / 4, false);
	if (kills)
		kill_often(kills);
	policy_unload();
	printf("upgrade: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
