// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the cost of gmemtop itself with N VMs. Each VM is a process with an instance of its own
 * that converts pages before every frame, where the kernel has conversions.
 *
 *   bench_refresh [-p | -q] N...
 *   bench_refresh -s | -f N...
 *   bench_refresh -r N
 *
 * -q: less time: five frames instead of nine, and start_N only for the first N, after which VMs are
 * added while the same gmemtop runs.
 * -p: half of each VM's pages are private and stay private; the names below begin with "private_".
 *
 * In the format of bench_ops, for each N:
 *   refresh_N      CPU time of one frame with --json, in nanoseconds: the cheapest and the median
 *   start_N        CPU time from the start to the end of the first frame, in nanoseconds
 *   resident_N     the largest resident memory, in KiB
 * With -s only
 *   first_frame_N  time from the start to the end of the first frame, in microseconds
 * With -f only
 *   frame_N        CPU time of one frame with --json, in microseconds: the cheapest and the median
 * With -r only
 *   record_N       CPU time of one frame of gmemtop record, in nanoseconds
 *   recorded_N     what the recording grows by with a frame, in bytes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vms.h"

#define GMEMTOP	     "build/gmemtop"
#define WARM	     2 /* frames in which names are looked up and buffers grow */
#define FRAMES	     9
#define QUICK_FRAMES 5
#define RECORDED     20 /* frames: two blocks */
#define RECORDING    "/tmp/bench_refresh.recording"
#define PIPE_SIZE    (1 << 20)

static struct vms vms = { .conversions = 4 }; /* keep_private: -p */
static bool quick;			      /* -q */
static bool seconds;			      /* -s */
static bool frames_only;		      /* -f */
static bool recorded;			      /* -r */

struct top {
	pid_t pid;
	FILE *out;
	clockid_t cpu;
	char *line;
	size_t size;
};

static int start_top(struct top *top)
{
	int out[2];

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	fcntl(out[1], F_SETPIPE_SZ, PIPE_SIZE);
	top->pid = fork();
	if (!top->pid) {
		dup2(out[1], STDOUT_FILENO);
		execl(GMEMTOP, GMEMTOP, "--json", "-d", "1", NULL);
		perror(GMEMTOP);
		_exit(1);
	}
	close(out[1]);
	top->out = fdopen(out[0], "r");
	if (top->pid < 0 || !top->out || clock_getcpuclockid(top->pid, &top->cpu))
		return -EIO;
	return 0;
}

/* Read a frame, which has to show all VMs. */
static int read_frame(struct top *top, unsigned int nr)
{
	unsigned int shown = 0;
	const char *at;

	if (getline(&top->line, &top->size, top->out) < 0)
		return -EPIPE;
	for (at = top->line; (at = strstr(at, "\"state\":\"live\"")); at++)
		shown++;
	if (shown >= nr)
		return 0;
	fprintf(stderr, "bench_refresh: a frame shows %u VMs of %u\n", shown, nr);
	return -ENODATA;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A field of /proc/PID/status, in KiB; 0 if there is none. */
static unsigned long status_kib(pid_t pid, const char *field)
{
	unsigned long kib = 0;
	char path[64], line[128];
	size_t len = strlen(field);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, len) && line[len] == ':')
			kib = strtoul(line + len + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return kib;
}

static void say(const char *what, unsigned int nr, uint64_t least, uint64_t median)
{
	printf("%s%s_%u\t%u\t%llu\t%llu\n", vms.keep_private ? "private_" : "", what, nr, nr,
	       (unsigned long long)least, (unsigned long long)median);
	fflush(stdout);
}

static int measure_start(struct top *top, unsigned int nr)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC), begun;
	int ret;

	ret = start_top(top);
	if (!ret)
		ret = read_frame(top, nr);
	if (ret)
		return ret;
	begun = clock_ns(top->cpu);
	start = (clock_ns(CLOCK_MONOTONIC) - start) / 1000;
	if (seconds)
		say("first_frame", nr, start, start);
	else if (!frames_only)
		say("start", nr, begun, begun);
	return 0;
}

