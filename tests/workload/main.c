// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-workload: the parent. It starts the VMM processes, lets them begin and end together where
 * that is wanted, waits for all of them, counts what the kernel closed for those that went without,
 * and reports.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

enum phase { PHASE_SETUP, PHASE_READY, PHASE_HELD, PHASE_GONE };

/* Shared with the children; pipes that are closed are the signal to go on. */
static struct vm *vms;
static volatile u32 *phases;
static int go[2], end[2];

void say(const char *fmt, ...)
{
	char line[512];
	va_list args;
	int n;

	n = snprintf(line, sizeof(line), "gmem-workload: ");
	va_start(args, fmt);
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* One write, for several processes speak here. */
	if (write(2, line, n) != n)
		return;
}

static int wait_for(struct vm *vm, enum phase phase, int fd)
{
	char byte;

	phases[vm->index] = phase;
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	return 0;
}

/* Called by a VM when its set-up is done. */
int wait_for_start(struct vm *vm)
{
	return cfg.wait_start ? wait_for(vm, PHASE_READY, go[0]) : 0;
}

/* Called by a VM when its work is done. */
int wait_for_end(struct vm *vm)
{
	return cfg.hold ? wait_for(vm, PHASE_HELD, end[0]) : 0;
}

static void *shared_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int share(void)
{
	u32 i, j;

	vms = shared_memory(cfg.vms * sizeof(*vms));
	phases = shared_memory(cfg.vms * sizeof(*phases));
	if (!vms || !phases)
		return -ENOMEM;
	for (i = 0; i < cfg.vms; i++) {
		vms[i].index = i;
		vms[i].stat_private = -1;
		vms[i].gpa = shared_memory(MODEL_PAGES);
		if (!vms[i].gpa)
			return -ENOMEM;
		for (j = 0; j < MAX_INSTANCES; j++) {
			vms[i].inst[j].pages = shared_memory(INST_PAGES);
			if (!vms[i].inst[j].pages)
				return -ENOMEM;
		}
	}
	return 0;
}

/* What a VMM does at its own, orderly end. */
static void teardown(struct vm *vm)
{
	struct op op = { .times = 1 };
	struct ctx ctx = { .vm = vm, .counts = &vm->counts[MAX_VCPUS] };
	size_t i;

	vm->stat_private = vm_stat(vm, "private_pages");
	if (strcmp(cfg.teardown, "close"))
		return;
	for (i = 0; i < MAX_INSTANCES; i++) {
		memcpy(op.inst, vm->inst[i].name, NAME_LEN);
		op.id = OP_MUNMAP;
		if (vm->inst[i].used && vm->inst[i].map && vm->inst[i].fd >= 0)
			op_once(&ctx, &op);
		op.id = OP_DROP;
		if (vm->inst[i].used && vm->inst[i].held)
			op_once(&ctx, &op);
		op.id = OP_CLOSE;
		if (vm->inst[i].used && vm->inst[i].fd >= 0)
			op_once(&ctx, &op);
	}
	vm->end = END_CLOSED;
}

static void *control(void *data)
{
	struct vm *vm = data;

	run_scenario(vm, cfg.scenario);
	wait_for_end(vm);
	teardown(vm);
	return NULL;
}

/*
 * The kernel moves memory to the node that uses it and puts huge pages in the place of small ones.
 * For that it takes the shared backing out of the guest's page table, and the instance's pages at
 * the same addresses with it: the next touch is a guest fault that nothing here caused.
 */
