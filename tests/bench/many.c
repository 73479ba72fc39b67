// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures what VMs that all convert pay while they are watched each second: by gmemtop --json, and
 * by the exporter, which is scraped as Prometheus does it and reads a frame for each scrape. Runs
 * on one CPU, so that the VMs lose the time that a watcher takes.
 *
 *   bench_many N [WATCHER...]
 *
 * In the format of bench_ops, for WATCHER gmemtop, export and export_plain, which is the
 * exporter whose answers are not compressed:
 *   WATCHER.many_convert_N  CPU time of the VMMs for one conversion, in nanoseconds
 *   WATCHER.many_watcher_N  CPU time of the watcher in a second, in nanoseconds
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "vms.h"

#define GMEMTOP	   "build/gmemtop"
#define LISTEN	   "127.0.0.1:9759"
#define PORT	   9759
#define WARM	   2 /* seconds in which names are looked up and buffers grow */
#define SECONDS	   5
#define PIPE_SIZE  (1 << 20)
#define MAX_ANSWER (4 << 20)
#define MAX_VMS	   1000

static struct vms vms = { .steady = true, .conversions = 512 };
static uint64_t asked; /* conversions since the watcher began */
static char answer[MAX_ANSWER];

struct watcher {
	const char *name;
	const char *const args[8];
	bool scraped, gzip;
	pid_t pid;
	FILE *out; /* of a watcher that is not scraped */
	clockid_t cpu;
	char *line;
	size_t size;
};

static struct watcher watchers[] = {
	{ .name = "gmemtop", .args = { GMEMTOP, "--json", "-d", "1" } },
	{ .name = "export",
	  .args = { GMEMTOP, "export", "--listen", LISTEN, "--min-interval", "0" },
	  .scraped = true,
	  .gzip = true },
	{ .name = "export_plain",
	  .args = { GMEMTOP, "export", "--listen", LISTEN, "--min-interval", "0" },
	  .scraped = true },
};

static void sleep_ms(unsigned int ms)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* --- the watchers --- */

/* Return: bytes of the answer, or a negative errno. */
static ssize_t scrape(bool gzip)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(PORT),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t ret = -ECONNREFUSED, len, all = 0;
	char request[256];

	snprintf(request, sizeof(request),
		 "GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text;version=1.0.0\r\n"
		 "%s\r\n",
		 gzip ? "Accept-Encoding: gzip\r\n" : "");
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) ||
	    write(fd, request, strlen(request)) != (ssize_t)strlen(request))
		goto out;
	while ((len = read(fd, answer + all, sizeof(answer) - 1 - (size_t)all)) > 0)
		all += len;
	answer[all] = '\0';
	ret = !len && all > 12 && !memcmp(answer + 8, " 200", 4) ? all : -EBADMSG;
out:
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Do the metrics have every conversion that was asked for? They are in an answer without gzip. */
static int check_metrics(void)
{
	static const char name[] = "\ngmem_node_conversions_total{";
	uint64_t sum = 0;
	const char *at;
	ssize_t ret;

	ret = scrape(false);
	if (ret < 0)
		return (int)ret;
	for (at = answer; (at = strstr(at, name)); at++)
		sum += strtoull(strchr(at, '}') + 1, NULL, 10);
	if (sum == asked)
		return 0;
	fprintf(stderr, "bench_many: the metrics have %llu conversions of %llu\n",
		(unsigned long long)sum, (unsigned long long)asked);
	return -ENODATA;
}

/* A frame has to show all VMs. */
static int read_frame(struct watcher *watcher)
{
	unsigned int shown = 0;
	const char *at;

	if (getline(&watcher->line, &watcher->size, watcher->out) < 0)
		return -EPIPE;
	for (at = watcher->line; (at = strstr(at, "\"state\":\"live\"")); at++)
		shown++;
	if (shown >= vms.nr)
		return 0;
	fprintf(stderr, "bench_many: a frame shows %u VMs of %u\n", shown, vms.nr);
	return -ENODATA;
}

