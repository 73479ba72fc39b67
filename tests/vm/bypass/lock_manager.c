// SPDX-License-Identifier: GPL-2.0-only
/* Ways of root to the manager of a locked policy: its file, what it begins with, what it is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/arch.h"
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

/* A library of the manager on an overlay, as all of a live system's are. */
#define LAYERS BYPASS_DIR "/layers"

static int library_on_overlay(void)
{
	int ret = lock_ready();

	if (ret || !access(LAYERS, F_OK))
		return ret;
	return shell("mkdir -p " LAYERS "/lower " LAYERS "/upper " LAYERS "/work " LAYERS
		     "/merged && "
		     "lib=$(" ARCH_LOADER " --list " GMEMCTL
		     " | sed -n 's/.*json-c.* => \\([^ ]*\\) .*/\\1/p') && "
		     "cp -L $lib " LAYERS "/lower/lib && mount -t overlay -o lowerdir=" LAYERS
		     "/lower,upperdir=" LAYERS "/upper,workdir=" LAYERS "/work overlay " LAYERS
		     "/merged && mount --bind " LAYERS "/merged/lib $(realpath $lib)");
}

static int write_below_overlay(void)
{
	int fd = open(LAYERS "/lower/lib", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* Another loader for it, in a mount namespace: its file, and foreign code. */
static int foreign_manager(int peer)
{
	char loader[256];

	(void)peer;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !realpath(ARCH_LOADER, loader) || mount(EVIL, loader, NULL, MS_BIND, NULL))
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

/* --- F120: the manager watches while it loads --- */

#define WATCHED BYPASS_DIR "/watched"

static pid_t start_monitor(void)
{
	pid_t pid = fork();

	if (!pid) {
		int fd = open(WATCHED, O_CREAT | O_TRUNC | O_WRONLY, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		execl(GMEMCTL, GMEMCTL, "monitor", "-o", "json", NULL);
		_exit(127);
	}
	return pid;
}

/* Wait until it has written that. */
static bool monitor_wrote(const char *text)
{
	char buf[8192];
	ssize_t len;
	int fd;

	for (int i = 0; i < 100; i++) {
		fd = open(WATCHED, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
		if (fd >= 0)
			close(fd);
		buf[len > 0 ? len : 0] = '\0';
		if (strstr(buf, text))
			return true;
		usleep(50000);
	}
	fprintf(stderr, "no %s: %s\n", text, buf);
	return false;
}

static int watch_a_load(void)
{
	int ret = 0, status;
	pid_t monitor;

	if (lock_usual_policy("") || gmemctl("status"))
		return failed("gmemctl: %s", gmemctl_output);
	monitor = start_monitor();
	if (!monitor_wrote("\"in_force\":true"))
		ret = failed("the monitor does not begin");
	if (!ret && gmemctl("load %s %s", lock_is_on() ? "--lock" : "", LOCK_POLICY))
		ret = failed("gmemctl load: %s", gmemctl_output);
	/* It goes on under the new policy: X is denied, and that is reported. */
	if (!ret && lock_policy_is_off() != ENDED_NOTHING)
		ret = failed("the policy does not deny");
	if (!ret && !monitor_wrote("\"verdict\":\"denied\""))
		ret = failed("the monitor does not report a denial after the load");
	kill(monitor, SIGINT);
	if (waitpid(monitor, &status, 0) != monitor || status)
		ret = ret ?: failed("the monitor ended with %x", status);
	return ret;
}

/* --- F121: root that is not the manager asks whether the policy is enforced --- */

#define MONITORING BYPASS_DIR "/monitoring"

static int summary_for_others(void)
{
	int status;

	if (gmemctl("probe") || system("cp " GMEMCTL " " MONITORING))
		return broken("cp " GMEMCTL);
	status = system(MONITORING " status --check >/dev/null");
	return status ? failed("gmemctl status --check: %x", status) : 0;
}

static int gmemtop_for_others(void)
{
	int status = system("build/gmemtop --once --json >" BYPASS_DIR "/frame && "
			    "grep -q '\"policy\":{\"mode\":\"enforce\"' " BYPASS_DIR "/frame");

	unlink(BYPASS_DIR "/frame");
	return status ? failed("gmemtop --once --json: %x", status) : 0;
}

const struct bypass_case bypass_lock_manager[] = {
	LOCK_CASE("138", "lock: the manager's file opened for writing", write_manager, LOCKED),
	LOCK_CASE("138b", "lock: the manager's file truncated", truncate_manager, LOCKED),
	{ LOCK_FIELDS("183", "lock: a library of the manager, written to below an overlay",
		      write_below_overlay),
	  .prepare = library_on_overlay, LOCKED },
	LOCK_CASE("94", "lock: the manager with another loader, in a mount namespace",
		  manager_in_own_mounts, LOCKED),
	LOCK_CASE(
		"95", "lock: a policy that allows all, loaded by the manager", other_policy,
		.denials = BYPASS_NONE,
		EVERYWHERE(POSSIBLE("Any process that starts the manager's executable is the "
				    "manager, and can load another policy, which is locked too."))),
	LOCK_CASE("F120", "lock: the manager's monitor goes on while the manager loads a policy",
		  watch_a_load, EVERYWHERE(ALLOWED)),
	LOCK_CASE("F121", "lock: gmemctl status --check by others than the manager",
		  summary_for_others, .denials = BYPASS_NONE, EVERYWHERE(ALLOWED)),
	LOCK_CASE("F121b", "lock: gmemtop shows mode and denials of a locked policy",
		  gmemtop_for_others, .denials = BYPASS_NONE, EVERYWHERE(ALLOWED)),
	{ 0 },
};
