// SPDX-License-Identifier: GPL-2.0-only
/*
 * A load that is killed at a random moment: the policy before or the new one is in force, wholly,
 * and nothing else is left. Two policies take turns that allow one user each what they deny the
 * other: with a mixture both or neither could create an instance. Runs as root in any lane.
 *
 *   policy_kill_test [ROUNDS]
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "../../src/lib/log.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "lib/wanted.h"
#include "test.h"

#define ROUNDS 500
/* Every so often it begins with nothing: then the programs are attached too. */
#define FRESH 25

static const int users[] = { 1001, 1002 };

static char *policy_for(int user)
{
	return policy_text(1U << GMEM_DO_create,
			   "subjects: { one: { uid: [%d] } }\n"
			   "rules: [ { name: u%d, allow: [create], subjects: [one] } ]\n",
			   user, user);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Load in a child, and kill it after so long (0: never). Return: whether it was killed. */
static bool load(const char *text, int64_t after_us)
{
	struct timespec delay = { after_us / 1000000, after_us % 1000000 * 1000 };
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(policy_load(text, true, 0) ? 1 : 0);
	if (after_us) {
		nanosleep(&delay, NULL);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status) || !WEXITSTATUS(status), "load: %d", status);
	return WIFSIGNALED(status);
}

/* What must not be there: drafts. Return: how many. */
static int drafts(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/sys/fs/bpf");
	int n = 0;

	if (!dir)
		give_up("/sys/fs/bpf");
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' && strcmp(entry->d_name, "gmem");
	closedir(dir);
	return n;
}

/* Which of the two is in force: 0 or 1, -1: none. */
static int in_force(void)
{
	struct loader_status status;
	struct store store;
	struct pins pins;
	int one, two;

	if (pins_open(&pins, NULL, false) || !pins_exist(&pins) || store_open(&store, &pins))
		return -1;
	memset(&status, 0, sizeof(status));
	status.word = store_active(&store);
	if (status.word)
		CHECK(store.heads[GMEM_ACTIVE_SLOT(status.word)].generation ==
			      GMEM_ACTIVE_GENERATION(status.word),
		      "a slot that is not complete is in force");
	store_close(&store);
	one = request_as((uid_t)users[0], REQUEST_create);
	two = request_as((uid_t)users[1], REQUEST_create);
	if (!status.word) {
		CHECK(!one && !two, "nothing is in force, and yet %d %d", one, two);
		return -1;
	}
	CHECK((!one && two == EACCES) || (one == EACCES && !two), "a mixture: %d %d", one, two);
	return !!one;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)wanted_number(argv[1]) : ROUNDS, round, before, now, old = 0,
	    new = 0;
	char *texts[] = { policy_for(users[0]), policy_for(users[1]) };
	int64_t took, took_fresh = 0, took_more = 0;
	int killed = 0, wanted;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_kill_test", false, 0);
	srandom(1);
	took = now_us();
	load(texts[0], 0);
	took_fresh = now_us() - took;
	took = now_us();
	load(texts[1], 0);
	took_more = now_us() - took;
	printf("a load takes %lld ms at first, then %lld ms\n", (long long)took_fresh / 1000,
	       (long long)took_more / 1000);
	before = in_force();
	CHECK(before == 1, "%d", before);
	for (round = 0; round < rounds; round++) {
		if (round % FRESH == FRESH - 1) {
			policy_unload();
			before = -1;
			CHECK(in_force() == -1, "unloaded");
		}
		wanted = before < 0 ? random() % 2 : !before;
		took = before < 0 ? took_fresh : took_more;
		killed += load(texts[wanted], 1 + random() % (took + took / 4));
		now = in_force();
		CHECK(now == before || now == wanted, "round %d: %d, was %d, wanted %d", round, now,
		      before, wanted);
		old += now == before;
		new += now == wanted;
		before = now;
	}
	load(texts[0], 0);
	CHECK(in_force() == 0, "after all that");
	CHECK(!drafts(), "%d drafts are left", drafts());
	policy_unload();
	CHECK(!drafts() && access("/sys/fs/bpf/gmem", F_OK), "pins are left");
	printf("kill: %d rounds, %d killed in time, then the old one %d times, the new one %d\n",
	       rounds, killed, old, new);
	CHECK(killed > rounds / 4 && old && new, "not at random moments");
	printf("kill: %d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
