// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <time.h>

#include "../lib/log.h"
#include "../lib/stop.h"
#include "features.h"
#include "session.h"

void session_catch_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	stop_on_signals();
	/* When the reader has gone, write() fails with EPIPE, and gmemtop ends without a message. */
	sigaction(SIGPIPE, &ignore, NULL);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void sleep_until(uint64_t ns)
{
	struct timespec until = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int session_check_pid(uint64_t pid)
{
	if (pid > INT_MAX)
		return log_error(-EINVAL, "that is no pid", NULL, "--pid %llu",
				 (unsigned long long)pid);
	if (pid && kill((pid_t)pid, 0) && errno == ESRCH)
		return log_error(-ESRCH, "there is no such process", NULL, "--pid %llu",
				 (unsigned long long)pid);
	return 0;
}

int session_wait_for_kvm(bool wait)
{
	bool told = false;

	while (!kvm_present()) {
		if (!wait)
			return log_error(-EOPNOTSUPP, "KVM is not loaded",
					 "modprobe kvm_amd or kvm_intel", "look at KVM");
		if (stop_asked)
			return -EINTR;
		if (!told)
			log_note("KVM is not loaded yet, waiting for it");
		told = true;
		sleep_until(now_ns() + NS_PER_S / 2);
	}
	return 0;
}
