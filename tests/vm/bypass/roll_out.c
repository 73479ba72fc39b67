// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy that is rolled out: in audit mode first, then enforced. What its guards would have kept
 * off meanwhile must not go on acting as an allowed process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/ctl/kernel/loader.h"
#include "../lib/policies.h"
#include "puppet.h"
#include "ring.h"

/* --- a process that creates an instance when it is told to --- */

static int make_on_word(int peer)
{
	static char secret = PUPPET_SECRET;
	struct puppet p = { .pid = (uint64_t)getpid(), .memory = (uint64_t)&secret };
	uint64_t go;

	return puppet_introduce(peer, &p) ?: hear(peer, &go) ?: make(-1);
}

static int make_with_sqpoll(int peer)
{
	struct ring r;

	return ring_open(&r, IORING_SETUP_SQPOLL) ? broken("io_uring") : make_on_word(peer);
}

/* Another file descriptor of its memory, which stays open. */
static int open_memory(const struct puppet *p)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)p->pid);
	return open(path, O_RDWR | O_CLOEXEC) < 0 ? broken(path) : 0;
}

static int trace(const struct puppet *p)
{
	return puppet_attach(p) ?: puppet_detach(p);
}

static int nothing(const struct puppet *p)
{
	(void)p;
	return 0;
}

/* How a policy comes into force. */
enum before { BEFORE_nothing, BEFORE_audit, BEFORE_enforced, BEFORE_other, BEFORE_no_guard };
enum after { AFTER_load, AFTER_set_mode, AFTER_audit_and_back, AFTER_rollback };

struct roll_out {
	enum before before;
	enum after after;
	player_fn player;
	int (*meanwhile)(const struct puppet *p);
	int (*then)(const struct puppet *p); /* while it is not enforced, or NULL */
	bool trust;
};

static int load(const char *text, bool enforce)
{
	return stage_load_flags(text, enforce, POLICY_NO_TRUST) ? failed("load") : 0;
}

static int load_before(const struct bypass_case *c, const struct roll_out *r, const char *text)
{
	char *other;
	int ret;

	(void)c;
	stage_unload();
	switch (r->before) {
	case BEFORE_nothing: return 0;
	case BEFORE_audit: return load(text, false);
	case BEFORE_enforced: return load(text, true);
	case BEFORE_other: return stage_load_for(who_paths[WHO_b]);
	default: break;
	}
	other = policy_text(bypass_run.carried,
			    "guards: { trace: allow }\n"
			    "subjects: { a: { exe: " BYPASS_DIR "/a } }\n"
			    "rules: [ { name: a, allow: all, subjects: [a] } ]\n");
	ret = load(other, true);
	free(other);
	return ret;
}

static int set_mode(bool enforce, bool trust)
{
	enum proof proof;

	if (bypass_run.falsify)
		return 0;
	return loader_set_mode(NULL, enforce, trust, &proof) ? failed("set-mode") : 0;
}

static int roll_back(void)
{
	enum proof proof;
	__u64 generation;

	if (bypass_run.falsify)
		return 0;
	return loader_rollback(NULL, false, &generation, &proof) ? failed("rollback") : 0;
}

static int enforce(const struct roll_out *r, const char *text, const struct puppet *p)
{
	int ret = 0;

	switch (r->after) {
	case AFTER_load:
		ret = stage_load_flags(text, true, r->trust ? 0 : POLICY_NO_TRUST);
		return ret ? failed("load: %d", ret) : 0;
	case AFTER_set_mode: return set_mode(true, r->trust);
	case AFTER_audit_and_back:
		return set_mode(false, false) ?: (r->then ? r->then(p) : 0) ?: set_mode(true, false);
	case AFTER_rollback:
		/* Another policy is in force meanwhile, which does not name it. */
		return stage_load_for(who_paths[WHO_b]) ?: (r->then ? r->then(p) : 0) ?:
		       roll_back();
	}
	return ret;
}

