// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE /* pipe2 */
/* gmemctl learn: propose a policy that allows what was done. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/exits.h"
#include "../../lib/log.h"
#include "../../policy/learn.h"
#include "../ctl.h"
#include "../print.h"
#include "../kernel/policy_file.h"
#include "../kernel/who.h"

#define GMEMTOP "gmemtop"
#define EVENTS	"create,bind,mmap,host_fault,convert,allocate,punch,deny"

/* --- live events: those of gmemtop --- */

/* The gmemtop beside this program, or the one in PATH. */
static void __attribute__((noreturn)) run_gmemtop(int out, const char *seconds)
{
	char path[4096];
	const char *argv[] = { GMEMTOP, "events", "--json", "-e", EVENTS, "-d", seconds, NULL };
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(GMEMTOP));
	char *slash;

	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	path[len < 0 ? 0 : len] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, GMEMTOP);
		execv(path, (char *const *)argv);
	}
	execvp(GMEMTOP, (char *const *)argv);
	_exit(127);
}

static int gmemtop_ended(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return log_error(-ENOENT, "it is not installed", "install gmemtop", "run gmemtop");
	/* It has explained why. */
	return log_error(-EIO, "gmemtop failed", NULL, "record events");
}

static int learn_live(struct learn *learn, uint64_t ns, struct event_counts *counts)
{
	char path[32], seconds[32];
	int fds[2], ret, ended;
	pid_t pid;

	snprintf(seconds, sizeof(seconds), "%llu.%09llu", (unsigned long long)(ns / 1000000000),
		 (unsigned long long)(ns % 1000000000));
	if (pipe2(fds, O_CLOEXEC))
		return log_error(-errno, NULL, NULL, "record events");
	fflush(stdout);
	pid = fork();
	if (!pid)
		run_gmemtop(fds[1], seconds);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return log_error(-errno, NULL, NULL, "record events");
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	ret = events_read(path, false, &who_of_host, learn_take, learn, counts);
	close(fds[0]);
	ended = gmemtop_ended(pid);
	return ret ?: ended;
}

/* --- output --- */

static void note(const struct learn_report *report, const struct event_counts *counts)
{
	if (counts->lost)
		log_note("%llu events were lost: what they did is not in the proposal",
			 counts->lost);
	if (report->anonymous)
		log_note("%llu events are left out: the executable of the process is not known",
			 report->anonymous);
	if (report->overlaps)
		log_note("%zu requests were denied, and the proposal allows them: see REVIEW",
			 report->overlaps);
}

static int print_json(const char *text, const struct learn_report *report,
		      const struct event_counts *counts)
{
	struct json json = { 0 };

	report_begin(&json, REPORT_learn);
	json_u64(&json, "events", report->events);
	json_u64(&json, "denied", report->denied);
	json_u64(&json, "failed", report->failed);
	json_u64(&json, "anonymous", report->anonymous);
	json_u64(&json, "allowed_by_base", report->allowed);
	json_u64(&json, "denied_by_base", report->by_rule);
	json_u64(&json, "lost", counts->lost);
	json_u64(&json, "incomplete", counts->unplaced);
	json_u64(&json, "overlaps", report->overlaps);
	json_u64(&json, "subjects", report->subjects);
	json_u64(&json, "rules", report->rules);
	json_str(&json, "source", text);
	return report_end(&json);
}

static int propose(struct learn *learn, const struct ctl_options *opts,
		   const struct event_counts *counts)
{
	struct learn_report report;
	char *text;
	size_t len;
	int ret;

	ret = learn_propose(learn, &text, &len, &report);
	if (ret == -ENODATA && opts->base && report.allowed)
		ret = log_error(ret, "the base allows all of it", NULL, "learn");
	else if (ret == -ENODATA)
		ret = log_error(ret, "no event is evidence", NULL, "learn");
	else if (ret == -EPROTO)
		ret = log_error(ret, "the proposal does not allow its own evidence",
				"this is a bug, please report it", "learn");
	else if (ret)
		ret = log_error(ret, NULL, NULL, "learn");
	if (!ret) {
		note(&report, counts);
		if (opts->json)
			ret = print_json(text, &report, counts);
		else if (fwrite(text, 1, len, stdout) != len)
			ret = -errno;
	}
	free(text);
	return ret;
}

int ctl_learn(const struct ctl_options *opts)
{
	struct event_counts counts = { 0 };
	struct learn_options options = { .base_name = opts->base, .exact = opts->exact };
	struct policy_file base = { 0 };
	struct learn *learn;
	int ret = 0;

	if (!opts->file == !opts->duration)
		return log_error(-EINVAL, "choose one: a recording, or --for", "see --help",
				 "learn");
	if (opts->base)
		ret = policy_open(opts->base, false, &base);
	if (ret == -EBADMSG)
		diags_report(&base.diags, opts->json);
	if (!ret && opts->base)
		options.base = &base.compiled;
	learn = ret ? NULL : learn_new(&options);
	if (!ret && !learn)
		ret = log_error(-ENOMEM, NULL, NULL, "learn");
	if (!ret)
		ret = opts->file ? events_read(opts->file, true, &who_of_host, learn_take, learn,
					       &counts)
				 : learn_live(learn, opts->duration, &counts);
	if (!ret)
		ret = propose(learn, opts, &counts);
	if (learn)
		learn_free(learn);
	policy_close(&base);
	return ret == -EBADMSG ? GMEM_EXIT_POLICY : ret;
}
