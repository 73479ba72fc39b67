// SPDX-License-Identifier: GPL-2.0-only
/* Passing for another program by its file: a copy of it, or another one in its place. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/policies.h"
#include "puppet.h"

#define COPY BYPASS_DIR "/copy"

/* --- copies --- */

static int be_copy(int peer)
{
	(void)peer;
	return become_file(COPY, make, -1);
}

static int copy_ready(void)
{
	return copy_file(who_paths[WHO_a], COPY);
}

static int be_memfd(int peer)
{
	int from = open(who_paths[WHO_a], O_RDONLY | O_CLOEXEC);
	int to = memfd_create("a", 0);
	char path[64], buf[65536];
	ssize_t n;

	(void)peer;
	while ((n = read(from, buf, sizeof(buf))) > 0) {
		if (write(to, buf, (size_t)n) != n)
			return broken("memfd");
	}
	/* become() closes the lowest one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fcntl(to, F_DUPFD, 100));
	close(to);
	return become_file(path, make, -1);
}

/* --- 35: another file in its place --- */

/* Makes an instance now, and one when it is told to. */
static int make_twice(int peer)
{
	uint64_t again;

	return make(-1) ?: tell(peer, 0) ?: hear(peer, &again) ?: make(-1);
}

/* Who runs goes on, as what it was; who begins after the exchange is somebody else. */
static int replaced(const struct bypass_case *c)
{
	struct counts before;
	int pair[2], ret, old;
	uint64_t made;
	pid_t pid;

	(void)c;
	if (copy_file(who_paths[WHO_a], COPY) || stage_load_for(COPY) || socket_pair(pair))
		return ENDED_BROKEN;
	pid = fork();
	if (!pid)
		_exit(become_file(COPY, make_twice, pair[0]));
	if (hear(pair[1], &made) || copy_file(who_paths[WHO_a], COPY ".new") ||
	    rename(COPY ".new", COPY))
		return broken("the exchange");
	drop_events();
	counts_read(&before);
	ret = play(WHO_x, be_copy);
	if (check_ledger(&before, GMEM_DO_create, ret ? 1 : 0))
		return ENDED_BROKEN;
	old = tell(pair[1], 0) ?: player_wait(pid);
	unlink(COPY);
	if (old)
		return failed("who ran already: %d", old);
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

const struct bypass_case bypass_identity_files[] = {
	{ .id = "35",
	  .path = "the file replaced: who begins anew is somebody else",
	  .whole = replaced,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "87",
	  .path = "a copy of who may",
	  .op = GMEM_DO_create,
	  .prepare = copy_ready,
	  PLAYER(x, be_copy),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ .id = "87b",
	  .path = "a copy of who may in a memfd",
	  .op = GMEM_DO_create,
	  PLAYER(x, be_memfd),
	  EVERYWHERE(STOPPED(EACCES)) },
	{ 0 },
};
