// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gmemctl.h"
#include "policies.h"

#define WAIT_MS 4000

static void __attribute__((noreturn)) no(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

struct child start(const char *program, const char *const *args)
{
	const char *argv[16] = { program };
	int out[2], err[2], i;
	struct child child;

	for (i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	if (pipe(out) || pipe(err))
		no("pipe");
	fflush(stdout);
	child.pid = fork();
	if (!child.pid) {
		dup2(out[1], 1);
		dup2(err[1], 2);
		for (i = 3; i < 64; i++)
			close(i);
		/* It waits for nothing that never comes. */
		alarm(30);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	child.out = fdopen(out[0], "r");
	child.err = err[0];
	return child;
}

struct json_object *next(struct child *child)
{
	struct pollfd pollfd = { .fd = fileno(child->out), .events = POLLIN };
	struct json_object *object = NULL;
	char *line = NULL;
	size_t size = 0;

	if (child->out->_IO_read_ptr == child->out->_IO_read_end && poll(&pollfd, 1, WAIT_MS) != 1)
		return NULL;
	if (getline(&line, &size, child->out) > 0)
		object = json_tokener_parse(line);
	free(line);
	return object;
}

int finish(struct child *child, int sig)
{
	int status;

	if (sig)
		kill(child->pid, sig);
	waitpid(child->pid, &status, 0);
	fclose(child->out);
	close(child->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

struct json_object *get(struct json_object *object, const char *path)
{
	char name[64], *save, *part;

	snprintf(name, sizeof(name), "%s", path);
	for (part = strtok_r(name, ".", &save); part && object; part = strtok_r(NULL, ".", &save))
		object = json_object_object_get(object, part);
	return object;
}

long number(struct json_object *object, const char *path)
{
	struct json_object *value = get(object, path);

	return value ? (long)json_object_get_int64(value) : -1;
}

const char *string(struct json_object *object, const char *path)
{
	struct json_object *value = get(object, path);

	return value ? json_object_get_string(value) : "null";
}

bool is(struct json_object *object, const char *path, const char *wanted_value)
{
	return !strcmp(string(object, path), wanted_value);
}

size_t length(struct json_object *object, const char *path)
{
	struct json_object *list = get(object, path);

	return list && json_object_is_type(list, json_type_array) ? json_object_array_length(list)
								  : 0;
}

struct json_object *item(struct json_object *object, const char *path, size_t i)
{
	return i < length(object, path) ? json_object_array_get_idx(get(object, path), i) : NULL;
}

static char *policy_named(const char *name)
{
	char *text =
		policy_text(0,
			    "subjects: { bad: { uid: [%d] }, other: { uid: [%d] } }\n"
			    "rules:\n"
			    "  - { name: %s, deny: [create, mmap], subjects: [bad] }\n"
			    "  - { name: trial, deny: [create], subjects: [other], mode: audit }\n",
			    BAD, OTHER, name);

	return text;
}

void load(const char *rule)
{
	char *text = policy_named(rule);

	if (policy_load(text, true, 0))
		no("load");
	free(text);
	while (policy_read_events())
		;
}

void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}
