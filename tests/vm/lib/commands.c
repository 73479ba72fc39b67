// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "commands.h"

struct said said;

static void __attribute__((noreturn)) no(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

const char *commands_begin(const char *dir)
{
	static char program[PATH_MAX];
	char *path;

	if (!realpath("build/gmemctl", program))
		no("build/gmemctl");
	if (asprintf(&path, "%.*s:%s", (int)(strrchr(program, '/') - program), program,
		     getenv("PATH") ?: "/bin") < 0 ||
	    setenv("PATH", path, 1))
		no("PATH");
	free(path);
	mkdir(dir, 0755);
	if (chdir(dir))
		no(dir);
	return program;
}

void write_file(const char *name, const char *fmt, ...)
{
	FILE *file = fopen(name, "we");
	va_list args;

	if (!file)
		no(name);
	va_start(args, fmt);
	vfprintf(file, fmt, args);
	va_end(args);
	if (fclose(file))
		no(name);
}

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
