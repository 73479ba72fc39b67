// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "commands.h"

struct said said;

static void take(FILE *file, char *text, size_t size)
{
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

int command(const char *fmt, ...)
{
	FILE *out = tmpfile(), *err = tmpfile();
	char *text = NULL;
	va_list args;
	int status;
	pid_t pid;

	va_start(args, fmt);
	if (!out || !err || vasprintf(&text, fmt, args) < 0)
		exit(1);
	va_end(args);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(fileno(out), 1);
		dup2(fileno(err), 2);
		close(fileno(out));
		close(fileno(err));
		execl("/bin/bash", "bash", "-c", text, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		exit(1);
	said.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	take(out, said.out, sizeof(said.out));
	take(err, said.err, sizeof(said.err));
	free(text);
	return said.status;
}

static bool lacks(const char *text, const char *wanted)
{
	return wanted && !strstr(text, wanted);
}

int rows_run(const struct row *rows, size_t nr, void (*after)(const char *command))
{
	const struct row *row;
	int bad = 0;

	for (row = rows; row < rows + nr; row++) {
		command("%s", row->command);
		if (said.status != row->status || lacks(said.err, row->err) ||
		    lacks(said.out, row->out)) {
			bad++;
			printf("%s: status %d (%d), standard error '%s' (%s), output '%s' (%s)\n",
			       row->command, said.status, row->status, said.err,
			       row->err ?: "whatever", said.out, row->out ?: "whatever");
		}
		if (after)
			after(row->command);
	}
	return bad;
}

struct json_object *said_json(void)
{
	return json_tokener_parse(said.out);
}
