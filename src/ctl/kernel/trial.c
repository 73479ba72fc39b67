// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/log.h"
#include "trial.h"

#define NS_PER_S     1000000000ULL
#define SYSTEMD	     "/run/systemd/system" /* sd_booted(3) */
#define WHY_NO_TIMER "nothing would end the trial"

/* With suspended time: a policy must not stay because the host slept. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int64_t trial_left(const struct gmem_slot *how)
{
	return (int64_t)(how->trial_until_ns - now_ns());
}

static void sleep_until(uint64_t ns)
{
	struct timespec until = { .tv_sec = (time_t)(ns / NS_PER_S),
				  .tv_nsec = (long)(ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* Of a terminal that hangs up or interrupts, this process hears nothing. */
static void leave_session(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	setsid();
	for (fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	signal(SIGHUP, SIG_IGN);
	/* The lock of the pins among them, which would outlast this load. */
	close_range(3, ~0U, 0);
	if (chdir("/"))
		return;
}

/* The child of a child, which process 1 inherits. */
static int arm_process(const struct pins *pins, uint64_t until)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		leave_session();
		pid = fork();
		if (pid)
			_exit(pid < 0);
		sleep_until(until);
		execl("/proc/self/exe", "gmemctl", "rollback", "--unconfirmed", "--pins", pins->dir,
		      NULL);
		_exit(1);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status ? -EAGAIN : 0;
}

/* @ns: of the trial; the timer begins a little later than the trial, and so ends after it. */
static int arm_timer(const struct pins *pins, const char *exe, uint64_t ns)
{
	char active[64];
	int status;
	pid_t pid;

	snprintf(active, sizeof(active), "--on-active=%lluus", (unsigned long long)(ns / 1000 + 1));
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execlp("systemd-run", "systemd-run", "--quiet", "--collect", active,
		       "--timer-property=AccuracySec=100ms",
		       "--description=gmemctl: end of a trial that was not confirmed", exe,
		       "rollback", "--unconfirmed", "--pins", pins->dir, NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status ? -EIO : 0;
}

static int arm(const struct pins *pins, uint64_t ns, uint64_t until)
{
	char exe[PATH_MAX];
	ssize_t len;
	int ret;

	if (access(SYSTEMD, F_OK)) {
		ret = arm_process(pins, until);
		return ret ? log_error(ret, WHY_NO_TIMER, NULL, "start the process that ends it")
			   : 0;
	}
	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (len < 0)
		return log_error(-errno, WHY_NO_TIMER, NULL, "read /proc/self/exe");
	exe[len] = '\0';
	ret = arm_timer(pins, exe, ns);
	return ret ? log_error(ret, WHY_NO_TIMER, "see what systemd-run says",
			       "start a timer by systemd-run")
		   : 0;
}

int trial_begin(struct store *store, unsigned int slot, uint64_t ns, bool back)
{
	uint64_t until = now_ns() + ns;
	int ret = arm(store->pins, ns, until);

	if (ret)
		return ret;
	store->slots[slot].trial_back = back;
	store->slots[slot].trial_until_ns = until;
	return 0;
}

bool trial_on(const struct store *store)
{
	__u64 word = store_active(store);

	return word && store->slots[GMEM_ACTIVE_SLOT(word)].trial_until_ns;
}

int trial_allowed(const struct store *store, bool locked)
{
	if (locked)
		return log_error(-EPERM,
				 "what is locked stays until the next boot, and no process but "
				 "its manager could go back",
				 "see what it would deny: gmemctl simulate, gmemctl diff",
				 "try a policy");
	if (store && trial_on(store))
		return log_error(-EBUSY, "the policy in force is on trial itself",
				 "gmemctl confirm or gmemctl rollback", "try a policy");
	return 0;
}

void trial_end(struct store *store, unsigned int slot)
{
	__atomic_store_n(&store->slots[slot].trial_until_ns, 0, __ATOMIC_SEQ_CST);
}