static void keep_memory_in_place(void)
{
	/* A policy of its own exempts a task; without NUMA there is neither. */
	syscall(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0UL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

static int vmm(u32 first, u32 nr)
{
	int ret = EXIT_OK;
	u32 i, created;

	keep_memory_in_place();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(go[1]);
	close(end[1]);
	if (catch_sigbus())
		return EXIT_FAILED;
	for (i = 0; i < nr; i++) {
		if (pass_prepare(&vms[first + i])) {
			say("VM %u: no process to hand fds to", first + i);
			return EXIT_FAILED;
		}
	}
	for (created = 0; created < nr; created++) {
		if (vm_create(&vms[first + created]))
			break;
	}
	for (i = 0; created == nr && i < nr; i++) {
		if (pthread_create(&vms[first + i].control, NULL, control, &vms[first + i]))
			break;
	}
	if (i < nr) {
		say("cannot start VM %u", first + i);
		ret = EXIT_FAILED;
	}
	while (i-- > 0) {
		pthread_join(vms[first + i].control, NULL);
		if (vms[first + i].error)
			ret = EXIT_FAILED;
	}
	if (!strcmp(cfg.teardown, "kill"))
		kill(getpid(), SIGKILL);
	for (i = 0; strcmp(cfg.teardown, "exit") && i < created; i++)
		vm_close(&vms[first + i]);
	for (i = 0; i < nr; i++)
		pass_finish(&vms[first + i]);
	return ret;
}

static void process_gone(pid_t pid, int status, int *ret)
{
	u32 i;

	for (i = 0; i < cfg.vms; i++) {
		if (vms[i].pid != pid || phases[i] == PHASE_GONE)
			continue;
		phases[i] = PHASE_GONE;
		if (vms[i].end == END_CLOSED)
			continue;
		if (vms[i].end == END_RUNNING)
			vms[i].end = WIFSIGNALED(status) ? END_KILLED : END_EXITED;
		shadow_exit(&vms[i]);
		if (vms[i].error)
			*ret = EXIT_FAILED;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status))
		*ret = WEXITSTATUS(status);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		say("process %d died of %s", pid, strsignal(WTERMSIG(status)));
		*ret = EXIT_FAILED;
	}
}

/* Wait until every VM is in this phase or gone; a process that goes is looked after. */
static void wait_for_phase(enum phase phase, int *ret)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	int status;
	pid_t pid;
	u32 i;

	for (;;) {
		while ((pid = waitpid(-1, &status, phase == PHASE_GONE ? 0 : WNOHANG)) > 0)
			process_gone(pid, status, ret);
		/* Those who were handed an fd are waited for too: they were inherited. */
		if (pid < 0 && errno == ECHILD)
			return;
		for (i = 0; i < cfg.vms && phases[i] >= phase; i++)
			;
		if (i == cfg.vms && phase != PHASE_GONE)
			return;
		nanosleep(&moment, NULL);
	}
}

static void wait_for_line(bool to_the_end)
{
	char byte;

	while (read(0, &byte, 1) == 1 && (to_the_end || byte != '\n'))
		;
}

static int start_processes(void)
{
	const struct timespec gap = {
		.tv_sec = cfg.stagger_ms / 1000,
		.tv_nsec = cfg.stagger_ms % 1000 * 1000000,
	};
	u32 first, nr, i;
	pid_t pid;

	for (first = 0; first < cfg.vms; first += nr) {
		nr = cfg.vms - first < cfg.vms_per_process ? cfg.vms - first : cfg.vms_per_process;
		if (first && cfg.stagger_ms)
			nanosleep(&gap, NULL);
		pid = fork();
		if (!pid)
			_exit(vmm(first, nr));
		if (pid < 0) {
			say("fork: %s", strerror(errno));
			return EXIT_FAILED;
		}
		for (i = first; i < first + nr; i++)
			vms[i].pid = pid;
	}
	return EXIT_OK;
}

static int run(void)
{
	int ret;

	if (share() || pipe(go) || pipe(end)) {
		say("cannot set up the memory and pipes that are shared: %s", strerror(errno));
		return EXIT_FAILED;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ret = start_processes();
	close(go[0]);
	close(end[0]);
	if (cfg.wait_start) {
		wait_for_phase(PHASE_READY, &ret);
		report_progress(stdout, "ready", vms);
		say("ready, a line on standard input starts the work");
		wait_for_line(false);
	}
	close(go[1]);
	report_progress(stdout, "started", vms);
	if (cfg.hold) {
		wait_for_phase(PHASE_HELD, &ret);
		report_progress(stdout, "held", vms);
		wait_for_line(true);
	}
	close(end[1]);
	wait_for_phase(PHASE_GONE, &ret);
	if (report(stdout, vms))
		ret = EXIT_FAILED;
	return ret;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	struct scenario scenario = { 0 };
	int ret;

	ret = parse_options(argc, argv);
	if (ret)
		return ret;
	cfg.scenario = &scenario;
	if (scenario_load(&scenario))
		return EXIT_USAGE;
	ret = kvm_check();
	if (!ret) {
		setrlimit(RLIMIT_NOFILE, &files);
		ret = run();
	}
	scenario_free(&scenario);
	return ret;
}
