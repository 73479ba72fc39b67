// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instances that are older than the first policy: held, under way in sockets, or made while it is
 * loaded. Everything is denied for them until they are adopted, which needs a descriptor or a
 * mapping. Runs as root in any lane.
 *
 *   policy_older_test [CASE...]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/fds.h"
#include "lib/kvm.h"
#include "lib/policies.h"
#include "test.h"

#define NO_RULES "rules: []\n"

static int create(int vm)
{
	int fd = kvm_create_instance(vm, 4 * KVM_PAGE, 0);

	if (fd < 0)
		give_up("creating an instance");
	return fd;
}

static int punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE) ? errno : 0;
}

/* An instance that is older than the programs. */
static void test_older(void)
{
	char *text = policy_text(0, NO_RULES);
	int kvm = kvm_open(), vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM), fd, old;

	old = create(vm);
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(policy_report.found.nr == 1, "%zu found", policy_report.found.nr);
	CHECK(policy_report.unlabelled == 1, "%u older", policy_report.unlabelled);
	fd = create(vm);
	CHECK(!punch(fd), "a new one");
	CHECK(punch(old) == EACCES, "an old one");
	CHECK(!policy_load(text, true, POLICY_ADOPT), "adopt");
	CHECK(!policy_report.unlabelled, "%u older", policy_report.unlabelled);
	CHECK(!punch(old), "adopted");
	close(fd);
	close(old);
	close(vm);
	close(kvm);
	free(text);
	policy_unload();
}

/* Is anything of a policy left? */
static bool is_loaded(void)
{
	struct loader_status status;

	policy_status(&status);
	return status.loaded || status.elsewhere.nr;
}

/* Return: the exit status of a command of gmemctl. */
static int run_gmemctl(const char *args)
{
	char line[256];
	int status;

	snprintf(line, sizeof(line), "build/gmemctl %s >/dev/null 2>&1", args);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* From audit mode to enforcement by other ways than a load: the same choices. */
static void test_set_mode(void)
{
	char *allows = policy_text(0, NO_RULES);
	char *denies = policy_text(1U << GMEM_DO_create, NO_RULES);
	int kvm = kvm_open(), vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM), old = create(vm);

	CHECK(!policy_load(allows, false, POLICY_STOP), "audit");
	CHECK(run_gmemctl("set-mode enforce") == 4 && !punch(old), "set-mode enforce");
	CHECK(!run_gmemctl("set-mode enforce --adopt") && !punch(old), "set-mode --adopt");
	policy_unload();
	CHECK(!policy_load(allows, false, POLICY_STOP), "audit");
	CHECK(!run_gmemctl("set-mode enforce --deny-existing") && punch(old) == EACCES,
	      "set-mode --deny-existing");
	policy_unload();
	/* Not what the policy denies. */
	CHECK(!policy_load(denies, false, POLICY_STOP), "audit");
	CHECK(run_gmemctl("set-mode enforce --adopt") == 4 && !punch(old), "adopts what is denied");
	CHECK(!run_gmemctl("set-mode enforce --adopt --deny-existing") && punch(old) == EACCES,
	      "both");
	policy_unload();
	/* What the policy before allows counts, and not what the one in audit mode does. */
	CHECK(!policy_load(allows, true, 0) && !policy_load(denies, false, 0), "audit after it");
	CHECK(run_gmemctl("rollback") == 4 && !punch(old), "rollback");
	CHECK(!run_gmemctl("rollback --adopt") && !punch(old), "rollback --adopt");
	policy_unload();
	CHECK(!policy_load(denies, true, 0) && !policy_load(allows, false, 0), "the other way");
	CHECK(run_gmemctl("rollback --adopt") == 4 && !punch(old), "adopts what is denied then");
	CHECK(!run_gmemctl("rollback --deny-existing") && punch(old) == EACCES,
	      "rollback --deny-existing");
	policy_unload();
	close(old);
	close(vm);
	close(kvm);
	free(allows);
	free(denies);
}

