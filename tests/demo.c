// SPDX-License-Identifier: GPL-2.0-only
/*
 * The demonstration, inside the VM: run a command, show the kvm_gmem_* events that tracefs gives
 * meanwhile, and compare in the end with what the workload says that it did.
 *
 *   demo DIR COLUMNS WORKLOAD [ARGUMENT...]
 *
 * DIR gets events (the raw text), workload.json and result (one line per check: ok|FAILED NAME).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#define TRACING "/sys/kernel/tracing"
#define PREFIX	"kvm_gmem_"

static const char *const names[] = {
	"create",      "bind",	     "convert", "allocate", "mmap",
	"guest_fault", "host_fault", "unbind",	"release",
};

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static unsigned long seen[NR_NAMES];
static int columns;

static int __attribute__((format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("demo: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static int enable_events(void)
{
	glob_t g;
	int fd;

	if (glob(TRACING "/events/kvm/" PREFIX "*/enable", 0, NULL, &g))
		die("this kernel has no kvm_gmem_* tracepoints: use lane patched");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		fd = open(g.gl_pathv[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "1", 1) != 1)
			die("cannot enable %s: %s", g.gl_pathv[i], strerror(errno));
		close(fd);
	}
	globfree(&g);
	fd = open(TRACING "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("cannot read %s/trace_pipe: %s", TRACING, strerror(errno));
	return fd;
}

/* "task-pid [cpu] flags time: kvm_gmem_NAME: vm=POINTER FIELDS" becomes "time vm NAME FIELDS". */
static void show(const char *line)
{
	const char *event = strstr(line, ": " PREFIX), *fields, *time;
	char out[1024];
	int len = 0, name_len;

	if (!event)
		return;
	time = memrchr(line, ' ', event - line);
	event += 2 + strlen(PREFIX);
	name_len = strcspn(event, ":");
	for (size_t i = 0; i < NR_NAMES; i++)
		if (strlen(names[i]) == (size_t)name_len && !strncmp(names[i], event, name_len))
			seen[i]++;
	fields = event + name_len + 2;
	if (!time || strncmp(fields, "vm=", 3))
		return;
	len = snprintf(out, sizeof(out), "%10.*s  vm %.4s  %-11.*s ",
		       (int)(event - 2 - strlen(PREFIX) - time - 1), time + 1,
		       fields + strcspn(fields, " ") - 4, name_len, event);
	fields += strcspn(fields, " ");
	while (*fields && len < (int)sizeof(out) - 1) {
		int word;

		fields += strspn(fields, " ");
		word = strcspn(fields, " ");
		if (strncmp(fields, "dev=", 4))
			len += snprintf(out + len, sizeof(out) - len, " %.*s", word, fields);
		fields += word;
	}
	printf("%.*s\n", columns, out);
}

/* Until the child has ended and nothing more comes. */
static int follow(int pipe_fd, pid_t pid, FILE *raw)
{
	struct pollfd p = { .fd = pipe_fd, .events = POLLIN };
	static char buf[65536];
	size_t have = 0;
	int status = 0;
	bool ended = false;

	for (;;) {
		ssize_t n = read(pipe_fd, buf + have, sizeof(buf) - 1 - have);
		char *line = buf, *end;

		if (n <= 0) {
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				die("reading trace_pipe: %s", strerror(errno));
			if (ended)
				return status;
			ended = waitpid(pid, &status, WNOHANG) == pid;
			poll(&p, 1, 200);
			continue;
		}
		have += n;
		buf[have] = '\0';
		while ((end = memchr(line, '\n', buf + have - line))) {
			*end = '\0';
			fprintf(raw, "%s\n", line);
			show(line);
			line = end + 1;
		}
		have -= line - buf;
		if (have == sizeof(buf) - 1)
			have = 0;
		memmove(buf, line, have);
		fflush(stdout);
	}
}

/* Everything that a counter of the workload's JSON has seen go well, fail or be refused. */
static unsigned long attempts(struct json_object *o)
{
	unsigned long n = 0;
	struct json_object *v;

	if (json_object_object_get_ex(o, "ok", &v))
		n += json_object_get_int64(v);
	if (json_object_object_get_ex(o, "refused", &v))
		n += json_object_get_int64(v);
	if (json_object_object_get_ex(o, "failed", &v)) {
		json_object_object_foreach(v, key, count)
		{
			(void)key;
			n += json_object_get_int64(count);
		}
	}
	return n;
}

static unsigned long told(struct json_object *totals, const char *name)
{
	struct json_object *o, *sum;
	unsigned long n = 0;

	if (!json_object_object_get_ex(totals, name, &o))
		die("the workload's JSON has no totals.%s", name);
	if (!json_object_object_get_ex(o, "sum", &sum))
		return attempts(o);
	json_object_object_foreach(sum, key, direction)
	{
		(void)key;
		n += attempts(direction);
	}
	return n;
}

static FILE *open_in(const char *dir, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w+e");
	if (!f)
		die("cannot write %s: %s", path, strerror(errno));
	return f;
}

int main(int argc, char **argv)
{
	FILE *raw, *json, *result;
	struct json_object *doc, *totals;
	int fd, status;
	pid_t pid;

	if (argc < 4 || (columns = atoi(argv[2])) <= 0) {
		fprintf(stderr, "usage: demo DIR COLUMNS WORKLOAD [ARGUMENT...]\n");
		return 2;
	}
	raw = open_in(argv[1], "events");
	json = open_in(argv[1], "workload.json");
	result = open_in(argv[1], "result");
	fd = enable_events();
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		dup2(fileno(json), 1);
		execv(argv[3], argv + 3);
		fprintf(stderr, "demo: cannot run %s: %s\n", argv[3], strerror(errno));
		_exit(127);
	}
	status = follow(fd, pid, raw);
	fprintf(result, "%s workload\n", status ? "FAILED" : "ok");

	lseek(fileno(json), 0, SEEK_SET);
	doc = json_object_from_fd(fileno(json));
	if (!doc || !json_object_object_get_ex(doc, "totals", &totals))
		die("the workload printed no JSON with totals (its wait status: %d)", status);
	printf("\nWhat the workload says that it did, and what the tracepoints saw:\n");
	for (size_t i = 0; i < NR_NAMES; i++) {
		unsigned long n = told(totals, names[i]);
		bool ok = n == seen[i] && n > 0;

		printf("  %-12s %7lu %7lu  %s\n", names[i], n, seen[i], ok ? "equal" : "DIFFERENT");
		fprintf(result, "%s %s\n", ok ? "ok" : "FAILED", names[i]);
	}
	json_object_put(doc);
	if (fclose(result) || fclose(raw))
		die("cannot write the results to %s: %s", argv[1], strerror(errno));
	return 0;
}