static int roll_out(const struct bypass_case *c, const struct roll_out *r)
{
	char *text = stage_policy(c);
	struct counts before;
	struct puppet p;
	int pair[2], ret;
	pid_t pid;

	if (load_before(c, r, text) || socket_pair(pair))
		return ENDED_BROKEN;
	pid = player_start(WHO_a, r->player, pair[0]);
	close(pair[0]);
	if (puppet_meet(pair[1], &p) || r->meanwhile(&p) || enforce(r, text, &p))
		return ENDED_BROKEN;
	drop_events();
	counts_read(&before);
	if (tell(pair[1], 0))
		return ENDED_BROKEN;
	ret = player_wait(pid);
	free(text);
	bypass_is(ret ? BYPASS_stopped : c->op == BYPASS_NO_OP ? BYPASS_allowed : BYPASS_possible);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	stage_unload();
	return ret;
}

#define ROLL_OUT(name, ...)                                       \
	static int name(const struct bypass_case *c)              \
	{                                                         \
		static const struct roll_out r = { __VA_ARGS__ }; \
                                                                  \
		return roll_out(c, &r);                           \
	}

#define NO_MORE NULL, false

ROLL_OUT(traced_in_audit, BEFORE_audit, AFTER_set_mode, make_on_word, trace, NO_MORE)
ROLL_OUT(memory_in_audit, BEFORE_audit, AFTER_set_mode, make_on_word, open_memory, NO_MORE)
ROLL_OUT(sqpoll_in_audit, BEFORE_audit, AFTER_set_mode, make_with_sqpoll, nothing, NO_MORE)
ROLL_OUT(traced_before_load, BEFORE_nothing, AFTER_load, make_on_word, trace, NO_MORE)
ROLL_OUT(traced_unnamed, BEFORE_other, AFTER_load, make_on_word, trace, NO_MORE)
ROLL_OUT(traced_without_guard, BEFORE_no_guard, AFTER_load, make_on_word, trace, NO_MORE)
ROLL_OUT(traced_in_between, BEFORE_enforced, AFTER_audit_and_back, make_on_word, nothing, trace,
	 false)
ROLL_OUT(traced_before_rollback, BEFORE_enforced, AFTER_rollback, make_on_word, nothing, trace,
	 false)
ROLL_OUT(trusted, BEFORE_audit, AFTER_set_mode, make_on_word, nothing, NULL, true)
ROLL_OUT(trusted_by_load, BEFORE_nothing, AFTER_load, make_on_word, nothing, NULL, true)
ROLL_OUT(enforced_again, BEFORE_enforced, AFTER_audit_and_back, make_on_word, nothing, NO_MORE)
ROLL_OUT(enforced_by_rollback, BEFORE_enforced, AFTER_rollback, make_on_word, nothing, NO_MORE)
ROLL_OUT(loaded_again, BEFORE_enforced, AFTER_load, make_on_word, nothing, NO_MORE)

/* --- 198: a library from audit mode --- */

static int preload_and_become(int peer)
{
	(void)peer;
	return setenv("LD_PRELOAD", EVIL, 1) ? broken("setenv") : become(WHO_a, idle, -1);
}

static int touch_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	return fd < 0 || close(fd) ? broken(path) : 0;
}

static int preloaded_in_audit(const struct bypass_case *c)
{
	char *text = stage_policy(c);
	struct counts before;
	pid_t pid;
	int ret;

	stage_unload();
	if (evil_ready() || load(text, false) || touch_file(EVIL_WAITS))
		return ENDED_BROKEN;
	free(text);
	pid = player_start(WHO_x, preload_and_become, -1);
	while (!access(EVIL_WAITS, F_OK))
		usleep(10000);
	if (set_mode(true, false))
		return ENDED_BROKEN;
	drop_events();
	counts_read(&before);
	if (touch_file(EVIL_WAITS))
		return ENDED_BROKEN;
	ret = player_wait(pid);
	unlink(EVIL_WAITS);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	stage_unload();
	return ret;
}

