// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instances that were not created under the policy: those that existed before it, wherever they
 * are held, and those whose creation it would have denied.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../src/ctl/kernel/loader.h"
#include "../lib/policies.h"
#include "bypass.h"
#include "ring.h"

/* A player's two steps are divided by the load: it reports the first and waits for the second. */
static int wait_for_policy(int peer)
{
	uint64_t go;

	return tell(peer, 0) ?: hear(peer, &go);
}

/*
 * Start the player without a policy, or in @mode, load the case's policy with @flags, and let the
 * player go on. Return: how that ended, or ENDED_BROKEN.
 */
static int across_load(const struct bypass_case *c, uid_t uid, enum who who, player_fn fn,
		       unsigned int flags, int op)
{
	char *text = stage_policy(c);
	struct counts before;
	uint64_t ready;
	int pair[2], ret;
	pid_t pid;

	stage_unload();
	ret = socket_pair(pair);
	pid = player_start_as(uid, who, fn, pair[1]);
	close(pair[1]);
	/* The kernel may lack what the player needs. */
	if (ret || recv(pair[0], &ready, sizeof(ready), 0) != sizeof(ready)) {
		close(pair[0]);
		ret = player_wait(pid);
		if (ret == ENDED_ABSENT)
			bypass_is(BYPASS_absent);
		return ret ?: ENDED_BROKEN;
	}
	if (stage_load_flags(text, true, flags))
		ret = failed("load");
	free(text);
	drop_events();
	counts_read(&before);
	ret = ret ?: tell(pair[0], 0) ?: player_wait(pid);
	close(pair[0]);
	if (ret == ENDED_BROKEN)
		return ret;
	if (ret && check_ledger(&before, op, 1))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_allowed);
	return ret;
}

/* --- 211: in a ring's table of files, and nowhere else --- */

static int hide_in_ring(int peer)
{
	struct io_uring_sqe sqe = ring_punch(0, true);
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);

	if (ret)
		return ret;
	if (ring_open(&r, 0) || ring_files(&r, &v.fd, 1))
		return broken("io_uring");
	close(v.fd);
	return wait_for_policy(peer) ?: -ring_do(&r, &sqe);
}

static int hidden_in_ring(const struct bypass_case *c)
{
	return across_load(c, 0, WHO_a, hide_in_ring, 0, GMEM_DO_punch);
}

/* --- 212: more of them than any table of a policy would hold --- */

#define MANY 65600

/* Without a policy there is nothing that a few of them do not show. */
static int hold_many(int peer)
{
	unsigned int nr = bypass_run.falsify || bypass_run.slow ? 64 : MANY;
	struct vmm v;
	int ret = vmm_open(&v, PLAIN);

	while (!ret && nr--)
		ret = vmm_create(&v);
	return ret ?: wait_for_policy(peer) ?: punch_hole(v.fd);
}

