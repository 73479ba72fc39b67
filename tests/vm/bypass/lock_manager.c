// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root to the manager of a locked policy: its file, what it begins with, what it is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lock.h"
#include "puppet.h"

/* --- the manager's program --- */

static int write_manager(void)
{
	int fd = open(GMEMCTL, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int truncate_manager(void)
{
	struct stat st;

	/* As long as it is: it has to work afterwards. */
	if (stat(GMEMCTL, &st))
		return broken(GMEMCTL);
	return result_of(truncate(GMEMCTL, st.st_size));
}

/* Another loader for it, in a mount namespace: its file, and foreign code. */
static int foreign_manager(int peer)
{
	char loader[256];

	(void)peer;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !realpath("/lib64/ld-linux-x86-64.so.2", loader) ||
	    mount(EVIL, loader, NULL, MS_BIND, NULL))
		return broken("bind mount");
	execl(GMEMCTL, GMEMCTL, "status", NULL);
	return broken(GMEMCTL);
}

static int with_opener(int (*fn)(void))
{
	int fd = open(EVIL_OPENS, O_CREAT | O_WRONLY | O_CLOEXEC, 0644), ret = evil_ready();

	if (fd < 0)
		return broken(EVIL_OPENS);
	close(fd);
	ret = ret ?: fn();
	unlink(EVIL_OPENS);
	return ret;
}

/* What it begins with is not let in: it does not get as far as its first instruction. */
static int start_foreign_manager(void)
{
	int ret = play(WHO_x, foreign_manager);

	return ret == ENDED_KILLED ? EACCES : ret;
}

static int manager_in_own_mounts(void)
{
	return with_opener(start_foreign_manager);
}

/* --- 95: the manager does what it is told --- */

static int other_policy(void)
{
	int ret;

	if (lock_write_policy("", "manager: m\n"
				  "subjects: { m: { exe: " GMEMCTL " } }\n"
				  "rules: [ { name: all, allow: all, subjects: any } ]\n"))
		return ENDED_BROKEN;
	ret = gmemctl("load %s --accept-default-change %s", lock_is_on() ? "--lock" : "",
		      LOCK_POLICY);
	ret = ret ? failed("gmemctl load: %s", gmemctl_output) : lock_policy_is_off();
	if (lock_usual_policy("") ||
	    gmemctl("load %s %s", lock_is_on() ? "--lock" : "", LOCK_POLICY))
		return failed("gmemctl load: %s", gmemctl_output);
	return ret;
}

const struct bypass_case bypass_lock_manager[] = {
	LOCK_CASE("138", "lock: the manager's file opened for writing", write_manager, LOCKED),
	LOCK_CASE("138b", "lock: the manager's file truncated", truncate_manager, LOCKED),
	LOCK_CASE("94", "lock: the manager with another loader, in a mount namespace",
		  manager_in_own_mounts, LOCKED),
	LOCK_CASE("95", "lock: a policy that allows all, loaded by the manager", other_policy,
		  .denials = BYPASS_NONE,
		  EVERYWHERE(POSSIBLE("Who starts the manager's executable is the manager, and may "
				      "load another policy, which is locked too."))),
	{ 0 },
};
