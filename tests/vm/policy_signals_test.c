// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmemctl interrupted by signals at any moment, and several at once: the exit status says which
 * policy is in force, and nothing that was begun is left. Runs as root in any lane.
 *
 *   policy_signals_test [CASE...]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/commands.h"
#include "lib/gmemctl.h"
#include "lib/in_force.h"
#include "lib/policies.h"
#include "test.h"

#define DIR "/tmp/signals"

/* --- signals --- */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Run one, with this signal after so long. Return: as said.status. */
static int signalled(const char *what, int sig, int64_t after_us)
{
	int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		dup2(null, 1);
		dup2(null, 2);
		execl("/bin/bash", "bash", "-c", what, NULL);
		_exit(127);
	}
	close(null);
	usleep((useconds_t)after_us);
	kill(pid, sig);
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A command that signals interrupt: @to makes of the policy @before ("": none) the policy @after. */
struct change {
	const char *to, *before, *after;
	int rounds;
	int64_t took; /* without a signal: us */
	int round, done, ended;
};

static void change_undisturbed(struct change *c)
{
	c->took = now_us();
	CHECK(!command("%s", c->to), "%s: %s", c->to, said.err);
	c->took = now_us() - c->took;
}

/*
 * With a signal, in each round of c->rounds later, in the last one certainly too late. The exit
 * status must say which policy is in force, whenever the signal comes, and nothing else is left:
 * the next command has nothing to sweep. Return: whether it was done.
 */
static bool change_signalled(struct change *c)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int round = c->round++ % c->rounds, sig = signals[round % 3], status;

	status = signalled(c->to, sig,
			   1 + c->took * round * 3 / 2 / c->rounds +
				   (round == c->rounds - 1 ? 4 * c->took : 0));
	CHECK(!status || status == 128 + sig, "%s: %d", c->to, status);
	in_force(c->to, status ? c->before : c->after, true);
	if (status)
		CHECK(*c->before || access("/sys/fs/bpf/gmem", F_OK), "pins are left");
	c->done += !status;
	c->ended += !!status;
	return !status;
}

static void change_check(const struct change *c)
{
	printf("%s: %d ended by a signal, %d done\n", c->to, c->ended, c->done);
	CHECK(c->ended && c->done, "%s: %d and %d", c->to, c->ended, c->done);
}

/* Each load that was done is unloaded, with signals too: to load anew for that takes seconds. */
static void signal_loads(void)
{
	struct change loads = { "exec gmemctl load deny.yaml", "", "deny", .rounds = 5 };
	struct change unloads = { "exec gmemctl unload", "deny", "", .rounds = 6 };

	CHECK(!command(UNLOAD), "%s", said.err);
	change_undisturbed(&loads);
	change_undisturbed(&unloads);
	while (loads.round < loads.rounds) {
		if (!change_signalled(&loads))
			continue;
		while (!change_signalled(&unloads))
			;
	}
	change_check(&loads);
	change_check(&unloads);
}

static void test_signals(void)
{
	struct change changes[] = {
		{ "exec gmemctl load --accept-default-change allow.yaml", "deny", "allow",
		  .rounds = 15 },
		{ "exec gmemctl rollback", "deny", "allow", .rounds = 9 },
	};
	static const char *const back[] = { LOAD, "gmemctl rollback" };

	signal_loads();
	CHECK(!command(LOAD), "%s", said.err);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		change_undisturbed(&changes[i]);
		CHECK(!command("%s", back[i]), "%s", said.err);
		while (changes[i].round < changes[i].rounds) {
			if (change_signalled(&changes[i]))
				CHECK(!command("%s", back[i]), "%s", said.err);
		}
		change_check(&changes[i]);
	}
}

/* Who waits for another one's lock, and for how long. */
#define LOCKED "exec 9</sys/fs/bpf && flock 9 && "

/* Each has a generation of its own. */
static void test_at_once(void)
{
	static const struct row rows[] = {
		{ LOCKED LOAD " 9<&-", 1, "lock /sys/fs/bpf: another gmemctl is at work; try again",
		  NULL },
		{ LOCKED "timeout --preserve-status 2 " LOAD " 9<&-", 143,
		  "wait for another gmemctl: a signal came first, and nothing has changed", NULL },
	};
	struct loader_status before;

	CHECK(!RUN_ROWS(rows, no_drafts), "see above");
	CHECK(!command(LOAD), "%s", said.err);
	policy_status(&before);
	CHECK(!command("for i in 1 2 3 4 5 6; do gmemctl load deny.yaml & done; "
		       "bad=0; for job in $(jobs -p); do wait $job || bad=1; done; exit $bad"),
	      "%s", said.err);
	for (int i = 1; i <= 6; i++) {
		char text[32];

		snprintf(text, sizeof(text), "(generation %d)",
			 (int)GMEM_ACTIVE_GENERATION(before.word) + i);
		CHECK(strstr(said.out, text), "no %s: %s", text, said.out);
	}
	deny_in_force("loads at once");
}

static const struct test_case cases[] = {
	{ "signals", test_signals },
	{ "at-once", test_at_once },
};

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_signals_test", false, getenv("VERBOSE") ? 1 : 0);
	policy_unload();
	commands_begin(DIR);
	write_file("deny.yaml", POLICY_HEAD("deny", "deny") "rules: []\n");
	write_file("allow.yaml", POLICY_HEAD("allow", "allow") "rules: []\n");
	return run_cases("signals", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
}