static int many(const struct bypass_case *c)
{
	struct rlimit limit = { MANY + 100, MANY + 100 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return broken("RLIMIT_NOFILE");
	return across_load(c, OTHER_USER, WHO_a, hold_many, 0, GMEM_DO_punch);
}

/* --- 213: in flight while the others are adopted --- */

static int receive_later(int peer)
{
	int pair[2], fd, ret = socket_pair(pair);
	struct vmm v;

	ret = ret ?: vmm_make(&v, PLAIN) ?: send_fd(pair[0], v.fd);
	if (ret)
		return ret;
	close(v.fd);
	ret = wait_for_policy(peer);
	fd = ret ? -1 : recv_fd(pair[1], 0);
	return ret ?: fd < 0 ? -fd : 0;
}

static int in_flight_at_adopt(const struct bypass_case *c)
{
	return across_load(c, 0, WHO_a, receive_later, POLICY_ADOPT, GMEM_DO_receive);
}

/* --- 214: created in audit mode though the policy denies it --- */

static int create_in_audit_mode(int peer)
{
	struct vmm v;

	return vmm_make(&v, PLAIN) ?: wait_for_policy(peer) ?: punch_hole(v.fd);
}

static int audit_then_enforce(const struct bypass_case *c)
{
	char *text = stage_policy(c);
	struct counts before;
	uint64_t ready;
	enum proof proof;
	int pair[2], ret;
	pid_t pid;

	ret = socket_pair(pair);
	if (!ret && stage_load_flags(text, false, 0))
		ret = failed("load");
	free(text);
	pid = player_start(WHO_x, create_in_audit_mode, pair[1]);
	close(pair[1]);
	ret = ret ?: hear(pair[0], &ready);
	if (!ret && !bypass_run.falsify && loader_set_mode(NULL, true, true, &proof))
		ret = failed("set-mode enforce");
	drop_events();
	counts_read(&before);
	ret = ret ?: tell(pair[0], 0) ?: player_wait(pid);
	close(pair[0]);
	if (ret == ENDED_BROKEN)
		return ret;
	if (ret && check_ledger(&before, GMEM_DO_punch, 1))
		return ENDED_BROKEN;
	bypass_is(ret ? BYPASS_stopped : BYPASS_allowed);
	return ret;
}

/* --- F110, F111: what adoption finds --- */

static int keep_open(int peer)
{
	struct vmm v;

	return vmm_make(&v, PLAIN) ?: wait_for_policy(peer) ?: punch_hole(v.fd);
}

/* The descriptor is in a thread's own table. */
struct thread {
	int peer, ret;
};

static void *keep_in_thread(void *arg)
{
	struct thread *t = arg;

	t->ret = unshare(CLONE_FILES) ? broken("unshare") : keep_open(t->peer);
	return NULL;
}

static int keep_open_in_thread(int peer)
{
	struct thread t = { .peer = peer };
	pthread_t thread;

	if (pthread_create(&thread, NULL, keep_in_thread, &t) || pthread_join(thread, NULL))
		return broken("pthread_create");
	return t.ret;
}

static int keep_mapped(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ, &ret);

	if (!mem)
		return ret;
	close(v.fd);
	ret = wait_for_policy(peer);
	return ret ?: mprotect(mem, INSTANCE_SIZE, PROT_READ | PROT_WRITE) ? errno : 0;
}

static int adopted(const struct bypass_case *c)
{
	return across_load(c, 0, WHO_a, keep_open, POLICY_ADOPT, GMEM_DO_punch)
		       ?: across_load(c, 0, WHO_a, keep_open_in_thread, POLICY_ADOPT,
				      GMEM_DO_punch);
}

static int adopted_mapping(const struct bypass_case *c)
{
	return across_load(c, 0, WHO_a, keep_mapped, POLICY_ADOPT, GMEM_DO_mmap);
}

#define MAY_PUNCH                                                                    \
	"subjects: { x: { exe: " BYPASS_DIR "/x }, a: { exe: " BYPASS_DIR "/a } }\n" \
	"rules:\n"                                                                   \
	"  - { name: a, allow: all, subjects: [a] }\n"                               \
	"  - { name: x, allow: [punch], subjects: [x] }\n"

const struct bypass_case bypass_unlabelled[] = {
	{ .id = "211",
	  .path = "an instance that existed before the policy, held by a ring's table of files only",
	  .op = GMEM_DO_punch,
	  .whole = hidden_in_ring,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "212",
	  .path = "65,600 instances of a user without privileges that existed before the policy",
	  .op = GMEM_DO_punch,
	  .whole = many,
	  .first_load = true,
	  .limit = 300,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "213",
	  .path = "an instance in flight in a socket while the others are adopted",
	  .op = GMEM_DO_receive,
	  .whole = in_flight_at_adopt,
	  .first_load = true,
	  EVERYWHERE(STOPPED(ENDED_CUT)) },
	{ .id = "214",
	  .path = "X creates in audit mode what the policy denies, and uses it once it is enforced",
	  .op = GMEM_DO_punch,
	  .policy = MAY_PUNCH,
	  .whole = audit_then_enforce,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ FINE("F110",
	       "A's instance of before the policy, adopted: by a descriptor of A, of a thread",
	       .whole = adopted, .first_load = true, EVERYWHERE(ALLOWED)) },
	{ FINE("F111", "the same, held by a mapping alone", .whole = adopted_mapping,
	       .first_load = true, WITH_MMAP(ALLOWED)) },
	{ 0 },
};
