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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../vm/lib/kvm.h"

#define GMEMTOP	     "build/gmemtop"
#define SIZE	     (512 * KVM_PAGE)
#define GPA	     KVM_TEST_GPA
#define WARM	     2 /* frames in which names are looked up and buffers grow */
#define FRAMES	     9
#define QUICK_FRAMES 5
#define CONVERSIONS  4
#define CONVERTED    256 /* pages, from the first one on */
#define RECORDED     20	 /* frames: two blocks */
#define RECORDING    "/tmp/bench_refresh.recording"
#define PIPE_SIZE    (1 << 20)
#define NS_PER_S     1000000000ULL

static bool keep_private; /* -p */
static bool quick;	  /* -q */
static bool seconds;	  /* -s */
static bool frames_only;  /* -f */
static bool recorded;	  /* -r */

struct top {
	pid_t pid;
	FILE *out;
	clockid_t cpu;
	char *line;
	size_t size;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/*
 * Where the kernel has no VMs with private pages it is one of the others, which convert nothing,
 * with an instance if the kernel lets it have one.
 */
static int default_vm_setup(int kvm, int *vm)
{
	int instance;

	*vm = kvm_create_vm(kvm, KVM_X86_DEFAULT_VM);
	if (*vm < 0 || keep_private)
		return -errno;
	instance = kvm_create_instance(*vm, SIZE,
				       GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	if (instance >= 0 && kvm_bind(*vm, 0, instance, GPA, SIZE, 0))
		return -errno;
	return 0;
}

static int vm_setup(int *vm)
{
	int kvm = kvm_open(), instance;

	*vm = kvm < 0 ? -1 : kvm_create_vm(kvm, KVM_X86_SW_PROTECTED_VM);
	if (kvm >= 0 && *vm < 0)
		return default_vm_setup(kvm, vm);
	instance = *vm < 0 ? -1 : kvm_create_instance(*vm, SIZE, 0);
	if (instance < 0 || kvm_bind(*vm, 0, instance, GPA, SIZE, 0))
		return -errno;
	if (keep_private &&
	    kvm_convert(*vm, GPA + SIZE / 2, SIZE / 2, KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return -errno;
	return 0;
}

/* A VMM: each SIGUSR1 makes it convert. It ends with its parent. */
static void __attribute__((noreturn)) vmm(int ready)
{
	sigset_t work;
	int vm, ret, sig, i, page = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&work);
	sigaddset(&work, SIGUSR1);
	ret = vm_setup(&vm);
	if (write(ready, &ret, sizeof(ret)) != sizeof(ret) || ret)
		_exit(1);
	close(ready);
	for (;;) {
		sigwait(&work, &sig);
		for (i = 0; i < CONVERSIONS; i++, page++)
			kvm_convert(vm, GPA + (uint64_t)(page / 2 % CONVERTED) * KVM_PAGE, KVM_PAGE,
				    page % 2 ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE);
	}
}

/* The VMMs are one process group, that of the first one; *@group is 0 before. */
static int start_vms(unsigned int nr, pid_t *group)
{
	int ready[2], ret = 0, one;
	unsigned int i;
	pid_t pid;

	if (pipe(ready))
		return -errno;
	for (i = 0; i < nr && !ret; i++) {
		pid = fork();
		if (!pid)
			vmm(ready[1]);
		if (pid < 0) {
			ret = -errno;
			break;
		}
		if (!*group)
			*group = pid;
		setpgid(pid, *group);
		if (read(ready[0], &one, sizeof(one)) != sizeof(one))
			ret = -EIO;
		else
			ret = one;
	}
	close(ready[0]);
	close(ready[1]);
	return ret;
}

static void stop_vms(pid_t group)
{
	if (!group)
		return;
	kill(-group, SIGKILL);
	while (waitpid(-group, NULL, 0) > 0)
		;
}

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
	printf("%s%s_%u\t%u\t%llu\t%llu\n", keep_private ? "private_" : "", what, nr, nr,
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

static int measure_frames(struct top *top, unsigned int nr, pid_t group)
{
	int frames = quick ? QUICK_FRAMES : FRAMES, ret, i;
	uint64_t before = clock_ns(top->cpu), after, cost[FRAMES];
	unsigned long kib;

	for (i = -WARM; i < frames; i++) {
		kill(-group, SIGUSR1);
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
static int record(unsigned int frames, pid_t group, uint64_t *cpu_ns, uint64_t *bytes)
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
		kill(-group, SIGUSR1);
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
static int measure_recording(unsigned int nr, pid_t group)
{
	uint64_t cpu[2], bytes[2];
	int ret;

	ret = record(RECORDED, group, &cpu[0], &bytes[0]);
	if (!ret)
		ret = record(2 * RECORDED, group, &cpu[1], &bytes[1]);
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

/* Measure with @nr VMs, of which *@running run already. */
static int run(struct top *top, unsigned int nr, unsigned int *running, pid_t *group)
{
	int ret;

	ret = nr > *running ? start_vms(nr - *running, group) : -EINVAL;
	if (ret) {
		fprintf(stderr, "bench_refresh: %u VMs after %u: %s\n", nr, *running,
			strerror(-ret));
		return ret;
	}
	*running = nr;
	if (recorded)
		return measure_recording(nr, *group);
	if (top->pid < 0)
		ret = measure_start(top, nr);
	return ret || seconds ? ret : measure_frames(top, nr, *group);
}

int main(int argc, char **argv)
{
	struct top top = { .pid = -1 };
	unsigned int running = 0;
	int i = 1, failed = 0;
	pid_t group = 0;
	sigset_t work;

	if (argc > 1 && argv[1][0] == '-') {
		keep_private = !strcmp(argv[1], "-p");
		quick = !strcmp(argv[1], "-q");
		seconds = !strcmp(argv[1], "-s");
		frames_only = !strcmp(argv[1], "-f");
		recorded = !strcmp(argv[1], "-r");
		i++;
	}
	/* Blocked in the VMMs from the beginning, so that no signal comes too early. */
	sigemptyset(&work);
	sigaddset(&work, SIGUSR1);
	sigprocmask(SIG_BLOCK, &work, NULL);
	for (; i < argc; i++) {
		unsigned long nr = strtoul(argv[i], NULL, 10);

		if (!nr || nr > 100000 ||
		    (argv[1][0] == '-' &&
		     !(keep_private || quick || seconds || frames_only || recorded))) {
			fprintf(stderr, "usage: bench_refresh [-p | -q | -s | -f | -r] N..., "
					"at most 100000 VMs\n");
			failed = 2;
			break;
		}
		failed |= !!run(&top, (unsigned int)nr, &running, &group);
		if (quick && !failed)
			continue;
		stop_top(&top);
		stop_vms(group);
		running = 0;
		group = 0;
	}
	stop_top(&top);
	stop_vms(group);
	return failed;
}
