// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's side: runs the tests of a list one after the other. Whatever a test started has ended
 * before the next one begins, and a test that leaves something pinned in the BPF file system fails:
 * the next one would meet it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

#define BPFFS "/sys/fs/bpf"

static void run_command(const char *name, const char *command)
{
	const char *out = getenv("LAB_OUT");
	char dir[4096];

	setpgid(0, 0);
	snprintf(dir, sizeof(dir), "%s/%s", out ?: "/tmp", name);
	if (mkdir(dir, 0755) && errno != EEXIST)
		fprintf(stderr, "runner: cannot make %s: %s\n", dir, strerror(errno));
	setenv("LAB_OUT", dir, 1);
	dup2(1, 2); /* one stream, so that the marks stand where they belong */
	execlp("bash", "bash", "-c", command, NULL);
	fprintf(stderr, "runner: cannot start bash: %s\n", strerror(errno));
	_exit(125);
}

/* The parent of process @pid; -1 where it is gone. */
static pid_t parent_of(const char *pid)
{
	char path[300], line[512], *after;
	pid_t parent = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	/* The name is in parentheses and may hold some itself. */
	if (fgets(line, sizeof(line), f) && (after = strrchr(line, ')')))
		sscanf(after + 1, " %*c %d", &parent);
	fclose(f);
	return parent;
}

static void kill_children(void)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc)))
		if (parent_of(entry->d_name) == getpid())
			kill((pid_t)atoi(entry->d_name), SIGKILL);
	if (proc)
		closedir(proc);
}

/* End all descendants: this process is a subreaper, so that orphans become its children. */
static void end_descendants(pid_t group)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	kill(-group, SIGKILL);
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return; /* ECHILD */
		if (pid == 0) {
			kill_children();
			nanosleep(&pause, NULL);
		}
	}
}

/* What is pinned, for the message; false where nothing is. */
static bool left_pinned(char *what, size_t size)
{
	struct dirent *entry;
	DIR *dir = opendir(BPFFS);
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "maps.debug") ||
		    !strcmp(entry->d_name, "progs.debug"))
			continue;
		snprintf(what, size, "left %s/%s behind", BPFFS, entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Where to look in the console's log when the kernel has reported something. */
static void note_in_kernel_log(const char *name)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "<6>test: %s\n", name);
	close(fd);
}

static void run_one(const char *name, const char *command, bool last)
{
	char left[600] = "";
	double start = now();
	int status = 0;
	siginfo_t info;
	pid_t pid;

	note_in_kernel_log(name);
	printf("%cbegin %s\n", MARK, name);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_command(name, command);
	if (pid < 0) {
		status = 125;
	} else {
		/* It keeps its number while its group is ended. */
		waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		end_descendants(pid);
	}
	if (!last)
		left_pinned(left, sizeof(left));
	printf("%cend %s %d %.2f %s\n", MARK, name, status, now() - start, left);
	fflush(stdout);
}

int inside_run(const char *list)
{
	char *line = NULL, *next = NULL, *command;
	size_t size = 0, next_size = 0;
	FILE *f = fopen(list, "re");
	ssize_t n;

	if (!f) {
		fprintf(stderr, "runner: cannot read %s: %s\n", list, strerror(errno));
		return 1;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	n = getline(&line, &size, f);
	while (n > 0) {
		n = getline(&next, &next_size, f);
		line[strcspn(line, "\n")] = '\0';
		command = strchr(line, '\t');
		if (!command) {
			fprintf(stderr, "runner: %s: not NAME, a tab, COMMAND: %s\n", list, line);
			return 1;
		}
		*command++ = '\0';
		run_one(line, command, n <= 0);
		free(line);
		line = next;
		next = NULL;
		next_size = 0;
	}
	free(line);
	fclose(f);
	return 0;
}