static int measure_frames(struct top *top, unsigned int nr)
{
	int frames = quick ? QUICK_FRAMES : FRAMES, ret, i;
	uint64_t before = clock_ns(top->cpu), after, cost[FRAMES];
	unsigned long kib;

	for (i = -WARM; i < frames; i++) {
		vms_convert(&vms);
		ret = read_frame(top, i < 0 ? 0 : nr);
		if (ret)
			return ret;
		after = clock_ns(top->cpu);
		if (i >= 0)
			cost[i] = after - before;
		before = after;
	}
	kib = status_kib(top->pid, "VmHWM");
	if (!kib)
		return -ENODATA;
	qsort(cost, (size_t)frames, sizeof(cost[0]), by_value);
	if (frames_only) {
		say("frame", nr, cost[0] / 1000, cost[frames / 2] / 1000);
		return 0;
	}
	say("refresh", nr, cost[0], cost[frames / 2]);
	say("resident", nr, kib, kib);
	return 0;
}

/* Record @frames frames of a second, before each of which all VMs convert. */
static int record(unsigned int frames, uint64_t *cpu_ns, uint64_t *bytes)
{
	struct timespec second = { 1, 0 };
	struct rusage used;
	char number[16];
	struct stat st;
	int status;
	pid_t pid;

	unlink(RECORDING);
	snprintf(number, sizeof(number), "%u", frames);
	pid = fork();
	if (!pid) {
		execl(GMEMTOP, GMEMTOP, "record", "-o", RECORDING, "-n", number, NULL);
		perror(GMEMTOP);
		_exit(1);
	}
	while (pid > 0 && !wait4(pid, &status, WNOHANG, &used)) {
		vms_convert(&vms);
		nanosleep(&second, NULL);
	}
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) || stat(RECORDING, &st))
		return -EIO;
	*cpu_ns = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * NS_PER_S +
		  (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

/* The difference between two runs is without the start, and without the first frames. */
static int measure_recording(unsigned int nr)
{
	uint64_t cpu[2], bytes[2];
	int ret;

	ret = record(RECORDED, &cpu[0], &bytes[0]);
	if (!ret)
		ret = record(2 * RECORDED, &cpu[1], &bytes[1]);
	if (ret) {
		fprintf(stderr, "bench_refresh: nothing was recorded\n");
		return ret;
	}
	say("record", nr, (cpu[1] - cpu[0]) / RECORDED, (cpu[1] - cpu[0]) / RECORDED);
	say("recorded", nr, (bytes[1] - bytes[0]) / RECORDED, (bytes[1] - bytes[0]) / RECORDED);
	return 0;
}

static void stop_top(struct top *top)
{
	if (top->pid > 0) {
		kill(top->pid, SIGTERM);
		if (top->out)
			fclose(top->out);
		waitpid(top->pid, NULL, 0);
	}
	free(top->line);
	*top = (struct top){ .pid = -1 };
}

/* Measure with @nr VMs, some of which may run already. */
static int run(struct top *top, unsigned int nr)
{
	unsigned int running = vms.nr;
	int ret;

	ret = nr > running ? vms_start(&vms, nr) : -EINVAL;
	if (ret) {
		fprintf(stderr, "bench_refresh: %u VMs after %u: %s\n", nr, running,
			strerror(-ret));
		return ret;
	}
	if (recorded)
		return measure_recording(nr);
	if (top->pid < 0)
		ret = measure_start(top, nr);
	return ret || seconds ? ret : measure_frames(top, nr);
}

int main(int argc, char **argv)
{
	struct top top = { .pid = -1 };
	int i = 1, failed = 0;

	if (argc > 1 && argv[1][0] == '-') {
		vms.keep_private = !strcmp(argv[1], "-p");
		quick = !strcmp(argv[1], "-q");
		seconds = !strcmp(argv[1], "-s");
		frames_only = !strcmp(argv[1], "-f");
		recorded = !strcmp(argv[1], "-r");
		i++;
	}
	vms_init();
	for (; i < argc; i++) {
		unsigned long nr = strtoul(argv[i], NULL, 10);

		if (!nr || nr > 100000 ||
		    (argv[1][0] == '-' &&
		     !(vms.keep_private || quick || seconds || frames_only || recorded))) {
			fprintf(stderr, "usage: bench_refresh [-p | -q | -s | -f | -r] N..., "
					"at most 100000 VMs\n");
			failed = 2;
			break;
		}
		failed |= !!run(&top, (unsigned int)nr);
		if (quick && !failed)
			continue;
		stop_top(&top);
		vms_stop(&vms);
	}
	stop_top(&top);
	vms_stop(&vms);
	return failed;
}
