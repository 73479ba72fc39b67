// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/log.h"
#include "action.h"
#include "session.h"
#include "store.h"

int action_parse(struct action *action, const char *on, const char *what)
{
	const char *why;
	int end = 0;

	if (conditions_parse(on, false, action->conditions, &action->nr_conditions, &why))
		return log_error(-EINVAL, why, NULL, "--on '%s'", on);
	if (!what)
		return log_error(-EINVAL, "it has no action",
				 "name one behind it: snapshot, signal:NUMBER:PID, exec:COMMAND or "
				 "exit",
				 "--on '%s'", on);
	if (!strcmp(what, "snapshot"))
		action->kind = ACTION_SNAPSHOT;
	else if (!strcmp(what, "exit"))
		action->kind = ACTION_EXIT;
	else if (!strncmp(what, "exec:", 5) && what[5])
		action->kind = ACTION_EXEC;
	else if (sscanf(what, "signal:%d:%d%n", &action->sig, &action->pid, &end) == 2 &&
		 !what[end] && action->sig > 0 && action->sig <= SIGRTMAX && action->pid > 1)
		action->kind = ACTION_SIGNAL;
	else
		return log_error(-EINVAL, "it is no action",
				 "snapshot, signal:NUMBER:PID, exec:COMMAND and exit are", "'%s'",
				 what);
	action->command = what + 5;
	return 0;
}

int action_due(struct action *action, const struct frames *frames, const struct model *model,
	       const struct condition **which)
{
	bool before = action->held;
	double value;
	unsigned int i;
	int ret;

	digest_restart(&action->interval);
	ret = digest_add_host(&action->interval, frames, model);
	if (ret)
		return ret;
	action->held = false;
	for (i = 0; i < action->nr_conditions && !action->held; i++) {
		*which = &action->conditions[i];
		action->held = measure_of(&action->interval, (*which)->measure, &value) &&
			       condition_holds(*which, value, 0);
	}
	return action->held && !before;
}

/* Lines of one file, as far as they are not too old. Return: 0 or a negative errno. */
static int copy(struct store_writer *to, const char *path, uint64_t since_ns)
{
	struct store_reader *reader;
	const char *line;
	uint64_t ns = 0;
	size_t len;
	int ret;

	ret = store_open(&reader, path);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	store_seek(reader, since_ns);
	while ((ret = store_line(reader, &line, &len)) > 0) {
		/* A gap between events has no time of its own. */
		ns = store_time(line, len) ?: ns;
		ret = ns >= since_ns ? store_add(to, ns, line, len) : 0;
		if (ret)
			break;
	}
	store_close(reader);
	return ret;
}

int action_snapshot(const char *from, const char *to, uint64_t since_ns, unsigned int keep)
{
	static const struct store_options how = { .block_ns = 10 * NS_PER_S,
						  .block_text = 32UL << 20 };
	struct store_writer *writer;
	char *path = NULL;
	int ret, end;

	if (!access(to, F_OK))
		return -EEXIST;
	ret = store_create(&writer, to, &how, NULL);
	if (ret)
		return ret;
	/* The oldest file first. */
	for (; keep && !ret; keep--) {
		if (asprintf(&path, "%s.%u", from, keep) < 0) {
			ret = -ENOMEM;
			break;
		}
		ret = copy(writer, path, since_ns);
		free(path);
	}
	if (!ret)
		ret = copy(writer, from, since_ns);
	end = store_finish(writer);
	return ret ? ret : end;
}

int action_run(const struct action *action, const struct condition *which, const char *recording)
{
	pid_t pid;
	int null;

	if (action->kind == ACTION_SIGNAL)
		return kill(action->pid, action->sig) ? -errno : 0;
	/* Children are not waited for: a command may take longer than a frame. */
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : 0;
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	null = open("/dev/null", O_RDWR);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	setenv("GMEM_CONDITION", which->text, 1);
	setenv("GMEM_RECORDING", recording, 1);
	execl("/bin/sh", "sh", "-c", action->command, (char *)NULL);
	_exit(127);
}

void action_free(struct action *action)
{
	digest_end(&action->interval);
	digest_free(&action->interval);
}
