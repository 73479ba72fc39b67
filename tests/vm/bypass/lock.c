// SPDX-License-Identifier: GPL-2.0-only
/* How cases of the lock are tried and judged, see lock.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <json-c/json.h>

#include "../lib/policies.h"
#include "lock.h"
#include "puppet.h"

#define MARK BYPASS_DIR "/locked"

bool lock_is_on(void)
{
	return !access(MARK, F_OK);
}

void lock_is_on_now(void)
{
	close(open(MARK, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* --- the manager --- */

static int manager_ready(void)
{
	char exe[256], cmd[640];
	ssize_t len;

	if (!access(GMEMCTL, X_OK))
		return 0;
	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (len < 0)
		return broken("/proc/self/exe");
	exe[len] = '\0';
	*strrchr(exe, '/') = '\0';
	snprintf(cmd, sizeof(cmd), "cp %s/../gmemctl " GMEMCTL, exe);
	return system(cmd) ? broken(cmd) : 0;
}

char gmemctl_output[16384];

/* All of it, so that the writer is not held up; what does not fit is dropped. */
static void read_output(int fd)
{
	size_t len = 0;
	char buf[512];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if ((size_t)n >= sizeof(gmemctl_output) - len)
			n = (ssize_t)(sizeof(gmemctl_output) - len - 1);
		memcpy(gmemctl_output + len, buf, (size_t)n);
		len += (size_t)n;
	}
	gmemctl_output[len] = '\0';
	if (bypass_run.verbose)
		fputs(gmemctl_output, stderr);
}