/* A policy that begins to be enforced must not break what runs, unless that is asked for. */
static void test_stop(void)
{
	char *allows = policy_text(0, NO_RULES);
	char *denies = policy_text(1U << GMEM_DO_create, NO_RULES);
	int kvm = kvm_open(), vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM), old = create(vm);
	static const struct existing_wish nothing, deny = { .deny = true };
	struct existing existing;

	CHECK(policy_load(allows, true, POLICY_STOP) == -EOPNOTSUPP, "load");
	CHECK(policy_report.existing.nr == 1 && policy_report.existing.instances == 1 &&
		      policy_report.existing.list[0].place.tgid == (__u32)getpid() &&
		      policy_report.existing.list[0].adoptable,
	      "%zu processes, %zu instances", policy_report.existing.nr,
	      policy_report.existing.instances);
	CHECK(!is_loaded() && !punch(old), "something has changed");
	CHECK(policy_load(allows, true, POLICY_STOP | POLICY_DRY_RUN) == -EOPNOTSUPP, "dry run");
	/* Taken in only where the policy allows their creation. */
	CHECK(policy_load(denies, true, POLICY_STOP | POLICY_ADOPT) == -EOPNOTSUPP &&
		      !policy_report.existing.list[0].adoptable &&
		      !strcmp(policy_report.existing.list[0].rule, "default"),
	      "adopt");
	CHECK(!is_loaded() && !punch(old), "something has changed");
	CHECK(!policy_load(denies, true, POLICY_ADOPT) && policy_report.unlabelled == 1, "%u older",
	      policy_report.unlabelled);
	CHECK(punch(old) == EACCES, "adopted though its creation is denied");
	/* It is denied already: to enforce another policy breaks nothing. */
	CHECK(!policy_load(allows, true, POLICY_STOP) && punch(old) == EACCES, "another policy");
	CHECK(!policy_load(allows, true, POLICY_STOP | POLICY_ADOPT) && !punch(old), "adopted");
	policy_unload();
	/* In audit mode nothing breaks. To enforce it then does. */
	CHECK(!policy_load(allows, false, POLICY_STOP), "audit");
	CHECK(policy_load(allows, true, POLICY_STOP) == -EOPNOTSUPP && !punch(old), "then enforce");
	CHECK(existing_check(NULL, &nothing, &existing) == -EOPNOTSUPP && existing.nr == 1,
	      "set-mode enforce");
	existing_free(&existing);
	CHECK(!existing_check(NULL, &deny, &existing) && existing.nr == 1, "--deny-existing");
	existing_free(&existing);
	CHECK(!policy_load(allows, true, POLICY_STOP | POLICY_ADOPT) && !punch(old), "adopt then");
	policy_unload();
	CHECK(!policy_load(allows, true, POLICY_STOP | POLICY_ADOPT) && !punch(old), "adopt first");
	close(old);
	close(vm);
	close(kvm);
	free(allows);
	free(denies);
	policy_unload();
}

/* Send it, and keep none. */
static void send_away(int socket, int fd)
{
	if (fd_send(socket, fd))
		give_up("sending an instance");
	close(fd);
}

/* Return: the fd, -1: it did not arrive. */
static int receive_from(int socket)
{
	int fd = fd_take(socket, 0);

	if (fd < 0 && errno != EMSGSIZE)
		give_up("receiving a message");
	return fd;
}

/* A connection that nobody has accepted: @from is its end that there is. */
static int connect_to_self(int *from)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/tmp/policy-listener" };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	*from = socket(AF_UNIX, SOCK_STREAM, 0);
	unlink(name.sun_path);
	if (bind(listener, (void *)&name, sizeof(name)) || listen(listener, 4) ||
	    connect(*from, (void *)&name, sizeof(name)))
		give_up("connecting to a socket");
	return listener;
}

/* Nobody has an fd of these: they are under way when the programs come. */
static void test_in_flight(void)
{
	char *text = policy_text(0, NO_RULES);
	int kvm = kvm_open(), vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	int pair[2], from, listener = connect_to_self(&from), i, fd;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		give_up("making sockets");
	for (i = 0; i < 3; i++)
		send_away(pair[0], create(vm));
	send_away(from, create(vm));
	CHECK(!policy_load(text, true, 0), "load");
	CHECK(policy_report.unlabelled == 4, "%u older", policy_report.unlabelled);
	CHECK(receive_from(pair[1]) < 0, "received from a socket");
	fd = accept(listener, NULL, NULL);
	CHECK(receive_from(fd) < 0, "received from a new connection");
	close(fd);
	/* No process has a descriptor by which they could be adopted. */
	CHECK(!policy_load(text, true, POLICY_ADOPT), "adopt");
	CHECK(policy_report.unlabelled == 2, "%u unlabelled", policy_report.unlabelled);
	CHECK(receive_from(pair[1]) < 0, "adopted");
	send_away(pair[0], create(vm));
	CHECK(receive_from(pair[1]) < 0, "the last of the old ones");
	fd = receive_from(pair[1]);
	CHECK(fd >= 0 && !punch(fd), "a new one");
	close(fd);
	close(from);
	close(listener);
	close(pair[0]);
	close(pair[1]);
	close(vm);
	close(kvm);
	free(text);
	policy_unload();
}