/* Let the VMs convert, and then the watcher see it. */
static int pass_second(struct watcher *watcher)
{
	ssize_t ret;

	settle();
	vms_convert(&vms);
	asked += (uint64_t)vms.nr * (uint64_t)vms.conversions;
	if (watcher->out)
		return read_frame(watcher);
	sleep_ms(500);
	ret = scrape(watcher->gzip);
	sleep_ms(400);
	return ret < 0 ? (int)ret : 0;
}

static int start(struct watcher *watcher)
{
	int out[2];

	asked = 0;
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	fcntl(out[1], F_SETPIPE_SZ, PIPE_SIZE);
	watcher->pid = fork();
	if (!watcher->pid) {
		dup2(out[1], STDOUT_FILENO);
		execv(GMEMTOP, (char *const *)(uintptr_t)watcher->args);
		perror(GMEMTOP);
		_exit(1);
	}
	close(out[1]);
	if (watcher->scraped)
		close(out[0]);
	else
		watcher->out = fdopen(out[0], "r");
	if (watcher->pid < 0 || (!watcher->scraped && !watcher->out) ||
	    clock_getcpuclockid(watcher->pid, &watcher->cpu))
		return -EIO;
	if (!watcher->scraped)
		return read_frame(watcher);
	while (scrape(watcher->gzip) < 0) {
		if (waitpid(watcher->pid, NULL, WNOHANG))
			return -ECHILD;
		sleep_ms(100);
	}
	return 0;
}

static void stop(struct watcher *watcher)
{
	if (watcher->pid > 0) {
		kill(watcher->pid, SIGTERM);
		if (watcher->out)
			fclose(watcher->out);
		waitpid(watcher->pid, NULL, 0);
	}
	free(watcher->line);
}

/* --- the measurement --- */

static void print(const struct watcher *watcher, const char *what, double *cost)
{
	qsort(cost, SECONDS, sizeof(*cost), by_value);
	printf("%s.many_%s_%u\t%u\t%.2f\t%.2f\n", watcher->name, what, vms.nr, vms.nr, cost[0],
	       cost[SECONDS / 2]);
	fflush(stdout);
}

static int measure_watcher(struct watcher *watcher)
{
	double convert[SECONDS], watch[SECONDS];
	uint64_t vmms, own = 0;
	int ret, i;

	ret = start(watcher);
	for (i = -WARM; i < SECONDS && !ret; i++) {
		vmms = vms_cpu_ns(&vms);
		own = clock_ns(watcher->cpu);
		ret = pass_second(watcher);
		if (ret || i < 0)
			continue;
		convert[i] = (double)(vms_cpu_ns(&vms) - vmms) / vms.nr / vms.conversions;
		watch[i] = (double)(clock_ns(watcher->cpu) - own);
	}
	if (!ret && watcher->scraped)
		ret = check_metrics();
	stop(watcher);
	if (ret) {
		fprintf(stderr, "bench_many: %s: %s\n", watcher->name, strerror(-ret));
		return ret;
	}
	print(watcher, "convert", convert);
	print(watcher, "watcher", watch);
	return 0;
}

int main(int argc, char **argv)
{
	int nr = argc > 1 ? atoi(argv[1]) : 0, ret;
	size_t i;

	if (nr < 1 || nr > MAX_VMS) {
		fprintf(stderr, "usage: bench_many N [WATCHER...], at most %d VMs\n", MAX_VMS);
		return 2;
	}
	WANTED_CHECK(argv + 2, watchers, sizeof(watchers) / sizeof(watchers[0]));
	vms_init();
	ret = vms_start(&vms, (unsigned int)nr);
	if (ret)
		fprintf(stderr, "bench_many: %d VMs: %s\n", nr, strerror(-ret));
	for (i = 0; i < sizeof(watchers) / sizeof(watchers[0]) && !ret; i++)
		if (wanted(watchers[i].name, argv + 2))
			ret = measure_watcher(&watchers[i]);
	vms_stop(&vms);
	return !!ret;
}
