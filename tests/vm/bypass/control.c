// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control of one who may, in the neighbourhood of guards.c: other threads than the first one, the
 * moment of an exec, processes that share memory, tracers that come by other ways.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/ctl/kernel/loader.h"
#include "../lib/kvm.h"
#include "../lib/policies.h"
#include "puppet.h"

#define TRACE GMEM_DO_GUARD(GMEM_GUARD_trace)
#define MS    1000000L

static char secret = PUPPET_SECRET;

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = MS }, NULL);
}

/* How many threads a process has; 0: it is not there. */
static int threads_of(const struct puppet *p)
{
	struct dirent *entry;
	char path[64];
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	closedir(dir);
	return nr;
}

/* --- 260: a thread executes a program: it becomes the first one, with the old memory yet --- */

/* What the kernel reads there when the thread leaves its memory does not come. */
static int block_exec(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, 0);
	void *page =
		mmap(NULL, KVM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || page == MAP_FAILED)
		return errno == ENOSYS ? ENDED_ABSENT : broken("userfaultfd");
	range.range.start = (uintptr_t)page;
	range.range.len = KVM_PAGE;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		return broken("UFFDIO_REGISTER");
	if (syscall(SYS_set_robust_list, page, sizeof(struct robust_list_head)))
		return broken("set_robust_list");
	return 0;
}

static void *exec_in_thread(void *arg)
{
	struct puppet me = { .pid = (uint64_t)getpid(), .memory = (uint64_t)&secret };
	int ret = block_exec();

	if (ret)
		me.pid = 0;
	if (puppet_introduce((int)(intptr_t)arg, &me) || ret)
		_exit(ret ?: ENDED_BROKEN);
	_exit(become(WHO_a, idle, -1));
}

static int thread_executes(int peer)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, exec_in_thread, (void *)(intptr_t)peer))
		return broken("pthread_create");
	for (;;)
		pause();
}

/* The first thread has gone when there is one. */
static int read_at_exec(int peer)
{
	struct puppet p;
	int ret;

	if (puppet_meet(peer, &p))
		return ENDED_BROKEN;
	if (!p.pid)
		return ENDED_ABSENT;
	while (threads_of(&p) > 1)
		nap();
	ret = puppet_read(&p);
	return kill((pid_t)p.pid, SIGKILL) ? broken("kill") : ret;
}

/* As play_two(), where the first one's end is of no interest. */
static int against(player_fn victim, player_fn stranger)
{
	int pair[2], ret;
	pid_t a, x;

	if (socket_pair(pair))
		return ENDED_BROKEN;
	a = player_start(WHO_a, victim, pair[0]);
	x = player_start(WHO_x, stranger, pair[1]);
	close(pair[0]);
	close(pair[1]);
	ret = player_wait(x);
	kill(a, SIGKILL);
	player_wait(a);
	return ret;
}

static int exec_by_thread(void)
{
	return against(thread_executes, read_at_exec);
}

/* --- 261: two processes that share their memory --- */

static struct sharing {
	int peer;
	volatile int go;
	volatile int taken_over; /* whoever writes here is obeyed */
} sharing;

#define STACK (64 << 10)

static int act_when_told(void *arg)
{
	const struct sharing *s = arg;

	while (!s->go)
		nap();
	return s->taken_over ? make(-1) : ENDED_NOTHING;
}

/* The memory is the first one's; the other one acts. */
static int share_memory(int peer)
{
	struct puppet me = { .pid = (uint64_t)getpid(), .memory = (uint64_t)&sharing.taken_over };
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t go;
	pid_t pid;

	if (stack == MAP_FAILED)
		return broken("mmap");
	pid = clone(act_when_told, stack + STACK, CLONE_VM | SIGCHLD, &sharing);
	if (pid < 0 || puppet_introduce(peer, &me) || hear(peer, &go))
		return broken("clone");
	sharing.go = 1;
	return player_wait(pid);
}

