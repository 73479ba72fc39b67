// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"
#include "policies.h"
#include "requests.h"

static void __attribute__((noreturn)) give_up(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

int act_create(pid_t pid)
{
	(void)pid;
	return request(REQUEST_create);
}

int act_wait(pid_t pid)
{
	char byte;

	(void)pid;
	while (read(0, &byte, 1) > 0)
		;
	return request(REQUEST_create);
}

int actor_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return ASKED_NOT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ASKED_NOT;
}

pid_t actor_start(const char *exe, const char *act, pid_t target, before_exec before, int in)
{
	char number[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(number, sizeof(number), "%d", target);
	if ((in >= 0 && dup2(in, 0) < 0) || (before && before()))
		_exit(ASKED_NOT);
	execl(exe, exe, "--do", act, number, NULL);
	_exit(ASKED_NOT);
}

int act(const char *exe, const char *what, pid_t target)
{
	return actor_wait(actor_start(exe, what, target, NULL, -1));
}

int act_after(const char *exe, const char *what, before_exec before)
{
	return actor_wait(actor_start(exe, what, 0, before, -1));
}

struct target target_start(const char *exe, before_exec before)
{
	char path[64], name[PATH_MAX] = "", want[PATH_MAX];
	struct target target;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		give_up("making a pipe");
	target.pid = actor_start(exe, "wait", 0, before, ends[0]);
	target.out = ends[1];
	close(ends[0]);
	/* Until it is what it should be. */
	snprintf(path, sizeof(path), "/proc/%d/exe", target.pid);
	snprintf(want, sizeof(want), "%s", exe);
	for (int i = 0; i < 1000 && strcmp(name, want); i++) {
		memset(name, 0, sizeof(name));
		if (readlink(path, name, sizeof(name) - 1) < 0)
			give_up(path);
		usleep(5000);
	}
	return target;
}

int target_end(struct target *target)
{
	close(target->out);
	return actor_wait(target->pid);
}

void actors_make(void)
{
	static const char *const exes[] = { PLAIN, VMM, AGENT };
	char cmd[256];

	for (size_t i = 0; i < 3; i++) {
		snprintf(cmd, sizeof(cmd), "rm -f %s; cp /proc/%d/exe %s", exes[i], getpid(),
			 exes[i]);
		if (system(cmd))
			give_up(cmd);
	}
}

void actors_load(bool enforce, const char *guards)
{
	char *text = policy_text(1U << GMEM_DO_create,
				 "%s"
				 "subjects: { vmm: { exe: " VMM " }, agent: { exe: " AGENT " } }\n"
				 "rules: [ { name: may, allow: [create], "
				 "subjects: [vmm, agent] } ]\n",
				 guards);

	if (policy_load(text, enforce, 0))
		give_up("loading a policy");
	free(text);
	/* The proof of a load is one. */
	policy_read_events();
}
