// SPDX-License-Identifier: GPL-2.0-only
/* perf, which samples a process from outside: its stack, its registers, or a signal to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"

#define TRACE	GMEM_DO_GUARD(GMEM_GUARD_trace)
#define SECRET	64 /* bytes */
#define STACK	4096
#define BUFFER	(64 * KVM_PAGE)
#define PATIENT 2000 /* times 5 ms */

/* Made when it is wanted, so that it stands nowhere but on the stack. */
static unsigned char secret_byte(unsigned int i)
{
	return (unsigned char)(i * 29 + 7);
}

/* A: computes with a secret, until its peer is gone. */
static int compute(int peer)
{
	volatile unsigned char secret[SECRET];
	unsigned int sum = 0;
	char byte;
	int ret = tell(peer, (uint64_t)getpid());

	for (unsigned int i = 0; i < SECRET; i++)
		secret[i] = secret_byte(i);
	while (!ret && recv(peer, &byte, 1, MSG_DONTWAIT) < 0) {
		for (unsigned int i = 0; i < 100000; i++)
			sum += secret[i % SECRET];
	}
	return ret ?: sum ? 0 : ENDED_BROKEN;
}

static int open_event(struct perf_event_attr *attr, uint64_t pid)
{
	attr->size = sizeof(*attr);
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = PERF_COUNT_SW_CPU_CLOCK;
	attr->sample_period = 1000000;
	attr->exclude_kernel = 1;
	return (int)syscall(SYS_perf_event_open, attr, (pid_t)pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool has_secret(const unsigned char *bytes, size_t size)
{
	unsigned int n;

	for (size_t at = 0; at + SECRET <= size; at++) {
		for (n = 0; n < SECRET && bytes[at + n] == secret_byte(n); n++)
			;
		if (n == SECRET)
			return true;
	}
	return false;
}

static int sample_stack(int peer)
{
	struct perf_event_attr attr = { .sample_type = PERF_SAMPLE_STACK_USER,
					.sample_stack_user = STACK };
	struct perf_event_mmap_page *buffer;
	uint64_t pid;
	int fd, ret = hear(peer, &pid);

	fd = ret ? -1 : open_event(&attr, pid);
	if (fd < 0)
		return ret ?: errno;
	buffer = mmap(NULL, KVM_PAGE + BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (buffer == MAP_FAILED)
		return broken("mmap of an event");
	for (int i = 0; i < PATIENT; i++) {
		usleep(5000);
		if (__atomic_load_n(&buffer->data_head, __ATOMIC_ACQUIRE) > STACK &&
		    has_secret((unsigned char *)buffer + KVM_PAGE, BUFFER))
			return 0;
	}
	return ENDED_NOTHING;
}

/* The event becomes a signal, at any of its instructions. */
static int trap(int peer)
{
	struct perf_event_attr attr = { .sigtrap = 1, .remove_on_exec = 1, .disabled = 1 };
	uint64_t pid;
	int ret = hear(peer, &pid);

	return ret ?: result_of(open_event(&attr, pid));
}

/* Both are the same ordinary user, and the kernel is as it comes. */
static int perf_allowed(void)
{
	return put_text("/proc/sys/kernel/perf_event_paranoid", "2", 0);
}

static int sampled(void)
{
	return play_two_as(OTHER_USER, WHO_a, compute, WHO_x, sample_stack);
}

static int trapped(void)
{
	return play_two_as(OTHER_USER, WHO_a, compute, WHO_x, trap);
}

#define SEEN "A process that can profile another one with perf sees its stack and registers."

const struct bypass_case bypass_perf[] = {
	{ .id = "144",
	  .path = "perf: samples of the stack of who may, by the same user",
	  .op = BYPASS_NO_OP,
	  .prepare = perf_allowed,
	  .attempt = sampled,
	  EVERYWHERE(POSSIBLE(SEEN)) },
	{ .id = "145",
	  .path = "perf: an event that is a signal to who may (sigtrap)",
	  .op = TRACE,
	  .prepare = perf_allowed,
	  .attempt = trapped,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