static int run_manager(char **argv)
{
	int output[2], status;
	pid_t pid;

	if (pipe2(output, O_CLOEXEC))
		return broken("pipe");
	pid = fork();
	if (!pid) {
		dup2(output[1], 1);
		dup2(output[1], 2);
		execv(GMEMCTL, argv);
		_exit(127);
	}
	close(output[1]);
	read_output(output[0]);
	close(output[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return broken(GMEMCTL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int gmemctl(const char *fmt, ...)
{
	char *argv[16] = { GMEMCTL }, line[512], *save;
	size_t n = 1;
	va_list args;

	if (manager_ready())
		return ENDED_BROKEN;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (argv[n] = strtok_r(line, " ", &save); argv[n] && n < 15;)
		argv[++n] = strtok_r(NULL, " ", &save);
	return run_manager(argv);
}

int gmemctl_refused(int status, int wanted, const char *words)
{
	if (!status)
		return 0;
	if (status == wanted && strstr(gmemctl_output, words))
		return EACCES;
	return failed("gmemctl: exit status %d, not %d with the message '%s': %s", status, wanted,
		      words, gmemctl_output);
}

int lock_write_policy(const char *head, const char *rules)
{
	char *text = policy_text(bypass_run.carried, "%s%s", head, rules);
	FILE *f = fopen(LOCK_POLICY, "we");
	int ret;

	ret = f && fputs(text, f) >= 0 && !fclose(f) ? 0 : broken(LOCK_POLICY);
	free(text);
	return ret;
}

int lock_usual_policy(const char *head)
{
	return lock_write_policy(head, "manager: m\n"
				       "subjects:\n"
				       "  m: { exe: " GMEMCTL " }\n"
				       "  a: { exe: " BYPASS_DIR "/a }\n"
				       "rules:\n"
				       "  - { name: a, allow: all, subjects: [a] }\n");
}

/* --- what is in force --- */

int lock_policy_is_off(void)
{
	int ret = play(WHO_x, make);

	return ret == EACCES ? ENDED_NOTHING : ret;
}

int lock_policy_ends(void)
{
	int ret = ENDED_NOTHING;

	/* The kernel lets go of programs later than of their pins. */
	for (int i = 0; i < 500 && ret == ENDED_NOTHING; i++) {
		ret = lock_policy_is_off();
		if (ret == ENDED_NOTHING)
			usleep(20000);
	}
	return ret;
}

int lock_switch_off(int active_fd)
{
	__u64 word, none = 0;
	__u32 zero = 0;
	int ret;

	if (bpf_map_lookup_elem(active_fd, &zero, &word) ||
	    bpf_map_update_elem(active_fd, &zero, &none, BPF_ANY))
		return errno;
	ret = lock_policy_is_off();
	/* It can be put back: the next case wants it. */
	bpf_map_update_elem(active_fd, &zero, &word, BPF_ANY);
	return ret;
}

struct lock_account *lock_last_account;

/* Denials of each member of an object, whether they were enforced or not. */
static int64_t denials_in(struct json_object *status, const char *list)
{
	struct json_object *members, *n;
	int64_t sum = 0;

	if (!json_object_object_get_ex(status, list, &members))
		return -1;
	json_object_object_foreach(members, name, member)
	{
		(void)name;
		if (json_object_object_get_ex(member, "denied", &n))
			sum += json_object_get_int64(n);
		if (json_object_object_get_ex(member, "would_deny", &n))
			sum += json_object_get_int64(n);
	}
	return sum;
}

/* Under a lock only the manager can read the counters: one run of it reads all. */
static int read_account(struct lock_account *account)
{
	int64_t operations, guards;
	struct json_object *status, *lock, *events;

	if (gmemctl("status -o json"))
		return failed("gmemctl status: %s", gmemctl_output);
	status = json_tokener_parse(gmemctl_output);
	operations = denials_in(status, "operations");
	guards = denials_in(status, "guards");
	if (operations < 0 || guards < 0 ||
	    !json_object_object_get_ex(status, "lock_denied", &lock) ||
	    !json_object_object_get_ex(status, "events", &events))
		return failed("gmemctl status does not report what was denied: %s", gmemctl_output);
	account->lock_denied = json_object_get_int64(lock);
	account->denied = operations + guards + account->lock_denied;
	account->events = json_object_get_int64(events);
	account->known = true;
	json_object_put(status);
	return 0;
}

/* --- attempts without the lock --- */

static void remount(const char *type, const char *at, long magic)
{
	struct statfs fs;

	if (!statfs(at, &fs) && (long)fs.f_type == magic)
		return;
	mount(type, at, type, 0, NULL);
}

/* As the lab has them, and without anything of a policy. */
static void mend(void)
{
	remount("sysfs", "/sys", SYSFS_MAGIC);
	remount("bpf", "/sys/fs/bpf", BPF_FS_MAGIC);
	remount("cgroup2", "/sys/fs/cgroup", CGROUP2_SUPER_MAGIC);
	remount("securityfs", "/sys/kernel/security", SECURITYFS_MAGIC);
	remount("tracefs", "/sys/kernel/tracing", TRACEFS_MAGIC);
	if (system("rm -rf " PINS "*"))
		broken("rm");
}

/* Is there a policy in force, with its pins? */
static bool is_whole(void)
{
	return !access(ACTIVE_PIN, F_OK) && !access(PINS "/links/tag_exec", F_OK) &&
	       lock_policy_is_off() == ENDED_NOTHING;
}

int lock_ready(void)
{
	return lock_is_on() ? 0 : lock_load_unlocked();
}

int lock_load_unlocked(void)
{
	int ret;

	/* Only where the attempt before has destroyed it. */
	if (is_whole())
		return 0;
	mend();
	ret = lock_put_back();
	if (ret > 0)
		return ret;
	if (ret && (lock_usual_policy("") || gmemctl("load %s", LOCK_POLICY)))
		return failed("gmemctl load: %s", gmemctl_output);
	return is_whole() ? 0 : failed("the policy does not deny");
}

/* --- judgement --- */

static int lock_now(void)
{
	if (lock_is_on())
		return 0;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	if (lock_usual_policy("") || gmemctl("load --lock %s", LOCK_POLICY))
		return failed("gmemctl load --lock: %s", gmemctl_output);
	lock_is_on_now();
	return 0;
}

/* Every denial is counted, as many events as denials, and the lock has denied what it must have. */
static int check_account(const struct bypass_case *c, int ret, const struct lock_account *before,
			 const struct lock_account *after)
{
	long long by_lock = after->lock_denied - before->lock_denied,
		  denied = after->denied - before->denied, events = after->events - before->events;
	long long wanted_by_lock = c->denials == BYPASS_NONE ? 0
				   : c->denials		     ? c->denials
							     : ret == EACCES;

	if (bypass_run.verbose)
		fprintf(stderr, "%s: %lld by the lock, %lld denials, %lld events\n", c->id, by_lock,
			denied, events);
	if (events != denied)
		return failed("%s: %lld denials, %lld events", c->id, denied, events);
	if (wanted_by_lock == BYPASS_SOME ? by_lock < 1 : by_lock != wanted_by_lock)
		return failed("%s: %lld denials by the lock", c->id, by_lock);
	return 0;
}

/* The lock is on: go the path, and see what the manager reports and whether the policy holds. */
static int attempt_locked(const struct bypass_case *c)
{
	struct lock_account before = *lock_last_account, after;
	int ret;

	/* Nothing that is denied comes between two cases: it would be found here. */
	lock_last_account->known = false;
	if (!before.known && read_account(&before))
		return ENDED_BROKEN;
	ret = bypass_attempt(c);
	if (lock_policy_is_off() != ENDED_NOTHING)
		return failed("%s: afterwards the policy does not deny", c->id);
	if (read_account(&after) || check_account(c, ret, &before, &after))
		return ENDED_BROKEN;
	*lock_last_account = after;
	return ret;
}

int lock_check_outcome(const struct bypass_case *c)
{
	int bare = bypass_run.bare, ret;

	if (bare == ENDED_NOTHING)
		return failed("%s: it comes to nothing without the lock", c->id);
	if (bare == ENDED_ABSENT || bare == ENDED_BROKEN || bare == ENDED_KILLED)
		return bare;
	if (bypass_run.falsify) {
		ret = bypass_attempt(c);
		bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
		return ret;
	}
	ret = lock_now() ?: attempt_locked(c);
	if (ret == ENDED_BROKEN)
		return ret;
	if (ret == bare)
		bypass_is(bare		    ? BYPASS_refused
			  : c->id[0] == 'F' ? BYPASS_allowed
					    : BYPASS_possible);
	else if (!bare || (bare < ENDED_SIGBUS && ret == EACCES))
		bypass_is(BYPASS_stopped); /* where the kernel refuses it too, the lock is first */
	return ret;
}