/* --- 305: a policy on trial that nobody confirms --- */

#define TRIED BYPASS_DIR "/tried.yaml"

/* In a session of its own, which ends at once: whoever tried the policy is gone. */
static int try_and_leave(const char *text)
{
	char exe[256];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0 || put_text(TRIED, text, 0600))
		return broken(TRIED);
	exe[len] = '\0';
	*strrchr(exe, '/') = '\0';
	return shell("setsid -w %s/../gmemctl try " TRIED " --confirm 2s --deny-existing", exe);
}

/* Whether the end of the trial has come; after a while it is certain that it does not. */
static void wait_for_end(void)
{
	struct loader_status status;
	bool over = false;
	int tries;

	for (tries = 0; tries < 200 && !over; tries++) {
		usleep(100000);
		over = loader_status(NULL, &status) || !status.word || !status.how.trial_until_ns;
		loader_status_free(&status);
	}
}

static int never_confirmed(const struct bypass_case *c)
{
	char *tried = policy_text(bypass_run.carried,
				  "subjects: { x: { exe: " BYPASS_DIR "/x } }\n"
				  "rules: [ { name: x, allow: all, subjects: [x] } ]\n");
	struct counts before;
	int ret;

	ret = stage_begin(c, &before) ?: try_and_leave(tried);
	free(tried);
	if (ret)
		return ENDED_BROKEN;
	wait_for_end();
	drop_events();
	counts_read(&before);
	ret = play(WHO_x, make);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	stage_forget();
	return ret;
}

/* clang-format off */
#define CASE(number, what, fn, ...)                                                                \
	{                                                                                          \
		.id = number, .path = what, .op = GMEM_DO_create, .whole = fn, .first_load = true, \
		EVERYWHERE(__VA_ARGS__)                                                            \
	}
#define CASE_FINE(number, what, fn)                                                              \
	{                                                                                        \
		.id = number, .path = what, .op = BYPASS_NO_OP, .whole = fn, .first_load = true, \
		EVERYWHERE(ALLOWED)                                                              \
	}

const struct bypass_case bypass_roll_out[] = {
	CASE("198", "a library preloaded in audit mode, then enforced", preloaded_in_audit, STOPPED(EACCES)),
	CASE("199", "traced in audit mode, then enforced", traced_in_audit, STOPPED(EACCES)),
	CASE("199b", "/proc/PID/mem open since audit mode, then enforced", memory_in_audit, STOPPED(EACCES)),
	CASE("199c", "a ring with SQPOLL since audit mode, then enforced", sqpoll_in_audit, STOPPED(EACCES)),
	CASE("200", "traced before the first load, which enforces", traced_before_load, STOPPED(EACCES)),
	CASE("200b", "traced under a policy that did not name it", traced_unnamed, STOPPED(EACCES)),
	CASE("200c", "traced under a policy without the guard", traced_without_guard, STOPPED(EACCES)),
	CASE("200d", "traced while an enforced policy was in audit mode", traced_in_between, STOPPED(EACCES)),
	CASE("200e", "traced under another policy, before a rollback", traced_before_rollback, STOPPED(EACCES)),
	CASE("305", "a policy on trial that is never confirmed", never_confirmed, STOPPED(EACCES)),
	CASE_FINE("F105", "set-mode enforce --trust-running", trusted),
	CASE_FINE("F105b", "a first load with --trust-running", trusted_by_load),
	CASE_FINE("F106", "enforced, in audit mode, and enforced again", enforced_again),
	CASE_FINE("F106b", "enforced, under another policy, and rolled back", enforced_by_rollback),
	CASE_FINE("F106c", "enforced, and loaded again", loaded_again),
	{ 0 },
};
/* clang-format on */
