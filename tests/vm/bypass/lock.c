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

int gmemctl(const char *fmt, ...)
{
	char cmd[512] = GMEMCTL " ";
	size_t len = strlen(cmd);
	va_list args;
	int status;

	if (manager_ready())
		return ENDED_BROKEN;
	va_start(args, fmt);
	vsnprintf(cmd + len, sizeof(cmd) - len, fmt, args);
	va_end(args);
	if (!bypass_run.verbose)
		strncat(cmd, " >/dev/null 2>&1", sizeof(cmd) - strlen(cmd) - 1);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : ENDED_BROKEN;
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
	for (int i = 0; i < 100 && ret == ENDED_NOTHING; i++) {
		ret = lock_policy_is_off();
		if (ret == ENDED_NOTHING)
			usleep(100000);
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

/* Denials by the lock, and events of all kinds, as the manager reads them. */
struct account {
	int64_t refused, events;
};

static struct json_object *ask(const char *command)
{
	struct json_object *object;
	char cmd[256], *text = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), GMEMCTL " %s -o json 2>/dev/null", command);
	f = popen(cmd, "re");
	object = f && getdelim(&text, &size, '\0', f) > 0 ? json_tokener_parse(text) : NULL;
	if (f)
		pclose(f);
	free(text);
	return object;
}

static int64_t number_at(struct json_object *object, const char *const *path)
{
	for (; *path; path++) {
		if (!json_object_object_get_ex(object, *path, &object))
			return -1;
	}
	return json_object_get_int64(object);
}

static int read_account(struct account *account)
{
	static const char *const refused[] = { "guards", "lock", "denied", NULL };
	static const char *const events[] = { "events", NULL };
	struct json_object *show = ask("show"), *status = ask("status");

	account->refused = number_at(show, refused);
	account->events = number_at(status, events);
	json_object_put(show);
	json_object_put(status);
	if (account->refused < 0 || account->events < 0)
		return failed("gmemctl show and status do not tell what was denied");
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

/* As the lab has them. */
static void mend(void)
{
	remount("sysfs", "/sys", SYSFS_MAGIC);
	remount("bpf", "/sys/fs/bpf", BPF_FS_MAGIC);
	remount("cgroup2", "/sys/fs/cgroup", CGROUP2_SUPER_MAGIC);
	remount("securityfs", "/sys/kernel/security", SECURITYFS_MAGIC);
	remount("tracefs", "/sys/kernel/tracing", TRACEFS_MAGIC);
	gmemctl("unload");
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
	/* A load takes its time: only where the attempt before has left nothing of it. */
	if (is_whole())
		return 0;
	mend();
	if (lock_usual_policy("") || gmemctl("load %s", LOCK_POLICY))
		return failed("gmemctl load");
	return is_whole() ? 0 : failed("the policy does not deny");
}

/* --- judgement --- */

static int lock_now(void)
{
	int ret;

	if (lock_is_on())
		return 0;
	mend();
	ret = lock_usual_policy("") ?: gmemctl("load --lock %s", LOCK_POLICY);
	if (ret)
		return failed("gmemctl load --lock: %d", ret);
	lock_is_on_now();
	return 0;
}

/* Refused by the lock: counted, as many events as denials, and the policy still denies. */
int lock_judge(const struct bypass_case *c)
{
	struct account before, after;
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
	if (lock_now() || read_account(&before))
		return ENDED_BROKEN;
	ret = bypass_attempt(c);
	if (read_account(&after))
		return ENDED_BROKEN;
	/* What the manager proves by itself is refused and told too. */
	if (c->denials != BYPASS_SOME &&
	    after.events - before.events != after.refused - before.refused)
		return failed("%s: %lld refused, %lld events", c->id,
			      (long long)(after.refused - before.refused),
			      (long long)(after.events - before.events));
	if (ret == bare)
		bypass_is(bare		    ? BYPASS_refused
			  : c->id[0] == 'F' ? BYPASS_allowed
					    : BYPASS_possible);
	else if (!bare || (bare < ENDED_SIGBUS && ret == EACCES))
		bypass_is(BYPASS_stopped); /* where the kernel refuses it too, the lock is first */
	if (c->denials != BYPASS_SOME && (ret == EACCES) == (after.refused == before.refused))
		return failed("%s: %lld refused", c->id,
			      (long long)(after.refused - before.refused));
	if (lock_policy_is_off() != ENDED_NOTHING)
		return failed("%s: afterwards the policy does not deny", c->id);
	return ret;
}
