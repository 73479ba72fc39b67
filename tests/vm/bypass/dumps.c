// SPDX-License-Identifier: GPL-2.0-only
/* Core dumps, which can hold what a process has mapped. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/kvm.h"
#include "bypass.h"

/* --- 46: a core dump --- */

#define CORES	BYPASS_DIR "/cores"
#define PATTERN 64 /* bytes */

/* Made when it is wanted, so that it stands in the instance and nowhere else. */
static unsigned char pattern_byte(unsigned int i)
{
	return (unsigned char)(i * 37 + 11);
}

static int fill_and_crash(int peer)
{
	struct vmm v;
	int ret;
	char *mem = vmm_map(&v, PROT_READ | PROT_WRITE, &ret);
	volatile char *at = mem;

	if (!mem)
		return ret;
	for (unsigned int i = 0; i < PATTERN; i++)
		at[i] = (char)pattern_byte(i);
	ret = tell(peer, (uint64_t)getpid());
	wait_gone(peer);
	return ret ?: ENDED_NOTHING;
}

static int widen_and_kill(int peer)
{
	char path[64];
	uint64_t pid;
	int fd, ret = hear(peer, &pid);

	if (ret)
		return ENDED_ABSENT;
	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0x3f", 4) != 4)
		return errno;
	close(fd);
	return kill((pid_t)pid, SIGSEGV) ? errno : 0;
}

static int find_pattern(const char *path)
{
	unsigned char *text;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = ENDED_NOTHING;
	unsigned int n;
	off_t at;

	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		return broken(path);
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return broken(path);
	for (at = 0; at + PATTERN <= st.st_size && ret; at++) {
		for (n = 0; n < PATTERN && text[at + n] == pattern_byte(n); n++)
			;
		ret = n == PATTERN ? 0 : ENDED_NOTHING;
	}
	close(fd);
	return ret;
}

/* What is written there before a program begins is the program's. */
static int widen_and_become(int peer)
{
	if (put_text("/proc/self/coredump_filter", "0x3f", 0))
		return broken("coredump_filter");
	return become(WHO_a, fill_and_crash, peer);
}

static int just_kill(int peer)
{
	uint64_t pid;

	if (hear(peer, &pid))
		return ENDED_ABSENT;
	return kill((pid_t)pid, SIGSEGV) ? errno : 0;
}

/* Both run as the same ordinary user. */
static int dump_core(enum who who, player_fn crash, player_fn kill_it)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int pair[2], ret, status;
	char path[64];
	pid_t a, x;
	FILE *f;

	mkdir(CORES, 0777);
	chmod(CORES, 0777);
	f = fopen("/proc/sys/kernel/core_pattern", "w");
	if (!f || fputs(CORES "/%p", f) < 0 || fclose(f) || setrlimit(RLIMIT_CORE, &all))
		return broken("core_pattern");
	if (socket_pair(pair))
		return ENDED_BROKEN;
	a = player_start_as(OTHER_USER, who, crash, pair[0]);
	x = player_start_as(OTHER_USER, WHO_x, kill_it, pair[1]);
	close(pair[0]);
	close(pair[1]);
	ret = player_wait(x);
	if (waitpid(a, &status, 0) != a)
		return broken("waitpid");
	if (ret)
		return ret;
	if (!WIFSIGNALED(status) || !WCOREDUMP(status))
		return failed("no core was dumped: 0x%x", status);
	snprintf(path, sizeof(path), CORES "/%d", a);
	ret = find_pattern(path);
	unlink(path);
	rmdir(CORES);
	return ret;
}

static int widened(void)
{
	return dump_core(WHO_a, fill_and_crash, widen_and_kill);
}

static int inherited(void)
{
	return dump_core(WHO_x, widen_and_become, just_kill);
}

#define DUMPED "On kernels without the patches a core dump can contain pages of a mapping."

const struct bypass_case bypass_dumps[] = {
	{ .id = "46",
	  .path = "coredump_filter of A widened by its own user, then SIGSEGV",
	  .op = BYPASS_NO_OP,
	  .attempt = widened,
	  LANES(REFUSED(ENDED_NOTHING), POSSIBLE(DUMPED), POSSIBLE(DUMPED), ABSENT) },
	{ .id = "46b",
	  .path = "coredump_filter widened by who starts A, then SIGSEGV",
	  .op = BYPASS_NO_OP,
	  .attempt = inherited,
	  LANES(REFUSED(ENDED_NOTHING), POSSIBLE(DUMPED), POSSIBLE(DUMPED), ABSENT) },
	{ 0 },
};