static int take_over(const struct puppet *p)
{
	int one = 1;
	struct iovec here = { &one, sizeof(one) }, there = { (void *)p->memory, sizeof(one) };

	if (process_vm_writev((pid_t)p->pid, &here, 1, &there, 1, 0) != sizeof(one))
		return broken("process_vm_writev");
	return 0;
}

static int set_mode(bool enforce)
{
	enum proof proof;

	if (bypass_run.falsify)
		return 0;
	return loader_set_mode(NULL, enforce, false, &proof) ? failed("set-mode") : 0;
}

/* Enforced, in audit mode, where X writes to the memory, and enforced again. */
static int written_in_audit(const struct bypass_case *c)
{
	struct counts before;
	struct puppet p;
	int pair[2], ret;
	pid_t a;

	if (stage_begin(c, &before) || socket_pair(pair))
		return ENDED_BROKEN;
	a = player_start(WHO_a, share_memory, pair[0]);
	close(pair[0]);
	if (puppet_meet(pair[1], &p) || set_mode(false) || take_over(&p) || set_mode(true))
		return ENDED_BROKEN;
	drop_events();
	counts_read(&before);
	if (tell(pair[1], 0))
		return ENDED_BROKEN;
	ret = player_wait(a);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		ret = ENDED_BROKEN;
	stage_unload();
	return ret;
}

/* --- 262: a tracer that is there for all children --- */

/* The child of who is traced is traced too, and executes A. */
static int traced_by_birth(int peer)
{
	pid_t pid = fork(), child;
	int status;

	(void)peer;
	if (!pid) {
		raise(SIGSTOP);
		child = player_start(WHO_a, make, -1);
		_exit(player_wait(child));
	}
	waitpid(pid, &status, WUNTRACED);
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC))
		return broken("PTRACE_SEIZE");
	kill(pid, SIGCONT);
	for (;;) {
		child = waitpid(-1, &status, __WALL);
		if (child < 0)
			return broken("waitpid");
		if (WIFSTOPPED(status))
			ptrace(PTRACE_CONT, child, NULL, NULL);
		else if (child == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : ENDED_KILLED;
	}
}

/* Its tracer has gone just before it executes A: nothing of it is left. */
static int traced_until_exec(int peer)
{
	pid_t pid = fork();
	int status;

	(void)peer;
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(broken("PTRACE_TRACEME"));
		raise(SIGSTOP);
		_exit(become(WHO_a, make, -1));
	}
	if (waitpid(pid, &status, 0) != pid || ptrace(PTRACE_DETACH, pid, NULL, NULL))
		return broken("PTRACE_DETACH");
	return player_wait(pid);
}

/* --- 263: threads of A --- */

/* What it introduces is a thread, or that itself when the first thread has ended. */
static void *be_met(void *arg)
{
	struct puppet me = { .pid = (uint64_t)gettid(), .memory = (uint64_t)&secret };
	int peer = (int)(intptr_t)arg;

	_exit(puppet_introduce(peer, &me) ?: (wait_gone(peer), 0));
}

static void *be_met_alone(void *arg)
{
	char state = 0;

	/* Until the first one is a zombie. */
	while (state != 'Z') {
		FILE *f = fopen("/proc/self/stat", "re");

		if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
			_exit(broken("/proc/self/stat"));
		fclose(f);
		nap();
	}
	return be_met(arg);
}

static int hold_in_thread(int peer)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, be_met, (void *)(intptr_t)peer))
		return broken("pthread_create");
	pthread_join(thread, NULL);
	return 0;
}

static int hold_without_first(int peer)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, be_met_alone, (void *)(intptr_t)peer))
		return broken("pthread_create");
	syscall(SYS_exit, 0);
	return 0;
}

static int read_thread(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_read(&p);
}

static int open_memory_of_thread(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_open_mem(&p);
}

static int seize_thread(int peer)
{
	struct puppet p;

	return puppet_meet(peer, &p) ?: puppet_seize(&p) ?: puppet_peek(&p) ?: puppet_detach(&p);
}