#define MEANWHILE 8000

static struct {
	int vm;
	volatile bool stop;
	unsigned int nr;
	int fds[MEANWHILE];
} meanwhile;

static void *create_meanwhile(void *unused)
{
	(void)unused;
	while (!meanwhile.stop && meanwhile.nr < MEANWHILE) {
		meanwhile.fds[meanwhile.nr++] = create(meanwhile.vm);
		usleep(400);
	}
	return NULL;
}

/* As after a first load that was killed: programs, and nothing in force. */
static void deactivate(void)
{
	struct store store;
	struct pins pins;

	if (pins_open(&pins, NULL, true) || store_open(&store, &pins))
		give_up("opening what is loaded");
	store_deactivate(&store);
	store_close(&store);
	pins_close(&pins);
}

static void leave_programs(const char *text)
{
	CHECK(!policy_load(text, true, 0), "load");
	deactivate();
}

/* Instances that are made while the first policy comes: it has decided of one, or it is older. */
static void test_meanwhile(void)
{
	struct rlimit limit = { 2 * MEANWHILE, 2 * MEANWHILE };
	unsigned int i, usable = 0, mixed = 0;
	char *text = policy_text(0, NO_RULES);
	struct loader_status status, before;
	int kvm = kvm_open();
	pthread_t thread;
	__u64 allowed;

	leave_programs(text);
	policy_status(&before);
	meanwhile.vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (setrlimit(RLIMIT_NOFILE, &limit) ||
	    pthread_create(&thread, NULL, create_meanwhile, NULL))
		give_up("creating instances in a thread");
	CHECK(!policy_load(text, true, 0), "load");
	usleep(30000);
	meanwhile.stop = true;
	pthread_join(thread, NULL);
	policy_status(&status);
	for (i = 0; i < meanwhile.nr; i++) {
		mixed += usable && punch(meanwhile.fds[i]);
		usable += !punch(meanwhile.fds[i]);
		close(meanwhile.fds[i]);
	}
	printf("meanwhile: %u instances, %u after the policy\n", meanwhile.nr, usable);
	CHECK(usable && usable < meanwhile.nr && meanwhile.nr < MEANWHILE, "not meanwhile");
	CHECK(!mixed, "%u older ones behind new ones", mixed);
	allowed = status.ops[GMEM_DO_create].n[GMEM_VERDICT_allowed] -
		  before.ops[GMEM_DO_create].n[GMEM_VERDICT_allowed];
	CHECK(usable == allowed, "%u can be used, %llu were allowed", usable, allowed);
	close(meanwhile.vm);
	close(kvm);
	free(text);
	policy_unload();
}

#define REUSED 512

/*
 * Labels are entries by address, which outlive their instances: one without a label that is created
 * at such an address, while no policy is in force, must not get what another one has left.
 */
static void test_address(void)
{
	char *text = policy_text(0, NO_RULES);
	int kvm = kvm_open(), vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM), fds[REUSED], i;
	unsigned int usable = 0;

	CHECK(!policy_load(text, true, 0), "load");
	for (i = 0; i < REUSED; i++)
		fds[i] = create(vm);
	for (i = 0; i < REUSED; i++)
		close(fds[i]);
	deactivate();
	/* Inodes are freed after a grace period. */
	sleep(1);
	for (i = 0; i < REUSED; i++)
		fds[i] = create(vm);
	CHECK(!policy_load(text, true, 0), "load again");
	for (i = 0; i < REUSED; i++) {
		usable += !punch(fds[i]);
		close(fds[i]);
	}
	CHECK(!usable, "%u of %d can be used", usable, REUSED);
	close(vm);
	close(kvm);
	free(text);
	policy_unload();
}

static const struct test_case cases[] = {
	{ "older", test_older },	 { "stop", test_stop },
	{ "set-mode", test_set_mode },	 { "in-flight", test_in_flight },
	{ "meanwhile", test_meanwhile }, { "address", test_address },
};

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_older_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	return run_cases("older", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