static int write_thread(int peer)
{
	struct iovec here = { &secret, 1 }, there;
	struct puppet p;

	if (puppet_meet(peer, &p))
		return ENDED_BROKEN;
	there = (struct iovec){ (void *)p.memory, 1 };
	return process_vm_writev((pid_t)p.pid, &here, 1, &there, 1, 0) == 1 ? 0 : errno;
}

static int personality_of_thread(int peer)
{
	char path[64], text[32];
	struct puppet p;
	int fd, ret;

	if (puppet_meet(peer, &p))
		return ENDED_BROKEN;
	snprintf(path, sizeof(path), "/proc/%d/personality", (int)p.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 || read(fd, text, sizeof(text)) < 0 ? errno : 0;
	close(fd);
	return ret;
}

static void *make_alone(void *arg)
{
	(void)arg;
	usleep(100000);
	_exit(make(-1));
}

static int makes_when_first_ended(int peer)
{
	pthread_t thread;

	(void)peer;
	if (pthread_create(&thread, NULL, make_alone, NULL))
		return broken("pthread_create");
	syscall(SYS_exit, 0);
	return 0;
}

/* --- 264: a process of another user that shares A's memory --- */

static int be_met_as_other(void *arg)
{
	struct puppet me = { .pid = (uint64_t)getpid(), .memory = (uint64_t)&secret };
	int peer = (int)(intptr_t)arg;

	if (setresuid(OTHER_USER, OTHER_USER, OTHER_USER))
		_exit(broken("setresuid"));
	_exit(puppet_introduce(peer, &me) ?: (wait_gone(peer), 0));
}

static int share_with_other(int peer)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return broken("mmap");
	pid = clone(be_met_as_other, stack + STACK, CLONE_VM | SIGCHLD, (void *)(intptr_t)peer);
	close(peer);
	return player_wait(pid);
}

/* clang-format off */
#define THREAD(number, what, does, victim, code)                                      \
	{                                                                             \
		.id = number, .path = what, .op = TRACE, PLAYERS(a, victim, x, does), \
		EVERYWHERE(STOPPED(code))                                             \
	}
/* clang-format on */

const struct bypass_case bypass_control[] = {
	{ .id = "260",
	  .path = "process_vm_readv of A while a thread of it executes a program",
	  .op = TRACE,
	  .attempt = exec_by_thread,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "261",
	  .path = "written to in audit mode, and a process that shares the memory acts, enforced",
	  .whole = written_in_audit,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "262",
	  .path = "A executed by the child of a traced process (PTRACE_O_TRACEFORK)",
	  .op = GMEM_DO_create,
	  PLAYER(x, traced_by_birth),
	  EVERYWHERE(STOPPED(EACCES)) },
	THREAD("263", "process_vm_readv of A by the number of a thread", read_thread,
	       hold_in_thread, EPERM),
	THREAD("263b", "process_vm_writev of A by the number of a thread", write_thread,
	       hold_in_thread, EPERM),
	THREAD("263c", "/proc/TID/mem of a thread of A", open_memory_of_thread, hold_in_thread,
	       EACCES),
	THREAD("263d", "PTRACE_SEIZE of a thread of A", seize_thread, hold_in_thread, EPERM),
	THREAD("263e", "/proc/TID/personality of a thread of A", personality_of_thread,
	       hold_in_thread, EPERM),
	THREAD("263f", "process_vm_readv of A, whose first thread has ended", read_thread,
	       hold_without_first, EPERM),
	THREAD("263g", "PTRACE_SEIZE of A, whose first thread has ended", seize_thread,
	       hold_without_first, EPERM),
	THREAD("264", "process_vm_readv of a process of another user that shares A's memory",
	       read_thread, share_with_other, EPERM),
	{ FINE("F133", "A executed by a process whose tracer has just gone",
	       PLAYER(x, traced_until_exec)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F134", "A creates when its first thread has ended",
	       PLAYER(a, makes_when_first_ended)),
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
